"""Pictures as files: which there are, and that drawing them leaves no other trace."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import ExtraMissing, StorageError, UsageError
from hostrt.report.picture_resources import memory
from hostrt.report.picture_style import STYLES, drawing, label, to_png
from hostrt.report.pictures import write_pictures
from hostrt.runner.result import RunMetrics
from tests.docs.pages import DOCS
from tests.report.sample_reports import (
    banks,
    full_report,
    plain,
    small_report,
)

matplotlib = pytest.importorskip("matplotlib")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.slow

LIGHT = STYLES["light"]
NAMES = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.fixture
def _drawing() -> Iterator[None]:
    with drawing(LIGHT):
        yield


# -- files ----------------------------------------------------------------------------------------

EXPECTED = [
    "latency_histogram_hw",
    "latency_timeline_hw",
    "latency_histogram_fasmir",
    "latency_timeline_fasmir",
    "power_hw",
    "power_fasmir",
    "difference_histogram_fqir_hw",
    "difference_timeline_fqir_hw",
    "audio_input_x",
    "audio_output_fqir_y",
    "audio_output_hw_y",
    "audio_output_fasmir_y",
    "memory",
    "cycles_fasmir",
]


@pytest.mark.slow
def test_everything_that_was_measured_is_drawn(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "deep" / "down"
    paths = write_pictures(full_report(), folder, style="dark")

    assert [path.stem for path in paths] == EXPECTED
    assert sorted(folder.iterdir()) == sorted(paths)
    for path in paths:
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert image.info.keys() == {"dpi"}  # neither a time nor a program's version
            red, green, blue = (int(STYLES["dark"].face[at : at + 2], 16) for at in (1, 3, 5))
            assert image.getpixel((1, image.height - 2)) == (red, green, blue, 255)
            assert image.width > 1_000
            assert np.ptp(np.asarray(image)) > 200


def test_the_page_documents_every_picture() -> None:
    text = (DOCS / "reference" / "reports.md").read_text(encoding="utf-8").split("## Pictures")[1]
    patterns = {re.sub("[A-Z]+", ".+", name) for name in re.findall(r"`([A-Za-z_]+)\.png`", text)}

    matches = [{one for one in patterns if re.fullmatch(one, stem)} for stem in EXPECTED]

    assert all(matches)
    assert set.union(*matches) == patterns


def test_equal_reports_give_equal_files_whatever_the_users_settings(tmp_path: Path) -> None:
    report = small_report(subject=replace(small_report().subject, banks=banks()))

    first = write_pictures(report, tmp_path / "a")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 30}):
        second = write_pictures(report, tmp_path / "b")

    assert [path.name for path in first] == ["memory.png"]
    assert first[0].read_bytes() == second[0].read_bytes()


def test_a_report_without_measurements_has_no_pictures(tmp_path: Path) -> None:
    assert write_pictures(small_report(), tmp_path) == []


@pytest.mark.slow
def test_settings_are_as_before_and_pyplot_is_not_loaded(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
import matplotlib
before = matplotlib.rcParams.copy()
from hostrt.report.pictures import write_pictures
from tests.report.sample_reports import banks, small_report
from hostrt.report.model import ReportSubject
report = small_report(subject=ReportSubject("m", "m", "", banks=banks()))
assert write_pictures(report, Path({str(tmp_path)!r}))
assert "matplotlib.pyplot" not in sys.modules
# as dictionaries: asking for the backend would choose one
assert dict.__eq__(matplotlib.rcParams, before) is True
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_hostrt_does_not_need_matplotlib_until_it_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(ExtraMissing) as caught:
        write_pictures(full_report(), tmp_path / "made")

    assert "hostrt[report]" in caught.value.hint
    assert not (tmp_path / "made").exists()


def test_another_style_is_refused(tmp_path: Path) -> None:
    style: Any = "pink"
    with pytest.raises(UsageError, match="light, dark"):
        write_pictures(full_report(), tmp_path, style=style)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")

    with pytest.raises(StorageError):
        write_pictures(full_report(), tmp_path / "file")

    assert (tmp_path / "file").read_text() == "kept"


def test_names_become_files_that_every_system_takes(tmp_path: Path) -> None:
    def watt() -> Any:
        return replace(plain(1, {}), metrics=RunMetrics(1, frame_power_w=np.ones(1)))

    results = {name: watt() for name in ("../a:b", "..\\a:b", "x" * 300, "X" * 300)}

    paths = write_pictures(small_report(results=results), tmp_path)

    assert [path.parent for path in paths] == [tmp_path] * 4
    assert [path.stem for path in paths] == [
        "power____a_b",
        "power____a_b_2",
        "power_" + "x" * 94,
        "power_" + "X" * 94 + "_2",
    ]


@settings(max_examples=8, deadline=None)
@given(NAMES, NAMES)
def test_any_name_can_be_drawn(first: str, second: str) -> None:
    subject = replace(
        small_report().subject,
        name=first,
        banks=tuple(
            replace(bank, bank=name)
            for bank, name in zip(banks()[:2], (first, second), strict=True)
        ),
    )

    with drawing(LIGHT):
        figure = memory(subject, LIGHT)
        assert figure is not None
        assert to_png(figure).startswith(b"\x89PNG")


@pytest.mark.usefixtures("_drawing")
@settings(max_examples=60, deadline=None)
@given(NAMES)
def test_a_label_is_short_and_no_formula(name: str) -> None:
    from matplotlib.cbook import is_math_text

    text = label(name)

    assert len(text.replace(r"\$", "$")) <= 36
    assert not is_math_text(text)
    assert text.isprintable()


@pytest.mark.usefixtures("_drawing")
def test_a_label_keeps_what_can_be_drawn() -> None:
    assert label("größe_1") == "größe_1"
    assert label("a$b\n中") == r"a\$b□□"
    assert label("0123456789", 6) == "01…789"
