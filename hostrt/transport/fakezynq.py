"""No board at all: what a ZCU104 would be sent is kept, what is read are dummies.

The dummies are those of the reference tool's fake connection (zynq-ethernet 5): every read gives
0x76543210, a stream read starts with "status OK, mailbox 0"; with given values these come first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.requests import FrameIn, expects_words
from firmware_protocol.stream import STATUS_OK
from firmware_protocol.zynq_plan import build_units
from hostrt.errors import LinkLost, UsageError
from hostrt.transport.base import Transport, TransportInfo
from hostrt.transport.drive import hostrt_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from firmware_protocol.requests import Request
    from firmware_protocol.words import Words
    from hostrt.chip.step import Wait
    from hostrt.transport.url import BoardUrl

DUMMY = 0x7654_3210
_HEADER_WORDS = 2


class FakeZynqTransport(Transport):
    """Records and answers with dummies. Waiting costs no time.

    Attributes:
        traffic: bytes that a board would have been sent by writes; reads are not sent.
        requests: everything asked, reads included.
    """

    def __init__(self, values: NDArray[np.integer] | None = None, url: str = "fakezynq") -> None:
        """Prepare the dummies.

        Args:
            values: 32-bit words (n,) given by every read, or (frames, n): row k is given by the
                k-th stream read, starting over after the last. None for the constant.
            url: address that opens it again.

        Raises:
            UsageError: not integers, or neither one nor two axes.
        """
        self.info = TransportInfo(url, "zcu104", simulated=True, answers=False, has_pll=False)
        self.traffic = bytearray()
        self.requests: list[Request] = []
        self._rows = None if values is None else _rows(values, url)
        self._n_frames = 0
        self._closed = False

    def close(self) -> None:
        """Refuse further use; what was recorded stays."""
        self._closed = True

    def _exchange(self, requests: Sequence[Request]) -> list[Words | None]:
        if self._closed:
            raise LinkLost(f"{self.info.url}: the link is closed", board=self.info.url)
        try:
            # Everything is checked as if it were sent, so that a fake run finds what cannot be.
            build_units(requests)
            writes = [request for request in requests if not expects_words(request)]
            self.traffic += build_units(writes).data
        except LocalMisuseError as error:
            raise hostrt_error(error, self.info.url) from error
        self.requests += requests
        return [self._dummy(request) if expects_words(request) else None for request in requests]

    def _dummy(self, request: Request) -> Words:
        is_stream = isinstance(request, FrameIn)
        n_words = expects_words(request)
        words = np.full(n_words, DUMMY, np.uint32)
        if self._rows is not None:
            row = self._rows[self._n_frames % len(self._rows) if is_stream else 0]
            words[:] = 0
            words[: row.size] = row[:n_words]
        if is_stream:
            self._n_frames += 1
            words[_HEADER_WORDS:] = words[:-_HEADER_WORDS].copy()
            words[:_HEADER_WORDS] = STATUS_OK, 0
        return words

    def _wait(self, wait: Wait) -> None:
        """Nothing is there that needs time."""


def open_url(url: BoardUrl) -> FakeZynqTransport:
    """Open `fakezynq`, with `?values=FILE.npy` for the words to read.

    Raises:
        UsageError: the file cannot be read, or does not hold integers in one or two axes.
    """
    url.allow("values")
    file = url.options.get("values", "")
    if not file:
        return FakeZynqTransport(url=str(url))
    try:
        with Path(file).open("rb") as stream:
            values = np.load(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(
            f"{file}: cannot be read as dummy outputs: {error}",
            hint="give a .npy file with 32-bit words, one axis or (frames, words)",
        ) from error
    return FakeZynqTransport(values, str(url))


def _rows(values: NDArray[np.integer], url: str) -> NDArray[np.uint32]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or not array.size:
        raise UsageError(
            f"{url}: dummy outputs of dtype {array.dtype} and shape {array.shape}, "
            "expected integers in one axis or (frames, words)"
        )
    rows: NDArray[np.uint32] = np.atleast_2d(array).astype(np.uint32)
    return rows
