"""The folder that a run leaves behind.

    manifest.json                      written last: hashes of every file, provenance, command line,
                                       and the recipe that `hostrt reproduce` follows
    inputs.npz                         the frames that were run, one array per input
    run_metrics.yaml                   measurements
    output_<name>.npy                  outputs, (T, L) integers
    output_<name>.wav                  the same as audio, for outputs that are audio
    debug_vars.npz                     internal variables, if any were asked for, in graph order
    io_records/apb_records/0PROG_A|D   program files for an SD card

A run with several runners has a folder of this kind for each of them; the folder above has a
manifest that names them, the frames and the program's files.

Every file appears complete or not at all. A folder with a manifest is a finished run: writing into
a folder first removes the manifest of an earlier run.
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from hostrt.errors import StorageError, UsageError
from hostrt.files import make_folder, write_file
from hostrt.frames.audio import wav_bytes
from hostrt.frames.npz import npz_bytes
from hostrt.runner.recipe import Recipe, parse_recipe
from hostrt.runner.untrusted import (
    inside,
    optional_seconds,
    read_tree,
    section,
    text_in,
    texts,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hostrt.runner.result import RunResult

MANIFEST = "manifest.json"
METRICS = "run_metrics.yaml"
INTERNALS = "debug_vars.npz"
INPUTS = "inputs.npz"
FORMAT_VERSION = 1
"""Changes when a reader of the version before would misread a manifest; new keys do not count."""

_HEX_SHOWN = 16


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of the folder.

    Attributes:
        sha256: of its bytes, lower-case hexadecimal.
        size: in bytes.
    """

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What manifest.json says.

    Attributes:
        files: path below the folder -> facts.
        outputs: output name -> name of its .npy file.
        provenance: as `Provenance.to_tree` gave it.
        inputs: input name -> hash of its array.
        command_line: arguments that started the run.
        notes: sentences for the user.
        runners: of a run with several runners their names, each that of a folder below this one.
        recipe: how to run it again, None in manifests that do not say.
        latency_s: mean latency of the measured frames, None when none was measured.
    """

    files: Mapping[str, FileFacts]
    outputs: Mapping[str, str]
    provenance: Mapping[str, object] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    command_line: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    runners: tuple[str, ...] = ()
    recipe: Recipe | None = None
    latency_s: float | None = None


class OutputFolder:
    """Writes one run's files; each complete or not at all."""

    def __init__(self, path: str | Path) -> None:
        """Make the folder, and take away the manifest of an earlier run.

        Raises:
            StorageError: the folder cannot be made or written.
        """
        self.path = Path(path)
        self._files: dict[str, FileFacts] = {}
        self._outputs: dict[str, str] = {}
        make_folder(self.path)
        try:
            (self.path / MANIFEST).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot replace {self.path / MANIFEST}: {error.strerror}",
                hint="choose another folder with --output-dir",
                path=str(self.path),
            ) from error

    def write_file(self, name: str, data: bytes) -> Path:
        """Write one file; `name` may contain folders below this one.

        Raises:
            UsageError: the name leads out of the folder.
            StorageError: it cannot be written.
        """
        return self._write(name, memoryview(data))

    def _write(self, name: str, data: memoryview) -> Path:
        target = self._place(name)
        make_folder(target.parent)
        write_file(target, [data])
        self._files[name] = FileFacts(hashlib.sha256(data).hexdigest(), len(data))
        return target

    def adopt(self, name: str) -> None:
        """Name a file that already lies in the folder in the manifest too.

        Raises:
            UsageError: the name leads out of the folder.
            StorageError: it cannot be read.
        """
        target = self._place(name)
        try:
            with target.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
                self._files[name] = FileFacts(digest, stream.tell())
        except OSError as error:
            raise StorageError(
                f"cannot read {target}: {error.strerror}", hint="try again"
            ) from error

    def adopt_output(self, name: str, file: str) -> None:
        """Name an output's .npy file that already lies in the folder in the manifest.

        Args:
            name: the output.
            file: its file, below the folder.

        Raises:
            UsageError, StorageError: see `adopt`.
        """
        self.adopt(file)
        self._outputs[name] = file

    def _place(self, name: str) -> Path:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise UsageError(f"{name}: leads out of {self.path}")
        return self.path / name

    def write_inputs(self, arrays: Mapping[str, NDArray[np.generic]]) -> Path:
        """Write inputs.npz: the frames that were run, so that they can be run again.

        Raises:
            StorageError: it cannot be written.
        """
        return self._write(INPUTS, npz_bytes(arrays))

    def write_output(
        self, name: str, array: NDArray[np.generic], *, sample_rate: int | None = None
    ) -> Path:
        """Write output_<name>.npy, and .wav when a sample rate in Hz says that it is audio.

        Raises:
            FrameError: an audio output beyond 16 bits.
            StorageError: a file cannot be written.
        """
        stem = f"output_{quote(name, safe='')}"
        if sample_rate is not None:
            precision = 8 if array.dtype.itemsize == 1 else 16
            self.write_file(f"{stem}.wav", wav_bytes(array, sample_rate, precision))
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        target = self.write_file(f"{stem}.npy", buffer.getvalue())
        self._outputs[name] = target.name
        return target

    def write_yaml(self, name: str, tree: Mapping[str, object]) -> Path:
        """Write plain values as YAML, keys in their order.

        Raises:
            StorageError: it cannot be written.
        """
        from hostrt.program.yamldoc import dump_yaml

        return self.write_file(name, dump_yaml(dict(tree)).encode())

    def write_result(
        self,
        result: RunResult,
        *,
        metrics_tree: Mapping[str, object],
        sample_rates: Mapping[str, int] | None = None,
    ) -> None:
        """Write all outputs and run_metrics.yaml.

        Args:
            result: the run.
            metrics_tree: plain values for run_metrics.yaml.
            sample_rates: output name -> Hz, for the outputs that are audio.

        Raises:
            StorageError: a file cannot be written.
        """
        rates = sample_rates or {}
        for name, array in result.outputs.items():
            self.write_output(name, array, sample_rate=rates.get(name))
        if result.internals:
            # names may hold what no file system takes, and they are members of a zip here
            arrays = {quote(name, safe=" %:="): data for name, data in result.internals.items()}
            self._write(INTERNALS, npz_bytes(arrays))
        self.write_yaml(METRICS, metrics_tree)

    def finish(
        self,
        result: RunResult,
        *,
        inputs: Mapping[str, NDArray[np.generic]] | None = None,
        command_line: Sequence[str] = (),
        recipe: Recipe | None = None,
    ) -> Path:
        """Write manifest.json over everything written before; the folder is then complete.

        Args:
            result: the run, for provenance and notes.
            inputs: the frames that were run, recorded as hashes.
            command_line: arguments that started the run.
            recipe: how to run it again.

        Raises:
            StorageError: it cannot be written.
        """
        about = {
            "provenance": result.provenance.to_tree(),
            "simulated": result.simulated,
            "notes": list(result.notes),
            "latency_s": result.metrics.latency_s,
        }
        return self._finish(about, inputs or {}, command_line, recipe)

    def finish_several(
        self,
        runners: Sequence[str],
        *,
        inputs: Mapping[str, NDArray[np.generic]],
        command_line: Sequence[str] = (),
        recipe: Recipe | None = None,
    ) -> Path:
        """Write the manifest above the folders of several runners, after theirs; see `finish`.

        Args:
            runners: their names, each that of its folder.
            inputs: the frames that were run.
            command_line: arguments that started the run.
            recipe: how to run it again.
        """
        made_by = {"hostrt_version": version("hostrt")}
        about = {"runners": list(runners), "provenance": made_by, "notes": []}
        return self._finish(about, inputs, command_line, recipe)

    def _finish(
        self,
        about: Mapping[str, object],
        inputs: Mapping[str, NDArray[np.generic]],
        command_line: Sequence[str],
        recipe: Recipe | None,
    ) -> Path:
        tree = {
            "format": FORMAT_VERSION,
            **about,
            "command_line": list(command_line),
            "inputs": {name: array_sha256(array) for name, array in inputs.items()},
            "outputs": self._outputs,
            "files": {
                name: {"sha256": facts.sha256, "size": facts.size}
                for name, facts in sorted(self._files.items())
            },
            "recipe": None if recipe is None else recipe.to_tree(),
        }
        text = json.dumps(tree, indent=2, ensure_ascii=False, default=str) + "\n"
        target = self.path / MANIFEST
        write_file(target, text.encode())
        return target


