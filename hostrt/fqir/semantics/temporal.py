"""Operators that look back in time (FQIR reference 4.11 and 4.12).

Buffers hold past frames one after the other, oldest first. Functions give the next buffer; they do
not store it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.semantics.constants import Constants
from hostrt.fqir.semantics.integers import KernelError, clamp, int64, sh, widest
from hostrt.fqir.semantics.products import Factors

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array, Node


def rows_of(x: Array, buffer: Array) -> Array:
    """Give the frames of a buffer and the newest one as rows, oldest first.

    Raises:
        KernelError: one is no vector, or the buffer is no whole number of frames.
    """
    if x.ndim != 1 or buffer.ndim != 1:
        raise KernelError(
            f"input of shape {x.shape} and buffer of shape {buffer.shape}, expected vectors"
        )
    if not x.size or buffer.size % x.size:
        raise KernelError(f"a buffer of {buffer.size} elements for frames of {x.size}")
    kind = widest(buffer, x)
    joined = np.concatenate([buffer.astype(kind, copy=False), x.astype(kind, copy=False)])
    return joined.reshape(-1, x.size)


def temporal_unfold(x: Array, buffer: Array, *, dilation: int) -> tuple[Array, Array]:
    """Give every `dilation`-th frame since the oldest in one vector, and the next buffer.

    Raises:
        KernelError: see `rows_of`.
    """
    rows = rows_of(x, buffer)
    return rows[::dilation].reshape(-1), rows[1:].reshape(-1)


_LARGEST = 1 << 24
"""Elements of the largest frame after padding, which a file of a few bytes may ask for."""


@dataclass(frozen=True, slots=True)
class Conv:
    """Constants of one `temporal_conv2d`, with their names in files."""

    kernel_size_t: int
    kernel_size_band: int
    d_band_in: int
    n_band_in: int
    dilation_t: int
    dilation_band: int
    stride_band: int
    padding_band: int
    groups: int
    shamt_bwred: int
    shamt_bias: int
    bw: int

    @classmethod
    def of(cls, node: Node) -> Conv:
        """Read a node's constants.

        Raises:
            ProgramCorrupt: constants are missing or of the wrong kind, or there is no output band.
        """
        constants = Constants(node)
        counts = {
            name: constants.count(name)
            for name in (
                "kernel_size_t",
                "kernel_size_band",
                "d_band_in",
                "n_band_in",
                "dilation_t",
                "dilation_band",
                "stride_band",
                "groups",
            )
        }
        padding = constants.integer("padding_band")
        constants.require(padding >= 0, f"constant 'padding_band' is {padding}")
        needs_shift = "bias" in node.inputs
        conv = cls(
            **counts,
            padding_band=padding,
            shamt_bwred=constants.integer("shamt_bwred"),
            shamt_bias=constants.integer("shamt_bias") if needs_shift else 0,
            bw=constants.bits("bw"),
        )
        padded = (conv.n_band_in + 2 * conv.padding_band) * conv.d_band_in
        constants.require(padded <= _LARGEST, f"a padded frame of {padded} elements")
        constants.require(conv.n_band_out >= 1, "the kernel is larger than the padded bands")
        return conv

    @property
    def n_band_out(self) -> int:
        """Number of output bands."""
        reach = self.dilation_band * (self.kernel_size_band - 1) + 1
        return (self.n_band_in + 2 * self.padding_band - reach) // self.stride_band + 1

    def is_depthwise(self, d_out: int) -> bool:
        """Tell whether every channel has a kernel of its own.

        Raises:
            KernelError: the channels are grouped in another way, which FQIR does not define.
        """
        if self.groups == 1:
            return False
        if self.groups != self.d_band_in or self.groups != d_out:
            raise KernelError(
                f"{self.groups} groups of {self.d_band_in} channels to {d_out}, expected 1 group "
                "or one channel per group"
            )
        return True

    def band_index(self) -> Array:
        """Give (n_band_out, kernel_size_band): the padded bands that each output band reads."""
        starts = np.arange(self.n_band_out) * self.stride_band
        return starts[:, None] + np.arange(self.kernel_size_band) * self.dilation_band


def window_of(conv: Conv, x: Array, buffer: Array | None) -> tuple[Array, Array | None]:
    """Give the (kernel_size_t, bands * channels) rows in view, and the next buffer.

    Raises:
        KernelError: the input or the buffer has another size than the kernel asks for.
    """
    if x.shape != (conv.n_band_in * conv.d_band_in,):
        raise KernelError(
            f"input of shape {x.shape}, expected {conv.n_band_in} bands of {conv.d_band_in} "
            "channels in one vector"
        )
    rows = rows_of(x, x[:0] if buffer is None else buffer)
    window = rows[:: conv.dilation_t]
    if len(window) != conv.kernel_size_t:
        raise KernelError(f"{len(window)} frames in view of a kernel of {conv.kernel_size_t}")
    return window, None if buffer is None else rows[1:].reshape(-1)


def temporal_conv2d(
    conv: Conv,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    buffer: Array | None = None,
    factors: Factors | None = None,
) -> tuple[Array, Array | None]:
    """Convolve over time and bands (FQIR reference 4.12); never rounded.

    The accumulator has the bias's storage type and wraps in it; without a bias it has the wider
    type of weight and window. Sums over input channels are made in the wider type of weight and
    window in either case.

    Args:
        conv: the constants.
        x: (n_band_in * d_band_in,) newest frame, channel fastest.
        weight: (d_out, d_in per group, kernel_band, kernel_t).
        bias: (d_out,) or without axes.
        buffer: past frames; None when the kernel sees one frame only.
        factors: remembers the weights between calls.

    Returns:
        (n_band_out * d_out,) result in the accumulator's type, and the next buffer (None without).

    Raises:
        KernelError: sizes or groups that do not fit each other.
    """
    window, next_buffer = window_of(conv, x, buffer)
    _check_weight(conv, weight, bias)
    partial = widest(weight, window)
    padded = np.zeros(
        (conv.kernel_size_t, conv.n_band_in + 2 * conv.padding_band, conv.d_band_in), partial
    )
    padded[:, conv.padding_band : conv.padding_band + conv.n_band_in] = window.reshape(
        conv.kernel_size_t, conv.n_band_in, conv.d_band_in
    )
    # by output band, frame of the kernel, band of the kernel, channel
    view = padded[:, conv.band_index()].transpose(1, 0, 2, 3)
    whole = bias is None or bias.dtype.itemsize <= partial.itemsize
    products = _products(conv, view, weight, whole, factors or Factors())
    # with a wider accumulator the sum over channels has wrapped before it is accumulated
    summed = products if whole else products.astype(partial).sum(axis=2, dtype=np.int64)
    if bias is not None:
        summed = np.add(int64(sh(bias, conv.shamt_bias)), summed)
    accumulator = summed.astype(partial if bias is None else bias.dtype)
    return clamp(sh(accumulator, conv.shamt_bwred), conv.bw).reshape(-1), next_buffer


def _products(conv: Conv, view: Array, weight: Array, whole: bool, factors: Factors) -> Array:
    """Give int64 sums (n_band_out, d_out), or per tap (n_band_out, d_out, taps) unless `whole`."""
    bands, d_out = len(view), len(weight)
    n_taps = conv.kernel_size_t * conv.kernel_size_band
    if conv.is_depthwise(d_out):
        by_channel = int64(view).reshape(bands, n_taps, d_out).transpose(0, 2, 1)
        each = np.multiply(by_channel, int64(_taps(conv, weight[:, :1])).T)
        return np.asarray(each.sum(axis=2)) if whole else each
    columns = factors.derived(weight, lambda: _taps(conv, weight))
    if whole:
        return factors.product(view.reshape(bands, -1), columns)
    rows = int64(view).reshape(bands, n_taps, -1).transpose(1, 0, 2)
    each = np.asarray(np.matmul(rows, int64(columns).reshape(n_taps, -1, d_out)))
    return each.transpose(1, 2, 0)


def _taps(conv: Conv, weight: Array) -> Array:
    """Give (kernel_t * kernel_band * d_in, d_out): the used weights in the order of the window."""
    used = weight[:, :, : conv.kernel_size_band, : conv.kernel_size_t]
    return used.transpose(3, 2, 1, 0).reshape(-1, len(weight))


def _check_weight(conv: Conv, weight: Array, bias: Array | None) -> None:
    if weight.ndim != 4:
        raise KernelError(f"weight of shape {weight.shape}, expected 4 axes")
    d_out, d_in, kernel_band, kernel_t = weight.shape
    enough = kernel_band >= conv.kernel_size_band and kernel_t >= conv.kernel_size_t
    if not enough or (not conv.is_depthwise(d_out) and d_in != conv.d_band_in) or not d_in:
        raise KernelError(
            f"weight of shape {weight.shape} for {conv.d_band_in} channels and a kernel of "
            f"{conv.kernel_size_band} bands and {conv.kernel_size_t} frames"
        )
    if bias is not None and bias.shape not in ((), (d_out,)):
        raise KernelError(f"bias of shape {bias.shape} for {d_out} output channels")
