"""Matrix products: rows of weights times a vector, whichever side the weights are on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa_ops import Op
from hostrt.fasmir.lower_cores import Rows, Weights, product
from hostrt.fasmir.lower_draft import View, type_for
from hostrt.fasmir.lower_elementwise import Finish, clamp, finish
from hostrt.fasmir.lower_structure import sum_rows
from hostrt.fasmir.lower_vectors import PLAIN, copy, dense, move, spread, vector

if TYPE_CHECKING:
    from hostrt.fasmir.lower import Lowering
    from hostrt.fasmir.lower_vectors import End
    from hostrt.fqir.plan.ir import MatMul


@dataclass(frozen=True, slots=True)
class _Product:
    """A product as vectors against rows: `out[v, j]`, or `out[j, v]`, is row j . vector v.

    Attributes:
        matrix: the factor whose rows they are.
        vectors: the other one.
        n_vectors: v.
        n_rows: j.
        depth: k.
        turned: rows are those of the left factor and vectors columns of the right one; otherwise
            vectors are the rows of the left factor and rows the columns of the right one.
        strides: of the bias, by vector and by row.
    """

    matrix: int
    vectors: int
    n_vectors: int
    n_rows: int
    depth: int
    turned: bool
    strides: tuple[int, int]


def _arranged(low: Lowering, one: MatMul) -> _Product:
    x_shape, y_shape = low.shape(one.x), low.shape(one.y)
    r, k = (1, *x_shape)[-2:]
    m = prod(y_shape[1:])
    along_x = along_y = 0
    if one.bias is not None:
        strides = spread(low.shape(one.bias), (*x_shape[:-1], *y_shape[1:]))
        along_x = strides[0] if len(x_shape) == 2 else 0
        along_y = strides[-1] if len(y_shape) == 2 else 0
    right = low.value(one.y).constant is not None
    left = low.value(one.x).constant is not None
    if not right and (left or r > m):
        return _Product(one.x, one.y, m, r, k, turned=True, strides=(along_y, along_x))
    return _Product(one.y, one.x, r, m, k, turned=False, strides=(along_x, along_y))


def lower_matmul(low: Lowering, one: MatMul) -> None:
    """`narrow(x @ y + bias)`."""
    shape = (*low.shape(one.x)[:-1], *low.shape(one.y)[1:])
    out = low.value(one.out)
    ending = finish(one.narrow, out, low.kinds.of(one.out))
    if one.bias is not None and shape != out.shape:
        _with_large_bias(low, one, shape, ending)
        return
    z = low.target(one.out)
    p = _arranged(low, one)
    if one.bias is not None or not _simpler(low, p, z, ending.end):
        _run(low, p, z, one.bias, ending.end)
    clamp(low, z, ending)


def _with_large_bias(low: Lowering, one: MatMul, shape: tuple[int, ...], ending: Finish) -> None:
    """The bias has more axes than the product: add it afterwards."""
    plain = replace(one, bias=None)
    kind, to = type_for(-one.bound, one.bound), low.shape(one.out)
    raw = low.scratch(f"{low.name(one.out)}.product", kind, prod(shape))
    _run(low, _arranged(low, plain), raw, None, PLAIN)
    low.settle(raw)
    x = raw
    if raw.length != prod(to):
        x = low.scratch(f"{low.name(one.out)}.spread", kind, prod(to))
        move(low.draft, raw, x, to, spread(shape, to), dense(to))
    z = low.target(one.out)
    assert one.bias is not None
    vector(low.draft, Op.ADD, x, low.expanded(one.bias, to), z, ending.end)
    clamp(low, z, ending)


def _simpler(low: Lowering, p: _Product, z: View, end: End) -> bool:
    """Do products that are something simpler: plain sums, and one number times a vector."""
    if low.uniform(p.matrix) == 1 and p.n_rows == 1 and (not p.turned or p.n_vectors == 1):
        sum_rows(low, low.aligned(low.view(p.vectors)), p.depth, z, end)
        return True
    if p.depth == 1 and p.n_vectors == 1:
        x, y = low.aligned(low.view(p.vectors)), low.aligned(low.view(p.matrix))
        vector(low.draft, Op.MUL, x, y, z, end)
        return True
    return False


def _run(low: Lowering, p: _Product, z: View, bias: int | None, end: End) -> None:
    rows, vectors = _rows(low, p), _vectors(low, p)
    beside = p.n_vectors == 1 or (not p.turned and p.n_rows % z.type.lanes == 0)
    once = p.n_vectors == 1
    for number in range(p.n_vectors):
        x = vectors.part(number * p.depth, p.depth)
        init = None if bias is None else _init(low, bias, p, number)
        target = z.part(number * p.n_rows, p.n_rows)
        if beside:
            product(low, rows, x, target, init, end, once=once)
            continue
        piece = low.scratch(f"{z.buffer.name}.row", z.type, p.n_rows)
        product(low, rows, x, piece, init, end, once=once)
        if p.turned:
            move(low.draft, piece, z.part(number, 1), (p.n_rows,), (1,), (p.n_vectors,))
        else:
            copy(low.draft, piece, target)


def _init(low: Lowering, bias: int, p: _Product, number: int) -> View:
    """Give what the sums of one vector begin with, beginning at a word."""
    per_vector, per_row = p.strides
    first, name = number * per_vector, low.name(bias)
    content = low.value(bias).constant
    if content is not None:
        picked = content.reshape(-1)[first + np.arange(p.n_rows) * per_row]
        return low.constant(np.ascontiguousarray(picked), name)
    view = low.view(bias)
    if per_row == 1 or p.n_rows == 1:
        return low.aligned(view.part(first, p.n_rows))
    key = ("init", view, first, per_row, p.n_rows)
    known = low.find_copy(key)
    if known is None:
        known = low.scratch(f"{name}.init", view.type, p.n_rows)
        move(low.draft, view.part(first, 1), known, (p.n_rows,), (per_row,), (1,))
        low.keep_copy(key, known)
    return known


def _rows(low: Lowering, p: _Product) -> Rows | Weights:
    content, name = low.value(p.matrix).constant, low.name(p.matrix)
    if content is not None:
        matrix = content.reshape(-1, p.depth) if p.turned else content.reshape(p.depth, -1).T
        return Weights(matrix, name, (id(content), p.turned))
    x = low.view(p.matrix)
    if p.n_rows == 1:
        return Rows(low.aligned(x).place, x.type, 1, p.depth)
    lanes = x.type.lanes
    if p.turned and x.is_aligned and p.depth % lanes == 0:
        return Rows(x.place, x.type, p.n_rows, p.depth)
    padded = -(-p.depth // lanes) * lanes
    made = low.scratch(f"{name}.rows", x.type, p.n_rows * padded)
    strides = (p.depth, 1) if p.turned else (1, p.n_rows)
    move(low.draft, x, made, (p.n_rows, p.depth), strides, (padded, 1))
    return Rows(made.place, x.type, p.n_rows, p.depth)


def _vectors(low: Lowering, p: _Product) -> View:
    """Give the vectors one after the other."""
    x = low.view(p.vectors)
    if not p.turned or p.n_vectors == 1:
        return x
    made = low.scratch(f"{low.name(p.vectors)}.columns", x.type, x.length)
    shape = (p.n_vectors, p.depth)
    move(low.draft, x, made, shape, (1, p.n_vectors), dense(shape))
    return made
