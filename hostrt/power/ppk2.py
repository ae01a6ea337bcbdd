"""Nordic's Power Profiler Kit II, through the public package `ppk2-api`."""

from __future__ import annotations

import errno
import math
import time
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from hostrt.errors import (
    BoardAccessDenied,
    BoardAmbiguous,
    BoardBusy,
    BoardNotFound,
    BoardUnavailable,
    ExtraMissing,
    LinkCorrupt,
    LinkLost,
    LinkTimeout,
    UsageError,
)
from hostrt.power.ppk2_words import COUNTER, WordSplitter
from hostrt.power.sampled import SampledMeter
from hostrt.power.url import number_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal, TypeAlias

    from hostrt.power.ppk2_words import Run
    from hostrt.transport.url import BoardUrl

    Mode: TypeAlias = Literal["ampere", "source"]

RATE_HZ = 100_000.0

_POLL_S = 0.004
_SILENCE_S = 2.0
_QUIET_S = 0.05
_DRAIN_S = 1.0
_AT_A_TIME = 4 * 500
"""Bytes converted in one go: about a millisecond, after which other threads have their turn."""

_NONSENSE = (ValueError, TypeError, KeyError, IndexError, AttributeError, ZeroDivisionError)
"""What the package's code does with answers that are none."""


class _Port(Protocol):
    def close(self) -> None: ...


class _Device(Protocol):
    """What is used of the package's `PPK2_API`."""

    modifiers: Mapping[str, object]
    ser: _Port

    def __init__(
        self, port: str, *, timeout: float, write_timeout: float, exclusive: bool
    ) -> None: ...
    @staticmethod
    def list_devices() -> Sequence[tuple[str, str]]: ...
    def get_modifiers(self) -> bool | None: ...
    def set_source_voltage(self, mV: int) -> None: ...  # noqa: N803  # the package's name
    def use_ampere_meter(self) -> None: ...
    def use_source_meter(self) -> None: ...
    def toggle_DUT_power(self, state: str) -> None: ...  # noqa: N802  # the package's name
    def start_measuring(self) -> None: ...
    def stop_measuring(self) -> None: ...
    def get_data(self) -> bytes: ...
    def get_samples(self, buf: bytes) -> tuple[Sequence[float], Sequence[int]]: ...


class Ppk2Meter(SampledMeter):
    """Measures current at 100 kHz; power is current times the voltage that is given or set.

    The package computes the current from calibration and range, in Python: about a fifth of a
    core. Samples are numbered by the meter's counter, so that lost ones leave a gap.
    """

    name: ClassVar[str] = "ppk2"

    def __init__(self, port: str, *, voltage_mv: int, mode: Mode = "ampere") -> None:
        """Open the meter and set it up; it does not measure yet.

        Args:
            port: serial port.
            voltage_mv: in mode "source" the voltage that the meter supplies, in mode "ampere" the
                one that the board has from elsewhere; 800 to 5000.
            mode: whether the meter supplies the board, or only measures.

        Raises:
            BoardUnavailable: no such port, in use, not allowed, or the package is missing.
            LinkError: what is there does not answer as a PPK2 does.
        """
        super().__init__(RATE_HZ)
        self.port = port
        self._mode = mode
        self._voltage_mv = voltage_mv
        self._words = WordSplitter()
        self._heard_s = 0.0
        self._device = _open_device(port)
        try:
            self._set_up()
        except BaseException:
            self._device.ser.close()
            raise

    def describe(self) -> str:
        """Say what measures."""
        return f"PPK2 on {self.port}, {self._mode} mode at {self._voltage_mv} mV"

    def _set_up(self) -> None:
        device = self._device
        try:
            device.stop_measuring()  # it may still measure for somebody who was interrupted
            self._rest()
            answered = device.get_modifiers()
        except OSError as error:
            raise self._lost(error) from error
        except _NONSENSE as error:
            raise self._not_a_ppk2(str(error)) from error
        if not answered:
            raise LinkTimeout(
                f"{self.port} did not give the calibration of a PPK2",
                hint="choose the other port of the kit, or unplug it and plug it in again",
            )
        _check_calibration(self.port, device.modifiers)
        device.set_source_voltage(self._voltage_mv)
        (device.use_source_meter if self._mode == "source" else device.use_ampere_meter)()
        device.toggle_DUT_power("ON")

    def _begin(self) -> None:
        try:
            self._rest()
            self._device.start_measuring()
            self._heard_s = time.perf_counter()
            while not self._n:
                self._step()
        except OSError as error:
            raise self._lost(error) from error

    def _step(self) -> None:
        try:
            data = self._device.get_data()
        except OSError as error:
            raise self._lost(error) from error
        now = time.perf_counter()
        if data:
            self._heard_s = now
            self._take(self._words.feed(data), now)
        elif now - self._heard_s > _SILENCE_S:
            raise LinkTimeout(
                f"{self.describe()}: no sample for {_SILENCE_S:g} s",
                hint="unplug the meter and plug it in again",
            )
        time.sleep(_POLL_S)

    def _take(self, runs: Sequence[Run], now_s: float) -> None:
        for run in runs:
            if run.lost:
                self._lose(run.lost)
            self._convert(run.data)
        if runs:
            unnoticed = self._arrived(now_s)
            # the counter has told all but whole turns
            turns = round(unnoticed / COUNTER)
            if turns:
                self._lose(turns * COUNTER)

    def _convert(self, data: bytes) -> None:
        volts_per_million = self._voltage_mv * 1e-9
        for at in range(0, len(data), _AT_A_TIME):
            try:
                microamperes, _ = self._device.get_samples(data[at : at + _AT_A_TIME])
            except _NONSENSE as error:
                raise self._not_a_ppk2(str(error)) from error
            self._record(np.array(microamperes, np.float32) * np.float32(volts_per_million))
            time.sleep(0)

    def _end(self) -> None:
        try:
            if self._failure is None:
                self._device.stop_measuring()
                for data in self._rest():
                    self._take(self._words.feed(data), time.perf_counter())
                self._take(self._words.flush(), time.perf_counter())
        except OSError as error:
            raise self._lost(error) from error
        finally:
            self._settle()

    def _rest(self) -> list[bytes]:
        """Give what is still on its way until it is quiet."""
        rest = []
        deadline = time.perf_counter() + _DRAIN_S
        quiet = 0.0
        while quiet < _QUIET_S and time.perf_counter() < deadline:
            data = self._device.get_data()
            if data:
                rest.append(data)
            quiet = 0.0 if data else quiet + _POLL_S
            time.sleep(_POLL_S)
        return rest

    def _release(self) -> None:
        self._device.ser.close()

    def _lost(self, error: OSError) -> LinkLost:
        return LinkLost(
            f"{self.describe()} is gone: {error}", hint="check the cable, then measure again"
        )

    def _not_a_ppk2(self, why: str) -> LinkCorrupt:
        return LinkCorrupt(
            f"{self.port} does not answer as a PPK2 does: {why}",
            hint="choose the other port of the kit, or unplug it and plug it in again",
        )


