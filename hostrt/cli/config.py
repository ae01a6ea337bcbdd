"""`hostrt config`: every setting, its value and who said so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.output import note, print_json, print_table

if TYPE_CHECKING:
    import argparse

    from hostrt.config import Option, Setting


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("action", nargs="?", choices=("show",), default="show", help="show (usual)")
    parser.add_argument("--origin", action="store_true", help="say where each value comes from")
    parser.add_argument("--serial", metavar="S", help='as seen by the board of [board."S"]')
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Show the settings that hold in this folder."""
    from hostrt.config import config_files, option, resolve_all

    settings = [(option(one.name), one) for one in resolve_all(serial=arguments.serial)]
    files = [str(path) for path in config_files()]
    if arguments.json:
        print_json(
            {"files": files, "settings": {one.name: _to_json(kind, one) for kind, one in settings}}
        )
        return 0
    header = ["setting", "value", "unit", *(["origin"] if arguments.origin else []), "meaning"]
    rows = [
        [
            one.name,
            "-" if one.value is None else str(one.value),
            kind.unit or "-",
            *([one.origin] if arguments.origin else []),
            kind.help,
        ]
        for kind, one in settings
    ]
    print_table(header, rows)
    note(f"files read: {', '.join(files) or 'none'}")
    return 0


def _to_json(kind: Option, one: Setting) -> dict[str, object]:
    is_plain = one.value is None or isinstance(one.value, int | float)
    value = one.value if is_plain else str(one.value)
    return {"value": value, "unit": kind.unit, "origin": one.origin}
