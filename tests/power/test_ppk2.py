from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.errors import (
    BoardAmbiguous,
    BoardBusy,
    BoardNotFound,
    BoardUnavailable,
    ExtraMissing,
    LinkCorrupt,
    LinkError,
    LinkLost,
    LinkTimeout,
    UsageError,
)
from hostrt.power.base import open_meter
from tests.power.ppk2_emulator import RATE_HZ, Faults, Ppk2Emulator, metadata, seen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hostrt.power.base import PowerMeter
    from hostrt.power.trace import PowerTrace

pytestmark = pytest.mark.slow

pytest.importorskip("ppk2_api")

FRAME = 5000
VOLTS = 1.8


def pulses(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give 10 uA, and for a fifth of each frame 2 to 6 mA, depending on the frame.

    What lies on both sides of a mark is the same: marks that are placed too early, for all samples
    arrived late on a busy machine, cost next to nothing.
    """
    frame, inside = numbers // FRAME, numbers % FRAME
    active = (inside >= FRAME // 10) & (inside < FRAME // 10 * 3)
    return np.where(active, (2 + frame % 5) * 1e-3, 1e-5)


def steps(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give currents of one range: the package smooths samples behind a change of range."""
    return (100 + numbers // 100 % 300) * np.float64(1e-5)


def steady(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.full(len(numbers), 1e-3)


def expected_j(n_frames: int) -> NDArray[np.float64]:
    """Give each frame's energy by the formula."""
    active_a = (2 + np.arange(n_frames) % 5) * 1e-3
    return (active_a * FRAME / 5 + 1e-5 * FRAME * 4 / 5) * VOLTS / RATE_HZ


def wait_until(when_s: float) -> None:
    while time.perf_counter() < when_s:
        time.sleep(0.002)


def measure(emulator: Ppk2Emulator, n_frames: int) -> PowerTrace:
    with open_meter(f"ppk2://{emulator.port}?voltage=1800") as meter:
        meter.start()
        for number in range(n_frames + 1):
            when_s = emulator.started_s + number * FRAME / RATE_HZ
            wait_until(when_s)
            meter.mark(when_s)
        # a busy machine may be behind
        deadline = time.monotonic() + 20
        while len(meter.measured().watts) < n_frames * FRAME and time.monotonic() < deadline:
            time.sleep(0.005)
        return meter.stop()


def fail(emulator: Ppk2Emulator) -> PowerMeter:
    """Measure until something goes wrong, at most some seconds."""
    meter = open_meter(f"ppk2://{emulator.port}?voltage=1800")
    meter.start()
    meter.mark()
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            meter.read_recent()
            time.sleep(0.01)
    except LinkError:
        return meter
    raise AssertionError("nothing went wrong")


def test_energy_per_frame_is_that_of_the_current() -> None:
    with Ppk2Emulator(pulses) as emulator:
        trace = measure(emulator, 8)

    # the first frame began before the first sample came
    found, expected = trace.frame_energy_j()[1:8], expected_j(8)[1:]
    assert found == pytest.approx(expected, rel=0.01)
    assert trace.frame_seconds()[1:8] == pytest.approx(np.full(7, 0.05), abs=0.001)
    assert trace.lost_samples == 0
    assert not trace.simulated
    assert trace.rate_hz == RATE_HZ


def test_samples_are_those_that_were_sent() -> None:
    with Ppk2Emulator(steps) as emulator:
        trace = measure(emulator, 3)

    sent = seen(steps(np.arange(len(trace.watts)))) * VOLTS
    assert trace.watts == pytest.approx(sent, rel=1e-5)
    assert trace.start_s == pytest.approx(emulator.started_s, abs=0.25)


def test_ranges_change_within_a_frame() -> None:
    def current(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.where(numbers % FRAME < FRAME // 2, 2e-5, 3e-2)

    with Ppk2Emulator(current) as emulator:
        trace = measure(emulator, 3)

    # the package smooths a few samples behind each change of range
    wrong = np.abs(trace.watts / (current(np.arange(len(trace.watts))) * VOLTS) - 1) > 0.01
    assert wrong.sum() <= 5 * (2 * len(trace.watts) // FRAME + 1)


def test_lost_samples_leave_a_gap() -> None:
    faults = Faults(lose={3000: 10, 6200: 60}, cut={8000: 3})
    with Ppk2Emulator(steps, faults=faults) as emulator:
        trace = measure(emulator, 3)

    assert trace.lost_samples == 72
    gaps = np.flatnonzero(np.isnan(trace.watts))
    assert gaps.tolist() == [*range(3000, 3010), *range(6200, 6260), 8000, 8001]
    sent = seen(steps(np.arange(len(trace.watts)))) * VOLTS
    there = np.isfinite(trace.watts)
    assert trace.watts[there] == pytest.approx(sent[there], rel=1e-5)
    assert trace.duration_s - trace.frame_seconds().sum() >= 70 / RATE_HZ


@pytest.mark.fault
def test_a_meter_that_is_unplugged_is_lost_and_what_came_before_is_kept() -> None:
    with Ppk2Emulator(steady, faults=Faults(unplug_at=10_000)) as emulator, fail(emulator) as meter:
        with pytest.raises(LinkLost, match="is gone"):
            meter.stop()

        trace = meter.measured()
        assert 1000 < len(trace.watts) < 20_000
        assert trace.mean_w == pytest.approx(1.8e-3, rel=0.01)
        assert len(trace.marks_s) == 1


@pytest.mark.fault
def test_a_meter_that_falls_silent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostrt.power.ppk2._SILENCE_S", 0.5)
    with (
        Ppk2Emulator(steady, faults=Faults(silent_at=5000)) as emulator,
        fail(emulator) as meter,
        pytest.raises(LinkTimeout, match=r"no sample for 0\.5 s"),
    ):
        meter.stop()


@pytest.mark.fault
def test_samples_that_are_noise_are_told() -> None:
    with (
        Ppk2Emulator(steady, faults=Faults(garbage_at=5000)) as emulator,
        fail(emulator) as meter,
        pytest.raises(LinkCorrupt, match="no samples"),
    ):
        meter.stop()


@pytest.mark.fault
@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (b"", LinkTimeout, "did not give the calibration"),
        (b"\xff\xfe" * 200, LinkCorrupt, "does not answer as a PPK2 does"),
        (metadata()[:-5], LinkTimeout, "did not give the calibration"),
        (metadata(hardware=""), LinkCorrupt, "a calibration that is none"),
        (metadata(third_resistor=float("nan")), LinkCorrupt, "a calibration that is none"),
        (metadata(third_resistor=-1), LinkCorrupt, "a calibration that is none"),
        (b"OK\r\nEND\r\n", LinkCorrupt, "a calibration that is none"),
    ],
)
def test_another_device_on_the_port_is_told(
    answer: bytes, kind: type[LinkError], said: str
) -> None:
    with (
        Ppk2Emulator(steady, answer=answer) as emulator,
        pytest.raises(kind, match=said),
    ):
        open_meter(f"ppk2://{emulator.port}?voltage=1800")


def test_the_voltage_is_set_and_the_board_supplied() -> None:
    with (
        Ppk2Emulator(steady) as emulator,
        open_meter(f"ppk2://{emulator.port}?voltage=3300&mode=source") as meter,
    ):
        assert meter.describe() == f"PPK2 on {emulator.port}, source mode at 3300 mV"
        wait_for(emulator, b"\x0c\x01")
        assert [command[:1] for command in emulator.commands] == [
            *(b"\x07", b"\x19", b"\x0d", b"\x11", b"\x0c")
        ]
        assert b"\x11\x02" in emulator.commands
        meter.start()
        assert meter.stop().mean_w == pytest.approx(3.3e-3, rel=0.01)


def wait_for(emulator: Ppk2Emulator, command: bytes) -> None:
    deadline = time.monotonic() + 10
    while command not in emulator.commands and time.monotonic() < deadline:
        time.sleep(0.005)


def test_a_meter_that_still_measures_is_stopped_first() -> None:
    with Ppk2Emulator(steady) as emulator:
        Path(emulator.port).write_bytes(b"\x06")  # as a process does that is killed afterwards
        wait_for(emulator, b"\x06")

        with open_meter(f"ppk2://{emulator.port}?voltage=1800") as again:
            again.start()
            assert again.stop().mean_w == pytest.approx(1.8e-3, rel=0.01)


def test_a_port_in_use_is_told() -> None:
    with (
        Ppk2Emulator(steady) as emulator,
        open_meter(f"ppk2://{emulator.port}?voltage=1800"),
        pytest.raises(BoardBusy, match="is in use"),
    ):
        open_meter(f"ppk2://{emulator.port}?voltage=1800")


def test_a_port_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BoardNotFound, match="is not there"):
        open_meter("ppk2:///dev/ttyNothing?voltage=1800")
    (tmp_path / "file").touch()
    with pytest.raises(BoardUnavailable, match="cannot be opened"):
        open_meter(f"ppk2://{tmp_path}/file?voltage=1800")


def test_the_only_meter_need_not_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from ppk2_api.ppk2_api import PPK2_API

    found: list[tuple[str, str]] = []
    monkeypatch.setattr(PPK2_API, "list_devices", staticmethod(lambda: found))
    with pytest.raises(BoardNotFound, match="no PPK2 is connected"):
        open_meter("ppk2://?voltage=1800")
    with Ppk2Emulator(steady) as emulator:
        found += [(emulator.port, "D1")]
        with open_meter("ppk2://?voltage=1800") as meter:
            assert emulator.port in meter.describe()
        found += [("/dev/ttyNothing", "D2")]
        with open_meter("ppk2://D1?voltage=1800") as meter:
            assert emulator.port in meter.describe()
    with pytest.raises(BoardAmbiguous, match=r"D1 on .*D2 on"):
        open_meter("ppk2://?voltage=1800")
    with pytest.raises(BoardNotFound, match="no PPK2 D3"):
        open_meter("ppk2://D3?voltage=1800")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "no voltage"),
        ("?voltage=12000", "a number 800..5000"),
        ("?voltage=1800.5", "whole millivolts"),
        ("?voltage=1800&mode=both", "expected one of ampere, source"),
        ("?volt=1800", "no option 'volt'"),
    ],
)
def test_options_that_cannot_be_are_refused(query: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        open_meter(f"ppk2:///dev/ttyNothing{query}")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ppk2_api.ppk2_api", None)

    with pytest.raises(ExtraMissing) as caught:
        open_meter("ppk2:///dev/ttyNothing?voltage=1800")

    assert "hostrt[ppk2]" in caught.value.hint
