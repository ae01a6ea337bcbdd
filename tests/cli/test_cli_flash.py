"""hostrt flash: programs onto boards and SD cards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from hostrt.program import Program
from tests.cli.conftest import PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

P001_A = PROGRAMS / "p001_a"
PAIR = (P001_A / "prog" / "program_network_A", P001_A / "prog" / "program_network_D")


def test_without_a_board_the_answer_comes_at_once_and_says_what_to_do(cli: Any) -> None:
    """B24: the message alone, no noise after it."""
    started = time.perf_counter()
    done = cli("flash", "--board", "evk2", *PAIR)
    took = time.perf_counter() - started
    assert done.code == 4
    assert "hostrt: error: no board matches 'EVK2'" in done.err
    assert "hint: check cable and power; `hostrt devices` lists boards" in done.err
    assert done.err.rstrip().endswith("(hostrt explain board-not-found)")
    assert "Traceback" not in done.err
    assert took < 2


@pytest.mark.parametrize("board", ["sim", "evk2+sim://spu001", "fakezynq"])
def test_a_pair_is_flashed_in_either_order(hostrt: Any, board: str) -> None:
    for pair in (PAIR, PAIR[::-1]):
        done = hostrt("flash", "--board", board, *pair, "--json", "--force")
        assert done.code == 0
        tree = done.json
        assert tree["program_sha256"] == Program.load(P001_A / "p001_a.femto").sha256
        assert tree["bytes"] >= 4 * 1256
        assert (tree["skipped"], tree["verified"]) == (False, False)


def test_programs_that_are_not_encrypted_are_read_back_unless_told_otherwise(hostrt: Any) -> None:
    path = PROGRAMS / "p001_b" / "p001_b.femto"
    for flags, verified in (([], True), (["--no-verify"], False), (["--verify"], True)):
        tree = hostrt("flash", path, "--board", "sim", "--json", *flags).json
        assert tree["verified"] is verified
    assert "read back and equal" in hostrt("flash", path, "--board", "sim").out


@pytest.mark.parametrize(
    ("name", "board"),
    [("pmp_a", "sim://spu150"), ("ptc1_a", "sim://spu150tc1"), ("ptc1_b", "evk2+sim://spu150tc1")],
)
def test_every_chip_is_flashed(hostrt: Any, name: str, board: str) -> None:
    """B2: also as a PROG pair with writes of its own."""
    for path in (f"{name}.femto", "prog/program_network_A"):
        assert hostrt("flash", PROGRAMS / name / path, "--board", board).code == 0


def test_loopback_is_made_for_the_chip_of_the_address(hostrt: Any) -> None:
    assert hostrt("flash", "LOOPBACK", "--board", "sim://spu150", "--json").json["chip"] == "spu150"


def test_a_dry_run_sends_nothing_and_lists_everything(hostrt: Any) -> None:
    done = hostrt("flash", *PAIR, "--board", "sim", "--dry-run")
    assert done.code == 0
    assert "write apb C0_DM0" in done.out
    assert done.out.rstrip().endswith("nothing was sent")
    tree = hostrt("flash", *PAIR, "--board", "sim", "--dry-run", "--json").json
    assert tree["n_bytes"] == 4 * tree["n_words"] >= 4 * 1256
    assert any("C0_DM0" in step for step in tree["steps"])


def test_a_card_gets_the_names_that_the_firmware_reads(hostrt: Any, away: Path) -> None:
    """D1."""
    done = hostrt("flash", P001_A / "p001_a.femto", "--sd", away, "--slot", 2)
    assert done.code == 0
    assert f"wrote {away}/2PROG_A, read back and equal" in done.out
    assert (away / "2PROG_A").read_bytes() == PAIR[0].read_bytes()
    assert (away / "2PROG_D").read_bytes() == PAIR[1].read_bytes()
    tree = hostrt("flash", *PAIR, "--sd", away, "--json").json
    assert tree["files"] == [f"{away}/0PROG_A", f"{away}/0PROG_D"]
    assert hostrt("flash", *PAIR, "--sd", away, "--slot", 10).code == 2
    dry = hostrt("flash", *PAIR, "--sd", away, "--slot", 5, "--dry-run")
    assert dry.out == f"{away}/5PROG_A\n{away}/5PROG_D\n"
    assert not (away / "5PROG_A").exists()


def test_progress_and_notes_go_to_standard_error(hostrt: Any) -> None:
    done = hostrt("flash", P001_A / "p001_a.femto", "--board", "sim", "--force")
    assert "note: names come from iospec.yaml beside the program" in done.err
    assert "flash: 100 %" in done.err
    assert done.out.startswith("sim://spu001: ")
    quiet = hostrt("flash", *PAIR, "--board", "sim", "--force", "--quiet")
    assert "flash:" not in quiet.err


def test_a_chip_that_is_another_is_refused(hostrt: Any) -> None:
    done = hostrt("flash", P001_A / "p001_a.femto", "--board", "sim://spu150")
    assert done.code == 3
    assert "was made for spu001, not for spu150" in done.err
