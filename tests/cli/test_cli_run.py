"""hostrt run: frames and audio in, outputs, verdicts and folders out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from hostrt.program import Program
from hostrt.runner.store import load_manifest
from tests.cli.conftest import DATA, PROGRAMS, command_line, echo

WAV = DATA / "spu" / "wav"
ECHOES = ("p001_a", "p001_b", "ptc1_a", "ptc1_b")


def saved(folder: str, name: str) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = np.load(Path(folder) / f"output_{name}.npy")
    return array


def loopback(hostrt: Any, *words: object) -> np.ndarray[Any, Any]:
    done = hostrt("run", "LOOPBACK", "--board", "sim", "-o", "out", *words)
    assert done.code == 0, done.err
    return saved("out/loopback_spu001_noenc", "output")


# -- inputs ---------------------------------------------------------------------------------------


def test_arrays_come_back_as_they_were_sent(hostrt: Any) -> None:
    frames = np.random.default_rng(1).integers(-(2**15), 2**15, (3, 32)).astype(np.int16)
    np.save("x.npy", frames)
    np.savez("x.npz", input=frames)
    np.savetxt("x.csv", frames, "%d", ",")
    np.save("flat.npy", frames.ravel()[:-2])
    for name in ("x.npy", "x.npz", "x.csv"):
        assert np.array_equal(loopback(hostrt, "--input-file", name), frames), name
    os.rename("x.npy", "X.NPY")  # noqa: PTH104
    assert np.array_equal(loopback(hostrt, "--input-file", "X.NPY"), frames)
    assert np.array_equal(loopback(hostrt, "--input-file", "x.npz", "--n-frames", 2), frames[:2])
    cut = loopback(hostrt, "--input-file", "x.npz", "--input-sample-indices", "1,3")
    assert np.array_equal(cut, frames[1:3])
    flat = loopback(hostrt, "--input-file", "flat.npy")
    assert np.array_equal(flat.ravel()[:-2], frames.ravel()[:-2])
    assert not flat.ravel()[-2:].any()


def test_sixteen_bit_audio_comes_back_bit_for_bit_and_a_cut_frame_is_filled(hostrt: Any) -> None:
    """A6: the last partial frame is padded, and said; D8: outputs are audio again."""
    samples = np.random.default_rng(2).integers(-(2**15), 2**15, 600).astype(np.int16)
    soundfile.write("in.wav", samples, 16000, subtype="PCM_16")
    done = hostrt("run", "LOOPBACK", "--board", "sim", "--input-file", "in.wav", "-o", "out")
    assert done.code == 0
    assert "note: last frame filled with 168 zeros\n" in done.err
    out = saved("out/loopback_spu001_noenc", "output")
    assert out.shape == (3, 256)
    assert np.array_equal(out.ravel()[:600], samples)
    heard, rate = soundfile.read("out/loopback_spu001_noenc/output_output.wav", dtype="int16")
    assert rate == 16000
    assert np.array_equal(heard, out.ravel())


def test_a_channel_of_stereo_is_chosen_or_all_are_mixed(hostrt: Any) -> None:
    """A4: channels are not interleaved into frames."""
    left = np.arange(512, dtype=np.int16)
    right = -4 * left
    soundfile.write("st.wav", np.stack([left, right], 1), 16000, subtype="PCM_16")
    assert np.array_equal(loopback(hostrt, "--input-file", "st.wav", "--channel", 0).ravel(), left)
    assert np.array_equal(loopback(hostrt, "--input-file", "st.wav", "--channel", 1).ravel(), right)
    mixed = loopback(hostrt, "--input-file", "st.wav").ravel()
    assert np.abs(mixed - (left.astype(int) + right) / 2).max() <= 1
    for wrong in ("2", "-1", "left"):
        words = ["--input-file", "st.wav", f"--channel={wrong}"]
        assert hostrt("run", "LOOPBACK", "--board", "sim", *words).code == 2, wrong


@pytest.mark.parametrize("name", ["mono_float", "mono_u8", "mono32", "stereo32"])
def test_other_sample_formats_are_heard_as_well(hostrt: Any, name: str) -> None:
    """A5: float, 8-bit and 32-bit WAV files are not silence, offset or out of range."""
    path = WAV / f"{name}.wav"
    wanted = soundfile.read(path, always_2d=True)[0].mean(axis=1)
    out = loopback(hostrt, "--input-file", path, "--sample-rate", soundfile.info(path).samplerate)
    assert np.abs(out.ravel()[: wanted.size] / 2**15 - wanted).max() < 1e-4 + 2**-15
    assert out.any()


def test_another_sample_rate_is_resampled_and_said(hostrt: Any) -> None:
    """A6, D8."""
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4410) / 44100)
    soundfile.write("in.wav", tone, 44100, subtype="PCM_16")
    words = ("run", "LOOPBACK", "--board", "sim", "--input-file", "in.wav")
    done = hostrt(*words)
    assert done.code == 0
    assert "44100" in done.err
    assert "16000" in done.err
    done = hostrt(*words, "--sample-rate", "44100")
    assert "resampled" not in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--n-frames", "-1"], "--n-frames -1: expected 0 or more"),
        (["--n-frames", "100000000000"], "GB of generated frames"),
        (["--warm-up", "-1"], "--warm-up -1"),
        (["--tolerance", "-1"], "--tolerance -1"),
        (["--seed", "-1"], "--seed -1: expected 0..4294967295"),
        (["--timeout", "0"], "--timeout 0: expected seconds"),
        (["--timeout", "nan"], "--timeout nan"),
        (["--input-period", "0"], "--input-period 0"),
        (["--input-sample-indices", "3"], "frame range '3'"),
        (["--input-sample-indices", "2,1"], "frame range '2,1'"),
        (["--input-file", "absent.wav"], "absent.wav: no such file"),
        (["--input-file", "x.mp9"], "suffix '.mp9'"),
        (["--runners", ","], "names no runner"),
        (["--runners", "hw,fakehw"], "no runner named 'fakehw'"),
        (["--board", "z80"], "no board type 'z80'"),
        (["--board", "redis"], "--hardware redis"),
        (["--hardware", "fakeredis"], "--hardware fakeredis"),
        (["--hardware-address", "x"], "--hardware-address goes with --hardware"),
        (["--dummy-output-file", "x.npy"], "--dummy-output-file goes with fakezynq"),
        (["--chip", "z80"], "no chip named 'z80'"),
        (["--input-style", "square"], "invalid choice: 'square'"),
    ],
)
def test_flags_that_cannot_work_are_refused_before_anything_runs(
    hostrt: Any, words: list[str], message: str
) -> None:
    """B10, B16: the harness that hostrt does not speak is a usage error, not a crash."""
    board = (
        [] if words[0] in ("--board", "--hardware", "--hardware-address") else ["--board", "sim"]
    )
    done = hostrt("run", "LOOPBACK", *board, *words, "-o", "out")
    assert done.code == 2
    assert message in done.err
    assert not Path("out").exists()


# -- runners --------------------------------------------------------------------------------------


def test_no_frames_are_a_run_too(hostrt: Any) -> None:
    """B11."""
    assert loopback(hostrt, "--n-frames", 0).shape == (0, 32)


def test_without_a_board_the_simulated_one_is_taken_and_said(hostrt: Any) -> None:
    done = hostrt("run", "LOOPBACK", "--json")
    tree = done.json["runners"]["hw"]
    assert (done.code, tree["simulated"]) == (0, True)
    assert any("simulated" in note for note in tree["notes"])


def test_runners_that_differ_end_with_exit_code_one_and_the_place(hostrt: Any) -> None:
    """A1, A19, B10: the dummy runner exists; verdicts are independent."""
    words = ("run", "LOOPBACK", "--board", "sim", "--runners", "hw,dummy", "-o", "out")
    done = hostrt(*words)
    assert done.code == 1
    assert "hw,dummy: DIFFERENT" in done.out
    assert "output: frame 0, element 0: -16384 against 0; 60 of 64 values differ" in done.out
    tree = hostrt(*words, "--json").json
    assert tree["equal"] is False
    assert tree["comparisons"]["hw,dummy"]["outputs"]["output"]["first"]["frame"] == 0
    folder = Path("out/loopback_spu001_noenc")
    metrics = yaml.safe_load((folder / "compare_metrics.yaml").read_text())
    assert set(metrics["runners"]) == {"hw", "dummy"}
    assert metrics["comparisons"]["hw,dummy"]["equal"] is False
    for name in ("hw", "dummy"):
        load_manifest(folder / name, verify=True)
    zeros = hostrt(*words[:-2], "--tolerance", "16384")
    assert zeros.code == 0
    assert "hw,dummy: equal within 16384" in zeros.out


@pytest.mark.parametrize("kind", ["sim", "evk2+sim"])
@pytest.mark.parametrize("name", ECHOES)
def test_golden_programs_answer_as_their_boards_did(hostrt: Any, name: str, kind: str) -> None:
    """B2, B3, B8: any chip, several outputs, mailboxes other than 0."""
    path, board = echo(name, kind)
    frames = json.loads((path.parent / "frames.json").read_text())
    inputs = {key: np.array(rows, np.int16) for key, rows in frames["inputs"].items()}
    np.savez("in.npz", **inputs)  # type: ignore[arg-type]  # a stub of numpy
    words = ["run", path, "--board", board, "--input-file", "in.npz", "-o", "out", "--json"]
    done = hostrt(*words)
    assert done.code == 0, done.err
    for key, rows in frames["outputs"].items():
        assert saved(done.json["folder"], key).tolist() == rows, key


def test_a_vendor_program_on_a_simulated_board_is_refused_with_the_way_out(
    hostrt: Any, p001_a: Path
) -> None:
    done = hostrt("run", p001_a, "--board", "sim")
    assert done.code == 3
    assert "vendor's instruction set, which no simulated board can execute" in done.err
    assert f"--board 'sim://spu001?answer=echo&program={p001_a}'" in done.err


def test_unencrypted_programs_make_files_without_a_board_and_open_ones_stay_off_real_chips(
    hostrt: Any,
) -> None:
    """B3, B4."""
    path = PROGRAMS / "p001_b" / "p001_b.femto"
    done = hostrt("run", path, "--hardware", "fakezynq", "-o", "out")
    assert done.code == 0
    assert "outputs are dummies: no board is behind this link" in done.out
    assert list(Path("out").rglob("0PROG_A"))


@pytest.mark.parametrize("shape", [(8,), (2, 8), (1, 8)])
def test_dummy_outputs_may_have_one_axis_or_one_row_per_frame(
    hostrt: Any, shape: tuple[int, ...]
) -> None:
    """B12."""
    words = np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)
    np.save("dummy values&.npy", words)
    flags = ["--hardware", "fakezynq", "--dummy-output-file", "dummy values&.npy", "-o", "out"]
    for more in ([], ["--hardware-address", "somewhere"]):
        assert hostrt("run", "LOOPBACK", *flags, *more).code == 0
        out = saved("out/loopback_spu001_noenc", "output")
        rows = np.atleast_2d(words)
        for frame in range(2):
            row = rows[frame % len(rows)]
            assert out[frame, :16:2].tolist() == row.tolist()
            assert not out[frame, 1::2].any()


@pytest.mark.parametrize("name", ["evk2", "fpgazynq", "fakezynq"])
def test_the_reference_tools_names_for_boards_are_understood(hostrt: Any, name: str) -> None:
    address = "127.0.0.1:9" if name == "fpgazynq" else "x"
    words = ["--hardware", name, "--hardware-address", address]
    done = hostrt("run", PROGRAMS / "p001_a" / "p001_a.femto", *words)
    assert done.code == (0 if name == "fakezynq" else 4), done.err


# -- results --------------------------------------------------------------------------------------


def test_the_folder_of_a_run_holds_everything_and_its_manifest_proves_it(hostrt: Any) -> None:
    """A13, D6: metrics with units and percentiles."""
    done = hostrt("run", "LOOPBACK", "--board", "sim", "--n-frames", 5, "-o", "out", "--json")
    folder = Path(done.json["folder"])
    manifest = load_manifest(folder, verify=True)
    records = "io_records/apb_records"
    assert set(manifest.files) == {
        "loopback_spu001.femto",
        "loopback_spu001_metadata.yaml",
        "loopback_spu001_iospec.yaml",
        "inputs.npz",
        "output_output.npy",
        "run_metrics.yaml",
        *(f"{records}/{kind}_{side}" for kind in ("0PROG", "program_network") for side in "AD"),
    }
    assert manifest.outputs == {"output": "output_output.npy"}
    assert manifest.provenance["program_sha256"] == Program.loopback().sha256
    metrics = yaml.safe_load((folder / "run_metrics.yaml").read_text())
    assert metrics["Frames Simulated"] == 5
    assert metrics["PLL VCO frequency (MHz)"] == pytest.approx(150.0119, abs=1e-3)
    assert set(metrics["latency_s"]["device"]) >= {"min", "median", "p90", "p99", "max"}
    again = hostrt("run", folder / "loopback_spu001.femto", "--board", "sim")
    assert again.code == 0


def test_a_folder_that_cannot_be_written_is_found_out_before_the_board_is(hostrt: Any) -> None:
    Path("file").write_text("")
    done = hostrt("run", "LOOPBACK", "--board", "evk2://absent", "-o", "file")
    assert done.code == 8
    assert "cannot make folder file/" in done.err


def test_a_run_that_fails_leaves_no_manifest_of_the_one_before(hostrt: Any) -> None:
    loopback(hostrt)
    folder = Path("out/loopback_spu001_noenc")
    load_manifest(folder)
    done = hostrt("run", "LOOPBACK", "--board", "sim://spu001?pll=never", "-o", "out")
    assert done.code == 6
    assert not (folder / "manifest.json").exists()


def test_standard_output_is_one_json_document_and_nothing_else(hostrt: Any) -> None:
    tone = np.zeros((100, 2), np.int16)
    soundfile.write("in.wav", tone, 8000, subtype="PCM_16")
    done = hostrt(
        "run", "LOOPBACK", "--board", "sim", "--runners", "hw,dummy", "--input-file", "in.wav",
        "-o", "out", "--json",
    )  # fmt: skip
    tree = done.json
    assert set(tree) == {
        "model", "program_sha256", "chip", "n_frames", "notes", "runners", "comparisons", "equal",
        "folder", "reproducer",
    }  # fmt: skip
    assert len(tree["notes"]) == 3
    assert done.err == ""


def test_warm_up_frames_stay_out_of_the_statistics(hostrt: Any) -> None:
    """D6."""
    words = ("run", "LOOPBACK", "--board", "sim", "--n-frames", 5, "--warm-up", 2, "--json")
    metrics = hostrt(*words).json["runners"]["hw"]["metrics"]
    assert metrics["latency_s"]["device"]["count"] == 3
    assert metrics["latency_s"]["device"]["warm_up"] == 2


def test_ctrl_c_during_a_run_ends_it_quietly() -> None:
    """B24."""
    board = "evk2+sim://spu001?usb_speed=full"
    words = command_line("run", "LOOPBACK:60000", "--board", board, "-o", "out")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 20
        # the program's files are written just before the board is opened
        while not list(Path("out").glob("*/*_iospec.yaml")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == ""
    assert err.endswith("hostrt: interrupted\n")
    assert "Traceback" not in err
