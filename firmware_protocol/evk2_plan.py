"""From requests to the reports that carry them over the EVK2 link, whole batches at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.evk2 import (
    REPORT_DTYPE,
    REPORT_WORDS,
    Command,
    RawReports,
    as_bytes,
    command_name,
)
from firmware_protocol.requests import (
    MAX_BURST_WORDS,
    ExecTime,
    FrameIn,
    FrameOut,
    HostAction,
    Read,
    Request,
    Space,
    Write,
    is_idempotent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firmware_protocol.words import Words

_ADDRESS_LIMIT = 1 << 32
_LANES = np.arange(REPORT_WORDS)
_WRITES = {Space.APB: Command.APB_WRITE, Space.TOP: Command.REGISTER_WRITE}
_READS = {Space.APB: Command.APB_READ, Space.TOP: Command.REGISTER_READ}

Counts: TypeAlias = NDArray[np.int64]
_Rows: TypeAlias = NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class ReportPlan:
    """The reports of a batch of requests, in the order in which they are sent.

    Attributes:
        requests: what the reports carry.
        reports: uint8 (n, 64), read-only.
        commands: uint8 (n,).
        addresses: uint32 (n,).
        reply_words: int64 (n,), words of the data reply; 0 for reports that are only acknowledged.
        request_index: int64 (n,), position in `requests`.
        idempotent: bool (n,), true where the report may be sent again on silence.
    """

    requests: tuple[Request, ...]
    reports: RawReports
    commands: NDArray[np.uint8]
    addresses: NDArray[np.uint32]
    reply_words: Counts
    request_index: Counts
    idempotent: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.reports)

    def describe(self, report: int) -> str:
        """Name one report for messages: "apb_write at 0x00100000 (report 3 of 74)"."""
        name = command_name(int(self.commands[report]))
        where = f"0x{int(self.addresses[report]):08x}"
        return f"{name} at {where} (report {report + 1} of {len(self)})"


def build_reports(requests: Iterable[Request], *, pack_across: bool = False) -> ReportPlan:
    """Turn requests into reports.

    Args:
        requests: what to ask of the board.
        pack_across: fill reports across the 1024-word burst limit (1 % fewer reports) instead of
            starting a new one there as the vendor's host does.

    Returns:
        The reports and what each of them expects.

    Raises:
        LocalMisuseError: a request that this link cannot carry.
    """
    asked = tuple(requests)
    parts = [_rows_of(request, pack_across) for request in asked]
    sizes = [len(part) for part in parts]
    rows = np.concatenate(parts) if parts else np.zeros(0, REPORT_DTYPE)
    reads = np.repeat(np.array([_is_read(r) for r in asked], dtype=bool), sizes)
    repeatable = np.array([is_idempotent(r) for r in asked], dtype=bool)
    rows.flags.writeable = False
    return ReportPlan(
        requests=asked,
        reports=as_bytes(rows),
        commands=rows["command"],
        addresses=rows["address"].astype(np.uint32, copy=False),
        reply_words=np.where(reads, rows["length"].astype(np.int64), 0),
        request_index=np.repeat(np.arange(len(asked)), sizes),
        idempotent=np.repeat(repeatable, sizes),
    )


def _is_read(request: Request) -> bool:
    return isinstance(request, Read | FrameIn | ExecTime)


def _rows_of(request: Request, pack_across: bool) -> _Rows:
    match request:
        case Write(space=space, words=words) if space in _WRITES:
            rows = _burst(_span(request, words.size), words.size, pack_across)
            rows["command"] = _WRITES[space]
            return _fill(rows, words, pack_across)
        case Read(space=space, n_words=n_words) if space in _READS:
            rows = _burst(_span(request, n_words), n_words, pack_across)
            rows["command"] = _READS[space]
            return rows
        case FrameOut(words=words):
            rows = _axis(words.size)
            rows["command"] = Command.AXIS_WRITE
            rows["command"][-1] = Command.AXIS_WRITE_END
            return _fill(rows, words, pack_across=True)
        case FrameIn(n_words=n_words):
            rows = _axis(n_words)
            rows["command"] = Command.AXIS_READ
            rows["command"][0] = Command.AXIS_READ_START
            return rows
        case ExecTime():
            return _single(Command.EXEC_TIME_READ)
        case HostAction() if request.is_reset:
            return _single(Command.RESET)
        case _:
            raise LocalMisuseError(f"{request}: the EVK2 link has no report for it")


def _span(request: Write | Read, n_words: int) -> tuple[int, int]:
    last = request.address + request.stride * (n_words - 1)
    if n_words < 1:
        raise LocalMisuseError(f"{request}: at least one word is needed")
    if request.stride < 1 or not 0 <= request.address <= last < _ADDRESS_LIMIT:
        raise LocalMisuseError(
            f"{request}: addresses 0x{request.address:x}..0x{last:x} do not fit 32 bits"
        )
    return request.address, request.stride


def _burst(span: tuple[int, int], n_words: int, pack_across: bool) -> _Rows:
    address, stride = span
    starts, lengths = _cut(n_words, pack_across)
    rows = np.zeros(starts.size, REPORT_DTYPE)
    rows["length"] = lengths
    rows["address"] = address + stride * starts
    return rows


def _axis(n_words: int) -> _Rows:
    if n_words < 2 or n_words % 2:
        raise LocalMisuseError(f"stream message of {n_words} words: an even number >= 2 is needed")
    return _burst((0, 4), n_words, pack_across=True)


def _single(command: Command) -> _Rows:
    row = np.zeros(1, REPORT_DTYPE)
    row["command"] = command
    row["length"] = 1
    return row


def _cut(n_words: int, pack_across: bool) -> tuple[Counts, Counts]:
    """Give the first word and the number of words of every report of a burst."""
    if pack_across or n_words <= MAX_BURST_WORDS:
        starts = np.arange(0, n_words, REPORT_WORDS)
        return starts, np.minimum(REPORT_WORDS, n_words - starts)
    within = np.arange(0, MAX_BURST_WORDS, REPORT_WORDS)
    bursts = np.arange(0, n_words, MAX_BURST_WORDS)
    starts = (bursts[:, np.newaxis] + within).ravel()
    starts = starts[starts < n_words]
    ends = np.minimum((starts // MAX_BURST_WORDS + 1) * MAX_BURST_WORDS, n_words)
    return starts, np.minimum(REPORT_WORDS, ends - starts)


def _fill(rows: _Rows, words: Words, pack_across: bool) -> _Rows:
    starts, lengths = _cut(words.size, pack_across)
    padded = np.zeros(words.size + REPORT_WORDS, np.uint32)
    padded[: words.size] = words
    lanes = padded[starts[:, np.newaxis] + _LANES]
    rows["words"] = np.where(lengths[:, np.newaxis] > _LANES, lanes, 0)
    return rows
