"""What the instructions of the virtual machine do: element-wise arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.fqir.plan.vm_codes import LANES

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.plan.vm_ir import Kernel, Number


def _given(k: Kernel, name: str, like: Number) -> Number:
    return k.field(name).like(like)


def end(k: Kernel, v: Number) -> Number:
    """Give the END of a sum or product."""
    v = (v << _given(k, "left", v)) + _given(k, "rounding", v)
    v = v >> _given(k, "right", v)
    return v.at_least(_given(k, "lo", v)).at_most(_given(k, "hi", v))


def _shifted(k: Kernel, v: Number, operand: str) -> Number:
    return v << _given(k, f"left_{operand}", v) >> _given(k, f"right_{operand}", v)


def _signed(k: Kernel, v: Number, operand: str) -> Number:
    sign = _given(k, f"negate_{operand}", v)
    return (v ^ sign) - sign


def each(k: Kernel, bits: int, operation: Callable[[Number, Number], Number]) -> None:
    """Compute one block after the other from x and y."""
    out, x, y = (k.place(bits, name) for name in ("out", "x", "y"))
    with k.loop(k.field("blocks") * LANES, LANES) as i:
        out[i] = operation(x.get(i, LANES), y.get(i, LANES))
    k.go_on()


def _each_one(k: Kernel, bits: int, operation: Callable[[Number, Number], Number]) -> None:
    """Compute one block after the other from x and a single y."""
    out, x = k.place(bits, "out"), k.place(bits, "x")
    y = k.place(bits, "y")[k.number(0)].spread(LANES)
    with k.loop(k.field("blocks") * LANES, LANES) as i:
        out[i] = operation(x.get(i, LANES), y)
    k.go_on()


def add(k: Kernel, bits: int) -> None:
    """Add elements."""
    each(
        k,
        bits,
        lambda x, y: end(k, _shifted(k, x, "x") + _signed(k, _shifted(k, y, "y"), "y")),
    )


def add_one(k: Kernel, bits: int) -> None:
    """Add a number to all elements."""

    def operation(x: Number, y: Number) -> Number:
        left, right = _shifted(k, x, "x"), _shifted(k, y, "y")
        return end(k, _signed(k, left, "x") + _signed(k, right, "y"))

    _each_one(k, bits, operation)


def multiply(k: Kernel, bits: int) -> None:
    """Multiply elements."""
    each(k, bits, lambda x, y: end(k, x * y))


def multiply_one(k: Kernel, bits: int) -> None:
    """Multiply all elements by a number."""
    _each_one(k, bits, lambda x, y: end(k, x * y))


def mask(k: Kernel, bits: int) -> None:
    """Take a field of bits out of each element."""
    out, x = k.place(bits, "out"), k.place(bits, "x")
    with k.loop(k.field("blocks") * LANES, LANES) as i:
        v = x.get(i, LANES)
        out[i] = v >> _given(k, "right", v) & _given(k, "mask", v)
    k.go_on()


COMPARISONS: dict[str, Callable[[Number, Number], Number]] = {
    "greater": lambda x, y: x.greater(y).extended(x.bits),
    "greater_equal": lambda x, y: x.greater_equal(y).extended(x.bits),
    "equal": lambda x, y: x.equal(y).extended(x.bits),
    "both": lambda x, y: (x.truth() & y.truth()).extended(x.bits),
    "either": lambda x, y: (x.truth() | y.truth()).extended(x.bits),
    "one_of": lambda x, y: (x.truth() ^ y.truth()).extended(x.bits),
    "largest": lambda x, y: x.at_least(y),
    "smallest": lambda x, y: x.at_most(y),
}
"""What the comparisons compute from two blocks."""


def look_up(k: Kernel, bits: int) -> None:
    """Look elements up in a table."""
    out, x, table = k.place(bits, "out"), k.place(32, "x"), k.place(bits, "table")
    with k.loop(k.field("blocks") * LANES, LANES) as i:
        v = x.get(i, LANES)
        lo, hi = _given(k, "lo", v), _given(k, "hi", v)
        address = (v >> _given(k, "right", v)).at_least(lo).at_most(hi) - lo
        for lane in range(LANES):
            out[i + lane] = table[address.lane(lane).to(64)]
    k.go_on()
