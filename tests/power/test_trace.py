from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import StorageError, UsageError
from hostrt.power.trace import PowerTrace

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WATTS = st.lists(st.floats(0, 10, width=32), min_size=1, max_size=40).map(
    lambda values: np.array(values, np.float32)
)


def floats(values: list[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def trace_of(
    watts: NDArray[np.float32] | list[float], marks: list[float] | None = None
) -> PowerTrace:
    return PowerTrace(
        "a test", False, 5.0, 10.0, np.array(watts, np.float32), np.array(marks or [], np.float64)
    )


def test_partial_samples_count_in_part() -> None:
    trace = trace_of([1.0, 2.0, 4.0])

    assert trace.energy_j(5.0, 5.3) == pytest.approx(0.7)
    assert trace.energy_j(5.05, 5.15) == pytest.approx(0.05 + 0.1)
    assert trace.energy_j(5.12, 5.14) == pytest.approx(0.04)
    assert trace.energy_j(5.25, 9.0) == pytest.approx(0.2)
    assert trace.energy_j(0.0, 5.0) == 0
    assert trace.energy_j(6.0, 7.0) == 0


@settings(deadline=None)
@given(WATTS, st.lists(st.floats(4.9, 9.5), min_size=3, max_size=3).map(sorted))
def test_energy_adds_up(watts: NDArray[np.float32], times: list[float]) -> None:
    trace = trace_of(watts)
    first, middle, last = times

    whole = trace.energy_j(first, last)

    assert trace.energy_j(first, middle) + trace.energy_j(middle, last) == pytest.approx(
        whole, abs=1e-9
    )
    assert trace.energy_j(0, 100) == pytest.approx(float(watts.sum(dtype=np.float64)) / 10)


@settings(deadline=None)
@given(WATTS, st.lists(st.floats(5, 6), min_size=1, max_size=6).map(sorted))
def test_frames_are_what_lies_between_marks(watts: NDArray[np.float32], marks: list[float]) -> None:
    trace = trace_of(watts, marks)

    energies = np.nan_to_num(trace.frame_energy_j())

    ends = [*marks[1:], max(trace.stop_s, marks[-1])]
    expected = [trace.energy_j(begin, end) for begin, end in zip(marks, ends, strict=True)]
    assert energies == pytest.approx(expected, abs=1e-6)


def test_lost_samples_count_as_nothing_and_are_told() -> None:
    watts = floats([1.0, np.nan, np.nan, 3.0])
    trace = PowerTrace("a test", False, 5.0, 4.0, watts, np.array([5.0, 5.25, 5.5]))

    assert trace.frame_energy_j() == pytest.approx([0.25, np.nan, 0.75], nan_ok=True)
    assert trace.frame_seconds() == pytest.approx([0.25, 0.0, 0.25])
    assert trace.frame_power_w() == pytest.approx([1.0, np.nan, 3.0], nan_ok=True)
    assert trace.mean_w == pytest.approx(2.0)
    assert trace.energy_j(5.0, 6.0) == pytest.approx(1.0)


def test_a_partly_measured_interval_counts_for_what_was_measured() -> None:
    trace = PowerTrace("m", False, 0.0, 1.0, floats([2, 2]), folded=4, measured=floats([0.5, 1.0]))

    assert trace.energy_j(0, 2) == pytest.approx(3.0)
    assert trace.mean_w == pytest.approx(2.0)


def test_nothing_measured_has_no_mean() -> None:
    empty = trace_of([], [5.0])

    assert empty.mean_w is None
    assert np.isnan(empty.frame_energy_j()).all()
    assert empty.to_tree()["mean_w"] is None
    assert len(empty.decimated(10).mean_w) == 0


@settings(deadline=None)
@given(WATTS, st.integers(1, 50))
def test_decimation_keeps_energy_and_peaks(watts: NDArray[np.float32], n: int) -> None:
    trace = trace_of(watts)

    few = trace.decimated(n)

    assert len(few.mean_w) == min(n, len(watts))
    assert float(np.max(few.highest_w)) == float(watts.max())
    assert float(np.min(few.lowest_w)) == float(watts.min())
    assert few.times_s[[0, -1]] == pytest.approx([trace.start_s, trace.stop_s])
    assert np.diff(few.times_s) @ few.mean_w == pytest.approx(trace.energy_j(0, 100), rel=1e-5)


def test_a_gap_leaves_a_gap_in_the_plot() -> None:
    few = trace_of([1.0, np.nan, np.nan, 3.0]).decimated(4)

    assert few.mean_w == pytest.approx([1, np.nan, np.nan, 3], nan_ok=True)


def test_a_saved_trace_is_the_same(tmp_path: Path) -> None:
    trace = PowerTrace(
        'PPK2 "left"',
        True,
        1.25,
        100_000 / 4,
        floats([1, np.nan]),
        np.array([1.25]),
        frame_j=np.array([0.5]),
        frame_measured_s=np.array([0.25]),
        folded=4,
        lost_samples=3,
        measured=floats([1, 0.25]),
        lowest=floats([0, 1]),
        highest=floats([2, 3]),
    )

    trace.save(tmp_path / "power.npz")
    loaded = PowerTrace.load(tmp_path / "power.npz")

    for name in PowerTrace.__slots__:
        assert np.array_equal(
            getattr(trace, name), getattr(loaded, name), equal_nan=name != "meter"
        ), name


def test_what_was_not_kept_is_not_there_after_loading(tmp_path: Path) -> None:
    trace_of([1.0]).save(tmp_path / "power.npz")

    loaded = PowerTrace.load(tmp_path / "power.npz")

    assert loaded.frame_j is None
    assert loaded.measured is None


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        trace_of([1.0]).save(tmp_path / "missing" / "power.npz")


def test_no_single_byte_makes_another_trace(tmp_path: Path) -> None:
    path = tmp_path / "power.npz"
    trace = trace_of([1.0, 2.0], [5.0])
    trace.save(path)
    whole = path.read_bytes()
    read = []
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with contextlib.suppress(UsageError):
            read.append(PowerTrace.load(path).to_tree())

    assert 0 < len(read) < len(whole)
    assert all(tree == trace.to_tree() for tree in read)


@settings(deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_a_usage_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "power.npz"
    trace_of([1.0, 2.0], [5.0]).save(path)
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole[: data.draw(st.sampled_from([len(whole), at]))])

    try:
        loaded = PowerTrace.load(path)
    except UsageError:
        return
    # a byte of the archive that nobody reads, such as a time
    assert loaded.to_tree() == trace_of([1.0, 2.0], [5.0]).to_tree()


def _npz(path: Path, **arrays: object) -> None:
    facts = b'{"meter":"m","simulated":false,"start_s":0,"rate_hz":1,"folded":1,"lost_samples":0}'
    np.savez(
        path,
        **{"facts": np.frombuffer(facts, np.uint8), "watts": floats([1]), **arrays},  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"facts": np.frombuffer(b"[", np.uint8)}, "Expecting"),
        ({"facts": np.frombuffer(b'{"meter": "m"}', np.uint8)}, "simulated"),
        ({"watts": np.ones((1, 1), np.float32)}, "shape"),
        ({"watts": np.array(["x"])}, "cast"),
        ({"marks_s": np.array([2.0, 1.0])}, "rise"),
        ({"frame_j": np.array([2.0, 1.0])}, "shape"),
    ],
)
def test_contents_that_cannot_be_are_refused(
    arrays: dict[str, object], said: str, tmp_path: Path
) -> None:
    _npz(tmp_path / "power.npz", **arrays)

    with pytest.raises(UsageError, match=said):
        PowerTrace.load(tmp_path / "power.npz")


def test_pickled_arrays_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "power.npz"
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([{}], object), allow_pickle=True)
    assert pickle.dumps({})[:1] in buffer.getvalue()
    _npz(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("marks_s.npy", buffer.getvalue())

    with pytest.raises(UsageError, match="allow_pickle"):
        PowerTrace.load(path)


def test_a_header_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "power.npz"
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": (1 << 50,)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("facts.npy", buffer.getvalue())

    with pytest.raises(UsageError, match="not a usable power trace"):
        PowerTrace.load(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        PowerTrace.load(tmp_path / "power.npz")


def test_times_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(UsageError, match="ends before it begins"):
        trace_of([1.0]).energy_j(2, 1)
    with pytest.raises(UsageError, match="expected at least 1"):
        trace_of([1.0]).decimated(0)
