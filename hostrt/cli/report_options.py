"""`--report FILE`: a page, data, a test result or pictures of what a verb found."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.errors import ExtraMissing, StorageError, UsageError
from hostrt.files import make_folder, write_file

if TYPE_CHECKING:
    import argparse

    from hostrt.report.model import Report

_PICTURES = ".png"
_FILES = (".html", ".json", ".csv", ".xml")
_HINT = "give .html, .json, .csv, .xml (JUnit), .png or a folder (pictures)"


def add_report_options(parser: argparse._ActionsContainer) -> None:
    """Declare `--report`, which may be given several times."""
    parser.add_argument(
        "--report", action="append", default=[], type=Path, metavar="FILE",
        help="report by suffix: .html page, .json or .csv data, .xml JUnit results; a folder, or "
        "NAME.png for the folder NAME: pictures; may be repeated",
    )  # fmt: skip


def check_reports(arguments: argparse.Namespace) -> None:
    """Make sure that every report can be written, before anything runs.

    Raises:
        UsageError: a suffix that stands for no kind of report.
        ExtraMissing: a package is not installed.
        StorageError: a place that cannot be written.
    """
    for path in arguments.report:
        suffix = _suffix(path)
        if suffix == ".html":
            from hostrt.report.html import check_html

            check_html()
        elif suffix == _PICTURES:
            _check_pictures()
    for path in arguments.report:
        _check_place(path, _suffix(path))


def write_reports(arguments: argparse.Namespace, report: Report) -> list[Path]:
    """Write every report that was asked for and give the files.

    Raises:
        ExtraMissing: a package is not installed.
        StorageError: a file cannot be written.
    """
    written: list[Path] = []
    for path in arguments.report:
        suffix = _suffix(path)
        if suffix == _PICTURES:
            from hostrt.report.pictures import write_pictures

            written += write_pictures(report, _folder(path))
        else:
            write_file(path, _render(suffix, report))
            written.append(path)
    return written


def _render(suffix: str, report: Report) -> bytes:
    if suffix == ".html":
        from hostrt.report.html import render_html

        return render_html(report)
    if suffix == ".xml":
        from hostrt.report.junit import junit_xml

        return junit_xml(report)
    from hostrt.report.data import report_csv, report_json

    return report_json(report) if suffix == ".json" else report_csv(report)


def _suffix(path: Path) -> str:
    """Give the suffix that says what to write; a folder stands for pictures.

    Raises:
        UsageError: it stands for nothing.
    """
    suffix = path.suffix.lower()
    if suffix in (*_FILES, _PICTURES):
        return suffix
    if not suffix or path.is_dir():
        return _PICTURES
    raise UsageError(f"--report {path}: {suffix} is no kind of report", hint=_HINT)


def _folder(path: Path) -> Path:
    """Give the folder for pictures."""
    return path.with_suffix("") if path.suffix.lower() == _PICTURES and not path.is_dir() else path


def _check_pictures() -> None:
    try:
        import matplotlib as _  # noqa: F401 - whether it can be imported is the question
    except ImportError as error:
        raise ExtraMissing(
            f"pictures need the package matplotlib: {error}",
            hint="pip install 'hostrt[report]'",
        ) from error


def _check_place(path: Path, suffix: str) -> None:
    """Try out the folder that is written into."""
    folder = path.parent
    if suffix == _PICTURES:
        folder = _folder(path)
        make_folder(folder)
    elif path.is_dir():
        raise StorageError(
            f"cannot write {path}: it is a folder", hint="name a file", path=str(path)
        )
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}",
            hint="check that the folder exists and is writable",
            path=str(path),
        ) from error
