"""Results in memory and on disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.errors import StorageError, UsageError
from hostrt.frames.audio import load_audio
from hostrt.runner.result import Provenance, RunMetrics, RunResult
from hostrt.runner.store import OutputFolder, array_sha256, load_manifest

if TYPE_CHECKING:
    from pathlib import Path


def a_result() -> RunResult:
    return RunResult(
        {"y": np.arange(8, dtype=np.int16).reshape(2, 4), "m/é": np.zeros((2, 1), np.int8)},
        RunMetrics(2, {"device": np.array([1e-4, -1.0])}, input_period_s=0.016),
        Provenance("hw", simulated=True, chip="spu001", board="sim", settings={"window": 8}),
        notes=("simulated board",),
    )


def write(folder: Path) -> RunResult:
    result = a_result()
    out = OutputFolder(folder)
    tree = LatencyMetrics(result.metrics).to_tree()
    out.write_result(result, metrics_tree=tree, sample_rates={"y": 16000})
    out.write_file("io_records/apb_records/0PROG_A", b"00000034\n")
    out.write_file("io_records/apb_records/0PROG_D", b"00000001\n")
    out.finish(result, inputs={"x": np.zeros((2, 4), np.int16)}, command_line=["hostrt", "run"])
    return result


def test_outputs_cannot_be_changed_and_metrics_are_at_hand() -> None:
    result = a_result()
    with pytest.raises(ValueError, match="read-only"):
        result.outputs["y"][0, 0] = 1
    assert result.metrics.latency_s == 1e-4
    assert result.metrics.power_w is None
    assert result.simulated


def test_a_result_survives_the_way_to_another_process() -> None:
    again: RunResult = pickle.loads(pickle.dumps(a_result()))
    assert again.outputs["y"].tolist() == a_result().outputs["y"].tolist()
    assert again.provenance == a_result().provenance


def test_outputs_of_more_frames_than_were_run_are_refused() -> None:
    with pytest.raises(UsageError, match=r"output 'y': shape \(3, 1\), expected at most 2 frames"):
        RunResult({"y": np.zeros((3, 1), np.int8)}, RunMetrics(2), Provenance("hw", simulated=True))


def test_a_run_leaves_outputs_metrics_program_files_and_a_manifest(tmp_path: Path) -> None:
    result = write(tmp_path / "runs" / "one")
    folder = tmp_path / "runs" / "one"
    manifest = load_manifest(folder, verify=True)
    assert sorted(manifest.files) == [
        "io_records/apb_records/0PROG_A",
        "io_records/apb_records/0PROG_D",
        "output_m%2F%C3%A9.npy",
        "output_y.npy",
        "output_y.wav",
        "run_metrics.yaml",
    ]
    for name, array in result.outputs.items():
        stored = np.load(folder / manifest.outputs[name], allow_pickle=False)
        assert stored.dtype == array.dtype
        assert stored.tolist() == array.tolist()
    audio = load_audio(folder / "output_y.wav", sample_rate=16000, frame_length=4)
    assert audio.frames.tolist() == result.outputs["y"].tolist()
    assert manifest.provenance["board"] == "sim"
    assert manifest.provenance["settings"] == {"window": 8}
    assert manifest.command_line == ("hostrt", "run")
    assert manifest.notes == ("simulated board",)
    assert manifest.inputs["x"] == array_sha256(np.zeros((2, 4), ">i2"))
    data = (folder / "output_y.npy").read_bytes()
    assert manifest.files["output_y.npy"].sha256 == hashlib.sha256(data).hexdigest()


def test_metrics_on_disk_are_plain_yaml(tmp_path: Path) -> None:
    result = write(tmp_path)
    tree = yaml.safe_load((tmp_path / "run_metrics.yaml").read_text())
    assert tree == LatencyMetrics(result.metrics).to_tree()
    assert "!!" not in (tmp_path / "run_metrics.yaml").read_text()


def test_a_folder_that_is_being_rewritten_has_no_manifest(tmp_path: Path) -> None:
    write(tmp_path)
    OutputFolder(tmp_path)
    with pytest.raises(UsageError, match="expected the folder of a finished run"):
        load_manifest(tmp_path)


def test_changed_and_missing_files_are_noticed(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "output_y.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    load_manifest(tmp_path)
    with pytest.raises(UsageError, match=r"output_y\.npy: hash"):
        load_manifest(tmp_path, verify=True)
    path.write_bytes(data[:-1])
    with pytest.raises(UsageError, match="bytes, expected"):
        load_manifest(tmp_path, verify=True)
    path.unlink()
    with pytest.raises(UsageError, match="No such file"):
        load_manifest(tmp_path, verify=True)


def test_files_outside_the_folder_are_neither_written_nor_believed(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path / "run")
    for name in ("../evil", "/evil"):
        with pytest.raises(UsageError, match="leads out"):
            out.write_file(name, b"")
    write(tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    path.write_text(path.read_text().replace('"output_y.wav": {', '"../output_y.wav": {'))
    with pytest.raises(UsageError, match="outside the folder"):
        load_manifest(tmp_path / "run")


@pytest.mark.fault
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_file_system_that_fails_leaves_the_old_file_and_no_part_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    out = OutputFolder(tmp_path)
    out.write_output("y", np.zeros((1, 2), np.int16))
    before = (tmp_path / "output_y.npy").read_bytes()

    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(StorageError, match=r"cannot write .*output_y\.npy") as caught:
            out.write_output("y", np.ones((1, 2), np.int16))
    assert caught.value.exit_code == 8
    assert [path.name for path in tmp_path.iterdir()] == ["output_y.npy"]
    assert (tmp_path / "output_y.npy").read_bytes() == before


@pytest.mark.fault
def test_a_full_disk_in_the_middle_leaves_no_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    calls = iter(range(100))
    replace = os.replace

    def fill_up(source: Path, target: Path) -> None:
        if next(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fill_up)
        with pytest.raises(StorageError, match="No space left on device"):
            write(tmp_path)
    with pytest.raises(UsageError, match="finished run"):
        load_manifest(tmp_path)
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.fault
def test_a_file_where_a_folder_must_be_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make folder"):
        OutputFolder(tmp_path / "file")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "io_records").write_text("")
    with pytest.raises(StorageError, match="io_records"):
        OutputFolder(tmp_path / "run").write_file("io_records/a", b"")


@pytest.mark.fault
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_storage_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        OutputFolder(tmp_path).write_file("x", b"")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": 2}', '{"format": 1}', '{"format": 1, "files": 5}']
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match=r"manifest\.json"):
        load_manifest(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ("files", "outputs", "provenance", "inputs", "command_line", "notes")


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)))
def test_any_json_is_refused_or_read_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "manifest.json").write_text(json.dumps({"format": 1, **tree}))
    try:
        manifest = load_manifest(folder, verify=True)
    except UsageError:
        return
    assert set(tree) == set(KEYS)
    assert isinstance(manifest.notes, tuple)
