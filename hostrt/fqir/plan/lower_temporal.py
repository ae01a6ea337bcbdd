"""Operators that look back in time (FQIR reference 4.11 and 4.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.plan import arithmetic as do
from hostrt.fqir.plan import ranges, shapes
from hostrt.fqir.plan.contents import unsupported
from hostrt.fqir.plan.ir import Conv, Window
from hostrt.fqir.semantics import temporal
from hostrt.fqir.semantics.integers import KernelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.fqir.graph import Node
    from hostrt.fqir.plan.builder import Bits, Builder


def unfold(b: Builder, x: int, buffer: int, dilation: int) -> tuple[int, ...]:
    """Give the window in one vector, and the next buffer.

    Raises:
        ProgramUnsupported: not vectors, or no whole number of rows.
    """
    taps, width = _taps(b, x, buffer, dilation)
    return _window(b, x, buffer, dilation, (taps * width,))


def _taps(b: Builder, x: int, buffer: int, dilation: int) -> tuple[int, int]:
    if len(b.shape(x)) != 1 or len(b.shape(buffer)) != 1:
        raise unsupported("a window over what is no vector")
    width, length = b.shape(x)[0], b.shape(buffer)[0]
    if not width or length % width:
        raise unsupported(f"a buffer of {length} elements for frames of {width}")
    return length // width // dilation + 1, width


def _window(
    b: Builder, x: int, buffer: int, dilation: int, shape: tuple[int, ...]
) -> tuple[int, ...]:
    interval, bits = ranges.join(b.interval(x), b.interval(buffer)), b.widest(x, buffer)
    made = Window(b.next, b.next + 1, buffer, x, dilation)
    return b.emit(made, [(shape, interval, bits), (b.shape(buffer), interval, bits)])


def conv(b: Builder, node: Node, v: Mapping[str, int]) -> tuple[int, ...]:
    """Give the result, and the next buffer if there is one.

    Raises:
        ProgramUnsupported: shapes that do not fit, or wrap-around that a plan cannot express.
        ProgramCorrupt: a constant is missing.
    """
    spec = temporal.Conv.of(node)
    x, buffer = v["input"], v.get("buffer")
    width = spec.n_band_in * spec.d_band_in
    if b.shape(x) != (width,):
        raise unsupported(f"an input of shape {b.shape(x)}, expected {width} elements")
    after: tuple[int, ...] = ()
    taps = 1
    if buffer is None:
        window = shapes.reshape(b, x, (1, width))
    else:
        taps, _ = _taps(b, x, buffer, spec.dilation_t)
        window, *rest = _window(b, x, buffer, spec.dilation_t, (taps, width))
        after = tuple(rest)
    if taps != spec.kernel_size_t:
        raise unsupported(f"{taps} frames in view of a kernel of {spec.kernel_size_t}")
    weight, depthwise = _weight(b, spec, v["weight"])
    return (_convolved(b, spec, window, weight, v.get("bias"), depthwise), *after)


def _weight(b: Builder, spec: temporal.Conv, weight: int) -> tuple[int, bool]:
    """Give the weights that are used, and whether each channel has its own."""
    shape = b.shape(weight)
    if len(shape) != 4:
        raise unsupported(f"a weight of shape {shape}")
    try:
        depthwise = spec.is_depthwise(shape[0])
    except KernelError as error:
        raise unsupported(str(error)) from None
    d_in = 1 if depthwise else spec.d_band_in
    wanted = (shape[0], d_in, spec.kernel_size_band, spec.kernel_size_t)
    if (not depthwise and shape[1] != wanted[1]) or min(shape) == 0:
        raise unsupported(f"a weight of shape {shape} for {spec.d_band_in} channels")
    for axis in (1, 2, 3):
        if shape[axis] < wanted[axis]:
            raise unsupported(f"a weight of shape {shape}, expected {wanted}")
        weight = shapes.part(b, weight, axis, 0, wanted[axis])
    return weight, depthwise


def _convolved(
    b: Builder, spec: temporal.Conv, window: int, weight: int, bias: int | None, depthwise: bool
) -> int:
    """Make the convolution; the accumulator wraps in its own type (FQIR reference 4.12)."""
    partial = b.widest(weight, window)
    interval, bound = _products(b, spec, window, weight)
    storage = partial
    if bias is not None:
        storage = b.bits(bias)
        if storage[1] > partial[0] and not ranges.within((-bound, bound), _range(partial)):
            raise unsupported("a convolution whose sums over channels wrap")
        bias = _bias(b, spec, bias, b.shape(weight)[0])
        bound += ranges.largest(b.interval(bias))
        interval = ranges.add(interval, b.interval(bias))
    if min(storage) < 64 and not ranges.within((-bound, bound), _range(storage)):
        raw = _emit(b, spec, (window, weight, bias), (0, None), interval, bound, storage, depthwise)
        wrapped = do.wrap(b, raw, storage)
        return do.scale(b, wrapped, spec.shamt_bwred, False, do.clamp_of(spec.bw))
    shift = spec.shamt_bwred
    if shift > 0 and not ranges.within(ranges.shift(interval, min(shift, 64)), _range(storage)):
        raw = _emit(b, spec, (window, weight, bias), (0, None), interval, bound, storage, depthwise)
        return do.scale(b, raw, shift, False, do.clamp_of(spec.bw))
    end = shift, do.clamp_of(spec.bw)
    return _emit(b, spec, (window, weight, bias), end, interval, bound, storage, depthwise)


def _range(bits: Bits) -> ranges.Interval:
    return ranges.signed(bits[0])


def _bias(b: Builder, spec: temporal.Conv, bias: int, d_out: int) -> int:
    """Give the bias shifted, one element per output channel."""
    if b.shape(bias) not in ((), (d_out,)):
        raise unsupported(f"a bias of shape {b.shape(bias)} for {d_out} channels")
    content = b.values[bias].constant
    if b.shape(bias) == () and d_out and content is not None:
        bias = b.constant(np.full(d_out, content, np.int64), b.bits(bias))
    elif b.shape(bias) == ():
        bias = shapes.concat(b, [shapes.reshape(b, bias, (1,))] * d_out, 0)
    return do.scale(b, bias, spec.shamt_bias, False, None)


def _products(
    b: Builder, spec: temporal.Conv, window: int, weight: int
) -> tuple[ranges.Interval, int]:
    """Give the interval of the sums, and the largest absolute partial sum."""
    inside = b.interval(window)
    if spec.padding_band:
        inside = ranges.join(inside, (0, 0))
    content = b.values[weight].constant
    if content is not None:
        # as a matrix (taps and channels, outputs)
        matrix = b.contents.derived(content, "taps", lambda c: c.reshape(len(c), -1).T)
        return b.weighed(matrix, 0, inside)
    depth = b.values[weight].size // b.shape(weight)[0]
    corners = ranges.multiply(b.interval(weight), inside)
    low, high = min(corners[0], 0), max(corners[1], 0)
    return (low * depth, high * depth), ranges.largest(corners) * depth


def _emit(
    b: Builder,
    spec: temporal.Conv,
    operands: tuple[int, int, int | None],
    end: tuple[int, ranges.Interval | None],
    interval: ranges.Interval,
    bound: int,
    storage: Bits,
    depthwise: bool,
) -> int:
    window, weight, bias = operands
    narrow, result, wide = b.narrow(ranges.in_64_bits(interval), end[0], False, end[1])
    wide = wide or bound > ranges.INT32[1]
    made = Conv(
        b.next,
        window,
        weight,
        bias,
        bands=spec.n_band_in,
        channels=spec.d_band_in,
        bands_out=spec.n_band_out,
        dilation=spec.dilation_band,
        stride=spec.stride_band,
        padding=spec.padding_band,
        depthwise=depthwise,
        narrow=narrow,
        bound=bound,
        wide=wide,
    )
    shape = (spec.n_band_out * b.shape(weight)[0],)
    return b.emit(made, [(shape, result, storage)])[0]
