"""The functions of all instructions of the virtual machine; see `vm_codes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.fqir.plan import vm_kernels_elements as elements
from hostrt.fqir.plan import vm_kernels_moves as moves
from hostrt.fqir.plan import vm_kernels_sums as sums
from hostrt.fqir.plan.vm_codes import FIELDS
from hostrt.fqir.plan.vm_ir import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from llvmlite import ir


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(".")[1:])


_SIZED: dict[str, Callable[[Kernel, int], None]] = {
    "add": elements.add,
    "add_one": elements.add_one,
    "multiply": elements.multiply,
    "multiply_one": elements.multiply_one,
    "mask": elements.mask,
    "taps": sums.taps,
    "sum": sums.sum_rows,
    "input": moves.take_input,
    "output": moves.give_output,
    "block": moves.block,
    "jump_unless": moves.jump_unless,
    "look_up": elements.look_up,
}

_OTHERS: dict[str, Callable[[Kernel], None]] = {
    "count": moves.count,
    "jump": moves.jump,
    "start": moves.start,
    "repeat": moves.repeat,
    "leave": moves.leave,
    "stop": Kernel.stop,
}


def _write(k: Kernel, name: str) -> None:
    kind, numbers = name.partition(".")[0], _numbers(name)
    if kind in elements.COMPARISONS:
        elements.each(k, numbers[0], elements.COMPARISONS[kind])
    elif kind in _SIZED:
        _SIZED[kind](k, numbers[0])
    elif kind == "rows":
        moves.rows(k, (numbers[0], numbers[1]))
    elif kind == "pick":
        moves.pick(k, (numbers[0], numbers[1]))
    elif kind == "product":
        make = _product(numbers)
        make(k, (numbers[0], numbers[1], numbers[2]))
    else:
        _OTHERS[kind](k)


def _product(numbers: tuple[int, ...]) -> Callable[[Kernel, tuple[int, int, int]], None]:
    if numbers[1] > 16:
        return sums.product
    return sums.product_chunks if numbers[0] > 32 else sums.product_short


def write_kernels(module: ir.Module) -> list[ir.Function]:
    """Write the functions of all instructions, in the order of their codes."""
    functions = []
    for name, fields in FIELDS.items():
        k = Kernel(module, name, fields)
        _write(k, name)
        functions.append(k.function)
    return functions
