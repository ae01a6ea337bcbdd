"""A report as JUnit XML, for build servers that show test results.

Test suites: the report as a whole, which is complete or was interrupted; every runner, which kept
its deadlines if it had any; and every pair of runners that was compared, with a test case per
output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from hostrt.analysis.metrics import LatencyMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.analysis.verdicts import Comparison, OutputVerdict
    from hostrt.report.model import Report
    from hostrt.runner.result import RunResult, Schedule

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write, not even as a reference."""

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case.

    Attributes:
        name: unique in its suite.
        outcome: element that says what is wrong ("failure", "error", "skipped"), "" for nothing.
        message: what is wrong, one line.
        kind: class of what is wrong.
        details: further lines.
        time_s: time that it took, None when unknown.
        log: what else there is to say.
    """

    name: str
    outcome: str = ""
    message: str = ""
    kind: str = ""
    details: str = ""
    time_s: float | None = None
    log: str = ""


@dataclass(frozen=True, slots=True)
class _Suite:
    """One test suite: its cases, and properties of what they ran."""

    name: str
    cases: tuple[_Case, ...]
    properties: dict[str, str] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        """Count the cases with an outcome."""
        return sum(case.outcome == outcome for case in self.cases)

    @property
    def time_s(self) -> float:
        """Sum of the times that are known."""
        return sum(case.time_s or 0.0 for case in self.cases)


def junit_xml(report: Report) -> bytes:
    r"""Give a report's verdicts as JUnit XML in UTF-8.

    Characters that XML cannot hold are written as escapes (`\x1b`). Equal reports give equal
    bytes.
    """
    suites = [_whole(report), *_runner_suites(report), *_pair_suites(report)]
    root = ET.Element("testsuites", _facts(report.title or "hostrt", suites))
    for suite in suites:
        root.append(_suite_element(suite, report))
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


# -- what is judged -------------------------------------------------------------------------------


def _whole(report: Report) -> _Suite:
    complete = _Case("complete", log="\n".join(report.notes))
    if report.interrupted:
        complete = _Case(
            "complete",
            "error",
            "interrupted: somebody ended the run early",
            "interrupted",
            "What is reported is complete up to then.",
            log=complete.log,
        )
    cases = [complete]
    if not report.comparisons.pairs:
        cases.append(_Case("comparison", "skipped", "fewer than two runners: nothing to compare"))
    subject = report.subject
    properties = {
        "title": report.title,
        "verdict": report.verdict,
        "created": report.created,
        "command_line": " ".join(report.command_line),
        "subject": subject.name,
        "subject_path": subject.path,
        "subject_sha256": subject.sha256,
        "subject_chip": subject.chip,
    }
    return _Suite("report", tuple(cases), properties)


def _runner_suites(report: Report) -> Iterator[_Suite]:
    for name, result in report.results.items():
        run = result.metrics
        log = "\n".join((f"{run.n_frames} frames", *result.notes))
        cases = [_Case("run", time_s=run.duration_s, log=log)]
        if run.schedule is not None:
            cases.append(_deadlines(result, run.schedule))
        yield _Suite(f"run {name}", tuple(cases), _provenance(result))


def _deadlines(result: RunResult, schedule: Schedule) -> _Case:
    n_frames, missed = result.metrics.n_frames, len(schedule.missed)
    dropped = len(schedule.dropped)
    if not missed and not dropped:
        return _Case("deadlines", log=f"{n_frames} frames, each in time")
    lines = [f"{name}: {count} frames" for name, count in schedule.causes.items() if count]
    slack = LatencyMetrics(result.metrics).slack_s
    if slack is not None and slack.size:
        lines.append(f"least slack {1e3 * float(slack.min()):.3f} ms")
    return _Case(
        "deadlines",
        "failure",
        f"{missed} of {n_frames} frames missed their deadline, {dropped} were dropped",
        "deadlines",
        "\n".join(lines),
    )


def _pair_suites(report: Report) -> Iterator[_Suite]:
    for pair in report.comparisons.pairs:
        properties = {"first": pair.a, "second": pair.b, "tolerance": str(pair.tolerance)}
        cases = tuple(_output(pair, verdict) for verdict in pair.verdicts)
        yield _Suite(f"compare {pair.label}", cases, properties)


def _output(pair: Comparison, verdict: OutputVerdict) -> _Case:
    if verdict.equal:
        return _Case(verdict.name, log=f"{verdict.compared} values compared")
    return _Case(
        verdict.name,
        "failure",
        verdict.describe(pair.a, pair.b),
        "missing" if verdict.reason.startswith("missing") else verdict.reason,
        "\n".join(verdict.details()),
    )


def _provenance(result: RunResult) -> dict[str, str]:
    tree = result.provenance.to_tree()
    settings = result.provenance.settings
    del tree["settings"]
    facts = tree | {f"settings.{key}": value for key, value in settings.items()}
    return {key: str(value) for key, value in facts.items()}


# -- XML ------------------------------------------------------------------------------------------


def _suite_element(suite: _Suite, report: Report) -> ET.Element:
    element = ET.Element("testsuite", _facts(suite.name, [suite]))
    element.set("skipped", str(suite.count("skipped")))
    timestamp = _TIMESTAMP.match(report.created)
    if timestamp:
        element.set("timestamp", timestamp[0])
    known = {name: value for name, value in suite.properties.items() if value}
    if known:
        properties = ET.SubElement(element, "properties")
        for name, value in known.items():
            ET.SubElement(properties, "property", name=_clean(name), value=_clean(value))
    # build servers take what is before the last dot for a package
    subject = report.subject.name.replace(".", "_")
    for case in suite.cases:
        element.append(_case_element(case, f"{subject}.{suite.name.replace('.', '_')}"))
    return element


def _case_element(case: _Case, class_name: str) -> ET.Element:
    element = ET.Element("testcase", name=_clean(case.name), classname=_clean(class_name))
    if case.time_s is not None:
        element.set("time", _seconds(case.time_s))
    if case.outcome:
        found = ET.SubElement(element, case.outcome, message=_clean(case.message))
        if case.kind:
            found.set("type", case.kind)
        # some servers show the text alone
        text = "\n".join(part for part in (case.message, case.details) if part)
        found.text = _clean(text)
    if case.log:
        ET.SubElement(element, "system-out").text = _clean(case.log)
    return element


def _facts(name: str, suites: list[_Suite]) -> dict[str, str]:
    return {
        "name": _clean(name),
        "tests": str(sum(len(suite.cases) for suite in suites)),
        "failures": str(sum(suite.count("failure") for suite in suites)),
        "errors": str(sum(suite.count("error") for suite in suites)),
        "time": _seconds(sum(suite.time_s for suite in suites)),
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _clean(text: str) -> str:
    """Write what XML cannot hold as escapes."""
    return _ILLEGAL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
