"""The process that a board of `apart+URL` lives in: opens it and does what its client says.

Started by `hostrt.transport.apart` with a connected socket as standard input; ends when that
socket does.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from hostrt.chip.step import Read
from hostrt.errors import HostrtError, LinkCorrupt
from hostrt.transport.apart_wire import (
    Channel,
    Kind,
    Message,
    decode_steps,
    encode_error,
    encode_results,
    from_json,
    to_json,
)
from hostrt.transport.url import open_transport

if TYPE_CHECKING:
    from hostrt.transport.base import Transport


class _Collector(logging.Handler):
    """Keeps what is logged until the next answer takes it to the client's log."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append((record.name, record.levelno, record.getMessage()))

    def take(self) -> list[tuple[str, int, str]]:
        records, self.records = self.records, []
        return records


def serve(channel: Channel) -> None:
    """Open the board that the first message names and execute until the client is gone.

    Raises:
        LinkCorrupt: a message breaks the rules.
    """
    log = _Collector()
    logger = logging.getLogger("hostrt")
    logger.addHandler(log)
    transport: Transport | None = None
    try:
        while True:
            message = channel.receive()
            text: dict[str, object]
            try:
                if transport is None:
                    transport = _open(message, logger)
                    text, words = {"info": asdict(transport.info)}, b""
                else:
                    text, words = _answer(transport, message)
                kind = Kind.DONE
            except HostrtError as error:
                kind, text, words = Kind.FAILED, encode_error(error), b""
            if log.records:
                text["log"] = log.take()
            channel.send(kind, to_json(text) if text else b"", words)
    except OSError:
        pass  # the client is gone, as it is after every close
    finally:
        logger.removeHandler(log)
        if transport is not None:
            transport.close()


def main() -> None:
    """Serve the client behind standard input."""
    # Ctrl-C is for the client, who closes this process in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as link:
        serve(Channel(link))


def _open(message: Message, logger: logging.Logger) -> Transport:
    wanted = from_json(message.text)
    level = wanted.get("level")
    if message.kind is not Kind.OPEN or not isinstance(level, int):
        raise LinkCorrupt(f"{message.kind.name}, expected the address of a board")
    logger.setLevel(level)
    transport = open_transport(str(wanted.get("url")))
    # Whatever fails from now on names the address that the client used.
    prefix = str(wanted.get("prefix"))
    transport.info = replace(transport.info, url=f"{prefix}{transport.info.url}")
    return transport


def _answer(transport: Transport, message: Message) -> tuple[dict[str, object], bytes]:
    if message.kind is Kind.TELL:
        return {"now": transport._now(), "window": transport.window}, b""
    steps = decode_steps(message)
    if message.kind is Kind.EXECUTE:
        return {}, encode_results(transport.execute(steps))
    if message.kind is Kind.LANDMARK and len(steps) == 1 and isinstance(steps[0], Read):
        transport.set_landmark(steps[0])
        return {}, b""
    raise LinkCorrupt(f"{message.kind.name} with {len(steps)} steps")


if __name__ == "__main__":
    main()
