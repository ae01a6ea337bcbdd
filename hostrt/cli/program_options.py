"""Options of every verb that loads a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.chip import CHIP_NAMES
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from hostrt.program.model import Program


def add_program_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the file itself may leave open."""
    group = parser.add_argument_group("what the file may leave open")
    group.add_argument("--chip", metavar="NAME", help=f"chip: {', '.join(CHIP_NAMES)}")
    group.add_argument("--iospec", "--iospec-file", metavar="FILE", help="I/O specification YAML")
    group.add_argument("--metadata", metavar="FILE", help="metadata YAML of memory images")
    group.add_argument(
        "--key-index",
        metavar="N",
        help="encryption key of memory images, 0..31; 32: not encrypted",
    )
    group.add_argument("--salt", metavar="HEX", help="encryption salt, 64 bits")


def load_program(arguments: argparse.Namespace, paths: list[str]) -> Program:
    """Load the program that the arguments name."""
    from hostrt.program import Program

    return Program.load(
        paths,
        chip=arguments.chip,
        iospec=arguments.iospec,
        metadata=arguments.metadata,
        key_index=_number(arguments.key_index, 10, "--key-index"),
        salt=_number(arguments.salt, 16, "--salt"),
    )


def _number(text: str | None, base: int, flag: str) -> int | None:
    if text is None:
        return None
    try:
        return int(text, base)
    except ValueError as error:
        kind = "hexadecimal" if base == 16 else "decimal"
        raise UsageError(f"{flag}: found {text!r}, expected a {kind} number") from error
