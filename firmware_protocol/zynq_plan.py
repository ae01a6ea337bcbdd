"""From requests to the units that carry them over the ZCU104 link, whole batches at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.requests import (
    ExecTime,
    FrameIn,
    FrameOut,
    HostAction,
    Read,
    Request,
    Space,
    Write,
)
from firmware_protocol.zynq import (
    ADDRESS_LIMIT,
    MAX_PIECE_UNITS,
    MESSAGE_END,
    MESSAGE_PENULTIMATE,
    UNIT_BYTES,
    Code,
    Units,
    code_name,
    encode_units,
    split_fields,
    units_to_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firmware_protocol.words import Words

_WRITES = {Space.APB: Code.APB_WRITE, Space.TOP: Code.TOP_WRITE}
_READS = {Space.APB: Code.APB_READ, Space.TOP: Code.TOP_READ}
_READ_LIMITS = {Space.APB: MAX_PIECE_UNITS, Space.TOP: 1}
_REPLIES = {Code.APB_READ: Code.APB_READ_REPLY, Code.TOP_READ: Code.TOP_READ_REPLY}

Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class UnitPlan:
    """The units of a batch of requests, in the order in which they are sent.

    A *piece* is what the vendor's host gives to one send call: at most 512 bytes, and after a
    piece that reads it waits for the whole reply.

    Attributes:
        requests: what the units carry.
        data: all bytes to send.
        piece_ends: int64 (n,), end of each piece in `data`, in bytes.
        reply_words: int64 (n,), 32-bit words that answer each piece; 0 for writes.
        reply_units: int64 (n,), units that answer each piece.
        request_index: int64 (n,), position in `requests` of each piece.
        reply_template: uint64 (m,), the fixed bits of every reply unit in order of arrival.
        reply_mask: uint64 (m,), which bits of a reply unit are fixed.
    """

    requests: tuple[Request, ...]
    data: bytes
    piece_ends: Counts
    reply_words: Counts
    reply_units: Counts
    request_index: Counts
    reply_template: Units
    reply_mask: Units

    def __len__(self) -> int:
        return len(self.piece_ends)

    def messages(self) -> list[memoryview]:
        """Give the pieces in order, as the vendor's host sends them."""
        view, start, pieces = memoryview(self.data), 0, []
        for end in self.piece_ends.tolist():
            pieces.append(view[start:end])
            start = end
        return pieces

    def describe(self, piece: int) -> str:
        """Name one piece for messages: "read apb 0x100000 (130 words), piece 2 of 3"."""
        request = int(self.request_index[piece])
        mine = np.flatnonzero(self.request_index == request)
        name = str(self.requests[request])
        return name if mine.size == 1 else f"{name}, piece {piece - mine[0] + 1} of {mine.size}"


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One request: its units, units per piece, and what each unit is answered with."""

    units: Units
    piece_units: int
    template: Units
    mask: Units
    reply_words: int


_FEW_REQUESTS = 16
_FULL = np.uint64(0xFFFF_FFFF)
_CODE_ONLY = np.uint64(0xF000_0000)
_NOTHING = np.zeros(0, np.uint64)


def build_units(requests: Iterable[Request]) -> UnitPlan:
    """Turn requests into units.

    Raises:
        LocalMisuseError: a request that this link cannot carry, such as an address of the
            SPU-150 or an execution time.
    """
    asked = tuple(requests)
    if len(asked) <= _FEW_REQUESTS and all(isinstance(r, Read | FrameIn | FrameOut) for r in asked):
        return _frame_plan(asked)
    return _build(asked)


def _frame_plan(asked: tuple[Request, ...]) -> UnitPlan:
    """Make the plan of a batch that frames repeat thousands of times with other words in it."""
    plan = _known_plan(tuple([r.words.size if isinstance(r, FrameOut) else r for r in asked]))
    units = np.frombuffer(plan.data, "<u4").reshape(-1, 2).copy()
    ends = plan.piece_ends // UNIT_BYTES
    for index, request in enumerate(asked):
        if isinstance(request, FrameOut):
            end = int(ends[np.searchsorted(plan.request_index, index, side="right") - 1])
            units[end - request.words.size : end, 1] = request.words
    return replace(plan, requests=asked, data=units.tobytes())


@lru_cache(maxsize=128)
def _known_plan(shape: tuple[Read | FrameIn | int, ...]) -> UnitPlan:
    """Make a plan in which numbers stand for messages of that many zeros."""
    return _build(
        tuple(
            FrameOut(np.zeros(item, np.uint32)) if isinstance(item, int) else item for item in shape
        )
    )


def _build(asked: tuple[Request, ...]) -> UnitPlan:
    parts = [_part_of(request) for request in asked]
    sizes: list[Counts] = [_piece_sizes(part) for part in parts]
    pieces = [len(size) for size in sizes]
    reads = np.repeat(np.array([p.reply_words > 0 for p in parts], dtype=bool), pieces)
    units = np.concatenate([np.zeros(0, np.int64), *sizes])
    index = np.repeat(np.arange(len(asked)), pieces)
    # A stream read is a single unit however long its answer, and its answer has a closing unit.
    streams = np.array([isinstance(r, FrameIn) for r in asked], dtype=bool)[index]
    totals = np.array([p.reply_words for p in parts], dtype=np.int64)[index]
    reply_words = np.where(streams, totals, np.where(reads, units, 0))
    return UnitPlan(
        requests=asked,
        data=b"".join(units_to_bytes(part.units) for part in parts),
        piece_ends=np.cumsum(units) * UNIT_BYTES,
        reply_words=reply_words,
        reply_units=reply_words + streams,
        request_index=index,
        reply_template=np.concatenate([_NOTHING, *(part.template for part in parts)]),
        reply_mask=np.concatenate([_NOTHING, *(part.mask for part in parts)]),
    )


def _piece_sizes(part: _Part) -> Counts:
    starts = np.arange(0, part.units.size, part.piece_units)
    return np.minimum(part.piece_units, part.units.size - starts)


def _part_of(request: Request) -> _Part:
    match request:
        case Write(space=space, words=words) if space in _WRITES:
            addresses = _addresses(request, words.size)
            return _silent(encode_units(_WRITES[space], addresses, words))
        case Read(space=space, n_words=n_words) if space in _READS:
            code = _READS[space]
            addresses = _addresses(request, n_words)
            template = encode_units(_REPLIES[code], addresses, 0)
            mask = np.full(n_words, _FULL)
            units = encode_units(code, addresses, 0)
            return _Part(units, _READ_LIMITS[space], template, mask, n_words)
        case FrameOut(words=words):
            _check_message(request, words.size)
            markers = np.zeros(words.size, np.uint32)
            markers[-2:] = MESSAGE_PENULTIMATE, MESSAGE_END
            return _silent(encode_units(Code.AXIS_WRITE, markers, words))
        case FrameIn(n_words=n_words):
            _check_message(request, n_words)
            return _stream_read(n_words)
        case HostAction() if request.is_reset:
            return _silent(encode_units(Code.HOST_WRITE, 0, 0))
        case ExecTime():
            raise LocalMisuseError(f"{request}: the ZCU104 link cannot ask for it")
        case _:
            raise LocalMisuseError(f"{request}: the ZCU104 link has no unit for it")


def _silent(units: Units) -> _Part:
    return _Part(units, MAX_PIECE_UNITS, _NOTHING, _NOTHING, 0)


def _stream_read(n_words: int) -> _Part:
    units = encode_units(Code.AXIS_READ, n_words // 2, 0)
    body = np.full(n_words, int(Code.AXIS_READ_REPLY))
    template = np.concatenate(
        [encode_units(body, 0, 0), encode_units(Code.AXIS_READ_REPLY_OVER, n_words, 0)]
    )
    mask = np.full(n_words + 1, _CODE_ONLY)
    mask[-1] = _FULL
    return _Part(units, MAX_PIECE_UNITS, template, mask, n_words)


def _check_message(request: FrameOut | FrameIn, n_words: int) -> None:
    if n_words < 2 or n_words % 2:
        raise LocalMisuseError(f"{request}: an even number of words >= 2 is needed")


def _addresses(request: Write | Read, n_words: int) -> Words:
    if n_words < 1 or request.stride < 1 or request.address < 0:
        raise LocalMisuseError(f"{request}: at least one word and a rising address are needed")
    last = request.address + request.stride * (n_words - 1)
    if last >= ADDRESS_LIMIT:
        raise LocalMisuseError(
            f"{request}: address 0x{last:x} is above the 28 bits of the ZCU104 link; "
            "an SPU-150 cannot be reached over this link, use an EVK2 or the simulated board"
        )
    return np.arange(request.address, last + 1, request.stride, dtype=np.uint32)


def describe_unit(unit: int) -> str:
    """Name one unit for messages: "apb_read_reply at 0x100004 with 0x00000007"."""
    fields = split_fields(np.array([unit], np.uint64))
    name = code_name(int(fields.code[0]))
    return f"{name} at 0x{int(fields.address[0]):x} with 0x{int(fields.data[0]):08x}"
