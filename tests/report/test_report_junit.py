"""Reports as JUnit XML: what build servers read, and nothing that they refuse."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.analysis.compare import compare_all
from hostrt.report.junit import junit_xml
from hostrt.runner.result import Provenance
from tests.report.sample_reports import full_report, plain, small_report, streamed

if TYPE_CHECKING:
    from hostrt.report.model import Report

NAMES = st.text(st.characters(exclude_categories=()), max_size=8)
"""Any character, halves of surrogate pairs and control characters too."""


# -- the schema that build servers agree on -------------------------------------------------------


@dataclass
class Rule:
    """What an element may look like.

    Attributes:
        required: attributes that must be there.
        optional: attributes that may be there.
        children: elements inside, in this order; a `*` behind a name allows several.
        has_text: text may stand inside.
    """

    required: str = ""
    optional: str = ""
    children: str = ""
    has_text: bool = False


RESULT = Rule("", "message type", has_text=True)
RULES = {
    "testsuites": Rule("", "name time tests failures errors", "testsuite*"),
    "testsuite": Rule(
        "name tests failures errors",
        "group time skipped timestamp hostname id package file",
        "properties testcase* system-out system-err",
    ),
    "properties": Rule(children="property*"),
    "property": Rule("name value"),
    "testcase": Rule(
        "name", "classname time status assertions", "skipped error failure system-out system-err"
    ),
    "skipped": RESULT,
    "error": RESULT,
    "failure": RESULT,
    "system-out": Rule(has_text=True),
    "system-err": Rule(has_text=True),
}
PATTERNS = {
    "time": r"\d+(\.\d{1,3})?",
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
    **dict.fromkeys(("tests", "failures", "errors", "skipped"), r"\d+"),
}


def check(element: ET.Element) -> None:
    """Check an element and all inside it against the rules."""
    rule = RULES[element.tag]
    required, optional = rule.required.split(), rule.optional.split()
    assert set(required) <= set(element.attrib) <= {*required, *optional}, element.tag
    for name, value in element.attrib.items():
        assert re.fullmatch(PATTERNS.get(name, ".*"), value, re.DOTALL), (name, value)
    tags = " ".join(child.tag for child in element)
    order = "".join(
        f"({name.rstrip('*')} ?){'*' if name.endswith('*') else '?'}"
        for name in rule.children.split()
    )
    assert re.fullmatch(order, tags), tags
    assert rule.has_text or not (element.text or "").strip()
    for child in element:
        assert not (child.tail or "").strip()
        check(child)


def parse(report: Report) -> ET.Element:
    root = ET.fromstring(junit_xml(report))
    check(root)
    for suites in ([root], root.findall("testsuite")):
        for element in suites:
            counted = {
                "tests": len(element.findall(".//testcase")),
                "failures": len(element.findall(".//failure")),
                "errors": len(element.findall(".//error")),
            }
            assert {name: int(element.attrib[name]) for name in counted} == counted
    cases = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(set(cases)) == len(cases)
    return root


def case_of(root: ET.Element, suite: str, name: str) -> ET.Element:
    found = [case for one in root if one.get("name") == suite for case in one.iter("testcase")]
    return next(case for case in found if case.get("name") == name)


def properties_of(root: ET.Element, suite: str) -> dict[str, str]:
    found = next(one for one in root if one.get("name") == suite)
    return {item.attrib["name"]: item.attrib["value"] for item in found.iter("property")}


# -- verdicts -------------------------------------------------------------------------------------


def test_every_output_of_every_pair_is_a_case() -> None:
    root = parse(full_report())

    names = {
        suite.get("name"): [case.get("name") for case in suite.iter("testcase")] for suite in root
    }
    assert names == {
        "report": ["complete"],
        "run fqir": ["run"],
        "run hw": ["run", "deadlines"],
        "run fasmir": ["run"],
        "compare fqir,hw": ["y", "features"],
        "compare fqir,fasmir": ["y", "features"],
    }
    assert (root.get("failures"), root.get("errors")) == ("2", "0")


def test_a_difference_is_a_failure_that_says_where() -> None:
    report = full_report()

    failure = case_of(parse(report), "compare fqir,hw", "y").find("failure")

    assert failure is not None
    verdict = report.comparisons.pairs[0].verdicts[0]
    assert failure.get("message") == verdict.describe("fqir", "hw")
    assert failure.get("type") == "values"
    assert failure.text is not None
    assert failure.text.splitlines() == [verdict.describe("fqir", "hw"), *verdict.details()]


def test_an_output_on_one_side_only_is_a_failure() -> None:
    results = {"a": plain(1, {"y": np.zeros((1, 1), np.int8)}), "b": plain(1, {})}

    root = parse(small_report(results=results, comparisons=compare_all(results)))

    failure = case_of(root, "compare a,b", "y").find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("missing", "y: missing in b")


def test_late_frames_are_a_case_of_their_own() -> None:
    failure = case_of(parse(full_report()), "run hw", "deadlines").find("failure")

    assert failure is not None
    assert failure.get("message") == "2 of 60 frames missed their deadline, 1 were dropped"
    assert "wire: 2 frames" in (failure.text or "")


def test_frames_in_time_pass() -> None:
    result = streamed(30, {})
    assert result.metrics.schedule is not None
    none = np.empty(0, np.int64)
    schedule = replace(result.metrics.schedule, missed=none, dropped=none)
    kept = replace(result, metrics=replace(result.metrics, schedule=schedule))

    case = case_of(parse(small_report(results={"hw": kept})), "run hw", "deadlines")

    assert case.find("failure") is None


def test_an_interrupted_run_is_an_error() -> None:
    root = parse(small_report(interrupted=True))

    assert root.get("errors") == "1"
    assert case_of(root, "report", "complete").find("error") is not None


def test_an_interrupted_run_without_results_is_an_error_too() -> None:
    assert parse(small_report(results={}, interrupted=True)).get("errors") == "1"


def test_a_single_runner_is_compared_with_nothing() -> None:
    root = parse(small_report())

    assert case_of(root, "report", "comparison").find("skipped") is not None
    assert [suite.get("skipped") for suite in root] == ["1", "0"]


# -- facts ----------------------------------------------------------------------------------------


def test_properties_say_what_the_manifest_says() -> None:
    root = parse(full_report())

    report, run = properties_of(root, "report"), properties_of(root, "run hw")
    assert report["subject_sha256"] == "cd" * 32
    assert report["command_line"] == "hostrt run model.femto"
    assert (run["board"], run["simulated"], run["settings.window"]) == ("evk2://123", "False", "4")
    assert "firmware" not in run  # unknown


def test_times_are_those_of_the_runs() -> None:
    root = parse(full_report())

    assert case_of(root, "run hw", "run").get("time") == "0.480"
    assert case_of(root, "compare fqir,hw", "y").get("time") is None
    assert root.get("time") == "1.230"
    assert root[0].get("timestamp") == "2030-01-02T03:04:05"


def test_a_time_that_is_not_known_is_left_out() -> None:
    root = parse(small_report(created="some day"))

    assert all(suite.get("timestamp") is None for suite in root)


def test_equal_reports_give_equal_bytes() -> None:
    assert junit_xml(full_report()) == junit_xml(full_report())


# -- names ----------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(NAMES, NAMES, NAMES, NAMES)
def test_any_name_gives_well_formed_xml(title: str, runner: str, output: str, word: str) -> None:
    array = np.zeros((1, 1), np.int8)
    provenance = Provenance("x", True, program_source=word, settings={output: word})
    first = replace(plain(1, {output: array}), provenance=provenance, notes=(word,))
    results: dict[str, Any] = {runner: first, f"{runner}2": plain(1, {output: array + 1})}

    root = parse(
        small_report(
            title=title, results=results, comparisons=compare_all(results), command_line=(word,)
        )
    )

    assert root.get("failures") == "1"


def test_what_xml_cannot_hold_is_escaped() -> None:
    results = {"r": plain(1, {}), "\x1b[1m": plain(1, {}), "\ufffe\udc80\x00": plain(1, {})}

    names = {suite.get("name") for suite in parse(small_report(results=results))}

    assert {"run r", r"run \x1b[1m", r"run \ufffe\udc80\x00"} <= names


def test_names_with_dots_make_no_packages() -> None:
    subject = replace(small_report().subject, name="model.v2.femto")

    root = parse(small_report(subject=subject))

    assert {case.get("classname") for case in root.iter("testcase")} == {
        "model_v2_femto.report",
        "model_v2_femto.run dummy",
    }


def test_markup_in_names_stays_text() -> None:
    name = "</failure>&amp;]]>\"'\n\t\r"
    array = np.zeros((1, 1), np.int8)
    results = {"a": plain(1, {name: array}), "b": plain(1, {name: array + 1})}

    root = parse(small_report(results=results, comparisons=compare_all(results)))

    assert case_of(root, "compare a,b", name).find("failure") is not None
