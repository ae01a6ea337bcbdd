"""Sequences of SPU-150 TC1 and SPU-150 (spu-registers 5, 7.2 and 7.3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firmware_protocol.spu150 import SPU150, SPU150_TC1
from hostrt.chip.base import DEFAULT_PLL_TIMEOUT_S, Chip
from hostrt.chip.step import Modify, Poll, Space, Step, Wait
from hostrt.errors import ClockNotLocked, OutputNeverCame, UsageError

if TYPE_CHECKING:
    from hostrt.chip.platform import Platform

TARGET_HZ = 150_000_000
AXIS_HOST = 0b111
AXIS_EXTERNAL = 0b100
OTP_COMMANDS = {"sleep": (3, 1), "off": (3, 1, 2), "on": (3, 1, 3, 0)}
"""Command sequences of the OTP controller's power states (spu-registers 5.5)."""

_LOGIC_OFF = (0xC, 0x4, 0x0, 0x2)
_LOGIC_ON = (0x0, 0x4, 0xC, 0xD)
_OSCILLATOR_BITS = 0x300
_RTL_INTERRUPT = 2


def bandwidth_adjust(multiplier: int, f_ref_hz: int) -> int:
    """Give PLL_BWADJ for a multiplier (spu-registers 5.1; halves round to even)."""
    base = min(max(round(multiplier / 16), 1), 4096)
    scale = min(max(round(8 / math.sqrt(f_ref_hz / 32_000)), 1), 8)
    return base * scale - 1


class Spu150(Chip):
    """What both SPU-150 parts share."""

    def release(self, platform: Platform, *, safety: int = 0) -> list[Step]:
        """Route streams to the host and set the safety mask."""
        del platform
        steps: list[Step] = [self._write("AXIS_SELECT", AXIS_HOST)]
        if safety:
            if "SAFETY" not in self.map.registers:
                raise UsageError(
                    f"safety mask {safety:#x}: {self.map.title} has no SAFETY register"
                )
            steps.append(self._write("SAFETY", safety))
        return steps

    def select_stream(self, *, external: bool) -> list[Step]:
        """Choose who carries streams: the host, or the chip's external stream port."""
        return [self._write("AXIS_SELECT", AXIS_EXTERNAL if external else AXIS_HOST)]

    def set_core_logic(self, core: int, *, on: bool) -> list[Step]:
        """Switch the supply of one core's logic. The caller skips states already held."""
        values = _LOGIC_ON if on else _LOGIC_OFF
        return [self._write(f"C{core}_LOGIC_PG_CONF", value) for value in values]

    def clock_hz(self, platform: Platform) -> float:
        """See `Chip.clock_hz`."""
        return float(math.ceil(TARGET_HZ / platform.f_ref_hz) * platform.f_ref_hz)


