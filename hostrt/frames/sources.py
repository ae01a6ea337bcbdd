"""Input frames from files, by suffix: audio, .npy, .npz, .csv."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError, UsageError
from hostrt.frames.audio import AudioInput, load_audio
from hostrt.frames.frames import Frames, VectorSpec, normalize_inputs
from hostrt.frames.npy import first_line, read_npy
from hostrt.frames.npz import ZIP_ERRORS
from hostrt.program.archive import open_zip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hostrt.frames.samples import Channel

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")
SUFFIXES = (*AUDIO_SUFFIXES, ".npy", ".npz", ".csv")


@dataclass(frozen=True, slots=True, eq=False)
class LoadedInputs:
    """Frames from a file.

    Attributes:
        frames: the checked frames.
        notes: what was done to them, one sentence each.
        audio: facts when the file was audio, else None.
    """

    frames: Frames
    notes: tuple[str, ...] = ()
    audio: AudioInput | None = None


def load_inputs(
    path: str | Path,
    specs: Sequence[VectorSpec],
    *,
    sample_rate: int = 16000,
    channel: Channel = "mono-mix",
    indices: tuple[int, int] | None = None,
    n_frames: int | None = None,
) -> LoadedInputs:
    """Read input frames.

    Args:
        path: .wav, .flac, .ogg, .npy ((T, L) or flat), .npz (one array per input) or .csv
            (integers, one frame per line, header line optional); upper case allowed.
        specs: the model's inputs; all formats but .npz need exactly one.
        sample_rate: rate that the model expects of audio, in Hz.
        channel: channel of audio, see `load_audio`.
        indices: keep the frames low..high-1.
        n_frames: keep the first n frames (after `indices`).

    Raises:
        UsageError: no such file, or a suffix that is not known.
        FrameError: contents that do not fit the model, or too few frames.
    """
    place = Path(path)
    suffix = place.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{place}: suffix {suffix!r}, expected one of {', '.join(SUFFIXES)}")
    if not place.is_file():
        raise UsageError(f"{place}: no such file")
    try:
        loaded = _load(place, suffix, specs, (sample_rate, channel))
    except OSError as error:
        raise UsageError(f"{place}: cannot be read: {error.strerror}") from error
    frames = loaded.frames if indices is None else loaded.frames.cut(*indices)
    return LoadedInputs(_first_frames(place, frames, n_frames), loaded.notes, loaded.audio)


def parse_indices(text: str) -> tuple[int, int]:
    """Read `low,high` as given to --input-sample-indices.

    Raises:
        UsageError: not two whole numbers with 0 <= low < high.
    """
    parts = text.split(",")
    if len(parts) == 2 and all(part.strip().isdecimal() for part in parts):
        low, high = int(parts[0]), int(parts[1])
        if low < high:
            return low, high
    raise UsageError(f"frame range {text!r}, expected LOW,HIGH with 0 <= LOW < HIGH")


def _load(
    path: Path, suffix: str, specs: Sequence[VectorSpec], audio: tuple[int, Channel]
) -> LoadedInputs:
    if suffix == ".npz":
        return LoadedInputs(normalize_inputs(read_npz(path), specs))
    spec = _only_input(path, specs)
    if suffix in AUDIO_SUFFIXES:
        loaded = load_audio(
            path,
            sample_rate=audio[0],
            channel=audio[1],
            frame_length=spec.length,
            precision=spec.precision,
        )
        return LoadedInputs(
            normalize_inputs({spec.name: loaded.frames}, specs), loaded.notes, loaded
        )
    array = _read_npy(path) if suffix == ".npy" else read_csv(path)
    rows, notes = _as_rows(array, spec)
    return LoadedInputs(normalize_inputs({spec.name: rows}, specs), notes)


def _first_frames(path: Path, frames: Frames, n_frames: int | None) -> Frames:
    if n_frames is None:
        return frames
    if frames.n_frames < n_frames:
        raise FrameError(f"{path}: {frames.n_frames} frames, expected at least {n_frames}")
    return frames.cut(0, n_frames)


def _only_input(path: Path, specs: Sequence[VectorSpec]) -> VectorSpec:
    if len(specs) != 1:
        names = ", ".join(spec.name for spec in specs) or "none"
        raise FrameError(
            f"{path}: holds one input, the model's inputs are {names}",
            hint="put one array per input into an .npz file",
        )
    return specs[0]


def _as_rows(
    array: NDArray[np.generic], spec: VectorSpec
) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    if array.ndim != 1:
        return array, ()
    padding = -len(array) % spec.length
    rows = np.pad(array, (0, padding)).reshape(-1, spec.length)
    return rows, ((f"last frame filled with {padding} zeros",) if padding else ())


def _read_npy(path: Path) -> NDArray[np.generic]:
    with path.open("rb") as stream:
        return read_npy(stream, str(path), path.stat().st_size)


def read_npz(path: Path) -> Mapping[str, NDArray[np.generic]]:
    """Read every array of a `.npz` file.

    Raises:
        FrameError: not one, or arrays that are not numbers.
    """
    columns: dict[str, NDArray[np.generic]] = {}
    try:
        with open_zip(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    raise FrameError(f"{path}: member {member.filename!r}, expected .npy files")
                where = f"{path}, member {member.filename}"
                with archive.open(member) as stream:
                    name = member.filename.removesuffix(".npy")
                    columns[name] = read_npy(stream, where, member.file_size)
    except ZIP_ERRORS as error:
        raise FrameError(f"{path}: not a usable .npz file: {error}") from error
    return columns


def read_csv(path: Path) -> NDArray[np.int64]:
    """Read lines of integers, (lines, columns), with or without a line of names above them.

    Raises:
        FrameError: not text, or not integers.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FrameError(f"{path}, byte {error.start}: not text") from error
    lines = text.splitlines()
    skip = 1 if lines and not is_numeric(lines[0]) else 0
    body = [line for line in lines[skip:] if line.strip()]
    if not body:
        raise FrameError(f"{path}: no frames, expected lines of integers")
    try:
        rows: NDArray[np.int64] = np.loadtxt(
            io.StringIO("\n".join(body)), dtype=np.int64, delimiter=",", ndmin=2, comments=None
        )
    except (ValueError, OverflowError) as error:
        raise FrameError(f"{path}: {first_line(error)}, expected integers") from error
    return rows


def is_numeric(line: str) -> bool:
    """Tell whether the first line of a .csv file is a frame, as opposed to names."""
    fields = next(csv.reader([line]), [])
    return any(field.strip().lstrip("+-").isdecimal() for field in fields)
