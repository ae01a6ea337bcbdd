"""Streams with their threads, on simulated boards and on a runner that is slow where a test says.

Real time is shared with other tests: what is asserted about it are counts and orders that follow
from delays far longer than any hiccup.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt import Program, Runner
from hostrt.errors import DeadlineMissed, FrameError, LinkError, UsageError
from hostrt.power.base import open_meter
from hostrt.runner.dummy import DummyRunner
from hostrt.streaming.api import stream
from hostrt.streaming.stream import RESULTS_HELD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

pytestmark = pytest.mark.slow

FRAMES = (np.arange(32 * 400) % 30011).astype(np.int16).reshape(400, 32)
PERIOD_S = 0.002


class SlowRunner(DummyRunner):
    """Answers zeros, and takes longer for some frames."""

    def __init__(self, delays: Mapping[int, float]) -> None:
        super().__init__(Program.loopback("spu001", length=32))
        self.delays = delays
        self.n_run = 0

    def step(self, frame: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.signedinteger]]:
        time.sleep(self.delays.get(self.n_run, 0.0))
        self.n_run += 1
        return super().step(frame)


@pytest.mark.parametrize("realtime", [True, False])
@pytest.mark.parametrize(
    "board", ["sim", "evk2+sim://spu001", "apart+sim://spu001", "apart+evk2+sim://spu001?window=4"]
)
def test_a_stream_gives_what_an_offline_run_gives(board: str, realtime: bool) -> None:
    with Runner("hw", board=board) as runner:
        offline = runner.run(FRAMES)
        runner.reset()
        frames = list(stream(FRAMES, runner, PERIOD_S, realtime=realtime))
    assert [frame.number for frame in frames] == list(range(len(FRAMES)))
    np.testing.assert_array_equal(
        np.stack([frame.outputs["output"] for frame in frames]), offline.outputs["output"]
    )
    np.testing.assert_array_equal(np.stack([frame.inputs["input"] for frame in frames]), FRAMES)


def test_frames_follow_the_clock_and_not_each_other() -> None:
    with stream(FRAMES[:100], SlowRunner({20: 0.02}), 0.005) as running:
        frames = list(running)
    np.testing.assert_allclose([frame.due_s for frame in frames], np.arange(100) * 0.005)
    began = np.array([frame.due_s + frame.late_s for frame in frames])
    assert (began >= np.arange(100) * 0.005).all()
    # 20 ms are lost at frame 20 and made good: the last frame is not 20 ms late
    assert frames[21].late_s > 0.01
    assert np.median([frame.late_s for frame in frames[40:]]) < 0.005


@pytest.fixture
def stressor() -> Iterator[None]:
    """A process that keeps a core busy."""
    with subprocess.Popen([sys.executable, "-c", "while True: sum(range(10_000))"]) as process:
        yield
        process.kill()


@pytest.mark.slow
@pytest.mark.usefixtures("stressor")
def test_misses_are_counted_exactly_beside_a_busy_process() -> None:
    # every tenth frame takes one and a half periods: it misses, and the next one makes it again
    delays = dict.fromkeys(range(5, 50, 10), 0.15)
    with stream(FRAMES[:50], SlowRunner(delays), 0.1) as running:
        frames = list(running)
    missed = [frame.number for frame in frames if frame.missed]
    # whatever else the busy process did is counted too, by each frame's own time
    assert missed == [frame.number for frame in frames if frame.end_to_end_s > 0.1]
    assert set(delays) <= set(missed)
    assert running.status.missed == len(missed) == sum(running.status.causes.values())


def test_injected_delays_give_a_known_number_of_misses_and_drops() -> None:
    # 200 ms periods, delays of 1.1 s: frame 2 (due 0.4) ends at 1.5; with a queue of two, frames
    # 3, 4 and 5 (due 0.6, 0.8, 1.0) are given up; 6 (1.2) and 7 (1.4) still make it, 6 too late
    runner = SlowRunner({2: 1.1})
    with stream(FRAMES[:9], runner, 0.2, on_late="drop") as running:
        frames = list(running)
        status = running.status
    assert [frame.number for frame in frames if frame.dropped] == [3, 4, 5]
    assert [frame.number for frame in frames if frame.missed] == [2, 6]
    assert (status.missed, status.dropped) == (2, 3)
    assert dict(status.causes) == {"host": 5}
    assert runner.n_run == 6


def test_stop_ends_with_an_error_after_all_frames_were_given() -> None:
    running = stream(FRAMES, SlowRunner({5: 0.3}), 0.1, on_late="stop")
    numbers: list[int] = []
    with running, pytest.raises(DeadlineMissed, match="frame 5 was"):
        numbers.extend(frame.number for frame in running)
    assert numbers == [0, 1, 2, 3, 4, 5]
    assert running.ended
    assert running.result().metrics.n_frames == 6


def test_stopping_keeps_what_was_done_and_leaves_the_board_usable() -> None:
    with Runner("hw", board="apart+sim://spu001") as runner:
        with stream(FRAMES, runner, 0.01) as running:
            seen = running.take()
            threading.Timer(0.1, running.stop).start()
            while not running.ended:
                seen += running.take()
            result = running.result()
        assert 0 < len(seen) < len(FRAMES)
        assert running.interrupted
        assert result.metrics.n_frames == len(seen)
        assert any("interrupted" in note for note in result.notes)
        # the board holds nothing of the old stream
        again = runner.run(FRAMES[:3])
        np.testing.assert_array_equal(again.outputs["output"], FRAMES[:3])


def test_leaving_a_loop_early_ends_the_threads() -> None:
    before = sys.getswitchinterval()
    with stream(FRAMES, SlowRunner({}), 0.01) as running:
        for frame in running:
            if frame.number == 3:
                break
    assert running.ended
    assert not [t for t in threading.enumerate() if t.name.startswith("hostrt-stream")]
    assert sys.getswitchinterval() == before


def test_whoever_takes_no_results_holds_the_stream_up() -> None:
    many = np.zeros((3 * RESULTS_HELD, 32), np.int16)
    runner = SlowRunner({})
    with stream(many, runner, PERIOD_S, realtime=False) as running:
        until = time.monotonic() + 5
        while runner.n_run < RESULTS_HELD and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)
        assert RESULTS_HELD <= runner.n_run <= RESULTS_HELD + 2
        assert len(list(running)) == len(many)


def test_an_iterator_is_asked_for_a_frame_at_a_time() -> None:
    asked = []

    def endless() -> Iterator[NDArray[np.int16]]:
        number = 0
        while True:
            asked.append(number)
            yield np.full(32, number, np.int16)
            number += 1

    with Runner("hw", board="sim") as runner:
        running = stream(endless(), runner, 0.002, n_frames=10)
        frames = list(running)
    assert [int(frame.outputs["output"][0]) for frame in frames] == list(range(10))
    assert len(asked) < 40


def test_an_iterator_that_gives_a_bad_frame_ends_the_stream_there() -> None:
    def bad() -> Iterator[ArrayLike | Mapping[str, ArrayLike]]:
        yield np.zeros(32, np.int16)
        yield np.zeros(32, np.int16)
        yield {"inptu": np.zeros(32, np.int16)}

    numbers: list[int] = []
    running = stream(bad(), SlowRunner({}), 0.002)
    with running, pytest.raises(FrameError, match="frame 2 of the iterator"):
        numbers.extend(frame.number for frame in running)
    assert numbers == [0, 1]


def test_a_link_that_fails_ends_the_stream_with_its_frame() -> None:
    with Runner("hw", board="faulty+sim://spu001?plan=unplug@400") as runner:
        running = stream(FRAMES, runner, 0.001, realtime=False)
        numbers: list[int] = []
        with running, pytest.raises(LinkError, match=r"^frame \d+: "):
            numbers.extend(frame.number for frame in running)
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > 5
        rows = running.result().metrics
    assert rows.n_frames == len(numbers)


def test_results_carry_the_measurements_of_every_frame() -> None:
    # a frame that overlaps with the one before shares its time
    with stream(FRAMES[:50], Runner("hw", board="sim"), 0.004, overlap=False) as running:
        count = sum(1 for _ in running)
        result = running.result()
    assert count == 50
    metrics = result.metrics
    assert metrics.schedule is not None
    assert len(metrics.schedule.late_s) == 50
    wire, host, whole = (metrics.latencies_s[c] for c in ("wire", "host", "end_to_end"))
    np.testing.assert_allclose(metrics.schedule.late_s + wire + host, whole, atol=1e-9)
    assert result.provenance.runner == "hw"
    assert result.simulated


def test_a_meter_gives_energy_per_frame() -> None:
    with (
        open_meter("sim://?idle_w=0.001") as meter,
        stream(FRAMES[:60], Runner("hw", board="sim"), 0.005, meter=meter) as running,
    ):
        list(running)
        result = running.result()
    assert running.power is not None
    assert len(running.power.marks_s) == 60
    power = result.metrics.frame_power_w
    assert power is not None
    # what lies between two frames is idle power for almost all of the period
    assert np.nanmedian(power[:-1]) == pytest.approx(0.001, rel=0.2)


def test_simulated_energy_comes_with_the_fasmir_runner() -> None:
    program = Program.loopback("spu001", length=32)
    with Runner("fasmir", program) as runner:
        offline = runner.run(FRAMES[:20])
        runner.reset()
        with stream(FRAMES[:20], runner, 0.002, realtime=False) as running:
            list(running)
            result = running.result()
    np.testing.assert_array_equal(
        result.metrics.latencies_s["device"], offline.metrics.latencies_s["device"]
    )
    assert result.metrics.energy_j == pytest.approx(offline.metrics.energy_j)
    assert (
        result.metrics.simulation["cycles_per_frame"]
        == (offline.metrics.simulation["cycles_per_frame"])
    )


def test_results_are_not_given_before_the_end() -> None:
    with (
        stream(FRAMES, SlowRunner({}), 0.01) as running,
        pytest.raises(UsageError, match="has not ended"),
    ):
        running.result()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"period_s": 0.0}, "period of 0 s"),
        ({"period_s": float("nan")}, "period of nan s"),
        ({"period_s": 0.1, "queue": 0}, "queue of 0"),
        ({"period_s": 0.1, "on_late": "panic"}, "on late 'panic'"),
        ({"period_s": 0.1, "deadline_s": -1.0}, "deadline of -1"),
        ({"period_s": 0.1, "n_frames": -1}, "-1 frames"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stream(FRAMES, SlowRunner({}), **options)  # type: ignore[arg-type]  # wrong on purpose
