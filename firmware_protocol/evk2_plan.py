"""From requests to the reports that carry them over the EVK2 link, whole batches at a time."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.evk2 import (
    REPORT_BYTES,
    REPORT_DTYPE,
    REPORT_WORDS,
    Command,
    RawReports,
    as_bytes,
    command_name,
)
from firmware_protocol.evk2_replies import PlanColumns, ReplySequence
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
_FEW_WORDS = 8 * REPORT_WORDS
_HEAD = Struct("<BxHI")
_DATA_BYTES = REPORT_BYTES - _HEAD.size

Counts: TypeAlias = NDArray[np.int64]


class _Codes(NamedTuple):
    """Commands of a single report, and of the first, inner and last of several."""

    only: Command
    first: Command
    middle: Command
    last: Command


class _Span(NamedTuple):
    address: int
    stride: int
    n_words: int


def _same(command: Command) -> _Codes:
    return _Codes(command, command, command, command)


_WRITES = {Space.APB: _same(Command.APB_WRITE), Space.TOP: _same(Command.REGISTER_WRITE)}
_READS = {Space.APB: _same(Command.APB_READ), Space.TOP: _same(Command.REGISTER_READ)}
_FRAME_OUT = _Codes(
    Command.AXIS_WRITE_END, Command.AXIS_WRITE, Command.AXIS_WRITE, Command.AXIS_WRITE_END
)
_FRAME_IN = _Codes(
    Command.AXIS_READ_START, Command.AXIS_READ_START, Command.AXIS_READ, Command.AXIS_READ
)
_RESET = _same(Command.RESET)
_EXEC_TIME = _same(Command.EXEC_TIME_READ)


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
        replies: what must come back.
    """

    requests: tuple[Request, ...]
    reports: RawReports
    commands: NDArray[np.uint8]
    addresses: NDArray[np.uint32]
    reply_words: Counts
    request_index: Counts
    idempotent: NDArray[np.bool_]
    replies: ReplySequence

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
    parts = [_encode(request, pack_across) for request in asked]
    rows = np.frombuffer(b"".join(parts), REPORT_DTYPE)
    if len(asked) > _FEW_REQUESTS or rows.size > _FEW_REPORTS:
        columns, replies = _columns(asked, parts, rows)
    else:
        # Frames repeat the same small batches with other words in them, thousands of times.
        key = tuple([_shape(request) for request in asked])
        known = _known_shapes.get(key)
        if known is None:
            known = _columns(asked, parts, rows)
            if len(_known_shapes) >= _MOST_SHAPES:
                _known_shapes.clear()
            _known_shapes[key] = known
        columns, replies = known
    return ReportPlan(
        requests=asked,
        reports=as_bytes(rows),
        commands=columns.commands,
        addresses=columns.addresses,
        reply_words=columns.reply_words,
        request_index=columns.request_index,
        idempotent=columns.idempotent,
        replies=replies,
    )


_FEW_REQUESTS = 16
_FEW_REPORTS = 64
_MOST_SHAPES = 256

_known_shapes: dict[tuple[object, ...], tuple[PlanColumns, ReplySequence]] = {}
"""Columns and replies of small batches; they depend on sizes and addresses, not on the words."""


def _shape(request: Request) -> tuple[object, ...]:
    """Give all of a request that its reports' headers depend on."""
    match request:
        case Write(space=space, address=address, words=words, stride=stride):
            return (Write, space, address, words.size, stride, request.idempotent)
        case Read(space=space, address=address, n_words=n_words, stride=stride):
            return (Read, space, address, n_words, stride)
        case FrameOut(words=words):
            return (FrameOut, words.size)
        case FrameIn(n_words=n_words):
            return (FrameIn, n_words)
        case _:
            return (type(request),)


