"""From an FQIR file to a model: read whole, hashed, unpickled by our own machine, checked."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.errors import ProgramCorrupt, ProgramUnsupported
from hostrt.fqir.build import build_model
from hostrt.fqir.container import Container, find_pickle, is_fqir_file
from hostrt.fqir.limits import Limits, over_limit
from hostrt.fqir.pickle_fault import HINT_DAMAGED, PickleFault
from hostrt.fqir.standins import StandIn
from hostrt.fqir.unpickle import Machine
from hostrt.program.intake import Budgets, read_source

if TYPE_CHECKING:
    import os

    from hostrt.fqir.container import PickleSpan
    from hostrt.fqir.graph import Model

__all__ = ["is_fqir_file", "load_model", "parse_model"]

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_ROOT_CLASS = "GraphProto"


def load_model(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Model:
    """Read an FQIR file; nothing in it is executed.

    Args:
        path: a file that `fmot.save` wrote, in any container of FQIR reference 1.1.
        limits: budgets; the default holds memory below 200 MB.

    Raises:
        ProgramNotFound: no such file, or it cannot be read.
        ProgramCorrupt: damaged, or put together wrongly.
        ProgramUnsafe: it wants something that a model has no use for, or exceeds the budgets.
        ProgramUnsupported: sound, but no FQIR model that hostrt can use.
    """
    limits = limits or Limits()
    data, name = read_source(Path(path), Budgets(archive_bytes=limits.file_bytes))
    return parse_model(data, name, limits=limits)


def parse_model(data: bytes, name: str, *, limits: Limits | None = None) -> Model:
    """Read the bytes of an FQIR file; as `load_model`.

    Args:
        data: the whole file.
        name: its name for messages.
        limits: budgets.
    """
    limits = limits or Limits()
    if len(data) > limits.file_bytes:
        raise over_limit(name, f"{len(data)} bytes", f"at most {limits.file_bytes}")
    span = find_pickle(data, name, limits)
    root = _unpickle(data, span, name, limits)
    if not isinstance(root, StandIn) or root.cls.name != _ROOT_CLASS:
        what = root.cls.name if isinstance(root, StandIn) else type(root).__name__
        raise ProgramUnsupported(
            f"{name}: found a pickled {what}, expected an FQIR graph ({_ROOT_CLASS})",
            hint="save the graph that tracing gave, not the torch model or its weights",
            file=name,
        )
    model = build_model(root, name, limits)
    return replace(model, path=name, sha256=hashlib.sha256(data).hexdigest())


def _unpickle(data: bytes, span: PickleSpan, file: str, limits: Limits) -> object:
    reader = _Reader(data, span, file, limits)
    if span.container is Container.LEGACY:
        return _read_legacy(reader)
    root = reader.next()
    reader.end()
    return root


class _Reader:
    """Reads one pickle after the other; adds file and offset to what goes wrong."""

    def __init__(self, data: bytes, span: PickleSpan, file: str, limits: Limits) -> None:
        self._view = memoryview(data)[: span.stop]
        self._at = span.start
        self._left = limits.memory_bytes - len(data)
        self._file = file
        self._limits = limits

    def next(self) -> object:
        machine = Machine(self._view, self._at, self._limits, self._left)
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
        self._at, self._left = machine.at, machine.left
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
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL or type(header) is not dict:
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
    reader.end()
    return root
