"""The registers of a simulated chip: they read back what was written, and zero before that."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from firmware_protocol.requests import Space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.registers import ChipMap, Register

_HIGH_HALVES = "_HEAD_TAIL_REG"


class RegisterFile:
    """Values of every register of one chip, by name and by address."""

    def __init__(self, chip_map: ChipMap, reset_values: Mapping[str, int]) -> None:
        self._map = chip_map
        self._reset_values = {self._place(name): value for name, value in reset_values.items()}
        self._names = {(item.space, item.address): name for name, item in _items(chip_map)}
        self._read_only = {
            (item.space, item.address) for _, item in _items(chip_map) if item.read_only
        }
        for name, item in _items(chip_map):
            if name.endswith(_HIGH_HALVES):
                self._names[item.space, item.address + 4] = f"{name}_HIGH"
        self._addresses = {
            space: sorted(address for where, address in self._names if where is space)
            for space in (Space.APB, Space.TOP)
        }
        self._values: dict[tuple[Space, int], int] = dict(self._reset_values)
        self._written: set[tuple[Space, int]] = set()

    def reset(self) -> None:
        """Give every register its value after a hard reset."""
        self._values = dict(self._reset_values)
        self._written.clear()

    def get(self, name: str) -> int:
        """Give the value of a register."""
        return self._values.get(self._place(name), 0)

    def was_written(self, name: str) -> bool:
        """Tell whether a register was written since the last hard reset."""
        return self._place(name) in self._written

    def name_at(self, space: Space, address: int) -> str:
        """Give the name of the register at an address, "" when there is none."""
        return self._names.get((space, address), "")

    def load(self, space: Space, address: int) -> int:
        """Read by address."""
        return self._values.get((space, address), 0)

    def store(self, space: Space, address: int, value: int) -> bool:
        """Write by address; False, and no effect, on a read-only register."""
        if (space, address) in self._read_only:
            return False
        self._values[space, address] = value
        self._written.add((space, address))
        return True

    def within(self, space: Space, address: int, n_words: int, stride: int) -> list[int]:
        """Give the positions in a burst at which there is a register."""
        known = self._addresses[space]
        first = bisect.bisect_left(known, address)
        last = bisect.bisect_left(known, address + stride * n_words)
        offsets = (known[i] - address for i in range(first, last))
        return [offset // stride for offset in offsets if offset % stride == 0]

    def _place(self, name: str) -> tuple[Space, int]:
        item = self._map.registers[name]
        return item.space, item.address


def _items(chip_map: ChipMap) -> list[tuple[str, Register]]:
    return list(chip_map.registers.items())
