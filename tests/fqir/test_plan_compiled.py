"""The compiled engine gives the golden models' results bit for bit, and the reference engine's."""

from __future__ import annotations

import numpy as np
import pytest

from hostrt.errors import FrameError, UsageError
from hostrt.fqir.reference import ReferenceEngine
from hostrt.fqir.watching import tensor_names
from tests.fqir.compiled import compiled_engine, engine, same, stepped
from tests.fqir.inspected import NAMES, golden
from tests.fqir.models import ADD, Draft, accumulator, noise, sides

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
