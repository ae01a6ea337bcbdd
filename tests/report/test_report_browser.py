"""The HTML page in a browser: drawn, readable in light and dark, zoomable, and quiet."""

from __future__ import annotations

import base64
import io
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.analysis.compare import compare_all
from hostrt.report.html import write_html
from hostrt.report.model import BankFill, Report, ReportSubject
from tests.report.browser import Tab, contrast, luminance
from tests.report.reports import full_report, result, streamed
from tests.report.test_report_html import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("bokeh")
pytest.importorskip("selenium.webdriver")

DRIVER = shutil.which("chromedriver")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in _BROWSERS if (found := shutil.which(name))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(DRIVER is None, reason="chromedriver is not installed"),
    pytest.mark.skipif(BROWSER is None, reason="neither Chromium nor Chrome is installed"),
]

READABLE = 4.5
"""Contrast that text needs, by WCAG 2 level AA."""

VISIBLE = 3.0
"""Contrast that lines need."""

# colours of all elements with text of their own, and of what is behind them
TEXTS = """
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const colour = getComputedStyle(element).backgroundColor;
    if (!colour.endsWith(", 0)")) return colour;
  }
  return "rgb(255, 255, 255)";
};
return [...document.querySelectorAll("body *")].filter((element) =>
  !["SCRIPT", "NOSCRIPT", "STYLE"].includes(element.tagName) && element.offsetParent
  && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
).map((element) => [
  element.tagName, element.className, getComputedStyle(element).color, behind(element)]);
"""

# what plots are painted with, and what is behind them
PAINTS = """
const behind = getComputedStyle(document.querySelector("section")).backgroundColor;
const found = [];
for (const model of Bokeh.documents[0].all_models)
  for (const tag of model.tags)
    for (const name of Object.keys(tag)) {
      const value = model[name];
      found.push([model.type, name, value?.value ?? value, behind]);
    }
return found;
"""

# share of pixels that are painted, per plot
PAINTED = """
const canvases = (root) => [...root.querySelectorAll("*")].flatMap((element) =>
  [...(element.tagName === "CANVAS" ? [element] : []),
   ...(element.shadowRoot ? canvases(element.shadowRoot) : [])]);
return [...document.querySelectorAll(".plot")].map((plot) => {
  let painted = 0, total = 0;
  for (const canvas of canvases(plot)) {
    if (!canvas.width || !canvas.height) continue;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 3; i < data.length; i += 4) painted += data[i] > 0;
    total = Math.max(total, data.length / 4);
  }
  return [plot.offsetWidth, plot.offsetHeight, total, painted / Math.max(total, 1)];
});
"""

NOTHING_WIDER = """
return document.documentElement.scrollWidth <= arguments[0]
  && [...document.querySelectorAll("body *")].every((element) =>
    element.closest(".scroll") || element.getBoundingClientRect().right <= arguments[0] + 1);
"""

RESET = """
for (const model of Bokeh.documents[0].all_models) if (model.type === "Range1d") model.reset();
document.activeElement.blur();
scrollTo({ left: 0, top: 0, behavior: "instant" });
"""

