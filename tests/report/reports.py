"""Reports to render: one with everything in it, long ones, hostile ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.analysis.compare import compare_all
from hostrt.power.trace import PowerTrace
from hostrt.report.model import BankFill, Report, ReportSubject
from hostrt.runner.result import Provenance, RunMetrics, RunResult, Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PERIOD_S = 0.016
RATE = 16_000
CREATED = "2026-03-04T05:06:07+00:00"

SIMULATION: dict[str, object] = {
    "clock_hz": 150e6,
    "spu_model": "spu001",
    "cycles_per_frame": [1200, 1240],
    "cycles_by_class": {"matvec": 900.0, "vector": 200.0, "move": 90.0, "start": 10.0},
    "cycles_by_thread": {"core 0 input x": 700.0, "core 1 message at 3": 500.0},
    "cores": {
        0: {"busy_cycles": 700.0, "utilisation": 0.04, "traffic": {"dm_reads": 3.0}},
        1: {"busy_cycles": 500.0, "utilisation": 0.03, "traffic": {}},
    },
}


def speech(n_frames: int, hop: int = 256, seed: int = 0) -> NDArray[np.int16]:
    """Make (n_frames, hop) samples of a tone that slides, with noise in gusts."""
    t = np.arange(n_frames * hop, dtype=np.float32) / RATE
    sweep = np.sin(2 * np.pi * (300 + 40 * t) * t) * (0.5 + 0.4 * np.sin(2 * np.pi * 0.7 * t))
    noise = np.random.default_rng(seed).normal(0, 0.03, t.size).astype(np.float32)
    gusts = noise * (1 + np.sin(2 * np.pi * 1.3 * t))
    samples: NDArray[np.int16] = (20000 * (sweep + gusts)).clip(-32768, 32767).astype(np.int16)
    return samples.reshape(n_frames, hop)


def latencies(n_frames: int, mean_s: float, seed: int = 0) -> NDArray[np.float64]:
    """Make latencies with a long tail; the first was not measured."""
    values = mean_s * (1 + np.random.default_rng(seed).exponential(0.1, n_frames))
    values[:1] = np.nan
    return values


def result(
    runner: str,
    outputs: Mapping[str, NDArray[np.signedinteger]],
    metrics: RunMetrics,
    *,
    simulated: bool = False,
) -> RunResult:
    """Make the result of one run."""
    source = Provenance(
        runner=runner,
        simulated=simulated,
        program_sha256="9f" * 32,
        program_source="denoiser.femto",
        chip="spu001",
        board="evk2://16C0-0486-A1B2" if runner == "hw" else "",
        firmware="2.3" if runner == "hw" else "",
        hostrt_version="0.1.0",
        started=CREATED,
        settings={"verify": True, "timeout_s": 2.0},
    )
    return RunResult(outputs, metrics, source, notes=(f"a note of {runner}",))


def streamed(n_frames: int) -> RunMetrics:
    """Make measurements of a streamed run that lost some frames."""
    end_to_end = latencies(n_frames, 0.011, 1)
    end_to_end[n_frames // 2 : n_frames // 2 + 3] = 0.019
    missed = np.flatnonzero(end_to_end > PERIOD_S)
    dropped = np.arange(n_frames // 3, n_frames // 3 + 2)
    late = np.abs(np.random.default_rng(2).normal(0, 2e-4, n_frames))
    late[dropped] = np.nan
    return RunMetrics(
        n_frames,
        {"device": latencies(n_frames, 0.004), "end_to_end": end_to_end},
        input_period_s=PERIOD_S,
        frame_power_w=np.full(n_frames, 1.2e-3),
        energy_j=1.2e-3 * PERIOD_S * n_frames,
        pll_vco_hz=600e6,
        duration_s=PERIOD_S * n_frames,
        work={"macs": 123456.0, "parameter_bytes": 65536.0},
        schedule=Schedule(late, dropped, missed, {"wire": len(missed), "source": 2}),
    )


def trace(n_frames: int, rate_hz: float = 20_000.0) -> PowerTrace:
    """Make a power trace with a burst at every frame's beginning."""
    n = int(n_frames * PERIOD_S * rate_hz)
    phase = (np.arange(n) / rate_hz) % PERIOD_S
    watts = np.where(phase < 0.004, 3.1e-3, 0.4e-3)
    watts = watts + np.random.default_rng(3).normal(0, 5e-5, n)
    marks = 100.0 + PERIOD_S * np.arange(n_frames, dtype=np.float64)
    return PowerTrace("a meter", False, 100.0, rate_hz, watts.astype(np.float32), marks)


def full_report(n_frames: int = 200, *, different: bool = True, hop: int = 256) -> Report:
    """Make a report of three runners in which every section has something to show."""
    x = speech(n_frames, hop)
    y = (x // 2).astype(np.int16)
    other = y.copy()
    if different:
        other[n_frames // 4, 17] += 3
        other[n_frames // 2 :, 40] -= 1
    levels = (np.abs(y.astype(np.int32)).mean(axis=1)[:, None] // 100).astype(np.int16)
    bands = np.abs(np.fft.rfft(x[:, :64], axis=1)).astype(np.int32) >> 3
    runs = {
        "hw": result("hw", {"y": other, "level": levels, "bands": bands}, streamed(n_frames)),
        "fasmir": result(
            "fasmir",
            {"y": y, "level": levels, "bands": bands},
            RunMetrics(
                n_frames,
                {"device": np.full(n_frames, 8.2e-6)},
                input_period_s=PERIOD_S,
                energy_j=3e-6 * n_frames,
                frame_power_w=np.linspace(1e-4, 2e-4, n_frames),
                simulation=SIMULATION,
            ),
            simulated=True,
        ),
        "fqir": result(
            "fqir",
            {"y": y, "level": levels, "bands": bands},
            RunMetrics(n_frames, duration_s=0.5, work={"macs": 1000.0}),
            simulated=True,
        ),
    }
    banks = tuple(
        BankFill(core, f"DM{bank}", 8192 - 1800 * bank, 8192)
        for core in range(2)
        for bank in range(4)
    )
    return Report(
        title="Denoiser on EVK2",
        subject=ReportSubject(
            "denoiser", "models/denoiser.femto", "ab" * 32, "spu001", 54321,
            (*banks, BankFill(0, "IM", 900, 4096), BankFill(1, "IM", 300, 4096)),
        ),
        results=runs,
        comparisons=compare_all(runs),
        inputs={"x": x},
        sample_rate=RATE,
        warm_up=1,
        power={"hw": trace(n_frames)},
        command_line=("hostrt", "run", "models/denoiser.femto", "--runners", "hw,fasmir,fqir"),
        created=CREATED,
        notes=("last frame filled with 168 zeros",),
    )  # fmt: skip
