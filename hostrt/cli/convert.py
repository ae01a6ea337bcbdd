"""`hostrt convert IN OUT`: a program in another format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.output import note, print_json, say
from hostrt.cli.program_options import add_program_options, load_program
from hostrt.program.save import FORMATS, format_of

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("file", nargs="+", metavar="IN", help="program file, PROG pair or folder")
    parser.add_argument("out", metavar="OUT", help="NAME.femto, NAME.zip, NAME_A or a folder")
    parser.add_argument("--format", choices=FORMATS, help="format of OUT, when its name is unclear")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_program_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert one program and say what was lost."""
    program = load_program(arguments, arguments.file)
    form = arguments.format or format_of(arguments.out)
    lost = program.save(arguments.out, form=form)
    if arguments.json:
        print_json(
            {
                "source": program.source.path,
                "target": arguments.out,
                "format": form,
                "lost": list(lost),
                "sha256": program.sha256,
            }
        )
    else:
        say(f"wrote {arguments.out} ({form})")
        for item in lost:
            note(f"warning: a {form} cannot hold {item}")
        for item in program.notes:
            note(f"note: {item}")
    return 0
