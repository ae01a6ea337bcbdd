"""One instruction of the compiled machine at a time, with random operands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest

from hostrt.fqir.plan.vm_codes import CONTEXT, FIELDS
from hostrt.fqir.plan.vm_program import Assembler, address, aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hostrt.fqir.plan.vm_places import Ref

Ints: TypeAlias = "NDArray[Any]"


class Trial:
    """One instruction with random fields and operands.

    Attributes:
        asm: the program.
        random: where numbers come from.
        bits: size of the elements.
        f: its fields that are numbers.
        m: its fields that are places, as arrays.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.asm = Assembler()
        self.random = np.random.default_rng([seed, *name.encode()])
        self.name = name
        self.numbers = [int(part) for part in name.split(".")[1:]]
        self.bits = self.numbers[0]
        self.f: dict[str, int] = {}
        self.m: dict[str, Ints] = {}
        self._places: dict[str, Ref] = {}

    def noise(self, size: int, bits: int) -> Ints:
        """Give integers of all sizes, the ends of the range among them."""
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        numbers = self.random.integers(low, high, size, np.int64, endpoint=True)
        numbers >>= self.random.integers(0, bits, size)
        ends = self.random.choice([low, high, 0, 1, -1], size)
        return np.where(self.random.random(size) < 0.2, ends, numbers).astype(f"i{bits // 8}")

    def place(self, field: str, content: Ints) -> None:
        """Give an operand."""
        bits = content.dtype.itemsize * 8
        self.m[field] = content.reshape(-1)
        self._places[field] = self.asm.constant(bits, content)

    def operands(self, *fields: str, size: int) -> None:
        """Give random operands."""
        for field in fields:
            self.place(field, self.noise(size, self.bits))

    def end(self) -> None:
        """Choose the fields END, and those of shifts."""
        for field in FIELDS[self.name]:
            if field.partition("_")[0] in {"left", "right"}:
                self.f[field] = int(self.random.integers(0, self.bits))
            elif field.startswith("negate"):
                self.f[field] = -int(self.random.integers(2))
        if "rounding" in FIELDS[self.name]:
            self.f["rounding"] = int(self.noise(1, self.bits)[0])
            bounds = sorted(self.noise(2, self.bits).tolist())
            self.f |= {"lo": bounds[0], "hi": bounds[1]}

    def run(self, size: int, bits: int = 0) -> Ints:
        """Execute it and give `size` elements of its result."""
        out = self.asm.buffer(bits or self.bits, size)
        self.asm.emit(self.name, out=out, **self.f, **self._places)
        return execute(self.asm, out, size)

    def shift(self, v: Ints, operand: str) -> Ints:
        kind = v.dtype.type
        shifted: Ints = v << kind(self.f[f"left_{operand}"]) >> kind(self.f[f"right_{operand}"])
        return shifted

    def sign(self, v: Ints, operand: str) -> Ints:
        return np.negative(v) if self.f.get(f"negate_{operand}") else v

    def ended(self, v: Ints) -> Ints:
        kind = v.dtype.type
        v = (v << kind(self.f["left"])) + kind(self.f["rounding"])
        clipped: Ints = np.clip(v >> kind(self.f["right"]), self.f["lo"], self.f["hi"])
        return clipped


def execute(asm: Assembler, out: Ref, size: int, *arrays: Ints, frames: int = 1) -> Ints:
    """Run a program and give a part of the memory; skip where there is no compiler."""
    vm_machine = pytest.importorskip(
        "hostrt.fqir.plan.vm_machine", reason="the extra `compiled` is not installed"
    )
    asm.emit("stop")
    image = asm.finish()
    context = aligned(len(CONTEXT) + len(arrays), "i8")
    for word, bits in enumerate((8, 16, 32, 64)):
        context[word] = address(image.areas[bits])
    context[len(CONTEXT) :] = [address(array) for array in arrays]
    vm_machine.machine().execute(address(context), address(image.program), 0, frames)
    return image.slot(out, size)
