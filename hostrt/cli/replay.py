"""`hostrt replay RECORD --board URL`: a recording to a board, answers compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.board_options import add_board_options, board_address
from hostrt.cli.output import print_json
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from hostrt.transport.replay import ReplayDifference


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("record", metavar="RECORD", help="recording: io_records YAML or compact")
    add_board_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Send a recording; exit code 1 when the board answers otherwise."""
    from hostrt.transport.replay import read_recording, replay_to
    from hostrt.transport.url import open_transport

    address = board_address(arguments)
    if address is None:
        raise UsageError("replay needs a board", hint="name one with --board URL")
    recording = read_recording(arguments.record)
    with open_transport(address) as transport:
        differences = replay_to(recording, transport)
        url = transport.info.url
    n_requests = len(recording.entries)
    if arguments.json:
        tree = [_to_json(item) for item in differences]
        print_json({"board": url, "requests": n_requests, "differences": tree})
    else:
        print(f"{n_requests} requests sent to {url}, {len(differences)} answered otherwise")
        for item in differences:
            print(f"  {item}")
    return 1 if differences else 0


def _to_json(item: ReplayDifference) -> dict[str, object]:
    return {
        "number": item.number,
        "request": str(item.request),
        "expected": item.expected.tolist(),
        "found": item.found.tolist(),
    }
