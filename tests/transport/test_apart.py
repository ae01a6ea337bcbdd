"""Boards in a process of their own: the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.memory import MemoryKind
from hostrt.chip import get_chip
from hostrt.chip.base import Power
from hostrt.chip.platform import EVK2
from hostrt.chip.step import Wait
from hostrt.testing.transport_contract import TransportContract
from hostrt.transport.url import open_transport

if TYPE_CHECKING:
    from hostrt.transport.base import Transport

CHIP = get_chip("spu001")


def boot(transport: Transport) -> None:
    steps = [step for step in CHIP.boot(EVK2, pll=False) if not isinstance(step, Wait)]
    transport.execute([*steps, *CHIP.set_power("C0_DM_CONF0", Power.ON)])


class TestSimulatedChipApart(TransportContract):
    memory_base = CHIP.map.region(0, MemoryKind.DM, 0).base

    def open_transport(self) -> Transport:
        return open_transport("apart+sim://spu001")

    def prepare(self, transport: Transport) -> None:
        boot(transport)


class TestVirtualUsbApart(TestSimulatedChipApart):
    def open_transport(self) -> Transport:
        return open_transport("apart+evk2+sim://spu001")
