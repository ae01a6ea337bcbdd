"""A PPK2 on a pseudo-terminal: answers commands and sends samples of a known current.

Made from what the package `ppk2-api` sends and how it takes what comes back; no part of either is
in here. A sample is a little-endian word: 14 bits of the converter, 3 of the range, a counter of 6
bits from bit 18, and 8 digital inputs.
"""

from __future__ import annotations

import os
import pty
import select
import threading
import time
import tty
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from numpy.typing import NDArray

    Current = Callable[[NDArray[np.int64]], NDArray[np.float64]]

RATE_HZ = 100_000
RESISTORS = (1000.0, 100.0, 10.0, 1.0, 0.05)
LIMITS_A = (5e-5, 5e-4, 5e-3, 6e-2)
"""Largest current of each range but the last."""

STEP_V = 4 * 1.8 / 163840
"""Voltage over the range's resistor that is one step of the converter."""

_LENGTHS = {0x0D: 3, 0x0C: 2, 0x11: 2}
_BURST_S = 0.002


def metadata(*, hardware: str = "9173", third_resistor: float = RESISTORS[3]) -> bytes:
    """Give the calibration of an ideal meter: gains 1, no offsets, linear."""
    resistors = [*RESISTORS[:3], third_resistor, RESISTORS[4]]
    lines = ["Calibrated: 1", *(f"R{n}: {ohms}" for n, ohms in enumerate(resistors))]
    for name, value in (("GS", 0), ("GI", 1), ("O", 0), ("S", 0), ("I", 0), ("UG", 1)):
        lines += [f"{name}{n}: {value}" for n in range(5)]
    lines += ["VDD: 3000", *([f"HW: {hardware}"] if hardware else []), "mode: 2", "IA: 56", "END"]
    return "\n".join(lines).encode() + b"\n"


def quantized(amperes: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give range and converter value of currents."""
    ranges = np.searchsorted(LIMITS_A, amperes)
    values = np.rint(amperes * np.array(RESISTORS)[ranges] / STEP_V).astype(np.int64)
    return ranges, np.clip(values, 0, (1 << 14) - 1)


def seen(amperes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the current that a reader gets to see."""
    ranges, values = quantized(amperes)
    amperes_seen: NDArray[np.float64] = values * STEP_V / np.array(RESISTORS)[ranges]
    return amperes_seen


def words(numbers: NDArray[np.int64], amperes: NDArray[np.float64]) -> bytes:
    """Give the bytes of samples: their numbers count, their currents are measured."""
    ranges, values = quantized(amperes)
    packed = values | ranges << 14 | (numbers % 64) << 18 | 0xA5 << 24
    return packed.astype("<u4").tobytes()


@dataclass
class Faults:
    """What goes wrong, by number of sample.

    Attributes:
        lose: first sample -> samples that are not sent.
        cut: sample -> bytes of it that are not sent.
        unplug_at: sample at which the meter vanishes.
        silent_at: sample from which on nothing comes.
        garbage_at: sample from which on bytes are noise.
    """

    lose: dict[int, int] = field(default_factory=dict)
    cut: dict[int, int] = field(default_factory=dict)
    unplug_at: int | None = None
    silent_at: int | None = None
    garbage_at: int | None = None


class Ppk2Emulator:
    """Runs in a thread; a context manager.

    Attributes:
        port: what a reader opens.
        commands: what was received, one command each.
        started_s: time of the first sample on the clock of `time.perf_counter`.
    """

    def __init__(
        self, current: Current, *, answer: bytes | None = None, faults: Faults | None = None
    ) -> None:
        self._current = current
        self._answer = metadata() if answer is None else answer
        self._faults = faults or Faults()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self.commands: list[bytes] = []
        self.started_s = 0.0
        self._measuring = False
        self._sent = 0
        self._received = b""
        self._waiting = b""
        self._noise = np.random.default_rng(5)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(10)

    def _run(self) -> None:
        try:
            while not self._ending.is_set() and not self._due(self._faults.unplug_at):
                readable, _, _ = select.select([self._master], [], [], _BURST_S)
                if readable:
                    self._receive()
                if self._measuring:
                    self._measure()
                self._send()
        finally:
            os.close(self._master)
            os.close(self._slave)

    def _due(self, number: int | None) -> bool:
        return number is not None and self._measuring and self._sent >= number

    def _receive(self) -> None:
        try:
            self._received += os.read(self._master, 1024)
        except OSError:
            return
        while self._received:
            length = _LENGTHS.get(self._received[0], 1)
            if len(self._received) < length:
                return
            command, self._received = self._received[:length], self._received[length:]
            self.commands.append(command)
            self._obey(command)

    def _obey(self, command: bytes) -> None:
        if command == b"\x19":
            self._waiting += self._answer
        elif command == b"\x06":
            self.started_s = time.perf_counter()
            self._sent = 0
            self._measuring = True
        elif command == b"\x07":
            self._measuring = False

    def _measure(self) -> None:
        due = int((time.perf_counter() - self.started_s) * RATE_HZ)
        numbers = np.arange(self._sent, due)
        self._sent = max(due, self._sent)
        if self._due(self._faults.silent_at):
            return
        data = words(numbers, self._current(numbers))
        if self._due(self._faults.garbage_at):
            self._waiting += self._noise.bytes(len(data))
            return
        keep = np.ones(len(data), np.bool_)
        first = int(numbers[0]) if len(numbers) else 0
        for at, n in self._faults.lose.items():
            keep[max(at - first, 0) * 4 : max(at - first + n, 0) * 4] = False
        for at, n in self._faults.cut.items():
            if at >= first:
                keep[(at - first) * 4 : (at - first) * 4 + n] = False
        self._waiting += np.frombuffer(data, np.uint8)[keep].tobytes()

    def _send(self) -> None:
        try:
            n = os.write(self._master, self._waiting) if self._waiting else 0
        except BlockingIOError:
            return
        self._waiting = self._waiting[n:]
