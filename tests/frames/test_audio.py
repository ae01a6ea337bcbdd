"""Audio files as frames."""

from __future__ import annotations

import importlib.util
import json
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import FrameError, StorageError, UsageError
from hostrt.frames.audio import (
    AudioInput,
    iter_audio_blocks,
    load_audio,
    probe_audio,
    save_wav,
    wav_bytes,
)

if TYPE_CHECKING:
    from hostrt.frames.samples import Channel

DATA = Path(__file__).parents[1] / "data"
SPU = DATA / "spu"
CASES: list[dict[str, Any]] = json.loads((SPU / "wav.json").read_text())["cases"]
CHIME = Path(__file__).parents[2] / "hostrt" / "docs" / "chime.wav"


def golden(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """The samples of a golden file in its own type, from the frames of length 4 (20 samples)."""
    case = next(c for c in CASES if c["file"] == f"wav/{name}" and c["length"] == 4)
    return np.array(case["cli_path"]["ok"]["values"], case["cli_path"]["ok"]["dtype"]).ravel()


def load(
    name: str, frame_length: int = 4, precision: int = 16, channel: Channel = "mono-mix"
) -> AudioInput:
    return load_audio(
        SPU / "wav" / name,
        sample_rate=16000,
        frame_length=frame_length,
        precision=precision,
        channel=channel,
    )


@pytest.mark.parametrize("case", [c for c in CASES if "mono16" in c["file"]])
def test_mono_16_bit_frames_are_those_of_the_reference_plus_the_last_partial_one(
    case: dict[str, Any],
) -> None:
    audio = load("mono16.wav", case["length"])
    expected = case["cli_path"]["ok"]["values"]
    assert audio.frames[: len(expected)].tolist() == expected
    assert len(audio.frames) == len(expected) + 1
    assert audio.padded_samples == -21 % case["length"]
    assert audio.notes == (f"last frame filled with {audio.padded_samples} zeros",)
    assert audio.frames.dtype == np.int16


def test_stereo_is_averaged_or_one_channel_is_chosen_instead_of_interleaved() -> None:
    pairs = golden("stereo16.wav").reshape(-1, 2)
    mixed = load("stereo16.wav")
    assert mixed.frames.ravel()[:20].tolist() == np.rint(pairs.mean(axis=1))[:20].tolist()
    assert mixed.notes[0] == "2 channels, averaged"
    for channel in (0, 1):
        chosen = load("stereo16.wav", channel=channel)
        assert chosen.frames.ravel()[:20].tolist() == pairs[:20, channel].tolist()


@pytest.mark.parametrize("name", ["mono32.wav", "stereo32.wav"])
def test_32_bit_samples_are_scaled_to_the_nearest_16_bit_value(name: str) -> None:
    expected = np.rint(golden(name).astype(float) / 65536)
    expected = expected[:: 2 if "stereo" in name else 1]
    got = load(name, channel=0).frames.ravel()[:20].astype(int)
    assert got.tolist() == expected[:20].tolist()


def test_the_helper_of_the_reference_truncates_where_we_round() -> None:
    case = next(c for c in CASES if c["file"] == "wav/stereo32.wav" and c["length"] == 4)
    truncated = np.array(case["wav_util"]["ok"]["values"])
    difference = load("stereo32.wav", channel=0).frames[:5] - truncated
    assert set(np.unique(difference)) <= {0, 1}


def test_8_bit_samples_are_centred() -> None:
    expected = (golden("mono_u8.wav").astype(int) - 128) * 256
    assert load("mono_u8.wav").frames.ravel()[:20].tolist() == expected.tolist()
    assert (
        load("mono_u8.wav", precision=8).frames.ravel()[:20].tolist() == (expected // 256).tolist()
    )


def test_float_samples_are_quantized_not_truncated_to_zero() -> None:
    expected = np.rint(golden("mono_float.wav").astype(float) * 32768)
    assert load("mono_float.wav").frames.ravel()[:20].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [
        ("wav", "PCM_16"),
        ("WAV", "PCM_24"),
        ("wav", "PCM_32"),
        ("flac", "PCM_16"),
        ("Flac", "PCM_24"),
    ],
)
def test_every_16_bit_value_is_exact_in_every_lossless_format(
    tmp_path: Path, suffix: str, subtype: str
) -> None:
    samples = np.arange(-32768, 32768, 3, dtype=np.int16)
    path = tmp_path / f"all.{suffix}"
    soundfile.write(path, samples, 8000, subtype=subtype, format=suffix.upper())
    audio = load_audio(str(path), sample_rate=8000, frame_length=len(samples))
    assert np.array_equal(audio.frames[0], samples)
    assert not audio.resampled
    assert audio.notes == ()
    assert audio.source.sample_format == subtype


def test_a_lossy_file_is_close_and_float_overshoot_is_counted(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(np.arange(8000) * 0.1)
    soundfile.write(tmp_path / "tone.ogg", tone, 16000)
    audio = load_audio(tmp_path / "tone.ogg", sample_rate=16000, frame_length=80)
    assert np.abs(audio.frames.ravel()[:8000] / 32768 - tone).max() < 0.05
    soundfile.write(tmp_path / "loud.wav", np.array([0.0, 1.5, -1.5]), 16000, subtype="FLOAT")
    loud = load_audio(tmp_path / "loud.wav", sample_rate=16000, frame_length=3)
    assert loud.frames.tolist() == [[0, 32767, -32768]]
    assert (loud.clipped, loud.notes) == (2, ("2 samples clipped",))


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_another_rate_is_resampled_to_the_same_tone(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate), rate, "DOUBLE")
    audio = load_audio(path, sample_rate=16000, frame_length=160)
    assert audio.resampled
    assert audio.notes[0] == f"resampled from {rate} Hz to 16000 Hz"
    assert audio.frames.shape == (100, 160)
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    inner = slice(500, -500)
    assert np.abs(audio.frames.ravel() / 32768 - wanted)[inner].max() < 2e-5


@pytest.mark.parametrize("rate", [16000, 48000])
def test_blocks_joined_are_the_whole_file(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(1).integers(-9999, 9999, 70001, np.int16), rate)
    whole = load_audio(path, sample_rate=16000, frame_length=100)
    blocks = list(iter_audio_blocks(path, sample_rate=16000, frame_length=100, frames_per_block=7))
    assert {len(block.frames) for block in blocks[:-1]} == {7}
    assert np.array_equal(np.concatenate([block.frames for block in blocks]), whole.frames)
    assert blocks[-1].padded_samples == whole.padded_samples > 0


def test_a_file_of_whole_blocks_ends_without_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "whole.wav"
    # several reads of the file end exactly where a block ends
    save_wav(path, np.zeros(1 << 17, int), 16000)
    blocks = iter_audio_blocks(
        path, sample_rate=16000, frame_length=1 << 10, frames_per_block=1 << 6
    )
    assert [len(block.frames) for block in blocks] == [64, 64]


def test_blocks_of_a_long_file_need_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(4_000_000, np.int16), 16000)
    tracemalloc.start()
    count = sum(
        len(block.frames) for block in iter_audio_blocks(path, sample_rate=16000, frame_length=256)
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 15625
    assert peak < 6_000_000


def test_files_that_are_not_audio_are_refused(tmp_path: Path) -> None:
    def attempt(path: Path, **more: Any) -> None:
        load_audio(path, **{"sample_rate": 16000, "frame_length": 4, **more})

    with pytest.raises(UsageError, match="found nothing, expected an audio file"):
        attempt(tmp_path / "none.wav")
    with pytest.raises(UsageError, match="found a folder"):
        attempt(tmp_path)
    (tmp_path / "bad.wav").write_bytes(b"RIFF and then nothing of use")
    with pytest.raises(FrameError, match="cannot be read as audio"):
        attempt(tmp_path / "bad.wav")
    (tmp_path / "zero.wav").write_bytes(b"")
    with pytest.raises(FrameError, match="cannot be read as audio"):
        attempt(tmp_path / "zero.wav")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.int16), 16000)
    with pytest.raises(FrameError, match="holds no samples"):
        attempt(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan]), 16000, subtype="FLOAT")
    with pytest.raises(FrameError, match="sample 1: found nan"):
        attempt(tmp_path / "nan.wav")
    with pytest.raises(UsageError, match=r"channel 1, expected mono-mix or a number in 0\.\.0"):
        attempt(CHIME, channel=1)
    with pytest.raises(UsageError, match="expected positive numbers"):
        attempt(CHIME, sample_rate=0)


