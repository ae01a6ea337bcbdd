"""Sequences of SPU-001 (spu-registers 4 and 7.1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firmware_protocol.spu001 import SPU001
from hostrt.chip.base import DEFAULT_PLL_TIMEOUT_S, Chip
from hostrt.chip.step import Poll, Space, Step, Wait
from hostrt.errors import ClockNotLocked, OutputNeverCame, UsageError

if TYPE_CHECKING:
    from hostrt.chip.platform import Platform

TARGET_HZ = 150_000_000
PAD_CONF_VALUE = 0xC48
"""Oscillator pad and interrupt pad enabled (bits 11, 10, 6, 3)."""


class Spu001(Chip):
    """SPU-001, mass production: two cores, 150 MHz."""

    def __init__(self) -> None:
        super().__init__(SPU001)

    def multiplier(self, platform: Platform) -> int:
        """Smallest PLL multiplier that reaches 150 MHz from the platform's reference clock."""
        return math.ceil(TARGET_HZ / platform.f_ref_hz)

    def clock_hz(self, platform: Platform) -> float:
        """See `Chip.clock_hz`."""
        return float(self.multiplier(platform) * platform.f_ref_hz)

    def clock(
        self, platform: Platform, *, pll_timeout_s: float = DEFAULT_PLL_TIMEOUT_S
    ) -> list[Step]:
        """See `Chip.clock`."""
        steps = self.set_pll(self.multiplier(platform))
        steps.append(Wait(4000, 0.05))
        if platform.reads_pll_lock:
            steps.append(
                Poll(
                    Space.TOP,
                    self.map.address("PLL_LOCK"),
                    1,
                    Wait(4000, 0.05),
                    pll_timeout_s,
                    "PLL lock",
                    ClockNotLocked,
                    "PLL_LOCK",
                    "check the board's reference oscillator and supply",
                )
            )
        steps.append(self._write("PLL_CONF", 0x40))
        return steps

    def set_pll(
        self, multiplier: int, *, reference_divider: int = 1, output_divider: int = 1
    ) -> list[Step]:
        """Program the dividers and start the PLL with its output gated."""
        if not 2 <= multiplier < 8192:
            raise UsageError(f"PLL multiplier {multiplier} is not in 2..8191")
        return [
            self._write("PLL_BWADJ", multiplier // 2 - 1),
            self._write("PLL_CLKOD", output_divider - 1),
            self._write("PLL_CLKF", multiplier - 1),
            self._write("PLL_CLKR", reference_divider - 1),
            self._write("PLL_CONF", 0x01),
            self._write("PLL_CONF", 0x00),
            Wait(200, 0.1),
        ]

    def reset(self, platform: Platform) -> list[Step]:
        """Hard reset; on a board with pads, the pads come right after it."""
        steps = super().reset(platform)
        if platform.has_pads:
            steps.append(self._write("PAD_CONF", PAD_CONF_VALUE))
        return steps

    def release(self, platform: Platform, *, safety: int = 0) -> list[Step]:
        """Clocks on in reset, assert, release, and twice clocks on, as the reference does."""
        del platform
        if safety:
            raise UsageError(f"safety mask {safety:#x}: SPU-001 has no SAFETY register")
        return [self._write("SPI_CONF", value) for value in (0x800, 0x800, 0, 0, 0)]

    def soft_reset(self) -> list[Step]:
        """Restart both cores without losing memories."""
        return [self._write("RST", 0b11), self._write("RST", 0b00)]

    def wait_output(self, platform: Platform, timeout_s: float) -> list[Step]:
        """Poll the output interrupt."""
        del platform
        return [
            Poll(
                Space.TOP,
                self.map.address("OUTPUT_INT"),
                0xFFFF_FFFF,
                Wait(5000, 0.00005),
                timeout_s,
                "output interrupt",
                OutputNeverCame,
                "OUTPUT_INT",
                "the program did not produce an output: check that it was loaded, that every "
                "input of the sequence was sent and that it is meant for this chip",
            )
        ]

    def check_platform(self, platform: Platform, *, pll: bool) -> None:
        """The RTL harness has no reference for the PLL."""
        if platform.resets_by_pin and pll:
            raise UsageError("SPU-001 on the RTL harness has no PLL: boot with pll=False")
