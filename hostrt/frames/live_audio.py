"""Microphone and loudspeaker, through PortAudio.

The sound card calls from a thread of its own and must never wait: between it and the stream there
is a short queue. What a full queue cannot take is lost and counted, the oldest first; what an empty
one cannot give is silence and counted.
"""

from __future__ import annotations

import collections
import contextlib
import math
import queue
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import UsageError
from hostrt.frames.samples import check_numbers, cut_into_frames, pick_channel, resampled
from hostrt.frames.sound_device import (
    check_alive,
    device_errors,
    find_device,
    load_sounddevice,
    open_device,
    reason_of,
    usable_rate,
)
from hostrt.frames.stream_sink import FrameSink, rows_of
from hostrt.frames.stream_source import LOOK_S, FrameSource, SourceOptions, streamed_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sounddevice
    from numpy.typing import NDArray

    from hostrt.frames.frames import VectorSpec
    from hostrt.frames.stream_sink import Outputs
    from hostrt.frames.stream_source import Columns

_QUEUE_S = 0.25
_PREFILL_S = 0.05
_DRAIN_S = 2.0


class MicrophoneSource(FrameSource):
    """Sound as it is recorded. The device starts when the first block is asked for."""

    def __init__(
        self, specs: Sequence[VectorSpec], options: SourceOptions, name: str | None = None
    ) -> None:
        """Open the device, at the model's rate if it can, else at its own rate.

        Args:
            specs: the model's inputs.
            options: how it is read. With the channel "mono-mix" the device gives one channel.
            name: number, name or part of the name of the device; None: the system's.

        Raises:
            UsageError: no such device, or it cannot be opened.
            FrameError: the model's inputs cannot all be given.
            ExtraMissing: the package or PortAudio itself is not installed.
        """
        self._spec = streamed_spec("microphone", specs)
        super().__init__("microphone", specs, options, streamed=[self._spec.name])
        api = load_sounddevice()
        device = find_device(api, "input", name)
        self.title = f"microphone {device['name']}"
        self.is_live = True
        self.sample_rate = options.sample_rate
        self.n_frames = options.n_frames
        self._channel = 0 if options.channel == "mono-mix" else options.channel
        self._rate = usable_rate(api, "input", device, self._channel + 1, options.sample_rate)
        if self._rate != self.sample_rate:
            self._notes.append(f"resampled from {self._rate} Hz to {self.sample_rate} Hz")
        frames = min(options.block_frames, self._block_frames)
        size = math.ceil(frames * self._spec.length * self._rate / self.sample_rate)
        n_blocks = max(math.ceil(_QUEUE_S * self._rate / size), 4)
        self._queue: queue.Queue[NDArray[np.float32]] = queue.Queue(n_blocks)
        self._clipped = 0
        self._stream = open_device(
            api,
            "input",
            device,
            samplerate=self._rate,
            blocksize=size,
            channels=self._channel + 1,
            dtype="float32",
            callback=self._recorded,
        )
        self._held.callback(self._stream.close)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the samples so far, one sentence each."""
        lost = f"input was lost {self.overflows} times" if self.overflows else ""
        clipped = f"{self._clipped} samples clipped" if self._clipped else ""
        return (*self._notes, *filter(None, (lost, clipped)))

    def _recorded(
        self,
        samples: NDArray[np.float32],
        _count: int,
        _time: object,
        status: sounddevice.CallbackFlags,
    ) -> None:
        """Take what the sound card gives, in its own thread."""
        if status.input_overflow:
            self.overflows += 1
        if self._queue.full():
            self.overflows += 1
            # whoever reads may have made room just now
            with contextlib.suppress(queue.Empty):
                self._queue.get_nowait()
        self._queue.put_nowait(samples.copy())

    def _read(self) -> Iterator[Columns]:
        try:
            self._stream.start()
        except device_errors(load_sounddevice()) as error:
            raise UsageError(f"{self.title}: cannot be started: {reason_of(error)}") from error
        chunks = resampled(self._chunks(), self._rate, self.options.sample_rate)
        for block in cut_into_frames(
            chunks, self._spec.length, self._spec.precision, most=self._block_frames
        ):
            self._clipped += block.clipped
            yield {self._spec.name: block.frames}

    def _chunks(self) -> Iterator[NDArray[np.float64]]:
        last, count = time.monotonic(), 0
        while not self._closing.is_set():
            try:
                samples = self._queue.get(timeout=LOOK_S)
            except queue.Empty:
                check_alive(self.title, self._stream, last)
                continue
            last = time.monotonic()
            check_numbers(samples, self.title, count)
            count += len(samples)
            yield pick_channel(samples.astype(np.float64), self._channel)


class SpeakerSink(FrameSink):
    """Plays one output. It begins when 50 ms wait; a quarter of a second may wait."""

    def __init__(self, spec: VectorSpec, sample_rate: int, name: str | None = None) -> None:
        """Open the device, at the output's rate if it can, else at its own rate.

        Args:
            spec: the output.
            sample_rate: of the output, in Hz.
            name: number, name or part of the name of the device; None: the system's.

        Raises:
            UsageError: no such device, or it cannot be opened.
            ExtraMissing: the package or PortAudio itself is not installed.
        """
        api = load_sounddevice()
        device = find_device(api, "output", name)
        super().__init__(f"loudspeaker {device['name']}")
        self.spec = spec
        self._api = api
        rate = usable_rate(api, "output", device, 1, sample_rate)
        self._resampler = None
        if rate != sample_rate:
            import soxr  # type: ignore[import-untyped]

            self._resampler = soxr.ResampleStream(sample_rate, rate, 1, dtype="int32", quality="HQ")
        self._limit = max(int(_QUEUE_S * rate), 2 * math.ceil(spec.length * rate / sample_rate))
        self._prefill = max(min(int(_PREFILL_S * rate), self._limit // 2), 1)
        self._rate = rate
        self._waiting: collections.deque[NDArray[np.int32]] = collections.deque()
        self._n_waiting = 0
        self._changed = threading.Condition()
        self._started = self._draining = self._closed = False
        self._stream = open_device(
            api,
            "output",
            device,
            samplerate=rate,
            channels=1,
            dtype="int32",
            dither_off=True,
            callback=self._played,
        )

    def write(self, outputs: Outputs) -> None:
        """Queue the rows of this sink's output; waits while a quarter of a second waits already.

        Raises:
            LinkLost: the device stopped.
            LinkTimeout: it takes nothing any more.
        """
        rows = rows_of(outputs, self.spec)
        samples = rows.reshape(-1).astype(np.int32) << (32 - self.spec.precision)
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples)
        # one write may hold more than the queue takes at a time
        for low in range(0, len(samples), self._prefill):
            self._enqueue(samples[low : low + self._prefill])

    def close(self, *, interrupted: bool = False) -> None:
        """Play what waits, unless interrupted, and release the device."""
        if self._closed:
            return
        self._closed = True
        try:
            if interrupted and self._started:
                self._stream.abort()
            elif not interrupted:
                self._drain()
        finally:
            self._stream.close()

    def _enqueue(self, samples: NDArray[np.int32]) -> None:
        last = time.monotonic()
        with self._changed:
            while self._started and self._n_waiting + len(samples) > self._limit:
                if self._changed.wait(LOOK_S):
                    last = time.monotonic()
                else:
                    check_alive(self.title, self._stream, last)
            self._waiting.append(samples)
            self._n_waiting += len(samples)
            ready = self._n_waiting >= self._prefill
        if ready:
            self._start()

    def _start(self) -> None:
        if self._started:
            return
        try:
            self._stream.start()
        except device_errors(self._api) as error:
            raise UsageError(f"{self.title}: cannot be started: {reason_of(error)}") from error
        self._started = True

    def _drain(self) -> None:
        """Play to the end what waits, as long as the device takes it."""
        if self._resampler is not None:
            self._enqueue(self._resampler.resample_chunk(np.zeros(0, np.int32), last=True))
        if self._n_waiting:
            self._start()
        # silence is no underflow any more
        self._draining = True
        until = time.monotonic() + self._n_waiting / self._rate + _DRAIN_S
        with self._changed:
            while self._n_waiting and self._stream.active and time.monotonic() < until:
                self._changed.wait(LOOK_S)
        if self._started and not self._n_waiting:
            # waits for what the device itself holds
            self._stream.stop()

    def _played(
        self, out: NDArray[np.int32], count: int, _time: object, status: sounddevice.CallbackFlags
    ) -> None:
        """Give the sound card what it asks for, in its own thread."""
        with self._changed:
            done = 0
            while done < count and self._waiting:
                piece = self._waiting.popleft()
                size = min(len(piece), count - done)
                out[done : done + size, 0] = piece[:size]
                done += size
                if size < len(piece):
                    self._waiting.appendleft(piece[size:])
            out[done:, 0] = 0
            self._n_waiting -= done
            if (done < count or status.output_underflow) and not self._draining:
                self.underflows += 1
            self._changed.notify_all()
