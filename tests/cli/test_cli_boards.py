"""Verbs that look at boards: devices, reset, selftest; and the guide that explains them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hostrt.sim.registry import ServedBoard, announced


def test_devices_lists_boards_served_on_this_machine(hostrt: Any) -> None:
    Path(os.environ["XDG_RUNTIME_DIR"]).mkdir(parents=True)
    served = ServedBoard(os.getpid(), ("evk2+tcp://127.0.0.1:7000?simulated=yes",), "spu001", "S7")
    with announced(served):
        text = hostrt("devices")
        (row,) = [
            board for board in hostrt("devices", "--json").json if board["kind"] == "simulated"
        ]

    assert text.code == 0
    assert "evk2+tcp://127.0.0.1:7000?simulated=yes" in text.out
    assert f"served by process {os.getpid()}" in text.out
    assert (row["chip"], row["serial"], row["holder"]) == ("spu001", "S7", os.getpid())


def test_devices_says_how_to_get_a_board_when_there_is_none(
    hostrt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostrt.board.discover.find_boards", list)
    done = hostrt("devices")

    assert done.code == 0
    assert done.out == "no boards found\n"
    assert "hostrt sim serve" in done.err


def test_reset_boots_a_board_and_tells_who_answers(hostrt: Any) -> None:
    done = hostrt("reset", "--board", "sim://spu150tc1", "--json")

    assert done.code == 0
    assert done.json["chip"] == "SPU-150 TC1"
    assert done.json["version register"] == "0x20"
    assert "SPU-001" in hostrt("reset").out  # no board named: simulated, and said so


def test_reset_of_a_link_without_a_board_reads_nothing(hostrt: Any) -> None:
    done = hostrt("reset", "--board", "fakezynq", "--json")

    assert done.code == 0
    assert "version register" not in done.json


def test_selftest_names_what_it_tested(hostrt: Any) -> None:
    done = hostrt("selftest", "--board", "sim", "--core", 1, "--pattern", "ones", "--json")
    text = hostrt("selftest", "--board", "sim", "--core", 0, "--pattern", "own address")

    assert done.json["passed"]
    assert done.json["banks"] == [f"C1_DM{i}" for i in range(8)] + [f"C1_TM{i}" for i in range(4)]
    assert text.out.startswith("12 banks tested")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--board", "sim", "--core", "2"), "has cores 0..1"),
        (("--board", "fakezynq"), "nothing to test"),
    ],
)
def test_selftest_refuses_what_it_cannot_test(hostrt: Any, words: Any, message: str) -> None:
    done = hostrt("selftest", *words)

    assert done.code == 2
    assert message in done.err


def test_explain_shows_a_page_the_list_and_a_suggestion(hostrt: Any) -> None:
    listed = hostrt("explain")
    page = hostrt("explain", "board-busy")
    number = hostrt("explain", "5")
    wrong = hostrt("explain", "bord-busy")

    assert "board-busy" in listed.out
    assert "getting-started" in listed.out
    assert page.out.startswith("# ")
    assert number.out.startswith("# ")
    assert hostrt("explain", "board-busy", "--json").json["topic"] == "board-busy"
    assert "board-busy" in hostrt("explain", "--json").json["errors"]
    assert wrong.code == 2
    assert "did you mean board-busy" in wrong.err


def test_udev_prints_the_rules_it_would_install(hostrt: Any) -> None:
    text = hostrt("udev")
    tree = hostrt("udev", "--json").json

    assert text.out == tree["rules"]
    assert 'ATTR{idProduct}=="0486"' in text.out
    assert "sudo hostrt udev --install" in text.err


def test_three_times_verbose_shows_every_packet(hostrt: Any) -> None:
    done = hostrt("reset", "--board", "evk2+sim://spu001", "-vvv")

    assert done.code == 0
    assert "TRACE hostrt.transport.drive: to board: 01000100 00000000" in done.err
    assert "TRACE hostrt.transport.drive: from board: 00000000" in done.err
