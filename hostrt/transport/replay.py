"""Recordings as boards, and recordings pushed to boards.

`replay://PATH` answers from a recording and insists that exactly the recorded requests are made,
in order. `replay_to` makes the recorded requests of a board and tells what it answers otherwise.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import FormatError
from firmware_protocol.records_read import parse_records, parse_records_tree
from firmware_protocol.requests import ExecTime, HostAction, Read, Request
from hostrt.chip.step import Wait
from hostrt.errors import LinkLost, LinkOutOfStep, LinkTimeout, ProgramCorrupt, UsageError
from hostrt.program.yamldoc import load_yaml
from hostrt.transport.base import Transport, TransportInfo
from hostrt.transport.recording import MAGIC, Entry, Recording, decode_compact, from_transaction
from hostrt.transport.recording import pieces as cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firmware_protocol.words import Words
    from hostrt.transport.url import BoardUrl

_MAX_BYTES = 1 << 30
_RESET_WAIT = Wait(1000, 0.1)
_SETTLE_S = 1.0
_SHORTEST_PAUSE_S = 1e-3
_LONGEST_PAUSE_S = 1.0
_PLATFORMS = ("evk2", "zcu104", "rtl")


@dataclass(frozen=True, slots=True, eq=False)
class ReplayDifference:
    """A read that a board answered otherwise than the recording.

    Attributes:
        number: position in the recording, from 1.
        request: what was read.
        expected: uint32 (n,), the recorded words.
        found: uint32 (n,), the board's words.
    """

    number: int
    request: Request
    expected: Words
    found: Words

    def __str__(self) -> str:
        differs = np.flatnonzero(self.expected != self.found)
        first = int(differs[0])
        return (
            f"request {self.number}, {self.request}: word {first} is "
            f"0x{int(self.found[first]):08x}, recorded 0x{int(self.expected[first]):08x} "
            f"({differs.size} of {self.expected.size} words differ)"
        )


def read_recording(path: str | Path) -> Recording:
    """Read a recording in any form; which one is seen from its content.

    Raises:
        UsageError: the file cannot be read.
        ProgramCorrupt: it is no recording, or damaged; the message names the place.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > _MAX_BYTES:
            raise UsageError(f"{file}: {size} bytes, a recording has at most {_MAX_BYTES}")
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: the recording cannot be read: {error.strerror}") from error
    try:
        if data.startswith(MAGIC[:4]):
            return decode_compact(data, str(file))
        return Recording(_from_yaml(data, str(file)))
    except FormatError as error:
        raise ProgramCorrupt(
            str(error), hint="this is not a recording that hostrt or the reference tool made"
        ) from error


def _from_yaml(data: bytes, name: str) -> list[Entry]:
    try:
        records = parse_records(data, name)
    except FormatError:
        # Not the dialect that we write: any YAML with the same content will do.
        records = parse_records_tree(load_yaml(data, name, max_bytes=_MAX_BYTES), name)
    return [from_transaction(one) for one in chain.from_iterable(records.values())]


class ReplayTransport(Transport):
    """A board that exists only as a recording. Waiting costs no time.

    Attributes:
        position: recorded requests already made.
    """

    def __init__(self, recording: Recording, info: TransportInfo) -> None:
        """Answer from `recording`."""
        self.info = info
        self.position = 0
        self._recording = recording
        self._time_s = 0.0
        self._is_closed = False

    @property
    def finished(self) -> bool:
        """Everything recorded was asked for."""
        return self.position == len(self._recording.entries)

    def close(self) -> None:
        """Refuse further use."""
        self._is_closed = True

    def _exchange(self, requests: Sequence[Request]) -> list[Words | None]:
        if self._is_closed:
            raise LinkLost(f"{self.info.url}: the link is closed", board=self.info.url)
        answers: list[Words | None] = []
        for request in requests:
            entry = None
            for part in cut(request):
                entry = self._next(part)
            answers.append(entry.answer if entry is not None else None)
        return answers

    def _next(self, asked: Request) -> Entry:
        number = self.position + 1
        if self.finished:
            end = "ends" if self._recording.complete else "is cut off"
            raise LinkOutOfStep(
                f"{self.info.url}: request {number} is {asked}, the recording {end} before it",
                hint="the program, the chip or the frames differ from the recorded run",
                request=number,
            )
        entry = self._recording.entries[self.position]
        if not _same(asked, entry.request):
            raise LinkOutOfStep(
                f"{self.info.url}: request {number} is {asked}, "
                f"recorded is {_difference(asked, entry.request)}",
                hint="the program, the chip or the frames differ from the recorded run",
                request=number,
            )
        self.position += 1
        if not entry.answered:
            raise LinkTimeout(
                f"{self.info.url}: request {number}, {asked}, was not answered when it was recorded"
            )
        return entry

    def _wait(self, wait: Wait) -> None:
        self._time_s += wait.seconds

    def _now(self) -> float:
        return self._time_s


