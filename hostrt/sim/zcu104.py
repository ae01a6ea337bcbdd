"""The far end of a virtual ZCU104's TCP connection: units in, units out, no socket.

Source: zynq-ethernet 2 to 4.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.requests import Space
from firmware_protocol.zynq import (
    MESSAGE_END,
    UNIT_BYTES,
    Code,
    apb_replies,
    axis_reply,
    decode_units,
    top_replies,
)
from hostrt.errors import UsageError

if TYPE_CHECKING:
    from firmware_protocol.octets import Octets
    from firmware_protocol.words import Words
    from firmware_protocol.zynq import UnitColumns
    from hostrt.sim.spu import SimulatedSpu

MAX_MESSAGE_WORDS = 1 << 20
"""Longest stream message that is collected, and longest reply; longer ones are thrown away."""


class VirtualZcu104:
    """What the program on the board does with units.

    Attributes:
        spu: the chip on the board.
    """

    def __init__(self, spu: SimulatedSpu) -> None:
        """Put a chip on the board.

        Raises:
            UsageError: the chip's addresses do not fit the 28 bits of a unit.
        """
        if spu.chip.name != "spu001":
            raise UsageError(
                f"{spu.chip.map.title} cannot be simulated on a ZCU104: its addresses do not fit "
                "the 28 bits of that link",
                hint="use spu001, or a virtual EVK2",
            )
        self.spu = spu
        self._rest = b""
        self._message: list[Words] = []

    def connected(self) -> None:
        """Begin a new connection: what the last one left unfinished is forgotten."""
        self._rest = b""
        self._message.clear()

    def feed(self, data: Octets) -> bytes:
        """Take bytes in whatever pieces they come and give the answers they complete."""
        whole = self._rest + bytes(data) if self._rest else bytes(data)
        cut = len(whole) - len(whole) % UNIT_BYTES
        self._rest = whole[cut:]
        units = decode_units(whole[:cut])
        edges = np.flatnonzero(np.diff(units.code)) + 1
        bounds = [0, *edges.tolist(), len(units)] if cut else [0]
        answers = [
            self._run(int(units.code[first]), units, slice(first, last))
            for first, last in pairwise(bounds)
        ]
        return b"".join(answers)

    def _run(self, code: int, units: UnitColumns, run: slice) -> bytes:
        """Carry out units that all have the same code; unknown codes are ignored."""
        addresses, data = units.address[run], units.data[run]
        if code == Code.APB_WRITE:
            for start, stop in _rising(addresses):
                self.spu.write(Space.APB, int(addresses[start]), data[start:stop])
        elif code == Code.APB_READ:
            parts = [
                self.spu.read(Space.APB, int(addresses[start]), stop - start)
                for start, stop in _rising(addresses)
            ]
            return apb_replies(addresses, np.concatenate(parts))
        elif code == Code.AXIS_WRITE:
            self._stream(addresses, data)
        elif code == Code.AXIS_READ:
            return b"".join(axis_reply(self._output(n)) for n in addresses.tolist())
        else:
            return self._rare(code, addresses, data)
        return b""

    def _rare(self, code: int, addresses: Words, data: Words) -> bytes:
        if code == Code.TOP_WRITE:
            for i, address in enumerate(addresses.tolist()):
                self.spu.write(Space.TOP, address, data[i : i + 1])
        elif code == Code.TOP_READ:
            values = [self.spu.read(Space.TOP, address)[0] for address in addresses.tolist()]
            return top_replies(addresses, values)
        elif code == Code.HOST_WRITE:
            for register, value in zip(addresses.tolist(), data.tolist(), strict=True):
                self._message.clear()
                self.spu.host_write(register, value)
        return b""

    def _stream(self, markers: Words, data: Words) -> None:
        start = 0
        for end in (np.flatnonzero(markers == MESSAGE_END) + 1).tolist():
            message = np.concatenate([*self._message, data[start:end]])
            self._message.clear()
            self.spu.send(message)
            start = end
        if start < data.size:
            self._message.append(data[start:])
        if sum(part.size for part in self._message) > MAX_MESSAGE_WORDS:
            self._message.clear()

    def _output(self, n_dwords: int) -> Words:
        """Give what was asked for, or nothing when nothing is queued."""
        if not self.spu.output_waits or n_dwords > MAX_MESSAGE_WORDS:
            return np.zeros(0, np.uint32)
        return self.spu.receive(2 * n_dwords)


def _rising(addresses: Words) -> list[tuple[int, int]]:
    """Cut a run of addresses where they do not rise by 4."""
    # unsigned differences wrap, but no two addresses of 28 bits are a wrapped 4 apart
    steps = np.flatnonzero(np.diff(addresses) != 4) + 1
    edges = [0, *steps.tolist(), len(addresses)]
    return list(pairwise(edges))
