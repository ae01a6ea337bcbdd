"""What the instructions of the virtual machine do; see `vm_codes`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hostrt.fqir.plan.vm_codes import DEPTH, FIELDS, LANES
from hostrt.fqir.plan.vm_ir import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from llvmlite import ir

    from hostrt.fqir.plan.vm_ir import Area, Number

# ---------------------------------------------------------------------- element-wise


def _given(k: Kernel, name: str, like: Number) -> Number:
    return k.field(name).like(like)


def _end(k: Kernel, v: Number) -> Number:
    v = (v << _given(k, "left", v)) + _given(k, "rounding", v)
    v = v >> _given(k, "right", v)
    return v.at_least(_given(k, "lo", v)).at_most(_given(k, "hi", v))


def _shifted(k: Kernel, v: Number, operand: str) -> Number:
    return v << _given(k, f"left_{operand}", v) >> _given(k, f"right_{operand}", v)


def _signed(k: Kernel, v: Number, operand: str) -> Number:
    sign = _given(k, f"negate_{operand}", v)
    return (v ^ sign) - sign


def _each(k: Kernel, bits: int, operation: Callable[[Number, Number], Number]) -> None:
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
    _each(
        k,
        bits,
        lambda x, y: _end(k, _shifted(k, x, "x") + _signed(k, _shifted(k, y, "y"), "y")),
    )


def add_one(k: Kernel, bits: int) -> None:
    """Add a number to all elements."""

    def operation(x: Number, y: Number) -> Number:
        left, right = _shifted(k, x, "x"), _shifted(k, y, "y")
        return _end(k, _signed(k, left, "x") + _signed(k, right, "y"))

    _each_one(k, bits, operation)


def multiply(k: Kernel, bits: int) -> None:
    """Multiply elements."""
    _each(k, bits, lambda x, y: _end(k, x * y))


def multiply_one(k: Kernel, bits: int) -> None:
    """Multiply all elements by a number."""
    _each_one(k, bits, lambda x, y: _end(k, x * y))


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


# ---------------------------------------------------------------------- sums


def taps(k: Kernel, bits: int) -> None:
    """Sum products along the first axis."""
    out, x, weights, bias = (k.place(bits, name) for name in ("out", "x", "weights", "bias"))
    n, count = k.field("n"), k.field("taps")
    with k.loop(k.field("blocks") * LANES, LANES) as i:
        total = k.variable(bias.get(i, LANES))
        with k.loop(count) as tap:
            at = tap * n + i
            total.set(total.get() + x.get(at, LANES) * weights.get(at, LANES))
        out[i] = _end(k, total.get())
    k.go_on()


def sum_rows(k: Kernel, bits: int) -> None:
    """Sum elements along the last axis."""
    out, x, n = k.place(bits, "out"), k.place(bits, "x"), k.field("n")
    with k.loop(k.field("count")) as i:
        out[i] = _dot(k, bits, n, lambda at: x[i * n + at])
    _finish(k, out, None)
    k.go_on()


def _dot(k: Kernel, bits: int, n: Number, term: Callable[[Number], Number]) -> Number:
    """Give the sum of `n` terms."""
    total = k.variable(k.number(0, bits))
    with k.loop(n) as at:
        total.set(total.get() + term(at))
    return total.get()


def _finish(k: Kernel, out: Area, bias: Area | None) -> None:
    """Add the bias and apply the end to what is in `out`."""
    with k.loop(k.field("blocks") * LANES, LANES) as i:
        v = out.get(i, LANES)
        out[i] = _end(k, v if bias is None else v + bias.get(i, LANES))


def _products(
    k: Kernel, kinds: tuple[int, int, int], dot: Callable[[Area, Area, Number], Number]
) -> None:
    """Compute a matrix product, row by row; without END the bias is the sums' first term."""
    out, x, weights = (
        k.place(bits, name) for bits, name in zip(kinds, ("out", "x", "weights"), strict=True)
    )
    bias, columns, n = k.place(kinds[0], "bias"), k.field("columns"), k.field("n")
    with k.loop(k.field("rows")) as row:
        results, factors = out.at(row * columns), x.at(row * n)
        with k.loop(columns) as j:
            found = dot(factors, weights.at(j * n), n)
            results[j] = found if "left" in k.fields else found + bias[j]
        if "left" in k.fields:
            _finish(k, results, bias)
    k.go_on()


def _short_dot(k: Kernel, x: Area, weights: Area, n: Number) -> Number:
    """Give the sum of products of 16-bit factors that fits 32 bits; n is a multiple of DEPTH."""
    total = k.variable(k.number(0, 32, DEPTH))
    with k.loop(n, DEPTH) as at:
        factors = x.get(at, DEPTH).to(32) * weights.get(at, DEPTH).to(32)
        total.set(total.get() + factors)
    return total.get().total()


def product_short(k: Kernel, kinds: tuple[int, int, int]) -> None:
    """Multiply matrices of 16-bit factors; all sums fit 32 bits."""
    _products(k, kinds, partial(_short_dot, k))


def product_chunks(k: Kernel, kinds: tuple[int, int, int]) -> None:
    """Multiply matrices of 16-bit factors; sums of `chunk` products fit 32 bits."""
    chunk = k.field("chunk")

    def dot(x: Area, weights: Area, n: Number) -> Number:
        total = k.variable(k.number(0))
        with k.loop(n, chunk) as start:
            length = chunk.at_most(n - start)
            part = _short_dot(k, x.at(start), weights.at(start), length)
            total.set(total.get() + part.to(64))
        return total.get()

    _products(k, kinds, dot)


