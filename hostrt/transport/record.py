"""Writing down everything that is said to a board: `record+URL?to=FILE`.

The form follows the file name: `.yaml` and `.yml` give the reference tool's records in decimal,
`_hex.yaml` in hexadecimal, anything else the compact form of `recording`. `?form=yaml`, `hex` or
`compact` overrides it. What was said reaches the operating system with every batch, so a
recording survives the process that makes it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.records import format_record_name, format_transaction
from hostrt.errors import HostrtError, LinkLost, StorageError, UsageError
from hostrt.transport.base import Transport
from hostrt.transport.recording import Entry, encode_entry, encode_header, pieces, to_transaction
from hostrt.transport.url import open_transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.requests import Read, Request
    from firmware_protocol.words import Words
    from hostrt.chip.step import Wait
    from hostrt.transport.base import TransportInfo
    from hostrt.transport.url import BoardUrl

FORMS = ("yaml", "hex", "compact")
DEFAULT_RECORD = "session"
_OPTIONS = ("to", "form", "record")


class RecordingFile:
    """A recording being written. Every `append` is in the operating system's hands at its end."""

    def __init__(self, path: Path, form: str, info: TransportInfo) -> None:
        """Start a new recording, replacing an older one.

        Raises:
            StorageError: the file cannot be written.
            UsageError: unknown form.
        """
        if form not in FORMS:
            raise UsageError(f"recording form {form!r}, expected one of {', '.join(FORMS)}")
        self.path = path
        self._form = form
        self._is_empty = True
        self._lock = threading.Lock()
        try:
            self._file = path.open("wb", buffering=1 << 20)
        except OSError as error:
            raise self._cannot(error) from error
        if form == "compact":
            try:
                self._put(encode_header(info))
            except StorageError:
                self.close()
                raise

    def begin(self, name: str) -> None:
        """Open a record with a name of its own (YAML forms; the compact form has no names)."""
        if self._form != "compact":
            self._put(format_record_name(name, first=self._is_empty))
            self._is_empty = False

    def append(self, entries: list[Entry]) -> None:
        """Add what was said.

        Raises:
            StorageError: the file cannot be written.
        """
        if self._form == "compact":
            self._put(b"".join(map(encode_entry, entries)))
            return
        if self._is_empty:
            self.begin(DEFAULT_RECORD)
        hexadecimal = self._form == "hex"
        texts = [format_transaction(to_transaction(e), hexadecimal=hexadecimal) for e in entries]
        self._put(b"".join(texts))

    def close(self) -> None:
        """Close the file; never raises, everything is written already. What follows is dropped."""
        with self._lock, contextlib.suppress(OSError):
            # Bytes that could not be written were reported when they could not.
            self._file.close()

    def _put(self, data: bytes) -> None:
        with self._lock:
            if self._file.closed:
                return
            try:
                self._file.write(data)
                self._file.flush()
            except OSError as error:
                raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.path}: the recording cannot be written: {error}",
            hint="free some space or record to another file",
            file=str(self.path),
        )


class RecordTransport(Transport):
    """Hands everything on to another transport and writes it down.

    Waits are left to the other transport and not written down by themselves; the compact form
    keeps how long the host paused.
    """

    def __init__(self, inner: Transport, file: RecordingFile, url: str = "") -> None:
        """Record `inner` to `file`; both belong to this transport from now on."""
        self.info = replace(inner.info, url=url) if url else inner.info
        self.inner = inner
        self._file = file
        self._idle_since = time.monotonic()
        self._is_closed = False

    @property
    def window(self) -> int | None:
        """That of the other transport."""
        return self.inner.window

    def begin(self, name: str) -> None:
        """Give what follows a record name of its own, such as `init_spu`."""
        self._file.begin(name)

    def set_landmark(self, landmark: Read) -> None:
        """Pass it on."""
        self.inner.set_landmark(landmark)

    def close(self) -> None:
        """Close the link and the recording."""
        self._is_closed = True
        self.inner.close()
        self._file.close()

    def _exchange(self, requests: Sequence[Request]) -> list[Words | None]:
        if self._is_closed:
            raise LinkLost(f"{self.info.url}: the link is closed", board=self.info.url)
        idle_s = time.monotonic() - self._idle_since
        try:
            answers = self.inner.execute(requests)
        except HostrtError:
            # A full disk must not hide what happened to the board.
            with contextlib.suppress(StorageError):
                self._append(requests, None, idle_s)
            raise
        self._append(requests, answers, idle_s)
        self._idle_since = time.monotonic()
        return answers

    def _append(
        self, requests: Sequence[Request], answers: list[Words | None] | None, idle_s: float
    ) -> None:
        entries: list[Entry] = []
        for index, request in enumerate(requests):
            answer = None if answers is None else answers[index]
            for part in pieces(request):
                pause = 0.0 if entries else idle_s
                entries.append(Entry(part, answer, answers is not None, pause))
        self._file.append(entries)

    def _wait(self, wait: Wait) -> None:
        self.inner.execute([wait])

    def _now(self) -> float:
        return self.inner._now()


def open_wrapped(url: BoardUrl) -> RecordTransport:
    """Open `record+URL?to=FILE[&form=...][&record=NAME]`.

    Raises:
        UsageError: no file is named, or the form is unknown.
        StorageError: the file cannot be written.
        HostrtError: whatever opening the board raises.
    """
    file = url.options.get("to", "")
    if not file:
        raise UsageError(
            f"record+{url}: no file to record to", hint=f"add ?to=trace.yaml: record+{url}?to=..."
        )
    path = Path(file)
    form = url.option("form", _form_of(path), FORMS)
    rest = {name: value for name, value in url.options.items() if name not in _OPTIONS}
    inner = open_transport(replace(url, options=rest))
    try:
        recording = RecordingFile(path, form, inner.info)
    except HostrtError:
        inner.close()
        raise
    outer = replace(url, wrappers=("record", *url.wrappers))
    transport = RecordTransport(inner, recording, str(outer))
    if "record" in url.options:
        transport.begin(url.options["record"])
    return transport


def _form_of(path: Path) -> str:
    if path.suffix.lower() not in (".yaml", ".yml"):
        return "compact"
    return "hex" if path.stem.lower().endswith("_hex") else "yaml"
