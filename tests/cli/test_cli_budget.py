"""`hostrt budget`."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from hostrt.sim.serving import ServeOptions, zcu104_server

if TYPE_CHECKING:
    from tests.cli.conftest import Command

FULL = "evk2+sim://spu001?usb_speed=full"


def test_a_rate_that_the_board_cannot_carry_is_exit_code_1(hostrt: Command) -> None:
    done = hostrt("budget", "LOOPBACK:128", "--board", FULL, "--input-period", "0.008")

    assert done.code == 1
    assert "does not fit: it takes 31 ms" in done.out
    assert "?window=4" in done.out
    assert "EVK2 at high speed" in done.out


def test_json_holds_what_was_asked_and_the_other_speeds(hostrt: Command) -> None:
    done = hostrt("budget", "LOOPBACK:128", "--board", FULL, "--input-period", "0.05", "--json")

    assert done.code == 0
    assert done.json["asked"]["verdict"] == "fits"
    assert done.json["asked"]["frame_s"] == pytest.approx(0.031)
    others = {(item["slot_s"], item["window"]): item["frame_s"] for item in done.json["others"]}
    assert others == {
        (1e-3, 4): pytest.approx(22e-3),
        (125e-6, 1): pytest.approx(31 * 125e-6),
        (125e-6, 4): pytest.approx(22 * 125e-6),
    }


def test_without_a_board_every_speed_is_shown_and_nothing_can_fail(hostrt: Command) -> None:
    done = hostrt("budget", "LOOPBACK:128", "--input-period", "0.001")

    assert done.code == 0
    assert done.out.count("EVK2 at") == 4


def test_a_speed_that_is_named_is_judged(hostrt: Command) -> None:
    slow = hostrt("budget", "LOOPBACK:128", "--usb-speed", "full", "--window", "16", "--json")
    quick = hostrt("budget", "LOOPBACK:128", "--usb-speed", "high", "--json")

    assert (slow.code, slow.json["asked"]["window"]) == (1, 16)
    assert (quick.code, quick.json["asked"]["window"]) == (0, 1)


def test_the_chips_time_counts(hostrt: Command) -> None:
    words = ["budget", "LOOPBACK:128", "--usb-speed", "high", "--input-period", "0.005"]

    assert hostrt(*words).code == 0
    assert hostrt(*words, "--device-time", "0.005").code == 1


def test_a_measured_time_decides(hostrt: Command) -> None:
    done = hostrt("budget", "LOOPBACK", "--board", "sim", "--frame-time", "0.02", "--json")

    assert (done.code, done.json["asked"]["measured"]) == (1, True)


def test_round_trips_to_a_board_on_a_network_count(hostrt: Command) -> None:
    url, server = zcu104_server("127.0.0.1:0", ServeOptions())
    with server:
        done = hostrt("budget", "LOOPBACK", "--board", url, "--round-trip", "0.001", "--json")

    # a look for the output, and the output
    assert done.json["asked"]["frame_s"] == pytest.approx(2e-3)
    assert done.json["others"] == []


def test_models_are_compiled_for_their_messages(hostrt: Command) -> None:
    model = files("hostrt") / "docs" / "tdnn.pt"

    done = hostrt("budget", model, "--usb-speed", "full", "--json")

    assert done.code == 0
    assert done.json["asked"]["packets_sent"] >= 4


@pytest.mark.parametrize(
    "words",
    [
        ["LOOPBACK", "--input-period", "0"],
        ["LOOPBACK", "--input-period", "nan"],
        ["LOOPBACK", "--window", "63"],
        ["LOOPBACK", "--board", "sim", "--usb-speed", "full"],
        ["LOOPBACK", "--board", "sim", "--window", "4"],
        ["LOOPBACK", "--frame-time", "0.01"],
        ["LOOPBACK", "--round-trip", "0.01"],
        ["LOOPBACK", "--board", "sim", "--round-trip", "nan"],
        ["LOOPBACK", "--board", "sim", "--frame-time", "-1"],
        ["LOOPBACK", "--chip", "spu150"],
        ["LOOPBACK", "--device-time", "-1"],
    ],
)
def test_what_cannot_be_counted_is_a_usage_error(hostrt: Command, words: list[str]) -> None:
    done = hostrt("budget", *words)

    assert done.code == 2
    assert done.err.startswith("hostrt: error: ")
