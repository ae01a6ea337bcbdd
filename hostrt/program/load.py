"""Which format a file has, decided by its contents, and what lies beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.femto_layout import MAGIC
from firmware_protocol.iospec import PACKED_PRECISIONS, iospec_from_tree
from firmware_protocol.metadata import metadata_from_tree
from hostrt.chip.image import NOT_ENCRYPTED
from hostrt.errors import ProgramNotFound, ProgramUnsupported, UsageError
from hostrt.program.builtin import is_builtin, load_builtin
from hostrt.program.digests import Digests
from hostrt.program.intake import Budgets, format_faults, read_source
from hostrt.program.yamldoc import load_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.iospec import IOSpec
    from firmware_protocol.metadata import Metadata
    from hostrt.program.model import Program

_PROG_NAME = re.compile(r"(?P<stem>.*?)(?P<side>_[AD])(?P<suffix>\.[^.]*)?", re.IGNORECASE)
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP_MAGIC = b"\x1f\x8b"
_PICKLE_START = re.compile(rb"\x80[\x02-\x05]")
_ZIP_DIRECTORY = 1 << 17  # bytes at the end of a zip that hold all names of a few members
_TEXT_START = re.compile(rb"\s*(0[xX])?[0-9a-fA-F]{1,8}\s*(\n|\Z)")
_SALT_LIMIT = 1 << 64


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the caller knows beyond the file; see `Program.load`."""

    chip: str | None = None
    iospec: str | Path | None = None
    metadata: str | Path | None = None
    key_index: int | None = None
    salt: int | None = None

    def __post_init__(self) -> None:
        key, salt = self.key_index, self.salt
        if key is not None and not 0 <= key <= NOT_ENCRYPTED:
            raise UsageError(
                f"encryption key index {key}, expected 0..{NOT_ENCRYPTED - 1}",
                hint=f"{NOT_ENCRYPTED} says that the program is not encrypted",
            )
        if salt is not None and not 0 <= salt < _SALT_LIMIT:
            raise UsageError(f"encryption salt {salt:#x}, expected 64 bits")


def load_program(path: str | Path | Sequence[str | Path], options: LoadOptions) -> Program:
    """See `Program.load`."""
    if isinstance(path, str | Path):
        name = str(path)
        if is_builtin(name):
            return load_builtin(name, options.chip)
        return _load_path(Path(path), options)
    paths = [Path(item) for item in path]
    if len(paths) == 1:
        return load_program(paths[0], options)
    if len(paths) != 2:
        raise ProgramUnsupported(
            f"{len(paths)} program files given, expected one file or a PROG_A / PROG_D pair"
        )
    return _load_pair(paths[0], paths[1], options)


def read_iospec(path: str | Path, *, precisions: tuple[int, ...] = PACKED_PRECISIONS) -> IOSpec:
    """Read an IOSpec YAML file.

    Args:
        path: the file.
        precisions: bits of an element that are allowed; models may have more than programs.
    """
    data, name = read_source(Path(path), Budgets())
    with format_faults(name):
        return iospec_from_tree(load_yaml(data, name), name=name, precisions=precisions)


def read_metadata(path: str | Path) -> Metadata:
    """Read a metadata YAML file."""
    data, name = read_source(Path(path), Budgets())
    with format_faults(name):
        return metadata_from_tree(load_yaml(data, name), name=name)


def _load_path(path: Path, options: LoadOptions) -> Program:
    if path.is_dir():
        return _load_folder(path, options)
    data, _ = read_source(path, Budgets())
    if _is_fqir(data):
        raise ProgramUnsupported(
            f"{path} is an FQIR model, expected a compiled program",
            hint="run it with --runners fqir, or look into it with: hostrt inspect FILE",
        )
    if data.startswith(MAGIC):
        from hostrt.program.femto_file import program_from_femto

        program = program_from_femto(data, path, options)
    elif data.startswith(_ZIP_MAGIC):
        from hostrt.program.images_file import program_from_zip

        program = program_from_zip(data, path, options)
    elif _TEXT_START.match(data):
        return _load_prog(path, options, data)
    elif data.startswith(_GZIP_MAGIC):
        raise ProgramUnsupported(
            f"{path} is a compiled bundle for another accelerator, not a program for an SPU",
            hint=f"look into it with: hostrt inspect {path}",
        )
    else:
        found = f"{data[:5]!r} at the start" if data else "an empty file"
        raise ProgramUnsupported(
            f"{path}: found {found}, expected a .femto, a .zip of memory images or a "
            "PROG_A / PROG_D text file",
            hint="check that this is the right file and that it was copied whole",
        )
    digests = Digests({path.name: data})
    return replace(program, source=replace(program.source, sha256=digests))


def _is_fqir(data: bytes) -> bool:
    """Tell a model from a program: it is a pickle, in a zip or on its own."""
    if data.startswith(_ZIP_MAGIC):
        return b"/data.pkl" in data[-_ZIP_DIRECTORY:]
    return _PICKLE_START.match(data) is not None


def _load_folder(path: Path, options: LoadOptions) -> Program:
    try:
        names = sorted(item.name for item in path.iterdir())
    except OSError as error:
        raise ProgramNotFound(
            f"{path}: folder cannot be read: {error.strerror}", hint="check its permissions"
        ) from error
    if any(name.endswith("hex.txt") for name in names):
        from hostrt.program.images_file import program_from_folder

        return program_from_folder(path, options)
    femtos = [name for name in names if name.lower().endswith(".femto")]
    if len(femtos) == 1:
        return _load_path(path / femtos[0], options)
    progs = [name for name in names if name.upper().endswith("PROG_A")]
    progs = progs or [name for name in names if name == "program_network_A"]
    if len(progs) == 1:
        return _load_prog(path / progs[0], options)
    raise ProgramNotFound(
        f"folder {path} holds {len(femtos)} .femto files, {len(progs)} PROG_A files and no memory "
        "images, expected exactly one program",
        hint="name the file itself",
    )


def _load_prog(path: Path, options: LoadOptions, data: bytes | None = None) -> Program:
    """Load the pair that `path` is one half of; `data` is what it holds, if that is known."""
    match = _PROG_NAME.fullmatch(path.name)
    if match is None:
        raise ProgramNotFound(
            f"{path} looks like one half of a PROG pair, but its name does not end in _A or _D",
            hint="give both files, addresses first",
        )
    side, suffix = match["side"], match["suffix"] or ""
    other = {"A": "D", "D": "A", "a": "d", "d": "a"}[side[1]]
    sibling = path.with_name(f"{match['stem']}_{other}{suffix}")
    if not sibling.exists():
        raise ProgramNotFound(
            f"{path} is one half of a PROG pair and there is no {sibling.name} beside it",
            hint="copy both halves, or give both files, addresses first",
        )
    return _load_pair(path, sibling, options, data)


def _load_pair(
    first: Path, second: Path, options: LoadOptions, data: bytes | None = None
) -> Program:
    from hostrt.program.prog_file import program_from_prog

    contents = [data or read_source(first, Budgets())[0], read_source(second, Budgets())[0]]
    match = _PROG_NAME.fullmatch(first.name)
    if match is not None and match["side"].upper() == "_D":
        first, second = second, first
        contents.reverse()
    a, d = contents
    program = program_from_prog((a, d), (first, second), options)
    digests = Digests({first.name: a, second.name: d})
    return replace(program, source=replace(program.source, sha256=digests))
