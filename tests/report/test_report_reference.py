"""The page on reports as data names every key and column, and no other."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from hostrt.report.columns import FRAME_COLUMNS
from hostrt.report.data import FORMAT_VERSION, MAX_SERIES, STRETCHES, report_csv
from tests.docs.pages import DOCS
from tests.report.sample_reports import (
    full_report,
    json_of,
    plain,
    small_report,
)

_KEY = re.compile(r"`([^`]+)`")
PAGE = DOCS / "reference" / "reports.md"


def documented(heading: str) -> set[str]:
    """Give the names in the first column of the table under a heading."""
    text = PAGE.read_text(encoding="utf-8")
    section = re.split(rf"^##+ {heading}\n", text, flags=re.MULTILINE)[1]
    lines = re.split("^#", section, flags=re.MULTILINE)[0].splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("| `")]
    return {name for cell in cells for name in _KEY.findall(cell)}


def key_paths(value: object, path: str = "") -> set[str]:
    """Give every key of a tree with its place; names that users choose become `NAME`."""
    if isinstance(value, list):
        return {found for item in value for found in key_paths(item, f"{path}[]")}
    if not isinstance(value, dict):
        return set()
    paths = set()
    for key, item in value.items():
        at = f"{path}.{'NAME' if path in NAMED else key}".removeprefix(".")
        paths |= {at, *key_paths(item, at)}
    return paths


RUN = "runners.NAME"
NAMED = {
    *("inputs", "runners", "comparisons.pairs[].outputs"),
    *(f"{RUN}.{key}" for key in ("outputs", "internals", "latency_s", "frames")),
}
PARTS = {
    "Arrays": ("inputs.NAME", f"{RUN}.outputs.NAME", f"{RUN}.internals.NAME"),
    "Statistics": (f"{RUN}.latency_s.NAME", f"{RUN}.schedule.late_s"),
    "Frames": (f"{RUN}.schedule.missed", f"{RUN}.schedule.dropped"),
    "Series": (
        f"{RUN}.frames.NAME",
        f"{RUN}.power_trace.frame_starts_s",
        "differences[].max_abs",
        "differences[].mean_abs",
    ),
    "Comparisons": ("comparisons",),
}
"""Heading -> places whose keys have a table of their own."""
OPEN = (
    *(f"{RUN}.{key}" for key in ("provenance", "work_per_frame", "simulation", "schedule.causes")),
    "comparisons.pairs[].frames",
    "comparisons.pairs[].internals",
)
"""Places whose keys are not listed one by one."""


def every_path() -> set[str]:
    """Give the places of all keys that reports may have."""
    internals = {"v": np.zeros((1, 2), np.int8)}
    reports = (
        full_report(),
        full_report(MAX_SERIES + 1),
        small_report(results={"r": replace(plain(1, {}), internals=internals)}),
    )
    return set.union(*(key_paths(json_of(report)) for report in reports))


def test_the_page_documents_every_key_of_json_and_no_other() -> None:
    found: dict[str, set[str]] = {heading: set() for heading in ("JSON", *PARTS)}
    places = {f"{place}.": heading for heading, some in PARTS.items() for place in some}

    for path in every_path():
        if path.startswith(tuple(f"{place}." for place in OPEN)):
            continue
        place = next((place for place in places if path.startswith(place)), "")
        found[places.get(place, "JSON")].add(path.removeprefix(place))

    assert {heading: documented(heading) for heading in found} == found


def test_the_page_documents_every_column_of_csv_and_no_other() -> None:
    header = report_csv(full_report()).decode().splitlines()[0].split(",")

    found = {re.sub(r"\[.*\]", "[OUTPUT]", name) for name in header}

    assert documented("CSV") == found
    assert set(FRAME_COLUMNS) <= found


def test_the_page_names_the_version_and_the_bounds() -> None:
    text = PAGE.read_text(encoding="utf-8")

    for number in (f"version {FORMAT_VERSION}", f"{MAX_SERIES:_}", f"{STRETCHES:_}"):
        assert number.replace("_", " ") in text
