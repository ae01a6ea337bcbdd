"""What the instructions of the virtual machine do: sums and matrix products."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hostrt.fqir.plan.vm_codes import DEPTH, LANES
from hostrt.fqir.plan.vm_kernels_elements import end

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.plan.vm_ir import Area, Kernel, Number


def taps(k: Kernel, bits: int) -> None:
    """Sum products along the first axis."""
    out, x, weights, bias = (k.place(bits, name) for name in ("out", "x", "weights", "bias"))
    n, count = k.field("n"), k.field("taps")
    with k.loop(k.field("blocks") * LANES, LANES) as i:
        total = k.variable(bias.get(i, LANES))
        with k.loop(count) as tap:
            at = tap * n + i
            total.set(total.get() + x.get(at, LANES) * weights.get(at, LANES))
        out[i] = end(k, total.get())
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
        out[i] = end(k, v if bias is None else v + bias.get(i, LANES))


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
