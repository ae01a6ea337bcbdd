"""Joulescope JS110, JS220 and JS320, through the maker's package `pyjoulescope_driver`.

Written from the package's documentation and tested with a stand-in for it, not with an instrument.
"""

from __future__ import annotations

import logging
import queue
import time
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

import numpy as np

from hostrt.errors import (
    BoardAmbiguous,
    BoardNotFound,
    BoardUnavailable,
    ExtraMissing,
    LinkCorrupt,
    LinkError,
    LinkLost,
    LinkTimeout,
    UsageError,
)
from hostrt.power.sampled import SampledMeter
from hostrt.power.url import number_option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hostrt.transport.url import BoardUrl

RATE_HZ = 100_000
NATIVE_HZ = 1_000_000

logger = logging.getLogger(__name__)

_MODELS = (["js110"], ["js220"], ["js320"])
_SIGNALS = "ivp"
"""Current, voltage, power: the driver may compute the last from the first two."""
_WAIT_S = 0.2
_SILENCE_S = 2.0
_LONGEST_GAP_S = 600.0
_FAILURES = (RuntimeError, OSError, ValueError, KeyError)
"""What the package raises when the driver reports an error."""


class _Block(NamedTuple):
    """A message of samples.

    Attributes:
        number: of its first sample, at the rate of the samples.
        rate_hz: samples per second.
        watts: the samples; NaN for those that the driver missed.
    """

    number: int
    rate_hz: float
    watts: NDArray[np.float32]


class _Driver(Protocol):
    """What is used of the package's `Driver`."""

    def device_paths(self) -> Sequence[str]: ...
    def open(self, device_prefix: str, mode: str) -> None: ...
    def close(self, device_prefix: str) -> None: ...
    def finalize(self) -> None: ...
    def publish(self, topic: str, value: object) -> None: ...
    def subscribe(self, topic: str, flags: str, fn: Callable[[str, object], None]) -> None: ...


