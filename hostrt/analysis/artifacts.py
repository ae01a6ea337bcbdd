"""Anything that holds outputs, as arrays by name: runs, arrays, sound, tables, recordings.

Arrays in `.npy` files are mapped, not read: how large they are does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np

from hostrt.errors import FrameError, UsageError
from hostrt.frames.npy import read_npy_header
from hostrt.frames.sources import read_csv, read_npz
from hostrt.runner.store import INTERNALS, MANIFEST, load_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hostrt.runner.store import Manifest

    Arrays = Mapping[str, NDArray[np.generic]]

AUDIO = frozenset({".wav", ".flac", ".ogg", ".aif", ".aiff", ".au", ".caf", ".mp3", ".w64"})
RECORDINGS = frozenset({".hrec", ".yaml", ".yml"})
KINDS = (
    "the folder of a run, a folder of .npy files, .npy, .npz, .csv, sound (.wav, ...) or a "
    "recording (.hrec, .yaml)"
)

_PROGRAMS = frozenset({".femto", ".pt", ".zip"})
_STEM = "output_"
_PCM_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_OTHER_BITS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Artifact:
    """Something that holds outputs.

    Attributes:
        name: what people call it.
        kind: "run", "arrays", "array", "table", "sound" or "recording".
        outputs: name -> (T, ...) integers; (N,) for samples without frames.
        inputs: name -> hash of what went in; empty where that is not known.
        about: where the outputs come from, in a few words.
        provenance: of a run, as its manifest tells it.
        internals: internal variable -> (T, ...), in graph order.
        steps: output of a recording -> number of the request, from 1, behind each row.
        sample_rate: of sound, in Hz.
        notes: what a user should know, one sentence each.
    """

    name: str
    kind: str
    outputs: Arrays
    inputs: Mapping[str, str] = field(default_factory=dict)
    about: str = ""
    provenance: Mapping[str, object] = field(default_factory=dict)
    internals: Arrays = field(default_factory=dict)
    steps: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    sample_rate: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_lone(self) -> bool:
        """Whether it is one array whose name is only that of its file."""
        return self.kind in ("array", "table", "sound")

    def to_json(self) -> dict[str, object]:
        """Give what it is as JSON-compatible values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "about": self.about,
            "outputs": {name: list(array.shape) for name, array in self.outputs.items()},
            "inputs": dict(self.inputs),
            "notes": list(self.notes),
        }


def load_artifacts(path: str | Path, *, force: bool = False) -> list[Artifact]:
    """Find what lies at a place: one artifact, or one for each runner of a run with several.

    Args:
        path: what `KINDS` lists.
        force: take a run whose files do not match its manifest; a note says so.

    Raises:
        UsageError: nothing there, nothing that holds outputs, or a run that was changed.
        FrameError: files that do not hold integers.
    """
    place = Path(path)
    try:
        if place.is_dir():
            return _of_folder(place, force=force)
        if not place.is_file():
            raise UsageError(f"{place}: no such file or folder", hint=f"expected {KINDS}")
        return [_of_file(place)]
    except OSError as error:
        raise UsageError(f"{error.filename or place}: cannot be read: {error.strerror}") from error


def output_name(path: Path) -> str:
    """Give the name of the output that a file holds by its own name."""
    return unquote(path.stem.removeprefix(_STEM))


# -- files ----------------------------------------------------------------------------------------


def _of_file(path: Path) -> Artifact:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return Artifact(str(path), "array", {output_name(path): map_npy(path)})
    if suffix == ".npz":
        arrays = read_npz(path)
        return Artifact(str(path), "arrays", {unquote(name): arrays[name] for name in arrays})
    if suffix == ".csv":
        return Artifact(str(path), "table", {output_name(path): read_csv(path)})
    if suffix in AUDIO:
        return _of_sound(path)
    if suffix in RECORDINGS:
        from hostrt.analysis.recordings import recording_artifact

        return recording_artifact(path)
    hint = f"expected {KINDS}"
    if suffix in _PROGRAMS:
        hint = f"programs are compared with: hostrt diff {path} OTHER"
    raise UsageError(f"{path}: nothing that holds outputs", hint=hint)


