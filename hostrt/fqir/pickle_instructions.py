"""The pickle instructions that FQIR files use (FQIR reference 1.4); all others are refused."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hostrt.fqir.allowed import find_global
from hostrt.fqir.pickle_calls import build, call, make
from hostrt.fqir.pickle_fault import corrupt, unsafe
from hostrt.fqir.pickle_opcodes import OPCODE_NAMES
from hostrt.fqir.standins import PickledSet
from hostrt.fqir.unpickle import OBJECT_BYTES

if TYPE_CHECKING:
    from hostrt.fqir.unpickle import Handler, Machine

_U8, _U16 = struct.Struct("B"), struct.Struct("<H")
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_I32, _F64 = struct.Struct("<i"), struct.Struct(">d")

# estimated bytes of memory; an instance counts with what is later built from it
_SLOT, _ENTRY, _NUMBER, _INSTANCE = 16, 160, 40, 600


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
    machine.spend(OBJECT_BYTES)
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
    machine.spend(OBJECT_BYTES)
    machine.stack.append({})


def _empty_list(machine: Machine) -> None:
    machine.spend(OBJECT_BYTES)
    machine.stack.append([])


def _empty_tuple(machine: Machine) -> None:
    machine.stack.append(())


def _empty_set(machine: Machine) -> None:
    machine.spend(2 * OBJECT_BYTES)
    machine.stack.append(PickledSet([]))


def _tuple(machine: Machine) -> None:
    items = tuple(machine.popped())
    machine.spend(OBJECT_BYTES + _SLOT * len(items))
    machine.stack.append(items)


def _tuple_of(size: int) -> Handler:
    def handler(machine: Machine) -> None:
        stack = machine.stack
        if len(stack) < size:
            raise IndexError
        machine.spend(OBJECT_BYTES + _SLOT * size)
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
    machine.spend(2 * OBJECT_BYTES + _SLOT * len(items))
    machine.stack.append(PickledSet(items))


def _text_of(form: struct.Struct) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stack.append(machine.decoded(machine.take(machine.number(form))))

    return handler


def _bytes_of(form: struct.Struct) -> Handler:
    def handler(machine: Machine) -> None:
        raw = machine.take(machine.number(form))
        machine.spend(OBJECT_BYTES + len(raw))
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


HANDLERS = _handlers()
"""What does each instruction, by its code."""
