"""Sinks of outputs: what comes out is what went in, whole or as far as it came."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import FrameError, HostrtError, StorageError, UsageError
from hostrt.frames.file_sink import FolderSink, SoundSink
from hostrt.frames.frames import VectorSpec
from hostrt.frames.pcm_sink import PcmSink
from hostrt.frames.sources import load_inputs
from hostrt.frames.stream_sink import open_sink

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Y = VectorSpec("y", 3, 4, 16)
SPECS = {"y": Y}
LOSSLESS = ["wav", "flac", "aiff", "aif", "au", "caf", "w64", "rf64"]


def values(spec: VectorSpec, n_rows: int, seed: int = 0) -> NDArray[np.signedinteger]:
    """Rows over the whole range of an output."""
    low, high = spec.limits
    numbers = np.random.default_rng(seed).integers(low, high, (n_rows, spec.length), endpoint=True)
    return numbers.astype(spec.dtype)


def read(path: Path, spec: VectorSpec) -> NDArray[np.generic]:
    """What a file holds, as rows."""
    if path.suffix == ".npy":
        array: NDArray[np.generic] = np.load(path)
        return array
    if path.suffix == ".csv":
        return np.loadtxt(path, dtype=int, delimiter=",", ndmin=2).reshape(-1, spec.length)
    if path.suffix in (".raw", ".pcm"):
        return np.fromfile(path, spec.dtype).reshape(-1, spec.length)
    samples, rate = soundfile.read(path, dtype="float64")
    assert rate == 16000
    rows: NDArray[np.generic] = samples.reshape(-1, spec.length) * 2 ** (spec.precision - 1)
    return rows


@pytest.mark.parametrize("precision", [8, 16, 24])
@pytest.mark.parametrize("suffix", ["npy", "csv", "raw", "pcm", *LOSSLESS])
def test_a_file_holds_exactly_what_was_written(tmp_path: Path, suffix: str, precision: int) -> None:
    spec = VectorSpec("y", 3, 4, precision)
    rows = values(spec, 1000)
    path = tmp_path / f"out.{suffix}"

    with open_sink(path, {"y": spec}, 16000) as sink:
        for low in range(0, 1000, 7):
            sink.write({"y": rows[low : low + 7], "other": rows})
        assert not path.exists()

    assert sink.path == path
    assert np.array_equal(read(path, spec), rows)
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 400), max_size=8), seed=st.integers(0, 9))
def test_how_rows_are_cut_into_writes_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], seed: int
) -> None:
    path = tmp_path_factory.mktemp("out") / "y.npy"
    rows = values(Y, sum(sizes), seed)
    with open_sink(path, SPECS) as sink:
        for size, end in zip(sizes, np.cumsum(sizes), strict=True):
            sink.write({"y": rows[end - size : end]})
    found = np.load(path)
    assert found.dtype == np.int16
    assert np.array_equal(found, rows)


@pytest.mark.parametrize("suffix", ["ogg", "oga", "opus", "mp3"])
def test_formats_that_lose_bits_hold_about_the_same_sound(tmp_path: Path, suffix: str) -> None:
    tone = np.rint(12000 * np.sin(np.arange(48000) / 8)).astype(np.int16).reshape(-1, 3)
    with open_sink(tmp_path / f"out.{suffix}", SPECS, 16000) as sink:
        sink.write({"y": tone})
    sound, rate = soundfile.read(tmp_path / f"out.{suffix}")
    assert rate == 16000
    assert np.std(sound[5000:-5000]) * 32768 == pytest.approx(12000 / 2**0.5, rel=0.05)


def test_a_folder_holds_every_output_under_the_names_of_a_run(tmp_path: Path) -> None:
    specs = {"a/b": VectorSpec("a/b", 2, 2, 8), "y": Y}
    first, second = values(specs["a/b"], 9), values(Y, 9)

    with open_sink(tmp_path / "run", specs, 16000) as sink:
        sink.write({"a/b": first, "y": second})

    assert isinstance(sink, FolderSink)
    names = {"output_a%2Fb.npy", "output_a%2Fb.wav", "output_y.npy", "output_y.wav"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == names
    assert {path.name for path in sink.files} == names
    assert np.array_equal(np.load(tmp_path / "run" / "output_a%2Fb.npy"), first)
    spec = VectorSpec("x", 3, 3, 16)
    loaded = load_inputs(tmp_path / "run" / "output_y.wav", [spec])
    assert np.array_equal(loaded.frames["x"], second)


def test_outputs_that_are_not_sound_make_no_sound_files(tmp_path: Path) -> None:
    with FolderSink(tmp_path, SPECS) as sink:
        sink.write({"y": values(Y, 1)})
    assert [path.name for path in tmp_path.iterdir()] == ["output_y.npy"]


def test_one_of_several_outputs_is_chosen_or_all_are_named(tmp_path: Path) -> None:
    specs = {**SPECS, "z": VectorSpec("z", 1, 1, 8)}
    with pytest.raises(UsageError, match="takes one output, the model's are y, z") as raised:
        open_sink(tmp_path / "out.npy", specs)
    assert raised.value.hint == "name the one to keep, or give a folder"
    with pytest.raises(UsageError, match="no output 'q', the model's are y, z"):
        open_sink(tmp_path / "out.npy", specs, output="q")
    with open_sink(tmp_path / "out.npy", specs, output="z") as sink:
        sink.write({"y": values(Y, 2), "z": np.ones((2, 1), np.int8)})
    assert np.load(tmp_path / "out.npy").tolist() == [[1], [1]]


@pytest.mark.parametrize("suffix", ["npy", "csv", "wav", "flac"])
def test_an_interrupted_stream_leaves_what_came_until_then(tmp_path: Path, suffix: str) -> None:
    path, rows = tmp_path / f"out.{suffix}", values(Y, 50)
    path.write_bytes(b"old")

    def interrupt() -> None:
        with open_sink(path, SPECS, 16000) as sink:
            sink.write({"y": rows})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert np.array_equal(read(path, Y), rows)


@pytest.mark.parametrize("suffix", ["npy", "csv", "wav"])
def test_an_interrupted_stream_without_outputs_leaves_what_was_there(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"out.{suffix}"
    path.write_bytes(b"old")
    open_sink(path, SPECS, 16000).close(interrupted=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["npy", "wav"])
def test_a_stream_without_outputs_that_came_to_its_end_is_an_empty_file(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"out.{suffix}"
    open_sink(path, SPECS, 16000).close()
    assert read(path, Y).shape == (0, 3)


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "out.npy", SPECS)
    sink.write({"y": values(Y, 1)})
    sink.close()
    (tmp_path / "out.npy").unlink()
    sink.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "output 'y' is missing, found none"),
        ({"z": np.zeros((1, 3), np.int16)}, "output 'y' is missing, found z"),
        ({"y": np.zeros((1, 4), np.int16)}, r"shape \(1, 4\), expected integers \(frames, 3\)"),
        ({"y": np.zeros(3, np.int16)}, r"shape \(3,\)"),
        ({"y": np.zeros((1, 3))}, "float64 of shape"),
        ({"y": np.full((1, 3), 40000)}, r"values 40000\.\.40000, expected -32768\.\.32767"),
    ],
)
def test_outputs_that_do_not_fit_are_refused_and_the_rest_is_kept(
    tmp_path: Path, outputs: dict[str, Any], message: str
) -> None:
    with open_sink(tmp_path / "out.npy", SPECS) as sink:
        sink.write({"y": values(Y, 2)})
        with pytest.raises(FrameError, match=message):
            sink.write(outputs)
    assert np.array_equal(np.load(tmp_path / "out.npy"), values(Y, 2))


@pytest.mark.parametrize(
    ("where", "rate", "message"),
    [
        ("out.wav", None, "no sample rate"),
        ("out.wav", 0, "a sample rate of 0 Hz"),
        ("out.xyz", 16000, r"suffix '\.xyz', expected one of \.npy"),
        ("out.mp3", 12345, "MP3 .* at 12345 Hz cannot be written"),
    ],
)
def test_places_that_cannot_be_used_are_said_at_once(
    tmp_path: Path, where: str, rate: int | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        open_sink(tmp_path / where, SPECS, rate)
    assert list(tmp_path.iterdir()) == []


def test_what_is_neither_a_file_nor_a_folder_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.npy")
    with pytest.raises(UsageError, match="is neither a file nor a folder"):
        open_sink(tmp_path / "out.npy", SPECS)


@pytest.mark.fault
@pytest.mark.parametrize("name", ["no/out.npy", "no/out.wav", "no/out.csv"])
def test_a_folder_that_is_not_there_is_said_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="No such file or directory"):
        open_sink(tmp_path / name, SPECS, 16000)


@pytest.mark.fault
def test_a_folder_whose_files_cannot_all_be_made_is_left_as_it_was(tmp_path: Path) -> None:
    specs = {"y": Y, "n" * 300: VectorSpec("n" * 300, 1, 1, 8)}
    with pytest.raises(StorageError, match="File name too long"):
        FolderSink(tmp_path, specs)
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, sys
import numpy as np
from hostrt.errors import StorageError
from hostrt.frames.frames import VectorSpec
from hostrt.frames.stream_sink import open_sink
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
spec = VectorSpec("y", 3, 4, 16)
sink, done = open_sink(sys.argv[1], {"y": spec}, 16000), 0
try:
    while done < 100_000:
        sink.write({"y": np.arange(done * 3, done * 3 + 300, dtype=np.int16).reshape(100, 3)})
        done += 100
except StorageError as error:
    print(done, error, sep="|")
    try:
        sink.write({"y": np.zeros((1, 3), np.int16)})
    except StorageError:
        print("again")
sink.close(interrupted=True)
"""


