"""A report's pictures as PNG files, for documents and mails; `hostrt[report]` brings matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import UsageError
from hostrt.files import make_folder, write_file
from hostrt.report.picture_resources import cycles, memory
from hostrt.report.picture_style import STYLES, drawing, to_png
from hostrt.report.picture_time import latency_histogram, latency_timeline, power_timeline
from hostrt.report.picture_values import difference_histogram, difference_timeline, sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from hostrt.report.model import Report
    from hostrt.report.picture_style import Style, StyleName

    Pictures = Iterator[tuple[str, Figure | None]]

MAX_SOUNDS = 32
"""Inputs, and outputs of one runner, that are drawn as sound."""

_LONGEST_STEM = 100


def write_pictures(report: Report, folder: Path, *, style: StyleName = "light") -> list[Path]:
    """Draw what was measured; equal reports give equal files.

    Args:
        report: what to draw.
        folder: where to; it is made if need be, and pictures of the same names are replaced.
        style: "light" or "dark".

    Returns:
        The files, in the order in which a reader wants them.

    Raises:
        UsageError: another style.
        ExtraMissing: matplotlib is not installed.
        StorageError: a file cannot be written.
    """
    if style not in STYLES:
        raise UsageError(f"style {style!r}, expected one of {', '.join(STYLES)}")
    paths: list[Path] = []
    taken: set[str] = set()
    with drawing(STYLES[style]):
        make_folder(folder)
        for name, figure in _pictures(report, STYLES[style]):
            if figure is not None:
                paths.append(folder / f"{_stem(name, taken)}.png")
                write_file(paths[-1], to_png(figure))
    return paths


def _pictures(report: Report, style: Style) -> Pictures:
    """Give each picture with its name, None for what has nothing to show."""
    yield from _time(report, style)
    yield from _differences(report, style)
    if report.sample_rate:
        yield from _sounds(report, report.sample_rate, style)
    yield "memory", memory(report.subject, style)
    for name, result in report.results.items():
        yield f"cycles_{name}", cycles(name, result, style)


def _time(report: Report, style: Style) -> Pictures:
    for name, result in report.results.items():
        histogram = latency_histogram(name, result, report.warm_up, style)
        yield f"latency_histogram_{name}", histogram
        yield f"latency_timeline_{name}", latency_timeline(name, result, style)
    for name in dict.fromkeys((*report.results, *report.power)):
        trace, run = report.power.get(name), report.results.get(name)
        yield f"power_{name}", power_timeline(name, run, trace, style)


def _differences(report: Report, style: Style) -> Pictures:
    for pair in report.comparisons.pairs:
        yield f"difference_histogram_{pair.a}_{pair.b}", difference_histogram(pair, style)
        a, b = report.results.get(pair.a), report.results.get(pair.b)
        if a is not None and b is not None:
            timeline = difference_timeline(pair, a, b, style)
            yield f"difference_timeline_{pair.a}_{pair.b}", timeline


def _sounds(report: Report, sample_rate: int, style: Style) -> Pictures:
    length = _frame_length(report)
    for name, array in _of_length(report.inputs, length):
        yield f"audio_input_{name}", sound(f"input {name}", array, sample_rate, style)
    for runner, result in report.results.items():
        for name, array in _of_length(result.outputs, length):
            figure = sound(f"{runner}: output {name}", array, sample_rate, style)
            yield f"audio_output_{runner}_{name}", figure


def _frame_length(report: Report) -> int | None:
    """Give the samples of a frame of sound: those of the input with most frames."""
    arrays = [array for array in report.inputs.values() if array.ndim == 2]
    return max(arrays, key=len).shape[1] if arrays else None


def _of_length(
    arrays: Mapping[str, NDArray[np.generic]], length: int | None
) -> list[tuple[str, NDArray[np.generic]]]:
    """Choose what is sound: tables whose frames have a length, any if that is not known."""
    tables = [(name, array) for name, array in arrays.items() if array.ndim == 2]
    return [one for one in tables if length in (None, one[1].shape[1])][:MAX_SOUNDS]


def _stem(name: str, taken: set[str]) -> str:
    """Give a file's name without suffix that every file system takes and no other picture has."""
    kept = (char if char.isascii() and (char.isalnum() or char in "-_") else "_" for char in name)
    stem = candidate = "".join(kept)[:_LONGEST_STEM]
    number = 1
    # some file systems take upper and lower case for the same
    while candidate.lower() in taken:
        number += 1
        candidate = f"{stem}_{number}"
    taken.add(candidate.lower())
    return candidate
