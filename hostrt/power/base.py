"""What every power meter does, and how one is opened from an address."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from hostrt.closing import Closing
from hostrt.errors import ExtraMissing
from hostrt.power.url import meter_points, meters, parse_meter

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.power.trace import PowerTrace
    from hostrt.transport.url import BoardUrl

__all__ = ["PowerMeter", "meters", "open_meter"]


class PowerMeter(Closing):
    """Measures power while something runs; a context manager that closes itself.

    Order: `start`, any number of `mark` and `read_recent`, `stop`. A meter measures once. What it
    needs to be told at the right moment, it is told from the thread that streams: `mark` and
    `add_frame` take microseconds and wait for nothing.

    Attributes:
        name: kind of meter, the scheme of its address.
        simulated: its power comes from a model.
    """

    name: ClassVar[str]
    simulated: ClassVar[bool] = False

    @abstractmethod
    def describe(self) -> str:
        """Say what measures, for people."""

    @abstractmethod
    def start(self) -> None:
        """Begin to measure; return when samples come.

        Raises:
            LinkError: the meter does not answer, or not as it must.
            UsageError: it has been started before.
        """

    @abstractmethod
    def mark(self, when_s: float | None = None) -> None:
        """Say that a frame begins.

        Args:
            when_s: when, on the clock of `time.perf_counter`; None for now.

        Raises:
            UsageError: it is before the mark before, or the meter was not started.
        """

    def add_frame(self, start_s: float, device_s: float, energy_j: float | None = None) -> None:
        """Say what a simulator knows of a frame; a meter that measures does not need it.

        Args:
            start_s: when the device began, on the clock of `time.perf_counter`.
            device_s: seconds that the device computed.
            energy_j: energy of the device during that time, None when unknown.
        """
        del start_s, device_s, energy_j

    @abstractmethod
    def read_recent(self) -> float | None:
        """Give the mean power in watts since the last call; None without a new sample.

        Raises:
            LinkError: the meter failed.
        """

    @abstractmethod
    def measured(self) -> PowerTrace:
        """Give what was measured so far; never fails, also after the meter has.

        Marks of the last seconds are missing while they may still be placed better.
        """

    @abstractmethod
    def stop(self) -> PowerTrace:
        """End the measurement.

        Raises:
            LinkError: the meter failed in between; `measured` gives what came before.
            UsageError: it was not started.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the meter; may be called any number of times, and ends a measurement."""


def open_meter(url: str) -> PowerMeter:
    """Open the power meter that an address names.

    Raises:
        UsageError: no such kind of meter, or an option that it does not have.
        BoardUnavailable: the meter is not there, in use or not allowed, or a package is missing.
        LinkError: the meter was found and does not answer as it must.
    """
    parsed = parse_meter(url)
    try:
        opener: Callable[[BoardUrl], PowerMeter] = meter_points()[parsed.scheme].load()
    except ImportError as error:
        raise ExtraMissing(
            f"power meter {parsed.scheme!r} cannot be used: {error}",
            hint="install the package that it needs",
        ) from error
    return opener(parsed)
