"""What a finished run measured of each frame, read back from its folder.

Streams keep a row per frame in `frames.npy`; runs keep lists in `run_metrics.yaml`. That file has
several lines per frame, which a YAML parser takes minutes for when the run was long, so that the
lists are cut out of the text by the lines that hostrt writes around them. The manifest's hash says
that it is still that text.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hostrt.analysis.metrics import NOT_MEASURED
from hostrt.errors import UsageError
from hostrt.power.trace import PowerTrace
from hostrt.runner.result import CLOCKS
from hostrt.runner.store import MANIFEST, METRICS, load_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hostrt.runner.result import Clock
    from hostrt.runner.store import Manifest

    Floats = NDArray[np.float64]

STREAM_ROWS = "frames.npy"
STREAM_POWER = "power.npz"

_LARGEST_BYTES = 1 << 32
_HEAD_BYTES = 1 << 10
_PERIOD = re.compile(rb"^Input Period \(s\): (\S+)$", re.MULTILINE)
_LATENCIES = re.compile(rb"^latency_per_frame_s:\n", re.MULTILINE)
_POWERS = re.compile(rb"^  Power \(W\):\n(?:    \w+: .*\n)*    values:\n", re.MULTILINE)
_CLOCK = re.compile(rb"  (\w+):\n")
_ITEM = b"- "
_UNMEASURED = (b"null", NOT_MEASURED.encode())


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredRun:
    """One run of one runner.

    Attributes:
        path: its folder.
        manifest: what it says of itself.
        latencies_s: clock -> (n,) seconds; NaN where a frame was not measured.
        power_w: (n,) mean power of each frame in watts, None when not measured.
        energy_j: (n,) energy of each frame in joules, None when not known.
    """

    path: Path
    manifest: Manifest
    latencies_s: Mapping[Clock, Floats] = field(default_factory=dict)
    power_w: Floats | None = None
    energy_j: Floats | None = None

    @property
    def clocks(self) -> tuple[Clock, ...]:
        """Clocks that measured any frame, the nearest to the chip first."""
        return tuple(
            clock
            for clock in CLOCKS
            if clock in self.latencies_s and bool((self.latencies_s[clock] >= 0).any())
        )

    @property
    def simulated(self) -> bool:
        """Whether its figures come from a model and not from hardware."""
        return bool(self.manifest.provenance.get("simulated"))

    @property
    def n_frames(self) -> int:
        """Frames, measured or not."""
        return max((len(values) for values in self.latencies_s.values()), default=0)

    def describe(self) -> str:
        """Say in a few words where it comes from."""
        tree = self.manifest.provenance
        kind = "simulated" if self.simulated else "measured"
        where = tree.get("board") or "this computer"
        return f"{tree.get('runner')} on {where}, {kind}, {self.n_frames} frames"

    def is_same_input(self, other: MeasuredRun) -> bool:
        """Tell whether both ran the same frames: as many, with the same hashes."""
        mine, theirs = self.manifest.inputs, other.manifest.inputs
        return bool(mine) and mine == theirs and self.n_frames == other.n_frames


def load_measured(path: str | Path, runner: str = "") -> MeasuredRun:
    """Read what a run measured.

    Args:
        path: folder of a run, or the folder that it was put into when there is only one.
        runner: which one of a run with several runners, "" for the only one.

    Raises:
        UsageError: no finished run, several to choose from, or files that are not as the manifest
            says.
    """
    folder = _find(Path(path), runner)
    manifest = load_manifest(folder)
    if STREAM_ROWS in manifest.files:
        return _of_stream(folder, manifest)
    return _of_run(folder, manifest)


def _find(path: Path, runner: str) -> Path:
    """Give the folder of one runner's run."""
    if not (path / MANIFEST).is_file():
        found = sorted(item.parent for item in path.glob(f"*/{MANIFEST}"))
        if len(found) != 1:
            names = ", ".join(item.name for item in found) or "none"
            raise UsageError(
                f"{path}: expected the folder of a finished run; below it: {names}",
                hint="name the folder that holds manifest.json",
            )
        path = found[0]
    manifest = load_manifest(path)
    if manifest.runners:
        if runner in manifest.runners:
            return path / runner
        asked = f"no runner {runner!r}" if runner else "several runners"
        raise UsageError(
            f"{path}: {asked}, it has {', '.join(manifest.runners)}", hint="choose with --runner"
        )
    own = manifest.provenance.get("runner")
    if runner and runner != own:
        raise UsageError(f"{path}: no runner {runner!r}, it has {own}")
    return path


# -- streams --------------------------------------------------------------------------------------


