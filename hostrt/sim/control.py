"""Clocks, resets and stream routing: when a simulated core runs, and how fast.

Each generation answers from its own registers (spu-registers 4.1, 5.1 to 5.3, 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from firmware_protocol.requests import Space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.chip.base import Chip
    from hostrt.chip.platform import Platform
    from hostrt.sim.registers import RegisterFile

RESET_VALUES: Mapping[str, Mapping[str, int]] = {"spu001": {"SPI_CONF": 0x806}}
"""Values registers have after a hard reset, where that is not zero."""


class Control(Protocol):
    """What the rest of the simulator asks about clocks and resets."""

    def runs(self, core: int) -> bool:
        """Tell whether `core` has a clock and is out of reset."""

    def streams(self) -> bool:
        """Tell whether the host carries the chip's streams."""

    def locked(self) -> bool:
        """Tell whether the PLL has locked."""

    def clock_hz(self) -> float:
        """Give the clock of the cores."""


class Spu001Control:
    """SPU-001: SPI_CONF gates and resets, RST resets softly, the PLL has a gate."""

    def __init__(self, registers: RegisterFile, f_ref_hz: int, *, pll_locks: bool) -> None:
        self._registers = registers
        self._f_ref_hz = f_ref_hz
        self._pll_locks = pll_locks

    def runs(self, core: int) -> bool:
        """See `Control.runs`."""
        conf = self._registers.get("SPI_CONF")
        gated = conf & (0x004, 0x002)[core]
        held = conf & 0x800 or self._registers.get("RST") & (1 << core)
        return not gated and not held and self._clocked()

    def streams(self) -> bool:
        """The host always carries the streams of SPU-001."""
        return True

    def locked(self) -> bool:
        """See `Control.locked`: the PLL was programmed and is neither reset nor powered down."""
        started = self._registers.was_written("PLL_CLKF")
        return self._pll_locks and started and not self._registers.get("PLL_CONF") & 0x21

    def clock_hz(self) -> float:
        """See `Control.clock_hz`; without PLL the cores run from the reference clock."""
        if not self._registers.was_written("PLL_CLKF") or self._registers.get("PLL_CONF") & 0x10:
            return float(self._f_ref_hz)
        get = self._registers.get
        multiplier = (get("PLL_CLKF") & 0x1FFF) + 1
        dividers = ((get("PLL_CLKR") & 0x3F) + 1) * ((get("PLL_CLKOD") & 0xF) + 1)
        return self._f_ref_hz * multiplier / dividers

    def _clocked(self) -> bool:
        if not self._registers.was_written("PLL_CLKF"):
            return True
        conf = self._registers.get("PLL_CONF")
        return bool(conf & 0x10) or (self.locked() and bool(conf & 0x40))


class Tc1Control:
    """SPU-150 TC1: the system manager gates and resets, AXIS_SELECT routes streams."""

    def __init__(self, registers: RegisterFile, f_ref_hz: int, *, pll_locks: bool) -> None:
        self._registers = registers
        self._f_ref_hz = f_ref_hz
        self._pll_locks = pll_locks

    def runs(self, core: int) -> bool:
        """See `Control.runs`."""
        released = self._registers.get("SYSMGR_RESETN") & 0b10
        clocked = self._registers.get("SYSMGR_CLKCTRL") & 0b110 == 0b110
        programmed = self._registers.was_written("PLL_CLKF")
        return (
            bool(released)
            and clocked
            and logic_on(self._registers, core)
            and (not programmed or self.locked())
        )

    def streams(self) -> bool:
        """See `Control.streams`."""
        return self._registers.get("AXIS_SELECT") == 0b111

    def locked(self) -> bool:
        """See `Control.locked`."""
        started = self._registers.was_written("PLL_CLKF")
        return self._pll_locks and started and not self._registers.get("PLL_CTRL") & 0x21

    def clock_hz(self) -> float:
        """See `Control.clock_hz`; without PLL the cores run from the reference clock."""
        if not self._registers.was_written("PLL_CLKF") or self._registers.get("PLL_CTRL") & 0x10:
            return float(self._f_ref_hz)
        divider = self._registers.get("PLL_DIV")
        multiplier = (self._registers.get("PLL_CLKF") & 0x1FFF) + 1
        dividers = ((divider & 0x3F) + 1) * (((divider >> 8) & 0xF) + 1)
        return self._f_ref_hz * multiplier / dividers


class MpControl:
    """SPU-150 behind its array APB port: clock and reset pin belong to the harness."""

    def __init__(self, registers: RegisterFile, clock_hz: float) -> None:
        self._registers = registers
        self._clock_hz = clock_hz

    def runs(self, core: int) -> bool:
        """See `Control.runs`."""
        return logic_on(self._registers, core)

    def streams(self) -> bool:
        """See `Control.streams`."""
        return self._registers.get("AXIS_SELECT") == 0b111

    def locked(self) -> bool:
        """The harness's clock is always there."""
        return True

    def clock_hz(self) -> float:
        """See `Control.clock_hz`."""
        return self._clock_hz


def logic_on(registers: RegisterFile, core: int) -> bool:
    """Tell whether the logic of an SPU-150 core is powered, which it is until told otherwise."""
    name = f"C{core}_LOGIC_PG_CONF"
    return not registers.was_written(name) or registers.get(name) == 0xD


def make_control(
    chip: Chip, platform: Platform, registers: RegisterFile, *, pll_locks: bool
) -> Control:
    """Give the control logic of a chip."""
    if chip.name == "spu001":
        return Spu001Control(registers, platform.f_ref_hz, pll_locks=pll_locks)
    if chip.name == "spu150tc1":
        return Tc1Control(registers, platform.f_ref_hz, pll_locks=pll_locks)
    return MpControl(registers, chip.clock_hz(platform))


LOCK_REGISTERS = {"PLL_LOCK": Space.TOP, "PLL_STAT": Space.TOP}
"""Registers that show the PLL's lock in bit 0."""
