"""Microphone and loudspeaker, on a stand-in for the sound devices."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt.errors import ExtraMissing, FrameError, LinkLost, LinkTimeout, UsageError
from hostrt.frames.frames import VectorSpec
from hostrt.frames.stream_sink import open_sink
from hostrt.frames.stream_source import SourceOptions, open_source
from tests.frames.sound_stand_in import Sound

if TYPE_CHECKING:
    from hostrt.frames.live_audio import SpeakerSink
    from tests.frames.sound_stand_in import Stream

X = VectorSpec("x", 160, 160, 16)
P = VectorSpec("p", 1, 1, 16, is_latched=True)
Y = VectorSpec("y", 100, 100, 16)


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> Sound:
    """The stand-in, in the place of the package."""
    module = Sound()
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def ticking(stream: Stream, count: int) -> threading.Thread:
    """Let a device call back from now on, as soon as it runs."""
    thread = threading.Thread(target=stream.tick, args=[count], daemon=True)
    thread.start()
    return thread


def record(sound: Sound, options: SourceOptions, *, specs: Any = (X,)) -> list[Any]:
    with open_source("mic", specs, options) as source:
        assert source.is_live
        thread = ticking(sound.streams[-1], options.n_frames or 0)
        blocks = list(source.blocks())
        thread.join(10)
    assert sound.streams[-1].is_closed
    return blocks


def test_a_microphone_gives_what_it_hears_frame_by_frame(sound: Sound) -> None:
    options = SourceOptions(n_frames=5, latched={"p": [3]})

    blocks = record(sound, options, specs=(X, P))

    rows = np.concatenate([frames["x"] for frames in blocks])
    assert rows.tolist() == [[number] * 160 for number in range(5)]
    assert blocks[0]["p"].tolist() == [[3]]
    assert sound.streams[0].settings["blocksize"] == 160
    assert sound.streams[0].settings["samplerate"] == 16000


def test_a_frame_comes_with_its_last_sample(sound: Sound) -> None:
    with open_source("mic:desk", [X]) as source:
        stream, blocks = sound.streams[0], source.blocks()
        assert not stream.active
        for number in range(3):
            thread = ticking(stream, 1)
            assert next(blocks)["x"].tolist() == [[number] * 160]
            thread.join(10)


def test_one_channel_of_several_is_chosen(sound: Sound) -> None:
    rows = record(sound, SourceOptions(n_frames=2, channel=1))[1]["x"]
    assert rows.tolist() == [[2] * 160]
    assert sound.streams[0].settings["channels"] == 2


def test_several_frames_may_come_at_a_time(sound: Sound) -> None:
    blocks = record(sound, SourceOptions(n_frames=4, block_frames=4))
    assert [frames.n_frames for frames in blocks] == [4]
    assert sound.streams[0].settings["blocksize"] == 640


def test_a_device_without_the_rate_is_read_at_its_own_and_resampled(sound: Sound) -> None:
    sound.made = lambda number, size: (
        0.5 * np.sin(2 * np.pi * 500 * (number * size + np.arange(size)) / 48000)
    )
    sound.rates = {48000}
    with open_source("mic", [X], SourceOptions(n_frames=60)) as source:
        thread = ticking(sound.streams[0], 10_000)
        blocks = [frames["x"] for frames in source.blocks()]
        assert source.notes[0] == "resampled from 48000 Hz to 16000 Hz"
    thread.join(10)
    # what was lost in between is whole periods
    heard = np.concatenate(blocks).ravel()[1600:] / 32768
    assert np.std(heard) == pytest.approx(0.5 / 2**0.5, rel=0.02)


def test_what_nobody_takes_is_lost_oldest_first_and_counted(sound: Sound) -> None:
    with open_source("mic", [X]) as source:
        blocks = source.blocks()
        thread = ticking(sound.streams[0], 1)
        assert next(blocks)["x"][0, 0] == 0
        thread.join(10)
        # a quarter of a second waits: 25 frames
        sound.streams[0].tick(40)
        assert source.overflows == 15
        assert next(blocks)["x"][0, 0] == 16
        sound.flags.input_overflow = True
        sound.streams[0].tick()
        assert source.overflows == 16
        assert "input was lost 16 times" in source.notes


def test_closing_ends_a_read_that_waits(sound: Sound) -> None:
    source = open_source("mic", [X])
    closer = threading.Timer(0.05, source.close)
    closer.start()
    assert list(source.blocks()) == []
    closer.join(10)
    assert sound.streams[0].is_closed


@pytest.mark.fault
def test_a_microphone_that_is_pulled_out_is_an_error(sound: Sound) -> None:
    with open_source("mic", [X]) as source:
        blocks = source.blocks()
        thread = ticking(sound.streams[0], 1)
        next(blocks)
        thread.join(10)
        sound.streams[0].unplug()
        with pytest.raises(LinkLost, match=r"microphone Desk.*: stopped"):
            next(blocks)
    assert sound.streams[0].is_closed


@pytest.mark.fault
def test_a_microphone_that_says_nothing_is_an_error(
    sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostrt.frames.sound_device._SILENT_S", 0.05)
    with open_source("mic", [X]) as source, pytest.raises(LinkTimeout, match="nothing happened"):
        list(source.blocks())
    assert sound.streams[0].is_closed


@pytest.mark.fault
def test_samples_that_are_not_numbers_are_placed(sound: Sound) -> None:
    sound.made = lambda number, size: np.full(size, np.nan if number == 2 else 0.0)
    with pytest.raises(FrameError, match="sample 320: found nan"):
        record(sound, SourceOptions(n_frames=3))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("mic:kitchen", r"microphone 'kitchen': No input .*; there are: 0 Desk: USB \(hw:1,0\)"),
        ("mic:1", "microphone '1': No input device matching 1; there are: 0 Desk"),
        ("speaker:desk", "loudspeaker 'desk': No output .*; there are: 1 Box"),
    ],
)
def test_a_device_that_is_not_there_is_answered_with_those_that_are(
    sound: Sound, where: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        open_live(where)
    assert raised.value.hint.endswith(":NUMBER or :NAME chooses one")
    assert sound.streams == []


def open_live(where: str) -> object:
    if where.startswith("mic"):
        return open_source(where, [X])
    return open_sink(where, {"y": Y}, 16000)


@pytest.mark.parametrize("where", ["mic", "speaker"])
def test_a_computer_without_devices_is_told_so(sound: Sound, where: str) -> None:
    sound.devices = []
    with pytest.raises(UsageError, match=r"of the system: .*; this computer has none"):
        open_live(where)


@pytest.mark.parametrize("where", ["mic", "speaker"])
def test_a_device_that_is_busy_is_told_so(sound: Sound, where: str) -> None:
    sound.is_busy = True
    with pytest.raises(UsageError, match="cannot be opened: Error opening stream: Device unavail"):
        open_live(where)


@pytest.mark.parametrize("channel", [2, -1])
def test_a_channel_that_is_not_there_is_refused(sound: Sound, channel: int) -> None:
    with pytest.raises(UsageError, match=rf"channel {channel}, expected .* 0\.\.1"):
        open_source("mic", [X], SourceOptions(channel=channel))
    assert sound.streams == []


@pytest.mark.parametrize("where", ["mic", "speaker"])
def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ExtraMissing, match="need the package sounddevice") as raised:
        open_live(where)
    assert raised.value.hint == "pip install 'hostrt[live]'"


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ExtraMissing, match="need PortAudio: PortAudio library not found"):
        open_live("mic")


def speaker(sound: Sound, *, spec: VectorSpec = Y, rate: int = 16000) -> tuple[SpeakerSink, Stream]:
    sink: Any = open_sink("speaker", {"y": spec}, rate)
    return sink, sound.streams[-1]


def close_and_play(sink: SpeakerSink, stream: Stream) -> None:
    """Close while the device goes on asking."""
    thread = threading.Thread(target=sink.close)
    thread.start()
    while thread.is_alive():
        if stream.active and sink._n_waiting:
            stream.tick()
        thread.join(0.001)


@pytest.mark.parametrize("precision", [8, 16, 24])
def test_a_loudspeaker_plays_every_sample(sound: Sound, precision: int) -> None:
    spec = VectorSpec("y", 100, 100, precision)
    low, high = spec.limits
    rows = np.random.default_rng(0).integers(low, high, (30, 100)).astype(spec.dtype)
    sink, stream = speaker(sound, spec=spec)

    for row in rows:
        sink.write({"y": row[np.newaxis]})
    close_and_play(sink, stream)

    assert np.array_equal(np.concatenate(sound.played) >> (32 - precision), rows.ravel())
    assert sink.underflows == 0
    assert stream.is_closed


def test_a_loudspeaker_begins_when_50_ms_wait(sound: Sound) -> None:
    sink, stream = speaker(sound)
    for _ in range(7):
        sink.write({"y": np.ones((1, 100), np.int16)})
    assert not stream.active
    sink.write({"y": np.ones((1, 100), np.int16)})
    assert stream.active
    sink.close(interrupted=True)
    assert stream.was_aborted


def test_a_loudspeaker_holds_up_whoever_is_too_fast(sound: Sound) -> None:
    sink, stream = speaker(sound)
    written = []

    def write() -> None:
        for number in range(60):
            sink.write({"y": np.ones((1, 100), np.int16)})
            written.append(number)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    assert stream.started.wait(10)
    thread.join(0.05)
    # a quarter of a second waits: 40 frames
    assert len(written) == 40
    stream.tick(20)
    thread.join(10)
    assert len(written) == 60
    sink.close(interrupted=True)


def test_silence_for_want_of_samples_is_counted(sound: Sound) -> None:
    sink, stream = speaker(sound)
    sink.write({"y": np.ones((8, 100), np.int16)})
    stream.tick(9)
    assert sink.underflows == 1
    assert not sound.played[-1].any()
    sink.write({"y": np.ones((1, 100), np.int16)})
    sound.flags.output_underflow = True
    stream.tick()
    assert sink.underflows == 2
    sink.close()
    assert stream.is_closed
    sink.close()


def test_a_few_samples_are_played_at_the_end(sound: Sound) -> None:
    sink, stream = speaker(sound)
    sink.write({"y": np.full((1, 100), 7, np.int16)})
    assert not stream.active
    close_and_play(sink, stream)
    assert (np.concatenate(sound.played) >> 16).tolist() == [7] * 100


def test_nothing_to_play_never_starts_the_device(sound: Sound) -> None:
    sink, stream = speaker(sound)
    sink.close()
    assert not stream.started.is_set()
    assert stream.is_closed


def test_a_loudspeaker_without_the_rate_gets_its_own(sound: Sound) -> None:
    sound.rates = {48000}
    sink, stream = speaker(sound, rate=16000)
    tone = np.rint(9000 * np.sin(2 * np.pi * 500 * np.arange(3000) / 16000)).astype(np.int16)
    assert stream.settings["samplerate"] == 48000
    for row in tone.reshape(-1, 100):
        sink.write({"y": row[np.newaxis]})
    close_and_play(sink, stream)
    heard = np.concatenate(sound.played)[1500:7500] / 65536
    assert len(np.concatenate(sound.played)) == 9000
    assert np.std(heard) == pytest.approx(9000 / 2**0.5, rel=0.02)


@pytest.mark.fault
def test_a_loudspeaker_that_is_pulled_out_is_an_error(sound: Sound) -> None:
    sink, stream = speaker(sound)
    sink.write({"y": np.ones((40, 100), np.int16)})
    stream.unplug()
    with pytest.raises(LinkLost, match="loudspeaker Box: stopped"):
        sink.write({"y": np.ones((1, 100), np.int16)})
    sink.close()
    assert stream.is_closed


@pytest.mark.fault
def test_a_microphone_that_does_not_start_is_an_error(sound: Sound) -> None:
    sound.starts = False
    source = open_source("mic", [X])
    with pytest.raises(UsageError, match="cannot be started: Error starting stream"):
        next(source.blocks())
    assert sound.streams[0].is_closed


@pytest.mark.fault
def test_a_loudspeaker_that_does_not_start_is_an_error(sound: Sound) -> None:
    sound.starts = False
    sink, stream = speaker(sound)
    with pytest.raises(UsageError, match="cannot be started: Error starting stream"):
        sink.write({"y": np.ones((40, 100), np.int16)})
    sink.close(interrupted=True)
    assert stream.is_closed


def test_a_loudspeaker_needs_a_rate(sound: Sound) -> None:
    with pytest.raises(UsageError, match="speaker: no sample rate"):
        open_sink("speaker", {"y": Y})
    assert sound.streams == []
