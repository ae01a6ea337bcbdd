"""Instructions that only move elements, sums along axes, and counters."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from firmware_protocol.open_isa_ops import Op
from hostrt.errors import ProgramUnsupported
from hostrt.fasmir.lower_draft import MOST, View, type_for
from hostrt.fasmir.lower_elementwise import clamp, finish
from hostrt.fasmir.lower_vectors import copy, dense, move

if TYPE_CHECKING:
    from hostrt.fasmir.lower import Lowering
    from hostrt.fasmir.lower_vectors import End
    from hostrt.fqir.plan.ir import Concat, Counter, Reshape, Slice, Sum, Transpose, Window


def lower_reshape(low: Lowering, one: Reshape) -> None:
    """The same elements; nothing to do."""
    if one.x in low.rows:
        low.bind_rows(one.out, low.rows[one.x])
    else:
        low.bind(one.out, low.view(one.x))


def lower_slice(low: Lowering, one: Slice) -> None:
    """Elements start..stop along an axis: a part of x where they are beside each other."""
    shape, x = low.shape(one.x), low.view(one.x)
    inner = prod(shape[one.axis + 1 :])
    outer = prod(shape[: one.axis])
    length = one.stop - one.start
    first = one.start * inner
    if outer == 1:
        low.bind(one.out, x.part(first, length * inner))
        return
    z = low.target(one.out, x.type)
    row = shape[one.axis] * inner
    source = View(x.buffer, x.start + first, 1)
    move(low.draft, source, z, (outer, length * inner), (row, 1), (length * inner, 1))


def lower_transpose(low: Lowering, one: Transpose) -> None:
    """Rows become columns."""
    rows, columns = low.shape(one.x)
    x = low.view(one.x)
    if min(rows, columns) == 1:
        low.bind(one.out, x)
        return
    z = low.target(one.out, x.type)
    move(low.draft, x, z, (columns, rows), (1, columns), (rows, 1))


def lower_concat(low: Lowering, one: Concat) -> None:
    """The parts one after the other along an axis."""
    z, shape = low.target(one.out), low.shape(one.out)
    inner = prod(shape[one.axis + 1 :])
    outer = prod(shape[: one.axis])
    row = shape[one.axis] * inner
    start = 0
    for part in one.parts:
        x = low.view(part)
        if not x.length:
            continue
        length = low.shape(part)[one.axis] * inner
        if outer == 1:
            copy(low.draft, x, z.part(start, length))
        else:
            move(low.draft, x, z.part(start, 1), (outer, length), (length, 1), (row, 1))
        start += length


def lower_sum(low: Lowering, one: Sum) -> None:
    """Sums along axes, which are brought to the end first."""
    shape, x = low.shape(one.x), low.view(one.x)
    kept = [axis for axis in range(len(shape)) if axis not in one.axes]
    order = [*kept, *one.axes]
    z = low.target(one.out)
    depth = prod(shape[axis] for axis in one.axes)
    if [axis for axis in order if shape[axis] > 1] != [
        axis for axis in range(len(shape)) if shape[axis] > 1
    ]:
        strides = dense(shape)
        ordered = low.scratch(f"{low.name(one.out)}.ordered", x.type, x.length)
        wanted = [shape[axis] for axis in order]
        move(low.draft, x, ordered, wanted, [strides[axis] for axis in order], dense(wanted))
        x = ordered
    ending = finish(one.narrow, low.value(one.out), z.type)
    sum_rows(low, low.aligned(x), depth, z, ending.end)
    clamp(low, z, ending)


def sum_rows(low: Lowering, x: View, depth: int, z: View, end: End) -> None:
    """Sum every `depth` elements of x, which begins at a word."""
    if z.length:
        low.draft.emit(
            Op.SUM,
            n=z.length,
            a=x.place,
            b=z.place,
            xt=x.type,
            zt=z.type,
            k=depth,
            **end.fields(),
        )


def lower_counter(low: Lowering, one: Counter) -> None:
    """`test = counter mod n == k`, `next = (counter + 1) mod n`.

    Raises:
        ProgramUnsupported: a period that no instruction counts.
    """
    if one.n > MOST:
        raise ProgramUnsupported(
            f"{low.name(one.counter)} counts modulo {one.n}, an instruction counts up to {MOST}"
        )
    following, test = low.target(one.next), low.target(one.test)
    # the instruction counts in place
    x = low.view(one.counter)
    kind = max(x.type, type_for(0, one.n - 1))
    counter = low.scratch(f"{low.name(one.counter)}.count", kind, 1)
    copy(low.draft, x, counter)
    # no remainder is as large as the largest k
    k = one.k if 0 <= one.k < one.n else MOST
    low.draft.emit(
        Op.COUNT, n=one.n, a=counter.place, b=test.place, xt=counter.type, zt=test.type, k=k
    )
    copy(low.draft, counter, following)


def lower_window(low: Lowering, one: Window) -> None:
    """Rows of a shift register: buffer and x beside each other, read at a distance.

    The place of a state slot has room for one row more than the slot (`spare_rows`), so that
    the newest row goes behind it and all rows move up when the frame ends.
    """
    buffer, x = low.view(one.buffer), low.view(one.x)
    width = x.length
    n_rows = buffer.length // width + 1
    whole = View(buffer.buffer, buffer.start, n_rows * width)
    if low.spare.get(one.buffer) != width:
        kind = max(buffer.type, x.type)
        whole = low.scratch(f"{low.name(one.out)}.rows", kind, n_rows * width)
        copy(low.draft, buffer, whole.part(0, buffer.length))
    copy(low.draft, x, whole.part(buffer.length, width))
    low.bind(one.next, whole.part(width, buffer.length))
    if one.dilation == 1:
        low.bind(one.out, whole)
    else:
        taken = range(0, n_rows, one.dilation)
        low.bind_rows(one.out, tuple(whole.part(row * width, width) for row in taken))