def _columns(
    asked: tuple[Request, ...], parts: list[bytes], rows: NDArray[np.void]
) -> tuple[PlanColumns, ReplySequence]:
    sizes = [len(part) // REPORT_BYTES for part in parts]
    reads = np.repeat(np.array([_is_read(r) for r in asked], dtype=bool), sizes)
    repeatable = np.array([is_idempotent(r) for r in asked], dtype=bool)
    columns = PlanColumns(
        commands=rows["command"].copy(),
        addresses=rows["address"].astype(np.uint32),
        reply_words=np.where(reads, rows["length"].astype(np.int64), 0),
        request_index=np.repeat(np.arange(len(asked)), sizes),
        idempotent=np.repeat(repeatable, sizes),
        n_requests=len(asked),
    )
    return columns, ReplySequence(columns)


def _is_read(request: Request) -> bool:
    return isinstance(request, Read | FrameIn | ExecTime)


def _encode(request: Request, pack_across: bool) -> bytes:
    match request:
        case Write(space=space, words=words) if space in _WRITES:
            return _encode_burst(_WRITES[space], _span(request, words.size), words, pack_across)
        case Read(space=space, n_words=n_words) if space in _READS:
            return _encode_burst(_READS[space], _span(request, n_words), None, pack_across)
        case FrameOut(words=words):
            return _encode_burst(_FRAME_OUT, _message(words.size), words, pack_across=True)
        case FrameIn(n_words=n_words):
            return _encode_burst(_FRAME_IN, _message(n_words), None, pack_across=True)
        case ExecTime():
            return _encode_burst(_EXEC_TIME, _Span(0, 4, 1), None, pack_across)
        case HostAction() if request.is_reset:
            return _encode_burst(_RESET, _Span(0, 4, 1), None, pack_across)
        case _:
            raise LocalMisuseError(f"{request}: the EVK2 link has no report for it")


def _span(request: Write | Read, n_words: int) -> _Span:
    last = request.address + request.stride * (n_words - 1)
    if n_words < 1:
        raise LocalMisuseError(f"{request}: at least one word is needed")
    if request.stride < 1 or not 0 <= request.address <= last < _ADDRESS_LIMIT:
        raise LocalMisuseError(
            f"{request}: addresses 0x{request.address:x}..0x{last:x} do not fit 32 bits"
        )
    return _Span(request.address, request.stride, n_words)


def _message(n_words: int) -> _Span:
    if n_words < 2 or n_words % 2:
        raise LocalMisuseError(f"stream message of {n_words} words: an even number >= 2 is needed")
    return _Span(0, 4, n_words)


def _encode_burst(codes: _Codes, span: _Span, words: Words | None, pack_across: bool) -> bytes:
    if span.n_words <= _FEW_WORDS:
        return _encode_few(codes, span, b"" if words is None else words.astype("<u4").tobytes())
    starts, lengths = _cut(span.n_words, pack_across)
    rows = np.zeros(starts.size, REPORT_DTYPE)
    rows["command"] = codes.middle
    rows["command"][0] = codes.first
    rows["command"][-1] = codes.last
    rows["length"] = lengths
    rows["address"] = span.address + span.stride * starts
    if words is not None:
        padded = np.zeros(span.n_words + REPORT_WORDS, np.uint32)
        padded[: span.n_words] = words
        lanes = padded[starts[:, np.newaxis] + _LANES]
        rows["words"] = np.where(lengths[:, np.newaxis] > _LANES, lanes, 0)
    return rows.tobytes()


def _encode_few(codes: _Codes, span: _Span, payload: bytes) -> bytes:
    """Encode a handful of reports: below ten of them a loop costs less than arrays do."""
    if span.n_words <= REPORT_WORDS:
        head = _HEAD.pack(codes.only, span.n_words, span.address)
        return head + payload.ljust(_DATA_BYTES, b"\0")
    rows = []
    for start in range(0, span.n_words, REPORT_WORDS):
        n = min(REPORT_WORDS, span.n_words - start)
        code = codes.first if start == 0 else codes.middle
        if start + n == span.n_words:
            code = codes.last
        rows.append(_HEAD.pack(code, n, span.address + span.stride * start))
        rows.append(payload[4 * start : 4 * (start + n)].ljust(_DATA_BYTES, b"\0"))
    return b"".join(rows)


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
