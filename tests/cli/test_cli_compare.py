"""`hostrt compare`: runs, arrays, sounds, tables and recordings against each other."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_protocol.requests import FrameIn
from hostrt.analysis.artifacts import load_artifacts
from hostrt.analysis.compare_artifacts import compare_artifacts
from hostrt.errors import ProgramError, UsageError
from hostrt.frames.npz import npz_bytes
from hostrt.transport.recording import encode_entry
from hostrt.transport.replay import read_recording

RUN = ("run", "LOOPBACK", "--board", "sim", "--n-frames", 6)
LOOPBACK = Path("loopback_spu001_noenc")


@pytest.fixture
def runs(hostrt: Any) -> tuple[Path, Path]:
    """Give the folders of two runs on the same frames."""
    for name in "ab":
        assert hostrt(*RUN, "-o", name).code == 0
    return Path("a") / LOOPBACK, Path("b") / LOOPBACK


def outputs(folder: Path) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = np.load(folder / "output_output.npy")
    return array


def test_runs_on_the_same_frames_are_equal(cli: Any, runs: tuple[Path, Path]) -> None:
    done = cli("compare", *runs)
    assert done.code == 0, done.err
    assert f"{runs[0]},{runs[1]}: equal" in done.out
    assert "INPUTS" not in done.out


def test_a_difference_is_placed_and_inputs_that_differ_are_said(
    hostrt: Any, runs: tuple[Path, Path]
) -> None:
    assert hostrt(*RUN, "--input-style", "random", "-o", "c").code == 0
    done = hostrt("compare", runs[0], Path("c") / LOOPBACK)
    assert done.code == 1
    assert "INPUTS DIFFER" in done.out
    assert "output: frame 0, element " in done.out
    tree = hostrt("compare", *runs, Path("c") / LOOPBACK, "--json").json
    assert tree["inputs_equal"] is False
    assert [pair["equal"] for pair in tree["pairs"]] == [True, False]
    assert [side["kind"] for side in tree["sides"]] == ["run"] * 3


def test_every_runner_of_a_run_is_compared(hostrt: Any) -> None:
    assert hostrt(*RUN, "--runners", "hw,dummy,fasmir", "-o", "many").code == 1
    tree = hostrt("compare", "many", "--json").json
    assert [Path(side["name"]).name for side in tree["sides"]] == ["hw", "dummy", "fasmir"]
    assert [pair["equal"] for pair in tree["pairs"]] == [False, True]
    tree = hostrt("compare", "many", "--compare", "pairwise", "--json").json
    assert [pair["equal"] for pair in tree["pairs"]] == [False, True, False]
    assert tree["inputs_equal"] is True


def test_arrays_sounds_and_tables_hold_what_a_run_does(
    hostrt: Any, runs: tuple[Path, Path]
) -> None:
    values = outputs(runs[0])
    np.save("same.npy", values.astype(">i4"))
    np.save("fortran.npy", np.asfortranarray(values))
    np.save("flat.npy", values.reshape(-1))
    np.savez("many.npz", output=values)
    np.savetxt("table.csv", values, "%d", ",")
    soundfile.write("sound.wav", values.reshape(-1), 16000, subtype="PCM_16")
    soundfile.write("sound.flac", values.reshape(-1), 16000, subtype="PCM_16")
    Path("folder").mkdir()
    np.save("folder/output_output.npy", values)
    names = [
        "same.npy", "fortran.npy", "flat.npy", "many.npz", "table.csv", "sound.wav",
        "sound.flac", "folder",
    ]  # fmt: skip
    done = hostrt("compare", runs[0], *names)
    assert done.code == 0, done.out + done.err
    assert hostrt("compare", "sound.wav", "table.csv").code == 0

    values = values.copy()
    values[3, 5] += 2
    soundfile.write("other.wav", values.reshape(-1), 16000, subtype="PCM_16")
    done = hostrt("compare", runs[0], "other.wav")
    assert done.code == 1
    assert "output: frame 3, element 5: " in done.out
    assert hostrt("compare", runs[0], "other.wav", "--tolerance", 2).code == 0
    assert hostrt("compare", "other.wav", "sound.wav", "--json").json["equal"] is False


def test_sound_of_few_bits_is_compared_as_stored(hostrt: Any) -> None:
    values = np.arange(-128, 128, dtype=np.int8)
    soundfile.write("x.wav", values.astype(np.int16) << 8, 16000, subtype="PCM_U8")
    np.save("x.npy", values)
    assert hostrt("compare", "x.wav", "x.npy").code == 0
    soundfile.write("wide.wav", values.astype(np.int32) << 24, 48000, subtype="PCM_24")
    np.save("wide.npy", values.astype(np.int32) << 16)
    assert hostrt("compare", "wide.wav", "wide.npy").code == 0
    assert "sample rates differ" in hostrt("compare", "wide.wav", "x.wav").out
    soundfile.write("float.wav", values / 128, 16000, subtype="FLOAT")
    np.save("float.npy", values.astype(np.int16) << 8)
    assert hostrt("compare", "float.wav", "float.npy").code == 0


def test_sound_that_is_no_whole_frames_is_compared_by_sample_and_is_different(hostrt: Any) -> None:
    np.save("x.npy", np.arange(24, dtype=np.int16).reshape(3, 8))
    soundfile.write("x.wav", np.arange(23, dtype=np.int16), 16000, subtype="PCM_16")
    done = hostrt("compare", "x.npy", "x.wav")
    assert done.code == 1
    assert "sample by sample" in done.out
    assert "shape (24,) against (23,)" in done.out


def test_an_output_is_chosen_where_there_are_several(hostrt: Any) -> None:
    y, z = np.zeros((2, 3), np.int8), np.ones((2, 3), np.int8)
    np.savez("a.npz", y=y, z=z)
    np.savez("b.npz", y=y, z=z + 1)
    np.save("lone.npy", z)
    assert hostrt("compare", "a.npz", "b.npz").code == 1
    assert hostrt("compare", "a.npz", "b.npz", "--output", "y").code == 0
    assert hostrt("compare", "a.npz", "lone.npy", "--output", "z").code == 0
    assert hostrt("compare", "lone.npy", "b.npz", "--output", "z").code == 1
    np.save("output_z.npy", z)
    assert hostrt("compare", "output_z.npy", "a.npz").code == 0
    done = hostrt("compare", "a.npz", "lone.npy")
    assert done.code == 2
    assert "--output NAME" in done.err
    done = hostrt("compare", "a.npz", "b.npz", "--output", "q")
    assert done.code == 2
    assert "the outputs there are y, z" in done.err


def test_internal_variables_of_runs_are_compared_too(hostrt: Any, runs: tuple[Path, Path]) -> None:
    for folder, value in zip(runs, (3, 4), strict=True):
        variables = npz_bytes({"%25x%3A1": np.full((6, 2), value)})
        (folder / "debug_vars.npz").write_bytes(variables)
        tree = json.loads((folder / "manifest.json").read_text())
        tree["files"]["debug_vars.npz"] = {"sha256": "", "size": 0}
        (folder / "manifest.json").write_text(json.dumps(tree))
    done = hostrt("compare", *runs, "--force")
    assert done.code == 0
    assert "first internal difference: %x:1 (variable 0), frame 0, element 0: 3 against 4" in (
        done.out
    )


# -- recordings -----------------------------------------------------------------------------------


def record(hostrt: Any, file: str, *words: object) -> None:
    done = hostrt(
        "run", "LOOPBACK", "--board", f"record+sim://spu001?to={file}", "--n-frames", 3, *words
    )
    assert done.code == 0, done.err


def test_recordings_are_compared_by_the_words_of_frames(hostrt: Any) -> None:
    record(hostrt, "a.hrec")
    record(hostrt, "b.yaml")
    record(hostrt, "c.hrec", "--input-style", "random")
    done = hostrt("compare", "a.hrec", "b.yaml")
    assert done.code == 0, done.out
    done = hostrt("compare", "a.hrec", "c.hrec")
    assert done.code == 1
    assert "INPUTS DIFFER between a.hrec and c.hrec: frames sent" in done.out
    tree = hostrt("compare", "a.hrec", "c.hrec", "--json").json
    (step,) = tree["steps"].values()
    assert step.startswith("first difference in request ")
    number = int(step.split()[4])
    assert 1 < number <= 35


def test_the_step_named_is_the_one_that_was_changed(hostrt: Any) -> None:
    record(hostrt, "a.hrec")
    data = bytearray(Path("a.hrec").read_bytes())
    recording = read_recording("a.hrec")
    reads = [n for n, entry in enumerate(recording.entries) if isinstance(entry.request, FrameIn)]
    assert len(reads) == 3
    head = len(data) - sum(len(encode_entry(entry)) for entry in recording.entries)
    entries = list(recording.entries)
    answer = entries[reads[1]].answer
    assert answer is not None
    answer = answer.copy()
    answer[4] ^= 1
    entries[reads[1]] = replace(entries[reads[1]], answer=answer)
    changed = bytes(data[:head]) + b"".join(encode_entry(entry) for entry in entries)
    Path("b.hrec").write_bytes(changed)

    done = hostrt("compare", "a.hrec", "b.hrec")

    assert done.code == 1
    assert "words read: frame 1, element 4: " in done.out
    step = reads[1] + 1
    assert f"first difference in request {step} of a.hrec and request {step} of b.hrec" in done.out
    assert "INPUTS" not in done.out


def test_a_recording_is_not_compared_with_outputs(hostrt: Any, runs: tuple[Path, Path]) -> None:
    record(hostrt, "a.hrec")
    done = hostrt("compare", "a.hrec", runs[0])
    assert done.code == 2
    assert "compare it with another recording" in done.err


# -- what cannot be compared ----------------------------------------------------------------------


def test_a_run_that_was_changed_is_refused_unless_forced(
    hostrt: Any, runs: tuple[Path, Path]
) -> None:
    values = outputs(runs[1]).copy()
    values[2, 3] ^= 1
    np.save(runs[1] / "output_output.npy", values)
    done = hostrt("compare", *runs)
    assert done.code == 2
    assert "was changed after it was written" in done.err
    done = hostrt("compare", *runs, "--force")
    assert done.code == 1
    assert "note: changed after it was written" in done.out
    assert "frame 2, element 3" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["one.npy"], "1 set of outputs"),
        (["one.npy", "nothing.npy"], "no such file"),
        (["one.npy", "empty"], "neither a finished run nor .npy files"),
        (["one.npy", "model.femto"], "hostrt diff"),
        (["one.npy", "words.txt"], "nothing that holds outputs"),
        (["one.npy", "pickle.npy"], "not a .npy file"),
        (["one.npy", "objects.npy"], "elements of type object"),
        (["one.npy", "float.npy"], "expected integers"),
        (["one.npy", "cut.npy"], "23 bytes of data, expected 32"),
        (["one.npy", "not.wav"], "cannot be read as audio"),
        (["one.npy", "one.npy", "--tolerance", "-1"], "expected 0 or more"),
        (["one.npy", "one.npy", "--tolerance", "x"], "--tolerance"),
        ([], "PLACE"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(
    hostrt: Any, words: list[str], said: str
) -> None:
    np.save("one.npy", np.zeros((2, 2), np.int8))
    np.save("float.npy", np.zeros((2, 2)))
    np.save("objects.npy", np.array([{}], object), allow_pickle=True)
    Path("cut.npy").write_bytes(Path("float.npy").read_bytes()[:-9])
    Path("pickle.npy").write_bytes(pickle.dumps({"a": 1}))
    Path("not.wav").write_bytes(b"RIFFxxxx")
    for name in ("model.femto", "words.txt"):
        Path(name).write_text("")
    Path("empty").mkdir()
    done = hostrt("compare", *words)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_large_arrays_are_mapped_and_empty_ones_are_read(hostrt: Any) -> None:
    with Path("large.npy").open("wb") as stream:
        header = {"descr": "|i1", "fortran_order": False, "shape": (1 << 33, 1)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + (1 << 33))
    (artifact,) = load_artifacts("large.npy")
    assert artifact.outputs["large"].shape == (1 << 33, 1)
    np.save("none.npy", np.zeros((0, 4), np.int8))
    assert hostrt("compare", "none.npy", "none.npy").code == 0


def test_reports_are_written(hostrt: Any, runs: tuple[Path, Path]) -> None:
    done = hostrt("compare", *runs, "--report", "r.xml", "--report", "r.json")
    assert done.code == 0, done.err
    assert "report in r.xml" in done.out
    assert "<testsuites" in Path("r.xml").read_text()
    assert json.loads(Path("r.json").read_text())
    assert hostrt("compare", *runs, "--report", "r.doc").code == 2


def test_files_in_a_manifest_do_not_lead_out_of_the_folder(
    hostrt: Any, runs: tuple[Path, Path]
) -> None:
    np.save("secret.npy", np.zeros((6, 32), np.int16))
    text = (runs[1] / "manifest.json").read_text()
    for name in ("../../secret.npy", "/secret.npy"):
        changed = text.replace('"output_output.npy"', f'"{name}"')
        (runs[1] / "manifest.json").write_text(changed)
        assert "lies outside the folder" in hostrt("compare", *runs).err
    shutil.rmtree(runs[1])
    assert hostrt("compare", *runs).code == 2


# -- any two files --------------------------------------------------------------------------------


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200), st.sampled_from([".npy", ".npz", ".csv", ".wav", ".hrec", ".yaml"]))
def test_any_bytes_are_refused_or_read(away: Path, data: bytes, suffix: str) -> None:
    path = away / f"any{suffix}"
    path.write_bytes(data)
    try:
        artifacts = load_artifacts(path)
        verdict = compare_artifacts([*artifacts, *artifacts])
    except (UsageError, ProgramError):
        return
    assert verdict.equal
