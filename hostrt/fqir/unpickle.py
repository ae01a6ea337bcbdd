"""A pickle machine of our own: it reads what FQIR files hold and calls nothing by name.

Dialect: FQIR reference 1.4; what may be called and how: 1.5 and 1.7. The result consists of plain
values and the inert objects of `hostrt.fqir.standins`. Everything else ends the reading.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hostrt.fqir.pickle_fault import PickleFault, corrupt, costly, unsafe
from hostrt.fqir.pickle_opcodes import OPCODE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.limits import Limits

    Handler: TypeAlias = Callable[["Machine"], None]
    """Does one instruction."""

_PROTOCOLS = range(2, 6)
_STOP = 0x2E
_FIRST_ABOVE_LATIN1 = 0xC4  # first byte of U+0100 in UTF-8; it occurs nowhere below

OBJECT_BYTES = 96
"""Estimated memory of a small object."""

_MEMO_BYTES = 100


class Machine:
    """Reads one pickle from a view of the file.

    Attributes:
        at: offset of the next byte.
        instruction_at: offset of the instruction being executed.
        left: bytes of memory that may still be used.
    """

    __slots__ = (
        "at", "handlers", "instruction_at", "left", "limits", "marks", "memo", "stack", "view",
    )  # fmt: skip

    def __init__(
        self, view: memoryview, at: int, limits: Limits, left: int, handlers: list[Handler]
    ) -> None:
        """Get ready to read.

        Args:
            view: the bytes, up to where the pickle must have ended.
            at: offset of its first byte.
            limits: budgets.
            left: bytes of memory that may be used.
            handlers: what does each of the 256 instructions.
        """
        self.handlers = handlers
        self.view = view
        self.at = at
        self.instruction_at = at
        self.limits = limits
        self.left = left
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        """Read up to and including STOP.

        Returns:
            The object that the pickle describes.

        Raises:
            PickleFault: anything else than a pickle of the dialect; `instruction_at` says where.
        """
        try:
            self._read_header()
            view, handlers = self.view, self.handlers
            for _ in range(self.limits.opcodes):
                self.instruction_at = at = self.at
                code = view[at]
                self.at = at + 1
                if code == _STOP:
                    return self._finish()
                handlers[code](self)
        except (IndexError, struct.error) as error:
            raise self._cut_short(error) from None
        raise costly(f"more than {self.limits.opcodes} instructions", "fewer")

    def spend(self, n_bytes: int) -> None:
        """Count memory that is about to be used.

        Raises:
            PickleFault: it is more than allowed.
        """
        self.left -= n_bytes
        if self.left < 0:
            raise costly("more data than the memory budget allows", "a model for these chips")

    def take(self, n_bytes: int) -> memoryview:
        """Step over `n_bytes` and give a view of them."""
        start = self.at
        stop = start + n_bytes
        if stop > len(self.view):
            left = len(self.view) - start
            raise corrupt(f"a length of {n_bytes} bytes with {left} left", "one that fits")
        self.at = stop
        return self.view[start:stop]

    def number(self, form: struct.Struct) -> int:
        """Read one integer."""
        value: int = form.unpack_from(self.view, self.at)[0]
        self.at += form.size
        return value

    def line(self) -> str:
        """Read text up to a newline."""
        start = self.at
        piece = bytes(self.view[start : start + self.limits.global_bytes + 1])
        length = piece.find(b"\n")
        if length < 0:
            raise unsafe("a name without end", f"at most {self.limits.global_bytes} bytes")
        self.at = start + length + 1
        return self.decoded(memoryview(piece)[:length])

    def decoded(self, raw: memoryview) -> str:
        """Decode UTF-8 text and count it."""
        n_bytes = len(raw)
        if n_bytes <= self.limits.text_bytes:
            self.spend(OBJECT_BYTES + 4 * n_bytes)
        else:
            # one character above U+00FF would make Python take four bytes for each
            if int(np.frombuffer(raw, np.uint8).max()) >= _FIRST_ABOVE_LATIN1:
                raise costly(f"{n_bytes} bytes of text", f"at most {self.limits.text_bytes}")
            self.spend(OBJECT_BYTES + n_bytes)
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError as error:
            raise corrupt(f"text that is not UTF-8 ({error.reason})", "UTF-8") from error

    def popped(self) -> list[object]:
        """Take everything above the last mark off the stack."""
        mark = self.marks.pop()
        items = self.stack[mark:]
        if mark > len(self.stack):
            raise corrupt("fewer values than below the last mark", "a mark below its values")
        del self.stack[mark:]
        return items

    def remember(self, index: int) -> None:
        """Enter the top of the stack into the memo."""
        if index not in self.memo:
            self.spend(_MEMO_BYTES)
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        """Push what was remembered."""
        if index not in self.memo:
            raise corrupt(f"memo entry {index}, never written", "an earlier object")
        self.stack.append(self.memo[index])

    def _read_header(self) -> None:
        view, at = self.view, self.at
        if len(view) < at + 2 or view[at] != 0x80:
            raise corrupt(f"{bytes(view[at : at + 2])!r}", "a pickle of protocol 2 to 5")
        if view[at + 1] not in _PROTOCOLS:
            raise corrupt(f"pickle protocol {view[at + 1]}", "2 to 5")
        self.at = at + 2

    def _finish(self) -> object:
        if len(self.stack) != 1 or self.marks:
            raise corrupt(f"{len(self.stack)} values at the end of the pickle", "one")
        return self.stack.pop()

    def _cut_short(self, error: Exception) -> PickleFault:
        if self.instruction_at >= len(self.view):
            return corrupt("the end of the data", "more of the pickle")
        name = OPCODE_NAMES[self.view[self.instruction_at]]
        if isinstance(error, struct.error):
            return corrupt(f"the end of the data inside {name}", "more of the pickle")
        return corrupt(f"{name} without all it needs", "earlier values for it to use")
