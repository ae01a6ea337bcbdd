"""From an FQIR file to a model: read whole, hashed, unpickled by our own machine, checked."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.build import build_model
from hostrt.fqir.container import is_fqir_file
from hostrt.fqir.limits import Limits, over_limit
from hostrt.fqir.reading import read_root
from hostrt.fqir.standins import StandIn
from hostrt.program.intake import Budgets, read_source

if TYPE_CHECKING:
    import os

    from hostrt.fqir.graph import Model

__all__ = ["is_fqir_file", "load_model", "parse_model"]

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
    root, left = read_root(data, name, limits)
    if not isinstance(root, StandIn) or root.cls.name != _ROOT_CLASS:
        what = root.cls.name if isinstance(root, StandIn) else type(root).__name__
        raise ProgramUnsupported(
            f"{name}: found a pickled {what}, expected an FQIR graph ({_ROOT_CLASS})",
            hint="save the graph that tracing gave, not the torch model or its weights",
            file=name,
        )
    model = build_model(root, name, limits, left)
    return replace(model, path=name, sha256=hashlib.sha256(data).hexdigest())
