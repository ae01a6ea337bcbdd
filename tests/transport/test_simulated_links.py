"""The contract on simulated boards: without a bus and over a virtual bus."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.faults import Fault
from firmware_protocol.memory import MemoryKind
from firmware_protocol.requests import Read, Space, Write
from hostrt.chip import get_chip
from hostrt.chip.base import Power
from hostrt.chip.platform import EVK2
from hostrt.chip.step import Wait
from hostrt.errors import LinkError
from hostrt.testing.transport_contract import TransportContract
from hostrt.transport.evk2_link import Evk2Transport
from hostrt.transport.url import open_transport

if TYPE_CHECKING:
    from hostrt.transport.base import Transport

CHIP = get_chip("spu001")
BASE = CHIP.map.region(0, MemoryKind.DM, 0).base
WORDS = np.arange(4000, dtype=np.uint32) * 5
LOAD = Write(Space.APB, BASE, WORDS, idempotent=True)
BACK = Read(Space.APB, BASE, WORDS.size)
BOUND_S = 10.0
"""Far more than the few timeouts of 30 ms: only what never ends takes this long."""


def boot(transport: Transport) -> None:
    # A virtual chip is ready at once; the tenth of a second after the reset is for real ones.
    steps = [step for step in CHIP.boot(EVK2, pll=False) if not isinstance(step, Wait)]
    transport.execute(steps)
    transport.execute(CHIP.set_power("C0_DM_CONF0", Power.ON))


def open_virtual(options: str) -> Evk2Transport:
    transport = open_transport(f"evk2+sim://spu001?{options}")
    assert isinstance(transport, Evk2Transport)
    return transport


class TestSimulatedChip(TransportContract):
    memory_base = BASE

    def open_transport(self) -> Transport:
        return open_transport("sim://spu001")

    def prepare(self, transport: Transport) -> None:
        boot(transport)


class TestVirtualUsb(TestSimulatedChip):
    def open_transport(self) -> Transport:
        return open_virtual("usb_speed=unlimited")


@pytest.mark.fault
@pytest.mark.parametrize("fault", [Fault.LOSE, Fault.DOUBLE, Fault.CORRUPT, Fault.SPLIT])
@pytest.mark.parametrize("window", [1, 8])
def test_a_load_survives_what_a_virtual_board_does_to_it(fault: Fault, window: int) -> None:
    options = f"usb_speed=unlimited&window={window}&timeout=0.2&faults={fault}@200"
    with open_virtual(options) as transport:
        boot(transport)
        transport.execute([LOAD])
        np.testing.assert_array_equal(transport.execute([BACK])[0], WORDS)


@pytest.mark.fault
@pytest.mark.parametrize("fault", [Fault.SILENCE, Fault.UNPLUG, Fault.RESET])
def test_a_virtual_board_that_leaves_is_noticed_in_bounded_time(fault: Fault) -> None:
    options = f"usb_speed=unlimited&window=8&timeout=0.03&faults={fault}@400"
    with open_virtual(options) as transport:
        boot(transport)
        started = time.monotonic()
        try:
            transport.execute([LOAD, LOAD, LOAD])
            (back,) = transport.execute([BACK])
        except LinkError:
            pass
        else:
            # A reset in the middle of a load is silent: only reading back shows it.
            assert fault is Fault.RESET
            assert back is not None
            assert not np.array_equal(back, WORDS)
        assert time.monotonic() - started < BOUND_S


@pytest.mark.parametrize("window", [1, 8, 16])
def test_a_load_over_a_paced_bus_arrives_with_every_window(window: int) -> None:
    with open_virtual(f"usb_speed=high&window={window}") as transport:
        boot(transport)
        transport.execute([LOAD])
        assert transport.window == window
        np.testing.assert_array_equal(transport.execute([BACK])[0], WORDS)
        assert transport.stats.retried == transport.stats.stale == 0
