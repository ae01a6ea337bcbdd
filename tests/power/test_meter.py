"""What every meter does, whatever it measures with."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from hostrt.errors import ExtraMissing, LinkError, LinkLost, UsageError
from hostrt.power import url
from hostrt.power.base import open_meter
from hostrt.power.recorder import Recorder
from hostrt.power.sampled import SampledMeter

if TYPE_CHECKING:
    from hostrt.power.trace import PowerTrace

RATE_HZ = 1000.0


class HandFed(SampledMeter):
    """A meter whose samples come when a test says so."""

    name: ClassVar[str] = "hand"

    def __init__(self) -> None:
        super().__init__(RATE_HZ)
        self.fault: BaseException | None = None
        self.ended = self.released = 0
        self.now_s = 0.0

    def describe(self) -> str:
        return "a meter by hand"

    def feed(self, watts: list[float] | float, n: int = 1) -> None:
        self._record(np.full(n, watts, np.float32))
        self._arrived(self._n / RATE_HZ)

    def gap(self, n: int) -> None:
        self._lose(n)

    def _begin(self) -> None:
        self.feed(1.0)

    def _step(self) -> None:
        time.sleep(0.005)
        if self.fault is not None:
            raise self.fault

    def _end(self) -> None:
        self.ended += 1
        self._settle()

    def _release(self) -> None:
        self.released += 1


def test_marks_get_their_place_before_and_after_the_samples() -> None:
    with HandFed() as meter:
        meter.start()
        meter.mark(0.1)
        meter.feed(1.0, 999)
        meter.mark(0.4)
        meter.feed(3.0, 1000)
        meter.mark(1.5)

        trace = meter.stop()

    assert trace.frame_energy_j() == pytest.approx([0.3, 0.6 + 1.5, 1.5])
    assert trace.start_s == pytest.approx(0.0)


def test_a_gap_counts_for_the_frame_it_lies_in() -> None:
    with HandFed() as meter:
        meter.start()
        meter.feed(1.0, 499)
        meter.gap(200)
        meter.feed(2.0, 1300)
        for when_s in (0.0, 0.4, 1.0):
            meter.mark(when_s)

        trace = meter.stop()

    assert trace.frame_seconds() == pytest.approx([0.4, 0.4, 1.0])
    assert trace.frame_energy_j() == pytest.approx([0.4, 0.1 + 0.6, 2.0])
    assert trace.frame_power_w() == pytest.approx([1.0, 1.75, 2.0])
    assert trace.lost_samples == 200


def test_marks_long_after_their_samples_use_the_trace() -> None:
    with HandFed() as meter:
        meter.start()
        meter.feed(1.0, 999)
        for power in (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0):
            meter.feed(power, 1000)
        meter.mark(0.5)
        meter.mark(1.5)

        trace = meter.stop()

    assert trace.frame_j is None
    assert trace.frame_energy_j()[0] == pytest.approx(0.5 + 1.0)


def test_memory_stays_small_and_energies_exact_when_the_trace_is_folded() -> None:
    recorder = Recorder(0.0, 100.0, limit=16)
    power = np.random.default_rng(3).uniform(0, 1, 5000).astype(np.float32)
    recorder.mark(0.0)
    for n in range(5000):
        if n % 7 == 3:
            recorder.mark(float(n))
        one = np.array([float(power[n])])
        recorder.extend(power[n : n + 1], np.array([n + 1.0]), one, np.ones(1))
        recorder.place_marks(float, n)
    recorder.place_marks(float, np.inf)

    trace = recorder.trace("m", False, 0.0, 1.0)

    assert len(trace.watts) <= 17
    assert trace.folded == 512
    edges = np.append(trace.marks_s, 5000).astype(int)
    expected = [power[a:b].sum(dtype=np.float64) for a, b in pairwise(edges)]
    assert trace.frame_energy_j() == pytest.approx(expected, rel=1e-9)
    assert trace.energy_j(0, trace.stop_s) == pytest.approx(sum(expected), rel=1e-6)
    assert trace.highest is not None
    assert trace.highest.max() == power.max()


def test_a_failure_is_kept_and_so_is_what_came_before() -> None:
    meter = HandFed()
    meter.start()
    meter.feed(2.0, 99)
    meter.fault = LinkLost("the cable is out")
    wait_for_end(meter)

    with pytest.raises(LinkLost, match="cable"):
        meter.read_recent()
    meter.mark(0.01)
    for _ in range(2):
        with pytest.raises(LinkLost, match="cable"):
            meter.stop()
    assert len(meter.measured().watts) == 100
    assert len(meter.measured().marks_s) == 1
    meter.close()
    meter.close()
    assert (meter.ended, meter.released) == (1, 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_the_program_does_not_pass_for_an_end() -> None:
    with HandFed() as meter:
        meter.start()
        meter.fault = ZeroDivisionError("by hand")
        wait_for_end(meter)

        with pytest.raises(LinkError, match="could not be read: ZeroDivisionError"):
            meter.stop()


def wait_for_end(meter: HandFed) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(t.name == f"power-{meter.name}" for t in threading.enumerate()):
            return
        time.sleep(0.005)
    raise AssertionError("the thread does not end")


def test_closing_ends_a_measurement() -> None:
    with HandFed() as meter:
        meter.start()

    assert (meter.ended, meter.released) == (1, 1)
    wait_for_end(meter)


def test_marks_from_a_streaming_thread_do_not_wait_for_the_lock() -> None:
    with HandFed() as meter:
        meter.start()
        marked = threading.Event()

        def mark() -> None:
            for number in range(1000):
                meter.mark(number / RATE_HZ)
            marked.set()

        with meter._lock:
            threading.Thread(target=mark).start()
            assert marked.wait(10)
        trace: PowerTrace = meter.stop()

    assert len(trace.marks_s) == 1000


def test_a_meter_whose_package_is_missing_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        def load(self) -> object:
            raise ImportError("no module named 'volts'")

    monkeypatch.setattr(url, "meter_points", lambda: {"volts": Point()})
    monkeypatch.setattr("hostrt.power.base.meter_points", lambda: {"volts": Point()})

    with pytest.raises(ExtraMissing, match="no module named 'volts'"):
        open_meter("volts://")


def test_times_must_rise() -> None:
    with HandFed() as meter:
        meter.start()
        meter.mark(5.0)

        with pytest.raises(UsageError, match="the one before is at 5"):
            meter.mark(4.9)
