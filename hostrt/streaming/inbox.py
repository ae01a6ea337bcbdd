"""Frames that have come and wait: a thread reads the source ahead into a short queue."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hostrt.frames.frames import Frames
    from hostrt.runner.feed import Block

_BLOCKS_AHEAD = 4
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A frame that has come.

    Attributes:
        block: the block that it lies in.
        index: its place in the block.
        ready_s: when the block came, on the clock of `time.perf_counter`.
    """

    block: Block
    index: int
    ready_s: float


class Arrivals(Protocol):
    """Where an engine takes its frames from."""

    def take(self) -> Arrival | None:
        """Give the next frame, waiting for it; None when there are no more."""

    def peek(self) -> Arrival | None:
        """Give the frame that `take` would give, if it is there already."""


class Inbox:
    """Blocks of a source, read and encoded by a thread of its own.

    At most a few blocks are held: a source that gives more is not asked for the next one.
    """

    def __init__(
        self,
        blocks: Iterable[Frames],
        encode: Callable[[Frames], Block],
        stopped: Callable[[], bool],
    ) -> None:
        """Prepare; `start` begins reading.

        Args:
            blocks: what the source gives.
            encode: makes them ready to be sent.
            stopped: tells that nobody will take frames any more.
        """
        self._blocks = blocks
        self._encode = encode
        self._stopped = stopped
        self._queue: queue.Queue[tuple[Block, float] | BaseException | None] = queue.Queue(
            _BLOCKS_AHEAD
        )
        self._thread = threading.Thread(target=self._read, name="hostrt-stream-source", daemon=True)
        self._current: tuple[Block, float] | None = None
        self._index = 0
        self._ended = False

    def start(self) -> None:
        """Begin reading."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread, after whatever it reads was closed."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def take(self) -> Arrival | None:
        """See `Arrivals.take`.

        Raises:
            HostrtError: what the source raised, after all frames before it were taken.
        """
        while not self._ended:
            found = self._here()
            if found is not None:
                self._index += 1
                return found
            self._fetch(_LOOK_S)
            if self._stopped():
                return None
        return None

    def peek(self) -> Arrival | None:
        """See `Arrivals.peek`; an error of the source is left for `take`."""
        found = self._here()
        if found is None and not self._ended:
            with self._queue.mutex:
                head = self._queue.queue[0] if self._queue.queue else None
            if isinstance(head, tuple):
                self._fetch(0.0)
                found = self._here()
        return found

    def _here(self) -> Arrival | None:
        if self._current is None:
            return None
        block, ready_s = self._current
        if self._index >= block.frames.n_frames:
            self._current = None
            return None
        return Arrival(block, self._index, ready_s)

    def _fetch(self, timeout_s: float) -> None:
        try:
            item = self._queue.get(timeout=timeout_s) if timeout_s else self._queue.get_nowait()
        except queue.Empty:
            return
        if isinstance(item, tuple):
            self._current, self._index = item, 0
            return
        self._ended = True
        if item is not None:
            raise item

    def _read(self) -> None:
        try:
            for frames in self._blocks:
                if not self._put((self._encode(frames), time.perf_counter())):
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the thread that takes frames
            self._put(error)
        else:
            self._put(None)

    def _put(self, item: tuple[Block, float] | BaseException | None) -> bool:
        while not self._stopped():
            try:
                self._queue.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
            return True
        return False
