"""Sound through pipes: raw samples and WAV without a length."""

from __future__ import annotations

import io
import os
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import FrameError, HostrtError, UsageError
from hostrt.frames.pcm import ENCODINGS, PcmDecoder, PcmFormat, decode_samples
from hostrt.frames.pcm_source import PcmSource
from hostrt.frames.sources import load_inputs
from hostrt.frames.stream_source import SourceOptions, open_source
from tests.frames.read_all import B, X, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

SUBTYPES = ["PCM_16", "PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]


def wav(sound: NDArray[np.float64], rate: int, subtype: str, *, kind: str = "WAV") -> bytes:
    """A WAV file's bytes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def piped(
    write: Callable[[int], None], options: SourceOptions | None = None
) -> tuple[NDArray[np.signedinteger], tuple[str, ...]]:
    """Frames of a pipe that `write` fills from another thread and closes."""
    reading, writing = os.pipe()

    def run() -> None:
        write(writing)
        os.close(writing)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with PcmSource("pipe", reading, [X], options or SourceOptions(), is_owned=True) as source:
            rows = [frames["x"] for frames in source.blocks()]
            return np.concatenate([np.zeros((0, 6), np.int16), *rows]), source.notes
    finally:
        thread.join(10)


def in_pieces(data: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    while data:
        size = next(sizes)
        yield data[:size]
        data = data[size:]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_wav_file_decodes_alike_whole_and_in_pieces(data: st.DataObject) -> None:
    channels = data.draw(st.integers(1, 3))
    subtype = data.draw(st.sampled_from(SUBTYPES))
    kind = data.draw(st.sampled_from(["WAV", "WAVEX"]))
    sound = np.random.default_rng(1).uniform(-1, 1, (data.draw(st.integers(1, 200)), channels))
    content = wav(sound, 8000, subtype, kind=kind)
    sizes = data.draw(st.lists(st.integers(1, 50), min_size=1, max_size=9))

    decoder = PcmDecoder("pipe", PcmFormat("s16le", 16000, 1))
    cycle = (sizes[i % len(sizes)] for i in range(len(content)))
    samples = [decoder.feed(piece) for piece in in_pieces(content, cycle)]
    samples.append(decoder.finish())

    expected, _ = soundfile.read(io.BytesIO(content), always_2d=True)
    assert np.array_equal(np.concatenate([part for part in samples if len(part)]), expected)
    assert decoder.format is not None
    assert (decoder.format.rate, decoder.format.channels) == (8000, channels)
    assert (decoder.missing_bytes, decoder.left_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("u8", b"\x00\x80\xff", [-1, 0, 127 / 128]),
        ("s8", b"\x80\x00\x7f", [-1, 0, 127 / 128]),
        ("s16le", b"\x00\x80\x01\x00", [-1, 2**-15]),
        ("s24le", b"\x00\x00\x80\x01\x00\x00", [-1, 2**-23]),
        ("s32le", b"\x00\x00\x00\x80\x01\x00\x00\x00", [-1, 2**-31]),
        ("f32le", b"\x00\x00\x80\x3f", [1.0]),
        ("f64le", b"\x00\x00\x00\x00\x00\x00\xf0\x3f", [1.0]),
    ],
)
def test_each_encoding_is_scaled_exactly(encoding: str, data: bytes, expected: list[float]) -> None:
    assert decode_samples(data, encoding).tolist() == expected
    size = PcmFormat(encoding, 1, 1).sample_bytes
    assert size * len(expected) == len(data)


@settings(deadline=None)
@given(data=st.binary(max_size=200), head=st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"RIFF"]))
def test_any_bytes_are_samples_or_one_error(data: bytes, head: bytes) -> None:
    decoder = PcmDecoder("pipe", PcmFormat("s16le", 16000, 1))
    try:
        count = len(decoder.feed(head + data)) + len(decoder.finish())
    except FrameError:
        return
    assert count <= (len(head) + len(data))


@settings(max_examples=30, deadline=None)
@given(
    n_samples=st.integers(1, 2000),
    rate=st.sampled_from([8000, 16000, 44100]),
    subtype=st.sampled_from(SUBTYPES),
    channels=st.integers(1, 2),
)
def test_a_wav_through_a_pipe_gives_the_frames_of_the_file(
    n_samples: int, rate: int, subtype: str, channels: int
) -> None:
    sound = np.random.default_rng(n_samples).uniform(-1, 1, (n_samples, channels))
    content = wav(sound, rate, subtype)

    found, notes = piped(lambda pipe: write_all(pipe, content))

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in.wav").write_bytes(content)
        loaded = load_inputs(Path(folder) / "in.wav", [X])
    assert np.array_equal(found, loaded.frames["x"])
    assert notes == loaded.notes


def write_all(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


@pytest.mark.parametrize("length", [0, 0x7FFF_F000, 0xFFFF_FFFF])
def test_a_wav_whose_length_is_not_known_goes_on_to_the_end_of_the_pipe(length: int) -> None:
    samples = np.arange(40, dtype="<i2")
    head = struct.pack("<4sI8sIHHIIHH", b"RIFF", 0, b"WAVEfmt ", 16, 1, 1, 16000, 32000, 2, 16)
    content = head + struct.pack("<4sI", b"data", length) + samples.tobytes()

    found, notes = piped(lambda pipe: write_all(pipe, content))

    assert found[:, :4].ravel().tolist() == samples.tolist()
    assert notes == ()


def test_what_follows_the_samples_of_a_wav_is_not_sound() -> None:
    content = wav(np.full(8, 0.5), 16000, "PCM_16") + b"LIST\x04\0\0\0abcd"
    found, _ = piped(lambda pipe: write_all(pipe, content))
    assert found[:, :4].ravel().tolist() == [16384] * 8


def test_raw_samples_are_read_as_told_and_the_last_frame_is_filled() -> None:
    options = SourceOptions(pcm="s16le", raw_channels=2, channel=1)

    found, notes = piped(
        lambda pipe: write_all(pipe, np.arange(14, dtype="<i2").tobytes() + b"\1"), options
    )

    assert found[:, :4].ravel().tolist() == [1, 3, 5, 7, 9, 11, 13, 0]
    assert notes == (
        "2 channels, only number 1 used",
        "1 bytes of a partial sample left out",
        "last frame filled with 1 zeros",
    )


def test_raw_samples_of_another_rate_are_resampled() -> None:
    data = (np.sin(np.arange(4000) / 20) * 9999).astype("<i2").tobytes()
    found, notes = piped(lambda pipe: write_all(pipe, data), SourceOptions(raw_rate=8000))
    assert len(found) == 2000
    assert notes == ("resampled from 8000 Hz to 16000 Hz",)


def test_frames_come_as_soon_as_their_samples_do() -> None:
    reading, writing = os.pipe()
    with PcmSource("pipe", reading, [X], SourceOptions(), is_owned=True) as source:
        blocks = source.blocks()
        for value in range(3):
            os.write(writing, np.full(4, value, "<i2").tobytes())
            assert next(blocks)["x"][:, :4].tolist() == [[value] * 4]
        os.close(writing)
        assert list(blocks) == []


def test_closing_from_another_thread_ends_a_read_that_waits() -> None:
    reading, writing = os.pipe()
    source = PcmSource("pipe", reading, [X], SourceOptions(), is_owned=True)
    closer = threading.Timer(0.05, source.close)
    began = time.monotonic()
    closer.start()
    assert list(source.blocks()) == []
    assert time.monotonic() - began < 5
    closer.join()
    os.close(writing)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "pipe: ended without a sample"),
        (b"\1", "pipe: ended without a sample"),
        (b"fLaC....", "found FLAC, expected raw samples or WAV"),
        (b"RIFX....", "found big-endian WAV"),
        (b"RIFF\0\0\0\0WAVEfmt ", "ended inside a WAV header"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "without a format"),
        (b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff", "WAV header of more than"),
        (b"RIFF\0\0\0\0WAVEfmt \4\0\0\0\0\0\0\0", "WAV format of 4 bytes"),
        (wav(np.zeros(9), 8000, "ULAW"), "WAV of kind 7 with 8 bits"),
        (np.array([0, np.nan], "<f4").tobytes(), "sample 1: found nan"),
    ],
)
def test_what_is_no_sound_is_said(content: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        piped(lambda pipe: write_all(pipe, content), SourceOptions(pcm="f32le"))


@pytest.mark.fault
def test_a_pipe_that_breaks_off_gives_what_came_and_says_so() -> None:
    content = wav(np.zeros(100), 16000, "PCM_16")[:-20]
    found, notes = piped(lambda pipe: write_all(pipe, content))
    assert len(found) == 23
    assert "the data ended 20 bytes before the length in its header" in notes


@pytest.mark.fault
def test_a_descriptor_that_is_gone_is_an_error() -> None:
    reading, writing = os.pipe()
    source = PcmSource("pipe", reading, [X], SourceOptions())
    os.close(reading)
    os.close(writing)
    with pytest.raises(UsageError, match="pipe: cannot be read"):
        list(source.blocks())


def test_bad_ways_to_read_a_pipe_are_refused_at_once() -> None:
    reading, writing = os.pipe()
    with pytest.raises(UsageError, match="a pipe cannot begin again"):
        PcmSource("pipe", reading, [X], SourceOptions(loop=True))
    with pytest.raises(UsageError, match="samples 'mp3', expected one of u8, s8"):
        PcmSource("pipe", reading, [X], SourceOptions(pcm="mp3"))
    with pytest.raises(FrameError, match="the model's inputs that change are x, b"):
        PcmSource("pipe", reading, [X, B], SourceOptions())
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_without_a_header_is_read_and_repeated(tmp_path: Path, encoding: str) -> None:
    one = {"u8": b"\xc0", "s8": b"\x40", "s16le": b"\0\x40", "s24le": b"\0\0\x40"}
    data = one.get(encoding) or struct.pack(
        {"s32le": "<i", "f32le": "<f", "f64le": "<d"}[encoding],
        1 << 30 if encoding == "s32le" else 0.5,
    )
    (tmp_path / "in.raw").write_bytes(data * 7)

    options = SourceOptions(pcm=encoding, loop=True, n_frames=7)
    streamed, notes = stream(tmp_path / "in.raw", options=options)

    assert streamed["x"][:, :4].ravel().tolist() == [16384] * 28
    assert notes == ()


def test_a_named_pipe_is_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    data = np.arange(8, dtype="<i2").tobytes()
    with open_source(path, [X]) as source:
        writer = threading.Timer(0.05, path.write_bytes, [data])
        writer.start()
        rows = np.concatenate([frames["x"] for frames in source.blocks()])
        writer.join()
    assert rows[:, :4].ravel().tolist() == list(range(8))


def test_an_unknown_way_to_read_a_file_closes_it_again(tmp_path: Path) -> None:
    (tmp_path / "in.raw").write_bytes(b"")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(HostrtError):
        open_source(tmp_path / "in.raw", [X], SourceOptions(pcm="mp3"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


SCRIPT = """
from hostrt.frames.frames import VectorSpec
from hostrt.frames.stream_source import open_source
with open_source("-", [VectorSpec("x", 4, 4, 16)]) as source:
    for frames in source.blocks():
        print(*frames["x"].ravel())
"""


@pytest.mark.parametrize("is_pipe", [True, False])
def test_standard_input_is_a_pipe_or_a_file(tmp_path: Path, is_pipe: bool) -> None:
    data = np.arange(4, dtype="<i2").tobytes()
    (tmp_path / "in").write_bytes(data)
    command = [sys.executable, "-c", SCRIPT]

    if is_pipe:
        done = subprocess.run(command, input=data, capture_output=True, timeout=30, check=True)
    else:
        with (tmp_path / "in").open("rb") as file:
            done = subprocess.run(command, stdin=file, capture_output=True, timeout=30, check=True)

    assert done.stdout == b"0 1 2 3\n"


def test_a_closed_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="standard input: is closed"):
        open_source("-", [X])


def test_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with pytest.raises(UsageError, match="standard input: is a terminal"):
            open_source("-", [X])
    os.close(ours)