def product(k: Kernel, kinds: tuple[int, int, int]) -> None:
    """Multiply matrices in the size of the result."""
    bits = kinds[0]

    def dot(x: Area, weights: Area, n: Number) -> Number:
        return _dot(k, bits, n, lambda at: x[at].to(bits) * weights[at].to(bits))

    _products(k, kinds, dot)


# ---------------------------------------------------------------------- moves


def _copy(k: Kernel, out: Area, x: Area, n: Number) -> None:
    """Copy exactly `n` elements, to any size."""
    whole = n & -LANES
    with k.loop(whole, LANES) as i:
        out[i] = x.get(i, LANES).to(out.bits)
    with k.loop(n - whole) as i:
        out[whole + i] = x[whole + i].to(out.bits)


def rows(k: Kernel, kinds: tuple[int, int]) -> None:
    """Copy rows."""
    out, x, n = k.place(kinds[0], "out"), k.place(kinds[1], "x"), k.field("n")
    step_out, step_x = k.field("step_out"), k.field("step_x")
    with k.loop(k.field("rows")) as row:
        _copy(k, out.at(row * step_out), x.at(row * step_x), n)
    k.go_on()


def pick(k: Kernel, kinds: tuple[int, int]) -> None:
    """Pick elements by their numbers."""
    out, x, index = k.place(kinds[0], "out"), k.place(kinds[1], "x"), k.place(32, "index")
    none = k.number(0, kinds[1])
    with k.loop(k.field("n")) as i:
        at = index[i].to(64)
        inside = at.greater_equal(0)
        found = inside.choose(x[inside.choose(at, k.number(0))], none)
        out[i] = found.to(kinds[0])
    k.go_on()


def take_input(k: Kernel, bits: int) -> None:
    """Take one frame of an input."""
    n = k.field("n")
    _copy(k, k.place(bits, "out"), k.frame(k.field("number"), n), n)
    k.go_on()


def give_output(k: Kernel, bits: int) -> None:
    """Give one frame of an output."""
    n = k.field("n")
    _copy(k, k.frame(k.field("number"), n), k.place(bits, "x"), n)
    k.go_on()


def block(k: Kernel, bits: int) -> None:
    """Copy a block whose place depends on the iteration."""
    turn = k.place(64, "k")[k.number(0)]
    out = k.place(bits, "out").at(turn * k.field("move_out"))
    _copy(k, out, k.place(bits, "x").at(turn * k.field("move_x")), k.field("n"))
    k.go_on()


# ---------------------------------------------------------------------- control


def count(k: Kernel) -> None:
    """Count frames."""
    m64, n = k.area(64), k.field("n")
    now = m64[k.field("counter")].mod(n)
    m64[k.field("test")] = now.equal(k.field("k")).extended(64)
    m64[k.field("next")] = (now + 1).mod(n)
    k.go_on()


def jump(k: Kernel) -> None:
    """Go on elsewhere."""
    k.jump_if(k.number(1, 1), k.field("target"))


def jump_unless(k: Kernel, bits: int) -> None:
    """Go on elsewhere if an element is 0."""
    k.jump_if(k.place(bits, "x")[k.number(0)].equal(0), k.field("target"))


def start(k: Kernel) -> None:
    """Begin a loop."""
    k.area(64)[k.field("k")] = k.number(0)
    k.go_on()


def repeat(k: Kernel) -> None:
    """Go on with the next iteration."""
    turn = k.place(64, "k")
    turn[k.number(0)] = turn[k.number(0)] + 1
    k.jump_if(k.number(1, 1), k.field("target"))


def leave(k: Kernel) -> None:
    """Go on elsewhere if this is the last iteration."""
    k.jump_if(k.place(64, "k")[k.number(0)].equal(k.field("last")), k.field("target"))


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(".")[1:])


_SIZED: dict[str, Callable[[Kernel, int], None]] = {
    "add": add,
    "add_one": add_one,
    "multiply": multiply,
    "multiply_one": multiply_one,
    "mask": mask,
    "taps": taps,
    "sum": sum_rows,
    "input": take_input,
    "output": give_output,
    "block": block,
    "jump_unless": jump_unless,
    "look_up": look_up,
}

_OTHERS: dict[str, Callable[[Kernel], None]] = {
    "count": count,
    "jump": jump,
    "start": start,
    "repeat": repeat,
    "leave": leave,
    "stop": Kernel.stop,
}


def _write(k: Kernel, name: str) -> None:
    kind, numbers = name.partition(".")[0], _numbers(name)
    if kind in COMPARISONS:
        _each(k, numbers[0], COMPARISONS[kind])
    elif kind in _SIZED:
        _SIZED[kind](k, numbers[0])
    elif kind == "rows":
        rows(k, (numbers[0], numbers[1]))
    elif kind == "pick":
        pick(k, (numbers[0], numbers[1]))
    elif kind == "product":
        make = product if numbers[1] > 16 else product_chunks if numbers[0] > 32 else product_short
        make(k, (numbers[0], numbers[1], numbers[2]))
    else:
        _OTHERS[kind](k)


def write_kernels(module: ir.Module) -> list[ir.Function]:
    """Write the functions of all instructions, in the order of their codes."""
    functions = []
    for name, fields in FIELDS.items():
        k = Kernel(module, name, fields)
        _write(k, name)
        functions.append(k.function)
    return functions