@pytest.mark.fault
def test_a_compressed_file_that_breaks_off_is_not_half_a_result(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    noise = np.random.default_rng(2).integers(-9999, 9999, 200_000, np.int16)
    soundfile.write(path, noise, 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FrameError, match=r"cut\.flac"):
        load_audio(path, sample_rate=16000, frame_length=160)


@pytest.mark.fault
def test_a_wav_file_that_breaks_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(wav_bytes(np.arange(1000), 16000, 16)[:500])
    audio = load_audio(path, sample_rate=16000, frame_length=228)
    assert audio.frames.tolist() == [list(range(228))]
    assert audio.notes == ("the file ends 1544 bytes before the length in its header",)


def test_a_wav_file_from_a_pipe_has_no_length_in_its_header(tmp_path: Path) -> None:
    content = bytearray(wav_bytes(np.arange(100), 16000, 16))
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "pipe.wav").write_bytes(content)
    audio = load_audio(tmp_path / "pipe.wav", sample_rate=16000, frame_length=100)
    assert audio.frames.tolist() == [list(range(100))]
    assert audio.notes == ()


@pytest.mark.parametrize("precision", [8, 16])
def test_saved_samples_are_loaded_bit_for_bit(tmp_path: Path, precision: int) -> None:
    half = 1 << (precision - 1)
    values = np.linspace(-half, half - 1, 64).astype(int).reshape(8, 8)
    save_wav(tmp_path / "out.wav", values, 16000, precision)
    audio = load_audio(tmp_path / "out.wav", sample_rate=16000, frame_length=8, precision=precision)
    assert audio.frames.tolist() == values.tolist()


