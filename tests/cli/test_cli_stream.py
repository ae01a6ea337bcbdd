"""hostrt stream: sound and frames in real time, from files and pipes, ended by whatever ends it."""

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

from hostrt.power.trace import PowerTrace
from hostrt.runner.store import load_manifest
from tests.cli.conftest import DATA, command_line

pytestmark = pytest.mark.slow

MODELS = DATA / "fqir"
SAMPLES = np.random.default_rng(5).integers(-(2**15), 2**15, 16 * 500).astype(np.int16)
"""Half a second at 16 kHz: 62.5 frames of 8 ms."""


@pytest.fixture(autouse=True)
def _sound() -> None:
    soundfile.write("x.wav", SAMPLES, 16000, "PCM_16")


def stream(hostrt: Any, *words: object, board: str = "sim", code: int = 0) -> Any:
    done = hostrt("stream", *words, "--board", board, "--json")
    assert done.code == code, done.err
    return done.json


def read(path: str) -> np.ndarray[Any, Any]:
    array, _ = soundfile.read(path, dtype="int16")
    return np.asarray(array)


# -- what goes in comes out -----------------------------------------------------------------------


@pytest.mark.parametrize("board", ["sim", "evk2+sim://spu001"])
def test_sound_comes_back_bit_for_bit(hostrt: Any, board: str) -> None:
    tree = stream(hostrt, "x.wav", "--input-period", 0.008, "-o", "out.wav", board=board)
    found = read("out.wav")
    assert len(found) == 63 * 128
    np.testing.assert_array_equal(found[: len(SAMPLES)], SAMPLES)
    assert not found[len(SAMPLES) :].any()
    assert tree["n_frames"] == 63
    assert tree["provenance"]["board"].startswith("apart+")
    assert tree["simulated"]
    assert not tree["interrupted"]


def test_a_stream_equals_an_offline_run_of_a_model(hostrt: Any) -> None:
    model = MODELS / "gru2" / "model.pt"
    done = hostrt("run", model, "--runners", "hw", "--board", "sim", "--n-frames", 40, "-o", "run")
    assert done.code == 0, done.err
    folder = next(Path("run").iterdir())
    inputs = np.load(folder / "inputs.npz")
    (name,) = inputs
    np.save("frames.npy", inputs[name])
    stream(hostrt, "frames.npy", model, "--input-period", 0.002, "--output-dir", "live")
    again = next(Path("live").iterdir())
    for path in folder.glob("output_*.npy"):
        np.testing.assert_array_equal(np.load(path), np.load(again / path.name))


def test_arrays_set_the_length_of_loopback(hostrt: Any) -> None:
    frames = SAMPLES[: 20 * 24].reshape(20, 24)
    np.save("x.npy", frames)
    stream(hostrt, "x.npy", "--input-period", 0.002, "-o", "y.npy")
    np.testing.assert_array_equal(np.load("y.npy"), frames)


def test_a_loop_goes_on_until_its_time_is_over(hostrt: Any) -> None:
    tree = stream(
        hostrt, "x.wav", "--loop", "--duration", 1.0, "--no-realtime", "-o", "out.wav"
    )  # fmt: skip
    found = read("out.wav")
    assert tree["n_frames"] == 63  # 1 s of 16 ms frames, the last one begun
    np.testing.assert_array_equal(found, np.tile(SAMPLES, 3)[: 63 * 256])


