"""The compiled engine gives the golden models' results bit for bit, and the reference engine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.errors import FrameError, UsageError
from hostrt.fqir.graph import Graph
from hostrt.fqir.reference import ReferenceEngine
from hostrt.fqir.watching import tensor_names
from tests.fqir.inspected import NAMES, golden, tensor
from tests.fqir.models import ADD, Draft, accumulator, noise, recurrent, sides, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.graph import Array, Model
    from hostrt.fqir.plan.compiled_engine import CompiledEngine

compiled_engine = pytest.importorskip(
    "hostrt.fqir.plan.compiled_engine", reason="the extra `compiled` is not installed"
)


def engine(model: Model) -> CompiledEngine:
    made: CompiledEngine = compiled_engine.CompiledEngine(model)
    return made


def stepped(running: CompiledEngine | ReferenceEngine, inputs: list[Array]) -> list[Array]:
    """Give each output of all frames, run one by one."""
    frames = [running.step([array[t] for array in inputs]) for t in range(len(inputs[0]))]
    return [np.stack(output) for output in zip(*frames, strict=True)]


def same(found: list[Array], wanted: list[Array]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(found, wanted, strict=True))


# ---------------------------------------------------------------------- golden models


@pytest.mark.parametrize("name", NAMES)
def test_every_frame_gives_the_golden_integers(name: str) -> None:
    inputs, expected = sides(name)

    assert same(stepped(engine(golden(name)), inputs), expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_sequence_gives_the_golden_integers_again_after_a_reset(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_engine, "_FRAMES", 7)
    inputs, expected = sides(name)
    running = engine(golden(name))

    for _ in range(2):
        assert same(running.run(inputs), expected)
        running.reset()


@pytest.mark.parametrize("name", NAMES)
def test_pieces_and_steps_in_any_order_are_one_sequence(name: str) -> None:
    inputs, expected = sides(name)
    running = engine(golden(name))

    pieces = [running.run([array[a:b] for array in inputs]) for a, b in ((0, 1), (1, 1), (1, 30))]
    pieces += [stepped(running, [array[30:41] for array in inputs])]
    pieces += [running.run([array[41:] for array in inputs])]

    assert same([np.concatenate(whole) for whole in zip(*pieces, strict=True)], expected)


@pytest.mark.parametrize("name", NAMES)
def test_every_internal_tensor_is_what_the_reference_engine_says(name: str) -> None:
    model, names = golden(name), list(tensor_names(golden(name)))
    inputs = [array[:12] for array in sides(name)[0]]
    reference, running = ReferenceEngine(model), engine(model)
    for each in (reference, running):
        each.watch(names)
        each.step([array[0] for array in inputs])
    for key, value in reference.internals().items():
        assert np.array_equal(running.internals()[key], value), key

    for each in (reference, running):
        each.run([array[1:] for array in inputs])

    assert list(running.internals()) == names
    for key, value in reference.internals().items():
        assert np.array_equal(running.internals()[key], value), key


def test_results_stay_as_they_are_when_the_engine_goes_on() -> None:
    inputs, expected = sides("gru2")
    running = engine(golden("gru2"))
    running.watch(["output.0"])

    first = running.step([inputs[0][0]])
    seen = running.internals()["output.0"]
    many = running.run([inputs[0][1:9]])
    running.step([inputs[0][9]])
    running.run([inputs[0][10:20]])

    assert same(first, [expected[0][0]])
    assert np.array_equal(seen, expected[0][0])
    assert same(many, [expected[0][1:9]])


# ---------------------------------------------------------------------- watching


def test_looking_at_a_tensor_does_not_change_the_state() -> None:
    inputs, expected = sides("gru2")
    running = engine(golden("gru2"))

    early = running.run([inputs[0][:20]])
    running.watch(list(tensor_names(golden("gru2"))))
    late = running.run([inputs[0][20:40]])
    running.watch([])
    last = running.run([inputs[0][40:]])

    assert np.array_equal(np.concatenate([early[0], late[0], last[0]]), expected[0])
    assert running.internals() == {}


def test_a_state_that_nobody_needed_can_be_watched_later() -> None:
    draft = Draft()
    x, total = draft.input("x", 3), draft.state("total", 3)
    y = draft.add("vneg", "y", x, bw=16)
    draft.assign(total, draft.add("vvadd", "sum", total, x, **ADD))
    running = engine(draft.model(y))
    frames = np.arange(12).reshape(4, 3)

    running.run([frames[:3]])
    running.watch(["sum", "total"])
    running.step([frames[3]])

    found = running.internals()
    assert np.array_equal(found["sum"], frames.sum(axis=0))
    assert np.array_equal(found["total"], found["sum"])


def test_an_unknown_name_is_refused_and_the_choice_stays() -> None:
    running = engine(accumulator())
    running.watch(["total"])

    with pytest.raises(UsageError, match="'totl'"):
        running.watch(["totl"])
    running.step([np.ones(4, np.int64)])

    assert list(running.internals()) == ["total"]


# ---------------------------------------------------------------------- inputs


def test_inputs_of_another_shape_than_declared_are_taken_as_the_numpy_engine_takes_them() -> None:
    draft = Draft()
    x = draft.input("x", 0)
    running = engine(draft.model(draft.add("vneg", "y", x, bw=16)))

    for shape in ((3,), (2, 5), (3,)):
        given = noise(shape)
        wanted = np.minimum(np.negative(given), 32767)
        assert np.array_equal(running.step([given])[0], wanted)
        assert np.array_equal(running.run([given[None]])[0], wanted[None])


def test_inputs_may_be_any_view() -> None:
    running, frames = engine(accumulator(4)), noise((9, 8), bits=10)

    wanted = running.run([np.ascontiguousarray(frames[::-1, ::2])])
    running.reset()
    found = running.run([frames[::-1, ::2]])

    assert same(found, wanted)


def test_a_missing_input_is_refused() -> None:
    with pytest.raises(FrameError, match="0 inputs found, expected 1"):
        engine(accumulator()).step([])


def test_no_frames_give_no_frames() -> None:
    running = engine(accumulator(4))
    running.watch(["total"])

    assert running.run([np.zeros((0, 4), np.int64)])[0].shape == (0, 4)
    assert running.internals()["total"].shape == (0, 4)


# ---------------------------------------------------------------------- beyond 32 bits


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
    return draft.model(left, right, joined, wide, *loops, *chosen)


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


def test_a_recurrent_layer_with_memory_that_is_used_again_and_again_is_exact() -> None:
    model = recurrent(70, 130)
    inputs = [noise((60, 70))]

    assert same(engine(model).run(inputs), stepped(ReferenceEngine(model), inputs))
