"""`hostrt diff A B`: where two programs differ. Exit code 1 when they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.output import print_json, print_table, say
from hostrt.cli.program_options import add_program_options, load_program

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("a", metavar="A", help="a program")
    parser.add_argument("b", metavar="B", help="another program, in any format")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_program_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare two programs."""
    from hostrt.program.difference import compare_programs

    first = load_program(arguments, [arguments.a])
    second = load_program(arguments, [arguments.b])
    difference = compare_programs(first, second)
    if arguments.json:
        print_json(difference.to_json())
    elif difference.same:
        say("the programs are the same")
    else:
        for name, (a, b) in difference.fields.items():
            say(f"{name}: {a} | {b}")
        rows = [
            [
                item.core,
                item.bank,
                f"{item.sizes[0]} | {item.sizes[1]}",
                item.n_words,
                item.first,
                " | ".join("-" if v is None else f"0x{v:016x}" for v in item.values),
            ]
            for item in difference.banks
        ]
        if rows:
            print_table(["core", "bank", "words", "differ", "first", "there"], rows)
    return 0 if difference.same else 1
