"""What a simulated chip does with the messages it receives.

The normal answer is `hostrt.sim.execute.Executor`, which executes the chip's memories. The two
here stand in for a program that cannot be executed; they answer from declarations only, and
therefore prove a link and never a model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from firmware_protocol.packing import (
    pack_elements,
    pad_elements,
    words_to_dwords,
)
from firmware_protocol.stream import output_message
from hostrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from firmware_protocol.words import DWords, Words
    from hostrt.sim.memory import Bank

STAND_IN_EXEC_TIME_US = 1234
"""Execution time that is shown when nothing is executed."""

_MARK_PER_MAILBOX = 0x0001_0001_0001_0001
_MAILBOX_PREFIX = "mailbox_"

Payloads: TypeAlias = dict[int, "DWords"]
"""mailbox -> uint64 (frames, n)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Output messages, uint32 (2 + 2 n,) each, and the execution time in microseconds."""

    outputs: list[Words] = field(default_factory=list)
    exec_time_us: int = 0


NOTHING = Reply()


class Answer(Protocol):
    """The inside of a simulated chip as its stream ports see it."""

    def reset(self) -> None:
        """Forget everything: the chip was reset."""

    def changed(self, bank: Bank) -> None:
        """Take note that words of `bank` were written or lost."""

    def message(self, words: Words, *, output_waits: bool) -> Reply:
        """Take one input message.

        Args:
            words: uint32 (2 + 2 n,), header and payload.
            output_waits: earlier output was not fetched yet.
        """

    def wake(self, core: int, count: int) -> Reply:
        """Start the threads of the first `count` entries of a ready queue."""


@dataclass(frozen=True, slots=True)
class InputPort:
    """A declared input: where its messages go and how many 64-bit words they carry."""

    name: str
    pc: int
    core: int
    n_dwords: int


@dataclass(frozen=True, slots=True)
class OutputPort:
    """A declared output: its mailbox and how many 64-bit words its messages carry."""

    name: str
    mailbox: int
    n_dwords: int


class _Collector:
    """Waits until every declared input has arrived. Without declarations each message will do."""

    def __init__(self, inputs: Sequence[InputPort]) -> None:
        self._inputs = tuple(inputs)
        self._arrived: dict[tuple[int, int], DWords] = {}

    def reset(self) -> None:
        self._arrived.clear()

    def add(self, words: Words) -> DWords | None:
        """Give the payload of the first declared input once all have arrived."""
        core, pc = int(words[0]), int(words[1])
        payload = words_to_dwords(words[2:])
        if not self._inputs:
            return payload
        self._arrived[pc, core] = payload
        if any((port.pc, port.core) not in self._arrived for port in self._inputs):
            return None
        first = self._arrived[self._inputs[0].pc, self._inputs[0].core]
        self._arrived.clear()
        return first


class EchoAnswer:
    """Answers each frame with a mix of its first input, enough to prove both directions.

    Word k of an output is word k mod len(P) of the first input's payload P ([0] if empty) xor
    mailbox * 0x0001000100010001; outputs are queued by rising mailbox.
    """

    def __init__(self, inputs: Sequence[InputPort], outputs: Sequence[OutputPort]) -> None:
        self._collector = _Collector(inputs)
        self._outputs = sorted(outputs, key=lambda port: port.mailbox)

    def reset(self) -> None:
        """See `Answer.reset`."""
        self._collector.reset()

    def changed(self, bank: Bank) -> None:
        """Nothing depends on the memories."""

    def message(self, words: Words, *, output_waits: bool) -> Reply:
        """See `Answer.message`."""
        del output_waits
        first = self._collector.add(words)
        if first is None:
            return NOTHING
        payload = first if first.size else np.zeros(1, np.uint64)
        messages = [
            output_message(
                port.mailbox,
                np.resize(payload, port.n_dwords) ^ np.uint64(port.mailbox * _MARK_PER_MAILBOX),
            )
            for port in self._outputs
        ]
        return Reply(messages, STAND_IN_EXEC_TIME_US)

    def wake(self, core: int, count: int) -> Reply:
        """No threads exist."""
        del core, count
        return NOTHING


class FileAnswer:
    """Answers frame after frame with prepared outputs; after the last one it stays silent."""

    def __init__(self, payloads: Mapping[int, DWords], inputs: Sequence[InputPort] = ()) -> None:
        """Prepare the answers.

        Args:
            payloads: mailbox -> uint64 (frames, n).
            inputs: what makes up a frame; without it every message is one.
        """
        self._collector = _Collector(inputs)
        self._messages = [
            (mailbox, np.ascontiguousarray(rows)) for mailbox, rows in sorted(payloads.items())
        ]
        self._n_frames = min((len(rows) for rows in payloads.values()), default=0)
        self._next = 0

    def reset(self) -> None:
        """See `Answer.reset`: start again with the first frame."""
        self._collector.reset()
        self._next = 0

    def changed(self, bank: Bank) -> None:
        """Nothing depends on the memories."""

    def message(self, words: Words, *, output_waits: bool) -> Reply:
        """See `Answer.message`."""
        del output_waits
        if self._collector.add(words) is None or self._next >= self._n_frames:
            return NOTHING
        frame, self._next = self._next, self._next + 1
        outputs = [output_message(mailbox, rows[frame]) for mailbox, rows in self._messages]
        return Reply(outputs, STAND_IN_EXEC_TIME_US)

    def wake(self, core: int, count: int) -> Reply:
        """No threads exist."""
        del core, count
        return NOTHING


def load_answers(path: Path) -> Payloads:
    """Read prepared outputs: `.npy` for mailbox 0, `.npz` with arrays named `mailbox_N`.

    Arrays are (frames, n): 64-bit integers are words, 8- and 16-bit ones elements to be packed.

    Raises:
        UsageError: no such file, or not such arrays.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"prepared outputs {path}: {error}", file=str(path)) from error
    if isinstance(loaded, np.ndarray):
        return {0: _payload(path, "array", loaded)}
    with loaded:
        return {_mailbox(path, name): _payload(path, name, loaded[name]) for name in loaded.files}


def _mailbox(path: Path, name: str) -> int:
    number = name.removeprefix(_MAILBOX_PREFIX)
    if not number.isdecimal():
        raise UsageError(f"prepared outputs {path}: array {name!r}, expected {_MAILBOX_PREFIX}N")
    return int(number)


def _payload(path: Path, name: str, array: NDArray[np.generic]) -> DWords:
    if array.ndim != 2 or array.dtype.kind not in "iu" or array.itemsize not in (1, 2, 8):
        raise UsageError(
            f"prepared outputs {path}, {name}: {array.dtype} {array.shape}, expected integers of "
            "8, 16 or 64 bits, (frames, n)"
        )
    if array.itemsize == 8:
        return array.astype(np.uint64)
    bits = 8 * array.itemsize
    return pack_elements(pad_elements(array, bits), bits)