@pytest.mark.fault
@pytest.mark.parametrize("suffix", ["npy", "csv", "wav", "au", "raw"])
def test_a_full_disk_leaves_what_was_written_before(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"

    run = subprocess.run(
        [sys.executable, "-c", FULL, path], capture_output=True, text=True, timeout=30, check=False
    )

    assert run.returncode == 0, run.stderr
    first, second = run.stdout.splitlines()
    done, message = first.split("|")
    assert message.startswith(f"cannot write {path}: ")
    assert second == "again"
    # sound may end inside a frame
    found = read(path, VectorSpec("y", 1, 1, 16) if suffix in ("au", "wav") else Y).ravel()
    kept = 3 * int(done)
    assert kept > 5000
    assert len(found) >= kept
    expected = np.arange(len(found)).astype(np.int16)
    assert np.array_equal(found, expected)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.fault
def test_a_wav_file_does_not_grow_beyond_what_its_header_can_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostrt.frames.file_sink._WAV_LIMIT", 1000)
    with SoundSink(tmp_path / "out.wav", Y, 16000) as sink:
        sink.write({"y": values(Y, 160)})
        with pytest.raises(StorageError, match=r"holds 4 GB at most: write \.w64 or \.flac"):
            sink.write({"y": values(Y, 10)})
    assert np.array_equal(read(tmp_path / "out.wav", Y), values(Y, 160))


@pytest.mark.parametrize("where", ["out.npy", "out.csv", "out.wav", "folder"])
def test_memory_does_not_grow_with_what_was_written(tmp_path: Path, where: str) -> None:
    def peak(n_writes: int) -> int:
        rows = values(Y, 100)
        tracemalloc.start()
        with open_sink(tmp_path / where, SPECS, 16000) as sink:
            for _ in range(n_writes):
                sink.write({"y": rows})
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1)  # imports
    small = peak(1)
    # 600 kB and more are written
    n_writes = 300 if where == "out.csv" else 1000
    assert min(peak(n_writes), peak(n_writes)) < small + 250_000


