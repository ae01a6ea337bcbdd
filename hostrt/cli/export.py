"""`hostrt export MODEL`: the program files alone, under the names the board's firmware reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.output import print_json, say
from hostrt.cli.program_options import add_program_options, load_program

if TYPE_CHECKING:
    import argparse

    from hostrt.files import Contents
    from hostrt.program.model import Program

RECORDS = Path("io_records") / "apb_records"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", nargs="+", metavar="MODEL", help="program file or LOOPBACK")
    parser.add_argument("-o", "--output-dir", type=Path, default=Path("model_datas"), metavar="DIR")
    parser.add_argument("--slot", type=int, default=0, metavar="N", help="model number, 0..9")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_program_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write every program file of a model."""
    program = load_program(arguments, arguments.model)
    folder = arguments.output_dir / folder_name(program)
    written = export_program(program, folder, slot=arguments.slot)
    if arguments.json:
        print_json({"folder": str(folder), "files": [str(path) for path in written]})
    else:
        for path in written:
            say(str(path))
    return 0


def folder_name(program: Program) -> str:
    """Name the model's folder as the reference tool does: model, chip, key."""
    suffix = ""
    if program.encryption is None:
        suffix = "_noenc"
    elif program.encryption.key_index:
        suffix = f"_key{program.encryption.key_index}"
    return f"{safe_name(program.name)}_{program.chip}{suffix}"


def export_program(program: Program, folder: Path, *, slot: int = 0) -> list[Path]:
    """Write `.femto`, metadata, IOSpec and the PROG pairs of a program into `folder`."""
    from firmware_protocol.iospec import format_iospec
    from hostrt.files import make_folder, write_files
    from hostrt.program.images_file import members_of
    from hostrt.program.prog_file import init_from_program, prog_from_program
    from hostrt.program.sd_card import write_sd

    stem = f"{safe_name(program.name)}_{program.chip}"
    records = folder / RECORDS
    make_folder(records)
    # first, because it knows which slots there are
    on_card = write_sd(program, records, slot)
    program.save(folder / f"{stem}.femto")
    files: dict[Path, Contents] = {}
    files[folder / f"{stem}_metadata.yaml"] = members_of(program)["metadata.yaml"]
    if program.iospec is not None:
        files[folder / f"{stem}_iospec.yaml"] = format_iospec(program.iospec).encode()
    for name, pair in (
        ("program_network", prog_from_program(program)),
        ("init_spu", init_from_program(program)),
    ):
        if pair[0]:
            files |= {
                records / f"{name}_{side}": data for side, data in zip("AD", pair, strict=True)
            }
    write_files(files)
    return [folder / f"{stem}.femto", *files, *on_card]


def safe_name(name: str) -> str:
    """Give a name that every file system takes."""
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in name)
