from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.errors import (
    BoardAmbiguous,
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
from tests.power.joulescope_standin import Bench

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hostrt.power.base import PowerMeter

FRAME = 2000


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", bench.module())
    return bench


def fail(meter: PowerMeter) -> None:
    """Measure until something goes wrong, at most some seconds."""
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            meter.read_recent()
            time.sleep(0.01)
    except LinkError:
        return
    raise AssertionError("nothing went wrong")


def pulses(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    frame, inside = numbers // FRAME, numbers % FRAME
    active = (inside >= FRAME // 4) & (inside < FRAME // 2)
    return np.where(active, (1 + frame % 4) * 1e-3, 1e-6).astype(np.float32)


def test_energy_per_frame_is_that_of_the_samples(bench: Bench) -> None:
    bench.power = pulses
    with open_meter("joulescope://") as meter:
        meter.start()
        for number in range(11):
            when_s = bench.started_s + number * FRAME / 1e5
            time.sleep(max(0.0, when_s - time.perf_counter()))
            meter.mark(when_s)
        trace = meter.stop()

    expected = (1 + np.arange(10) % 4) * 1e-3 * FRAME / 4e5 + 1e-6 * FRAME * 0.75e-5
    assert trace.frame_energy_j()[1:10] == pytest.approx(expected[1:], rel=0.01)
    assert trace.watts == pytest.approx(pulses(np.arange(len(trace.watts))))
    assert trace.lost_samples == 0
    assert not trace.simulated


def test_the_instrument_is_set_up_and_let_go(bench: Bench) -> None:
    with open_meter("joulescope://000415?rate_hz=50000") as meter:
        assert meter.describe() == "Joulescope u/js220/000415 at 50000 Hz"
        assert bench.published == {"s/i/range/mode": "auto", "h/fs": 50000}
        meter.start()
        assert [bench.published[f"s/{signal}/ctrl"] for signal in "ivp"] == [1, 1, 1]
        trace = meter.stop()
        assert [bench.published[f"s/{signal}/ctrl"] for signal in "ivp"] == [0, 0, 0]

    assert trace.rate_hz == 50000
    assert trace.mean_w == pytest.approx(0.002)
    assert bench.log == ["open u/js220/000415", "close u/js220/000415", "finalize"]


def test_a_js110_has_another_topic_for_its_range(bench: Bench) -> None:
    bench.paths = ["u/js110/001234"]

    open_meter("joulescope://").close()

    assert bench.published["s/i/range/select"] == "auto"


def test_samples_that_are_missing_leave_a_gap(bench: Bench) -> None:
    dropped: list[int] = []

    def change(number: int, message: dict[str, object]) -> object:
        data = message["data"]
        assert isinstance(data, np.ndarray)
        if number == 3:
            dropped.append(len(data))
            return None
        if number == 5:
            data[:7] = np.nan
            dropped.append(7)
        return message

    bench.change = change
    with open_meter("joulescope://") as meter:
        meter.start()
        time.sleep(0.1)
        trace = meter.stop()

    assert trace.lost_samples == sum(dropped)
    assert np.isnan(trace.watts).sum() == sum(dropped)
    assert trace.mean_w == pytest.approx(0.002)


@pytest.mark.fault
def test_an_instrument_that_is_unplugged_is_lost(bench: Bench) -> None:
    with open_meter("joulescope://") as meter:
        meter.start()
        assert bench.driver is not None
        bench.driver.remove()
        fail(meter)
        with pytest.raises(LinkLost, match="is gone"):
            meter.stop()
        assert meter.measured().mean_w == pytest.approx(0.002)

    assert bench.log[-1] == "finalize"


@pytest.mark.fault
def test_an_instrument_that_is_silent_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostrt.power.joulescope._SILENCE_S", 0.1)
    bench.silent = True
    with (
        open_meter("joulescope://") as meter,
        pytest.raises(LinkTimeout, match=r"no sample for 0\.1 s"),
    ):
        meter.start()


@pytest.mark.fault
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": "text"}, "no samples of that rate"),
        ({"data": np.zeros((2, 2), np.float32)}, "no samples of that rate"),
        ({"data": np.zeros(4, np.int32)}, "no samples of that rate"),
        ({"decimate_factor": 0}, "no samples of that rate"),
        ({"sample_rate": 2_000_000}, "no samples of that rate"),
        ({"sample_id": None}, "no samples of that rate"),
        ({"sample_id": 0}, "sample numbers jump"),
        ({"sample_id": 1 << 60}, "sample numbers jump"),
    ],
)
def test_messages_that_make_no_sense_are_told(
    bench: Bench, change: dict[str, object], said: str
) -> None:
    bench.change = lambda number, message: {**message, **change} if number == 3 else message
    with open_meter("joulescope://") as meter:
        meter.start()
        fail(meter)
        with pytest.raises(LinkCorrupt, match=said):
            meter.stop()


@pytest.mark.fault
def test_a_message_that_is_no_message_is_told(bench: Bench) -> None:
    bench.change = lambda number, message: b"" if number == 1 else message
    with open_meter("joulescope://") as meter:
        meter.start()
        fail(meter)


@pytest.mark.parametrize(
    ("refuse", "kind", "said"),
    [
        ("open", BoardUnavailable, r"cannot be opened: .*IN_USE"),
        ("h/fs", LinkError, "did not take h/fs=100000"),
        ("list", BoardUnavailable, r"lists nothing: .*TIMED_OUT"),
        ("@/!remove", LinkError, "does not tell @/!remove"),
    ],
)
def test_what_the_driver_refuses_is_told(
    bench: Bench, refuse: str, kind: type[Exception], said: str
) -> None:
    bench.refuse = {refuse}

    with pytest.raises(kind, match=said), open_meter("joulescope://") as meter:
        meter.start()

    assert bench.log[-1] == "finalize"


def test_a_driver_that_does_not_start_is_told(bench: Bench) -> None:
    bench.refuse = {"driver"}

    with pytest.raises(BoardUnavailable, match="does not start"):
        open_meter("joulescope://")


def test_which_instrument_is_meant_is_said(bench: Bench) -> None:
    bench.paths = ["u/js220/000415", "u/mb/93NP", "u/js320/8W2A", "odd"]
    open_meter("joulescope://8w2a").close()
    assert bench.log[0] == "open u/js320/8W2A"
    with pytest.raises(BoardAmbiguous, match="000415, u/js320"):
        open_meter("joulescope://")
    with pytest.raises(BoardNotFound, match="no Joulescope 000416"):
        open_meter("joulescope://000416")
    bench.paths = ["u/mb/93NP"]
    with pytest.raises(BoardNotFound, match=r"no Joulescope is connected \(found: none\)"):
        open_meter("joulescope://")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("joulescope://?rate_hz=300000", "a divisor of 1000000"),
        ("joulescope://?rate_hz=5", "a number 1000..1e"),
        ("joulescope://?rate=1000", "no option 'rate'"),
        ("joulescope:///dev/ttyACM0", "has no path"),
    ],
)
def test_options_that_cannot_be_are_refused(bench: Bench, address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        open_meter(address)

    assert bench.log == []


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", None)

    with pytest.raises(ExtraMissing) as caught:
        open_meter("joulescope://")

    assert "hostrt[joulescope]" in caught.value.hint


def test_the_package_itself_has_what_is_used() -> None:
    package = pytest.importorskip("pyjoulescope_driver")

    for name in ("device_paths", "open", "close", "finalize", "publish", "subscribe"):
        assert callable(getattr(package.Driver, name))


def test_without_an_instrument_the_package_itself_says_so() -> None:
    pytest.importorskip("pyjoulescope_driver")

    with pytest.raises(BoardNotFound, match="no Joulescope 999999 is connected"):
        open_meter("joulescope://999999")
