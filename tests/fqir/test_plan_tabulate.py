"""Chains of elementwise nodes become look-ups where that pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.fqir.plan import numpy_engine
from hostrt.fqir.plan.ir import Add, Lookup
from hostrt.fqir.plan.lower import compile_plan
from hostrt.fqir.plan.numpy_engine import NumpyEngine
from hostrt.fqir.plan.tabulate import tabulated
from hostrt.fqir.reference import ReferenceEngine
from tests.fqir.inspected import golden
from tests.fqir.models import ADD, Draft, noise, recurrent, sigmoid

if TYPE_CHECKING:
    from hostrt.fqir.graph import Model
    from hostrt.fqir.plan.ir import Instruction

MANY = 100_000


def kinds(body: tuple[Instruction, ...]) -> list[str]:
    return [type(one).__name__ for one in body]


def interpolated(length: int = 8, shared: bool = True) -> Model:
    """Give two interpolated tables, of the same content or not."""
    draft = Draft()
    x, y = draft.input("x", length), draft.input("y", length)
    return draft.model(sigmoid(draft, x, 0), sigmoid(draft, y, 0 if shared else 1))


def check(model: Model, frames: int = 12) -> None:
    """Compare an engine that has tables with the reference engine."""
    inputs = [
        noise((frames, *tensor.shape), 16, seed) for seed, tensor in enumerate(model.arith.inputs)
    ]
    engine, reference = NumpyEngine(model), ReferenceEngine(model)
    for t in range(frames):
        given = [array[t] for array in inputs]
        for found, wanted in zip(engine.step(given), reference.step(given), strict=True):
            assert np.array_equal(found, wanted)


def test_six_nodes_of_one_number_become_one_look_up() -> None:
    plan = tabulated(compile_plan(interpolated()), MANY)

    assert kinds(plan.body) == ["Lookup", "Lookup"]


@pytest.mark.parametrize(("shared", "tables"), [(True, 1), (False, 2)])
def test_equal_chains_share_a_table(shared: bool, tables: int) -> None:
    plan = tabulated(compile_plan(interpolated(shared=shared)), MANY)

    used = {one.table for one in plan.body if isinstance(one, Lookup)}
    assert len(used) == tables
    assert all(len(plan.tables[number]) == 65536 for number in used)


def test_tables_are_not_made_for_a_few_frames() -> None:
    plan = compile_plan(interpolated())

    assert tabulated(plan, 10).body == plan.body


def test_small_tables_are_made_for_any_number_of_frames() -> None:
    draft = Draft()
    x = draft.input("x", 4, dtype="int8")
    y = x
    for step in range(4):
        y = draft.add("viadd", f"y{step}", y, y=37, **ADD | {"bw": 8})
    plan = tabulated(compile_plan(draft.model(y)), 1)

    (only,) = plan.body
    assert isinstance(only, Lookup)
    assert plan.tables[only.table].tolist() == [min(x + 148, 127) for x in range(-128, 128)]


def test_saturation_before_a_look_up_is_left_to_it() -> None:
    draft = Draft()
    x, y = draft.input("x", 4), draft.input("y", 4)
    total = draft.add("vvadd", "total", x, y, **ADD)
    plan = tabulated(compile_plan(draft.model(sigmoid(draft, total))), MANY)
    addition, look = plan.body
    assert isinstance(addition, Add)
    assert isinstance(look, Lookup)
    assert addition.narrow.void
    assert (look.lo, look.hi, look.clamped) == (-32768, 32767, True)
    value = plan.values[addition.out]
    assert (value.lo, value.hi) == (-65536, 65534)


def test_saturation_that_somebody_else_sees_stays() -> None:
    draft = Draft()
    x, y = draft.input("x", 4), draft.input("y", 4)
    total = draft.add("vvadd", "total", x, y, **ADD)
    plan = tabulated(compile_plan(draft.model(sigmoid(draft, total), total)), MANY)

    addition = plan.body[0]
    assert isinstance(addition, Add)
    assert (addition.narrow.lo, addition.narrow.hi) == (-32768, 32767)


def test_what_is_watched_stays_computed() -> None:
    plan = compile_plan(interpolated(), watch=["x_rem"])

    names = dict(tabulated(plan, MANY).watched)

    assert names == dict(plan.watched)


def test_a_chain_with_an_operand_of_several_numbers_stays() -> None:
    draft = Draft()
    x, p = draft.input("x", 3), draft.parameter("p", [1, 2, 3])
    y = x
    for step in range(6):
        y = draft.add("vvadd", f"y{step}", y, p, **ADD)
    plan = compile_plan(draft.model(y))

    assert kinds(tabulated(plan, MANY).body) == ["Add"] * 6


def test_a_chain_of_wide_numbers_stays() -> None:
    draft = Draft()
    y = draft.input("x", 3, dtype="int24")
    for step in range(6):
        y = draft.add("viadd", f"y{step}", y, y=3, **ADD | {"bw": 24})
    plan = compile_plan(draft.model(y))

    assert kinds(tabulated(plan, MANY).body) == ["Add"] * 6


@pytest.mark.parametrize("name", ["control_flow", "norm_softmax", "opzoo"])
def test_golden_models_keep_their_values_between_the_proven_bounds(name: str) -> None:
    plan = tabulated(compile_plan(golden(name)), MANY)

    for one in plan.body:
        if isinstance(one, Lookup):
            assert len(plan.tables[one.table]) == one.hi - one.lo + 1
            value, content = plan.values[one.out], plan.tables[one.table]
            assert value.lo <= content.min()
            assert content.max() <= value.hi


def test_an_engine_goes_on_where_it_was_when_it_makes_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numpy_engine, "_EFFORTS", (5,))

    check(recurrent(3, 4))
    check(interpolated())