def test_standard_output_takes_samples() -> None:
    reading, writing = os.pipe()
    rows = values(VectorSpec("y", 3, 3, 8), 5)
    with PcmSink("pipe", writing, VectorSpec("y", 3, 3, 8)) as sink:
        sink.write({"y": rows})
    with os.fdopen(reading, "rb") as stream:
        assert stream.read() == rows.tobytes()
    sink.close()


@pytest.mark.fault
def test_a_reader_that_goes_away_ends_the_sink_without_an_error() -> None:
    reading, writing = os.pipe()
    with PcmSink("pipe", writing, Y) as sink:
        sink.write({"y": values(Y, 5)})
        assert not sink.ended
        os.close(reading)
        sink.write({"y": values(Y, 5)})
        assert sink.ended
        sink.write({"y": values(Y, 5)})


@pytest.mark.fault
def test_a_reader_that_does_not_read_does_not_hold_up_closing() -> None:
    reading, writing = os.pipe()
    sink = PcmSink("pipe", writing, Y)
    closer = threading.Timer(0.05, sink.close)
    closer.start()
    sink.write({"y": values(Y, 100_000)})
    closer.join(5)
    assert not closer.is_alive()
    os.close(reading)


@pytest.mark.fault
def test_standard_output_on_a_full_disk_is_an_error() -> None:
    with (
        PcmSink("standard output", os.open("/dev/full", os.O_WRONLY), Y) as sink,
        pytest.raises(StorageError, match="cannot write standard output: No space left"),
    ):
        sink.write({"y": values(Y, 5)})


PIPE = """
import numpy as np
from hostrt.frames.frames import VectorSpec
from hostrt.frames.stream_sink import open_sink
spec = VectorSpec("y", 3, 4, 16)
with open_sink("-", {"y": spec}) as sink:
    number = 0
    while not sink.ended and number < 100_000:
        sink.write({"y": np.full((10, 3), number, np.int16)})
        number += 1
"""


@pytest.mark.fault
def test_a_program_whose_reader_goes_away_ends_cleanly() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PIPE], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(60) == bytes(60)
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


def test_closed_outputs_and_terminals_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        with pytest.raises(UsageError, match="standard output: is a terminal"):
            open_sink("-", SPECS)
    os.close(ours)
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(HostrtError, match="standard output: is closed"):
        open_sink("-", SPECS)
