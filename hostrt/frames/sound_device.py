"""Sound devices of this computer: finding and opening them through PortAudio."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, Protocol

from hostrt.errors import ExtraMissing, LinkLost, LinkTimeout, UsageError
from hostrt.frames.samples import check_channel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    Kind = Literal["input", "output"]
    Device = Mapping[str, object]
    """What PortAudio tells about a device."""

_SILENT_S = 5.0
"""A device that neither gives nor takes anything for so long has stopped."""

_NAMES = {"input": "microphone", "output": "loudspeaker"}


class DeviceStream(Protocol):
    """An open device."""

    @property
    def active(self) -> bool:
        """Whether it runs."""

    def start(self) -> None:
        """Let it run."""

    def stop(self) -> None:
        """Stop when everything that it holds was played."""

    def abort(self) -> None:
        """Stop at once."""

    def close(self) -> None:
        """Release it."""


def load_sounddevice() -> ModuleType:
    """Import the package that speaks with sound cards.

    Raises:
        ExtraMissing: it or PortAudio itself is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise ExtraMissing(
            "microphone and loudspeaker need the package sounddevice",
            hint="pip install 'hostrt[live]'",
        ) from error
    except OSError as error:
        raise ExtraMissing(
            f"microphone and loudspeaker need PortAudio: {error}",
            hint="install it, on Debian and Ubuntu: apt install libportaudio2",
        ) from error
    module: ModuleType = sounddevice
    return module


def find_device(api: ModuleType, kind: Kind, name: str | None) -> Device:
    """Find a sound device.

    Args:
        api: the package `sounddevice`.
        kind: which way it goes.
        name: its number, name or part of its name; None: the system's.

    Raises:
        UsageError: none or several fit; the message names those there are.
    """
    wanted: int | str | None = int(name) if name and name.isdecimal() else name
    try:
        found: Device = api.query_devices(wanted, kind)
    except device_errors(api) as error:
        devices = [
            f"{item['index']} {item['name']}"
            for item in api.query_devices()
            if item[f"max_{kind}_channels"] > 0
        ]
        asked = f"{_NAMES[kind]} {name!r}" if name else f"{_NAMES[kind]} of the system"
        there = f"there are: {'; '.join(devices)}" if devices else "this computer has none"
        raise UsageError(
            f"{asked}: {reason_of(error)}; {there}",
            hint=f"{'mic' if kind == 'input' else 'speaker'}:NUMBER or :NAME chooses one",
        ) from error
    return found


def usable_rate(api: ModuleType, kind: Kind, device: Device, channels: int, rate: int) -> int:
    """Give the wanted rate in Hz if the device has it, else its own.

    Raises:
        UsageError: it has not so many channels.
    """
    has = int(str(device[f"max_{kind}_channels"]))
    check_channel(f"{_NAMES[kind]} {device['name']}", channels - 1, has)
    check = api.check_input_settings if kind == "input" else api.check_output_settings
    try:
        check(device=device["index"], channels=channels, samplerate=rate)
    except device_errors(api):
        return round(float(str(device["default_samplerate"])))
    return rate


def open_device(api: ModuleType, kind: Kind, device: Device, **settings: object) -> DeviceStream:
    """Open a device that was found.

    Args:
        api: the package `sounddevice`.
        kind: which way it goes.
        device: the device.
        settings: what the package's `InputStream` and `OutputStream` take.

    Raises:
        UsageError: it cannot be opened so.
    """
    make = api.InputStream if kind == "input" else api.OutputStream
    try:
        stream: DeviceStream = make(device=device["index"], **settings)
    except device_errors(api) as error:
        raise UsageError(
            f"{_NAMES[kind]} {device['name']}: cannot be opened: {reason_of(error)}",
            hint="another program may use it",
        ) from error
    return stream


def check_alive(title: str, stream: DeviceStream, last_s: float) -> None:
    """Check that a device did something not long ago, `last_s` on the monotonic clock.

    Raises:
        LinkLost: it stopped.
        LinkTimeout: it runs and does nothing.
    """
    if not stream.active:
        raise LinkLost(f"{title}: stopped", hint="was it unplugged?")
    if time.monotonic() - last_s > _SILENT_S:
        raise LinkTimeout(f"{title}: nothing happened for {_SILENT_S:g} s")


def device_errors(api: ModuleType) -> tuple[type[Exception], ...]:
    """Give the errors that the package raises for a device that cannot be used."""
    return (api.PortAudioError, ValueError)


def reason_of(error: Exception) -> str:
    """Give the first line of what the package says."""
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.splitlines()[0].rstrip(".:") if text else type(error).__name__
