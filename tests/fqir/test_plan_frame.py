"""One frame as a list of calls: memory that is shared, products that are split, long loops."""

from __future__ import annotations

import numpy as np
import pytest

from hostrt.fqir.graph import Graph, Model, Tensor
from hostrt.fqir.plan import frame, frame_control, frame_products
from hostrt.fqir.plan.frame import Frame
from hostrt.fqir.plan.lower import compile_plan
from hostrt.fqir.plan.numpy_engine import NumpyEngine
from hostrt.fqir.reference import ReferenceEngine
from tests.fqir.models import ADD, Draft, noise, recurrent


def check(model: Model, frames: int = 6) -> None:
    """Compare frames with the reference engine."""
    inputs = [
        noise((frames, *tensor.shape), 16, seed) for seed, tensor in enumerate(model.arith.inputs)
    ]
    engine, reference = NumpyEngine(model), ReferenceEngine(model)
    for t in range(frames):
        given = [array[t] for array in inputs]
        for found, wanted in zip(engine.step(given), reference.step(given), strict=True):
            assert np.array_equal(found, wanted)


def bound(model: Model) -> Frame:
    plan = compile_plan(model)
    return Frame(plan.values, plan.tables, plan.body, plan.states)


@pytest.mark.parametrize("block", [3000, 150_000])
def test_a_large_product_is_split_into_bytes_and_stays_exact(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(frame_products, "_MANY_PRODUCTS", 1000)
    monkeypatch.setattr(frame_products, "_BLOCK", block)

    check(recurrent(30, 90))


@pytest.mark.parametrize("is_left", [True, False])
@pytest.mark.parametrize("scale", [1, 2**10, 2**31])
def test_products_are_exact_in_float32_float64_and_integers(is_left: bool, scale: int) -> None:
    rng = np.random.default_rng(scale)
    draft = Draft()
    x = draft.input("x", 40)
    shape = (40, 30) if is_left else (30, 40)
    w = draft.parameter("w", rng.integers(-100, 100, shape) * scale, "i8")
    given = {"x": x, "y": w} if is_left else {"x": w, "y": x}
    out = Tensor("out", "int16", (30,), 0)
    draft.node("matmul", given, [out], shamt_bwred=-20, bw_out=24, rounded=True)

    check(draft.model(out))


def test_matrices_of_one_shape_are_not_taken_for_each_other() -> None:
    rng = np.random.default_rng(5)
    draft = Draft()
    x, outs = draft.input("x", 30), []
    for n in range(3):
        w = draft.parameter(f"w{n}", rng.integers(-100, 100, (30, 30)))
        outs.append(draft.add("matmul", f"y{n}", x, w, shamt_bwred=-8, bw_out=16))

    check(draft.model(*outs))


def test_a_matrix_times_a_matrix_and_a_bias_along_the_first_axis() -> None:
    draft = Draft()
    x, y = draft.input("x", 5, 60), draft.input("y", 60, 7, dtype="int8")
    b = draft.parameter("b", [10**6, -(10**6), 3, 4, 5])
    out = Tensor("out", "int16", (5, 7), 0)
    constants = {"shamt_bias": 1, "shamt_bwred": -8, "bw_out": 24}
    draft.node("addmm", {"bias": b, "x": x, "y": y}, [out], **constants)
    model = draft.model(out)
    given = [noise((5, 60)), noise((60, 7), 8)]

    found, wanted = NumpyEngine(model).step(given), ReferenceEngine(model).step(given)

    assert np.array_equal(found[0], wanted[0])


def test_pieces_are_views_and_joined_parts_are_made_in_place() -> None:
    draft = Draft()
    x = draft.input("x", 6)
    halves = [Tensor(name, "int16", (3,), 0) for name in "ab"]
    draft.node("chunk", {"x": x}, halves, chunks=2, dim=0)
    sums = [draft.add("vvadd", f"s{n}", *halves[:: 1 - 2 * n], **ADD) for n in range(2)]
    out = Tensor("out", "int16", (6,), 0)
    draft.node("cat", dict(zip(("x0", "x1"), sums, strict=True)), [out], dim=0)
    model = draft.model(out)

    assert len(bound(model).calls) == 4  # two sums, each saturated
    check(model)


def test_one_value_may_be_joined_several_times() -> None:
    draft = Draft()
    x = draft.input("x", 2)
    y, p = draft.add("relu", "y", x), draft.parameter("p", [8, 9])
    out = Tensor("out", "int16", (10,), 0)
    draft.node("cat", {"x0": y, "x1": x, "x2": y, "x3": p, "x4": x}, [out], dim=0)

    check(draft.model(out, y))


def looped(count: int) -> Model:
    """Give y[k] = sum of the rows up to k, as a loop over rows, and the same from behind."""
    draft = Draft()
    x, start = draft.input("x", 2 * count), draft.parameter("p", [0, 0])
    total, row = Tensor("total", "int16", (2,), 0), Tensor("row", "int16", (2,), 0)
    made = Tensor("made", "int16", (2,), 0)
    body = Graph("body", [total, row], [made, made, row])
    draft.node("vvadd", {"x": total, "y": row}, [made], graph=body, **ADD)
    outs = [Tensor("sums", "int16", (2 * count,), 0), Tensor("last", "int16", (2,), 0)]
    counts = {"n_recurse": 1, "n_sliced": 1, "n_scope": 0, "n_concat": 1, "n_final": 1}
    lists = {"block_size_sliced": (2,), "reverse_sliced": (True,), "reverse_concat": (True,)}
    given = {"x_recurse_0": start, "x_sliced_0": x}
    draft.node("loop", given, outs, body=body, n_iter=count, **counts, **lists)
    return draft.model(*outs)


@pytest.mark.parametrize("most", [0, 5000])
def test_loops_give_the_same_laid_out_or_not(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(frame_control, "_MOST_CALLS", most)

    check(looped(5))


def test_a_loop_of_many_turns_is_not_laid_out() -> None:
    assert len(bound(looped(3000)).calls) < 10


def test_saturation_works_without_the_function_behind_clip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame, "CLIP", None)

    check(recurrent(4, 6))


def test_a_window_that_is_also_a_result_is_taken_before_the_register_moves() -> None:
    draft = Draft()
    x, buffer = draft.input("x", 3), draft.state("buffer", 6)
    out = Tensor("out", "int16", (9,), 0)
    draft.node("temporal_unfold", {"x": x, "buffer": buffer}, [out], dilation=1)
    other = Tensor("other", "int16", (9,), 0)
    draft.node("temporal_unfold", {"x": out, "buffer": draft.state("b2", 9)}, [other], dilation=1)

    check(draft.model(out, buffer))


def test_two_windows_over_one_buffer_follow_each_other() -> None:
    draft = Draft()
    x, buffer = draft.input("x", 2), draft.state("buffer", 4)
    outs = [Tensor(name, "int16", (6,), 0) for name in ("first", "second")]
    for out in outs:
        draft.node("temporal_unfold", {"x": x, "buffer": buffer}, [out], dilation=1)

    check(draft.model(*outs))
