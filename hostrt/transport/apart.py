"""Boards in a process of their own: `apart+URL`, such as `apart+sim://spu001`.

A simulated board computes in Python; beside a stream in real time it belongs into another process,
where it takes no turns from it. Everything else about the board stays as it is: steps go over
whole, so that polls and waits are made there, and errors come back as what they are.

Options: `patience`, seconds that an answer may take longer than the steps themselves allow.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from hostrt.chip.step import FrameIn, FrameOut, Poll, Read, Wait, Write
from hostrt.errors import BoardUnavailable, LinkCorrupt, LinkLost, LinkTimeout, UsageError
from hostrt.transport.apart_wire import (
    Channel,
    Kind,
    Message,
    decode_error,
    decode_info,
    decode_results,
    encode_steps,
    from_json,
    to_json,
)
from hostrt.transport.base import Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.words import Words
    from hostrt.chip.step import Request, Step
    from hostrt.transport.base import TransportInfo
    from hostrt.transport.url import BoardUrl

PATIENCE_S = 30.0
_PER_WORD_S = 5e-4
"""The slowest bus that is simulated carries a word in a fifth of it."""
_LEAVE_S = 2.0
_START_S = 60.0
_SAID_BYTES = 2000
_PREFIX = "apart+"


class _Child:
    """The process, the socket to it and what it writes on its standard output and error."""

    def __init__(self) -> None:
        """Start a new interpreter that finds modules where this one does.

        Raises:
            OSError: it cannot be started.
        """
        paths = [os.path.abspath(path) for path in sys.path]  # noqa: PTH100 - keeps links as they are
        with contextlib.ExitStack() as undo:
            self.link, theirs = socket.socketpair()
            undo.enter_context(self.link)
            # a file and not a pipe: nobody has to read it while the child lives
            self._said = undo.enter_context(tempfile.TemporaryFile())
            with theirs:
                self.process = subprocess.Popen(
                    # -P: no module of the current folder gets in the way
                    [sys.executable, "-P", "-m", "hostrt.transport.apart_child"],
                    stdin=theirs.fileno(),
                    stdout=self._said,
                    stderr=self._said,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                    process_group=0,  # Ctrl-C at the terminal is for this process alone
                )
            undo.pop_all()

    def obituary(self) -> str:
        """Say how the process ended, and what it said last."""
        name = f"the board's process {self.process.pid}"
        try:
            code = self.process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            return f"{name} hung up"
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _SAID_BYTES))
        said = self._said.read().decode(errors="replace").strip()
        return f"{name} {how}{': ' if said else ''}{said.rpartition(chr(10))[2]}"

    def end(self) -> None:
        """Let the process end now that its socket is shut, by force if it does not."""
        self.link.close()
        try:
            self.process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_LEAVE_S)
        self._said.close()


class ApartTransport(Transport):
    """A board in a child process.

    Attributes:
        process_id: of the child.
    """

    def __init__(self, url: BoardUrl, patience_s: float = PATIENCE_S) -> None:
        """Start a process and open `url` in it.

        Raises:
            BoardUnavailable: no process can be started.
            HostrtError: whatever opening the board raises.
        """
        self._url = f"{_PREFIX}{url}"
        self._patience_s = patience_s
        self._busy = threading.Lock()
        self._lost = ""
        self._closed = threading.Event()
        try:
            self._child = _Child()
        except OSError as error:
            raise BoardUnavailable(
                f"{self._url}: no process for the board: {error}",
                hint="leave out apart+ to keep the board in this process",
            ) from error
        self.process_id = self._child.process.pid
        self._channel = Channel(self._child.link)
        try:
            self.info = self._open(url)
        except BaseException:
            self.close()
            raise

    def execute(self, steps: Sequence[Step]) -> list[Words | None]:
        """Have `steps` executed in the child; see `Transport.execute`."""
        text, words = encode_steps(steps)
        reply = self._ask(Kind.EXECUTE, text, words, self._patience_s + _least_s(steps))
        return decode_results(reply.words, len(steps))

    @property
    def window(self) -> int | None:
        """Requests that may be in flight now, None when that is not known."""
        told = self._tell("window")
        return None if told is None else int(told)

    def set_landmark(self, landmark: Read) -> None:
        """Pass it on."""
        self._ask(Kind.LANDMARK, *encode_steps([landmark]), self._patience_s)

    def close(self) -> None:
        """Close the board and end the child, by force if it does not."""
        self._closed.set()
        with contextlib.suppress(OSError):
            # wakes whoever waits for an answer, and tells the child
            self._channel.link.shutdown(socket.SHUT_RDWR)
        # A signal handler may be closing what it interrupts: that waiter is not to be waited for.
        is_free = self._busy.acquire(timeout=2 * _LEAVE_S)
        try:
            self._child.end()
        finally:
            if is_free:
                self._busy.release()

    def _exchange(self, requests: Sequence[Request]) -> list[Words | None]:
        return self.execute(requests)

    def _now(self) -> float:
        return self._tell("now") or 0.0

    def _tell(self, name: str) -> float | None:
        """Ask the child for a number that changes."""
        told = from_json(self._ask(Kind.TELL, b"", b"", self._patience_s).text).get(name)
        if not isinstance(told, float | int | None):
            raise LinkCorrupt(f"{self._url}: {name} is {told!r}")
        return told

    def _open(self, url: BoardUrl) -> TransportInfo:
        level = logging.getLogger("hostrt").getEffectiveLevel()
        wanted = to_json({"url": str(url), "prefix": _PREFIX, "level": level})
        told = from_json(self._ask(Kind.OPEN, wanted, b"", _START_S + self._patience_s).text)
        return decode_info(told.get("info"))

    def _ask(self, kind: Kind, text: bytes, words: bytes, timeout_s: float) -> Message:
        with self._busy:
            reply = self._exchange_messages(kind, text, words, timeout_s)
        if reply.text or reply.kind is not Kind.DONE:
            tree = from_json(reply.text)
            _log(tree.get("log"))
            if reply.kind is not Kind.DONE:
                raise decode_error(tree)
        return reply

    def _exchange_messages(
        self, kind: Kind, text: bytes, words: bytes, timeout_s: float
    ) -> Message:
        if self._closed.is_set() or self._lost:
            raise self._gone(self._lost or "the link is closed")
        # Whatever ends this early, Ctrl-C too, leaves an answer behind that nobody waits for.
        self._lost = "an earlier request was given up"
        try:
            if self._channel.link.gettimeout() != timeout_s:
                self._channel.link.settimeout(timeout_s)
            self._channel.send(kind, text, words)
            reply = self._channel.receive()
        except TimeoutError as error:
            self._lost = f"the board's process {self.process_id} did not answer in time"
            raise LinkTimeout(
                f"{self._url}: the board's process {self.process_id} gave no answer within "
                f"{timeout_s:g} s",
                hint="open the board again; ?patience=SECONDS allows longer answers",
                board=self._url,
            ) from error
        except OSError as error:
            self._lost = "the link is closed" if self._closed.is_set() else self._child.obituary()
            raise self._gone(self._lost) from error
        self._lost = ""
        return reply

    def _gone(self, why: str) -> LinkLost:
        return LinkLost(f"{self._url}: {why}", hint="open the board again", board=self._url)


def open_wrapped(url: BoardUrl) -> ApartTransport:
    """Open `apart+URL[?patience=SECONDS]`.

    Raises:
        UsageError: the patience makes no sense.
        BoardUnavailable: no process can be started.
        HostrtError: whatever opening the board raises.
    """
    rest = dict(url.options)
    text = rest.pop("patience", str(PATIENCE_S))
    try:
        patience_s = float(text)
    except ValueError:
        patience_s = 0.0
    if not 0 < patience_s < float("inf"):
        raise UsageError(f"apart+{url}: patience={text!r}, expected seconds above 0")
    transport = ApartTransport(replace(url, options=rest), patience_s)
    if "patience" in url.options:
        from hostrt.transport.url import parse_url

        opened = parse_url(transport.info.url)
        named = replace(opened, options={**opened.options, "patience": text})
        transport.info = replace(transport.info, url=str(named))
    return transport


def _least_s(steps: Sequence[Step]) -> float:
    """Give the seconds that `steps` may take by their own account."""
    seconds = 0.0
    for step in steps:
        if isinstance(step, Poll):
            seconds += step.timeout_s
        elif isinstance(step, Wait):
            seconds += step.seconds
        elif isinstance(step, Write | FrameOut):
            seconds += step.words.size * _PER_WORD_S
        elif isinstance(step, Read | FrameIn):
            seconds += step.n_words * _PER_WORD_S
    return seconds


def _log(records: object) -> None:
    """Log here what was logged in the child."""
    for name, level, text in records if isinstance(records, list) else ():
        logging.getLogger(str(name)).log(int(level), "%s", text)
