"""The vendor's own client drives our virtual boards, unchanged, over a real connection."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from firmware_protocol.requests import FrameIn
from hostrt.chip.image import Encryption
from hostrt.program import Program
from hostrt.transport.owner import lock_board
from hostrt.transport.replay import read_recording, replay_to
from hostrt.transport.url import open_transport
from tests.peer.calls import PeerFailed
from tests.peer.test_peer_files import assert_same_memories, capacities_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peer.calls import Boards

    Peer = Callable[..., dict[str, Any]]
    Serve = Callable[..., Boards]

pytestmark = [pytest.mark.peer, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
EXEC_TIME_S = 0.001234
BOARD_OF = {"evk2": None, "zcu104": "127.0.0.1"}


def frames_of(folder: Path) -> tuple[list[dict[str, list[int]]], list[dict[str, list[int]]]]:
    """Give golden inputs and outputs frame by frame, named as `.femto` files name vectors."""
    tree = json.loads((folder / "frames.json").read_text())
    sides = []
    first = 0
    for side in (tree["inputs"], tree["outputs"]):
        names = [str(first + number) for number in range(len(side))]
        frames = zip(*side.values(), strict=True)
        sides.append([dict(zip(names, frame, strict=True)) for frame in frames])
        first += len(side)
    return sides[0], sides[1]


def job_of(program: Path, platform: str, frames: object, *extras: str) -> dict[str, Any]:
    """Say what the peer shall do."""
    return {
        "do": "run",
        "program": str(program),
        "platform": platform,
        "address": BOARD_OF[platform],
        "frames": frames,
        "extras": extras,
    }


@pytest.mark.parametrize("platform", ["evk2", "zcu104"])
def test_the_vendor_client_runs_a_program_on_a_virtual_spu001(
    platform: str, spu_data: Path, peer: Peer, boards: Serve
) -> None:
    folder = spu_data / "programs" / "p001_a"
    program = folder / "p001_a.femto"
    inputs, outputs = frames_of(folder)

    answer = peer(job_of(program, platform, inputs, "version"), boards=boards(program))

    assert answer["outputs"] == outputs
    assert answer["version"] == 0x13
    if platform == "evk2":
        assert answer["metrics"]["Latency (s)"] == pytest.approx(EXEC_TIME_S)


def test_the_vendor_client_runs_a_program_on_a_virtual_tc1(
    spu_data: Path, peer: Peer, boards: Serve
) -> None:
    folder = spu_data / "programs" / "ptc1_a"
    program = folder / "ptc1_a.femto"
    inputs, outputs = frames_of(folder)
    job = job_of(program, "evk2", inputs, "version", "verify", "sleep_and_wake")

    answer = peer(job, chip="spu150tc1", boards=boards(program, chip="spu150tc1"))

    assert answer["outputs"] == outputs
    assert answer["version"] == 0x20
    assert answer["verify"] is True


@pytest.mark.parametrize("platform", ["evk2", "zcu104"])
def test_the_vendor_client_runs_a_two_core_program_that_hostrt_wrote(
    platform: str, spu_data: Path, tmp_path: Path, peer: Peer, boards: Serve
) -> None:
    folder = spu_data / "programs" / "p001_b"
    plain = Program.load(folder / "images.zip", chip="spu001", iospec=folder / "iospec.yaml")
    made = tmp_path / "made.femto"
    # The client refuses programs that are not encrypted, so this one claims to be.
    replace(plain, encryption=Encryption(0, 0), members=None).save(made)
    inputs, outputs = frames_of(folder)

    answer = peer(job_of(made, platform, inputs, "reset_again"), boards=boards(made))

    assert answer["outputs"] == outputs


def test_the_vendor_client_reads_back_what_it_programmed(
    spu_data: Path, peer: Peer, boards: Serve
) -> None:
    program = spu_data / "programs" / "p001_a" / "p001_a.femto"

    answer = peer(job_of(program, "evk2", [], "sleep_and_wake", "dump"), boards=boards(program))

    whole = Program.load(program)
    first = tuple(bank for bank in whole.banks if bank.index == 0)
    found = {"memories": answer["dump"]}
    assert_same_memories(replace(whole, banks=first), found, capacities_of("spu001"))


def test_the_vendor_client_and_hostrt_write_the_same_registers_and_memories(
    spu_data: Path, tmp_path: Path, peer: Peer, boards: Serve
) -> None:
    # A copy without the files beside the original: the client knows no salt either.
    source = tmp_path / "alone.femto"
    source.write_bytes((spu_data / "programs" / "p001_a" / "p001_a.femto").read_bytes())
    Program.load(source).save(tmp_path / "ours_A", form="prog")

    peer(job_of(source, "evk2", []), boards=boards(source))

    theirs = tmp_path / "io_records" / "apb_records"
    for side in ("A", "D"):
        ours = (tmp_path / f"ours_{side}").read_bytes()
        assert (theirs / f"program_network_{side}").read_bytes() == ours


def test_hostrt_replays_what_the_vendor_client_recorded(
    spu_data: Path, tmp_path: Path, peer: Peer, boards: Serve
) -> None:
    folder = spu_data / "programs" / "p001_a"
    program = folder / "p001_a.femto"
    inputs, _ = frames_of(folder)
    peer(job_of(program, "evk2", inputs), boards=boards(program))
    address = f"evk2+sim://spu001?answer=echo&program={program}"

    for name in ("final.yaml", "final_hex.yaml"):
        recording = read_recording(tmp_path / "io_records" / name)
        with open_transport(address) as board:
            differences = replay_to(recording, board)
        frames = [e for e in recording.entries if isinstance(e.request, FrameIn)]
        assert len(frames) == len(inputs)
        assert differences == []


def test_a_board_of_old_firmware_is_not_asked_for_execution_times(
    spu_data: Path, peer: Peer, boards: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = spu_data / "programs" / "p001_a"
    program = folder / "p001_a.femto"
    inputs, outputs = frames_of(folder)
    monkeypatch.setenv("HOSTRT_PEER_MANUFACTURER", "Teensyduino")

    answer = peer(job_of(program, "evk2", inputs), boards=boards(program))

    assert answer["outputs"] == outputs
    assert answer["metrics"]["Latency (s)"] == -1.0


def test_the_vendor_command_line_runs_on_a_virtual_board_and_hostrt_reads_its_folder(
    spu_data: Path, peer: Peer, boards: Serve
) -> None:
    program = spu_data / "programs" / "p001_a" / "p001_a.femto"
    job = {"do": "command_line", "program": str(program), "platform": "evk2"}

    answer = peer(job, boards=boards(program))

    assert answer["metrics"]["Frames Simulated"] == 2
    assert answer["metrics"]["Latency (s)"] == pytest.approx(EXEC_TIME_S)
    (exported,) = Path(answer["folder"]).glob("*.femto")
    assert Program.load(exported).banks == Program.load(program).banks


def test_the_vendor_client_leaves_a_board_alone_that_hostrt_holds(
    spu_data: Path, peer: Peer, boards: Serve, lock_file: Path
) -> None:
    program = spu_data / "programs" / "p001_a" / "p001_a.femto"
    job = job_of(program, "evk2", [])
    served = boards(program)
    lock = lock_board("the board", lock_file)
    try:
        with pytest.raises(PeerFailed, match="No EVK2 available"):
            peer(job, boards=served)
    finally:
        lock.release()

    assert peer(job, boards=served)["outputs"] == []


def test_hostrt_leaves_a_board_alone_that_the_vendor_client_holds(
    spu_data: Path, peer: Peer, boards: Serve, lock_file: Path
) -> None:
    program = spu_data / "programs" / "p001_a" / "p001_a.femto"
    ours = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from hostrt.errors import BoardBusy
from hostrt.transport.owner import lock_board
from hostrt.transport.replay import read_recording, replay_to
from hostrt.transport.url import open_transport
try:
    lock_board("the board", Path({str(lock_file)!r}))
except BoardBusy as error:
    print(error)
"""
    job = {**job_of(program, "evk2", []), "meanwhile": [sys.executable, "-c", ours]}

    answer = peer(job, boards=boards(program))

    assert "in use by another process" in answer["meanwhile"]
    lock_board("the board", lock_file).release()