def _of_stream(folder: Path, manifest: Manifest) -> MeasuredRun:
    path = _checked(folder, manifest, STREAM_ROWS)
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError, TypeError) as error:
        raise UsageError(f"{path}: not an array: {error}") from error
    names = rows.dtype.names or ()
    latencies: dict[Clock, Floats] = {
        clock: np.array(rows[f"{clock}_s"], np.float64) for clock in CLOCKS if f"{clock}_s" in names
    }
    if not latencies or rows.ndim != 1:
        raise UsageError(f"{path}: {rows.dtype} {rows.shape}, expected one row of times per frame")
    energy = _stream_energy(folder, manifest, rows)
    if energy is None:
        return MeasuredRun(folder, manifest, latencies)
    period_s = _period(_checked(folder, manifest, METRICS))
    power = None if period_s is None else energy / period_s
    return MeasuredRun(folder, manifest, latencies, power, energy)


def _stream_energy(folder: Path, manifest: Manifest, rows: NDArray[np.void]) -> Floats | None:
    """Give each frame's energy: by the meter if there was one, else as the rows have it."""
    names = rows.dtype.names or ()
    if STREAM_POWER in manifest.files:
        metered = PowerTrace.load(_checked(folder, manifest, STREAM_POWER)).frame_energy_j()
        energy = np.full(len(rows), np.nan)
        run = np.flatnonzero(~rows["dropped"] if "dropped" in names else np.ones(len(rows), bool))
        places = run[: len(metered)]
        energy[places] = metered[: len(places)]
        return energy
    if "energy_j" not in names:
        return None
    found = np.array(rows["energy_j"], np.float64)
    return found if bool(np.isfinite(found).any()) else None


# -- runs -----------------------------------------------------------------------------------------


def _of_run(folder: Path, manifest: Manifest) -> MeasuredRun:
    path = _checked(folder, manifest, METRICS)
    latencies: dict[Clock, Floats] = {}
    if not path.stat().st_size:
        raise UsageError(f"{path}: empty, expected the metrics of a run")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        section = _LATENCIES.search(text)
        place = section.end() if section else len(text)
        while (header := _CLOCK.match(text, place)) is not None:
            values, place = _list_at(text, header.end(), 2, path)
            name = header[1].decode()
            for clock in CLOCKS:
                if clock == name:
                    latencies[clock] = values
        found = _POWERS.search(text)
        power = _list_at(text, found.end(), 4, path)[0] if found else None
    if not latencies:
        raise UsageError(
            f"{path}: no latency of any frame",
            hint="runs that are timed as a whole (fqir) cannot be compared frame by frame",
        )
    if len({len(values) for values in latencies.values()}) != 1:
        raise UsageError(f"{path}: clocks with different numbers of frames")
    return MeasuredRun(folder, manifest, latencies, power, _run_energy(path, latencies, power))


def _run_energy(
    path: Path, latencies: Mapping[Clock, Floats], power: Floats | None
) -> Floats | None:
    """Give energies: the power of a frame is that of its period, or of longer if it took longer."""
    period_s = _period(path)
    if power is None or period_s is None:
        return None
    nearest = next(values for clock in CLOCKS if (values := latencies.get(clock)) is not None)
    if len(nearest) != len(power):
        raise UsageError(f"{path}: {len(power)} powers of {len(nearest)} frames")
    return power * np.fmax(nearest, period_s)


def _list_at(text: mmap.mmap, start: int, indent: int, path: Path) -> tuple[Floats, int]:
    """Read lines `- NUMBER` from `start` on; give the numbers, and where the next line begins."""
    mark = b" " * indent + _ITEM
    if text[start : start + len(mark)] != mark:
        return np.empty(0), start
    other = re.compile(rb"\n(?!" + re.escape(mark) + rb")").search(text, start)
    end = other.end() if other else len(text)
    block = text[start:end].replace(mark, b"")
    for word in _UNMEASURED:
        block = block.replace(word, b"nan")
    try:
        return np.array(block.split(), dtype=np.bytes_).astype(np.float64), end
    except ValueError as error:
        raise UsageError(f"{path}: not a number in a list of frames: {error}") from error


def _period(path: Path) -> float | None:
    with path.open("rb") as file:
        found = _PERIOD.search(file.read(_HEAD_BYTES))
    try:
        period_s = float(found[1]) if found else math.nan
    except ValueError as error:
        raise UsageError(f"{path}: input period {found!r:.40}, expected seconds") from error
    return period_s if math.isfinite(period_s) and period_s > 0 else None


def _checked(folder: Path, manifest: Manifest, name: str) -> Path:
    """Give a file of the folder that is as the manifest says."""
    path, facts = folder / name, manifest.files.get(name)
    if facts is None:
        raise UsageError(f"{folder}: its manifest names no {name}")
    if facts.size > _LARGEST_BYTES:
        raise UsageError(f"{path}: {facts.size} bytes, at most {_LARGEST_BYTES} are read")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}, expected {facts.size} bytes") from error
    if digest != facts.sha256:
        raise UsageError(
            f"{path}: was changed after the run, its hash is {digest[:16]} and not "
            f"{facts.sha256[:16]}",
            hint="run it again",
        )
    return path
