"""Pictures of values: where two runs differ, and what sound went in and came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.analysis.series import envelope, spectrogram
from hostrt.report.columns import differences
from hostrt.report.picture_style import PAIR_LABEL, PANEL_INCHES, label, legend, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from hostrt.analysis.histogram import Bin
    from hostrt.analysis.verdicts import Comparison
    from hostrt.report.picture_style import Style
    from hostrt.runner.result import RunResult

MAX_OUTPUTS = 6
"""Outputs that one picture of differences shows."""

_POINTS = 1_500
_TICKS = 24
_LOG_FROM = 100
"""Largest number from which an axis is logarithmic."""

_QUIETEST_DB = -100.0


def difference_histogram(pair: Comparison, style: Style) -> Figure | None:
    """Draw how often which difference occurs, a panel per output that has any."""
    found = [one for one in pair.verdicts if one.max_abs_diff]
    if not found:
        return None
    shown = found[:MAX_OUTPUTS]
    title = f"{_names(pair, 'minus')}: differences"
    figure, panels = new_figure(title + _left_out(len(found)), (PANEL_INCHES,) * len(shown))
    for panel, verdict in zip(panels, shown, strict=True):
        _bins(panel, verdict.histogram.bins, style)
        counts = f"{verdict.different} of {verdict.compared} values differ"
        beyond = f" by more than {pair.tolerance}" if pair.tolerance else ""
        panel.set_title(f"{label(verdict.name)}: {counts}{beyond}")
    return figure


def difference_timeline(
    pair: Comparison, a: RunResult, b: RunResult, style: Style
) -> Figure | None:
    """Draw largest and mean difference of each frame, a panel per output that has any."""
    found = [one for one in differences(a, b) if one[1].any()]
    if not found:
        return None
    shown = found[:MAX_OUTPUTS]
    title = f"{_names(pair, 'against')}: difference per frame"
    figure, panels = new_figure(title + _left_out(len(found)), (PANEL_INCHES,) * len(shown))
    for panel, (name, largest, mean) in zip(panels, shown, strict=True):
        _frames(panel, largest.astype(np.float64), mean, style)
        panel.set_title(label(name))
        if pair.tolerance:
            text = f"tolerance {pair.tolerance}"
            panel.axhline(pair.tolerance, color=style.alarm, ls="--", label=text)
        legend(panel)
    panels[-1].set_xlabel("frame")
    return figure


def sound(title: str, frames: NDArray[np.generic], sample_rate: int, style: Style) -> Figure | None:
    """Draw waveform and spectrogram of frames of sound; None without samples.

    Args:
        title: headline.
        frames: (T, ...) integers, samples of each frame in C order.
        sample_rate: in Hz.
        style: colours.
    """
    samples = frames.reshape(-1)
    if not len(samples):
        return None
    full_scale = _full_scale(samples)
    figure, (wave, bands) = new_figure(label(title), (0.7 * PANEL_INCHES, 1.3 * PANEL_INCHES))
    duration_s = len(samples) / sample_rate
    starts, low, high = envelope(samples, _POINTS)
    times = np.append(starts, len(samples)) / sample_rate
    low, high = (np.append(one, one[-1:]) / full_scale for one in (low, high))
    wave.fill_between(times, low, high, step="post", color=style.series[0], lw=0.8)
    wave.set_ylabel("amplitude\n(of full scale)")
    wave.set_xlim(0, duration_s)
    _, freqs_hz, db = spectrogram(
        samples, sample_rate, rows=_rows(len(samples)), full_scale=full_scale
    )
    image = bands.imshow(
        db,
        aspect="auto",
        origin="lower",
        extent=(0, duration_s, 0, float(freqs_hz[-1]) / 1e3),
        cmap="magma",
        vmin=_QUIETEST_DB,
        vmax=0,
        interpolation="nearest",
    )
    bands.grid(visible=False)
    bands.set_xlabel("time (s)")
    bands.set_ylabel("frequency (kHz)")
    bar = figure.colorbar(image, ax=[wave, bands], shrink=0.55, anchor=(0, 0), pad=0.01)
    bar.set_label("dB of full scale")
    return figure


def _bins(panel: Axes, bins: Sequence[Bin], style: Style) -> None:
    places = np.arange(len(bins))
    counts = [item.n_values for item in bins]
    colours = [style.series[0] if item.low or item.high else style.quiet for item in bins]
    panel.bar(places, counts, color=colours, width=0.85)
    if max(counts) >= _LOG_FROM:
        panel.set_yscale("log")
        panel.set_ylim(0.5, 2 * max(counts))
    step = -(-len(bins) // _TICKS)
    texts = [_bin_text(item) for item in bins]
    is_long = sum(len(text) for text in texts[::step]) > 110
    panel.set_xticks(places[::step], texts[::step])
    if is_long:
        panel.tick_params(axis="x", rotation=40)
        for text in panel.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    panel.grid(visible=False, axis="x")
    panel.set_xlim(-0.6, max(len(bins), 8) - 0.4)
    panel.set_xlabel("difference (grey: none)")
    panel.set_ylabel("values")


def _bin_text(item: Bin) -> str:
    if item.low == item.high:
        return f"{item.low:+}" if item.low else "0"
    return f"{item.low:+}…{item.high:+}"


def _frames(
    panel: Axes, largest: NDArray[np.float64], mean: NDArray[np.float64], style: Style
) -> None:
    from matplotlib.ticker import MaxNLocator

    starts, _, highest = envelope(largest, _POINTS)
    stops = np.append(starts, len(largest))
    colour = style.series[0]
    panel.stairs(highest, stops - 0.5, color=colour, fill=True, lw=1, alpha=0.6, label="largest")
    # the envelope's upper edge, as of the largest: a single frame must be seen
    _, _, means = envelope(mean, _POINTS)
    panel.stairs(means, stops - 0.5, color=style.series[1], baseline=None, label="mean")
    if largest.max() > _LOG_FROM:
        panel.set_yscale("symlog", linthresh=1)
    else:
        panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_ylim(bottom=0)
    panel.set_xlim(-0.5, len(largest) - 0.5)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_ylabel("difference")


def _names(pair: Comparison, word: str) -> str:
    return f"{label(pair.b, PAIR_LABEL)} {word} {label(pair.a, PAIR_LABEL)}"


def _left_out(n: int) -> str:
    return f", {MAX_OUTPUTS} of {n} outputs" if n > MAX_OUTPUTS else ""


def _full_scale(samples: NDArray[np.generic]) -> float:
    """Give the power of two that sound of a type or, if wider than 16 bits, its peak fits in."""
    if samples.dtype.itemsize == 1:
        return 128.0
    peak = float(np.abs(samples.astype(np.float64)).max())
    return float(max(1 << 15, 1 << max(0, int(np.ceil(np.log2(max(peak, 1.0)))))))


def _rows(n_samples: int) -> int:
    """Choose frequencies so that a window is not longer than the sound."""
    rows = 257
    while 2 * (rows - 1) > n_samples and rows > 17:
        rows = (rows - 1) // 2 + 1
    return rows
