"""The firmware of a virtual EVK2: reports in, reports out, no time and no medium.

Whole batches are decoded at once; consecutive APB writes to rising addresses become one write to
the chip. Source: evk2-usb 3 to 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.evk2 import (
    READ_COMMANDS,
    REPORT_BYTES,
    REPORT_DTYPE,
    REPORT_WORDS,
    WRITE_COMMANDS,
    Command,
    ReportColumns,
    as_bytes,
    decode_requests,
    supports_exec_time,
)
from firmware_protocol.octets import view_of
from firmware_protocol.requests import Space

if TYPE_CHECKING:
    from firmware_protocol.evk2 import RawReports
    from firmware_protocol.octets import Octets
    from firmware_protocol.words import Words
    from hostrt.sim.spu import SimulatedSpu

MAX_MESSAGE_WORDS = 1 << 20
"""Longest stream message the firmware collects; a longer one is thrown away."""

_LANES = np.arange(REPORT_WORDS)
_FEW = 32  # reports
_HEAD = Struct("<BxHI")
_NO_DATA = bytes(REPORT_BYTES - _HEAD.size)
_NO_REPORTS = np.zeros((0, REPORT_BYTES), np.uint8)
_Rows: TypeAlias = NDArray[np.void]
_Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Identity:
    """The strings in a board's USB descriptors.

    Attributes:
        manufacturer: "FemtoAI" on firmware that tells execution times, else "Teensyduino".
        product: names the chip ("SPU001"), or "Teensyduino RawHID".
        serial: serial number.
    """

    manufacturer: str = "FemtoAI"
    product: str = "SPU001"
    serial: str = "10000001"


PRODUCTS = {"spu001": "SPU001", "spu150tc1": "SPU150", "spu150": "SPU150"}
"""Product string of the board that carries a chip."""


class VirtualEvk2:
    """What a board's microcontroller does with reports.

    Attributes:
        spu: the chip on the board.
        identity: the board's USB strings, which also say what the firmware can do.
        restarts: how often old firmware restarted because of a command it does not know.
    """

    def __init__(self, spu: SimulatedSpu, identity: Identity | None = None) -> None:
        self.spu = spu
        self.identity = identity or Identity(product=PRODUCTS[spu.chip.name])
        self.restarts = 0
        self._message: list[Words] = []
        self._tells_time = supports_exec_time(self.identity.manufacturer)

    def exchange(self, reports: Octets) -> tuple[RawReports, _Counts]:
        """Carry out requests in order.

        Args:
            reports: n reports of 64 bytes.

        Returns:
            uint8 (m, 64) the answers in order, and int64 (n,) how many of them answer each
            request: 1 for writes, 2 for reads (ack, then data), 0 where the board fell silent.

        Raises:
            RemoteViolationError: not whole reports.
        """
        raw = view_of(reports)
        if raw.nbytes == REPORT_BYTES:
            answer = self._answer_one(bytes(raw))
            if answer is not None:
                rows = np.frombuffer(answer, np.uint8).reshape(-1, REPORT_BYTES)
                return rows, np.array([len(rows)])
        columns = decode_requests(reports)
        n = len(columns)
        counts = np.zeros(n, np.int64)
        parts = []
        for first, last in pairwise(_edges(columns.command)):
            answers, counts[first:last] = self._run(_rows(columns, first, last))
            parts.append(as_bytes(answers))
        return parts[0] if len(parts) == 1 else np.concatenate([_NO_REPORTS, *parts]), counts

    def _answer_one(self, raw: bytes) -> bytes | None:
        """Answer a single report, the usual case while frames go through, without arrays around it.

        None for what needs the whole machinery: resets and commands that are not known.
        """
        command, length, address = _HEAD.unpack_from(raw)
        n = min(length, REPORT_WORDS)
        if command in READ_COMMANDS and n:
            if command == Command.EXEC_TIME_READ and not self._tells_time:
                return None
            payload = self._fetch_one(command, address, n).astype("<u4", copy=False).tobytes()
            data = _HEAD.pack(command, n, address) + payload
            return _HEAD.pack(0, 0, address) + _NO_DATA + data.ljust(REPORT_BYTES, b"\0")
        if command not in WRITE_COMMANDS or command == Command.RESET:
            return None
        words = np.frombuffer(raw, "<u4", n, _HEAD.size).astype(np.uint32, copy=False)
        if command == Command.APB_WRITE:
            self.spu.write(Space.APB, address, words)
        elif command == Command.REGISTER_WRITE:
            self.spu.write(Space.TOP, address, words, self.spu.chip.map.top_stride)
        else:
            self._stream_in(command, address, words)
        return _HEAD.pack(0, 0, address) + _NO_DATA

    def _fetch_one(self, command: int, address: int, n_words: int) -> Words:
        if command == Command.APB_READ:
            return self.spu.read(Space.APB, address, n_words)
        if command == Command.REGISTER_READ:
            return self.spu.read(Space.TOP, address, n_words, self.spu.chip.map.top_stride)
        if command == Command.EXEC_TIME_READ:
            return np.full(n_words, self.spu.exec_time_us, np.uint32)
        return self.spu.receive(n_words)

    def restart(self) -> None:
        """Start again, as after a power cycle."""
        self._message.clear()
        self.spu.hard_reset()

    def _run(self, run: ReportColumns) -> tuple[_Rows, int]:
        """Carry out requests that all have the same command."""
        command = int(run.command[0])
        if command == Command.EXEC_TIME_READ and not self._tells_time:
            return self._unknown(run)
        if command in READ_COMMANDS:
            return self._read(command, run), 2
        if command in WRITE_COMMANDS:
            self._write(command, run)
            return _acks(run), 1
        return self._unknown(run)

    def _unknown(self, run: ReportColumns) -> tuple[_Rows, int]:
        """Old firmware restarts on a command it does not know; newer firmware says so."""
        if not self._tells_time:
            self.restarts += len(run)
            self.restart()
            return np.zeros(0, REPORT_DTYPE), 0
        answers = _acks(run)
        answers["command"] = Command.ERROR
        return answers, 1

    def _write(self, command: int, run: ReportColumns) -> None:
        if command == Command.APB_WRITE:
            self._apb_write(run)
        elif command == Command.RESET:
            self.restart()
        elif command == Command.REGISTER_WRITE:
            stride = self.spu.chip.map.top_stride
            for address, words in _each(run):
                self.spu.write(Space.TOP, address, words, stride)
        else:
            for address, words in _each(run):
                self._stream_in(command, address, words)

    def _stream_in(self, command: int, address: int, words: Words) -> None:
        self._collect(address, words)
        if command == Command.AXIS_WRITE_END:
            message = np.concatenate(self._message)
            self._message.clear()
            self.spu.send(message)

    def _apb_write(self, run: ReportColumns) -> None:
        bursts = _bursts(run)
        is_full = bursts[-1][2] == REPORT_WORDS * len(run)
        flat = run.words.ravel() if is_full else run.words[run.length[:, np.newaxis] > _LANES]
        for address, start, stop in bursts:
            self.spu.write(Space.APB, address, flat[start:stop])

    def _collect(self, address: int, words: Words) -> None:
        """Add to the message under way; offset 0 starts a new one."""
        have = sum(part.size for part in self._message)
        if address == 0 or have + words.size > MAX_MESSAGE_WORDS:
            self._message.clear()
        self._message.append(words)

    def _read(self, command: int, run: ReportColumns) -> _Rows:
        answers = np.zeros(2 * len(run), REPORT_DTYPE)
        answers["address"] = np.repeat(run.address, 2)
        data = answers[1::2]
        data["command"] = command
        data["length"] = run.length
        words = np.zeros((len(run), REPORT_WORDS), np.uint32)
        words[run.length[:, np.newaxis] > _LANES] = self._fetch(command, run)
        data["words"] = words
        return answers

    def _fetch(self, command: int, run: ReportColumns) -> Words:
        """Give the words of all requests in a row."""
        if command == Command.APB_READ:
            parts = [
                self.spu.read(Space.APB, address, stop - start)
                for address, start, stop in _bursts(run)
            ]
        elif command == Command.REGISTER_READ:
            stride = self.spu.chip.map.top_stride
            parts = [
                self.spu.read(Space.TOP, address, words.size, stride)
                for address, words in _each(run)
            ]
        elif command == Command.EXEC_TIME_READ:
            return np.full(int(run.length.sum()), self.spu.exec_time_us, np.uint32)
        else:
            return self.spu.receive(int(run.length.sum()))
        return np.concatenate(parts)


def _rows(columns: ReportColumns, first: int, last: int) -> ReportColumns:
    return ReportColumns(
        columns.command[first:last],
        np.minimum(columns.length[first:last], REPORT_WORDS),
        columns.address[first:last],
        columns.words[first:last],
    )


def _each(run: ReportColumns) -> list[tuple[int, Words]]:
    lengths = run.length.tolist()
    pairs = zip(run.address.tolist(), lengths, run.words, strict=True)
    return [(address, words[:n]) for address, n, words in pairs]


def _bursts(run: ReportColumns) -> list[tuple[int, int, int]]:
    """Join reports that follow each other: (address, first word, end) in the words of the run."""
    if len(run) <= _FEW:
        return _few_bursts(run.address.tolist(), run.length.tolist())
    return _many_bursts(run)


def _many_bursts(run: ReportColumns) -> list[tuple[int, int, int]]:
    lengths = run.length.astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    begin = run.address.astype(np.int64)
    breaks = np.flatnonzero(begin[1:] != begin[:-1] + 4 * lengths[:-1]) + 1
    heads = np.concatenate([[0], breaks])
    stops = np.append(starts[breaks], starts[-1] + lengths[-1])
    return list(zip(begin[heads].tolist(), starts[heads].tolist(), stops.tolist(), strict=True))


def _few_bursts(addresses: list[int], lengths: list[int]) -> list[tuple[int, int, int]]:
    """Do it without arrays, which cost more than they save where reports are few."""
    joined: list[tuple[int, int, int]] = []
    head = following = -1
    first = end = 0
    for address, length in zip(addresses, lengths, strict=True):
        if address != following:
            if head >= 0:
                joined.append((head, first, end))
            head, first = address, end
        following = address + 4 * length
        end += length
    return [*joined, (head, first, end)]


def _edges(commands: NDArray[np.uint8]) -> list[int]:
    """Give where runs of one command begin, and the end of the last one."""
    n = len(commands)
    flat = commands.tobytes()
    if flat == flat[:1] * n:
        return [0, n][: n + 1]
    return [0, *(np.flatnonzero(commands[1:] != commands[:-1]) + 1).tolist(), n]


def _acks(run: ReportColumns) -> _Rows:
    rows = np.zeros(len(run), REPORT_DTYPE)
    rows["address"] = run.address
    return rows
