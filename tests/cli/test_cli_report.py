"""--report: a page, data, test results and pictures of a run, tried out before anything runs."""

from __future__ import annotations

import csv
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("bokeh")
pytest.importorskip("matplotlib")

RUN = ("run", "LOOPBACK", "--board", "sim")


def test_each_suffix_gives_its_kind_of_report(hostrt: Any) -> None:
    words = [word for name in ("a.html", "b.JSON", "c.csv", "d.xml") for word in ("--report", name)]
    done = hostrt(*RUN, "--runners", "hw,fasmir", *words)
    assert done.code == 0, done.err
    for name in ("a.html", "b.JSON", "c.csv", "d.xml"):
        assert f"report in {name}\n" in done.out
    page = Path("a.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "All runners give the same outputs in 2 frames." in page
    for said in ("sim://spu001", "simulated", "Memory banks", "Cycles by instruction class"):
        assert said in page, said
    assert json.loads(Path("b.JSON").read_bytes())
    assert list(csv.reader(Path("c.csv").read_text("utf-8").splitlines()))
    assert ET.parse("d.xml").getroot().tag == "testsuites"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plots", "plots/", "plots.png"])
def test_a_folder_gets_pictures(hostrt: Any, name: str) -> None:
    done = hostrt(*RUN, "--report", name)
    assert done.code == 0, done.err
    found = list(Path("plots").iterdir())
    assert found
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in found)
    assert done.out.count("report in plots/") == len(found)


def test_a_run_that_differs_is_reported_before_it_fails(hostrt: Any) -> None:
    done = hostrt(*RUN, "--runners", "hw,dummy", "--report", "a.html", "--json")
    assert done.code == 1
    assert done.json["equal"] is False
    page = Path("a.html").read_text("utf-8")
    assert "<title>fail: loopback on hw, dummy</title>" in page
    assert "around the first difference" in page


def test_audio_is_drawn_over_time(hostrt: Any) -> None:
    samples = np.random.default_rng(0).integers(-9, 9, 16_000).astype(np.int16)
    soundfile.write("in.wav", samples, 16_000, subtype="PCM_16")
    done = hostrt(*RUN, "--input-file", "in.wav", "--report", "a.html")
    assert done.code == 0, done.err
    page = Path("a.html").read_text("utf-8")
    for said in ("Input input: waveform", "Output output: spectrogram", "filled with"):
        assert said in page, said


# -- what cannot be written -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("a.pdf", 2, ".pdf is no kind of report"),
        ("none/a.html", 8, "cannot write none/a.html"),
        ("folder.html", 8, "it is a folder"),
        ("file/plots", 8, "file"),
        ("file/a.json", 8, "cannot write file/a.json"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_runs(
    hostrt: Any, place: str, code: int, said: str
) -> None:
    Path("file").touch()
    Path("folder.html").mkdir()
    done = hostrt(*RUN, "-o", "out", "--report", "fine.json", "--report", place)
    assert done.code == code
    assert said in done.err
    assert not Path("out").exists()
    assert not Path("fine.json").exists()


@pytest.mark.parametrize(("package", "place"), [("bokeh", "a.html"), ("matplotlib", "plots")])
def test_a_missing_extra_is_said_before_anything_runs(
    hostrt: Any, monkeypatch: pytest.MonkeyPatch, package: str, place: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    done = hostrt(*RUN, "-o", "out", "--report", place)
    assert done.code == 4
    assert "pip install 'hostrt[report]'" in done.err
    assert not Path("out").exists()
    assert hostrt(*RUN, "--report", "a.json").code == 0


def test_an_earlier_report_is_replaced_whole(hostrt: Any) -> None:
    Path("a.json").write_text("old")
    assert hostrt(*RUN, "--report", "a.json").code == 0
    assert json.loads(Path("a.json").read_bytes())
    assert [path.name for path in Path().iterdir()] == ["a.json"]
