"""What is said between a board's client and the process that the board lives in.

A message is a head, a text of JSON and words as they lie in memory: both ends are one machine and
one version. Steps are one line of text each; what repeats from frame to frame is written and read
once. Bytes that break these rules become `LinkCorrupt`.
"""

from __future__ import annotations

import json
import operator
import struct
import sys
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from hostrt.chip.step import (
    FrameOut,
    Space,
    Step,
    Wait,
    Write,
)
from hostrt.errors import BoardFault, HostrtError, LinkCorrupt
from hostrt.transport.base import TransportInfo
from hostrt.transport.rules import LinkRules, Packets

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from firmware_protocol.words import Words

MAX_BYTES = 1 << 30
_HEAD = struct.Struct("<B3xIQ")
_SMALL_BYTES = 1 << 16
_KINDS: dict[str, Callable[..., Step]] = {kind.__name__: kind for kind in get_args(Step)}
_FIELDS = {kind.__name__: tuple(field.name for field in fields(kind)) for kind in get_args(Step)}


class Kind(IntEnum):
    """What a message asks or answers."""

    OPEN = 1
    EXECUTE = 2
    LANDMARK = 3
    TELL = 4
    DONE = 5
    FAILED = 6


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        kind: what it is.
        text: JSON, or one line of it per step; "" where nothing is to be said.
        words: uint32 (n,), what belongs to the text.
    """

    kind: Kind
    text: bytes
    words: Words


class _Line(NamedTuple):
    """A step, or what makes it of `n_words` words."""

    step: Step | None
    make: Callable[[Words], Step]
    n_words: int


class Channel:
    """Messages over a connected stream socket, one caller at a time.

    Both methods raise `OSError` (`TimeoutError`, `ConnectionError`) when the other end is silent
    or gone.
    """

    def __init__(self, link: socket.socket) -> None:
        """Use `link`, which belongs to the channel from now on."""
        self.link = link
        self._small = memoryview(bytearray(_SMALL_BYTES))

    def send(self, kind: Kind, text: bytes = b"", words: bytes = b"") -> None:
        """Send one message."""
        self.link.sendall(b"".join((_HEAD.pack(kind, len(text), len(words)), text, words)))

    def receive(self) -> Message:
        """Wait for one message.

        Raises:
            LinkCorrupt: what came is no message.
        """
        # Nobody speaks before being answered: there is never more than one message to read.
        buffer, n = self._small, 0
        while n < _HEAD.size:
            n += self._into(buffer[n:])
        kind, n_text, n_words = _HEAD.unpack_from(buffer)
        size = _HEAD.size + n_text + n_words
        if size > MAX_BYTES or n > size or n_words % 4:
            raise LinkCorrupt(f"a message of {n_text} and {n_words} bytes, {n} came")
        if size > len(buffer):
            buffer = memoryview(bytearray(size))
            buffer[:n] = self._small[:n]
        while n < size:
            n += self._into(buffer[n:size])
        text = bytes(buffer[_HEAD.size : size - n_words])
        words = np.frombuffer(buffer[size - n_words : size], np.uint32)
        try:
            # the small buffer is used again
            return Message(Kind(kind), text, words.copy() if buffer is self._small else words)
        except ValueError as error:
            raise LinkCorrupt(f"a message of kind {kind}") from error

    def _into(self, room: memoryview) -> int:
        n = self.link.recv_into(room)
        if not n:
            raise ConnectionResetError("the other end is gone")
        return n


def encode_steps(steps: Sequence[Step]) -> tuple[bytes, bytes]:
    """Give text and words of `steps`."""
    lines, words = [], []
    for step in steps:
        if isinstance(step, FrameOut):
            lines.append(_frame_line(step.words.size, step.comment))
            words.append(step.words.tobytes())
        elif isinstance(step, Write):
            lines.append(_write_line(step))
            words.append(step.words.tobytes())
        else:
            lines.append(_step_line(step))
    return b"\n".join(lines), b"".join(words)


def decode_steps(message: Message) -> list[Step]:
    """Give the steps of a message.

    Raises:
        LinkCorrupt: it holds none.
    """
    steps: list[Step] = []
    at = 0
    for text in message.text.split(b"\n") if message.text else ():
        line = _parse_line(text)
        if line.step is not None:
            steps.append(line.step)
            continue
        words = message.words[at : at + line.n_words]
        if words.size != line.n_words:
            raise LinkCorrupt(f"{words.size} words for a step of {line.n_words}")
        words.flags.writeable = False  # steps keep such words without copying them
        at += line.n_words
        steps.append(line.make(words))
    if at != message.words.size:
        raise LinkCorrupt(f"{message.words.size} words for steps of {at}")
    return steps


def encode_results(results: Sequence[Words | None]) -> bytes:
    """Give the words of a reply: how many results, the size of each (-1 for None), their words."""
    sizes = [-1 if words is None else words.size for words in results]
    head = np.array([len(sizes), *sizes], np.int32).tobytes()
    return head + b"".join([words.tobytes() for words in results if words is not None])


def decode_results(words: Words, n_steps: int) -> list[Words | None]:
    """Give the results of a reply to `n_steps` steps.

    Raises:
        LinkCorrupt: it does not hold as many.
    """
    if words.size <= n_steps or int(words[0]) != n_steps:
        raise LinkCorrupt(f"no {n_steps} results in {words.size} words")
    sizes = words[1 : n_steps + 1].view(np.int32).tolist()
    results: list[Words | None] = []
    at = n_steps + 1
    for size in sizes:
        results.append(None if size < 0 else words[at : at + size])
        at += max(size, 0)
    if at != words.size:
        raise LinkCorrupt(f"{words.size} words for results of {at}")
    return results


def decode_info(tree: object) -> TransportInfo:
    """Give what is known about a link, from its fields.

    Raises:
        LinkCorrupt: they are others.
    """
    try:
        told: dict[str, Any] = dict(tree)  # type: ignore[call-overload]  # what is no mapping raises
        rules = told.get("rules")
        if rules is not None:
            told["rules"] = LinkRules(**{**rules, "packets": Packets(rules["packets"])})
        return TransportInfo(**told)
    except (TypeError, ValueError, KeyError) as error:
        raise LinkCorrupt(f"no link is described by {tree!r:.80}") from error


def encode_error(error: HostrtError) -> dict[str, object]:
    """Give an error as a JSON tree."""
    return {
        "error": _names(type(error)),
        "message": str(error),
        "hint": error.hint,
        "context": {str(name): value for name, value in error.context.items()},
    }


def decode_error(tree: dict[str, object]) -> HostrtError:
    """Give the error of a JSON tree: of its own type where this process has that.

    Raises:
        LinkCorrupt: the tree is no error.
    """
    names, context = tree.get("error"), tree.get("context")
    if not isinstance(names, list) or not isinstance(context, dict):
        raise LinkCorrupt("a failure that names no error")
    kind = _find(names, HostrtError)
    # A type of somebody else's may want other arguments than ours do.
    error = kind.__new__(kind)
    HostrtError.__init__(error, str(tree.get("message")), hint=str(tree.get("hint")))
    error.context = context
    return error


def to_json(tree: object) -> bytes:
    """Give a tree as JSON; numbers of arrays count as numbers, what has no form as its text."""
    return json.dumps(tree, default=_plain).encode()


def from_json(text: bytes) -> dict[str, object]:
    """Give the JSON object of a text.

    Raises:
        LinkCorrupt: it is none.
    """
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LinkCorrupt(f"{text[:40]!r} is no JSON") from error
    if not isinstance(tree, dict):
        raise LinkCorrupt(f"{text[:40]!r} is no JSON object")
    return tree


@lru_cache(1024)
def _frame_line(n_words: int, comment: str | None) -> bytes:
    return to_json([FrameOut.__name__, n_words, comment])


@lru_cache(1024)
def _step_line(step: Step) -> bytes:
    values = [_to_plain(getattr(step, name)) for name in _FIELDS[type(step).__name__]]
    return to_json([type(step).__name__, *values])


def _write_line(step: Write) -> bytes:
    values = [getattr(step, name) for name in _FIELDS[Write.__name__] if name != "words"]
    at = _FIELDS[Write.__name__].index("words")
    return to_json([Write.__name__, *values[:at], step.words.size, *values[at:]])


@lru_cache(1024)
def _parse_line(text: bytes) -> _Line:
    try:
        name, *values = json.loads(text)
        kind = _KINDS[name]
        pairs = zip(_FIELDS[name], values, strict=True)
        named = {field: _from_plain(field, value) for field, value in pairs}
        if "words" not in named:
            return _Line(kind(**named), _no_step, 0)
        n_words = operator.index(named.pop("words"))
        if n_words < 0:
            raise ValueError(n_words)
        return _Line(None, lambda words: kind(words=words, **named), n_words)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise LinkCorrupt(f"{text[:80]!r} is no step") from error


def _no_step(words: Words) -> Step:
    raise AssertionError(f"{words.size} words for a step that has none")


def _to_plain(value: object) -> object:
    if isinstance(value, Wait):
        return [value.cycles, value.seconds]
    return _names(value) if isinstance(value, type) else value


def _from_plain(field: str, value: Any) -> Any:
    match field, value:
        case "space", str():
            return Space(value)
        case "interval", [cycles, seconds]:
            return Wait(cycles, seconds)
        case "error", list():
            return _find(value, BoardFault)
    return value


def _names(kind: type) -> list[str]:
    """Name an error type and those it is derived from, the nearest first."""
    bases = [base for base in kind.__mro__ if issubclass(base, HostrtError)]
    return [f"{base.__module__}:{base.__qualname__}" for base in bases]


def _find(names: list[object], least: type[HostrtError]) -> type[HostrtError]:
    """Give the first type that this process has loaded; a message makes nobody import anything."""
    for name in names:
        module, _, rest = str(name).partition(":")
        found = getattr(sys.modules.get(module), rest, None)
        if isinstance(found, type) and issubclass(found, least):
            return found
    return least


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else str(value)
