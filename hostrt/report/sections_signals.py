"""What went in and what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.report.page import Paragraph, Section, name_text
from hostrt.report.plot_base import N_COLOURS, fixed_range
from hostrt.report.plots_signals import (
    POINTS,
    Signal,
    seconds_of,
    spectrum,
    values_plot,
    waveform,
)
from hostrt.report.quantities import whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hostrt.report.model import Report
    from hostrt.report.page import Block
    from hostrt.report.plot_base import Plots

MAX_SIGNALS = 8
"""Inputs that are drawn, and as many outputs."""

MAX_SPECTRA = 4

_MAX_FOCUS = 4
"""Places around which nothing is left out."""


def signals(report: Report, plots: Plots) -> Section | None:
    """Draw inputs and outputs, audio on one axis of time."""
    inputs = [
        Signal(name, "Input", (("", array),))
        for name, array in report.inputs.items()
        if array.ndim and array.size
    ]
    outputs = _outputs(report)
    shown = inputs[:MAX_SIGNALS] + outputs[:MAX_SIGNALS]
    if not shown:
        return None
    hop = _hop(report.inputs) if report.sample_rate else None
    audio = [signal for signal in shown if hop and _is_audio(signal, hop)]
    blocks: list[Block] = []
    if report.sample_rate and audio:
        blocks += _audio(plots, audio, report.sample_rate)
    for signal in shown:
        if signal not in audio:
            blocks += values_plot(plots, signal)
    left = len(inputs) + len(outputs) - len(shown)
    if left:
        blocks.append(Paragraph(f"{whole(left)} more inputs and outputs are not drawn."))
    return Section("signals", "Inputs and outputs", tuple(blocks)) if blocks else None


def _outputs(report: Report) -> list[Signal]:
    """Give each output once, runners that agree under one label."""
    names = dict.fromkeys(name for result in report.results.values() for name in result.outputs)
    return [signal for name in names if (signal := _output(report, name)).lines]


def _output(report: Report, name: str) -> Signal:
    groups: list[tuple[list[str], NDArray[np.generic]]] = []
    for runner, result in report.results.items():
        array = result.outputs.get(name)
        if array is None or not array.size:
            continue
        label = name_text(runner) + (" (simulated)" if result.simulated else "")
        same = next((labels for labels, other in groups if np.array_equal(other, array)), None)
        if same is not None:
            same.append(label)
        else:
            groups.append(([label], array))
    found = (
        verdict.first
        for pair in report.comparisons.pairs
        for verdict in pair.verdicts
        if verdict.name == name
    )
    focus = [(first.frame, first.element) for first in found if first is not None]
    lines = [(_joined(labels), array) for labels, array in groups]
    return Signal(name, "Output", tuple(lines[:N_COLOURS]), tuple(focus[:_MAX_FOCUS]))


def _joined(labels: list[str]) -> str:
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return ", ".join(labels[:3]) + more


def _hop(inputs: Mapping[str, NDArray[np.generic]]) -> int | None:
    """Give the samples per frame: those of the first input that has most frames."""
    tables = [array for array in inputs.values() if array.ndim == 2 and array.size]
    return max(tables, key=len).shape[1] if tables else None


def _is_audio(signal: Signal, hop: int) -> bool:
    """Tell whether a vector holds one frame's samples: as many as the input's."""
    return all(
        array.ndim == 2 and array.shape[1] == hop and array.dtype.kind in "iu"
        for _, array in signal.lines
    )


def _audio(plots: Plots, audio: list[Signal], rate: int) -> list[Block]:
    end = max(seconds_of(signal.longest, rate) for signal in audio)
    # one range: zooming one plot zooms all of them
    shared = fixed_range(0, end)
    blocks: list[Block] = [Paragraph("Plots over time move together.")]
    spectra = 0
    for signal in audio:
        blocks.append(waveform(plots, signal, rate, shared, POINTS))
        drawn = spectrum(plots, signal, rate, shared) if spectra < MAX_SPECTRA else None
        if drawn is not None:
            blocks.append(drawn)
            spectra += 1
    return blocks
