"""`hostrt compile MODEL`: an FQIR model into a program, by the open compiler or another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.compiler_options import OPEN, add_compiler_options, compile_with
from hostrt.cli.output import note, print_json, say
from hostrt.errors import ProgramUnsupported, UsageError

if TYPE_CHECKING:
    import argparse

    from hostrt.fasmir.assembly import Assembly
    from hostrt.program.model import Program


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    from hostrt.chip import CHIP_NAMES

    parser.add_argument("model", metavar="MODEL", help="FQIR model (.pt) or assembly (.fasm)")
    parser.add_argument("-o", "--output-dir", type=Path, default=Path("model_datas"), metavar="DIR")
    parser.add_argument("--chip", metavar="NAME", help=f"chip: {', '.join(CHIP_NAMES)}")
    parser.add_argument("--cores", type=int, metavar="N", help="cores (default: as few as hold it)")
    parser.add_argument("--iospec", metavar="FILE", help="I/O specification YAML")
    parser.add_argument("--latched", metavar="LIST", help="inputs that keep their value")
    parser.add_argument(
        "--debug-vars", metavar="LIST", help="variables to keep in memory: names with commas, all"
    )
    parser.add_argument("--slot", type=int, default=0, metavar="N", help="model number, 0..9")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_compiler_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compile one model and write every program file of it."""
    from hostrt.cli.export import export_program, folder_name, safe_name
    from hostrt.fasmir.text import format_assembly
    from hostrt.files import write_file

    is_text = arguments.model.endswith(".fasm")
    made = _assemble(arguments) if is_text else _compile(arguments)
    program = made.program
    folder = arguments.output_dir / folder_name(program)
    written = export_program(program, folder, slot=arguments.slot)
    stem = f"{safe_name(program.name)}_{program.chip}"
    fasm, images = folder / f"{stem}.fasm", folder / f"{stem}.zip"
    files = [str(path) for path in (images, *written)]
    program.save(images)
    if made.assembly is not None:
        write_file(fasm, format_assembly(made.assembly).encode())
        files.insert(0, str(fasm))
    if arguments.json:
        print_json(_to_json(made, folder, files))
        return 0
    for item in made.notes:
        note(f"note: {item}")
    if made.usage:
        say(made.usage)
    for path in files:
        say(path)
    return 0


@dataclass(frozen=True, slots=True)
class _Made:
    """What is written: images, their assembly if it is known, and what is worth saying."""

    program: Program
    assembly: Assembly | None
    notes: tuple[str, ...] = ()
    usage: str = ""


def _compile(arguments: argparse.Namespace) -> _Made:
    from hostrt.fqir.load import load_model
    from hostrt.runner.fqir_io import io_of_model

    if arguments.compiler != OPEN and arguments.debug_vars is not None:
        raise UsageError("--debug-vars is for the open compiler only", hint="leave it away")
    model = load_model(arguments.model)
    latched = [name for name in (arguments.latched or "").split(",") if name]
    io = io_of_model(model, arguments.iospec, latched)
    for item in io.notes if not arguments.json else ():
        note(f"note: {item}")
    made = compile_with(arguments, model, io.iospec)
    return _Made(made.program, made.assembly, made.notes, made.usage)


def _assemble(arguments: argparse.Namespace) -> _Made:
    """Make a program of assembly text; its I/O specification is named or lies beside it."""
    from firmware_protocol.errors import LocalMisuseError
    from hostrt.fasmir.image import program_of
    from hostrt.fasmir.parse import parse_assembly
    from hostrt.program.intake import Budgets, read_source
    from hostrt.program.load import read_iospec
    from hostrt.program.sidecar import usual_names

    flags = ("chip", "cores", "latched", "debug_vars", "opt_profile", "compiler_setting")
    for flag in flags:
        if getattr(arguments, flag) is not None:
            raise UsageError(f"--{flag.replace('_', '-')} is for models, not for assembly")
    path = Path(arguments.model)
    data, name = read_source(path, Budgets())
    assembly = parse_assembly(data.decode("utf-8", "replace"), name)
    named = arguments.iospec or next((one for one in usual_names(path) if one.is_file()), None)
    iospec = read_iospec(named) if named is not None else None
    notes = () if iospec else ("without an I/O specification the program cannot be run",)
    try:
        return _Made(program_of(assembly, iospec), assembly, notes)
    except LocalMisuseError as error:
        raise ProgramUnsupported(
            f"{name} does not fit {assembly.chip}: {error}", hint="see hostrt/docs/open-isa.md"
        ) from error


def _to_json(made: _Made, folder: Path, files: list[str]) -> dict[str, object]:
    program = made.program
    tree: dict[str, object] = {
        "folder": str(folder),
        "files": files,
        "chip": program.chip,
        "sha256": program.sha256,
        "notes": list(made.notes),
    }
    if made.assembly is not None:
        tree["cores"] = {
            str(core.number): {"instructions": len(core.lines), "words": core.n_words}
            for core in made.assembly.cores
        }
    return tree
