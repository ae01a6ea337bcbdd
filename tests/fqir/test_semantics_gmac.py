"""The multi-term multiply-accumulate against its formula, and its corners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import ProgramCorrupt
from hostrt.fqir.semantics.binding import bind
from hostrt.fqir.semantics.gmac import Gmac
from hostrt.fqir.semantics.integers import KernelError
from tests.fqir.formulas import clamp, wrap
from tests.fqir.inspected import node, tensor

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array, Node

Pair = tuple[int, bool, bool]
"""Shift of a product of two tensors, and which of them are 24 bits wide."""
Single = tuple[int, int, bool]
"""Shift, constant, and whether the tensor is 24 bits wide."""


def gmac_node(pairs: list[Pair], singles: list[Single], bits_out: list[int]) -> Node:
    inputs = {}
    for i, (_, wide_x, wide_y) in enumerate(pairs):
        inputs[f"x_vv_{i}"] = tensor(f"x{i}", 3, dtype="int24" if wide_x else "int16")
        inputs[f"y_vv_{i}"] = tensor(f"y{i}", 3, dtype="fqint24" if wide_y else "fqint8")
    for i, (_, _, wide) in enumerate(singles):
        inputs[f"x_vi_{i}"] = tensor(f"z{i}", 3, dtype="int24" if wide else "int16")
    constants = {
        "shamts_vv": tuple(shamt for shamt, _, _ in pairs),
        "shamts_vi": tuple(shamt for shamt, _, _ in singles),
        "immediates_vi": tuple(immediate for _, immediate, _ in singles),
        "bits_out": tuple(bits_out),
    }
    return node("gmac_v2", [tensor(f"o{i}", 3) for i in range(len(bits_out))],
                constants=constants, **inputs)  # fmt: skip


def dropped(pairs: list[Pair], singles: list[Single]) -> int:
    """Restate step 2 of FQIR reference 4.7."""
    drop = max([0, *(pair[0] for pair in pairs), *(single[0] for single in singles)])
    for shamt, wide_x, wide_y in pairs:
        drop = max(drop, shamt + 12 * wide_x + 12 * wide_y)
    for shamt, immediate, wide in singles:
        considered = [(immediate, shamt)]
        if wide:
            raised = immediate * 2 ** max(0, shamt + 12)
            if shamt + 12 > 0 and -(2**23) <= raised < 2**23:
                considered.append((raised, 0))
            else:
                considered.append((immediate, shamt + 12))
        for m, s in considered:
            small = -(2**15) <= m < 2**15
            drop = max(drop, s if small else s + max(8, min(-s, 12)))
    return drop


def formula(products: list[tuple[int, int]], drop: int, bits_out: list[int]) -> list[int]:
    """Restate steps 1 to 3 for one element; products are (shift, value)."""

    def sh(value: int, amount: int) -> int:
        return wrap(value << amount) if amount >= 0 else value >> -amount

    total, last = 0, 0
    for shamt in sorted({shamt for shamt, _ in products}):
        total = sh(total, last - shamt) if total else 0
        total = wrap(total + sum(value for s, value in products if s == shamt))
        last = shamt
    total = clamp(sh(total, last) >> drop << drop, sum(bits_out) - len(bits_out) + 1)
    parts = []
    for bits in bits_out[:-1]:
        parts.append(total % (1 << (bits - 1)))
        total >>= bits - 1
    return [*parts, total]


numbers = st.lists(st.integers(-(2**15), 2**15), min_size=3, max_size=3)
immediates = st.one_of(
    st.integers(-9, 9), st.integers(-(2**16), 2**16), st.sampled_from([2**15, -(2**15), 2**23])
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-20, 4), st.booleans(), st.booleans()), max_size=2),
    st.lists(st.tuples(st.integers(-30, 6), immediates, st.booleans()), max_size=2),
    st.sampled_from([[16], [24], [13, 12], [9, 8], [9, 9, 8]]),
    st.data(),
)
def test_gmac_v2_follows_the_formula(
    pairs: list[Pair], singles: list[Single], bits_out: list[int], data: st.DataObject
) -> None:
    made = gmac_node(pairs, singles, bits_out)
    values: dict[str, Array] = {name: np.array(data.draw(numbers)) for name in made.inputs}

    results = bind(made).kernel(values)

    assert Gmac.of(made).dropped == dropped(pairs, singles)
    assert all(result.dtype == np.int64 for result in results)
    if not pairs and not singles:
        assert [result.tolist() for result in results] == [0] * len(bits_out)
        return
    for element in range(3):
        products = [
            (shamt, int(values[f"x_vv_{i}"][element]) * int(values[f"y_vv_{i}"][element]))
            for i, (shamt, _, _) in enumerate(pairs)
        ]
        products += [
            (shamt, int(values[f"x_vi_{i}"][element]) * immediate)
            for i, (shamt, immediate, _) in enumerate(singles)
        ]
        expected = formula(products, dropped(pairs, singles), bits_out)
        assert [int(result[element]) for result in results] == expected


def run(pairs: list[Pair], singles: list[Single], bits_out: list[int], **values: Any) -> Any:
    kernel = bind(gmac_node(pairs, singles, bits_out)).kernel
    given = {name: np.array(value, np.int32) for name, value in values.items()}
    return [result.tolist() for result in kernel(given)]


def test_24_bits_are_split_into_an_unsigned_low_and_a_signed_high_part() -> None:
    assert run([], [(0, 1, False)], [13, 12], x_vi_0=[100000, -100000, 2**30, -(2**30)]) == [
        [1696, 2400, 4095, 0],
        [24, -25, 2047, -2048],
    ]


def test_right_shifts_round_down_between_groups() -> None:
    # -3 >> 70 is -1, then 1001 is added and all moves left by 3
    assert run([], [(-70, 1, False), (3, 1, False)], [16], x_vi_0=[-3], x_vi_1=[1001]) == [[8000]]


def test_wide_inputs_lose_low_bits() -> None:
    assert run([(-4, True, False)], [], [24], x_vv_0=[100001, 201], y_vv_0=[3, 4]) == [[18688, 0]]


def test_the_first_product_in_shift_order_must_be_the_longest() -> None:
    long_first = {"x_vv_0": [1, 2], "y_vv_0": [3, 4], "x_vi_0": [5]}

    assert run([(0, False, False)], [(0, 3, False)], [16], **long_first) == [[18, 23]]
    for pair, single in ((0, -1), (-1, -2)):
        with pytest.raises(KernelError, match="must be the longest"):
            run([(pair, False, False)], [(single, 3, False)], [16], **long_first)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("shamts_vv", (), "0 shamts_vv for 1 products"),
        ("shamts_vi", (1, 2), "2 shamts_vi for 1 products"),
        ("immediates_vi", (), "0 immediates for 1"),
        ("immediates_vi", (2**63,), "more than 64 bits"),
        ("immediates_vi", (1.5,), "expected an integer"),
        ("bits_out", (), r"bits_out \[\]"),
        ("bits_out", (0, 4), r"bits_out \[0, 4\]"),
        ("bits_out", 16, "expected a list of integers"),
    ],
)
def test_constants_that_do_not_fit_the_inputs_are_refused(
    name: str, value: Any, found: str
) -> None:
    made = gmac_node([(0, False, False)], [(0, 3, False)], [16])
    made.constants[name] = value

    with pytest.raises(ProgramCorrupt, match=found):
        bind(made)


def test_a_product_needs_both_factors() -> None:
    made = gmac_node([(0, False, False)], [], [16])
    del made.inputs["y_vv_0"]

    with pytest.raises(ProgramCorrupt, match="has no argument 'y_vv_0'"):
        bind(made)
