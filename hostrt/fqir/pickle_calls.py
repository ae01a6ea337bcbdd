"""What NEWOBJ, REDUCE and BUILD do here: only what FQIR reference 1.7 allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.fqir.pickle_fault import corrupt, unsafe
from hostrt.fqir.pickle_numpy import (
    from_buffer,
    make_dtype,
    make_scalar,
    reconstruct,
    set_array,
    set_dtype,
)
from hostrt.fqir.standins import Global, PickledArray, PickledDtype, PickledSet, Role, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

_ENTRY = 16  # bytes: a checked attribute costs time rather than memory


def make(cls: object, args: object) -> StandIn:
    """Do NEWOBJ: an instance without arguments of a class of the model."""
    if not isinstance(cls, Global):
        raise unsafe(f"NEWOBJ on a {type(cls).__name__}", "a class of the model")
    if cls.role is not Role.OBJECT:
        raise unsafe(f"NEWOBJ on '{cls}'", "a class of the model")
    if type(args) is not tuple or args:
        raise unsafe(f"NEWOBJ on '{cls}' with arguments", "none")
    return StandIn(cls)


def call(function: object, args: object, spend: Callable[[int], None]) -> object:
    """Do REDUCE: our own version of one of a handful of functions.

    Args:
        function: what the pickle names.
        args: its arguments.
        spend: is told the bytes that are about to be allocated.
    """
    if not isinstance(function, Global):
        raise unsafe(f"REDUCE on a {type(function).__name__}", "a function of the allow-list")
    if not isinstance(args, tuple):
        raise corrupt(f"REDUCE with a {type(args).__name__}", "a tuple of arguments")
    allocating = _ALLOCATING.get(function.name)
    if function.role is Role.FUNCTION and allocating is not None:
        return allocating(args, spend)
    plain = _PLAIN.get(function.name)
    if function.role is Role.FUNCTION and plain is not None:
        return plain(args)
    raise unsafe(f"REDUCE on '{function}'", "a function of the allow-list")


def build(target: object, state: object, spend: Callable[[int], None]) -> None:
    """Do BUILD: give an object its state; nothing of the object's class is called."""
    if isinstance(target, StandIn):
        _set_state(target, state, spend)
    elif isinstance(target, PickledArray):
        set_array(target, state, spend)
    elif isinstance(target, PickledDtype):
        set_dtype(target, state)
    else:
        what = f"'{target}'" if isinstance(target, Global) else f"a {type(target).__name__}"
        raise unsafe(f"BUILD on {what}", "an object of the model, an array or an element type")


def _set_state(target: StandIn, state: object, spend: Callable[[int], None]) -> None:
    if type(state) is not dict:
        raise unsafe(f"BUILD on '{target.cls}' with a {type(state).__name__}", "a dict")
    if target.state is not None:
        raise corrupt(f"BUILD on '{target.cls}' for the second time", "one state")
    spend(_ENTRY * len(state))
    for key in state:
        if not key.isidentifier() or key.startswith("__"):
            raise unsafe(f"the attribute {key[:40]!a} for '{target.cls}'", "an ordinary name")
    target.state = state


def _encode(args: tuple[object, ...], spend: Callable[[int], None]) -> bytes:
    text, codec = args if len(args) == 2 else (None, None)
    if not isinstance(text, str) or not isinstance(codec, str) or codec != "latin1":
        raise unsafe("_codecs encode with other arguments", "text and 'latin1'")
    spend(len(text))
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise corrupt("a byte above 255 in array data", "one character per byte") from error


def _set(args: tuple[object, ...]) -> PickledSet:
    if len(args) != 1 or type(args[0]) is not list:
        raise unsafe("a set made of something else", "one list")
    return PickledSet(args[0])


def _nothing_but(value: Callable[[], object]) -> Callable[[tuple[object, ...]], object]:
    def handler(args: tuple[object, ...]) -> object:
        if args:
            raise unsafe(f"bytes or a dict with {len(args)} arguments", "none")
        return value()

    return handler


_ALLOCATING = {"encode": _encode, "_frombuffer": from_buffer, "scalar": make_scalar}
_PLAIN: dict[str, Callable[[tuple[object, ...]], object]] = {
    "_reconstruct": reconstruct,
    "set": _set,
    "frozenset": _set,
    "dtype": make_dtype,
    "bytes": _nothing_but(bytes),
    "OrderedDict": _nothing_but(dict),
}
