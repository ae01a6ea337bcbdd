"""A stand-in for `pyjoulescope_driver`: what its documentation says of `Driver`, and no more.

It shows that hostrt's side is right about the documented interface. Whether an instrument does what
the documentation says can only be seen on an instrument.
"""

from __future__ import annotations

import threading
import time
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

    from numpy.typing import NDArray

    Listener = Callable[[str, object], None]

NATIVE_HZ = 1_000_000
FIRST_ID = 7_000_000
_BLOCK_S = 0.005


class Bench:
    """What is on the bench, and what goes wrong there.

    Attributes:
        paths: what the driver lists.
        power: number of sample -> watts.
        refuse: topics that the driver raises on.
        change: changes message number N, None to leave it out.
        silent: no samples come.
        published: what was published, by topic.
        log: open, close and finalize, in order.
    """

    def __init__(self) -> None:
        self.paths = ["u/js220/000415"]
        self.power: Callable[[NDArray[np.int64]], NDArray[np.float32]] = lambda numbers: np.full(
            len(numbers), 0.002, np.float32
        )
        self.refuse: set[str] = set()
        self.change: Callable[[int, dict[str, object]], object] = lambda number, message: message
        self.silent = False
        self.published: dict[str, object] = {}
        self.log: list[str] = []
        self.started_s = 0.0
        self.driver: StandIn | None = None

    def module(self) -> ModuleType:
        """Give what takes the place of the package."""
        module = ModuleType("pyjoulescope_driver")
        bench = self

        class Driver(StandIn):
            BENCH: ClassVar[Bench] = bench

        module.Driver = Driver  # type: ignore[attr-defined]  # a module made here
        return module


class StandIn:
    """The documented part of `pyjoulescope_driver.Driver` that hostrt uses."""

    BENCH: ClassVar[Bench]

    def __init__(self) -> None:
        self.bench = self.BENCH
        if "driver" in self.bench.refuse:
            raise RuntimeError("jsdrv_initialize failed: 2 NOT_ENOUGH_MEMORY")
        self.bench.driver = self
        self._listeners: dict[str, list[Listener]] = {}
        self._opened = ""
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def device_paths(self, timeout: float | None = None) -> list[str]:
        if "list" in self.bench.refuse:
            raise RuntimeError("jsdrv_query failed: 11 TIMED_OUT")
        return list(self.bench.paths)

    def open(
        self, device_prefix: str, mode: str | None = None, timeout: float | None = None
    ) -> None:
        if "open" in self.bench.refuse:
            raise RuntimeError("jsdrv_open failed: 21 IN_USE")
        assert mode in (None, "defaults", "restore", "raw")
        self.bench.log.append(f"open {device_prefix}")
        self._opened = device_prefix

    def close(self, device_prefix: str, timeout: float | None = None) -> None:
        self.bench.log.append(f"close {device_prefix}")
        self._stop()
        if device_prefix not in self.bench.paths:
            raise RuntimeError("jsdrv_close failed: 16 NOT_FOUND")

    def finalize(self, timeout: float | None = None) -> None:
        self.bench.log.append("finalize")
        self._stop()

    def publish(self, topic: str, value: object, timeout: float | None = None) -> None:
        name = topic.removeprefix(f"{self._opened}/")
        if name in self.bench.refuse:
            raise RuntimeError("jsdrv_publish failed: 5 PARAMETER_INVALID")
        self.bench.published[name] = value
        if name == "s/p/ctrl":
            self._start() if value else self._stop()

    def subscribe(self, topic: str, flags: str, fn: Listener, timeout: float | None = None) -> None:
        assert flags == "pub"
        if topic in self.bench.refuse:
            raise RuntimeError("jsdrv_subscribe failed: 1 UNSPECIFIED")
        self._listeners.setdefault(topic, []).append(fn)

    def tell(self, topic: str, value: object) -> None:
        """Call who subscribed, as the driver's thread does."""
        for listener in self._listeners.get(topic, []):
            listener(topic, value)

    def remove(self) -> None:
        """Pull the plug."""
        path = self._opened
        self.bench.paths.remove(path)
        self._stop()
        self.tell("@/!remove", path)

    def _start(self) -> None:
        if not self.bench.silent and self._thread is None:
            self.bench.started_s = time.perf_counter()
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _stop(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(10)

    def _run(self) -> None:
        rate = self.bench.published["h/fs"]
        assert isinstance(rate, int)
        sent = number = 0
        while not self._ending.wait(_BLOCK_S):
            due = int((time.perf_counter() - self.bench.started_s) * rate)
            factor = NATIVE_HZ // rate
            message: dict[str, object] = {
                "sample_id": FIRST_ID + sent * factor,
                "sample_rate": NATIVE_HZ,
                "decimate_factor": factor,
                "field_id": 3,
                "index": 0,
                "utc": 0,
                "time_map": {},
                "data": self.bench.power(np.arange(sent, due)),
            }
            changed = self.bench.change(number, message)
            if changed is not None:
                self.tell(f"{self._opened}/s/p/!data", changed)
            sent, number = due, number + 1
