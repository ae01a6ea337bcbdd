"""`hostrt docker`: containers of the vendor's compile service that were left running."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from hostrt.cli.output import note, print_json, print_table, say

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "action",
        choices=("cleanup", "logs"),
        help="cleanup stops containers of the compile service and no others; logs shows what they "
        "wrote",
    )
    parser.add_argument(
        "--image",
        default="",
        metavar="IMAGE",
        help="image of the service besides the vendor's (default: FEMTOCRUX_SERVER_IMAGE_NAME)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would be stopped")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Stop containers, or show their logs."""
    if arguments.action == "logs":
        return _logs(arguments)
    from hostrt.compiler.containers import cleanup

    found = cleanup(arguments.image, dry_run=arguments.dry_run)
    if arguments.json:
        print_json({"stopped": not arguments.dry_run, "containers": [asdict(one) for one in found]})
    elif found:
        rows = [(one.name, one.image, one.identity[:12]) for one in found]
        print_table(("container", "image", "id"), rows)
        note("nothing was stopped (--dry-run)" if arguments.dry_run else f"stopped {len(found)}")
    else:
        note("no container of the compile service is running")
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    from hostrt.compiler.containers import read_logs

    logs = read_logs(arguments.image)
    if arguments.json:
        print_json({"containers": logs})
        return 0
    for name, text in logs.items():
        say(f"{name}:\n{text.rstrip()}")
    if not logs:
        note("no container of the compile service is running")
    return 0
