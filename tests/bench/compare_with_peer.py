"""Compare hostrt with the vendor's own packages, both on this machine, in this run.

    python -m tests.bench.compare_with_peer [--json FILE] [--only PART ...]

The vendor's packages are found as `tests/peer` finds them (`HOSTRT_PEER_PYTHON`); without them the
rows that need them show hostrt's figures alone. Both clients talk to the same virtual boards.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.bank_geometry import SPU001_GEOMETRY
from firmware_protocol.images import write_images
from hostrt.program import Program
from hostrt.transport.owner import evk2_lock_path
from tests.bench import ours, theirs
from tests.bench.material import femto_file, full_banks, iospec, large_banks, metadata
from tests.bench.timing import Row, faster, within
from tests.peer.calls import SERIAL, find_peer
from tests.peer.serving import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firmware_protocol.memory import BankImage

HIGH_SPEED_SLOT_S = 125e-6
FRAME_GOAL_S = 0.5e-3
START_GOAL_S = 0.25
PEER_NOTE = "peer without its waits and its recording"
LOOP_NOTE = "reference: a plain loop over lines"


@dataclass(frozen=True, slots=True)
class Files:
    """The program files of one run."""

    folder: Path
    has_peer: bool

    @property
    def femto(self) -> Path:
        """The 0.8 MB image."""
        return self.folder / "large.femto"

    @property
    def prog(self) -> Path:
        """The same as a PROG pair."""
        return self.folder / "large_A"

    @property
    def large_zip(self) -> Path:
        """The same as an archive."""
        return self.folder / "large.zip"

    @property
    def full_zip(self) -> Path:
        """A full chip as an archive."""
        return self.folder / "full.zip"

    @property
    def iospec(self) -> Path:
        """What goes with the archives."""
        return self.folder / "names.yaml"

    def make(self) -> None:
        """Write them."""
        large = large_banks()
        self.femto.write_bytes(femto_file(large))
        _write_archive(self.large_zip, large)
        _write_archive(self.full_zip, full_banks())
        self.iospec.write_text(iospec())
        Program.load(self.femto).save(self.prog)

    def peer(self, call: Callable[[], float]) -> float | None:
        """Ask the peer, if there is one."""
        return call() if self.has_peer else None


def _write_archive(path: Path, banks: list[BankImage]) -> None:
    members = write_images(banks, SPU001_GEOMETRY, metadata=metadata(banks))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def file_rows(files: Files) -> Iterator[Row]:
    """Reading and writing program files."""
    folder = files.folder
    loop = ours.reference_prog_seconds(files.prog)
    yield faster("read PROG pair", ours.load_seconds(files.prog), loop, 30, LOOP_NOTE)
    for name, path in (("0.8 MB .femto", files.femto), ("full-chip .zip", files.full_zip)):
        peer = files.peer(lambda path=path: theirs.load_seconds(path, folder))  # type: ignore[misc]
        yield faster(f"read {name}", ours.load_seconds(path), peer, 30)
        if path == files.full_zip:
            alone = ours.inflate_seconds(path)
            bound = peer / alone if peer else None
            yield Row("inflating it alone", alone, peer, ratio=bound, note="no reader beats that")
    loop = ours.reference_prog_write_seconds(files.prog, folder / "plain")
    mine = ours.save_seconds(files.femto, folder / "out_A")
    yield faster("write PROG pair, plain loop", mine, loop, 0, LOOP_NOTE)
    peer = files.peer(lambda: theirs.save_prog_seconds(files.femto, folder))
    yield faster("write PROG pair", mine, peer, 30, "the peer writes its other records along")
    for name, path in (("0.8 MB .femto", files.large_zip), ("full-chip .femto", files.full_zip)):
        peer = files.peer(lambda path=path: theirs.save_seconds(path, files.iospec, folder))  # type: ignore[misc]
        yield faster(f"write {name}", ours.save_seconds(path, folder / "out.femto"), peer, 30)
    seconds = ours.save_seconds(files.femto, folder / "out.zip")
    yield Row("write .zip", seconds, note="the peer has no writer")


def paced_rows(files: Files) -> Iterator[Row]:
    """Programming over a virtual bus that is as slow as a real one."""
    for name, query, slots, bound in (
        ("with window", "", 1, 1.10),
        ("stop and wait", "&window=1", 2, 1.15),
    ):
        address = f"evk2+sim://spu001?usb_speed=high{query}"
        seconds, n = ours.program_board(address, files.femto, 2)
        floor = n * slots * HIGH_SPEED_SLOT_S
        goal = f"<= {bound:g} x floor"
        note = f"{n} reports, floor {floor:.3f} s"
        row = within(f"program, high speed, {name}", seconds, floor * bound, goal, note)
        yield Row(**{**asdict(row), "ratio": seconds / floor})


def board_rows(files: Files) -> Iterator[Row]:
    """Programming and frames as fast as links go."""
    with serve(files.femto) as boards:
        evk2, zcu104 = f"evk2+tcp://{boards.evk2}", f"zcu104://{boards.zcu104}"
        peers: dict[str, dict[str, float]] = {}
        if files.has_peer:
            for platform in ("evk2", "zcu104"):
                peers[platform] = theirs.run(files.femto, platform, boards, files.folder)
        sides = (("evk2", evk2, "EVK2 TCP"), ("zcu104", zcu104, "ZCU104 TCP"))
        for platform, address, name in sides:
            seconds, n = ours.program_board(address, files.femto)
            peer = peers.get(platform, {})
            note = _rates(n, seconds, peer) if n else PEER_NOTE
            yield faster(f"program, {name}", seconds, peer.get("program_s"), 5, note)
            yield from _frame_rows(name, address, files.femto, peer.get("frame_s"))
        address = f"evk2+sim://spu001?answer=echo&program={files.femto}"
        seconds, n = ours.program_board(address, files.femto)
        peer = peers.get("evk2", {})
        note = _rates(n, seconds, peer)
        yield faster("program, virtual USB", seconds, peer.get("program_s"), 5, note)
        yield from _frame_rows("virtual USB", address, files.femto, peer.get("frame_s"))
        for name, traced in (("Python allocates", True), ("the process grows by", False)):
            n_bytes = ours.flash_memory(evk2, files.femto, traced=traced)
            yield _memory_row(f"load and flash: {name}", n_bytes, files.femto.stat().st_size)


def _rates(n: int, seconds: float, peer: dict[str, float]) -> str:
    rate = f"{n / seconds:.0f} reports/s"
    return f"{rate}, peer {peer['n_packets'] / peer['program_s']:.0f}/s" if peer else rate


def _frame_rows(name: str, address: str, path: Path, peer: float | None) -> Iterator[Row]:
    step, run = ours.step_seconds(address, path), ours.run_seconds(address, path)
    for what, seconds in (("step", step), ("run", run)):
        row = within(f"frame, {name}, {what}", seconds, FRAME_GOAL_S, "< 0.5 ms")
        ratio = peer / seconds if peer else None
        yield Row(**{**asdict(row), "theirs": peer, "ratio": ratio})


def _memory_row(name: str, n_bytes: float, size: int) -> Row:
    row = within(name, n_bytes / 1e6, 10 * size / 1e6, "< 10 x file", unit="MB")
    return Row(**{**asdict(row), "ratio": n_bytes / size})


def start_rows(_: Files) -> Iterator[Row]:
    """Starting up."""
    for name, arguments in (
        ("import hostrt", ("-c", "import hostrt")),
        ("hostrt --help", ("-m", "hostrt.cli.main", "--help")),
        ("bare interpreter", ("-c", "pass")),
    ):
        yield within(name, ours.start_seconds(*arguments), START_GOAL_S, "< 0.25 s")


def recording_rows(files: Files) -> Iterator[Row]:
    """What recording costs while programming."""
    for name, speed in (("high speed", "high"), ("unlimited", "unlimited")):
        address = f"evk2+sim://spu001?usb_speed={speed}"
        plain, _ = ours.program_board(address, files.femto)
        target = files.folder / "talk.rec"
        recorded, _ = ours.program_board(f"record+{address}&to={target}", files.femto)
        cost = recorded / plain - 1
        goal = "< 5 %" if speed == "high" else ""
        met = cost < 0.05 if goal else None
        yield Row(f"recording, {name}", 100 * cost, None, "%", None, goal, met)


PARTS: dict[str, Callable[[Files], Iterator[Row]]] = {
    "files": file_rows,
    "paced": paced_rows,
    "boards": board_rows,
    "start": start_rows,
    "recording": recording_rows,
}


def format_row(row: Row) -> str:
    """Give a row of the table."""
    scale, unit = (1e3, "ms") if row.unit == "s" else (1.0, row.unit)
    peer = f"{row.theirs * scale:10.3f}" if row.theirs is not None else f"{'-':>10}"
    ratio = f"{row.ratio:8.2f}" if row.ratio is not None else f"{'-':>8}"
    verdict = {True: "met", False: "MISSED", None: ""}[row.met]
    head = f"{row.name:<40}{row.ours * scale:10.3f}{peer} {unit:<3}{ratio}"
    return f"{head}  {row.goal:<16}{verdict:<7}{row.note}"


def main() -> int:
    """Run the parts asked for; the exit code says nothing about goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as well")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    arguments = parser.parse_args()
    python, reason = find_peer()
    rows: list[Row] = []
    write = sys.stdout.write
    write(f"peer: {python or reason}\n")
    write(f"processors: {os.cpu_count()}, load average {os.getloadavg()[0]:.2f}\n")
    write(f"{'':<40}{'hostrt':>10}{'peer':>10}    {'ratio':>8}  goal\n")
    with tempfile.TemporaryDirectory() as name:
        files = Files(Path(name), bool(python))
        files.make()
        for part in arguments.only:
            for row in PARTS[part](files):
                rows.append(row)
                write(f"{format_row(row)}\n")
                sys.stdout.flush()
    evk2_lock_path(SERIAL).unlink(missing_ok=True)
    missed = [row.name for row in rows if row.met is False]
    write(f"goals missed: {', '.join(missed) or 'none'}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
