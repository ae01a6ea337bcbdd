"""Where the values of a plan are in the virtual machine's memory.

A value stays where it was computed: in M32, or in M64 if its instruction needs 64 bits. Whoever
needs it elsewhere has it converted; conversions last until the end of the block that they are in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.plan.ranges import INT32, signed, within
from hostrt.fqir.plan.vm_codes import LANES
from hostrt.fqir.plan.vm_program import Assembler

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from hostrt.fqir.plan.ir import Int64s, Narrow, Value
    from hostrt.fqir.plan.vm_places import Ref


def blocks(n: int) -> int:
    """Give the number of blocks that hold `n` elements."""
    return -(-n // LANES)


def shifts(count: int) -> tuple[int, int]:
    """Give a shift as one to the left and one to the right."""
    return max(count, 0), max(-count, 0)


def end_fields(narrow: Narrow, bits: int) -> dict[str, int]:
    """Give the fields END of an instruction on elements of so many bits."""
    low, high = signed(bits)
    left, right = shifts(narrow.shift)
    return {
        "left": left,
        "rounding": narrow.rounding,
        "right": right,
        "lo": low if narrow.lo is None else narrow.lo,
        "hi": high if narrow.hi is None else narrow.hi,
    }


class Encoder:
    """Knows where values are, and converts and copies them.

    Attributes:
        asm: where instructions go.
        values: the plan's values.
        tables: the plan's tables.
        turns: how often the instructions that come are repeated in a frame.
        registers: value number of a shift register's slot -> its newest row behind it, if no
            instruction uses that yet.
    """

    def __init__(self, values: Sequence[Value], tables: Sequence[Int64s]) -> None:
        self.asm = Assembler()
        self.values = values
        self.tables = tables
        self.turns = 1
        self.registers: dict[int, Ref] = {}
        self._homes: dict[int, Ref] = {}
        self._made: list[dict[Hashable, Ref]] = [{}]

    # ------------------------------------------------------------------ places

    def fitting(self, number: int) -> int:
        """Give the bits of the area that certainly holds a value."""
        value = self.values[number]
        return 32 if within((value.lo, value.hi), INT32) else 64

    def home(self, number: int) -> Ref:
        """Give where a value is."""
        known = self._homes.get(number)
        if known is None:
            content = self.values[number].constant
            if content is None:
                raise KeyError(number)
            known = self.asm.constant(self.fitting(number), content)
            self._homes[number] = known
        return known

    def set_home(self, number: int, ref: Ref) -> None:
        """Say where a value is."""
        self._homes[number] = ref

    def define(self, number: int, bits: int | None = None, *, kept: bool = False) -> Ref:
        """Make room for a value, where it fits or in the area asked for."""
        area = bits or self.fitting(number)
        self._homes[number] = self.asm.buffer(area, self.values[number].size, kept=kept)
        return self._homes[number]

    def operand(self, number: int, bits: int) -> Ref:
        """Give a value in M32 or M64; it must fit there."""
        value = self.values[number]
        if value.constant is not None:
            return self.asm.constant(bits, value.constant)
        home = self.home(number)
        if home.bits == bits:
            return home
        key = ("converted", number, bits)
        found = self.find(key)
        if found is None:
            found = self.remember(key, self.asm.buffer(bits, value.size))
            self.move(found, home, value.size)
        return found

    def spread(self, number: int, shape: tuple[int, ...], bits: int) -> Ref:
        """Give a value stretched to a shape."""
        value = self.values[number]
        size = int(np.prod(shape, dtype=np.int64))
        if value.size == size:
            return self.operand(number, bits)
        if value.constant is not None:
            return self.asm.constant(bits, np.broadcast_to(value.constant, shape))
        key = ("spread", number, shape, bits)
        found = self.find(key)
        if found is None:
            index = np.broadcast_to(np.arange(value.size).reshape(value.shape), shape)
            found = self.remember(key, self.pick(self.operand(number, bits), index))
        return found

    # ------------------------------------------------------------------ copies

    def move(self, target: Ref, source: Ref, n: int) -> None:
        """Copy elements that do not overlap, between M32 and M64 as well."""
        if target == source:
            return
        if not target.offset and target.buffer.size == n:
            n = blocks(n) * LANES
        self.rows(target, 0, source, 0, n, 1)

    def rows(
        self, target: Ref, step_out: int, source: Ref, step_x: int, n: int, count: int
    ) -> None:
        """Copy rows of `n` elements, `step` apart."""
        self.asm.emit(
            f"rows.{target.bits}.{source.bits}",
            out=target,
            step_out=step_out,
            x=source,
            step_x=step_x,
            n=n,
            rows=count,
        )

    def pick(self, source: Ref, index: Int64s, bits: int | None = None) -> Ref:
        """Give elements by their numbers; 0 for negative numbers."""
        target = self.asm.buffer(bits or source.bits, index.size)
        self.asm.emit(
            f"pick.{target.bits}.{source.bits}",
            out=target,
            x=source,
            index=self.asm.constant(32, index),
            n=index.size,
        )
        return target

    # ------------------------------------------------------------------ arithmetic

    def scaled(
        self,
        source: Ref,
        n: int,
        end: dict[str, int],
        *,
        shift: int = 0,
        negate: bool = False,
        plus: int = 0,
    ) -> Ref:
        """Give END of sh(+-x, shift) + plus, for n elements."""
        target = self.asm.buffer(source.bits, n)
        left, right = shifts(shift)
        self.asm.emit(
            f"add_one.{source.bits}",
            out=target,
            x=source,
            y=self.asm.constant(source.bits, np.array([plus])),
            blocks=blocks(n),
            left_x=left,
            right_x=right,
            negate_x=-int(negate),
            left_y=0,
            right_y=0,
            negate_y=0,
            **end,
        )
        return target

    # ------------------------------------------------------------------ what was made

    def find(self, key: Hashable) -> Ref | None:
        """Give what was made before, in this block or around it."""
        for made in self._made:
            if key in made:
                return made[key]
        return None

    def remember(self, key: Hashable, ref: Ref) -> Ref:
        """Say that something was made in this block."""
        self._made[-1][key] = ref
        return ref

    def open_block(self) -> None:
        """Begin instructions that may be skipped or repeated."""
        self._made.append({})

    def close_block(self) -> None:
        """End them."""
        self._made.pop()
