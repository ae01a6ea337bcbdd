"""`hostrt ab`: folders as runs and streams leave them, with times that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.analysis.bootstrap import STATISTICS
from hostrt.analysis.measured import STREAM_ROWS, load_measured
from hostrt.cli import ab
from hostrt.runner.result import CLOCKS
from hostrt.runner.store import METRICS
from tests.analysis.run_folders import FRAMES, PERIOD_S, N, keep, keep_stream, stream_rows, times

if TYPE_CHECKING:
    from tests.cli.conftest import Command


def test_the_choices_are_those_of_the_analysis() -> None:
    assert (ab._STATISTICS, ab._CLOCKS) == (STATISTICS, CLOCKS)


# -- verdicts --------------------------------------------------------------------------------------


def test_a_faster_run_is_faster_by_an_interval(cli: Command) -> None:
    a, b = keep("a", {"wire": times()}), keep("b", {"wire": times(scale=4.8e-3)})

    done = cli("ab", a, b)

    assert done.code == 0, done.err
    assert "200 pairs of frames" in done.out
    assert "RUN2 against RUN1: faster by 4.0" in done.out
    assert done.out.rstrip().endswith("(95 % confidence)")


def test_runs_that_are_alike_show_no_difference(hostrt: Command) -> None:
    a, b = keep("a", {"wire": times(1)}), keep("b", {"wire": times(2)})

    done = hostrt("ab", a, b)

    assert done.code == 0
    assert "no difference shown [" in done.out


def test_json_holds_the_numbers(hostrt: Command) -> None:
    a = keep("a", {"wire": times(), "end_to_end": 2 * times()})
    b = keep("b", {"wire": 0.9 * times(), "end_to_end": 2 * times()})

    tree = hostrt("ab", a, b, "--json", "--warm-up", "20", "--statistic", "mean").json

    assert (tree["verdict"], tree["clock"], tree["is_paired"]) == ("less", "wire", True)
    assert tree["change"] == pytest.approx(-0.1)
    assert tree["low"] <= tree["change"] <= tree["high"]
    assert (tree["n_a"], tree["warm_up"], tree["passed"]) == (N - 20, 20, True)
    assert tree["value_a"] == pytest.approx(float(times()[20:].mean()))
    other = hostrt("ab", a, b, "--json", "--clock", "end_to_end").json
    assert (other["verdict"], other["clock"]) == ("no difference shown", "end_to_end")


def test_frames_without_a_time_are_counted(hostrt: Command) -> None:
    spoiled = times()
    spoiled[[3, 4]] = -1.0, np.nan

    tree = hostrt("ab", keep("a", {"wire": times()}), keep("b", {"wire": spoiled}), "--json").json

    assert (tree["excluded"], tree["n_a"], tree["n_b"]) == (2, N - 2, N - 2)


def test_too_few_frames_get_no_number(hostrt: Command) -> None:
    a = keep("a", {"wire": times(n=10)})

    done = hostrt("ab", a, a)

    assert done.code == 0
    assert "too few frames: 10 measured, 30 are needed" in done.out
    assert hostrt("ab", a, a, "--json").json["low"] is None


def test_other_frames_are_not_paired(hostrt: Command) -> None:
    a, b = keep("a", {"wire": times()}), keep("b", {"wire": times()}, inputs=FRAMES + 1)

    done = hostrt("ab", a, b)

    assert "not on the same frames" in done.out
    assert "200 and 200 frames, not paired" in done.out


def test_a_simulated_run_beside_a_measured_one_is_noted(hostrt: Command) -> None:
    a, b = keep("a", {"wire": times()}), keep("b", {"wire": times()}, simulated=False)

    assert "one run is simulated" in hostrt("ab", a, b).out
    assert "one run is simulated" not in hostrt("ab", a, a).out


@pytest.mark.parametrize(("limit", "code"), [("1", 1), ("3", 1), ("5", 0), ("50", 0)])
def test_a_gate_fails_only_for_what_was_shown(hostrt: Command, limit: str, code: int) -> None:
    a, b = keep("a", {"wire": times()}), keep("b", {"wire": times(scale=5.2e-3)})

    assert hostrt("ab", a, b, "--fail-if-slower", limit).code == code
    assert hostrt("ab", b, a, "--fail-if-slower", limit).code == 0


def test_a_gate_that_cannot_judge_does_not_pass(hostrt: Command) -> None:
    a = keep("a", {"wire": times(n=10)})

    assert hostrt("ab", a, a, "--fail-if-slower", "50").code == 1


# -- power -----------------------------------------------------------------------------------------


def test_power_and_energy_of_runs(hostrt: Command) -> None:
    watts = 1e-3 * times()
    watts_then = watts.copy()
    watts_then[5] = -1.0
    a = keep("a", {"device": times()}, power=watts_then)
    b = keep("b", {"device": times()}, power=2 * watts)

    power, energy = (
        hostrt("ab", a, b, "--metric", name, "--json").json for name in ("power", "energy")
    )

    assert (power["verdict"], power["unit"], power["excluded"]) == ("more", "W", 1)
    assert energy["change"] == pytest.approx(1.0)
    assert energy["value_a"] == pytest.approx(PERIOD_S * power["value_a"])
    assert "RUN2 against RUN1: higher by" in hostrt("ab", a, b, "--metric", "power").out


def test_a_stream_is_compared_with_a_run(hostrt: Command) -> None:
    rows = stream_rows(times())
    rows["energy_j"] = 1e-6

    a, b = keep_stream("a", rows), keep("b", {"wire": times(), "device": times()})

    tree = hostrt("ab", a, b, "--json").json
    assert (tree["clock"], tree["verdict"]) == ("wire", "no difference shown")
    assert load_measured(a).n_frames == N


# -- folders ---------------------------------------------------------------------------------------


def test_real_runs_are_compared(hostrt: Command) -> None:
    words = ["run", "LOOPBACK", "--board", "sim", "--n-frames", "40", "-q"]
    for name in "ab":
        assert hostrt(*words, "-o", name).code == 0

    done = hostrt("ab", "a", "b", "--clock", "end_to_end")

    assert done.code == 0
    assert "hw on sim://spu001, simulated, 40 frames" in done.out
    assert "40 pairs of frames" in done.out


def test_one_runner_of_several_is_chosen(hostrt: Command) -> None:
    words = ["run", "LOOPBACK", "--board", "sim", "--runners", "hw,fasmir", "--n-frames", "40"]
    assert hostrt(*words, "-o", "a", "-q").code == 0

    chosen = hostrt("ab", "a", "a", "--runner", "fasmir")

    assert chosen.code == 0
    assert "fasmir on this computer" in chosen.out
    for refused in (hostrt("ab", "a", "a"), hostrt("ab", "a", "a", "--runner", "fqir")):
        assert refused.code == 2
        assert "hw, fasmir" in refused.err


@pytest.mark.parametrize("name", [METRICS, STREAM_ROWS])
def test_a_file_that_was_changed_after_the_run_is_refused(hostrt: Command, name: str) -> None:
    folder = (
        keep_stream("a", stream_rows(times()))
        if name == STREAM_ROWS
        else keep("a", {"wire": times()})
    )
    data = bytearray((folder / name).read_bytes())
    data[-3] ^= 1
    (folder / name).write_bytes(data)

    done = hostrt("ab", folder, folder)

    assert done.code == 2
    assert "was changed after the run" in done.err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["a", "nothere"], "below it: none"),
        (["a", "."], "below it: a, b"),
        (["a", "b", "--clock", "device"], "no clock device in common"),
        (["a", "c"], "no clock in common"),
        (["a", "b", "--metric", "power"], "no power was measured"),
        (["a", "b", "--metric", "energy"], "no energy was measured"),
        (["a", "b", "--metric", "power", "--clock", "wire"], "--clock is for latencies"),
        (["a", "b", "--confidence", "1"], "confidence 1.0"),
        (["a", "b", "--resamples", "10"], "10 resamples"),
        (["a", "b", "--warm-up", "-1"], "-1"),
        (["a", "b", "--fail-if-slower", "-1"], "--fail-if-slower -1.0"),
        (["a", "b", "--fail-if-slower", "nan"], "--fail-if-slower nan"),
    ],
)
def test_what_cannot_be_compared_is_a_usage_error(
    hostrt: Command, words: list[str], found: str
) -> None:
    keep("a", {"wire": times()})
    keep("b", {"wire": times()})
    if "c" in words:
        keep("c", {"device": times()})

    done = hostrt("ab", *words)

    assert done.code == 2
    assert found in done.err