def test_pipes_carry_samples_in_and_out() -> None:
    done = subprocess.run(
        command_line("stream", "-", "--board", "sim", "--no-realtime", "-o", "-"),
        input=SAMPLES.astype("<i2").tobytes(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = np.frombuffer(done.stdout, "<i2")
    np.testing.assert_array_equal(found[: len(SAMPLES)], SAMPLES)
    assert len(found) == 32 * 256


def test_a_reader_that_leaves_ends_the_stream() -> None:
    with subprocess.Popen(
        command_line(
            "stream",
            "generate:random",
            "--duration",
            600,
            "--board",
            "sim",
            "--input-period",
            "0.004",
            "-o",
            "-",
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1000)
        process.stdout.close()
        error = process.stderr.read().decode()
        assert process.wait(20) == 0, error


# -- real time ------------------------------------------------------------------------------------


def test_real_time_keeps_to_the_clock_and_no_real_time_does_not(hostrt: Any) -> None:
    def due(*words: object) -> np.ndarray[Any, Any]:
        stream(hostrt, "x.wav", "--input-period", 0.008, "--output-dir", "kept", *words)
        rows = np.load(next(Path("kept").iterdir()) / "frames.npy")
        assert (rows["late_s"] >= 0).all()
        return np.asarray(rows["due_s"])

    np.testing.assert_allclose(due(), 0.008 * np.arange(63))
    # as soon as the one before is done, whatever the clock says
    assert not np.allclose(due("--no-realtime"), 0.008 * np.arange(63))


def test_a_missed_deadline_ends_a_strict_stream_with_exit_code_7(hostrt: Any) -> None:
    done = hostrt(
        "stream", "x.wav", "--board", "sim", "--deadline", "0.00001", "--on-late", "stop",
        "-o", "out.wav", "--output-dir", "kept", "--json",
    )  # fmt: skip
    assert done.code == 7, done.err
    assert "frame 0 was" in done.err
    tree, _ = json.JSONDecoder().raw_decode(done.out)
    assert tree["interrupted"]
    assert "frame 0 was" in tree["failure"]
    # what was done is kept: one frame
    np.testing.assert_array_equal(read("out.wav"), SAMPLES[:256])
    folder = next(Path("kept").iterdir())
    manifest = load_manifest(folder, verify=True)
    assert any(note.startswith("ended after 1 frames: frame 0 was") for note in manifest.notes)


def test_misses_are_counted_and_do_not_end_a_patient_stream(hostrt: Any) -> None:
    tree = stream(hostrt, "x.wav", "--input-period", 0.008, "--deadline", 0.00001)
    schedule = tree["metrics"]["schedule"]
    assert schedule["missed"] == 63
    assert sum(schedule["causes"].values()) == 63
    assert schedule["dropped"] == 0


def test_a_rate_that_the_link_cannot_carry_is_refused_before_anything_is_written(
    hostrt: Any,
) -> None:
    done = hostrt(
        "stream", "x.wav", "--board", "evk2+sim://spu001?usb_speed=full", "--input-period",
        "0.008", "-o", "out.wav",
    )  # fmt: skip
    assert done.code == 2, done.out
    assert "8 ms" in done.err
    assert not Path("out.wav").exists()


# -- interruption ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_stream_leaves_complete_files(number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        command_line(
            "stream",
            "x.wav",
            "--loop",
            "--board",
            "sim",
            "--input-period",
            "0.008",
            "-o",
            "out.wav",
            "--output-dir",
            "kept",
            "--report",
            "report.json",
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until and not any(Path().glob(".out.wav.*.part")):
            time.sleep(0.02)
        time.sleep(1.0)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, err
    assert "Traceback" not in err
    found = read("out.wav")
    assert len(found) >= 128
    np.testing.assert_array_equal(found, np.tile(SAMPLES, 1 + len(found) // 8000)[: len(found)])
    folder = next(Path("kept").iterdir())
    manifest = load_manifest(folder, verify=True)
    n_frames = len(found) // 128
    assert f"interrupted after {n_frames} frames; everything up to then is complete" in (
        manifest.notes
    )
    np.testing.assert_array_equal(np.load(folder / "output_output.npy").ravel(), found)
    assert len(np.load(folder / "frames.npy")) == n_frames
    assert json.loads(Path("report.json").read_bytes())
    assert "interrupted" in out


# -- what is kept ---------------------------------------------------------------------------------


def test_a_folder_holds_everything_that_a_run_needs_again(hostrt: Any) -> None:
    stream(hostrt, "x.wav", "--input-period", 0.008, "--output-dir", "kept", "--n-frames", 20)
    folder = next(Path("kept").iterdir())
    load_manifest(folder, verify=True)
    done = hostrt("reproduce", folder)
    assert done.code == 0, done.err + done.out


def test_a_meter_runs_along(hostrt: Any) -> None:
    tree = stream(
        hostrt, "x.wav", "--input-period", 0.008, "--power-meter", "sim://?idle_w=0.001",
        "--output-dir", "kept",
    )  # fmt: skip
    assert tree["metrics"]["energy_j"] == pytest.approx(63 * 0.008 * 0.001, rel=0.3)
    trace = PowerTrace.load(next(Path("kept").iterdir()) / "power.npz")
    assert len(trace.marks_s) == 63
    assert trace.simulated


def test_people_get_a_table(hostrt: Any) -> None:
    done = hostrt("stream", "x.wav", "--board", "sim", "--n-frames", 10)
    assert done.code == 0, done.err
    for words in ("10 frames through", "end_to_end", "0 dropped", "frames/s"):
        assert words in done.out


def test_latched_inputs_are_set_once(hostrt: Any) -> None:
    model = MODELS / "latched_gain" / "model.pt"
    done = hostrt(
        "run", model, "--runners", "fqir", "--latched", "ctl", "--input-style", "random",
        "--n-frames", 12, "-o", "run",
    )  # fmt: skip
    assert done.code == 0, done.err
    folder = next(Path("run").iterdir())
    inputs = dict(np.load(folder / "inputs.npz"))
    ctl = inputs.pop("ctl")
    (name,) = inputs
    np.save("frames.npy", inputs[name])
    np.save("ctl.npy", ctl[0])
    words = ("frames.npy", model, "--latched", "ctl", "--no-realtime")
    for value in ("ctl.npy", ",".join(map(str, ctl[0]))):
        stream(hostrt, *words, "--set", f"ctl={value}", "--output-dir", "live")
        again = next(Path("live").iterdir())
        for path in folder.glob("output_*.npy"):
            np.testing.assert_array_equal(np.load(path), np.load(again / path.name))
    done = hostrt("stream", *words, "--board", "sim")
    assert done.code == 2
    assert "'ctl' is missing" in done.err
    done = hostrt("stream", *words, "--board", "sim", "--set", "clt=1")
    assert "'clt'" in done.err


# -- requests that cannot work --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("x.wav", "--input-period", "0"), "period of 0 s"),
        (("x.wav", "--queue", "0"), "queue of 0"),
        (("x.wav", "--duration", "-1"), "--duration -1"),
        (("x.wav", "--n-frames", "-1"), "--n-frames -1"),
        (("x.wav", "--deadline", "0"), "deadline of 0 s"),
        (("missing.wav",), "missing.wav"),
        (("x.wav", "-o", "-", "--json"), "standard output"),
        (("x.wav", "-o", "no/such/folder.wav"), "no/such"),
        (("x.wav", "--power-meter", "ppk3:///dev/x"), "ppk3"),
        (("x.wav", "--runner", "hv"), "hv"),
        (("x.wav", "--report", "x.pdf"), ".pdf"),
        (("generate:noise",), "noise"),
    ],
)
def test_what_cannot_work_is_said_at_once(hostrt: Any, words: Any, message: str) -> None:
    done = hostrt("stream", *words, "--board", "sim")
    assert done.code in (2, 4, 8), done.err
    assert message in done.err
    assert "Traceback" not in done.err
    assert not [name for name in os.listdir() if name.endswith(".part")]  # noqa: PTH208


def test_other_runners_stream_too(hostrt: Any) -> None:
    model = MODELS / "gru2" / "model.pt"
    for runner in ("fqir", "fasmir"):
        tree = stream(
            hostrt, "generate:random", model, "--runner", runner, "--n-frames", 5,
            "--input-period", 0.005,
        )  # fmt: skip
        assert tree["n_frames"] == 5
        assert tree["provenance"]["runner"] == runner
