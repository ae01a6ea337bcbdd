"""The bytes of a model as the vendor's service takes them: one pickle, which it loads.

Nothing is unpickled here: bytes are cut out of the file, or read by hostrt's own machine, which
calls nothing (`hostrt.fqir.unpickle`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.errors import ProgramNotFound, ProgramUnsupported
from hostrt.fqir.container import Container, find_pickle
from hostrt.fqir.limits import Limits
from hostrt.fqir.pickle_fault import PickleFault
from hostrt.fqir.pickle_instructions import HANDLERS
from hostrt.fqir.standins import StandIn
from hostrt.fqir.unpickle import Machine
from hostrt.program.intake import Budgets, read_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.graph import Model
    from hostrt.fqir.unpickle import Handler

_BEFORE_THE_GRAPH = 3
"""Pickles of a legacy container before the graph's (FQIR reference 1.3)."""
_QUANTA = "quanta"
_NUMBER_BYTES = {0x4A: 4, 0x4B: 1, 0x4D: 2, 0x47: 8}
"""Instructions that push a number, and the bytes of the number behind them; all zero is 0."""
_SETITEM, _SETITEMS = 0x73, 0x75
_NOWHERE = -1


def pickle_of(model: Model) -> bytes:
    """Give the pickle of a model's graph, as it stands in the model's file.

    Raises:
        ProgramNotFound: the model was not read from a file, or the file is not what was read.
        ProgramUnsupported: the file is no container of FQIR.
    """
    data = _read_again(model)
    span = find_pickle(data, model.path, Limits())
    if span.container is Container.LEGACY:
        start = span.start
        for _ in range(_BEFORE_THE_GRAPH):
            start = _run(data, start, span.stop, model.path).stop
        return data[start : _run(data, start, span.stop, model.path).stop]
    return data[span.start : span.stop]


def with_whole_inputs(data: bytes, name: str) -> bytes:
    """Make every integer input of a pickled model have the quantisation exponent 0.

    The vendor's own driver does so before it simulates (femtocrux service reference 5): integers
    that are sent are then the integers that the model sees. The numbers are overwritten where they
    stand; nothing else changes. An unknown exponent stays unknown.

    Args:
        data: the pickle.
        name: its name for messages.

    Raises:
        ProgramUnsupported: an exponent is not written as a plain number.
    """
    places: dict[int, int] = {}
    machine = _run(data, 0, len(data), name, _tracing(places))
    changed = bytearray(data)
    for tensor in _inputs(machine.root):
        state = tensor.state or {}
        if state.get(_QUANTA) is None:
            continue
        at = places.get(id(state), _NOWHERE)
        size = 0 if at == _NOWHERE else _NUMBER_BYTES[data[at]]
        if not size:
            raise ProgramUnsupported(
                f"{name}: the quantisation exponent of an input is a "
                f"{type(state[_QUANTA]).__name__} in the file, expected a plain number",
                hint="save the model again with fmot.save",
            )
        changed[at + 1 : at + 1 + size] = bytes(size)
    return bytes(changed)


def _tracing(places: dict[int, int]) -> list[Handler]:
    """Give instructions that also note where numbers called `quanta` stand.

    Args:
        places: is filled with the identity of a map -> offset of the instruction that pushed the
            value of its key `quanta`.
    """
    handlers = list(HANDLERS)
    pushed_at: dict[int, int] = {}

    def pushing(handler: Handler) -> Handler:
        def push(machine: Machine) -> None:
            handler(machine)
            pushed_at[len(machine.stack) - 1] = machine.instruction_at

        return push

    def filling(handler: Handler, first: Callable[[Machine], int]) -> Handler:
        def fill(machine: Machine) -> None:
            start, stop = first(machine), len(machine.stack)
            values = [i + 1 for i in range(start, stop - 1, 2) if machine.stack[i] == _QUANTA]
            plain = {i: type(machine.stack[i]) in (int, float) for i in values}
            handler(machine)
            for i in values:
                places[id(machine.stack[-1])] = pushed_at[i] if plain[i] else _NOWHERE

        return fill

    for code in _NUMBER_BYTES:
        handlers[code] = pushing(HANDLERS[code])
    handlers[_SETITEM] = filling(HANDLERS[_SETITEM], lambda machine: len(machine.stack) - 2)
    handlers[_SETITEMS] = filling(HANDLERS[_SETITEMS], lambda machine: machine.marks[-1])
    return handlers


def _inputs(root: object) -> list[StandIn]:
    """Give the objects of the integer program's inputs."""
    found: object = root
    for key in ("subgraphs", "ARITH", "inputs"):
        state = found.state if isinstance(found, StandIn) else found
        found = state.get(key) if isinstance(state, dict) else None
    return [item for item in found if isinstance(item, StandIn)] if isinstance(found, list) else []


def _read_again(model: Model) -> bytes:
    if not model.path:
        raise ProgramNotFound(
            "the model was made in memory, expected one that was read from a file",
            hint="the vendor's service takes the bytes of a .pt file",
        )
    data, _ = read_source(Path(model.path), Budgets())
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise ProgramNotFound(
            f"{model.path}: the file has changed since it was read", hint="load the model again"
        )
    return data


@dataclass(frozen=True, slots=True)
class _Read:
    """One pickle that was read: its object, and where the next one begins."""

    root: object
    stop: int


def _run(
    data: bytes, start: int, stop: int, name: str, handlers: list[Handler] | None = None
) -> _Read:
    limits = Limits()
    view = memoryview(data)[:stop]
    machine = Machine(view, start, limits, limits.memory_bytes, handlers or HANDLERS)
    try:
        return _Read(machine.run(), machine.at)
    except PickleFault as fault:
        raise ProgramUnsupported(
            f"{name}, byte 0x{machine.instruction_at:x}: found {fault.found}, "
            f"expected {fault.expected}",
            hint=fault.hint,
        ) from fault
