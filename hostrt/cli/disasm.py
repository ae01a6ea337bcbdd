"""`hostrt disasm FILE`: a program in the open instruction set as assembly text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.output import print_json, say
from hostrt.cli.program_options import add_program_options, load_program

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("file", nargs="+", help="program file or PROG pair")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write text here")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_program_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Disassemble one program."""
    from hostrt.fasmir.disassemble import disassemble
    from hostrt.fasmir.text import format_assembly
    from hostrt.files import write_file

    assembly = disassemble(load_program(arguments, arguments.file))
    text = format_assembly(assembly)
    if arguments.output is not None:
        write_file(arguments.output, text.encode())
    if arguments.json:
        cores = {str(core.number): len(core.lines) for core in assembly.cores}
        place = None if arguments.output is None else str(arguments.output)
        tree: dict[str, object] = {"chip": assembly.chip, "instructions": cores, "file": place}
        print_json(tree if place else {**tree, "text": text})
    elif arguments.output is None:
        say(text.rstrip("\n"))
    else:
        say(f"wrote {arguments.output}")
    return 0
