"""A report as one page that opens offline: everything it shows is inside the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import ExtraMissing
from hostrt.files import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from hostrt.report.model import Report


def check_html() -> None:
    """Make sure that pages can be made.

    Raises:
        ExtraMissing: the package that draws plots is not installed.
    """
    try:
        import bokeh.plotting  # noqa: F401 - whether it can be imported is the question
    except ImportError as error:
        raise ExtraMissing(
            f"an HTML report needs the package bokeh: {error}",
            hint="pip install 'hostrt[report]'",
        ) from error


def render_html(report: Report) -> bytes:
    """Render a report as an HTML document in UTF-8.

    Its size does not grow with the length of the run: long signals are reduced to what a screen
    can show, and tables end with the number of rows that they leave out.

    Args:
        report: what to tell.

    Raises:
        ExtraMissing: the package that draws plots is not installed.
    """
    check_html()
    from hostrt.report import sections_compare, sections_figures, sections_run, sections_signals
    from hostrt.report.page import render_page
    from hostrt.report.plot_base import Plots, plot_library

    plots = Plots()
    found = (
        sections_run.what_ran(report),
        sections_compare.comparisons(report, plots),
        sections_figures.time(report, plots),
        sections_figures.power(report, plots),
        sections_signals.signals(report, plots),
        sections_figures.memory(report, plots),
        sections_figures.cycles(report, plots),
        sections_run.notes(report),
    )
    sections = tuple(section for section in found if section is not None)
    drawn = plots.to_json()
    page = sections_run.top_of(report, sections)
    return render_page(page, library=plot_library() if drawn else "", plots=drawn)


def write_html(report: Report, path: Path) -> None:
    """Write a report as an HTML file, whole or not at all.

    Raises:
        ExtraMissing: the package that draws plots is not installed.
        StorageError: the file cannot be written.
    """
    write_file(path, render_html(report))
