"""Several runs: pairs, names, text, JSON, and what the guide says about them."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from hostrt.analysis.compare import compare, compare_all
from hostrt.errors import CheckFailed, FrameError, UsageError
from hostrt.runner.result import Provenance, RunMetrics, RunResult
from tests.docs.pages import DOCS

Y = np.arange(12, dtype=np.int16).reshape(6, 2)


def a_run(runner: str = "hw", internals: Any = None, **outputs: Any) -> RunResult:
    return RunResult(
        outputs or {"y": Y}, RunMetrics(6), Provenance(runner, simulated=True), (), internals or {}
    )


def off(at: tuple[int, int], by: int = 1) -> np.ndarray[Any, Any]:
    changed = Y.copy()
    changed[at] += by
    return changed


# -- pairs ----------------------------------------------------------------------------------------


def test_every_run_is_compared_with_the_first() -> None:
    found = compare_all({"hw": a_run(), "fqir": a_run(y=off((2, 1))), "fasmir": a_run()})
    assert [(pair.a, pair.b, pair.equal) for pair in found.pairs] == [
        ("hw", "fqir", False),
        ("hw", "fasmir", True),
    ]
    assert not found.equal
    assert list(found.by_pair) == ["hw,fqir", "hw,fasmir"]


def test_pairwise_the_one_run_that_differs_is_in_every_pair_that_fails() -> None:
    found = compare_all([a_run("hw"), a_run("fqir", y=off((0, 0))), a_run("sim")], "pairwise")
    assert {pair.label: pair.equal for pair in found.pairs} == {
        "hw,fqir": False,
        "hw,sim": True,
        "fqir,sim": False,
    }


@pytest.mark.parametrize("mode", ["first", "pairwise"])
@pytest.mark.parametrize("runs", [[], [a_run()]])
def test_fewer_than_two_runs_are_equal_without_a_pair(runs: list[RunResult], mode: Any) -> None:
    found = compare_all(runs, mode)
    assert found.equal
    assert found.pairs == ()
    assert found.describe() == ""
    found.raise_if_different()


def test_runs_of_one_runner_are_told_apart() -> None:
    found = compare_all([a_run("hw"), a_run("hw"), a_run("hw")])
    assert list(found.by_pair) == ["hw,hw#2", "hw,hw#3"]


def test_the_tolerance_goes_to_every_pair() -> None:
    runs = [a_run("hw"), a_run("fqir", y=off((0, 0), 2)), a_run("sim", y=off((0, 0), -2))]
    assert compare_all(runs, tolerance=2).equal
    assert [p.equal for p in compare_all(runs, "pairwise", 2).pairs] == [True, True, False]
    assert not compare_all(runs, tolerance=1).equal


def test_other_modes_tolerances_and_types_are_refused() -> None:
    with pytest.raises(UsageError, match="mode 'all', expected one of first, pairwise"):
        compare_all([], "all")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="tolerance -1"):
        compare_all([], tolerance=-1)
    with pytest.raises(FrameError, match="output 'y' of the fqir side: type float64"):
        compare_all({"hw": a_run(), "fqir": a_run(y=Y.astype(float))})  # even with equal values


def test_a_failure_names_the_pair_the_output_and_the_place() -> None:
    runs = {"hw": a_run(), "fqir": a_run(y=off((2, 1))), "sim": a_run(z=Y)}
    with pytest.raises(CheckFailed) as caught:
        compare_all(runs).raise_if_different()
    assert str(caught.value) == (
        "outputs of hw and fqir differ: y: frame 2, element 1: 5 against 6; 1 of 12 values differ, "
        "at most by 1 (tolerance 0); 1 more pairs differ"
    )
    assert caught.value.context["comparisons"] == compare_all(runs).to_json()


def test_two_runs_are_called_after_their_runners_if_these_differ() -> None:
    assert compare(a_run("hw"), a_run("fqir")).label == "hw,fqir"
    assert compare(a_run("hw"), a_run("hw")).label == "a,b"


# -- text and JSON --------------------------------------------------------------------------------


def test_text_has_a_line_per_pair_and_more_for_failures() -> None:
    short = np.zeros((4, 1), np.int8)
    found = compare_all(
        {
            "hw": a_run(y=Y, v=short, w=short),
            "fqir": a_run(w=short, v=short, y=Y),
            "sim": a_run(y=off((5, 0), -3), v=np.zeros((6, 1), np.int8)),
        }
    )
    assert found.describe().splitlines() == [
        "hw,fqir: equal",
        "hw,sim: DIFFERENT in 3 of 3 outputs",
        "  y: frame 5, element 0: 10 against 7; 1 of 12 values differ, at most by 3",
        "    in 1 of 6 frames: 5",
        "    second minus first: -3 x 1",
        "    mean absolute difference 0.25",
        "  v: shape (4, 1) against (6, 1)",
        "    in 2 of 6 frames: 4-5",
        "  w: missing in sim",
    ]


def test_text_says_the_tolerance() -> None:
    runs = [a_run("hw"), a_run("fqir", y=off((0, 0), 2))]
    assert compare_all(runs, tolerance=2).describe() == "hw,fqir: equal within 2"
    first = compare_all(runs, tolerance=1).describe().splitlines()[0]
    assert first == "hw,fqir: DIFFERENT in 1 of 1 outputs, tolerance 1"


def test_frames_of_a_pair_are_those_of_any_output() -> None:
    other = a_run(u=off((1, 0)), y=off((2, 0)))
    found = compare(a_run(u=Y, y=Y), other)
    assert list(found.frames) == [(1, 2)]
    assert found.n_frames == 6


def test_everything_is_json() -> None:
    runs = [a_run("hw", {"v": Y}), a_run("fqir", {"v": off((1, 1))}, y=off((2, 1)), z=Y)]
    tree: Any = compare_all(runs, "pairwise").to_json()
    assert json.loads(json.dumps(tree)) == tree
    assert (tree["equal"], tree["mode"], tree["tolerance"]) == (False, "pairwise", 0)
    (pair,) = tree["pairs"]
    assert (pair["a"], pair["b"], pair["equal"]) == ("hw", "fqir", False)
    assert pair["frames"] == {"total": 6, "different": 6, "ranges": [[0, 5]], "ranges_left_out": 0}
    assert pair["outputs"]["z"]["reason"] == "missing in a"
    assert pair["internals"]["first"] == {
        "name": "v", "order": 0, "frame": 1, "element": 1, "index": [1], "a": 3, "b": 4,
    }  # fmt: skip


def test_the_guide_names_every_key_of_the_json() -> None:
    page = (DOCS / "how-to" / "compare-runs.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(\S+)` \|", page, re.MULTILINE))
    runs = [a_run("hw", {"v": Y}), a_run("fqir", {"v": off((1, 1))}, y=off((2, 1)))]
    assert documented == set(_keys(compare_all(runs).to_json()))


def _keys(tree: Any, place: str = "") -> list[str]:
    found = []
    for key, value in tree.items():
        name = place + {"y": "NAME", "v": "NAME"}.get(key, key)
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict) and key != "remarks":
            name += "[]" if isinstance(value, list) else ""
            found += _keys(inner, f"{name}.")
        else:
            found.append(name)
    return found
