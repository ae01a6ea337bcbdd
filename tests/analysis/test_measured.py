"""What runs measured, read back from their folders."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostrt.analysis.measured import STREAM_ROWS, load_measured
from hostrt.errors import UsageError
from hostrt.power.trace import PowerTrace
from hostrt.runner.store import METRICS
from tests.analysis.run_folders import PERIOD_S, N, keep, keep_stream, rewrite, stream_rows, times

if TYPE_CHECKING:
    from pathlib import Path

POWERS = "Frame Statistics:\n  Power (W):\n    values:\n    - 1.0\n    - 2.0\n"


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
@given(
    values=st.lists(
        st.one_of(st.floats(0, 1e3), st.just(-1.0), st.just(float("nan"))), min_size=1, max_size=20
    )
)
def test_what_was_written_is_read_back(tmp_path: Path, values: list[float]) -> None:
    latencies = np.array(values)
    folder = keep(
        str(tmp_path / "run"), {"device": latencies, "host": 2 * latencies}, power=latencies
    )

    found = load_measured(folder)

    expected = np.where(latencies >= 0, latencies, np.nan)
    assert list(found.latencies_s) == ["device", "host"]
    np.testing.assert_array_equal(found.latencies_s["device"], expected)
    np.testing.assert_array_equal(found.latencies_s["host"], 2 * expected)
    if np.isfinite(expected).any():
        assert found.power_w is not None
        np.testing.assert_array_equal(found.power_w, expected)


@pytest.mark.slow
def test_the_metrics_of_a_long_run_are_read_at_once(tmp_path: Path) -> None:
    n = 100_000  # some twenty megabytes, which a YAML parser takes a minute for
    values = times(n=n)
    lines = "".join(f"  - {value!r}\n" for value in values.tolist())
    frames = "".join(f"  {i}:\n    Latency (s): 1.0\n    Power (W): 2.0\n" for i in range(n))
    folder = keep(tmp_path, {"wire": values[:2]})
    text = f"Frames:\n{frames}latency_per_frame_s:\n  wire:\n{lines}throughput: 1.0\n"
    rewrite(folder, METRICS, text.encode())

    found = load_measured(folder)

    np.testing.assert_array_equal(found.latencies_s["wire"], values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "latency_s: {}\n",
        "latency_per_frame_s: {}\n",
        "latency_per_frame_s:\n  wire:\n  - fast\n",
        "latency_per_frame_s:\n  wire:\n  - 1.0\n  host:\n  - 1.0\n  - 2.0\n",
        "Input Period (s): soon\n" + POWERS + "latency_per_frame_s:\n  wire:\n  - 1.0\n",
        "Input Period (s): 0.1\n" + POWERS + "latency_per_frame_s:\n  wire:\n  - 1.0\n",
        "\x00\xff",
    ],
)
def test_metrics_of_another_form_are_refused(tmp_path: Path, text: str) -> None:
    folder = keep(tmp_path, {"wire": times(n=3)})
    rewrite(folder, METRICS, text.encode("latin-1"))

    with pytest.raises(UsageError):
        load_measured(folder)


@pytest.mark.parametrize("data", [b"", b"no array", b"\x93NUMPY", np.zeros(3).tobytes()], ids=len)
def test_rows_of_another_form_are_refused(tmp_path: Path, data: bytes) -> None:
    folder = keep(tmp_path, {"wire": times(n=3)})
    rewrite(folder, STREAM_ROWS, data)

    with pytest.raises(UsageError):
        load_measured(folder)


def test_rows_without_times_are_refused(tmp_path: Path) -> None:
    folder = keep(tmp_path, {"wire": times(n=3)})
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    rewrite(folder, STREAM_ROWS, buffer.getvalue())

    with pytest.raises(UsageError, match="expected one row"):
        load_measured(folder)


def test_a_meters_energies_belong_to_the_frames_that_ran(tmp_path: Path) -> None:
    rows = stream_rows(times())
    rows["dropped"][:2] = True
    rows["wire_s"][:2] = np.nan
    marks = np.arange(N - 2) * np.float64(PERIOD_S)
    watts = np.full(N - 2, 2e-3, np.float32)
    trace = PowerTrace("meter", True, 0.0, 1 / PERIOD_S, watts, marks)

    found = load_measured(keep_stream(tmp_path, rows, trace))

    assert found.energy_j is not None
    assert found.power_w is not None
    assert np.isnan(found.energy_j[:2]).all()
    np.testing.assert_allclose(found.energy_j[2:], 2e-3 * PERIOD_S, rtol=1e-5)
    np.testing.assert_allclose(found.power_w[2:], 2e-3, rtol=1e-5)
