"""Recordings of what was said to a board: from requests to transactions, to files, and back.

YAML recordings have the reference tool's form (program-files 2), decimal or hexadecimal. The
compact form holds more and costs less; all numbers are little endian:

    file    8 bytes  magic 89 'HREC' 0D 0A 1A
            2 bytes  version, 1
            2 bytes  reserved, 0
            4 bytes  n, length of the header text
            n bytes  UTF-8 JSON object: the fields of `TransportInfo`, as far as known
            4 bytes  CRC-32 of everything before
    entry   1 byte   kind: 0 apb write, 1 apb read, 2 top write, 3 top read, 4 stream write,
                     5 stream read, 6 host action, 7 execution time
            1 byte   flags: 1 may be repeated, 2 not answered (the link failed; no words follow)
            2 bytes  c, length of the comment
            4 bytes  address distance of consecutive words
            4 bytes  address; register of a host action
            4 bytes  w, number of 32-bit words
            4 bytes  microseconds the host let pass before it asked
            4 bytes  CRC-32 of the other 20 bytes, comment and words
            c bytes  comment, UTF-8
            4w bytes words written or read

Entries are only ever appended; a file whose last entry is cut off is a recording that ends there.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import FormatError
from firmware_protocol.records import Transaction
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
    expects_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firmware_protocol.words import Words
    from hostrt.transport.base import TransportInfo

MAGIC = b"\x89HREC\r\n\x1a"
VERSION = 1
_FILE_HEAD = struct.Struct("<8sHHI")
_ENTRY_HEAD = struct.Struct("<BBHIIII")
_CRC = struct.Struct("<I")
_REPEATABLE, _UNANSWERED = 1, 2
_MAX_HEADER_BYTES = 1 << 16
_APB_W, _APB_R, _TOP_W, _TOP_R, _AXIS_W, _AXIS_R, _HOST, _TIME = range(8)
_WRITES = {Space.APB: _APB_W, Space.TOP: _TOP_W}
_READS = {Space.APB: _APB_R, Space.TOP: _TOP_R}
_SPACES = {_APB_W: Space.APB, _APB_R: Space.APB, _TOP_W: Space.TOP, _TOP_R: Space.TOP}
_CLASSES = (*(Space.APB,) * 2, *(Space.TOP,) * 2, *(Space.AXIS,) * 2, Space.HOST, Space.HOST)
_MAX_COMMENT_BYTES = 0xFFFF


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One recorded request.

    Attributes:
        request: what was asked; a write has at most 1024 words.
        answer: uint32 (n,) what was read; None for writes and where no answer came.
        answered: false when the link failed before the answer.
        idle_s: what the host let pass before it asked, seconds; 0 where not recorded.
    """

    request: Request
    answer: Words | None = None
    answered: bool = True
    idle_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Recording:
    """Everything a file holds.

    Attributes:
        entries: in the order in which they were asked.
        info: fields of the recorded link's `TransportInfo`; empty for YAML.
        complete: false when the last entry is cut off.
    """

    entries: list[Entry]
    info: Mapping[str, object] = field(default_factory=dict)
    complete: bool = True


def pieces(request: Request) -> Iterator[Request]:
    """Cut writes above 1024 words as recordings do; everything else stays whole."""
    if not isinstance(request, Write) or request.words.size <= MAX_BURST_WORDS:
        yield request
        return
    for start in range(0, request.words.size, MAX_BURST_WORDS):
        words = request.words[start : start + MAX_BURST_WORDS]
        yield replace(request, address=request.address + start * request.stride, words=words)


def to_transaction(entry: Entry) -> Transaction:
    """Give an entry in the reference tool's form; execution times become reads of the host."""
    request = entry.request
    kind, stride, address, words = _fields(request)
    n_words = expects_words(request) or words.size
    end = address + stride * n_words
    if kind in (_HOST, _TIME):
        end = address + 1
    is_read = _is_read(kind)
    return Transaction(
        msgtype=str(_CLASSES[kind]),
        direction="r" if is_read else "w",
        comment=request.comment,
        start_addr=address,
        end_addr=end,
        length=n_words,
        vals=entry.answer if is_read else words,
    )


