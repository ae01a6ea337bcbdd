"""Windows over past frames and convolutions, in their storage types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hostrt.errors import ProgramCorrupt
from hostrt.fqir.semantics.binding import bind
from hostrt.fqir.semantics.integers import KernelError
from hostrt.fqir.semantics.temporal import Conv, temporal_conv2d, temporal_unfold
from tests.fqir.formulas import clamp, integers, wrap
from tests.fqir.inspected import node, tensor

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array

PLAIN: dict[str, int] = {
    "kernel_size_t": 1,
    "kernel_size_band": 1,
    "d_band_in": 2,
    "n_band_in": 1,
    "dilation_t": 1,
    "dilation_band": 1,
    "stride_band": 1,
    "padding_band": 0,
    "groups": 1,
    "shamt_bwred": 0,
    "shamt_bias": 0,
    "bw": 32,
}


def conv_of(**changed: int) -> Conv:
    return Conv(**{**PLAIN, **changed})


def ints(*values: int, kind: Any = np.int32) -> Array:
    return np.array(values, kind)


def formula(conv: Conv, x: Array, weight: Array, bias: Array | None, buffer: Array) -> list[int]:
    """Restate FQIR reference 4.12; partial sums over channels in the type of weight and window."""
    n, d = conv.n_band_in, conv.d_band_in
    rows = [int(v) for v in (*buffer, *x)]
    frames = [rows[i : i + n * d] for i in range(0, len(rows), n * d)][:: conv.dilation_t]
    assert len(frames) == conv.kernel_size_t
    partial = 8 * max(x.dtype.itemsize, weight.dtype.itemsize, buffer.dtype.itemsize)
    width = partial if bias is None else bias.dtype.itemsize * 8

    def state(kt: int, band: int, channel: int) -> int:
        band -= conv.padding_band
        return frames[kt][band * d + channel] if 0 <= band < n else 0

    results = []
    for p in range(conv.n_band_out):
        for o in range(len(weight)):
            total = 0 if bias is None else int(bias[o])
            s = conv.shamt_bias
            total = wrap(total << s if s >= 0 else total >> -s, width)
            for kt in range(conv.kernel_size_t):
                for kn in range(conv.kernel_size_band):
                    band = p * conv.stride_band + kn * conv.dilation_band
                    channels = [(o, 0)] if conv.groups > 1 else [(i, i) for i in range(d)]
                    tap = sum(int(weight[o, w, kn, kt]) * state(kt, band, i) for i, w in channels)
                    total = wrap(total + wrap(tap, partial), width)
            s = conv.shamt_bwred
            total = wrap(total << s, width) if s >= 0 else total >> -s
            results.append(clamp(total, conv.bw))
    return results


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Conv, Array, Array, Array | None, Array]:
    small = st.integers(1, 3)
    d, depthwise = draw(small), draw(st.booleans())
    conv = conv_of(
        kernel_size_t=draw(small),
        kernel_size_band=draw(small),
        d_band_in=d,
        n_band_in=draw(st.integers(1, 4)),
        dilation_t=draw(small),
        dilation_band=draw(st.integers(1, 2)),
        stride_band=draw(small),
        padding_band=draw(st.integers(0, 3)),
        groups=d if depthwise else 1,
        shamt_bwred=draw(st.one_of(st.integers(-20, 3), st.integers(-70, 70))),
        shamt_bias=draw(st.integers(-10, 20)),
        bw=draw(st.sampled_from([8, 16, 24, 32, 48])),
    )
    if conv.n_band_out < 1:
        conv = conv_of(d_band_in=d, groups=conv.groups)

    def array(shape: Any, widths: list[int]) -> Array:
        width = draw(st.sampled_from(widths))
        values: Array = draw(hnp.arrays(f"i{width // 8}", shape, elements=integers(width)))
        return values

    d_out = d if conv.groups > 1 else draw(small)
    size = conv.n_band_in * d
    kernel = (conv.kernel_size_band, conv.kernel_size_t)
    weight = array((d_out, 1 if conv.groups > 1 else d, *kernel), [8, 32, 64])
    bias = array(d_out, [16, 32, 64]) if draw(st.booleans()) else None
    buffer = array((conv.kernel_size_t - 1) * conv.dilation_t * size, [32, 64])
    return conv, array(size, [16, 32, 64]), weight, bias, buffer


@settings(max_examples=80, deadline=None)
@given(convolutions())
def test_temporal_conv2d_follows_the_formula(
    drawn: tuple[Conv, Array, Array, Array | None, Array],
) -> None:
    conv, x, weight, bias, buffer = drawn

    result, advanced = temporal_conv2d(conv, x, weight, bias, buffer)

    assert result.tolist() == formula(conv, x, weight, bias, buffer)
    widest = max((x.dtype, weight.dtype, buffer.dtype), key=lambda kind: kind.itemsize)
    assert result.dtype == (widest if bias is None else bias.dtype)
    assert advanced is not None
    assert advanced.tolist() == [*buffer.tolist(), *x.tolist()][len(x) :]


def test_a_wide_convolution_leaves_32_bits_with_a_32_bit_bias() -> None:
    x = np.full(600, 2**15 - 1)
    weight = np.full((1, 600, 1, 1), 127, np.int32)
    conv = conv_of(d_band_in=600, shamt_bwred=-10, bw=24)
    total = 600 * 127 * (2**15 - 1)

    wrapped, _ = temporal_conv2d(conv, x, weight, ints(0))
    exact, _ = temporal_conv2d(conv, x, weight)

    assert wrapped.tolist() == [clamp(wrap(total, 32) >> 10, 24)]
    assert exact.tolist() == [clamp(total >> 10, 24)]
    assert wrapped.tolist() != exact.tolist()


def test_bands_overlap_and_are_padded() -> None:
    conv = conv_of(n_band_in=3, kernel_size_band=2, padding_band=1, stride_band=2)
    weight = np.arange(1, 13, dtype=np.int32).reshape(3, 2, 2, 1)

    result, buffer = temporal_conv2d(conv, ints(1, 2, 3, 4, 5, 6), weight)

    assert result.tolist() == [10, 22, 34, 49, 121, 193]
    assert buffer is None


def test_every_channel_can_have_a_kernel_of_its_own() -> None:
    conv = conv_of(groups=2, n_band_in=3, kernel_size_band=2, padding_band=1, dilation_band=2)
    weight = np.arange(1, 5, dtype=np.int32).reshape(2, 1, 2, 1)

    result, _ = temporal_conv2d(conv, ints(1, 2, 3, 4, 5, 6), weight, ints(1000, 2000))

    assert result.tolist() == [1006, 2016, 1011, 2030, 1003, 2012]


def test_weights_that_changed_are_noticed() -> None:
    kernel = bind(
        node(
            "temporal_conv2d", [tensor("o", 1)], constants=PLAIN, input=tensor("x", 2),
            weight=tensor("w", 1, 2, 1, 1),
        )
    ).kernel  # fmt: skip

    def run(*weights: int) -> list[int]:
        weight = ints(*weights).reshape(1, 2, 1, 1)
        values: list[int] = kernel({"input": ints(1, 2), "weight": weight})[0].tolist()
        return values

    assert run(1, 2) == [5]
    assert run(3, 4) == [11]


@pytest.mark.parametrize(
    ("changed", "given", "found"),
    [
        ({"kernel_size_t": 3}, {"weight": np.ones((3, 2, 1, 3))}, "1 frames in view"),
        ({}, {"buffer": ints(8, 9)}, "2 frames in view of a kernel of 1"),
        ({}, {"buffer": ints(8, 9, 10)}, "buffer of 3 elements for frames of 2"),
        ({}, {"buffer": ints(8, 9).reshape(1, 2)}, "expected vectors"),
        ({}, {"x": ints(1, 2, 3)}, r"input of shape \(3,\), expected 1 bands of 2"),
        ({}, {"x": ints(1, 2).reshape(1, 2)}, "input of shape"),
        ({}, {"weight": np.ones((1, 2, 1))}, "expected 4 axes"),
        ({}, {"weight": np.ones((1, 3, 1, 1))}, "for 2 channels"),
        ({}, {"weight": np.ones((1, 0, 1, 1))}, "for 2 channels"),
        ({"kernel_size_band": 2, "padding_band": 1}, {}, "a kernel of 2 bands"),
        ({"groups": 2}, {"weight": np.ones((4, 1, 1, 1))}, "2 groups of 2 channels to 4"),
        ({"groups": 3}, {}, "3 groups of 2 channels"),
        ({}, {"bias": ints(1, 2)}, r"bias of shape \(2,\) for 1"),
    ],
)
def test_sizes_that_do_not_fit_each_other_are_an_error(
    changed: dict[str, int], given: dict[str, Any], found: str
) -> None:
    values = {"x": ints(1, 2), "weight": np.ones((1, 2, 1, 1)), **given}
    values["weight"] = values["weight"].astype(np.int32)

    with pytest.raises(KernelError, match=found):
        temporal_conv2d(conv_of(**changed), **values)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"stride_band": 0}, "'stride_band' is 0, expected at least 1"),
        ({"padding_band": -1}, "'padding_band' is -1"),
        ({"padding_band": 10**9}, "a padded frame of 4000000002 elements"),
        ({"kernel_size_band": 4}, "larger than the padded bands"),
        ({"bw": 65}, "expected 1..64 bits"),
        ({"shamt_bias": None}, "'shamt_bias' is None, expected an integer"),
        ({"groups": "all"}, "'groups' is 'all', expected an integer"),
    ],
)
def test_impossible_constants_are_refused(changed: dict[str, Any], found: str) -> None:
    tensors = {"input": tensor("x", 2), "weight": tensor("w", 1, 2, 1, 1), "bias": tensor("b", 1)}
    made = node("temporal_conv2d", [tensor("o", 1)], constants={**PLAIN, **changed}, **tensors)

    with pytest.raises(ProgramCorrupt, match=found):
        bind(made)


def test_the_bias_shift_is_needed_only_with_a_bias() -> None:
    made = node(
        "temporal_conv2d", [tensor("o", 1)], constants={**PLAIN, "shamt_bias": None},
        input=tensor("x", 2), weight=tensor("w", 1, 2, 1, 1),
    )  # fmt: skip

    assert Conv.of(made) == conv_of()


def test_a_window_takes_every_so_many_frames_since_the_oldest() -> None:
    buffer = ints(1, 2, 3, 4, kind=np.int64)

    for dilation, expected in ((1, [1, 2, 3, 4, 5, 6]), (2, [1, 2, 5, 6]), (3, [1, 2])):
        window, advanced = temporal_unfold(ints(5, 6), buffer, dilation=dilation)
        assert window.tolist() == expected
        assert window.dtype == np.int64
        assert advanced.tolist() == [3, 4, 5, 6]
    assert buffer.tolist() == [1, 2, 3, 4]


def test_an_empty_buffer_stays_empty() -> None:
    window, advanced = temporal_unfold(ints(5, 6), ints(), dilation=1)

    assert window.tolist() == [5, 6]
    assert advanced.tolist() == []
    with pytest.raises(KernelError, match="frames of 0"):
        temporal_unfold(ints(), ints(1), dilation=1)
