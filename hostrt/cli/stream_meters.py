"""What a running stream looks like on a terminal: rows of text with styles, made of values alone.

Every state has a word or a sign besides its colour: CLIP, LATE, FULL, marks in the bars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostrt.streaming.status import StreamStatus

Row: TypeAlias = "list[tuple[str, str]]"
"""Pieces of one line: text, style as rich spells it."""

FLOOR_DB = -60.0
WIDEST = 120
_LABEL = 9
_LEAST_BAR = 8
_HOLD_S = 1.5
_FALL_DB_PER_S = 20.0
_CLIP_HOLD_S = 2.0
_CLIPS_AT = 127 / 128
"""The largest positive sample of 8 bits; no wider type has a smaller one."""

_ABOVE_DEADLINE = 1.25
_ZONES_DB = ((-12.0, "green"), (-3.0, "yellow"), (0.0, "red"))


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What bars are drawn with; `parts` are ever fuller cells, the last one is full."""

    parts: str
    left: str
    right: str
    peak: str
    limit: str


BLOCKS = Glyphs(" ▏▎▍▌▋▊▉█", "▕", "▏", "│", "┃")
ASCII = Glyphs(" #", "[", "]", "|", "!")


class Meters:
    """Turns one status after the other into rows, and remembers what has to stay visible."""

    def __init__(self, deadline_s: float | None = None, glyphs: Glyphs = BLOCKS) -> None:
        """Use `deadline_s` as deadline of a frame; None stands for one period."""
        self._deadline_s = deadline_s
        self._glyphs = glyphs
        self._levels = {"input": _Held(), "output": _Held()}
        self._slowest_s = 0.0
        self._status: StreamStatus | None = None

    def add(self, status: StreamStatus) -> None:
        """Take a status."""
        self._status = status
        self._levels["input"].add(status.input_peak, status.elapsed_s)
        self._levels["output"].add(status.output_peak, status.elapsed_s)
        for seconds in (status.latency_s, status.latency_p99_s):
            if seconds > self._slowest_s:
                self._slowest_s = seconds

    def rows(self, width: int) -> list[Row]:
        """Give the picture; no row is longer than `width`, nor than `WIDEST`."""
        status = self._status
        if status is None:
            return []
        width = min(width, WIDEST)
        rows = [
            self._frames(status, width),
            self._level("input", status.input_rms, width),
            self._level("output", status.output_rms, width),
            self._scale(width),
            self._latency(status, width),
            self._queue(status, width),
            _late(status),
        ]
        if status.power_w is not None:
            rows.append([_label("power"), (power_text(status.power_w), "")])
        return [_cut(row, width) for row in rows]

    def _frames(self, status: StreamStatus, width: int) -> Row:
        time = clock_text(status.elapsed_s)
        if not status.n_frames:
            return [_label("frames"), (f"{status.frame}, {time}", "")]
        done = min(status.frame / status.n_frames, 1.0)
        ahead = status.n_frames - status.frame
        each_s = status.period_s or (status.elapsed_s / status.frame if status.frame else 0.0)
        left = f", {clock_text(ahead * each_s)} left" if ahead > 0 and each_s else ""
        text = f"{status.frame} of {status.n_frames}"
        elapsed = f", {time}" if _is_roomy(width) else ""
        bar = self._bar(width, done, [(1.0, "cyan")], {})
        return [_label("frames"), *bar, (f" {text}{elapsed}{left}", "")]

    def _level(self, name: str, rms: float, width: int) -> Row:
        held = self._levels[name]
        db = decibels(rms)
        zones = [(_on_scale(limit), style) for limit, style in _ZONES_DB]
        marks = {}
        if held.peak_db > FLOOR_DB:
            marks[_on_scale(held.peak_db)] = (self._glyphs.peak, "bold")
        row: Row = [_label(name), *self._bar(width, _on_scale(db), zones, marks)]
        row.append((f" {_db_text(db):>6} dB  peak {_db_text(held.peak_db):>5}", ""))
        return [*row, ("  CLIP", "bold red")] if held.is_clipping else row

    def _scale(self, width: int) -> Row:
        size = _bar_size(width)
        if not size:
            return []
        text = [" "] * (size + 2)
        step = 12 if size >= 40 else 20
        for db in range(int(FLOOR_DB), 0, step):
            word = str(db)
            at = 1 + round(_on_scale(db) * size)
            text[at : at + len(word)] = word
        return [(" " * _LABEL + "".join(text[:size]) + " 0 dB", "dim")]

    def _latency(self, status: StreamStatus, width: int) -> Row:
        limit_s = self._limit_s(status)
        latency_s, p99_s = status.latency_s, status.latency_p99_s
        is_late = limit_s is not None and latency_s > limit_s
        top_s = _ABOVE_DEADLINE * (self._slowest_s if limit_s is None else limit_s) or 1.0
        marks = {}
        if limit_s is not None:
            marks[limit_s / top_s] = (self._glyphs.limit, "bold")
        if p99_s >= 0:
            marks[min(p99_s / top_s, 1.0)] = (self._glyphs.peak, "bold")
        style = "red" if is_late else "green"
        filled = latency_s / top_s if latency_s >= 0 else 0.0
        bar = self._bar(width, filled, [(1.0, style)], marks)
        text = f" {time_text(latency_s):>7} p99 {time_text(p99_s):>7}"
        if limit_s is not None:
            text += f" of {time_text(limit_s)}"
        label = _label("LATE", "bold red") if is_late else _label("latency")
        return [label, *bar, (text, "")]

    def _limit_s(self, status: StreamStatus) -> float | None:
        if status.period_s is None:
            return None
        return status.period_s if self._deadline_s is None else self._deadline_s

    def _queue(self, status: StreamStatus, width: int) -> Row:
        if not status.waiting_limit:
            return [_label("queue"), (f"{status.waiting} waiting", "")]
        filled = status.waiting / status.waiting_limit
        style = "green" if filled < 0.5 else "yellow" if filled < 1 else "red"
        bar = self._bar(width, filled, [(1.0, style)], {})
        row: Row = [_label("queue"), *bar]
        row.append((f" {status.waiting} of {status.waiting_limit} waiting", ""))
        return [*row, ("  FULL", "bold red")] if filled >= 1 else row

    def _bar(
        self,
        width: int,
        filled: float,
        zones: Sequence[tuple[float, str]],
        marks: Mapping[float, tuple[str, str]],
    ) -> Row:
        """Draw a bar, filled from 0 to 1, in the style of each zone up to where that ends."""
        size = _bar_size(width)
        if not size:
            return []
        empty, parts = self._glyphs.parts[0], self._glyphs.parts[1:]
        full, rest = divmod(round(min(max(filled, 0.0), 1.0) * size * len(parts)), len(parts))
        text = (parts[-1] * full + (parts[rest - 1] if rest else "")).ljust(size, empty)
        row: Row = []
        start = 0
        for end, style in zones:
            stop = math.ceil(end * size)
            row.append((text[start:stop], style))
            start = stop
        for place, mark in marks.items():
            row = _marked(row, min(int(place * size), size - 1), mark)
        return [(self._glyphs.left, "dim"), *row, (self._glyphs.right, "dim")]


