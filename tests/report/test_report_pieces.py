"""What a page is made of: reduced signals, numbers and names as people read them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hostrt.analysis.compare import compare_outputs
from hostrt.program import Program
from hostrt.report.build import bank_fill, report_of_run
from hostrt.report.differences import NEIGHBOURS, elements_around, frames_around
from hostrt.report.page import clean, make_table, name_text
from hostrt.report.quantities import NOTHING, counted, number, percent, scale_of, si, whole
from hostrt.report.signals import AROUND, pick, pool, thin

VALUES = hnp.arrays(np.float64, st.integers(0, 300), elements=st.floats(-9, 9) | st.just(math.nan))


# -- signals --------------------------------------------------------------------------------------


@given(VALUES, st.integers(2, 40))
def test_a_reduced_signal_keeps_its_ends_and_extremes(values: np.ndarray, limit: int) -> None:
    at = pick(values, limit)
    assert len(at) <= max(len(values) if len(values) <= limit else limit + 4, 0)
    assert (np.diff(at) > 0).all()
    if len(values):
        assert at[0] == 0
        assert at[-1] == len(values) - 1
    if np.isfinite(values).any():
        assert np.nanmax(values[at]) == np.nanmax(values)
        assert np.nanmin(values[at]) == np.nanmin(values)


def test_every_stretch_of_a_reduced_signal_has_its_peak() -> None:
    values = np.zeros(100_000, np.int16)
    peaks = np.arange(500, 100_000, 1000)
    values[peaks] = -32768
    assert set(peaks) <= set(pick(values, 1000).tolist())


def test_around_a_place_of_interest_nothing_is_left_out() -> None:
    values = np.arange(100_000)
    at = set(pick(values, 100, (50_000, 99_999, 0)).tolist())
    for place in (50_000, 99_999, 0):
        low, high = max(0, place - AROUND), min(100_000, place + AROUND)
        assert set(range(low, high)) <= at


def test_a_gap_longer_than_a_stretch_stays_a_gap() -> None:
    values = np.ones(10_000)
    values[4000:6000] = math.nan
    assert np.isnan(values[pick(values, 100)]).any()
    values = np.ones(10_000)
    values[::2] = math.nan
    assert np.isfinite(values[pick(values, 100)[1:-1]]).all()


@given(st.lists(st.integers(0, 9999), max_size=300, unique=True), st.integers(1, 50))
def test_thinned_places_are_few_and_leave_no_part_empty(places: list[int], limit: int) -> None:
    given_places = np.array(sorted(places), np.int64)
    kept = thin(given_places, 10_000, limit)
    assert len(kept) <= max(limit, 1)
    assert set(kept.tolist()) <= set(places)
    parts = {place * limit // 10_000 for place in places}
    assert len(places) <= limit or {int(one) * limit // 10_000 for one in kept} == parts


@given(
    hnp.arrays(np.int16, st.tuples(st.integers(1, 40), st.integers(1, 40))),
    st.integers(1, 10),
    st.integers(1, 10),
)
def test_a_pooled_table_keeps_what_is_furthest_from_zero(
    table: np.ndarray, rows: int, columns: int
) -> None:
    found = pool(table, rows, columns)
    assert found.shape == (min(rows, table.shape[0]), min(columns, table.shape[1]))
    wide = table.astype(np.float64)
    assert np.abs(found).max() == np.abs(wide).max()
    assert set(found.ravel().tolist()) <= set(wide.ravel().tolist())


# -- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "s", "0 s"),
        (1.23456e-3, "s", "1.235 ms"),
        (4.2e-6, "s", "4.2 µs"),
        (600.0, "s", "600 s"),
        (3600.0, "s", "3600 s"),
        (12.5e-9, "J", "12.5 nJ"),
        (7e-12, "J", "7 pJ"),
        (150e6, "Hz", "150 MHz"),
        (None, "W", NOTHING),
        (math.nan, "W", NOTHING),
        (math.inf, "W", NOTHING),
        (-2.5e-3, "W", "-2.5 mW"),
    ],
)
def test_quantities_have_four_digits_and_a_prefix(
    value: float | None, unit: str, text: str
) -> None:
    assert si(value, unit) == text


@given(st.floats(1e-12, 1e12), st.sampled_from(["s", "W", "Hz"]))
def test_a_quantity_is_what_it_says(value: float, unit: str) -> None:
    factor, name = scale_of(value, unit)
    assert name.endswith(unit)
    digits, prefixed = si(value, unit).split(" ")
    assert prefixed == name
    assert float(digits) * factor == pytest.approx(value, rel=6e-4)


def test_counts_are_grouped_and_agree_in_number() -> None:
    assert whole(1234567).split() == ["1", "234", "567"]
    assert number(-1234.0) == "-1\N{NARROW NO-BREAK SPACE}234"
    assert number(0.123456789) == "0.12346"
    assert number(math.nan) == NOTHING
    assert counted(1, "frame") == "1 frame"
    assert counted(0, "frame") == "0 frames"
    assert percent(1, 8) == "12.5 %"
    assert percent(0, 0) == NOTHING


# -- names ----------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=()), max_size=300), st.integers(5, 100))
def test_a_cleaned_text_can_be_written_and_shown(text: str, limit: int) -> None:
    shown = clean(text, limit)
    shown.encode()
    kept = {" ", "\n", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"}
    assert all(char.isprintable() or char in kept for char in shown)
    if len(text) <= limit and text.isprintable():
        assert shown == text


def test_long_names_lose_their_middle() -> None:
    shown = name_text("begin" + "x" * 500 + "end")
    assert shown.startswith("begin")
    assert shown.endswith("end")
    assert len(shown) < 70
    assert name_text("") == "(no name)"


def test_a_table_says_how_many_rows_it_leaves_out() -> None:
    found = make_table("t", ("a",), [[str(i)] for i in range(10)], 4)
    assert [row[0].text for row in found.rows] == ["0", "1", "2", "3"]
    assert found.left_out == 6


# -- around a difference --------------------------------------------------------------------------


def test_the_surroundings_of_a_difference_hold_both_sides_values() -> None:
    a = np.arange(200).reshape(20, 10)
    b = a.copy()
    b[7, 1] = -5
    first = compare_outputs({"y": a}, {"y": b}).verdicts[0].first
    assert first is not None
    elements = elements_around(first, a, b)
    assert [(place.frame, place.element) for place in elements] == [(7, i) for i in range(6)]
    assert [place.a for place in elements] == a[7, :6].tolist()
    assert [place.b for place in elements] == b[7, :6].tolist()
    frames = frames_around(first, a, b)
    assert [place.frame for place in frames] == list(range(7 - NEIGHBOURS, 8 + NEIGHBOURS))
    assert [place.b for place in frames] == b[3:12, 1].tolist()


def test_what_one_side_does_not_have_is_none() -> None:
    a = np.arange(12).reshape(2, 2, 3)
    b = np.arange(12).reshape(2, 2, 3)[:1, :, :2] + 1
    first = compare_outputs({"y": a}, {"y": b}).verdicts[0].first
    assert first is not None
    assert (first.frame, first.index) == (0, (0, 0))
    elements = elements_around(first, a, b)
    assert [place.a for place in elements] == [0, 1, 2, 3, 4]
    assert [place.b for place in elements] == [1, 2, None, 4, 5]
    assert [(place.a, place.b) for place in frames_around(first, a, b)] == [(0, 1), (6, None)]
    longer = frames_around(first, b, a)
    assert [(place.a, place.b) for place in longer] == [(1, 0), (None, 6)]


# -- from a run -----------------------------------------------------------------------------------


def test_a_programs_banks_are_as_full_as_they_are() -> None:
    program = Program.loopback("spu001", length=64)
    fills = bank_fill(program)
    assert {(fill.core, fill.bank, fill.used) for fill in fills} == {
        (bank.core, bank.name, bank.words.size) for bank in program.banks
    }
    assert all(0 < fill.used <= fill.capacity for fill in fills)
    # spu-registers: a data memory bank of the SPU-001 holds 8192 words
    assert next(fill.capacity for fill in fills if fill.bank.startswith("DM")) % 8192 == 0


def test_a_report_without_a_subject_has_a_headline() -> None:
    report = report_of_run(None, {}, title="", notes=("one", "one"))
    assert report.title == "Report"
    assert report.notes == ("one",)
    assert report.created[10] == "T"
    assert report.verdict == "not compared"
