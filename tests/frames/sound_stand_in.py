"""A stand-in for the package `sounddevice`: devices whose thread calls back when a test says so.

It keeps the rules of the real one: callbacks come from a thread of the device, with arrays that are
only valid during the call; nothing is called before `start` or after `stop` has returned.
"""

from __future__ import annotations

import threading
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class PortAudioError(Exception):
    """What the package raises for devices."""


class Sound(ModuleType):
    """The package.

    Attributes:
        devices: what is plugged in.
        rates: rates that the devices have, in Hz.
        streams: what was opened.
        made: samples that a microphone gives, one array per callback.
        played: what a loudspeaker played.
        flags: what the next callbacks are told about lost samples.
    """

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.devices = [
            {"name": "Desk: USB (hw:1,0)", "max_input_channels": 2, "max_output_channels": 0},
            {"name": "Box", "max_input_channels": 0, "max_output_channels": 2},
        ]
        self.rates = {16000, 48000}
        self.streams: list[Stream] = []
        self.played: list[NDArray[np.generic]] = []
        self.flags = SimpleNamespace(input_overflow=False, output_underflow=False)
        self.made: Callable[[int, int], NDArray[np.floating]] = lambda number, size: np.full(
            size, number / 32768
        )
        self.is_busy = False
        self.starts = True

    def query_devices(self, device: int | str | None = None, kind: str | None = None) -> Any:
        found = [
            {**item, "index": index, "default_samplerate": 48000.0}
            for index, item in enumerate(self.devices)
        ]
        if kind is None:
            return found
        usable = [item for item in found if item[f"max_{kind}_channels"]]
        if device is None and not usable:
            raise PortAudioError("Error querying device -1")
        if isinstance(device, int):
            usable = [item for item in usable if item["index"] == device]
        elif device is not None:
            usable = [item for item in usable if device.lower() in str(item["name"]).lower()]
        if not usable:
            raise ValueError(f"No {kind} device matching {device!r}")
        return usable[0]

    def check_input_settings(self, *, samplerate: int, **_: object) -> None:
        if samplerate not in self.rates:
            raise PortAudioError("Invalid sample rate", -9997)

    check_output_settings = check_input_settings

    def InputStream(self, **settings: Any) -> Stream:  # noqa: N802  # the package's name
        return self._opened(InputStream, settings)

    def OutputStream(self, **settings: Any) -> Stream:  # noqa: N802  # the package's name
        return self._opened(OutputStream, settings)

    def _opened(self, kind: type[Stream], settings: dict[str, Any]) -> Stream:
        if self.is_busy:
            raise PortAudioError("Error opening stream: Device unavailable [PaErrorCode -9985]")
        self.streams.append(kind(self, settings))
        return self.streams[-1]


class Stream:
    """An open device.

    Attributes:
        settings: how it was opened.
        active: it runs.
        calls: callbacks made.
    """

    def __init__(self, sound: Sound, settings: dict[str, Any]) -> None:
        self.sound = sound
        self.settings = settings
        self.active = False
        self.is_closed = False
        self.was_aborted = False
        self.calls = 0
        self.started = threading.Event()
        self._allowed = threading.Semaphore(0)
        self._done = threading.Semaphore(0)
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        assert not self.is_closed
        if not self.sound.starts:
            raise PortAudioError("Error starting stream: Unanticipated host error")
        self._stopping = False
        self.active = True
        self._thread = threading.Thread(target=self._run, name="stand-in sound", daemon=True)
        self._thread.start()
        self.started.set()

    def stop(self) -> None:
        self._end()

    def abort(self) -> None:
        self.was_aborted = True
        self._end()

    def close(self) -> None:
        self._end()
        self.is_closed = True

    def unplug(self) -> None:
        """Stop by itself, as a device that is pulled out."""
        self._end()

    def tick(self, count: int = 1) -> None:
        """Let the device call back, and wait until it has or was stopped."""
        assert self.started.wait(10)
        for _ in range(count):
            self._allowed.release()
            while self.active and not self._done.acquire(timeout=0.01):
                pass

    def _run(self) -> None:
        while self._allowed.acquire() and not self._stopping:
            self.call()
            self.calls += 1
            self._done.release()

    def _end(self) -> None:
        self.active = False
        self._stopping = True
        self._allowed.release()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None

    def call(self) -> None:
        raise NotImplementedError


class InputStream(Stream):
    """A microphone."""

    def call(self) -> None:
        size, channels = self.settings["blocksize"], self.settings["channels"]
        buffer = np.zeros((size, channels), self.settings["dtype"])
        buffer[:] = self.sound.made(self.calls, size)[:, np.newaxis] * np.arange(1, channels + 1)
        self.settings["callback"](buffer, size, None, self.sound.flags)
        buffer[:] = np.nan  # the memory is the device's own again


class OutputStream(Stream):
    """A loudspeaker that asks for 100 samples at a time."""

    def call(self) -> None:
        buffer = np.full((100, self.settings["channels"]), 99, self.settings["dtype"])
        self.settings["callback"](buffer, 100, None, self.sound.flags)
        self.sound.played.append(buffer[:, 0].copy())
