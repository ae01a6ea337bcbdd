"""Convolutions over time and bands (FQIR reference 4.12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa_ops import Op
from hostrt.fasmir.assembly import Role
from hostrt.fasmir.lower_control import LOOPS, loop_move
from hostrt.fasmir.lower_cores import Rows, Weights, product
from hostrt.fasmir.lower_draft import Label, View, type_for
from hostrt.fasmir.lower_elementwise import clamp, finish
from hostrt.fasmir.lower_vectors import PLAIN, End, Number, copy, dense, move, vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.open_isa_ops import Type
    from hostrt.fasmir.lower import Lowering
    from hostrt.fqir.plan.ir import Conv

_MOST_UNROLLED = 512
"""Words of instructions for all output bands; beyond that they are a hardware loop."""


def lower_conv(low: Lowering, one: Conv) -> None:
    """`narrow(bias + sum of weight * window)`, for every output band."""
    z = low.target(one.out)
    ending = finish(one.narrow, low.value(one.out), z.type)
    rows = _padded_rows(low, one)
    if one.depthwise:
        _depthwise(low, one, rows, z, ending.end)
    else:
        _dense(low, one, rows, z, ending.end)
    clamp(low, z, ending)


def _padded_rows(low: Lowering, one: Conv) -> tuple[View, ...]:
    """Give the window's rows, with bands of zeros on both sides."""
    if one.window in low.rows:
        rows = low.rows[one.window]
    else:
        n_rows, width = low.shape(one.window)
        whole = low.view(one.window)
        rows = tuple(whole.part(row * width, width) for row in range(n_rows))
    if not one.padding:
        return rows
    margin, width = one.padding * one.channels, one.bands * one.channels
    made = []
    for number, row in enumerate(rows):
        # the margins are zeros of the image that nobody overwrites
        name = f"{low.name(one.out)}.padded{number}"
        padded = low.draft.view(name, row.type, width + 2 * margin, Role.STATE)
        copy(low.draft, row, padded.part(margin, width))
        made.append(padded)
    return tuple(made)


def _accumulator(one: Conv) -> Type:
    return type_for(-one.bound, one.bound)


# ---------------------------------------------------------------------- dense


@dataclass(frozen=True, slots=True)
class _Piece:
    """Elements of the window that are beside each other.

    Attributes:
        view: where, for the first output band.
        column: of the weights that the first of them meets.
    """

    view: View
    column: int


def _dense(low: Lowering, one: Conv, rows: Sequence[View], z: View, end: End) -> None:
    d_out = low.shape(one.weight)[0]
    bias = None if one.bias is None else low.aligned(low.view(one.bias))
    pieces = _pieces(low, one, rows)
    constant = low.value(one.weight).constant is not None
    together = not constant or len(low.team.drafts) > 1 or _gathering_pays(low, one, pieces)
    whole_words = d_out % z.type.lanes == 0
    each = 3 * (len(pieces) + (len(pieces) > 1 and together) + (not whole_words))
    if one.bands_out * each > _MOST_UNROLLED and low.depth < LOOPS:
        _looped(low, one, pieces, z, bias, end)
        return
    for band in range(one.bands_out):
        low.open_block()
        step = band * one.stride * one.channels
        here = [_Piece(_moved(piece.view, step), piece.column) for piece in pieces]
        target = z.part(band * d_out, d_out)
        direct = whole_words or one.bands_out == 1
        out = target if direct else low.scratch(f"{z.buffer.name}.band", z.type, d_out)
        if len(here) > 1 and together:
            here = [_gathered(low, one, here)]
        _chain(low, one, here, out, bias, end)
        if not direct:
            copy(low.draft, out, target)
        low.close_block()


