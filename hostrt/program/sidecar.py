"""IOSpec files lying beside a program, and whether they belong to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hostrt.errors import HostrtError, ProgramUnsupported
from hostrt.program.load import read_iospec, read_metadata

if TYPE_CHECKING:
    from pathlib import Path

    from firmware_protocol.iospec import IOSpec, Vector
    from hostrt.program.load import LoadOptions


def choose_iospec(
    path: Path, own: IOSpec | None, options: LoadOptions, *, knows_lengths: bool = True
) -> tuple[IOSpec | None, tuple[str, ...]]:
    """Choose between a named IOSpec file, one lying beside the program, and the file's own.

    Formats that lose names (`.femto`) are usually delivered with an IOSpec beside them. One that
    was named must fit the program; one that only lies there is left alone when it does not.

    Args:
        path: the program file.
        own: what the file itself says about inputs and outputs.
        options: what the caller said.
        knows_lengths: `own` tells the model's lengths, not only those padded to whole words.

    Returns:
        The IOSpec and what was noticed.

    Raises:
        ProgramUnsupported: the named IOSpec does not describe this program.
    """
    if options.iospec is not None:
        spec = read_iospec(options.iospec)
        fault = _mismatch(spec, own, knows_lengths)
        if fault:
            raise ProgramUnsupported(
                f"{options.iospec} does not belong to {path}: {fault}",
                hint="give the IOSpec that was made with this program",
            )
        return spec, ()
    for candidate in usual_names(path):
        if not candidate.is_file():
            continue
        try:
            spec = read_iospec(candidate)
        except HostrtError as error:
            return own, (f"{candidate.name} beside the program was not used: {error}",)
        fault = _mismatch(spec, own, knows_lengths)
        if fault:
            return own, (f"{candidate.name} beside the program was not used: {fault}",)
        return spec, (f"names come from {candidate.name} beside the program",)
    return own, ()


def choose_salt(path: Path, options: LoadOptions) -> tuple[int, tuple[str, ...]]:
    """Find the encryption salt of a file that does not store it.

    A wrong salt makes the chip decrypt to garbage, so where it came from is always said.

    Returns:
        The salt and what was noticed.
    """
    if options.salt is not None:
        return options.salt, ()
    if options.metadata is not None:
        return read_metadata(options.metadata).salt, ()
    for candidate in usual_names(path, "metadata"):
        if not candidate.is_file():
            continue
        try:
            salt = read_metadata(candidate).salt
        except HostrtError as error:
            return 0, (f"{candidate.name} beside the program was not used: {error}; salt 0",)
        return salt, (f"encryption salt 0x{salt:016x} from {candidate.name} beside the program",)
    return 0, ("the file does not store the encryption salt: 0 is assumed",)


def usual_names(path: Path, what: str = "iospec") -> list[Path]:
    """Name the files that may lie beside a program or model and say `what` about it."""
    stems = dict.fromkeys([path.stem, re.sub("_[AD]$", "", path.stem)])
    names = [*(f"{stem}_{what}.yaml" for stem in stems), f"{what}.yaml"]
    folders = [path.parent]
    if path.parent.name in ("prog", "apb_records"):
        folders += [path.parent.parent, path.parent.parent.parent]
    usual = [folder / name for folder in folders for name in names]
    # PROG files inside an output folder, whose side-car is named after the model
    named = [*folders[-1].glob(f"*_{what}.yaml")] if len(folders) > 1 else []
    return usual + (named if len(named) == 1 else [])


def _mismatch(spec: IOSpec, own: IOSpec | None, knows_lengths: bool) -> str:
    if own is None:
        return ""
    for side, ours, theirs in (
        ("inputs", own.inputs, spec.inputs),
        ("outputs", own.outputs, spec.outputs),
    ):
        found = sorted(_shape(vector, knows_lengths) for vector in theirs.values())
        expected = sorted(_shape(vector, knows_lengths) for vector in ours.values())
        if found != expected:
            size = "length" if knows_lengths else "words"
            return f"found {side} {found}, expected {expected} (place, {size}, bits)"
    return ""


def _shape(vector: Vector, with_length: bool) -> tuple[int, int, int]:
    place = vector.pc if vector.pc is not None else vector.mailbox_id
    return (place or 0, vector.length if with_length else vector.words, vector.precision)
