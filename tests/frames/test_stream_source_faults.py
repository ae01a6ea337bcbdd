"""Sources of frames: what cannot be read is said, with its place."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import FrameError, HostrtError, UsageError
from hostrt.frames.sources import load_inputs
from hostrt.frames.stream_source import SourceOptions, open_source
from tests.frames.read_all import B, P, X, stream

if TYPE_CHECKING:
    from hostrt.frames.frames import VectorSpec


@pytest.mark.parametrize(
    ("specs", "latched", "message"),
    [
        ([X, P], {}, "input 'p' is missing"),
        ([X, P], {"p": [[1, 2], [3, 4]]}, "2 values, expected one"),
        ([X, P], {"p": [70000]}, "found 70000"),
        ([X, P], {"q": [1]}, "unknown latched input 'q', the model's are p"),
        ([X], {"x": [1]}, "unknown latched input 'x', the model's are none"),
        ([X, B], {}, "the model's inputs that change are x, b"),
        ([P], {"p": [1]}, "the model's inputs that change are none"),
    ],
)
def test_inputs_that_cannot_all_be_given_are_named(
    tmp_path: Path, specs: list[VectorSpec], latched: dict[str, Any], message: str
) -> None:
    np.save(tmp_path / "in.npy", np.zeros((6, 4), int))
    with pytest.raises(FrameError, match=message):
        open_source(tmp_path / "in.npy", specs, SourceOptions(latched=latched))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 4), int), "b": np.zeros((2, 3), int)}, "b' has 2 frames and input 'x'"),
        ({"x": np.zeros((3, 4), int)}, "input 'b' is missing"),
        ({"x": np.zeros((3, 4), int), "z": np.zeros((3, 4), int)}, "expected .npy files of"),
        ({"x": np.zeros((3, 4, 2), int), "b": np.zeros((3, 3), int)}, r"shape \(3, 4, 2\)"),
        ({"x": np.zeros((3, 7), int), "b": np.zeros((3, 3), int)}, "7 elements, expected 4"),
        ({"x": np.array(["a"]), "b": np.zeros((3, 3), int)}, "elements of type <U1"),
    ],
)
def test_archives_that_do_not_fit_are_refused_at_once(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "in.npz", **arrays)
    with pytest.raises(FrameError, match=message):
        open_source(tmp_path / "in.npz", [X, B])


def test_a_value_that_does_not_fit_is_placed_in_the_whole_file(tmp_path: Path) -> None:
    values = np.zeros((1000, 4), int)
    values[777, 2] = 40000
    np.save(tmp_path / "in.npy", values)
    with pytest.raises(FrameError, match="frame 777, element 2: found 40000"):
        stream(tmp_path / "in.npy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n" * 600 + "1,2,3\n", "line 601: 3 numbers, expected 2"),
        ("1,2\n" * 600 + "1,z\n", "line 601: .*expected integers"),
        ("1,2\n\n1,2,3\n", "line 3: 3 numbers, expected 2"),
        ("a,b\n", "no frames"),
        ("", "no frames"),
        ("1" * 2_000_000, "a line of more than"),
    ],
)
def test_a_table_that_breaks_off_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(FrameError, match=message):
        stream(tmp_path / "in.csv")


@pytest.mark.parametrize(
    ("data", "place"), [(b"1,2\n\xff", 4), (b"1,2\n" * 30000 + b"1,\xe2\x82", 120002)]
)
def test_a_table_that_is_not_text_names_the_byte(tmp_path: Path, data: bytes, place: int) -> None:
    (tmp_path / "in.csv").write_bytes(data)
    with pytest.raises(FrameError, match=f"byte {place}: not text"):
        stream(tmp_path / "in.csv")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nothing.wav", "No such file"),
        (".", "found a folder"),
        ("generate:noise", "input style 'noise', expected one of sawtooth"),
    ],
)
def test_places_that_are_no_source_are_named(where: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(where, [X])


@pytest.mark.parametrize(
    "bad",
    [
        {"sample_rate": 0},
        {"raw_rate": -1},
        {"raw_channels": 0},
        {"block_frames": 0},
        {"n_frames": -1},
        {"seed": -1},
    ],
)
def test_options_that_cannot_be_meant_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SourceOptions(**bad)


def test_a_channel_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(9), 16000)
    with pytest.raises(UsageError, match=r"channel 1, expected mono-mix or a number in 0\.\.0"):
        open_source(tmp_path / "in.wav", [X], SourceOptions(channel=1))


@pytest.mark.fault
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_that_is_cut_short_while_it_is_read_is_an_error(tmp_path: Path, order: Any) -> None:
    path = tmp_path / "in.npy"
    np.save(path, np.zeros((5000, 4), np.int64, order=order))
    with open_source(path, [X]) as source:
        blocks = source.blocks()
        next(blocks)
        os.truncate(path, 12000)
        with pytest.raises(FrameError, match="ends in the middle of its data"):
            list(blocks)


@pytest.mark.fault
@pytest.mark.parametrize("suffix", ["wav", "npy", "csv"])
def test_a_file_that_vanishes_is_read_to_its_end(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in.{suffix}"
    if suffix == "wav":
        soundfile.write(path, np.zeros(400_000, np.int16), 16000)
    elif suffix == "npy":
        np.save(path, np.zeros((100_000, 4), np.int16))
    else:
        path.write_text("0,0,0,0\n" * 100_000)
    with open_source(path, [X]) as source:
        blocks = source.blocks()
        first = next(blocks).n_frames
        path.unlink()
        assert first + sum(frames.n_frames for frames in blocks) == 100_000


@pytest.mark.fault
def test_a_damaged_archive_is_an_error_when_that_part_is_reached(tmp_path: Path) -> None:
    path = tmp_path / "in.npz"
    noise = np.random.default_rng(0).integers(-99, 99, (40_000, 4))
    np.savez_compressed(path, x=noise)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(FrameError, match=r"not a usable \.npz file|x"):
        stream(path)


@pytest.mark.fault
def test_sound_that_is_not_a_number_is_placed(tmp_path: Path) -> None:
    sound = np.zeros(100_000)
    sound[77_777] = np.nan
    soundfile.write(tmp_path / "in.wav", sound, 16000, subtype="FLOAT")
    with pytest.raises(FrameError, match="sample 77777: found nan"):
        stream(tmp_path / "in.wav")


@pytest.mark.fault
def test_a_truncated_wav_file_gives_what_it_holds_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    soundfile.write(path, np.ones(1000, np.int16), 16000)
    os.truncate(path, 44 + 1000)
    streamed, notes = stream(path)
    assert streamed["x"].tolist() == load_inputs(path, [X]).frames["x"].tolist()
    assert "the file ends 1000 bytes before the length in its header" in notes


@settings(deadline=None)
@given(data=st.binary(max_size=300), suffix=st.sampled_from(["npy", "npz", "csv", "wav", "raw"]))
def test_any_bytes_are_frames_or_one_error(data: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"in.{suffix}"
        path.write_bytes(data)
        try:
            stream(path)
        except HostrtError as error:
            assert "\n" not in str(error)  # noqa: PT017  # most bytes are no error at all


@settings(deadline=None)
@given(data=st.data())
def test_a_damaged_header_is_frames_or_one_error(data: st.DataObject) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(40).reshape(10, 4))
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 127))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.npy"
        path.write_bytes(content)
        try:
            stream(path)
        except HostrtError as error:
            assert "\n" not in str(error)  # noqa: PT017  # some damage is none


@pytest.mark.fault
def test_a_flac_file_from_a_pipe_has_no_length_and_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.flac"
    soundfile.write(path, np.zeros(7000), 16000)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    for read in (open_source, load_inputs):
        with pytest.raises(FrameError, match="does not say how many samples it holds"):
            read(path, [X])


def test_latched_values_in_an_archive_and_apart_are_one_too_many(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.zeros((3, 4), int), p=np.array([1, 2]))
    with pytest.raises(FrameError, match="input 'p' is in the file and given separately"):
        open_source(tmp_path / "in.npz", [X, P], SourceOptions(latched={"p": [1]}))


def test_an_archive_of_latched_values_alone_is_no_source(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", p=np.array([1, 2]))
    with pytest.raises(FrameError, match="holds no input that changes"):
        open_source(tmp_path / "in.npz", [X, P])


@pytest.mark.fault
def test_a_damaged_archive_directory_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "in.npz").write_bytes(b"PK\3\4 and nothing more")
    with pytest.raises(FrameError, match=r"not a usable \.npz file"):
        open_source(tmp_path / "in.npz", [X])