def _pieces(low: Lowering, one: Conv, rows: Sequence[View]) -> list[_Piece]:
    """Give what the first output band sees, in as few pieces as possible."""
    taps = low.shape(one.weight)[2]
    pieces: list[_Piece] = []
    column = 0
    for row in rows:
        for tap in range(taps):
            view = row.part(tap * one.dilation * one.channels, one.channels)
            last = pieces[-1].view if pieces else None
            if last and last.buffer is view.buffer and last.start + last.length == view.start:
                joined = View(last.buffer, last.start, last.length + view.length)
                pieces[-1] = _Piece(joined, pieces[-1].column)
            else:
                pieces.append(_Piece(view, column))
            column += one.channels
    return pieces


def _moved(view: View, step: int) -> View:
    return View(view.buffer, view.start + step, view.length)


def _gathering_pays(low: Lowering, one: Conv, pieces: list[_Piece]) -> bool:
    """Compare the cycles of one product per piece with those of putting them together first."""
    d_out = low.shape(one.weight)[0]
    content = low.value(one.weight).constant
    assert content is not None
    lanes = type_for(int(content.min()), int(content.max())).lanes
    apart = together = total = 0
    for piece in pieces:
        n, view = piece.view.length, piece.view
        apart += 4 + -(-n // view.type.lanes) + d_out * -(-n // lanes)
        by_words = view.is_aligned and piece.column % view.type.lanes == 0
        together += 3 + (-(-n // view.type.lanes) if by_words else n)
        total += n
    kind = pieces[0].view.type
    together += 4 + -(-total // kind.lanes) + d_out * -(-total // lanes)
    return together < apart


def _gathered(low: Lowering, one: Conv, pieces: Sequence[_Piece]) -> _Piece:
    """Put the pieces into one vector."""
    total = sum(piece.view.length for piece in pieces)
    kind = max(piece.view.type for piece in pieces)
    made = low.scratch(f"{low.name(one.window)}.seen", kind, total)
    for piece in pieces:
        copy(low.draft, piece.view, made.part(piece.column, piece.view.length))
    return _Piece(made, 0)


def _chain(
    low: Lowering, one: Conv, pieces: Sequence[_Piece], z: View, bias: View | None, end: End
) -> None:
    """Multiply one piece after the other, each beginning with the sums of those before it."""
    init, once = bias, one.bands_out == 1
    for piece in pieces[:-1]:
        sums = low.scratch(f"{z.buffer.name}.sums", _accumulator(one), z.length)
        product(low, _weights(low, one, piece), piece.view, sums, init, PLAIN, once=once)
        init = sums
    product(low, _weights(low, one, pieces[-1]), pieces[-1].view, z, init, end, once=once)


def _weights(low: Lowering, one: Conv, piece: _Piece) -> Rows | Weights:
    """Give the columns of the weights that a piece meets; in memory only if it is all of them."""
    content, name = low.value(one.weight).constant, low.name(one.weight)
    stop = piece.column + piece.view.length
    if content is not None:
        by_time = content.transpose(0, 3, 2, 1).reshape(len(content), -1)
        columns = (id(content), "by time", piece.column, stop)
        return Weights(by_time[:, piece.column : stop], name, columns)
    d_out, channels, taps, times = low.shape(one.weight)
    x = low.view(one.weight)
    depth = channels * taps * times
    row = -(-depth // x.type.lanes) * x.type.lanes
    key = ("by time", x)
    made = low.find_copy(key)
    if made is None:
        made = low.scratch(f"{name}.rows", x.type, d_out * row)
        shape, strides = (d_out, times, taps, channels), dense((d_out, channels, taps, times))
        ordered = [strides[0], strides[3], strides[2], strides[1]]
        move(low.draft, x, made, shape, ordered, (row, *dense(shape)[1:]))
        low.keep_copy(key, made)
    return Rows(made.place, x.type, d_out, depth)


def _looped(
    low: Lowering, one: Conv, pieces: list[_Piece], z: View, bias: View | None, end: End
) -> None:
    """Do the output bands in a hardware loop: bring together, multiply, put away."""
    draft, d_out = low.draft, low.shape(one.weight)[0]
    kind = max(piece.view.type for piece in pieces)
    seen = low.scratch(f"{low.name(one.window)}.seen", kind, sum(p.view.length for p in pieces))
    out = low.scratch(f"{z.buffer.name}.band", z.type, d_out)
    whole = _Piece(seen, 0)
    rows = _weights(low, one, whole)
    count, reg, label = one.bands_out, low.depth, draft.label(f"{z.buffer.name}.bands")
    start = draft.open_loop(count, label)
    low.depth += 1
    for piece in pieces:
        target = seen.part(piece.column, piece.view.length)
        loop_move(draft, reg, piece.view, target, (one.stride * one.channels, 0), count)
    product(low, rows, seen, out, bias, end)
    loop_move(draft, reg, out, z.part(0, d_out), (0, d_out), count)
    low.depth -= 1
    draft.emit(Op.LOOP, n=count, b=Label(label), reg=reg)
    draft.close_loop(start, count)


# ---------------------------------------------------------------------- depthwise


def _depthwise(low: Lowering, one: Conv, rows: Sequence[View], z: View, end: End) -> None:
    """Every channel by itself: vectors of all channels and bands, one tap after the other."""
    _, _, taps, times = low.shape(one.weight)
    terms = [(time, tap) for time in range(times) for tap in range(taps)]
    alone = len(terms) == 1 and one.bias is None
    sums = z if alone else low.scratch(f"{z.buffer.name}.sums", _accumulator(one), z.length)
    for number, (time, tap) in enumerate(terms):
        x = _seen(low, one, rows[time], tap)
        weight = _tap_weights(low, one, tap, time)
        op, how = (Op.MAC, PLAIN) if number else (Op.MUL, end if alone else PLAIN)
        vector(low.draft, op, x, weight, sums, how)
    if alone:
        return
    bias = Number(0) if one.bias is None else _per_channel(low, one.bias, one.bands_out, (0, 1))
    vector(low.draft, Op.ADD, sums, bias, z, end)


def _seen(low: Lowering, one: Conv, row: View, tap: int) -> View:
    """Give what one tap sees, band after band, beginning at a word."""
    start, count = tap * one.dilation * one.channels, one.channels
    if one.stride == 1 or one.bands_out == 1:
        return low.aligned(row.part(start, one.bands_out * count))
    made = low.scratch(f"{low.name(one.window)}.seen", row.type, one.bands_out * count)
    shape = (one.bands_out, count)
    move(low.draft, row.part(start, 1), made, shape, (one.stride * count, 1), (count, 1))
    return made


def _tap_weights(low: Lowering, one: Conv, tap: int, time: int) -> View:
    shape = low.shape(one.weight)
    content = low.value(one.weight).constant
    if content is None:
        offset, step = tap * shape[3] + time, shape[1] * shape[2] * shape[3]
        return _per_channel(low, one.weight, one.bands_out, (offset, step))
    per_band = np.tile(content[:, 0, tap, time], one.bands_out)
    return low.constant(per_band, f"{low.name(one.weight)}.{time}.{tap}")


def _per_channel(low: Lowering, value: int, bands: int, where: tuple[int, int]) -> View:
    """Give a number per channel, repeated for every band; `where` is its first and its stride."""
    offset, step = where
    content = low.value(value).constant
    count = low.shape(value)[0]
    if content is not None:
        return low.constant(np.tile(content, bands), low.name(value))
    view = low.view(value)
    if bands == 1 and step == 1:
        return low.aligned(view.part(offset, count))
    key = ("per channel", view, bands, offset, step)
    known = low.find_copy(key)
    if known is None:
        known = low.scratch(f"{low.name(value)}.spread", view.type, bands * count)
        move(low.draft, view.part(offset, 1), known, (bands, count), (0, step), (count, 1))
        low.keep_copy(key, known)
    return known
