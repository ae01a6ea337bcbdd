"""What every runner must do, as tests to inherit.

A runner's tests subclass `RunnerContract`, fill in `make_runner` and run with pytest. Example:

    class TestMyRunner(RunnerContract):
        def make_runner(self) -> BaseRunner:
            return MyRunner(Program.loopback())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.analysis.compare import compare_outputs
from hostrt.errors import FrameError, SequenceError, UsageError
from hostrt.runner.result import CLOCKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from hostrt.frames.frames import VectorSpec
    from hostrt.runner.base import BaseRunner

    Arrays = dict[str, NDArray[np.signedinteger]]


class RunnerContract:
    """Tests of one runner with one program.

    Attributes:
        n_frames: frames of a test run; complete all sequences of the program.
        computes: outputs depend on inputs; false for runners that answer with dummies.
    """

    n_frames = 6
    computes = True

    def make_runner(self) -> BaseRunner:
        """Make the runner under test, each time anew and not started."""
        raise NotImplementedError

    def frames(self, runner: BaseRunner, n_frames: int, seed: int = 0) -> Arrays:
        """Give inputs over the whole range of each precision, {name: (n_frames, L)}."""
        return {
            spec.name: _random(spec, n_frames, seed + number)
            for number, spec in enumerate(runner.plan.input_specs)
        }

    @pytest.fixture(autouse=True)
    def _own_notes(self, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
        """Keep notes about what boards hold away from the user's."""
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    @pytest.fixture
    def runner(self) -> Iterator[BaseRunner]:
        """Give a started runner."""
        with self.make_runner() as runner:
            yield runner

    # -- life cycle -----------------------------------------------------------------------------

    def test_a_runner_that_was_not_started_takes_no_single_frames(self) -> None:
        """Neither before the first reset nor after finish."""
        runner = self.make_runner()
        inputs = self.frames(runner, 1)
        runner.reset()
        runner.finish()
        runner.finish()
        for started in (runner, self.make_runner()):
            with pytest.raises(UsageError, match="not started"):
                started.send_inputs(_at(inputs, 0))
            with pytest.raises(UsageError, match="not started"):
                started.recv_outputs()

    def test_a_single_run_starts_and_finishes_the_runner(self) -> None:
        """`Runner(...).run(frames)` is all that somebody needs to say."""
        runner = self.make_runner()
        inputs = self.frames(runner, self.n_frames)

        alone = runner.run(inputs)

        with pytest.raises(UsageError, match="not started"):
            runner.recv_outputs()
        with self.make_runner() as other:
            started = other.run(inputs)
        assert compare_outputs(alone.outputs, started.outputs).equal

    def test_a_finished_runner_can_be_started_again(self) -> None:
        """And gives the same."""
        runner = self.make_runner()
        results = []
        for _ in range(2):
            with runner:
                results.append(runner.run(self.frames(runner, self.n_frames)).outputs)
        _same(*results)

    # -- results --------------------------------------------------------------------------------

    def test_outputs_have_the_declared_names_types_and_lengths(self, runner: BaseRunner) -> None:
        """Integers, frames first, not to be written to."""
        result = runner.run(self.frames(runner, self.n_frames))
        assert list(result.outputs) == list(runner.plan.outputs)
        for name, array in result.outputs.items():
            spec = runner.plan.outputs[name].spec
            assert array.dtype == spec.dtype
            assert array.ndim == 2
            assert array.shape[1] == spec.length
            assert 0 < array.shape[0] <= self.n_frames
            assert not array.flags.writeable

    def test_a_result_says_where_it_comes_from(self, runner: BaseRunner) -> None:
        """Runner, program, chip, time; latencies only by known clocks and one per frame."""
        result = runner.run(self.frames(runner, self.n_frames), input_period_s=0.016)
        assert result.provenance.runner == runner.name
        assert result.provenance.program_sha256 == runner.sha256
        assert result.provenance.chip == runner.chip
        assert result.provenance.started
        assert result.metrics.n_frames == self.n_frames
        assert result.metrics.input_period_s == 0.016
        for clock, latencies in result.metrics.latencies_s.items():
            assert clock in CLOCKS
            assert latencies.shape == (self.n_frames,)

    def test_the_same_frames_give_the_same_bits(self, runner: BaseRunner) -> None:
        """After a reset, every time."""
        inputs = self.frames(runner, self.n_frames)
        first = runner.run(inputs).outputs
        runner.reset()
        _same(first, runner.run(inputs).outputs)

    def test_other_frames_give_other_bits(self, runner: BaseRunner) -> None:
        """So that the tests above can fail."""
        if not self.computes:
            pytest.skip("outputs do not depend on inputs")
        first = runner.run(self.frames(runner, self.n_frames)).outputs
        runner.reset()
        second = runner.run(self.frames(runner, self.n_frames, seed=1000)).outputs
        assert any(not np.array_equal(first[name], second[name]) for name in first)

    def test_a_reset_forgets_what_the_model_has_seen(self, runner: BaseRunner) -> None:
        """Frames in between change nothing after it, nor does an input without its output."""
        inputs = self.frames(runner, self.n_frames)
        first = runner.run(inputs).outputs
        runner.run(self.frames(runner, self.n_frames, seed=1000))
        runner.send_inputs(_at(inputs, 0))
        runner.reset()
        _same(first, runner.run(inputs).outputs)

    def test_steps_give_what_a_run_gives(self, runner: BaseRunner) -> None:
        """One frame at a time, outputs when they are due."""
        inputs = self.frames(runner, self.n_frames)
        whole = runner.run(inputs).outputs
        runner.reset()
        rows = [runner.step(_at(inputs, i)) for i in range(self.n_frames)]
        _same(whole, _stacked(rows, whole))

    def test_sending_and_receiving_apart_give_what_a_run_gives(self, runner: BaseRunner) -> None:
        """`recv_outputs` gives nothing, at once, when nothing is due."""
        inputs = self.frames(runner, self.n_frames)
        whole = runner.run(inputs).outputs
        runner.reset()
        rows = []
        for i in range(self.n_frames):
            assert runner.recv_outputs() == {}
            runner.send_inputs(_at(inputs, i))
            rows.append(runner.recv_outputs())
        _same(whole, _stacked(rows, whole))

    def test_a_run_goes_on_where_the_last_one_ended(self, runner: BaseRunner) -> None:
        """Wherever it is cut, also in the middle of a sequence."""
        inputs = self.frames(runner, self.n_frames)
        whole = runner.run(inputs).outputs
        for cut in range(1, self.n_frames):
            runner.reset()
            parts = [
                runner.run({name: array[part] for name, array in inputs.items()}).outputs
                for part in (slice(0, cut), slice(cut, None))
            ]
            _same(whole, {n: np.concatenate([part[n] for part in parts]) for n in whole})

    def test_on_frame_counts_to_the_end(self, runner: BaseRunner) -> None:
        """Each frame is reported, in order."""
        seen: list[tuple[int, int]] = []
        inputs = self.frames(runner, self.n_frames)
        runner.run(inputs, on_frame=lambda done, total: seen.append((done, total)))
        assert sorted(set(seen)) == [(i + 1, self.n_frames) for i in range(self.n_frames)]
        assert seen == sorted(seen)

    def test_no_frames_give_no_outputs(self, runner: BaseRunner) -> None:
        """B11: zero frames are a run like any other."""
        result = runner.run(self.frames(runner, 0))
        assert result.metrics.n_frames == 0
        for name, array in result.outputs.items():
            assert array.shape == (0, runner.plan.outputs[name].spec.length)

    # -- inputs ---------------------------------------------------------------------------------

    def test_all_forms_of_inputs_are_one(self, runner: BaseRunner) -> None:
        """A mapping of arrays, a list of mappings and, for one input, an array."""
        inputs = self.frames(runner, self.n_frames)
        whole = runner.run(inputs).outputs
        forms: list[object] = [[_at(inputs, i) for i in range(self.n_frames)]]
        if len(inputs) == 1:
            forms.append(next(iter(inputs.values())))
        for form in forms:
            runner.reset()
            _same(whole, runner.run(form).outputs)  # type: ignore[arg-type]  # one of the forms

    def test_wrong_inputs_are_named(self, runner: BaseRunner) -> None:
        """Which input, what was found, what was expected; and nothing was sent."""
        inputs = self.frames(runner, 2)
        name = next(name for name in inputs if not _spec(runner, name).is_latched)
        for wrong, words in _wrong_inputs(_spec(runner, name), inputs):
            with pytest.raises(FrameError) as caught:
                runner.run(wrong)
            for word in words:
                assert word in str(caught.value)
        with pytest.raises(FrameError, match="nobody"):
            runner.step({"nobody": [0]})
        whole = self.frames(runner, self.n_frames)
        first = runner.run(whole).outputs
        runner.reset()
        _same(first, runner.run(whole).outputs)

    def test_outputs_that_nobody_took_are_asked_for(self, runner: BaseRunner) -> None:
        """An input that would overtake waiting outputs is refused, by step and by run."""
        inputs = self.frames(runner, self.n_frames)
        whole = runner.run(inputs).outputs
        runner.reset()
        with pytest.raises(SequenceError, match="collect its outputs"):
            _send_without_receiving(runner, inputs, self.n_frames)
        with pytest.raises(SequenceError, match="collect its outputs"):
            runner.run(inputs)
        for name, array in runner.recv_outputs().items():
            np.testing.assert_array_equal(array, whole[name][0])


