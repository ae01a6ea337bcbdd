"""Series made small enough to draw: stretches, spectrograms, differences per frame."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hostrt.analysis.series import FLOOR_DB, envelope, frame_differences, spectrogram
from hostrt.errors import UsageError

Array = np.ndarray[Any, Any]

KINDS = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i2", ">u8")
RATE = 16_000


# -- stretches ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.int16, st.integers(0, 300)), st.integers(1, 400))
def test_each_stretch_has_the_least_and_largest_of_its_values(values: Array, n: int) -> None:
    starts, low, high = envelope(values, n)

    stops = np.append(starts, len(values))[1:].tolist()
    stretches = [values[i:j] for i, j in zip(starts.tolist(), stops, strict=True)]
    assert low.tolist() == [int(one.min()) for one in stretches]
    assert high.tolist() == [int(one.max()) for one in stretches]
    assert low.dtype == high.dtype == values.dtype


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 100_000), st.integers(1, 500))
def test_stretches_cover_the_series_evenly(total: int, n: int) -> None:
    starts, _, _ = envelope(np.zeros(total), n)

    lengths = np.diff([*starts.tolist(), total])
    assert starts[0] == 0
    assert len(starts) == min(n, total)
    assert lengths.min() >= 1
    assert lengths.max() - lengths.min() <= 1


def test_a_short_series_comes_back_as_it_is() -> None:
    values = np.array([3.0, math.nan, -1.0])

    starts, low, high = envelope(values, 3)

    assert starts.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(low, values)
    np.testing.assert_array_equal(high, values)


def test_missing_values_are_passed_over() -> None:
    _, low, high = envelope(np.array([1.0, math.nan, 3.0, math.nan, math.nan, math.nan]), 2)

    np.testing.assert_array_equal(low, [1.0, math.nan])
    np.testing.assert_array_equal(high, [3.0, math.nan])


@pytest.mark.parametrize(("values", "n"), [(np.zeros(3), 0), (np.zeros((2, 2)), 1)])
def test_a_series_and_a_number_of_stretches_are_needed(values: Array, n: int) -> None:
    with pytest.raises(UsageError):
        envelope(values, n)


# -- spectrograms ---------------------------------------------------------------------------------


def sine(hz: float, seconds: float, amplitude: float = 1.0) -> Array:
    times = np.arange(int(seconds * RATE)) / RATE
    result: Array = amplitude * np.sin(2 * np.pi * hz * times)
    return result


@settings(max_examples=60, deadline=None)
@given(st.floats(200, 7_800), st.floats(1e-3, 1.0))
def test_a_sine_stands_at_its_frequency_with_its_power(hz: float, amplitude: float) -> None:
    _, freqs_hz, db = spectrogram(sine(hz, 0.3, amplitude), RATE)

    column = db[:, db.shape[1] // 2]
    assert abs(freqs_hz[column.argmax()] - hz) <= freqs_hz[1]
    # between two frequencies a Hann window shows up to 1.42 dB less
    assert -1.5 <= column.max() - 20 * math.log10(amplitude) <= 0.1


@pytest.mark.parametrize("level", [-1.0, 0.25])
def test_a_constant_stands_at_0_hz(level: float) -> None:
    _, freqs_hz, db = spectrogram(np.full(2_048, level), RATE)

    assert freqs_hz[0] == 0
    assert db[0] == pytest.approx(20 * math.log10(abs(level)))
    assert (db[3:] == FLOOR_DB).all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 9_000), st.integers(1, 40), st.integers(2, 130), st.sampled_from((8_000, 44_100))
)
def test_size_and_axes_of_a_spectrogram(n: int, columns: int, rows: int, rate: int) -> None:
    times_s, freqs_hz, db = spectrogram(np.ones(n, np.int16), rate, columns=columns, rows=rows)

    assert db.shape == (rows, len(times_s))
    assert (len(times_s) == 0) == (n == 0)
    assert len(times_s) <= columns
    assert (np.diff(times_s) > 0).all()
    assert ((times_s > 0) & (times_s <= n / rate)).all()
    assert freqs_hz[0] == 0
    assert freqs_hz[-1] == pytest.approx(rate / 2)
    assert np.isfinite(db).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 15_999), st.integers(1, 30))
def test_a_click_is_seen_wherever_it_is(at: int, columns: int) -> None:
    samples = np.zeros(16_000, np.int16)
    samples[max(0, at - 100) : at + 100] = 20_000

    times_s, _, db = spectrogram(samples, RATE, columns=columns, rows=65)

    loudest = db.max(axis=0)
    assert loudest.max() > -30
    assert abs(times_s[loudest.argmax()] - at / RATE) <= 1 / columns + 0.02


def test_few_columns_are_the_mean_power_of_many() -> None:
    samples = np.random.default_rng(1).integers(-9_000, 9_000, 33 * 128).astype(np.int16)

    _, _, many = spectrogram(samples, RATE, rows=129)
    _, _, few = spectrogram(samples, RATE, rows=129, columns=8)

    assert many.shape == (129, 32)
    grouped = (10 ** (many / 10)).reshape(129, 8, 4).mean(axis=2)
    np.testing.assert_allclose(few, 10 * np.log10(grouped))


def test_a_sound_of_many_batches_is_transformed_like_a_short_one() -> None:
    tone = np.tile(np.round(sine(500, 0.032) * 30_000).astype(np.int16), 5_000)

    _, freqs_hz, db = spectrogram(tone, RATE, columns=10)

    assert len(tone) > 2 << 20
    assert set(freqs_hz[db.argmax(axis=0)].tolist()) == {500.0}
    np.testing.assert_allclose(db, db[:, :1] * np.ones(10), atol=0.01)


def test_integers_are_relative_to_their_full_scale() -> None:
    samples = np.round(sine(1_000, 0.1) * 100).astype(np.int8)

    _, _, db = spectrogram(samples, RATE)
    _, _, wide = spectrogram(samples.astype(np.int32), RATE, full_scale=128)
    _, _, floats = spectrogram(samples / 128, RATE)

    np.testing.assert_allclose(db, floats, atol=1e-9)
    np.testing.assert_allclose(wide, floats, atol=1e-9)


@pytest.mark.parametrize(
    ("samples", "rate", "options"),
    [
        (np.zeros(9), 0, {}),
        (np.zeros(9), math.nan, {}),
        (np.zeros(9), RATE, {"columns": 0}),
        (np.zeros(9), RATE, {"rows": 1}),
        (np.zeros((3, 3)), RATE, {}),
    ],
)
def test_what_cannot_be_transformed_is_refused(
    samples: Array, rate: float, options: dict[str, int]
) -> None:
    with pytest.raises(UsageError):
        spectrogram(samples, rate, columns=options.get("columns", 5), rows=options.get("rows", 5))


# -- differences per frame ------------------------------------------------------------------------


@st.composite
def arrays(draw: st.DrawFn, shape: tuple[int, ...]) -> Array:
    return draw(hnp.arrays(np.dtype(draw(st.sampled_from(KINDS))), shape))


SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)


@settings(max_examples=60, deadline=None)
@given(SHAPES.flatmap(lambda shape: st.tuples(arrays(shape), arrays(shape))))
def test_differences_are_exact_for_every_type(pair: tuple[Array, Array]) -> None:
    a, b = pair

    largest, mean = frame_differences(a, b)

    per_frame = [
        [abs(x - y) for x, y in zip(map(int, left.flat), map(int, right.flat), strict=True)]
        for left, right in zip(a, b, strict=True)
    ]
    assert [int(x) for x in largest.tolist()] == [max(frame, default=0) for frame in per_frame]
    assert mean.tolist() == pytest.approx(
        [sum(frame) / len(frame) if frame else 0.0 for frame in per_frame], rel=1e-15
    )


@settings(max_examples=60, deadline=None)
@given(st.tuples(SHAPES, SHAPES).filter(lambda pair: len(pair[0]) == len(pair[1])), st.data())
def test_only_what_both_have_is_compared(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], data: st.DataObject
) -> None:
    a, b = (data.draw(hnp.arrays(np.int8, shape)) for shape in shapes)
    common = tuple(slice(min(sizes)) for sizes in zip(a.shape, b.shape, strict=True))

    found, expected = frame_differences(a, b), frame_differences(a[common], b[common])

    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_many_frames_are_compared_in_several_steps() -> None:
    a = np.zeros((5_000, 100), np.int16)
    b = a.copy()
    b[[0, 1_310, 1_311, 4_999], 99] = [3, -4, 5, -32_768]

    largest, mean = frame_differences(a, b)

    assert {int(t): int(largest[t]) for t in np.flatnonzero(largest)} == {
        0: 3,
        1_310: 4,
        1_311: 5,
        4_999: 32_768,
    }
    assert mean[4_999] == 327.68


def test_frames_with_other_axes_have_no_differences() -> None:
    with pytest.raises(UsageError):
        frame_differences(np.zeros((2, 3), np.int8), np.zeros(2, np.int8))