class JoulescopeMeter(SampledMeter):
    """Measures current and voltage at 1 or 2 MHz; the driver reduces power to the asked rate.

    Samples are numbered by the instrument, so that lost ones leave a gap.
    """

    name: ClassVar[str] = "joulescope"

    def __init__(self, serial_number: str = "", *, rate_hz: int = RATE_HZ) -> None:
        """Open the instrument; it does not measure yet.

        Args:
            serial_number: which one, "" for the only one.
            rate_hz: samples per second; 1,000,000 is a multiple of it.

        Raises:
            BoardUnavailable: no such instrument, in use, or the package is missing.
            LinkError: it does not do as it is told.
        """
        super().__init__(float(rate_hz))
        self._asked_hz = rate_hz
        self._blocks: queue.SimpleQueue[tuple[float, object]] = queue.SimpleQueue()
        self._first: int | None = None
        self._heard_s = 0.0
        self._removed = False
        self._driver = _open_driver()
        self.path = ""
        try:
            self.path = self._find(serial_number)
            self._set_up()
        except BaseException:
            self._release()
            raise

    def describe(self) -> str:
        """Say what measures."""
        return f"Joulescope {self.path} at {self._asked_hz} Hz"

    def _find(self, serial_number: str) -> str:
        """Give the path of the only instrument, or of the one with a serial number."""
        try:
            listed = self._driver.device_paths()
        except _FAILURES as error:
            raise BoardUnavailable(f"the Joulescope driver lists nothing: {error}") from error
        # a path is BACKEND/MODEL/SERIAL; the driver lists other USB devices too
        found = [path for path in listed if path.split("/")[1:2] in _MODELS]
        wanted = serial_number.lower()
        paths = [path for path in found if wanted in ("", path.split("/")[-1].lower())]
        if len(paths) == 1:
            return paths[0]
        seen = ", ".join(found) or "none"
        if not paths:
            which = f"Joulescope {serial_number}" if serial_number else "Joulescope"
            raise BoardNotFound(
                f"no {which} is connected (found: {seen})",
                hint="connect it; on Linux install the maker's udev rules",
            )
        raise BoardAmbiguous(
            f"several Joulescopes are connected: {seen}", hint="name one: joulescope://SERIAL"
        )

    def _set_up(self) -> None:
        try:
            self._driver.open(self.path, "defaults")
        except _FAILURES as error:
            path, self.path = self.path, ""  # nothing to close
            raise BoardUnavailable(
                f"Joulescope {path} cannot be opened: {error}",
                hint="end other programs that use it; on Linux install the maker's udev rules",
            ) from error
        ranges = "select" if "/js110/" in self.path else "mode"
        # a JS220 opens with its current range off
        self._publish(f"s/i/range/{ranges}", "auto")
        self._publish("h/fs", self._asked_hz)

    def _begin(self) -> None:
        self._heard_s = time.perf_counter()
        self._subscribe(f"{self.path}/s/p/!data", self._on_block)
        self._subscribe("@/!remove", self._on_remove)
        for signal in _SIGNALS:
            self._publish(f"s/{signal}/ctrl", 1)
        while not self._n:
            self._step()

    def _step(self) -> None:
        if self._removed:
            raise LinkLost(f"{self.describe()} is gone", hint="check the cable, then measure again")
        try:
            now, value = self._blocks.get(timeout=_WAIT_S)
        except queue.Empty:
            if time.perf_counter() - self._heard_s > _SILENCE_S:
                raise LinkTimeout(
                    f"{self.describe()}: no sample for {_SILENCE_S:g} s",
                    hint="unplug the instrument and plug it in again",
                ) from None
            return
        self._heard_s = now
        self._take(value, now)

    def _take(self, value: object, now_s: float) -> None:
        block = _block_of(value)
        if block is None or abs(block.rate_hz - self._asked_hz) > 0.5:
            raise LinkCorrupt(f"{self.describe()}: a message that is no samples of that rate")
        if self._first is None:
            self._first = block.number
        gap = block.number - self._first - self._n
        if not 0 <= gap <= _LONGEST_GAP_S * self._asked_hz:
            raise LinkCorrupt(f"{self.describe()}: sample numbers jump by {gap}")
        if gap:
            self._lose(gap)
        self._record(block.watts)
        self._arrived(now_s)

    def _end(self) -> None:
        try:
            if self._failure is None:
                for signal in _SIGNALS:
                    self._publish(f"s/{signal}/ctrl", 0)
                while not self._blocks.empty():
                    now, value = self._blocks.get()
                    self._take(value, now)
        finally:
            self._settle()

    def _release(self) -> None:
        """Close the instrument, that may be gone, and end the driver's threads in any case."""
        try:
            if self.path:
                self._driver.close(self.path)
        except _FAILURES as error:
            logger.info("closing %s: %s", self.path, error)
        finally:
            self._driver.finalize()

    def _publish(self, topic: str, value: object) -> None:
        try:
            self._driver.publish(f"{self.path}/{topic}", value)
        except _FAILURES as error:
            raise LinkError(
                f"{self.describe()} did not take {topic}={value}: {error}",
                hint="unplug the instrument and plug it in again",
            ) from error

    def _subscribe(self, topic: str, listener: Callable[[str, object], None]) -> None:
        try:
            self._driver.subscribe(topic, "pub", listener)
        except _FAILURES as error:
            raise LinkError(f"{self.describe()} does not tell {topic}: {error}") from error

    def _on_block(self, topic: str, value: object) -> None:
        """Take a message in the driver's thread; what is done with it is done in our own."""
        del topic
        if self._failure is None and not self._closed:
            self._blocks.put((time.perf_counter(), value))

    def _on_remove(self, topic: str, value: object) -> None:
        del topic
        self._removed = self._removed or value == self.path


def open_url(url: BoardUrl) -> JoulescopeMeter:
    """Open `joulescope://` or `joulescope://SERIAL`; option `rate_hz`.

    Raises:
        UsageError: an option is unknown or cannot be.
        BoardUnavailable: no such instrument, several, in use, or the package is missing.
        LinkError: it does not do as it is told.
    """
    url.allow("rate_hz")
    if url.path:
        raise UsageError(f"{url}: a Joulescope has no path, expected joulescope://SERIAL")
    rate = number_option(url, "rate_hz", RATE_HZ, 1000, NATIVE_HZ)
    if not rate.is_integer() or NATIVE_HZ % int(rate):
        raise UsageError(f"{url}: option rate_hz={rate:g}, expected a divisor of {NATIVE_HZ}")
    return JoulescopeMeter(url.host, rate_hz=int(rate))


def _block_of(value: object) -> _Block | None:
    """Read a message; None when it is none."""
    if not isinstance(value, dict):
        return None
    number, rate, factor = (
        value.get(key) for key in ("sample_id", "sample_rate", "decimate_factor")
    )
    watts = value.get("data")
    if not (isinstance(number, int) and isinstance(rate, int) and isinstance(factor, int)):
        return None
    if factor < 1 or not isinstance(watts, np.ndarray):
        return None
    if watts.dtype != np.float32 or watts.ndim != 1:
        return None
    return _Block(number // factor, rate / factor, watts)


def _open_driver() -> _Driver:
    try:
        from pyjoulescope_driver import Driver
    except ImportError as error:
        raise ExtraMissing(
            f"a Joulescope needs the package pyjoulescope_driver: {error}",
            hint="pip install 'hostrt[joulescope]'",
        ) from error
    try:
        driver: _Driver = Driver()
    except _FAILURES as error:
        raise BoardUnavailable(f"the Joulescope driver does not start: {error}") from error
    return driver