def open_url(url: BoardUrl) -> Ppk2Meter:
    """Open `ppk2:///dev/ttyACM1` or `ppk2://SERIAL`; options `voltage` in mV and `mode`.

    Raises:
        UsageError: an option is unknown, missing or cannot be.
        BoardUnavailable: no such meter, several, in use, not allowed, or the package is missing.
        LinkError: what is there does not answer as a PPK2 does.
    """
    url.allow("voltage", "mode")
    mode: Mode = (
        "source" if url.option("mode", "ampere", ("ampere", "source")) == "source" else "ampere"
    )
    if "voltage" not in url.options:
        raise UsageError(
            f"{url}: no voltage, and a PPK2 measures only the current",
            hint="add ?voltage=MILLIVOLTS: what the board is supplied with",
        )
    voltage = number_option(url, "voltage", 0, 800, 5000)
    if not voltage.is_integer():
        raise UsageError(f"{url}: option voltage={voltage:g}, expected whole millivolts")
    return Ppk2Meter(url.path or _find(url.host), voltage_mv=int(voltage), mode=mode)


def _package() -> type[_Device]:
    try:
        from ppk2_api.ppk2_api import PPK2_API
    except ImportError as error:
        raise ExtraMissing(
            f"a PPK2 needs the package ppk2-api: {error}", hint="pip install 'hostrt[ppk2]'"
        ) from error
    device: type[_Device] = PPK2_API
    return device


def _find(serial_number: str) -> str:
    """Give the port of the only meter, or of the one with a serial number."""
    found = list(_package().list_devices())
    ports = [port for port, number in found if serial_number in ("", number)]
    if len(ports) == 1:
        return ports[0]
    seen = ", ".join(f"{number} on {port}" for port, number in found) or "none"
    which = f"PPK2 {serial_number}" if serial_number else "PPK2"
    if not ports:
        raise BoardNotFound(
            f"no {which} is connected (found: {seen})",
            hint="connect it, or name its port: ppk2:///dev/ttyACM1",
        )
    raise BoardAmbiguous(
        f"several PPK2 are connected: {seen}", hint="name one: ppk2://SERIAL or ppk2:///dev/ttyACM1"
    )


def _open_device(port: str) -> _Device:
    package = _package()
    import serial

    try:
        # tried out first: the package logs errors of its own when it cannot open
        serial.Serial(port, exclusive=True).close()
        return package(port, timeout=1, write_timeout=1, exclusive=True)
    except OSError as error:
        raise _unavailable(port, error) from error


def _unavailable(port: str, error: OSError) -> BoardUnavailable:
    kinds: dict[int | None, tuple[type[BoardUnavailable], str, str]] = {
        errno.ENOENT: (BoardNotFound, "is not there", "connect the meter, or name its port"),
        errno.EACCES: (
            BoardAccessDenied,
            "may not be opened",
            "join the group that owns it, often dialout",
        ),
        errno.EAGAIN: (BoardBusy, "is in use", "end the other program"),
        errno.EBUSY: (BoardBusy, "is in use", "end the other program"),
    }
    fallback = (BoardUnavailable, f"cannot be opened: {error}", "name the port of the meter")
    kind, what, hint = kinds.get(error.errno, fallback)
    return kind(f"power meter port {port} {what}", hint=hint)


def _check_calibration(port: str, modifiers: Mapping[str, object]) -> None:
    """Insist on a calibration that gives currents: the package fills in what did not come."""
    values = [
        float(value)
        for group in modifiers.values()
        if isinstance(group, dict)
        for value in group.values()
    ]
    resistors = modifiers.get("R")
    sound = (
        modifiers.get("HW") is not None
        and isinstance(resistors, dict)
        and all(float(value) > 0 for value in resistors.values())
        and all(map(math.isfinite, values))
    )
    if not sound:
        raise LinkCorrupt(
            f"{port} gave a calibration that is none, expected that of a PPK2",
            hint="choose the other port of the kit, or unplug it and plug it in again",
        )
