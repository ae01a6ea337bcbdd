"""What the board around a chip changes in the chip's sequences."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    """A kind of board, as far as a chip's sequences care.

    Attributes:
        name: "evk2", "zcu104" or "rtl".
        f_ref_hz: reference clock of the PLL.
        has_pads: the chip's pads must be configured (oscillator, interrupt).
        reads_pll_lock: the lock register can be read and is polled.
        reads_exec_time: the board may answer the execution time of the last inference.
        resets_by_pin: reset is a pin driven by host actions, not one action.
    """

    name: str
    f_ref_hz: int
    has_pads: bool = False
    reads_pll_lock: bool = False
    reads_exec_time: bool = False
    resets_by_pin: bool = False


EVK2 = Platform("evk2", 32_768, has_pads=True, reads_pll_lock=True, reads_exec_time=True)
ZCU104 = Platform("zcu104", 819_200)
RTL = Platform("rtl", 819_200, resets_by_pin=True)

PLATFORMS = {item.name: item for item in (EVK2, ZCU104, RTL)}