def test_samples_that_do_not_fit_are_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    with pytest.raises(FrameError, match=r"expected -128\.\.127"):
        save_wav(path, [[128]], 16000, 8)
    with pytest.raises(FrameError, match="float64, expected integers"):
        save_wav(path, [[0.5]], 16000)
    with pytest.raises(UsageError, match="12 bits"):
        save_wav(path, [[1]], 16000, 12)
    with pytest.raises(StorageError, match="cannot write"):
        save_wav(tmp_path / "no" / "out.wav", [[1]], 16000)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=40), st.integers(1, 9))
def test_frames_hold_every_sample_in_order_and_then_zeros(
    tmp_path_factory: pytest.TempPathFactory, samples: list[int], frame_length: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "in.wav"
    path.write_bytes(wav_bytes(samples, 16000, 16))
    audio = load_audio(path, sample_rate=16000, frame_length=frame_length)
    assert audio.padded_samples < frame_length
    assert audio.frames.ravel().tolist() == samples + [0] * audio.padded_samples


def test_the_chime_that_ships_is_what_its_script_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_chime", DATA / "make_chime.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    audio = load_audio(CHIME, sample_rate=16000, frame_length=32000)
    facts = probe_audio(CHIME)
    assert (facts.channels, facts.sample_format, facts.duration_s) == (1, "PCM_16", 2.0)
    # one unit of slack: sine and exponential may differ in the last bit between C libraries
    assert np.abs(audio.frames[0].astype(int) - module.chime()).max() <= 1
    assert audio.clipped == 0
