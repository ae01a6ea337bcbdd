"""What a running stream looks like: on values, without a terminal."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostrt.cli.stream_meters import (
    ASCII,
    BLOCKS,
    WIDEST,
    Glyphs,
    Meters,
    Row,
    clock_text,
    power_text,
    time_text,
)
from hostrt.streaming.status import StreamStatus

CALM = StreamStatus(
    frame=625,
    n_frames=6250,
    elapsed_s=10.0,
    period_s=0.016,
    latency_s=0.00231,
    latency_p99_s=0.0026,
    waiting_limit=8,
    input_peak=0.5,
    input_rms=0.125,
    output_peak=0.25,
    output_rms=0.0625,
)
SHARES = st.floats(0, 1)
SECONDS = st.floats(0, 1e5)
COUNTS = st.integers(0, 10**7)
STATUSES = st.builds(
    StreamStatus,
    frame=COUNTS,
    n_frames=st.none() | COUNTS,
    elapsed_s=SECONDS,
    period_s=st.none() | st.floats(1e-5, 10),
    latency_s=SECONDS | st.just(math.nan),
    latency_p99_s=SECONDS | st.just(math.nan),
    missed=COUNTS,
    dropped=COUNTS,
    causes=st.dictionaries(st.sampled_from(["source", "host", "wire", "device"]), COUNTS),
    waiting=COUNTS,
    waiting_limit=COUNTS,
    input_peak=SHARES,
    input_rms=SHARES,
    output_peak=SHARES,
    output_rms=SHARES,
    power_w=st.none() | st.floats(-1, 100),
)


def text_of(row: Row) -> str:
    return "".join(text for text, _ in row)


def picture(
    *statuses: StreamStatus,
    width: int = 100,
    glyphs: Glyphs = ASCII,
    deadline_s: float | None = None,
) -> dict[str, str]:
    """Give the text behind each label after the last of `statuses`."""
    meters = Meters(deadline_s, glyphs)
    for status in statuses:
        meters.add(status)
    texts = [text_of(row) for row in meters.rows(width)]
    return {text[:9].strip(): text[9:] for text in texts}


def bar_of(text: str) -> str:
    return text[text.index("[") + 1 : text.index("]")]


@given(st.lists(STATUSES, min_size=1, max_size=4), st.integers(1, 250))
def test_no_status_breaks_the_picture(statuses: list[StreamStatus], width: int) -> None:
    meters = Meters(glyphs=BLOCKS)
    for status in statuses:
        meters.add(status)
        rows = meters.rows(width)

        assert all(len(text_of(row)) <= min(width, WIDEST) for row in rows)
        assert 7 <= len(rows) <= 8


@pytest.mark.parametrize("width", [60, 79, 80, 120, 200])
def test_bars_are_of_one_length_and_nothing_is_cut(width: int) -> None:
    late = replace(CALM, latency_s=0.123, latency_p99_s=0.234, waiting=8, input_peak=1.0)
    shown = picture(late, width=width)

    sizes = {len(bar_of(shown[name])) for name in ("frames", "input", "output", "LATE", "queue")}
    assert len(sizes) == 1
    assert sizes.pop() >= 8
    assert shown["frames"].endswith("1:30 left")
    assert shown["input"].endswith("CLIP")
    assert shown["LATE"].endswith("123 ms p99  234 ms of 16.0 ms")
    assert shown["queue"].endswith("8 of 8 waiting  FULL")


def test_bars_grow_with_the_terminal() -> None:
    sizes = [len(bar_of(picture(CALM, width=width)["input"])) for width in (60, 80, 100, 120)]

    assert sizes == sorted(set(sizes))


def test_levels_are_in_decibels_below_full_scale() -> None:
    shown = picture(CALM, width=120)

    assert shown["input"].endswith(" -18.1 dB  peak  -6.0")
    bar = bar_of(shown["input"])
    assert bar.rstrip().strip("#") == " " * (bar.index("|") - bar.count("#")) + "|"
    assert bar.count("#") / len(bar) == pytest.approx(1 - 18.1 / 60, abs=0.02)
    assert bar.index("|") / len(bar) == pytest.approx(1 - 6.0 / 60, abs=0.02)


def test_silence_is_an_empty_bar() -> None:
    shown = picture(replace(CALM, input_peak=0.0, input_rms=0.0))

    assert bar_of(shown["input"]).strip() == ""
    assert "-inf dB" in shown["input"]


def test_the_scale_stands_where_the_levels_are() -> None:
    meters = Meters(glyphs=ASCII)
    meters.add(replace(CALM, input_rms=10 ** (-36 / 20), input_peak=0.0))
    rows = [text_of(row) for row in meters.rows(120)]

    assert abs(rows[1].rindex("#") + 1 - rows[3].index("-36")) <= 1


def test_a_peak_stays_for_a_while_and_then_falls() -> None:
    loud = replace(CALM, elapsed_s=1.0, input_peak=0.5)
    quiet = [replace(CALM, elapsed_s=1.0 + s, input_peak=0.001) for s in (0.5, 1.4, 2.0, 3.0, 10.0)]
    peaks = [float(picture(loud, *quiet[:n])["input"].split()[-1]) for n in range(len(quiet) + 1)]

    assert peaks[:3] == [-6.0, -6.0, -6.0]
    assert peaks[2] > peaks[3] > peaks[4] > peaks[5] == -60.0


def test_clipping_stays_readable_after_it_is_over() -> None:
    loud = replace(CALM, elapsed_s=1.0, output_peak=32767 / 32768)

    assert picture(loud)["output"].endswith("CLIP")
    assert picture(loud, replace(CALM, elapsed_s=2.5))["output"].endswith("CLIP")
    assert "CLIP" not in picture(loud, replace(CALM, elapsed_s=3.5))["output"]
    assert "CLIP" not in picture(loud)["input"]


@pytest.mark.parametrize(("latency_s", "label"), [(0.015, "latency"), (0.017, "LATE")])
def test_a_late_frame_has_a_name(latency_s: float, label: str) -> None:
    assert label in picture(replace(CALM, latency_s=latency_s))


def test_the_deadline_is_marked_in_the_bar_with_the_percentile() -> None:
    bar = bar_of(picture(CALM, width=120)["latency"])

    assert bar.index("!") / len(bar) == pytest.approx(0.8, abs=0.02)
    assert bar.index("|") / len(bar) == pytest.approx(0.8 * 2.6 / 16, abs=0.02)
    assert bar.count("#") / len(bar) == pytest.approx(0.8 * 2.31 / 16, abs=0.02)


def test_a_deadline_of_its_own_is_the_one_that_counts() -> None:
    shown = picture(CALM, deadline_s=0.002)

    assert shown["LATE"].endswith("of 2.00 ms")


def test_a_stream_without_a_clock_has_no_deadline() -> None:
    shown = picture(replace(CALM, period_s=None, latency_s=9.0, latency_p99_s=10.0))

    assert shown["latency"].endswith("9.00 s p99  10.0 s")
    assert "!" not in shown["latency"]


def test_before_the_first_frame_nothing_is_claimed() -> None:
    early = replace(CALM, frame=0, elapsed_s=0.0, latency_s=math.nan, latency_p99_s=math.nan)
    shown = picture(early)

    assert shown["latency"].endswith("- p99       - of 16.0 ms")
    assert set(bar_of(shown["latency"])) <= {" ", "!"}
    assert Meters().rows(80) == []


def test_a_source_without_an_end_shows_what_is_done() -> None:
    assert picture(replace(CALM, n_frames=None))["frames"] == "625, 0:10"


@pytest.mark.parametrize("period_s", [0.016, None])
def test_the_time_left_follows_from_the_period_or_from_what_was_done(
    period_s: float | None,
) -> None:
    assert picture(replace(CALM, period_s=period_s))["frames"].endswith(", 0:10, 1:30 left")


def test_what_was_lost_is_said_with_its_causes() -> None:
    lost = replace(CALM, missed=3, dropped=1, causes={"wire": 2, "device": 1, "host": 0})

    assert picture(lost)["late"] == "missed 3, dropped 1 (wire 2, device 1)"
    assert picture(CALM)["late"] == "missed 0, dropped 0"


def test_a_queue_without_a_limit_is_a_number() -> None:
    assert picture(replace(CALM, waiting=3, waiting_limit=0))["queue"] == "3 waiting"


def test_power_is_shown_when_it_is_known() -> None:
    assert picture(replace(CALM, power_w=0.0123))["power"] == "12.3 mW"
    assert "power" not in picture(CALM)


def test_a_very_narrow_terminal_gets_the_words() -> None:
    shown = picture(CALM, width=40)

    assert "[" not in shown["input"]
    assert "-18.1 dB" in shown["input"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 ms"),
        (0.00231, "2.31 ms"),
        (0.0099999, "10.0 ms"),
        (0.0999999, "100 ms"),
        (0.9999, "1.00 s"),
        (12.345, "12.3 s"),
        (math.nan, "-"),
    ],
)
def test_short_times_have_three_digits(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3661, "1:01:01"), (-1, "0:00")],
)
def test_long_times_are_read_like_a_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


@pytest.mark.parametrize(
    ("watts", "text"), [(0.5, "500 mW"), (0.0012, "1.20 mW"), (0.00012, "120 uW"), (0.0, "0.00 uW")]
)
def test_powers_have_three_digits(watts: float, text: str) -> None:
    assert power_text(watts) == text