class _Held:
    """A peak that stays for a while and then falls, and whether it was too much just now."""

    def __init__(self) -> None:
        self.peak_db = -math.inf
        self.is_clipping = False
        self._since_s = self._clipped_s = self._now_s = 0.0

    def add(self, peak: float, now_s: float) -> None:
        db = decibels(peak)
        if now_s - self._since_s > _HOLD_S:
            self.peak_db -= _FALL_DB_PER_S * (now_s - self._now_s)
        if db >= self.peak_db:
            self.peak_db, self._since_s = db, now_s
        if peak >= _CLIPS_AT:
            self.is_clipping, self._clipped_s = True, now_s
        elif now_s - self._clipped_s > _CLIP_HOLD_S:
            self.is_clipping = False
        self._now_s = now_s


def decibels(level: float) -> float:
    """Give a level of 0..1 in dB below full scale, minus infinity for silence."""
    return 20 * math.log10(level) if level > 0 else -math.inf


def time_text(seconds: float) -> str:
    """Give a short time with three digits; "-" for NaN."""
    if math.isnan(seconds):
        return "-"
    return f"{_three(seconds)} s" if seconds >= 0.9995 else f"{_three(1e3 * seconds)} ms"


def clock_text(seconds: float) -> str:
    """Give a long time as m:ss or h:mm:ss."""
    minutes, rest = divmod(int(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def power_text(watts: float) -> str:
    """Give a power with three digits."""
    milliwatts = 1e3 * watts
    return f"{_three(milliwatts)} mW" if abs(milliwatts) >= 1 else f"{_three(1e6 * watts)} uW"


def causes_text(causes: Mapping[str, int]) -> str:
    """Give ` (wire 2, device 1)`, "" when nothing was lost."""
    lost = ", ".join(f"{name} {count}" for name, count in causes.items() if count)
    return f" ({lost})" if lost else ""


def _late(status: StreamStatus) -> Row:
    counts = [("missed", status.missed), ("dropped", status.dropped)]
    row = [_label("late")]
    for i, (name, count) in enumerate(counts):
        row += [(", " if i else "", ""), (f"{name} {count}", "bold red" if count else "")]
    return [*row, (causes_text(status.causes), "")]


def _label(name: str, style: str = "bold") -> tuple[str, str]:
    return name.ljust(_LABEL), style


def _is_roomy(width: int) -> bool:
    return width >= 80


def _bar_size(width: int) -> int:
    """Cells between the ends of a bar; 0 when there is no room for one."""
    size = width - _LABEL - 2 - (40 if _is_roomy(width) else 33)
    return size if size >= _LEAST_BAR else 0


def _on_scale(db: float) -> float:
    return min(max(1 - db / FLOOR_DB, 0.0), 1.0)


def _db_text(db: float) -> str:
    return f"{db:.1f}" if math.isfinite(db) else "-inf"


def _three(value: float) -> str:
    """Give three digits without an exponent."""
    size = abs(value)
    return f"{value:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f}"


def _marked(row: Row, at: int, mark: tuple[str, str]) -> Row:
    """Put a mark of one cell over a row."""
    out: Row = []
    for text, style in row:
        if 0 <= at < len(text):
            out += [(text[:at], style), mark, (text[at + 1 :], style)]
        else:
            out.append((text, style))
        at -= len(text)
    return out


def _cut(row: Row, width: int) -> Row:
    left = width
    short: Row = []
    for text, style in row:
        if text[:left]:
            short.append((text[:left], style))
            left -= len(text)
        if left <= 0:
            break
    return short
