"""Random nodes of the operators that move values, keep them, or convolve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hostrt.fqir.graph import Tensor
    from tests.peer.fqir_elementwise import Draw
    from tests.peer.fqir_sketch import Shape, Sketch


def gmac_v2(s: Sketch) -> list[Tensor]:
    """Any number of products; shifts of either sign, oversized immediates, 24-bit operands."""
    shape = s.shape(1)
    inputs: dict[str, Tensor] = {}
    n_vv, n_vi = s.choose((1, 0), (0, 1), (1, 1), (2, 1), (3, 2), (0, 3), (2, 0), (0, 0))
    for i in range(n_vv):
        inputs[f"x_vv_{i}"] = _factor(s, shape)
        inputs[f"y_vv_{i}"] = _factor(s, shape)
    for i in range(n_vi):
        inputs[f"x_vi_{i}"] = _factor(s, shape)
    low, high = s.choose((-12, 0), (-12, 0), (-30, 4), (-3, 12))
    bits = s.choose([16], [16], [8], [24], [13, 12], [9, 8], [5, 6, 7], [2, 2, 2, 2])
    constants = {
        "shamts_vv": tuple(s.whole(low, high) for _ in range(n_vv)),
        "shamts_vi": tuple(s.whole(low, high) for _ in range(n_vi)),
        "immediates_vi": tuple(_immediate(s) for _ in range(n_vi)),
        "bits_out": tuple(bits),
    }
    shapes = [shape if inputs else ()] * len(bits)
    return s.add("gmac_v2", inputs, *shapes, **constants)


def _factor(s: Sketch, shape: Shape) -> Tensor:
    """Give a factor, now and then of one element or declared to have 24 bits."""
    wanted = (1,) if s.chance(s.extreme) else shape
    if s.chance(0.25):
        tensor = s.input(wanted, 24)
        tensor.dtype = s.choose("fqint24", "int24")
        return tensor
    return s.operand(wanted)


def _immediate(s: Sketch) -> int:
    kind = s.choose("small", "small", "16", "edge", "large")
    if kind == "small":
        return s.whole(-9, 9)
    if kind == "edge":
        return int(
            s.choose(-(1 << 15), (1 << 15) - 1, 1 << 15, -(1 << 15) - 1, 1 << 23, 2047, 2048)
        )
    return s.whole(-(1 << 15), (1 << 15) - 1) if kind == "16" else s.whole(-(1 << 24), 1 << 24)


def transpose(s: Sketch) -> list[Tensor]:
    x = s.operand(s.shape(s.choose(1, 2, 2, 2)))
    rank = len(x.shape)
    dims = (0, 0) if s.chance(s.extreme / 3) else s.choose((0, 1), (1, 0))
    shape = x.shape if rank < 2 or dims[0] == dims[1] else x.shape[::-1]
    return s.add("transpose", {"x": x}, shape, dim0=dims[0], dim1=dims[1])


def reshape(s: Sketch) -> list[Tensor]:
    x = s.operand()
    size = int(np.prod(x.shape))
    wanted = s.choose((size,), (-1,), (1, -1), (size, 1), (1, size), x.shape[::-1])
    return s.add("reshape", {"x": x}, np.zeros(x.shape).reshape(wanted).shape, shape=tuple(wanted))


def chunk(s: Sketch) -> list[Tensor]:
    x = s.operand()
    dim = s.whole(-len(x.shape), len(x.shape) - 1)
    chunks = s.whole(1, x.shape[dim])
    parts = np.array_split(np.zeros(x.shape), chunks, dim)
    return s.add("chunk", {"x": x}, *[part.shape for part in parts], chunks=chunks, dim=dim)


def split(s: Sketch) -> list[Tensor]:
    """Lengths along axis 0; now and then they do not add up to it."""
    x = s.operand()
    lengths, left = [], x.shape[0]
    while left > 0:
        lengths.append(s.whole(1, left))
        left -= lengths[-1]
    if s.chance(s.extreme):
        lengths[-1] += s.choose(-1, 1)
    starts = np.cumsum([0, *lengths])
    zeros = np.zeros(x.shape)
    shapes = [zeros[a : a + n].shape for a, n in zip(starts, lengths, strict=False)]
    return s.add("split", {"x": x}, *shapes, lengths=tuple(lengths), dim=s.choose(-1, 0, 1))


def cat(s: Sketch) -> list[Tensor]:
    first = s.operand()
    dim = s.whole(-len(first.shape), len(first.shape) - 1)
    parts = [first]
    for _ in range(s.whole(0, 3)):
        wanted = list(first.shape)
        wanted[dim] = s.whole(1, 5)
        parts.append(s.operand(tuple(wanted)))
    shape = np.concatenate([np.zeros(part.shape) for part in parts], dim).shape
    return s.add("cat", {f"x{i}": part for i, part in enumerate(parts)}, shape, dim=dim)


def stack(s: Sketch) -> list[Tensor]:
    first = s.operand(s.shape(s.choose(1, 1, 2)))
    parts = [first, *[s.operand(first.shape) for _ in range(s.whole(0, 2))]]
    dim = s.whole(-len(first.shape) - 1, len(first.shape))
    shape = np.stack([np.zeros(part.shape) for part in parts], dim).shape
    return s.add("stack", {f"x{i}": part for i, part in enumerate(parts)}, shape, dim=dim)


def copy(s: Sketch) -> list[Tensor]:
    x = s.operand()
    return s.add("copy", {"x": x}, x.shape)


def zeros(s: Sketch) -> list[Tensor]:
    shape = s.shape()
    return s.add("zeros", {}, shape, shape=shape)


def constant(s: Sketch) -> list[Tensor]:
    shape = s.shape()
    return s.add("constant", {}, shape, shape=shape, value=s.whole(-(1 << 31), 1 << 31))


def constant_like(s: Sketch) -> list[Tensor]:
    x = s.operand()
    imm = s.whole(-100, 100) if s.chance(0.8) else s.choose(1 << 31, -(1 << 31), (1 << 31) - 1)
    return s.add("constant_like", {"x": x}, x.shape, imm=imm)


def assign(s: Sketch) -> list[Tensor]:
    """A state or a parameter gets a value, which later nodes and later frames see."""
    kind = s.choose("state", "state", "state", "parameter", "input")
    shape = s.shape()
    target = s.parameter(shape) if kind == "parameter" else s.state(shape)
    if kind == "input":
        target = s.input(shape)
    before = s.add("copy", {"x": target}, shape)
    s.node("assign", {"y": target, "x": s.operand(shape)}, [])
    return [*before, *s.add("copy", {"x": target}, shape)]


def temporal_unfold(s: Sketch) -> list[Tensor]:
    """A window of frames; the buffer is an ordinary state."""
    kernel, dilation = s.whole(1, 4), s.whole(1, 3)
    rows = (kernel - 1) * dilation
    x = s.operand(s.shape(1))
    if rows == 0:
        rows, kernel = dilation, 2
    buffer = s.state((rows * x.shape[0],))
    constants = {"kernel_size": kernel, "dilation": dilation, "buffer_length": rows}
    inputs = {"x": x, "buffer": buffer}
    return s.add("temporal_unfold", inputs, (kernel * x.shape[0],), **constants)


def temporal_conv2d(s: Sketch) -> list[Tensor]:
    """Dense and depthwise; with and without time, bands, bias."""
    depth, bands = s.whole(1, 4), s.whole(1, 6)
    time, dilation_t = s.choose((1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (1, 2))
    kernel, dilation = s.whole(1, min(3, bands)), s.whole(1, 2)
    padding, stride = s.whole(0, 2), s.whole(1, 2)
    while bands + 2 * padding < dilation * (kernel - 1) + 1:
        padding += 1
    is_depthwise = s.chance(0.4)
    out = depth if is_depthwise else s.whole(1, 4)
    n_out = (bands + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    groups = depth if is_depthwise else 1
    bits = s.choose(4, 8, 8, 8, 16, 32)
    x = s.operand((bands * depth,))
    inputs = {"input": x, "weight": s.parameter((out, depth // groups, kernel, time), bits)}
    if s.chance(0.6):
        inputs["bias"] = s.parameter((out,), s.choose(8, 16, 24, 32))
    if time > 1 or s.chance(0.3):
        inputs["buffer"] = s.state(((time - 1) * dilation_t * bands * depth,))
    constants: dict[str, Any] = {
        "kernel_size_t": time,
        "kernel_size_band": kernel,
        "d_band_in": depth,
        "n_band_in": bands,
        "dilation_t": dilation_t,
        "dilation_band": dilation,
        "stride_band": stride,
        "padding_band": padding,
        "groups": groups,
        "shamt_bwred": s.shift(),
        "shamt_bias": s.shift() if "bias" in inputs or s.chance(0.5) else None,
        "bw": s.bits(),
    }
    return s.add("temporal_conv2d", inputs, (n_out * out,), **constants)


DRAWS: dict[str, Draw] = {
    "gmac_v2": gmac_v2,
    "transpose": transpose,
    "reshape": reshape,
    "chunk": chunk,
    "split": split,
    "cat": cat,
    "stack": stack,
    "copy": copy,
    "zeros": zeros,
    "constant": constant,
    "constant_like": constant_like,
    "assign": assign,
    "temporal_unfold": temporal_unfold,
    "temporal_conv2d": temporal_conv2d,
}
"""How to draw a node of each operator."""
