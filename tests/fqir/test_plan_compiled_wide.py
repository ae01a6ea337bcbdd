"""The compiled engine on values beyond 32 bits, at the ends of ranges, and on what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.graph import Graph
from hostrt.fqir.reference import ReferenceEngine
from tests.fqir.compiled import engine, same, stepped
from tests.fqir.inspected import golden, tensor
from tests.fqir.models import ADD, Draft, noise, recurrent, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.graph import Model


def wide_model() -> Model:
    """Give a model of values that do not fit 32 bits, in every way that a plan can express."""
    draft = Draft()
    x, y = draft.input("x", 6, dtype="int48"), draft.input("y", 6, dtype="int48")
    rows = draft.add("reshape", "rows", x, shape=(2, 3))
    rows.shape = (2, 3)
    buffer = draft.state("buffer", 18)
    last = draft.state("last", 6)
    outputs = [
        draft.add("vvmax", "max", x, y),
        draft.add("vvmin", "min", x, y),
        draft.add("vvand", "and", x, y),
        draft.add("vvor", "or", x, y),
        draft.add("vveq", "eq", x, y),
        draft.add("vvxor", "xor", x, last),
        draft.add("vvsub", "sub", x, y, **ADD | {"shamt_y": -1, "shamt_bwred": -20}),
        draft.add("transpose", "turned", rows, dim0=0, dim1=1),
        draft.add(
            "matmul",
            "product",
            rows,
            draft.parameter("w", [[1, -2], [3, 4], [-5, 6]]),
            shamt_bwred=-18,
            bw_out=32,
        ),
        draft.add("vimul", "cut", x, y=1001, shamt_bwred=-3, bw=32),
        draft.add("sum", "sum", x, dim=0, keepdim=True, shamt_bwred=-2, bw=50),
        draft.add("lut", "look", x, shamt_address=-40, bw_address=8, table=table(range(256))),
        *draft.node(
            "temporal_unfold",
            {"x": x, "buffer": buffer},
            [tensor("seen", 12)],
            kernel_size=2,
            dilation=3,
            buffer_length=3,
        ),
        *draft.node(
            "gmac_v2",
            {"x_vv_0": x, "y_vv_0": last, "x_vi_0": y},
            [tensor("low", 6), tensor("high", 6)],
            shamts_vv=(-30,),
            shamts_vi=(-3,),
            immediates_vi=(5,),
            bits_out=(13, 30),
        ),
    ]
    draft.assign(last, x)
    return draft.model(*outputs, last, buffer)


def wide_structure() -> Model:
    """Give a model that moves such values about: pieces, loops, branches, tables."""
    draft = Draft()
    x, y = draft.input("x", 6, dtype="int48"), draft.input("y", 6, dtype="int48")
    rows = draft.add("reshape", "rows", x, shape=(2, 3))
    rows.shape = (2, 3)
    left, right = tensor("left", 2, 2), tensor("right", 2, 1)
    draft.node("chunk", {"x": rows}, [left, right], chunks=2, dim=1)
    stretched = draft.add("vvmax", "stretched", rows, right)
    stretched.shape = (2, 3)
    joined = tensor("joined", 8)
    draft.node("cat", {"x0": x, "x1": y}, [joined], dim=0)
    wide = draft.add(
        "lut",
        "wide",
        x,
        shamt_address=-44,
        bw_address=4,
        table=table([k << 40 for k in range(16)], -8),
    )

    body, a, b = Graph("body"), tensor("a", 2), tensor("b", 2)
    body.inputs, sums = [a, b], tensor("sums", 2)
    draft.node("vvmax", {"x": a, "y": b}, [sums], graph=body)
    body.outputs = [sums, sums, a]
    start = draft.parameter("start", [0, 1 << 40], "i8")
    loops = draft.node(
        "loop",
        {"x_recurse_0": start, "x_sliced_0": y},
        [tensor("every", 6), tensor("last", 2)],
        n_iter=3,
        n_recurse=1,
        n_sliced=1,
        n_scope=0,
        n_concat=1,
        n_final=1,
        block_size_sliced=(2,),
        reverse_sliced=(True,),
        reverse_concat=(True,),
        body=body,
    )

    yes, no, given = Graph("yes"), Graph("no"), tensor("given", 6)
    yes.inputs = yes.outputs = no.inputs = [given]
    shorter = tensor("shorter", 6)
    draft.node("shift", {"x": given}, [shorter], graph=no, shamt=-30, bw=16)
    no.outputs = [shorter]
    chosen = draft.node(
        "conditional",
        {"condition": x, "input_0": y},
        [tensor("chosen", 6)],
        num_inputs=1,
        num_outputs=1,
        true=yes,
        false=no,
    )
    return draft.model(left, right, stretched, joined, wide, *loops, *chosen)


@pytest.mark.parametrize("make", [wide_model, wide_structure])
def test_values_beyond_32_bits_are_computed_in_64(make: Callable[[], Model]) -> None:
    model = make()
    inputs = [noise((40, 6), bits=48, seed=seed) for seed in (1, 2)]
    inputs[1][::3] = inputs[0][::3]
    inputs[0][::4, 0] = 0

    wanted = stepped(ReferenceEngine(model), inputs)

    assert same(stepped(engine(model), inputs), wanted)
    assert same(engine(model).run(inputs), wanted)


@pytest.mark.parametrize("depth", [31, 500, 1500, 5000])
@pytest.mark.parametrize("top", [127, 32767])
def test_long_sums_at_full_scale_are_exact(depth: int, top: int) -> None:
    draft, rng = Draft(), np.random.default_rng(depth)
    x = draft.input("x", depth)
    weights = np.where(rng.random((depth, 3)) < 0.9, top, -top - 1)
    w = draft.parameter("w", weights)
    b = draft.parameter("b", [2**31 - 1, -(2**31), 5])
    y = draft.add("addmm", "y", b, x, w, shamt_bias=0, shamt_bwred=-20, bw_out=32, rounded=True)
    model = draft.model(y)
    inputs = [np.stack([np.full(depth, 32767), np.full(depth, -32768), noise((depth,))])]

    assert same(engine(model).run(inputs), stepped(ReferenceEngine(model), inputs))


@pytest.mark.parametrize("weight", [-129, -128, 127, 128, -32768, 32767])
def test_weights_at_the_ends_of_their_types_are_exact(weight: int) -> None:
    draft = Draft()
    x, w = draft.input("x", 5), draft.parameter("w", np.full((5, 2), weight))
    y = draft.add("matmul", "y", x, w, shamt_bwred=-4, bw_out=32, rounded=False)
    model, inputs = draft.model(y), [noise((9, 5))]

    assert same(engine(model).run(inputs), stepped(ReferenceEngine(model), inputs))


def swapping(in_loop: bool) -> Model:
    """Give a model that exchanges two values, between frames or between iterations."""
    draft = Draft()
    x, a, b = draft.input("x", 20), draft.state("a", 20), draft.state("b", 20, value=7)
    first = draft.add("vvadd", "first", a, x, **ADD)
    if not in_loop:
        draft.assign(a, b)
        draft.assign(b, first)
        return draft.model(a, b)
    body, p, q = Graph("body"), tensor("p", 20), tensor("q", 20)
    body.inputs, body.outputs = [p, q], [q, p, p, q]
    ends = draft.node(
        "loop",
        {"x_recurse_0": first, "x_recurse_1": b},
        [tensor("end_p", 20), tensor("end_q", 20)],
        n_iter=4,
        n_recurse=2,
        n_sliced=0,
        n_scope=0,
        n_concat=0,
        n_final=2,
        block_size_sliced=(),
        reverse_sliced=(),
        reverse_concat=(),
        body=body,
    )
    return draft.model(*ends)


@pytest.mark.parametrize("in_loop", [False, True])
def test_values_that_change_places_are_read_before_they_are_written(in_loop: bool) -> None:
    model, inputs = swapping(in_loop), [noise((9, 20))]

    assert same(engine(model).run(inputs), stepped(ReferenceEngine(model), inputs))


def test_slots_that_exchange_their_content_are_read_before_they_are_written() -> None:
    draft = Draft()
    x, a, b = draft.input("x", 20), draft.state("a", 20), draft.state("b", 20, value=7)
    kept = draft.add("copy", "kept", a)
    draft.assign(a, b)
    draft.assign(b, kept)
    model = draft.model(a, b, draft.add("vvadd", "y", a, x, **ADD))
    inputs = [noise((5, 20))]

    assert same(engine(model).run(inputs), stepped(ReferenceEngine(model), inputs))


def test_a_recurrent_layer_with_memory_that_is_used_again_and_again_is_exact() -> None:
    model = recurrent(70, 130)
    inputs = [noise((60, 70))]

    assert same(engine(model).run(inputs), stepped(ReferenceEngine(model), inputs))


def endless(count: int) -> Model:
    """Give a model with a loop that adds its input up."""
    draft, body = Draft(), Graph("body")
    x, total, more = draft.input("x", 2), tensor("total", 2), tensor("more", 2)
    body.inputs = [total, more]
    sums = tensor("sums", 2)
    draft.node("vvadd", {"x": total, "y": more}, [sums], graph=body, **ADD)
    body.outputs = [sums, sums]
    draft.node(
        "loop",
        {"x_recurse_0": x, "x_scope_0": x},
        [tensor("last", 2)],
        n_iter=count,
        n_recurse=1,
        n_sliced=0,
        n_scope=1,
        n_concat=0,
        n_final=1,
        block_size_sliced=(),
        reverse_sliced=(),
        reverse_concat=(),
        body=body,
    )
    return draft.model(draft.arith.nodes[-1].outputs[0])


def test_a_loop_that_nobody_could_interrupt_is_left_to_others() -> None:
    assert engine(endless(1000)).step([np.array([3, -1])])[0].tolist() == [3003, -1001]
    with pytest.raises(ProgramUnsupported, match="1048577 iterations"):
        engine(endless((1 << 20) + 1))


def test_a_convolution_too_large_to_be_laid_out_is_left_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hostrt.fqir.plan.vm_matrices._MOST_SEEN", 10)

    with pytest.raises(ProgramUnsupported, match="a convolution of"):
        engine(golden("tdnn_dw"))