def array_sha256(array: NDArray[np.generic]) -> str:
    """Hash an integer array: its values as little-endian, with type and shape."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.str} {little.shape}\n".encode())
    digest.update(little.tobytes())
    return digest.hexdigest()


def load_manifest(folder: str | Path, *, verify: bool = False) -> Manifest:
    """Read what a run left behind.

    Args:
        folder: the output folder.
        verify: also check every file's size and hash.

    Raises:
        UsageError: no manifest (not a finished run), a damaged one, or files that do not match it.
    """
    path = Path(folder) / MANIFEST
    manifest = _parse(path, read_tree(path, "the folder of a finished run"))
    if verify:
        for name, facts in manifest.files.items():
            _verify(Path(folder) / name, facts)
    return manifest


def _parse(path: Path, tree: object) -> Manifest:
    if not isinstance(tree, dict) or tree.get("format") != FORMAT_VERSION:
        found = tree.get("format") if isinstance(tree, dict) else type(tree).__name__
        raise UsageError(f"{path}: format {found!r:.40}, expected {FORMAT_VERSION}")
    files = {
        inside(path, name): _facts(path, section(path, facts))
        for name, facts in section(path, tree.get("files")).items()
    }
    outputs = section(path, tree.get("outputs"))
    return Manifest(
        files=files,
        outputs={name: inside(path, str(file)) for name, file in outputs.items()},
        provenance=section(path, tree.get("provenance")),
        inputs={name: str(digest) for name, digest in section(path, tree.get("inputs")).items()},
        command_line=texts(path, tree.get("command_line")),
        notes=texts(path, tree.get("notes")),
        runners=tuple(inside(path, name) for name in texts(path, tree.get("runners", []))),
        recipe=parse_recipe(path, tree.get("recipe")),
        latency_s=optional_seconds(path, tree.get("latency_s"), "latency_s"),
    )


def _facts(path: Path, tree: Mapping[str, object]) -> FileFacts:
    return FileFacts(text_in(path, tree, "sha256"), whole(path, tree.get("size"), "file size"))


def _verify(path: Path, facts: FileFacts) -> None:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            # before it is opened: reading a pipe or a device may never end
            raise UsageError(f"{path}: not a file, expected {facts.size} bytes")
        if about.st_size != facts.size:
            raise UsageError(f"{path}: {about.st_size} bytes, expected {facts.size}")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}, expected {facts.size} bytes") from error
    if digest != facts.sha256:
        raise UsageError(
            f"{path}: hash {digest[:_HEX_SHOWN]}, expected {facts.sha256[:_HEX_SHOWN]}"
        )