RANGE = """
const plot = [...document.querySelectorAll(".plot")].find((one) =>
  one.getAttribute("aria-label").startsWith(arguments[0]));
const { x_range } = Bokeh.documents[0].get_model_by_id(plot.dataset.root);
return [x_range.start, x_range.end];
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    tab = Tab(tmp_path_factory.mktemp("profile"), browser=BROWSER or "", driver=DRIVER or "")
    yield tab
    with suppress(OSError):
        tab.driver.quit()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report of a run.html"
    write_html(full_report(400), path)
    return path


@pytest.fixture
def page(tab: Tab, path: Path) -> Iterator[Tab]:
    """The page as it is when it was opened; loading it takes longer than bringing it back."""
    tab.size(1280)
    tab.scheme("light")
    if tab.run("return location.href") != path.as_uri():
        tab.open(path)
    tab.run(RESET)
    tab.settle()
    yield tab
    assert tab.complaints() == []


# -- loading --------------------------------------------------------------------------------------


def test_it_opens_without_a_complaint_and_without_a_request(page: Tab, path: Path) -> None:
    assert page.complaints() == []
    assert page.fetched == [path.as_uri()]
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    assert path.stat().st_size < 5_000_000


def test_every_plot_is_drawn(page: Tab) -> None:
    plots = page.run(PAINTED)
    assert len(plots) == page.run("return document.querySelectorAll('figure').length") == 18
    for width, height, pixels, painted in plots:
        assert width > 600
        assert height > 100
        assert pixels > 50_000
        assert painted > 0.01
    # a plot takes the place that was kept for it
    places = page.run(
        "return [...document.querySelectorAll('.plot')].map("
        "(one) => [one.offsetHeight, one.firstElementChild.offsetHeight])"
    )
    assert all(kept >= drawn > 0 for kept, drawn in places)


def test_names_of_files_do_nothing(tab: Tab, tmp_path: Path) -> None:
    x = np.arange(40, dtype=np.int16).reshape(20, 2)
    names = [*HOSTILE, "<img src=http://127.0.0.1:9/x onerror=window.alerted=1>"]
    runs = {
        name: result(name, dict.fromkeys(names, x + np.int16(number)), streamed(20))
        for number, name in enumerate(names[:2])
    }
    banks = tuple(BankFill(0, name, 1, 2) for name in names)
    subject = ReportSubject(names[0], names[1], names[2], banks=banks)
    report = Report(
        names[2],
        subject,
        runs,
        compare_all(runs),
        inputs=dict.fromkeys(names, x),
        notes=tuple(names),
    )
    write_html(report, tmp_path / "page.html")
    tab.driver.get("about:blank")

    tab.open(tmp_path / "page.html")

    assert tab.complaints() == []
    assert tab.fetched == [(tmp_path / "page.html").as_uri()]
    assert tab.run("return [window.alerted ?? null, document.images.length]") == [None, 0]
    assert tab.run("return document.querySelector('h1').textContent") == names[2]


# -- looks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(page: Tab, scheme: str) -> None:
    page.scheme(scheme)
    texts = page.run(TEXTS)
    assert len(texts) > 200
    dark = luminance(page.run("return getComputedStyle(document.body).backgroundColor")) < 0.2
    assert dark == (scheme == "dark")
    for tag, name, colour, behind in texts:
        assert contrast(colour, behind) >= READABLE, (tag, name, colour, behind)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plots_follow_the_theme(page: Tab, scheme: str) -> None:
    page.scheme(scheme)
    paints = page.run(PAINTS)
    assert len(paints) > 100
    for kind, name, colour, behind in paints:
        assert isinstance(colour, str), (kind, name)
        if "text" in name:
            assert contrast(colour, behind) >= READABLE, (kind, name, colour, behind)
        elif kind in ("Line", "Scatter", "Quad", "Span", "VBar"):
            assert contrast(colour, behind) >= VISIBLE, (kind, name, colour, behind)
    # and what was painted is as bright as that
    title = "Latency of hw"
    page.place(title)
    shot = page.command("Page.captureScreenshot")["data"]
    assert is_dark(shot) == (scheme == "dark")


def is_dark(picture: str) -> bool:
    """Tell whether most of a screenshot is dark."""
    image = pytest.importorskip("PIL.Image")
    pixels = np.asarray(image.open(io.BytesIO(base64.b64decode(picture))).convert("L"))
    return bool(np.median(pixels) < 100)


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(page: Tab, width: int) -> None:
    page.size(width)
    # plots follow the page in their own time
    page.wait(NOTHING_WIDER, width)
    page.run("scrollTo({ left: 500, top: 0, behavior: 'instant' })")
    page.settle()
    assert page.run("return scrollX") == 0


# -- use ------------------------------------------------------------------------------------------


def test_ctrl_and_the_wheel_zoom_and_the_wheel_alone_scrolls(page: Tab) -> None:
    title = "Input x: waveform"
    x, y = page.place(title)
    before, scrolled = page.run(RANGE, title), page.run("return scrollY")
    page.mouse("mouseMoved", x, y)
    page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-240, modifiers=2)
    page.settle()
    start, end = page.run(RANGE, title)
    assert before[0] < start < end < before[1]
    assert page.run("return scrollY") == scrolled
    # all plots over time move together
    assert page.run(RANGE, "Output y: waveform") == [start, end]
    assert page.run(RANGE, "Input x: spectrogram") == [start, end]

    page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-240)
    page.wait("return scrollY !== arguments[0]", scrolled)
    assert page.run(RANGE, title) == [start, end]


def test_dragging_zooms_into_what_is_dragged_over(page: Tab) -> None:
    title = "Latency of hw"
    x, y = page.place(title)
    before = page.run(RANGE, title)
    page.mouse("mouseMoved", x, y)
    page.mouse("mousePressed", x, y - 30, button="left", buttons=1, clickCount=1)
    for part in range(1, 6):
        page.mouse("mouseMoved", x + 30 * part, y - 30 + 12 * part, button="left", buttons=1)
    page.mouse("mouseReleased", x + 150, y + 30, button="left", clickCount=1)
    page.settle()
    start, end = page.run(RANGE, title)
    assert end - start < 0.5 * (before[1] - before[0])


def test_keys_zoom_move_and_bring_everything_back(page: Tab) -> None:
    title = "Input x: waveform"
    page.place(title)
    whole = page.run(RANGE, title)
    page.run(
        "[...document.querySelectorAll('.plot')].find((one) =>"
        "one.getAttribute('aria-label').startsWith(arguments[0])).focus()",
        title,
    )
    press(page, "+")
    zoomed = page.run(RANGE, title)
    assert zoomed[0] > whole[0]
    assert zoomed[1] < whole[1]
    press(page, "ArrowRight")
    moved = page.run(RANGE, title)
    assert moved[0] > zoomed[0]
    assert moved[1] <= whole[1]
    press(page, "0")
    assert page.run(RANGE, title) == whole
    press(page, "-")
    assert page.run(RANGE, title) == whole


def press(page: Tab, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        page.command("Input.dispatchKeyEvent", type=kind, key=key)
    page.settle()


def test_a_line_is_hidden_and_shown_again(page: Tab) -> None:
    script = (
        "const plot = [...document.querySelectorAll('.plot')].find((one) =>"
        "one.getAttribute('aria-label').startsWith('Output y: waveform'));"
        "const button = plot.parentElement.querySelector('button');"
        "if (arguments[0]) button.click();"
        "const figure = Bokeh.documents[0].get_model_by_id(plot.dataset.root);"
        "return [button.textContent.trim(), button.getAttribute('aria-pressed'),"
        "        figure.renderers.map((one) => one.visible)];"
    )
    assert page.run(script, False) == ["hw", "true", [True, True]]
    assert page.run(script, True) == ["hw", "false", [False, True]]
    assert page.run(script, True) == ["hw", "true", [True, True]]