def from_transaction(transaction: Transaction) -> Entry:
    """Give a recorded transaction as the request it was.

    Raises:
        FormatError: a combination of class, direction and length that is no request.
    """
    kind, is_write = transaction.msgtype, transaction.direction == "w"
    length, vals, comment = transaction.length, transaction.vals, transaction.comment
    start = transaction.start_addr
    if length < 1 or (is_write and vals is None):
        raise FormatError("records", None, f"{kind} of {length} words", "words to write or read")
    words = np.zeros(0, np.uint32) if vals is None else vals
    stride = max((transaction.end_addr - start) // length, 1)
    answer = None if is_write else vals
    answered = is_write or vals is not None
    if kind in (Space.APB, Space.TOP):
        space = Space(kind)
        if is_write:
            return Entry(Write(space, start, words, stride, comment=comment))
        return Entry(Read(space, start, length, stride, comment=comment), answer, answered)
    if kind == Space.AXIS:
        request = FrameOut(words, comment) if is_write else FrameIn(length, comment)
        return Entry(request, answer, answered)
    if is_write:
        return Entry(HostAction(start, int(words[0]), comment))
    return Entry(ExecTime(comment), answer, answered)


def encode_header(info: TransportInfo) -> bytes:
    """Give the start of a compact recording."""
    text = json.dumps(asdict(info)).encode()
    head = _FILE_HEAD.pack(MAGIC, VERSION, 0, len(text)) + text
    return head + _CRC.pack(zlib.crc32(head))


def encode_entry(entry: Entry) -> bytes:
    """Give one entry of a compact recording."""
    request = entry.request
    kind, stride, address, words = _fields(request)
    flags = 0 if entry.answered else _UNANSWERED
    if isinstance(request, Write) and request.idempotent:
        flags |= _REPEATABLE
    if entry.answer is not None:
        words = entry.answer
    n_words = expects_words(request) or words.size
    comment = (request.comment or "").encode()[:_MAX_COMMENT_BYTES]
    idle_us = min(int(entry.idle_s * 1e6), 0xFFFF_FFFF)
    head = _ENTRY_HEAD.pack(kind, flags, len(comment), stride, address, n_words, idle_us)
    body = comment + words.astype("<u4", copy=False).tobytes()
    return head + _CRC.pack(zlib.crc32(body, zlib.crc32(head))) + body


def decode_compact(data: bytes, name: str) -> Recording:
    """Read a compact recording.

    Raises:
        FormatError: not one, a newer version, or damaged; names the offset.
    """
    info, position = _decode_header(data, name)
    entries: list[Entry] = []
    while position < len(data):
        end = _entry_end(data, position)
        if end > len(data):
            return Recording(entries, info, complete=False)
        entries.append(_decode_entry(data[position:end], position, name))
        position = end
    return Recording(entries, info)


def _decode_header(data: bytes, name: str) -> tuple[dict[str, object], int]:
    if len(data) < _FILE_HEAD.size or data[: len(MAGIC)] != MAGIC:
        raise FormatError(name, 0, data[: len(MAGIC)].hex(" "), f"{MAGIC.hex(' ')}, a recording")
    _, version, _, n_text = _FILE_HEAD.unpack_from(data)
    if version != VERSION:
        raise FormatError(name, len(MAGIC), f"version {version}", f"version {VERSION}")
    end = _FILE_HEAD.size + n_text
    if n_text > _MAX_HEADER_BYTES or end + _CRC.size > len(data):
        raise FormatError(name, 12, f"a header of {n_text} bytes", "a header inside the file")
    _check_crc(data[:end], _CRC.unpack_from(data, end)[0], end, name)
    try:
        info = json.loads(data[_FILE_HEAD.size : end])
    except ValueError as error:
        raise FormatError(name, _FILE_HEAD.size, f"no JSON ({error})", "a JSON object") from error
    if not isinstance(info, dict):
        raise FormatError(name, _FILE_HEAD.size, type(info).__name__, "a JSON object")
    return info, end + _CRC.size


def _entry_end(data: bytes, position: int) -> int:
    start = position + _ENTRY_HEAD.size + _CRC.size
    if start > len(data):
        return start
    kind, flags, n_comment, _, _, n_words, _ = _ENTRY_HEAD.unpack_from(data, position)
    has_words = not (flags & _UNANSWERED and _is_read(kind))
    end: int = start + n_comment + 4 * n_words * has_words
    return end


def _is_read(kind: int) -> bool:
    return kind in (_APB_R, _TOP_R, _AXIS_R, _TIME)


def _decode_entry(raw: bytes, position: int, name: str) -> Entry:
    size = _ENTRY_HEAD.size
    kind, flags, n_comment, stride, address, n_words, idle_us = _ENTRY_HEAD.unpack_from(raw)
    body = raw[size + _CRC.size :]
    _check_crc(raw[:size] + body, _CRC.unpack_from(raw, size)[0], position, name)
    if kind > _TIME or not n_words or (kind == _TIME and n_words != 1):
        raise FormatError(name, position, f"kind {kind}, {n_words} words", "a known request")
    comment = body[:n_comment].decode("utf-8", "replace") if n_comment else None
    words = np.frombuffer(body, "<u4", offset=n_comment).astype(np.uint32, copy=False)
    request = _request(kind, (address, stride, n_words), words, comment)
    if isinstance(request, Write):
        request = replace(request, idempotent=bool(flags & _REPEATABLE))
    answered = not flags & _UNANSWERED
    answer = words if answered and _is_read(kind) else None
    return Entry(request, answer, answered, idle_us * 1e-6)


def _request(kind: int, place: tuple[int, int, int], words: Words, comment: str | None) -> Request:
    address, stride, n_words = place
    if kind in (_APB_W, _TOP_W):
        return Write(_SPACES[kind], address, words, stride, comment=comment)
    if kind in (_APB_R, _TOP_R):
        return Read(_SPACES[kind], address, n_words, stride, comment)
    if kind == _AXIS_W:
        return FrameOut(words, comment)
    if kind == _AXIS_R:
        return FrameIn(n_words, comment)
    return ExecTime(comment) if kind == _TIME else HostAction(address, int(words[0]), comment)


def _check_crc(data: bytes, found: int, offset: int, name: str) -> None:
    computed = zlib.crc32(data)
    if computed != found:
        raise FormatError(name, offset, f"checksum 0x{found:08x}", f"0x{computed:08x}: damaged")


def _fields(request: Request) -> tuple[int, int, int, Words]:
    """Give kind, stride, address and the words written (none for reads)."""
    nothing = np.zeros(0, np.uint32)
    if isinstance(request, Write):
        return _WRITES[request.space], request.stride, request.address, request.words
    if isinstance(request, Read):
        return _READS[request.space], request.stride, request.address, nothing
    if isinstance(request, FrameOut):
        return _AXIS_W, 0, 0, request.words
    if isinstance(request, HostAction):
        return _HOST, 0, request.register, np.array([request.value], np.uint32)
    return _AXIS_R if isinstance(request, FrameIn) else _TIME, 0, 0, nothing