class Spu150Tc1(Spu150):
    """SPU-150 test chip: four cores, 150 MHz, on the EVK2."""

    def __init__(self) -> None:
        super().__init__(SPU150_TC1)

    def clock(
        self, platform: Platform, *, pll_timeout_s: float = DEFAULT_PLL_TIMEOUT_S
    ) -> list[Step]:
        """See `Chip.clock`."""
        multiplier = math.ceil(TARGET_HZ / platform.f_ref_hz)
        control = self.map.address("PLL_CTRL")
        return [
            self._write("PLL_BWADJ", bandwidth_adjust(multiplier, platform.f_ref_hz)),
            self._write("PLL_DIV", 0),
            self._write("PLL_CLKF", multiplier - 1),
            Modify(Space.TOP, control, _OSCILLATOR_BITS, 0x11, "PLL_CTRL"),
            self._write("PLL_CTRL", 0x110),
            Wait(200, 0.5),
            Wait(4000, 0.05),
            Poll(
                Space.TOP,
                self.map.address("PLL_STAT"),
                1,
                Wait(4000, 0.05),
                pll_timeout_s,
                "PLL lock",
                ClockNotLocked,
                "PLL_STAT",
                "check the board's reference oscillator and supply",
            ),
            *self.open_clock_gate(),
        ]

    def open_clock_gate(self) -> list[Step]:
        """Let the locked PLL clock the chip."""
        return [self._write("PLL_CTRL", 0x100)]

    def power_down_pll(self) -> list[Step]:
        """Stop the PLL, keeping the oscillator bits."""
        control = self.map.address("PLL_CTRL")
        return [Modify(Space.TOP, control, _OSCILLATOR_BITS, 0x31, "PLL_CTRL")]

    def release(self, platform: Platform, *, safety: int = 0) -> list[Step]:
        """Reset with running clocks, release, restart the clocks, then the streams."""
        keep_clocks = 0xFFFF_FFFF & ~0b111
        steps: list[Step] = [
            self._modify("SYSMGR_RESETN", 0xFFFF_FFFF & ~0b11, 0x800),
            *self._set_clocks(keep_clocks, 0x807),
            self._modify("SYSMGR_RESETN", 0xFFFF_FFFF, 0x803),
            *self._set_clocks(keep_clocks, 0x800),
            *self._set_clocks(0xFFFF_FFFF, 0x807),
        ]
        return steps + super().release(platform, safety=safety)

    def otp_power(self, state: str) -> list[Step]:
        """Bring the OTP controller to "sleep", "off" or "on"."""
        return [self._write("OTP_CMD_REG_ADDR", value) for value in OTP_COMMANDS[state]]

    def wait_output(self, platform: Platform, timeout_s: float) -> list[Step]:
        """Leave the chip the time the reference leaves it: TC1 shows no output interrupt."""
        del platform, timeout_s
        return [Wait(5000, 0.010)]

    def check_platform(self, platform: Platform, *, pll: bool) -> None:
        """TC1 lies above the 28-bit addresses of the ZCU104 link."""
        if platform.name == "zcu104":
            raise UsageError(
                "SPU-150 TC1 cannot be reached over the ZCU104 link: its registers lie above the "
                "28 address bits of that link; use an EVK2 or a simulated board"
            )

    def _set_clocks(self, keep: int, bits: int) -> list[Step]:
        # 0x31 makes the SPU clock twice the EL2 clock; written whenever clocks are touched
        return [self._write("SYSMGR_CLKDIV", 0x31), self._modify("SYSMGR_CLKCTRL", keep, bits)]

    def _modify(self, register: str, keep: int, bits: int) -> Modify:
        return Modify(Space.APB, self.map.address(register), keep, bits, register)


class Spu150Mp(Spu150):
    """SPU-150 through its array APB port: four cores, 250 MHz; PLL and master reset are no-ops."""

    def __init__(self) -> None:
        super().__init__(SPU150)

    def clock(
        self, platform: Platform, *, pll_timeout_s: float = DEFAULT_PLL_TIMEOUT_S
    ) -> list[Step]:
        """The clock is not ours to program: only give it time."""
        del platform, pll_timeout_s
        return [Wait(4000, 0.05)]

    def wait_output(self, platform: Platform, timeout_s: float) -> list[Step]:
        """Poll the interrupt pin of the harness (host register 2)."""
        del platform
        return [
            Poll(
                Space.HOST,
                _RTL_INTERRUPT,
                0xFFFF_FFFF,
                Wait(5000, 0.00005),
                timeout_s,
                "output interrupt",
                OutputNeverCame,
                "INTERRUPT_PIN",
                "the program did not produce an output",
            )
        ]

    def check_platform(self, platform: Platform, *, pll: bool) -> None:
        """No EVK2 carries this part and its addresses are not those of the ZCU104 link."""
        del pll
        if platform.name in ("evk2", "zcu104"):
            raise UsageError(
                f"SPU-150 (MP) has no {platform.name} board: use the simulated board or the RTL "
                "harness"
            )
