"""Writing a program in any format that can hold it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.iospec import format_iospec
from firmware_protocol.packing import elements_per_word
from hostrt.errors import ProgramUnsupported, StorageError, UsageError
from hostrt.files import make_folder, write_files
from hostrt.program.femto_file import femto_from_program, femto_losses
from hostrt.program.images_file import (
    image_names,
    images_losses,
    members_of,
    zip_from_program,
)
from hostrt.program.prog_file import prog_from_program, prog_losses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostrt.files import Contents
    from hostrt.program.model import Program

FORMATS = ("femto", "zip", "prog", "folder")

_LOSSES: dict[str, Callable[[Program], list[str]]] = {
    "femto": femto_losses,
    "zip": images_losses,
    "folder": images_losses,
    "prog": prog_losses,
}


def format_of(path: str | Path) -> str:
    """Tell the format a path asks for by its looks."""
    name = Path(path).name
    lower = name.lower()
    if lower.endswith(".femto"):
        return "femto"
    if lower.endswith(".zip"):
        return "zip"
    if lower.endswith(("_a", "_d")):
        return "prog"
    if "." not in name:
        return "folder"
    raise UsageError(
        f"{path}: no program format has this suffix",
        hint="use NAME.femto, NAME.zip, NAME_A (a PROG pair) or a folder name",
    )


def save_program(program: Program, path: str | Path, form: str | None) -> tuple[str, ...]:
    """See `Program.save`."""
    target = Path(path)
    form = form or format_of(target)
    if form not in FORMATS:
        raise UsageError(f"no program format {form!r}, expected one of {', '.join(FORMATS)}")
    try:
        files = _render(program, target, form)
    except LocalMisuseError as error:
        raise ProgramUnsupported(
            f"{program.source} does not fit into a {form} file: {error}",
            hint="choose another format",
        ) from error
    if form == "folder":
        _refuse_strangers(target, files)
    make_folder(target if form == "folder" else target.parent)
    write_files(files)
    return tuple(_LOSSES[form](program))


def _render(program: Program, target: Path, form: str) -> dict[Path, Contents]:
    if program.iospec is not None:
        for vector in (*program.iospec.inputs.values(), *program.iospec.outputs.values()):
            elements_per_word(vector.precision)  # raises where no word can hold an element
    if form == "femto":
        return {target: femto_from_program(program)}
    if form == "zip":
        return {target: zip_from_program(program)}
    if form == "folder":
        return {target / name: data for name, data in members_of(program).items()}
    a, d = prog_from_program(program)
    stem = target.name[:-2] if target.name.lower().endswith(("_a", "_d")) else target.name
    files: dict[Path, Contents] = {
        target.with_name(f"{stem}_A"): a,
        target.with_name(f"{stem}_D"): d,
    }
    if program.iospec is not None:
        # what the pair cannot hold lies beside it under a name that loading looks for
        files[target.with_name(f"{stem}_iospec.yaml")] = format_iospec(program.iospec).encode()
    return files


def _refuse_strangers(folder: Path, files: Mapping[Path, Contents]) -> None:
    """Refuse a folder that holds memory images of another program: they would be read too."""
    strangers = (
        [name for name in image_names(folder) if folder / name not in files]
        if folder.is_dir()
        else []
    )
    if strangers:
        raise StorageError(
            f"folder {folder} holds memory images already, such as {strangers[0]}",
            hint="choose a new or empty folder",
            path=str(folder),
        )
