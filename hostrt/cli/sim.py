"""`hostrt sim`: simulated boards for any client."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from typing import TYPE_CHECKING

from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from hostrt.sim.serve import BoardServer


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the sub-verbs and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    serve = actions.add_parser("serve", help="serve virtual boards until interrupted")
    serve.add_argument("--evk2", metavar="HOST:PORT", help="virtual EVK2: 64-byte reports over TCP")
    serve.add_argument("--zcu104", metavar="HOST:PORT", help="virtual ZCU104 (spu001 only)")
    serve.add_argument("--chip", default="spu001", help="spu001, spu150tc1 or spu150")
    serve.add_argument(
        "--usb-speed",
        choices=("full", "high", "unlimited"),
        default="unlimited",
        help="pace the EVK2 like a USB bus",
    )
    serve.add_argument(
        "--answer",
        default="execute",
        metavar="execute|echo|FILE",
        help="execute what is loaded, echo inputs, or answer with the outputs in FILE",
    )
    serve.add_argument(
        "--program", default="", metavar="FILE", help="declares inputs and outputs for echo"
    )
    serve.add_argument("--faults", default="", metavar="PLAN", help="such as lose@500,split~0.1")
    serve.add_argument("--seed", type=int, default=0, help="seed of random faults")
    serve.add_argument("--serial", default="", help="serial number of the EVK2")
    serve.add_argument("--manufacturer", default="", help="manufacturer string of the EVK2")
    serve.add_argument("--product", default="", help="product string of the EVK2")
    serve.add_argument("--json", action="store_true", help="print the addresses as one JSON line")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    from hostrt.sim.registry import ServedBoard, announced

    with _stop_signal() as stop, contextlib.ExitStack() as stack:
        identity, servers = _servers(arguments)
        for _, server in servers:
            stack.callback(server.stop)
        urls = [url for url, _ in servers]
        for _, server in servers:
            server.start()
        stack.enter_context(
            announced(ServedBoard(os.getpid(), tuple(urls), arguments.chip, identity))
        )
        if arguments.json:
            tree = {"pid": os.getpid(), "chip": arguments.chip, "serial": identity, "urls": urls}
            print(json.dumps(tree), flush=True)
        else:
            print("\n".join(urls), flush=True)
        stop.wait()
    return 0


def _servers(arguments: argparse.Namespace) -> tuple[str, list[tuple[str, BoardServer]]]:
    """Make the servers asked for; give the EVK2's serial number and (address, server) pairs."""
    from hostrt.sim.serving import ServeOptions, evk2_server, zcu104_server

    if not arguments.evk2 and not arguments.zcu104:
        raise UsageError("nothing to serve", hint="add --evk2 127.0.0.1:0 or --zcu104 127.0.0.1:0")
    options = ServeOptions(
        chip=arguments.chip,
        answer=arguments.answer,
        program=arguments.program,
        usb_speed=arguments.usb_speed,
        faults=arguments.faults,
        seed=arguments.seed,
        serial=arguments.serial,
        manufacturer=arguments.manufacturer,
        product=arguments.product,
    )
    servers: list[tuple[str, BoardServer]] = []
    try:
        if arguments.evk2:
            servers.append(evk2_server(arguments.evk2, options))
        if arguments.zcu104:
            servers.append(zcu104_server(arguments.zcu104, options))
    except BaseException:
        for _, server in servers:
            server.stop()
        raise
    return options.identity().serial, servers


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set instead of ending the process."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