def open_url(url: BoardUrl) -> ReplayTransport:
    """Open `replay://PATH`.

    Options for recordings that do not tell: `platform` (evk2, zcu104, rtl), `chip`, `pll` (yes,
    no).

    Raises:
        UsageError: no such file, or an option makes no sense.
        ProgramCorrupt: it is no recording.
    """
    url.allow("platform", "chip", "pll")
    recording = read_recording(url.host + url.path)
    known = {field.name for field in fields(TransportInfo)}
    told = {name: value for name, value in recording.info.items() if name in known}
    asked_time = any(isinstance(entry.request, ExecTime) for entry in recording.entries)
    platform = url.option("platform", "evk2", _PLATFORMS)
    has_pll = url.option("pll", "yes", ("yes", "no")) == "yes"
    info = TransportInfo(str(url), platform, reads_exec_time=asked_time, has_pll=has_pll)
    for name, value in told.items():
        if isinstance(value, type(getattr(info, name))):
            info = replace(info, **{name: value})
    chip = url.options.get("chip", info.chip)
    return ReplayTransport(recording, replace(info, url=str(url), simulated=True, chip=chip))


def replay_to(
    recording: Recording, transport: Transport, *, pauses: bool = True
) -> list[ReplayDifference]:
    """Make the recorded requests of a board and compare what is read.

    A register that was read several times in a row was polled: it is read until it gives the
    last recorded value, for at most a second.

    Args:
        recording: from `read_recording`.
        transport: where to.
        pauses: wait where the recorded host waited (a tenth of a second after resets when the
            recording does not tell).

    Returns:
        The reads that were answered otherwise, in order.

    Raises:
        LinkError: the link failed.
    """
    differences: list[ReplayDifference] = []
    batch: list[tuple[int, Entry]] = []
    has_times = any(entry.idle_s for entry in recording.entries)
    entries = recording.entries
    for number, entry in enumerate(entries, 1):
        following = entries[number] if number < len(entries) else None
        if following is not None and _is_poll(entry, following):
            continue
        if pauses and has_times and entry.idle_s >= _SHORTEST_PAUSE_S:
            differences += _flush(batch, transport)
            transport.execute([Wait(1, min(entry.idle_s, _LONGEST_PAUSE_S))])
        batch.append((number, entry))
        if number > 1 and _is_poll(entries[number - 2], entry):
            differences += _settle(batch, transport)
        elif pauses and not has_times and isinstance(entry.request, HostAction):
            differences += _flush(batch, transport)
            transport.execute([_RESET_WAIT])
    return differences + _flush(batch, transport)


def _settle(batch: list[tuple[int, Entry]], transport: Transport) -> list[ReplayDifference]:
    """Carry out a batch that ends with a polled register."""
    number, last = batch.pop()
    differences = _flush(batch, transport)
    until = time.monotonic() + _SETTLE_S
    while found := _flush([(number, last)], transport):
        if time.monotonic() >= until:
            return differences + found
    return differences


def _flush(batch: list[tuple[int, Entry]], transport: Transport) -> list[ReplayDifference]:
    if not batch:
        return []
    answers = transport.execute([entry.request for _, entry in batch])
    differences = [
        ReplayDifference(number, entry.request, entry.answer, found)
        for (number, entry), found in zip(batch, answers, strict=True)
        if entry.answer is not None
        and found is not None
        and not np.array_equal(entry.answer, found)
    ]
    batch.clear()
    return differences


def _is_poll(entry: Entry, following: Entry) -> bool:
    one, two = entry.request, following.request
    return isinstance(one, Read) and one.n_words == 1 and _same(one, two)


def _same(one: Request, two: Request) -> bool:
    if isinstance(one, Read) and isinstance(two, Read):
        same_place = (one.space, one.address, one.n_words) == (two.space, two.address, two.n_words)
        return same_place and (one.n_words == 1 or one.stride == two.stride)
    if type(one) is not type(two):
        return False
    return replace(one, comment=None) == replace(two, comment=None)


def _difference(asked: Request, recorded: Request) -> str:
    if str(asked) != str(recorded):
        return str(recorded)
    words = zip(_words(asked), _words(recorded), strict=True)
    for index, (one, two) in enumerate(words):
        if one != two:
            return f"the same with word {index} 0x{two:08x}, found 0x{one:08x}"
    return "the same with another stride"


def _words(request: Request) -> Iterable[int]:
    words = getattr(request, "words", np.zeros(0, np.uint32))
    return [int(word) for word in words]
