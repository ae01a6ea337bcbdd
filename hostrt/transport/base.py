"""What every way to a board can do: execute Steps and give back what was read.

A transport fills two small hooks, `_exchange` for a batch of requests and `close`; waiting,
polling, read-modify-write and checks are the same everywhere and live here.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hostrt.chip.step import Expect, Modify, Poll, Read, Wait, Write
from hostrt.closing import Closing
from hostrt.log import TRACE
from hostrt.transport.rules import LinkRules, Packets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.requests import Request
    from firmware_protocol.words import Words
    from hostrt.chip.step import Step

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TransportInfo:
    """What is known about a link once it is open.

    Attributes:
        url: address that opens the same link again.
        platform: name of the platform behind it ("evk2", "zcu104", "rtl").
        simulated: no real board is behind this link.
        answers: what is read means something; false for links that answer with dummies, on which
            polls and checks are not made.
        reads_exec_time: the board can tell the duration of the last inference.
        has_pll: the host programs the chip's PLL; false for an FPGA image and without a board.
        chip: spoken chip name when the link knows it, else "".
        serial, product, firmware: identification strings, "" when unknown.
        packets: what the link is made of, a value of `Packets`; "" where nothing on the way takes
            time.
        slot_s, window, least_wide, blocks: see `LinkRules`.
    """

    url: str
    platform: str
    simulated: bool = False
    answers: bool = True
    reads_exec_time: bool = False
    has_pll: bool = True
    chip: str = ""
    serial: str = ""
    product: str = ""
    firmware: str = ""
    packets: str = ""
    slot_s: float = 0.0
    window: int = 1
    least_wide: int = 0
    blocks: bool = False

    @property
    def rules(self) -> LinkRules | None:
        """How the link moves packets, None where nothing on the way takes time."""
        if not self.packets:
            return None
        packets = Packets(self.packets)
        return LinkRules(packets, self.slot_s, self.window, self.least_wide, self.blocks)


class Transport(Closing):
    """An open link to one board.

    Not for use from several threads at once, except `close`, which is idempotent, never raises
    and may be called from anywhere.
    """

    info: TransportInfo

    def execute(self, steps: Sequence[Step]) -> list[Words | None]:
        """Execute `steps` in order.

        Returns:
            One entry per step: uint32 (n,) with what was read (also by polls, checks and
            read-modify-writes), None for steps that read nothing.

        Raises:
            LinkError: the link failed; steps before the failure may have been executed.
            BoardFault: a poll ran out of time or a check found another value.
        """
        results: list[Words | None] = []
        batch: list[Request] = []
        for step in steps:
            if isinstance(step, Poll) and self.info.answers:
                # the first look goes out with what comes before it: often it is the last one
                batch.append(Read(step.space, step.address, register=step.register))
                self._flush(batch, results)
                results[-1] = self._poll(step, results[-1])
            elif isinstance(step, Wait | Modify | Poll | Expect):
                self._flush(batch, results)
                results.append(self._composite(step))
            else:
                batch.append(step)
        self._flush(batch, results)
        return results

    @property
    def window(self) -> int | None:
        """Requests that may be in flight now, None when that is not known."""
        return None

    @abstractmethod
    def _exchange(self, requests: Sequence[Request]) -> list[Words | None]:
        """Send `requests` in order and give one answer each (None where only acknowledged)."""

    @abstractmethod
    def close(self) -> None:
        """Release the link."""

    def set_landmark(self, landmark: Read) -> None:
        """Name a register that always answers the same.

        A link that lost the common step with its board reads it to find out where it is; links
        that cannot get out of step have no use for it.
        """
        del landmark

    def _wait(self, wait: Wait) -> None:
        """Let time pass; simulators advance their own clock instead."""
        time.sleep(wait.seconds)

    def _now(self) -> float:
        """Monotonic seconds, the clock deadlines of polls are measured with."""
        return time.monotonic()

    def _flush(self, batch: list[Request], results: list[Words | None]) -> None:
        if batch:
            if logger.isEnabledFor(TRACE):
                for request in batch:
                    logger.log(TRACE, "%s: %s", self.info.url, request)
            results.extend(self._exchange(batch))
            batch.clear()

    def _composite(self, step: Wait | Modify | Poll | Expect) -> Words | None:
        if isinstance(step, Wait):
            self._wait(step)
            return None
        if isinstance(step, Modify):
            return self._modify(step)
        if not self.info.answers:
            return None
        return self._poll(step, None) if isinstance(step, Poll) else self._check(step)

    def _modify(self, step: Modify) -> Words:
        before = self._read(Read(step.space, step.address, register=step.register))
        value = (int(before[0]) & step.keep) | step.set_bits
        words = np.array([value], np.uint32)
        write = Write(step.space, step.address, words, register=step.register, comment=step.comment)
        self._exchange([write])
        return before

    def _poll(self, step: Poll, first: Words | None) -> Words:
        """Read until the masked bits show, beginning with `first` if that was read already."""
        deadline = self._now() + step.timeout_s
        request = Read(step.space, step.address, register=step.register)
        words = first
        while True:
            words = self._read(request) if words is None else words
            if int(words[0]) & step.mask:
                return words
            if self._now() >= deadline:
                raise step.error(
                    f"{step.what} did not come within {step.timeout_s:g} s "
                    f"(last {step.register} 0x{int(words[0]):x}) on {self.info.url}",
                    hint=step.hint,
                    register=step.register,
                    board=self.info.url,
                )
            self._wait(step.interval)
            words = None

    def _check(self, step: Expect) -> Words:
        words = self._read(Read(step.space, step.address, register=step.register))
        found = int(words[0]) & step.mask
        if found != step.value:
            raise step.error(
                f"{step.what}: found 0x{found:x}, expected 0x{step.value:x} on {self.info.url}",
                hint=step.hint,
                register=step.register,
                board=self.info.url,
            )
        return words

    def _read(self, request: Read) -> Words:
        (words,) = self._exchange([request])
        if words is None:
            raise AssertionError(f"{type(self).__name__} gave no words for {request}")
        return words
