"""The HTML page: what it says, that it needs nothing else, and that names stay names."""

from __future__ import annotations

import sys
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.analysis.compare import compare_all
from hostrt.errors import ExtraMissing, StorageError
from hostrt.report.html import check_html, render_html, write_html
from hostrt.report.model import BankFill, Report, ReportSubject
from hostrt.runner.result import RunMetrics
from tests.report.reports import full_report, result, speech, streamed, trace

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

pytest.importorskip("bokeh")

_VOID = {"meta", "link", "br", "img", "hr", "input"}
LIMIT = 5_000_000
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "$$\\alpha$$",
    "\u202egnp.exe\x00\x1b[31m",
    "\udc80",
    "<!--",
    "{{ 7 * 7 }}",
    "a" * 5000,
)


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, data: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(data.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            for tag in set(self.open):
                self.texts.setdefault(tag, []).append(" ".join(data.split()))

    def text(self, tag: str = "body") -> str:
        """Everything inside elements of a kind, scripts aside unless they are asked for."""
        return " ".join(self.texts.get(tag, ()))

    def values(self, name: str) -> list[str]:
        return [value for _, found in self.tags if (value := found.get(name)) is not None]


def page_of(report: Report) -> Page:
    return Page(render_html(report))


@pytest.fixture(scope="module")
def full() -> Page:
    return page_of(full_report(60))


# -- structure ------------------------------------------------------------------------------------


def test_everything_is_inside_the_file(full: Page) -> None:
    assert not full.open
    assert not full.values("src")
    assert all(link.startswith(("#", "data:")) for link in full.values("href"))
    (policy,) = [
        found["content"]
        for tag, found in full.tags
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert "http" not in policy


def test_every_section_is_in_the_contents_and_labels_name_what_exists(full: Page) -> None:
    ids = full.values("id")
    assert len(ids) == len(set(ids))
    sections = [found["id"] for tag, found in full.tags if tag == "section"]
    assert sections == [
        "run", "agreement", "time", "power", "signals", "memory", "cycles", "notes",
    ]  # fmt: skip
    links = [found["href"] for tag, found in full.tags if tag == "a"]
    assert links == ["#content", *(f"#{name}" for name in sections)]
    assert "content" in ids
    for name in ("aria-labelledby", "aria-describedby"):
        assert set(full.values(name)) <= set(ids)
    assert full.tags[0] == ("html", {"lang": "en"})


def test_every_plot_has_words_beside_it_and_a_height_before_it_is_drawn(full: Page) -> None:
    plots = [found for _, found in full.tags if found.get("class") == "plot"]
    captions = full.texts["figcaption"]
    assert len(plots) == sum(tag == "figure" for tag, _ in full.tags) > 15
    assert len(captions) == 2 * len(plots)
    for found in plots:
        assert (found["style"] or "").startswith("height: ")
        assert found["tabindex"] == "0"
        assert found["aria-label"]


def test_the_head_says_the_verdict_in_words(full: Page) -> None:
    assert full.text("title") == "fail: Denoiser on EVK2"
    badge = full.text("header")
    assert "fail" in badge
    assert "partly simulated" in badge
    assert "frame 15, element 17" in badge
    equal = page_of(full_report(8, different=False))
    assert equal.text("title").startswith("late:")
    assert "All runners give the same outputs in 8 frames." in equal.text("header")
    assert "came too late" in equal.text("header")


def test_runs_without_a_clock_are_never_late() -> None:
    report = full_report(8, different=False)
    results = {
        name: replace(result, metrics=replace(result.metrics, schedule=None))
        for name, result in report.results.items()
    }
    page = page_of(replace(report, results=results))
    assert page.text("title").startswith("pass:")
    assert "too late" not in page.text("header")


def test_what_ran_on_what_is_there(full: Page) -> None:
    text = full.text("section")
    for said in (
        "models/denoiser.femto", "ab" * 32, "9f" * 32, "evk2://16C0-0486-A1B2", "2.3", "0.1.0",
        "hostrt run models/denoiser.femto --runners hw,fasmir,fqir", "timeout_s",
        "2026-03-04 05:06:07+00:00", "last frame filled with 168 zeros", "fqir: a note of fqir",
    ):  # fmt: skip
        assert said in text, said
    cells = full.texts["td"]
    assert cells.count("simulated") == 2
    assert cells.count("measured") == 1


def test_figures_are_those_of_the_run(full: Page) -> None:
    text = full.text("main")
    run = full_report(60).results["hw"].metrics
    assert run.schedule is not None
    assert f"{len(run.schedule.missed)} of 60" in text
    assert "2 of 60 (3.33 %)" in text
    assert "source 2" in text
    assert "62.5 frames per second" in text
    assert "1.2 mW" in text
    assert "8.2 µs" in text
    assert "600 MHz" in text
    assert "core 1, DM1 6 392 8 192 78 %" in text
    assert "core 0 700 4 %" in text


def test_the_first_difference_is_shown_with_what_is_around_it(full: Page) -> None:
    captions = full.texts["caption"]
    assert "y: around the first difference, in frame 15" in captions
    assert "y: around the first difference, element 17 in the frames around" in captions
    runs = full_report(60).results
    a, b = (int(runs[name].outputs["y"][15, 17]) for name in ("hw", "fasmir"))
    cells = " ".join(full.texts["td"])
    assert f"{a:,} {b:,} -3 ".replace(",", " ") in cells


def test_sections_without_data_are_left_out() -> None:
    bare = result("hw", {}, RunMetrics(0))
    report = Report("t", ReportSubject("m", "m.pt", "00"), {"hw": bare})
    page = page_of(report)
    assert [found["id"] for tag, found in page.tags if tag == "section"] == ["run", "notes"]
    assert "not compared" in page.text("header")
    assert not [tag for tag, _ in page.tags if tag in ("script", "noscript")]
    assert len(render_html(report)) < 50_000


def test_an_interrupted_run_says_so() -> None:
    report = replace(full_report(8, different=False), interrupted=True)
    page = page_of(report)
    assert page.text("title").startswith("interrupted:")
    assert "complete up to then" in page.text("header")


# -- names ----------------------------------------------------------------------------------------


def test_names_stay_names() -> None:
    x = np.arange(40, dtype=np.int16).reshape(20, 2)
    tree = {"cycles_by_class": dict.fromkeys(HOSTILE, 2.0), "cores": {HOSTILE[0]: {}}}
    runs = {
        name: result(
            name,
            dict.fromkeys(HOSTILE, x + np.int16(number)),
            replace(streamed(20), simulation=tree),
        )
        for number, name in enumerate(HOSTILE[:3])
    }
    first = HOSTILE[0]
    report = Report(
        title=first,
        subject=ReportSubject(
            first, first, first, first, 3, tuple(BankFill(0, name, 1, 2) for name in HOSTILE)
        ),
        results=runs,
        comparisons=compare_all(runs),
        inputs=dict.fromkeys(HOSTILE, x),
        power={first: trace(20)},
        command_line=HOSTILE,
        created=first,
        notes=HOSTILE,
    )

    data = render_html(report)

    page = Page(data)
    assert not page.open
    # one holds JSON, one the library, one is the page's own
    assert sum(tag == "script" for tag, _ in page.tags) == 3
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe")]
    assert not [name for _, found in page.tags for name in found if name.startswith("on")]
    assert page.text("h1") == first
    for wrong in (b"\x00", b"\x1b", "\u202e".encode(), b"49 "):
        assert wrong not in data.split(b'<script type="application/json"')[0]
    assert "\\x00" in page.text("li")


# -- size -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_long_run_and_ten_minutes_of_audio_stay_small() -> None:
    long = full_report(75_000, hop=64)
    size = len(render_html(long))
    assert 1_000_000 < size < LIMIT
    audio = np.tile(speech(625), (60, 1))
    assert audio.size == 10 * 60 * 16_000
    runs = {"hw": result("hw", {"y": audio}, streamed(len(audio)))}
    report = Report(
        "t", ReportSubject("m", "m", "0"), runs, inputs={"x": audio}, sample_rate=16_000
    )
    assert len(render_html(report)) < size + 1_000_000


def test_the_number_of_outputs_differences_and_banks_is_bounded() -> None:
    draw = np.random.default_rng(0)
    outputs = {f"y{i}": draw.integers(0, 9, (50, 9)).astype(np.int16) for i in range(60)}
    others = {name: array + np.int16(1) for name, array in outputs.items()}
    runs = {
        "hw": result("hw", outputs, RunMetrics(50)),
        "fqir": result("fqir", others, RunMetrics(50)),
    }
    banks = tuple(BankFill(core, f"DM{bank}", 1, 2) for core in range(20) for bank in range(20))
    report = Report(
        "t", ReportSubject("m", "m", "0", banks=banks), runs, compare_all(runs), notes=("n",) * 500
    )
    data = render_html(report)
    page = Page(data)
    assert len(data) < LIMIT
    assert "52 more inputs and outputs are not drawn." in page.text("p")
    assert "200 more rows are not shown." in page.text("p")
    assert sum(found.get("class") == "plot" for _, found in page.tags) < 40
    assert sum(tag == "li" for tag, _ in page.tags) < 120


# -- files and extras -----------------------------------------------------------------------------


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    report = full_report(2)
    path = tmp_path / "a.html"
    write_html(report, path)
    assert path.read_bytes().startswith(b"<!DOCTYPE html>")
    with pytest.raises(StorageError):
        write_html(report, tmp_path / "none" / "a.html")
    assert [item.name for item in tmp_path.iterdir()] == ["a.html"]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "bokeh"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "bokeh", None)
    with pytest.raises(ExtraMissing) as caught:
        check_html()
    assert "hostrt[report]" in caught.value.hint
    with pytest.raises(ExtraMissing):
        render_html(full_report(2))
