"""Standard output as a sink: samples without a header for whoever reads the pipe."""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import TYPE_CHECKING

from hostrt.errors import StorageError, UsageError
from hostrt.frames.stream_sink import FrameSink, raw_bytes, rows_of

if TYPE_CHECKING:
    from hostrt.frames.frames import VectorSpec
    from hostrt.frames.stream_sink import Outputs

_LOOK_S = 0.1


class PcmSink(FrameSink):
    """Little-endian samples into a file descriptor: s8, s16le, or s32le for 24 bits.

    A reader that goes away ends the sink and is no error. One that does not read holds `write` up
    until it does, or until `close` is called from another thread.
    """

    def __init__(self, title: str, descriptor: int, spec: VectorSpec) -> None:
        """Take over a descriptor that is open for writing; it is closed with the sink."""
        super().__init__(title)
        self.spec = spec
        self._descriptor = descriptor
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._is_open = True

    def write(self, outputs: Outputs) -> None:
        """Write the rows of this sink's output."""
        rest = memoryview(raw_bytes(rows_of(outputs, self.spec)))
        with self._lock:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            while rest and not (self.ended or self._closing.is_set()):
                if poll.poll(_LOOK_S * 1000):
                    rest = rest[self._put(rest[: select.PIPE_BUF]) :]

    def close(self, *, interrupted: bool = False) -> None:
        """Close the pipe."""
        self._closing.set()
        with self._lock:
            if self._is_open:
                self._is_open = False
                os.close(self._descriptor)

    def _put(self, piece: memoryview) -> int:
        try:
            # a pipe that can be written takes this much without waiting
            return os.write(self._descriptor, piece)
        except BrokenPipeError:
            self.ended = True
            return 0
        except OSError as error:
            raise StorageError(
                f"cannot write {self.title}: {error.strerror}", hint="check where it leads"
            ) from error


def open_stdout(spec: VectorSpec) -> PcmSink:
    """Write samples to standard output.

    Raises:
        UsageError: it is closed or a terminal.
    """
    title = "standard output"
    try:
        descriptor = sys.stdout.fileno()
        is_terminal = os.isatty(descriptor)
        sys.stdout.flush()
        # a descriptor of its own: Python's end of the program must not find the pipe broken
        own = os.dup(descriptor)
    except (AttributeError, ValueError, OSError) as error:
        raise UsageError(f"{title}: is closed, expected a pipe or a file") from error
    if is_terminal:
        os.close(own)
        raise UsageError(
            f"{title}: is a terminal, expected a pipe or a file",
            hint="for example: ... | aplay -f S16_LE -r 16000",
        )
    return PcmSink(title, own, spec)
