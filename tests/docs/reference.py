"""Reference pages that mirror code: `python -m tests.docs.reference` writes them."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from firmware_protocol.requests import Space
from hostrt.chip import CHIP_NAMES, get_chip
from hostrt.cli.explain import codes
from hostrt.cli.main import (
    EXIT_BROKEN_PIPE,
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    VERBS,
)
from hostrt.config import OPTIONS
from tests.docs.pages import DOCS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firmware_protocol.registers import ChipMap


def cli_page() -> str:
    """Every verb with its arguments."""
    lines = [
        "# Commands",
        "",
        "Generated from the argument parsers. Every verb also takes `--help`, `--debug` (show a",
        "traceback when it fails), `-v` (more logging, up to `-vvv` for packets) and `-q` (errors",
        "only). Exit codes: [exit-codes](exit-codes.md); board addresses: [boards](boards.md).",
    ]
    for name, (module, line) in VERBS.items():
        parser = argparse.ArgumentParser(prog=f"hostrt {name}")
        import_module(module).configure(parser)
        lines += ["", f"## hostrt {name}", "", f"{line[0].upper()}{line[1:]}.", ""]
        lines += _arguments(parser)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for inner, sub in action.choices.items():
                    lines += ["", f"### hostrt {name} {inner}", "", *_arguments(sub)]
    return "\n".join(lines) + "\n"


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield "| argument | meaning |"
    yield "|---|---|"
    for action in parser._actions:
        if "--help" in action.option_strings:
            continue
        if isinstance(action, argparse._SubParsersAction):
            yield f"| `{action.metavar}` | {', '.join(action.choices)} |"
            continue
        yield f"| {_spelling(action)} | {_cell(action.help or '')} |"


def _spelling(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices:
        value = " / ".join(str(choice) for choice in action.choices)
    if not action.option_strings:
        more = " ..." if action.nargs == "+" else ""
        return f"`{action.metavar or action.dest}{more}`"
    takes_value = action.nargs != 0
    return ", ".join(
        _cell(f"`{flag} {value}`" if takes_value else f"`{flag}`") for flag in action.option_strings
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def configuration_page() -> str:
    """Every setting."""
    lines = [
        "# Settings",
        "",
        "Generated from the table of options. How they are layered is told in",
        "[configure](../how-to/configure.md).",
        "",
        "| setting | variable | type | default | unit | allowed | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    kinds = {str: "text", int: "whole number", float: "number"}
    for one in OPTIONS:
        allowed = ", ".join(one.choices)
        if one.minimum is not None:
            allowed = f"{'above' if one.is_above_minimum else 'at least'} {one.minimum:g}"
        default = "none" if one.default is None else f"`{one.default}`"
        lines.append(
            f"| `{one.name}` | `{one.variable}` | {kinds.get(one.kind, 'path')} | {default} "
            f"| {one.unit} | {allowed} | {one.help} |"
        )
    return "\n".join(lines) + "\n"


def chips_page() -> str:
    """Every chip's facts, memories and registers."""
    maps = [get_chip(name).map for name in CHIP_NAMES]
    lines = [
        "# Chips",
        "",
        "Generated from the register maps. Addresses are byte addresses on the APB bus; one 64-bit",
        "word of memory takes 8 bytes of addresses. Top registers are counted by the chip itself.",
        "",
        "| chip | name | cores | version | part | clock at most |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.title} | `{one.name}` | {one.n_cores} | {one.version >> 4}.{one.version & 15} "
        f"| {one.part} | {one.max_clock_mhz} MHz |"
        for one in maps
    ]
    for one in maps:
        lines += ["", f"## {one.title}", "", *_memories(one), "", *_registers(one)]
    return "\n".join(lines) + "\n"


def _memories(chip: ChipMap) -> Iterator[str]:
    yield "| core | memory | banks | first address | 64-bit words per bank | bits used |"
    yield "|---|---|---|---|---|---|"
    groups: dict[tuple[int, str, int, int], list[int]] = {}
    for region in chip.regions:
        key = (region.core, str(region.kind), region.n_dwords, region.width_bits)
        groups.setdefault(key, []).append(region.base)
    for (core, kind, n_dwords, width), bases in groups.items():
        yield f"| {core} | {kind} | {len(bases)} | `0x{bases[0]:06x}` | {n_dwords} | {width} |"


def _registers(chip: ChipMap) -> Iterator[str]:
    yield "| register | space | address | access | fields | meaning |"
    yield "|---|---|---|---|---|---|"
    for one in chip.registers.values():
        fields = ", ".join(
            f"{field.name}[{field.lsb + field.width - 1}:{field.lsb}]" for field in one.fields
        )
        yield (
            f"| `{one.name}` | {'top' if one.space is Space.TOP else 'apb'} | `0x{one.address:x}` "
            f"| {'read' if one.read_only else 'read, write'} | {_cell(fields)} | {_cell(one.doc)} |"
        )


def exit_codes_page() -> str:
    """Every exit code with the kinds of failure behind it."""
    by_code: dict[int, list[str]] = {}
    for name, kind in sorted(codes().items()):
        by_code.setdefault(kind.exit_code, []).append(name)
    lines = [
        "# Exit codes",
        "",
        "Generated from the table of errors. The exit code tells a script what kind of thing",
        "happened; the message on standard error, and `--json` on standard output, tell which.",
        "`hostrt explain CODE` explains each of the names.",
        "",
        "| exit code | meaning | names |",
        "|---|---|---|",
        "| 0 | done, and everything that was asked to be true is true | |",
    ]
    for exit_code, meaning in _EXIT_MEANINGS.items():
        names = ", ".join(f"[{name}](../errors/{name}.md)" for name in by_code.pop(exit_code, []))
        lines.append(f"| {exit_code} | {meaning} | {names} |")
    if by_code:
        raise ValueError(f"exit codes without a meaning: {sorted(by_code)}")
    return "\n".join(lines) + "\n"


_EXIT_MEANINGS = {
    1: "something that was asked to be true is not: outputs differ, a limit is exceeded",
    2: "a flag, a setting, an address or the frames cannot be used; nothing was sent",
    3: "a program file cannot be used",
    4: "the board cannot be opened",
    5: "the link to the board failed",
    6: "the board was reached and does not work as it must",
    7: "streaming fell behind its deadline",
    8: "a result could not be written",
    9: "a compiler that is a service failed",
    EXIT_BUG: "a bug in hostrt; a report file is named",
    EXIT_INTERRUPTED: "interrupted with Ctrl-C, after cleaning up",
    EXIT_BROKEN_PIPE: "whoever read the output left before its end",
    EXIT_TERMINATED: "terminated with SIGTERM, after cleaning up",
}

PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "configuration.md": configuration_page,
    "chips.md": chips_page,
    "exit-codes.md": exit_codes_page,
}
"""Generated pages of hostrt/docs/reference."""


def write_pages() -> None:
    """Write all of them."""
    for name, make in PAGES.items():
        (DOCS / "reference" / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write_pages()
