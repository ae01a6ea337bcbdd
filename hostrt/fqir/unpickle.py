"""A pickle machine of our own: it reads what FQIR files hold and calls nothing by name.

Dialect: FQIR reference 1.4; what may be called and how: 1.5 and 1.7. The result consists of plain
values and the inert objects of `hostrt.fqir.standins`. Everything else ends the reading.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hostrt.fqir.allowed import find_global
from hostrt.fqir.pickle_calls import build, call, make
from hostrt.fqir.pickle_fault import PickleFault, corrupt, unsafe
from hostrt.fqir.pickle_opcodes import OPCODE_NAMES
from hostrt.fqir.standins import PickledSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.limits import Limits

    Handler: TypeAlias = Callable[["Machine"], None]

_U16, _U32, _U64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
_I32, _F64 = struct.Struct("<i"), struct.Struct(">d")
_PROTOCOLS = range(2, 6)
_STOP = 0x2E
_FIRST_ABOVE_LATIN1 = 0xC4  # first byte of U+0100 in UTF-8; it occurs nowhere below

# estimated bytes of memory per object, what is later built from it included
_OBJECT, _SLOT, _ENTRY, _NUMBER, _MEMO = 96, 16, 160, 40, 100
_INSTANCE = 600


class Machine:
    """Reads one pickle from a view of the file.

    Attributes:
        at: offset of the next byte.
        instruction_at: offset of the instruction being executed.
        left: bytes of memory that may still be used.
    """

    __slots__ = ("at", "instruction_at", "left", "limits", "marks", "memo", "stack", "view")

    def __init__(self, view: memoryview, at: int, limits: Limits, left: int) -> None:
        """Get ready to read.

        Args:
            view: the bytes, up to where the pickle must have ended.
            at: offset of its first byte.
            limits: budgets.
            left: bytes of memory that may be used.
        """
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
            view, handlers = self.view, _HANDLERS
            for _ in range(self.limits.opcodes):
                self.instruction_at = at = self.at
                code = view[at]
                self.at = at + 1
                if code == _STOP:
                    return self._finish()
                handlers[code](self)
        except (IndexError, struct.error):
            raise self._underflow() from None
        raise unsafe(f"more than {self.limits.opcodes} instructions", "fewer")

    def spend(self, n_bytes: int) -> None:
        """Count memory that is about to be used.

        Raises:
            PickleFault: it is more than allowed.
        """
        self.left -= n_bytes
        if self.left < 0:
            raise unsafe("more data than the memory budget allows", "a model for these chips")

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
            self.spend(_OBJECT + 4 * n_bytes)
        else:
            # one character above U+00FF would make Python take four bytes for each
            if int(np.frombuffer(raw, np.uint8).max()) >= _FIRST_ABOVE_LATIN1:
                raise unsafe(f"{n_bytes} bytes of text", f"at most {self.limits.text_bytes}")
            self.spend(_OBJECT + n_bytes)
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
            self.spend(_MEMO)
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

    def _underflow(self) -> PickleFault:
        if self.at >= len(self.view) or self.instruction_at >= len(self.view):
            return corrupt("the end of the data in the middle of the pickle", "more")
        code = self.view[self.instruction_at]
        if self.at + 8 > len(self.view):
            return corrupt(f"{OPCODE_NAMES[code]} cut short or without operands", "a whole one")
        return corrupt(f"{OPCODE_NAMES[code]} without its operands on the stack", "operands")


def _refuse(machine: Machine) -> None:
    code = machine.view[machine.instruction_at]
    if code not in OPCODE_NAMES:
        raise corrupt(f"byte 0x{code:02x}, which is no pickle instruction", "one")
    raise unsafe(f"the instruction {OPCODE_NAMES[code]}", "only those that FQIR files use")


def _frame(machine: Machine) -> None:
    length = machine.number(_U64)
    if length > len(machine.view) - machine.at:
        raise corrupt(f"a frame of {length} bytes", f"{len(machine.view) - machine.at} at most")


def _mark(machine: Machine) -> None:
    machine.marks.append(len(machine.stack))


def _global(machine: Machine) -> None:
    module = machine.line()
    machine.stack.append(find_global(module, machine.line()))


def _stack_global(machine: Machine) -> None:
    name = machine.stack.pop()
    module = machine.stack.pop()
    if not isinstance(module, str) or not isinstance(name, str):
        raise corrupt("STACK_GLOBAL with something else than text", "module and name")
    machine.stack.append(find_global(module, name))


def _newobj(machine: Machine) -> None:
    args = machine.stack.pop()
    machine.spend(_INSTANCE)
    machine.stack[-1] = make(machine.stack[-1], args)


def _reduce(machine: Machine) -> None:
    args = machine.stack.pop()
    machine.spend(_OBJECT)
    machine.stack[-1] = call(machine.stack[-1], args, machine.spend)


def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    build(machine.stack[-1], state, machine.spend)


def _binput(machine: Machine) -> None:
    index = machine.view[machine.at]
    machine.at += 1
    machine.remember(index)


def _long_binput(machine: Machine) -> None:
    machine.remember(machine.number(_U32))


def _memoize(machine: Machine) -> None:
    machine.remember(len(machine.memo))


def _binget(machine: Machine) -> None:
    index = machine.view[machine.at]
    machine.at += 1
    machine.recall(index)


def _long_binget(machine: Machine) -> None:
    machine.recall(machine.number(_U32))


def _empty_dict(machine: Machine) -> None:
    machine.spend(_OBJECT)
    machine.stack.append({})


def _empty_list(machine: Machine) -> None:
    machine.spend(_OBJECT)
    machine.stack.append([])


def _empty_tuple(machine: Machine) -> None:
    machine.stack.append(())


def _empty_set(machine: Machine) -> None:
    machine.spend(2 * _OBJECT)
    machine.stack.append(PickledSet([]))


def _tuple(machine: Machine) -> None:
    items = tuple(machine.popped())
    machine.spend(_OBJECT + _SLOT * len(items))
    machine.stack.append(items)


def _tuple_of(size: int) -> Handler:
    def handler(machine: Machine) -> None:
        stack = machine.stack
        if len(stack) < size:
            raise IndexError
        machine.spend(_OBJECT + _SLOT * size)
        stack[-size:] = [tuple(stack[-size:])]

    return handler


def _fill_dict(machine: Machine, items: list[object]) -> None:
    target = machine.stack[-1]
    if type(target) is not dict:
        raise corrupt(f"SETITEMS on {type(target).__name__}", "a dict")
    if len(items) % 2:
        raise corrupt(f"{len(items)} keys and values", "an even number")
    machine.spend(_ENTRY * len(items) // 2)
    for at in range(0, len(items), 2):
        key = items[at]
        # hashes of text are salted; those of other keys could be made to collide
        if type(key) is not str:
            raise corrupt(f"a key of type {type(key).__name__} in a dict", "text")
        target[key] = items[at + 1]


def _setitem(machine: Machine) -> None:
    stack = machine.stack
    items = stack[-2:]
    del stack[-2:]
    _fill_dict(machine, items)


def _setitems(machine: Machine) -> None:
    _fill_dict(machine, machine.popped())


def _fill_list(machine: Machine, items: list[object]) -> None:
    target = machine.stack[-1]
    if type(target) is not list:
        raise corrupt(f"APPENDS on {type(target).__name__}", "a list")
    machine.spend(_SLOT * len(items))
    target.extend(items)


def _append(machine: Machine) -> None:
    _fill_list(machine, [machine.stack.pop()])


def _appends(machine: Machine) -> None:
    _fill_list(machine, machine.popped())


def _additems(machine: Machine) -> None:
    items = machine.popped()
    target = machine.stack[-1]
    if type(target) is not PickledSet:
        raise corrupt(f"ADDITEMS on {type(target).__name__}", "a set")
    machine.spend(_SLOT * len(items))
    target.items.extend(items)


def _frozenset(machine: Machine) -> None:
    items = machine.popped()
    machine.spend(2 * _OBJECT + _SLOT * len(items))
    machine.stack.append(PickledSet(items))


def _text_of(form: struct.Struct) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stack.append(machine.decoded(machine.take(machine.number(form))))

    return handler


def _bytes_of(form: struct.Struct) -> Handler:
    def handler(machine: Machine) -> None:
        raw = machine.take(machine.number(form))
        machine.spend(_OBJECT + len(raw))
        machine.stack.append(bytes(raw))

    return handler


def _integer_of(form: struct.Struct) -> Handler:
    def handler(machine: Machine) -> None:
        machine.spend(_NUMBER)
        machine.stack.append(machine.number(form))

    return handler


def _long_of(form: struct.Struct) -> Handler:
    def handler(machine: Machine) -> None:
        length = machine.number(form)
        if not 0 <= length <= machine.limits.integer_bytes:
            raise unsafe(f"an integer of {length} bytes", f"at most {machine.limits.integer_bytes}")
        machine.spend(_NUMBER)
        machine.stack.append(int.from_bytes(machine.take(length), "little", signed=True))

    return handler


def _binfloat(machine: Machine) -> None:
    value: float = _F64.unpack_from(machine.view, machine.at)[0]
    machine.at += _F64.size
    machine.spend(_NUMBER)
    machine.stack.append(value)


def _push(value: bool | None) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stack.append(value)

    return handler


_U8 = struct.Struct("B")
_BY_NAME: dict[str, Handler] = {
    "FRAME": _frame,
    "MARK": _mark,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "NEWOBJ": _newobj,
    "REDUCE": _reduce,
    "BUILD": _build,
    "BINPUT": _binput,
    "LONG_BINPUT": _long_binput,
    "MEMOIZE": _memoize,
    "BINGET": _binget,
    "LONG_BINGET": _long_binget,
    "EMPTY_DICT": _empty_dict,
    "EMPTY_LIST": _empty_list,
    "EMPTY_TUPLE": _empty_tuple,
    "EMPTY_SET": _empty_set,
    "TUPLE": _tuple,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "SETITEM": _setitem,
    "SETITEMS": _setitems,
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _additems,
    "FROZENSET": _frozenset,
    "BINUNICODE": _text_of(_U32),
    "SHORT_BINUNICODE": _text_of(_U8),
    "BINUNICODE8": _text_of(_U64),
    "BINBYTES": _bytes_of(_U32),
    "SHORT_BINBYTES": _bytes_of(_U8),
    "BINBYTES8": _bytes_of(_U64),
    "BYTEARRAY8": _bytes_of(_U64),
    "BININT": _integer_of(_I32),
    "BININT1": _integer_of(_U8),
    "BININT2": _integer_of(_U16),
    "LONG1": _long_of(_U8),
    "LONG4": _long_of(_I32),
    "BINFLOAT": _binfloat,
    "NONE": _push(None),
    "NEWTRUE": _push(True),
    "NEWFALSE": _push(False),
}


def _handlers() -> list[Handler]:
    handlers: list[Handler] = [_refuse] * 256
    codes = {name: code for code, name in OPCODE_NAMES.items()}
    for name, handler in _BY_NAME.items():
        handlers[codes[name]] = handler
    return handlers


_HANDLERS = _handlers()
