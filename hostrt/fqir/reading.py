"""The pickles of a file, read one after the other; faults are told with file and offset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import ProgramCorrupt, ProgramUnsupported
from hostrt.fqir.container import Container, find_pickle
from hostrt.fqir.pickle_fault import HINT_DAMAGED, PickleFault
from hostrt.fqir.pickle_instructions import HANDLERS
from hostrt.fqir.unpickle import Machine

if TYPE_CHECKING:
    from hostrt.fqir.container import PickleSpan
    from hostrt.fqir.limits import Limits

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001


def read_root(data: bytes, file: str, limits: Limits) -> tuple[object, int]:
    """Read a whole file.

    Args:
        data: the file, in any container.
        file: its name for messages.
        limits: budgets.

    Returns:
        The object that it holds, of plain values and inert objects, and the bytes of memory that
        may still be used.

    Raises:
        ProgramCorrupt: damaged, or put together wrongly.
        ProgramUnsafe: something that is refused, or over the budgets.
        ProgramUnsupported: no container of FQIR, or torch tensors.
    """
    span = find_pickle(data, file, limits)
    reader = _Reader(data, span, file, limits)
    root = _read_legacy(reader) if span.container is Container.LEGACY else reader.next()
    reader.end()
    return root, reader.left


class _Reader:
    """Reads one pickle after the other; adds file and offset to what goes wrong."""

    def __init__(self, data: bytes, span: PickleSpan, file: str, limits: Limits) -> None:
        self._view = memoryview(data)[: span.stop]
        self._at = span.start
        self.left = limits.memory_bytes - len(data)
        self._file = file
        self._limits = limits

    def next(self) -> object:
        machine = Machine(self._view, self._at, self._limits, self.left, HANDLERS)
        try:
            value = machine.run()
        except PickleFault as fault:
            at = machine.instruction_at
            raise fault.kind(
                f"{self._file}, byte 0x{at:x}: found {fault.found}, expected {fault.expected}",
                hint=fault.hint,
                file=self._file,
                offset=at,
            ) from fault
        self._at, self.left = machine.at, machine.left
        return value

    def end(self) -> None:
        if self._at != len(self._view):
            raise self.corrupt(f"{len(self._view) - self._at} bytes after the pickle", "none")

    def corrupt(self, found: str, expected: str) -> ProgramCorrupt:
        return ProgramCorrupt(
            f"{self._file}, byte 0x{self._at:x}: found {found}, expected {expected}",
            hint=HINT_DAMAGED,
            file=self._file,
            offset=self._at,
        )


def _read_legacy(reader: _Reader) -> object:
    """Read the five pickles of FQIR reference 1.3; give the fourth."""
    magic, protocol, header = reader.next(), reader.next(), reader.next()
    numbers = (magic, protocol) if type(magic) is type(protocol) is int else ()
    if numbers != (_LEGACY_MAGIC, _LEGACY_PROTOCOL) or type(header) is not dict:
        raise reader.corrupt("another header", "that of a legacy container, version 1001")
    if type(header.get("little_endian")) is not bool:
        raise reader.corrupt("a header without byte order", "little_endian")
    root = reader.next()
    keys = reader.next()
    if type(keys) is not list:
        raise reader.corrupt(f"a {type(keys).__name__} after the graph", "a list")
    if keys:
        raise ProgramUnsupported(
            f"{reader.corrupt('torch tensors after the graph', 'none')}",
            hint="save the quantized FQIR graph, not the torch model",
        )
    return root