def _send_without_receiving(runner: BaseRunner, inputs: Arrays, n_frames: int) -> None:
    for i in range(n_frames):
        runner.send_inputs(_at(inputs, i))


def _wrong_inputs(
    spec: VectorSpec, inputs: Arrays
) -> list[tuple[Mapping[str, NDArray[np.generic]], tuple[str, ...]]]:
    low, high = spec.limits
    big = inputs[spec.name].astype(np.int64)
    big[1, 0] = high + 1
    half = inputs[spec.name].astype(np.float64)
    half[1, 0] = 0.5
    n_frames = len(big)
    return [
        (
            {**inputs, spec.name: np.zeros((n_frames, spec.padded_length + 1), spec.dtype)},
            (spec.name, str(spec.padded_length + 1), str(spec.length)),
        ),
        ({**inputs, spec.name: np.zeros((n_frames, 1, 1), spec.dtype)}, (spec.name, "shape")),
        (
            {**inputs, spec.name: big},
            (spec.name, "frame 1", "element 0", str(high + 1), f"{low}..{high}"),
        ),
        ({**inputs, spec.name: half}, (spec.name, "frame 1", "0.5", "integer")),
        ({**inputs, "nobody": big}, ("nobody", spec.name)),
        ({n: a for n, a in inputs.items() if n != spec.name}, (spec.name, "missing")),
    ]


def _random(spec: VectorSpec, n_frames: int, seed: int) -> NDArray[np.signedinteger]:
    low, high = spec.limits
    array: NDArray[np.signedinteger] = np.random.default_rng(seed).integers(
        low, high, (n_frames, spec.length), spec.dtype, endpoint=True
    )
    if n_frames:
        array[0, 0], array[-1, -1] = low, high
    return array


def _spec(runner: BaseRunner, name: str) -> VectorSpec:
    return runner.plan.inputs[name].spec


def _at(inputs: Arrays, index: int) -> Arrays:
    return {name: array[index] for name, array in inputs.items()}


def _stacked(
    rows: list[dict[str, NDArray[np.signedinteger]]],
    like: Mapping[str, NDArray[np.signedinteger]],
) -> Arrays:
    return {
        name: np.stack([row[name] for row in rows if name in row])
        if any(name in row for row in rows)
        else array[:0]
        for name, array in like.items()
    }


def _same(
    first: Mapping[str, NDArray[np.signedinteger]],
    second: Mapping[str, NDArray[np.signedinteger]],
) -> None:
    assert list(first) == list(second)
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