def map_npy(path: Path) -> NDArray[np.generic]:
    """Map an array into memory, read-only; its header is checked against the file first.

    Raises:
        FrameError: not an array of numbers, or one that is not whole.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        header = read_npy_header(stream, str(path), size)
        offset = stream.tell()
    if size - offset < header.n_bytes:
        raise FrameError(f"{path}: {size - offset} bytes of data, expected {header.n_bytes}")
    if not header.n_bytes:
        return np.zeros(header.shape, header.dtype)
    mapped: NDArray[np.generic] = np.memmap(
        path, header.dtype, "r", offset, header.shape, "F" if header.is_fortran else "C"
    )
    return mapped.view(np.ndarray)


def _of_sound(path: Path) -> Artifact:
    """Read sound as the integers that it was stored as; other forms in 16 bits."""
    import soundfile

    from hostrt.frames.audio import open_audio
    from hostrt.frames.quantize import quantize_float

    with open_audio(path) as stream:
        bits = _PCM_BITS.get(stream.subtype)
        try:
            if bits is None:
                values = stream.read(dtype="float64", always_2d=True)
                samples: NDArray[np.generic] = quantize_float(values, _OTHER_BITS).values
            else:
                # samples of fewer bits fill the upper end of the 32
                samples = stream.read(dtype="int32", always_2d=True) >> (32 - bits)
        except soundfile.LibsndfileError as error:
            raise FrameError(f"{path}: cannot be read as audio: {error}") from error
        rate = stream.samplerate
        about = f"{stream.subtype}, {rate} Hz"
    if samples.shape[1] == 1:
        samples = samples[:, 0]
    return Artifact(str(path), "sound", {output_name(path): samples}, about=about, sample_rate=rate)


# -- folders --------------------------------------------------------------------------------------


def _of_folder(path: Path, *, force: bool) -> list[Artifact]:
    if (path / MANIFEST).is_file():
        manifest = load_manifest(path)
        if not manifest.runners:
            return [_of_run(path, force=force)]
        _checked(path, force=force)
        return [_of_run(path / name, force=force) for name in manifest.runners]
    runs = sorted(item.parent for item in path.glob(f"*/{MANIFEST}"))
    if runs:
        found = [_of_folder(item, force=force) for item in runs]
        return [artifact for artifacts in found for artifact in artifacts]
    arrays = {output_name(item): map_npy(item) for item in sorted(path.glob("*.npy"))}
    if not arrays:
        raise UsageError(f"{path}: neither a finished run nor .npy files", hint=f"expected {KINDS}")
    return [Artifact(str(path), "arrays", arrays)]


def _of_run(path: Path, *, force: bool) -> Artifact:
    manifest, notes = _checked(path, force=force)
    return Artifact(
        str(path),
        "run",
        {name: map_npy(path / file) for name, file in manifest.outputs.items()},
        inputs=manifest.inputs,
        about=_about(manifest),
        provenance=manifest.provenance,
        internals=_internals(path) if INTERNALS in manifest.files else {},
        notes=notes,
    )


def _checked(path: Path, *, force: bool) -> tuple[Manifest, tuple[str, ...]]:
    """Read a manifest and check that the files are those that it names."""
    try:
        return load_manifest(path, verify=True), ()
    except UsageError as error:
        if not force:
            raise UsageError(
                f"the run was changed after it was written: {error}",
                hint="--force compares what is there now",
            ) from error
        return load_manifest(path), (f"changed after it was written: {error}",)


def _about(manifest: Manifest) -> str:
    tree = manifest.provenance
    runner, board = tree.get("runner"), tree.get("board") or "this computer"
    simulated = " (simulated)" if tree.get("simulated") else ""
    return f"{runner} on {board}{simulated}, {tree.get('started')}"


def _internals(path: Path) -> Arrays:
    return {unquote(name): array for name, array in read_npz(path / INTERNALS).items()}
