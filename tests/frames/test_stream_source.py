"""Sources of frames: files of every kind give what loading them whole gives."""

from __future__ import annotations

import tempfile
import threading
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import FrameError, HostrtError
from hostrt.frames.frames import VectorSpec
from hostrt.frames.generate import generate_inputs
from hostrt.frames.sources import load_inputs
from hostrt.frames.stream_source import SourceOptions, open_source
from tests.frames.read_all import B, P, X, stream

if TYPE_CHECKING:
    from hostrt.frames.samples import Channel


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_sound_gives_the_frames_that_loading_it_gives(data: st.DataObject) -> None:
    n_samples = data.draw(st.integers(1, 3000))
    channels = data.draw(st.integers(1, 3))
    rate = data.draw(st.sampled_from([8000, 16000, 22050, 48000]))
    length = data.draw(st.integers(1, 300))
    precision = data.draw(st.sampled_from([8, 16]))
    channel: Channel = data.draw(st.sampled_from(["mono-mix", 0, channels - 1]))
    kind, subtype = data.draw(
        st.sampled_from(
            [("wav", "PCM_16"), ("wav", "PCM_U8"), ("wav", "FLOAT"), ("flac", "PCM_24")]
        )
    )
    seed = data.draw(st.integers(0, 99))
    sound = np.random.default_rng(seed).normal(0, 0.5, (n_samples, channels))
    spec = VectorSpec("x", length, length + 1, precision)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"in.{kind}"
        soundfile.write(path, sound, rate, subtype=subtype)

        loaded = load_inputs(path, [spec], channel=channel)
        streamed, notes = stream(path, [spec], SourceOptions(channel=channel))

    whole = streamed.get("x", np.zeros((0, length + 1)))
    assert np.array_equal(whole, loaded.frames["x"])
    assert notes == loaded.notes


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_arrays_and_tables_give_the_frames_that_loading_them_gives(data: st.DataObject) -> None:
    n_rows = data.draw(st.sampled_from([0, 1, 5, 255, 256, 257, 700]))
    shape = data.draw(st.sampled_from([(n_rows, 4), (n_rows, 6), (n_rows, 1), (n_rows * 4 + 3,)]))
    dtype = data.draw(st.sampled_from(["i1", "<i2", ">i4", "<f8", "u1"]))
    order: Literal["C", "F"] = data.draw(st.sampled_from(("C", "F")))
    values = (
        np.random.default_rng(n_rows).integers(0, 100, shape).astype(np.dtype(dtype), order=order)
    )
    suffix = data.draw(st.sampled_from(["npy", "npz", "csv"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"in.{suffix}"
        if suffix == "npy":
            np.save(path, values)
        elif suffix == "npz":
            data.draw(st.sampled_from([np.savez, np.savez_compressed]))(path, x=values)
        else:
            np.savetxt(path, values, fmt="%d", delimiter=",", header="a,b", comments="")

        try:
            loaded = load_inputs(path, [X])
        except HostrtError as expected:
            with pytest.raises(type(expected)):
                stream(path)
            return
        streamed, notes = stream(path)

    assert np.array_equal(streamed.get("x", np.zeros((0, 6))), loaded.frames["x"])
    assert notes == loaded.notes


def test_an_archive_holds_every_input_latched_ones_too(tmp_path: Path) -> None:
    rows = np.arange(1200).reshape(300, 4)
    np.savez_compressed(tmp_path / "in.npz", x=rows, b=rows[:, :3] % 100, p=np.array([7, 8]))

    streamed, _ = stream(tmp_path / "in.npz", [X, P, B])

    loaded = load_inputs(tmp_path / "in.npz", [X, P, B]).frames
    assert {name: rows.tolist() for name, rows in streamed.items()} == {
        name: rows.tolist() for name, rows in loaded.items()
    }
    assert streamed["p"].tolist() == [[7, 8, 0, 0]]


def test_a_latched_input_that_changes_comes_with_every_frame(tmp_path: Path) -> None:
    values = np.arange(600).reshape(300, 2)
    np.savez(tmp_path / "in.npz", x=np.zeros((300, 4), int), p=values)

    streamed, _ = stream(tmp_path / "in.npz", [X, P])

    assert streamed["p"][:, :2].tolist() == values.tolist()


def test_latched_values_given_apart_come_with_the_first_block_only(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((600, 4), int))

    streamed, _ = stream(tmp_path / "in.npy", [X, P], SourceOptions(latched={"p": [1, 2]}))

    assert streamed["p"].tolist() == [[1, 2, 0, 0]]
    assert len(streamed["x"]) == 600


@settings(deadline=None)
@given(ends=st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=1, max_size=40))
def test_lines_may_end_as_they_like(ends: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(
            "".join(f"{n},{'0' * 5000},1,2{end}" for n, end in enumerate(ends)).encode("utf-8-sig")
        )
        streamed, _ = stream(path)
        assert streamed["x"].tolist() == load_inputs(path, [X]).frames["x"].tolist()


def test_rounds_of_sound_follow_each_other_sample_by_sample(tmp_path: Path) -> None:
    samples = np.arange(10, dtype=np.int16)
    soundfile.write(tmp_path / "in.wav", samples, 16000)

    streamed, notes = stream(tmp_path / "in.wav", options=SourceOptions(loop=True, n_frames=700))

    assert streamed["x"][:, :4].ravel().tolist() == np.resize(samples, 2800).tolist()
    assert notes == ()


def test_rounds_of_sound_at_another_rate_have_no_seam(tmp_path: Path) -> None:
    """A whole number of periods repeated is an endless tone: nothing is heard at the seams."""
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(4800) / 48000)
    soundfile.write(tmp_path / "in.wav", tone, 48000, subtype="FLOAT")

    streamed, _ = stream(tmp_path / "in.wav", options=SourceOptions(loop=True, n_frames=2000))

    sound = streamed["x"][:, :4].ravel()[400:] / 32768
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(400, 8000) / 16000)
    assert np.abs(sound - expected).max() < 1e-3


@pytest.mark.parametrize("order", ["C", "F"])
def test_rounds_of_arrays_repeat_their_rows(tmp_path: Path, order: Any) -> None:
    rows = np.arange(12).reshape(3, 4)
    np.save(tmp_path / "in.npy", np.asarray(rows, order=order))
    np.savez(tmp_path / "in.npz", x=np.asarray(rows, order=order))
    np.savetxt(tmp_path / "in.csv", rows, fmt="%d", delimiter=",")
    for name in ("in.npy", "in.npz", "in.csv"):
        streamed, _ = stream(tmp_path / name, options=SourceOptions(loop=True, n_frames=500))
        assert streamed["x"][:, :4].tolist() == np.resize(rows, (500, 4)).tolist()


def test_rounds_of_flat_samples_are_not_padded_in_between(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.arange(7))

    streamed, notes = stream(tmp_path / "in.npy", options=SourceOptions(loop=True, n_frames=7))

    assert streamed["x"][:, :4].ravel().tolist() == list(range(7)) * 4
    assert notes == ()


@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_nothing_cannot_be_repeated(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in.{suffix}"
    np.save(path, np.zeros((0, 4), int)) if suffix == "npy" else path.write_text("head\n")
    with pytest.raises(FrameError):
        stream(path, options=SourceOptions(loop=True))


def test_a_limit_ends_a_source_and_may_lie_beyond_its_end(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((600, 4), int))
    for limit, expected in ((0, 0), (1, 1), (256, 256), (257, 257), (601, 600)):
        streamed, _ = stream(tmp_path / "in.npy", options=SourceOptions(n_frames=limit))
        assert len(streamed.get("x", ())) == expected


@pytest.mark.parametrize("style", ["sawtooth", "random", "sine"])
@pytest.mark.parametrize("specs", [[X], [X, P, B], [P, B]])
def test_generated_frames_are_those_of_generate_inputs(style: str, specs: list[VectorSpec]) -> None:
    options = SourceOptions(n_frames=600, seed=3)

    streamed, _ = stream(f"generate:{style}", specs, options)

    expected = generate_inputs(specs, 600, style=style, seed=3)
    assert {name: rows.tolist() for name, rows in streamed.items()} == {
        name: rows.tolist() for name, rows in expected.items()
    }


@pytest.mark.parametrize("style", ["sawtooth", "random"])
def test_generated_frames_without_end_begin_like_those_with_one(style: str) -> None:
    with open_source(f"generate:{style}", [X]) as source:
        blocks = source.blocks()
        rows = np.concatenate([next(blocks)["x"] for _ in range(3)])
        assert source.n_frames is None
    assert rows.tolist() == generate_inputs([X], len(rows), style=style)["x"].tolist()


def test_given_values_stand_before_generated_ones() -> None:
    options = SourceOptions(n_frames=2, latched={"p": [5, 6]})
    streamed, _ = stream("generate:random", [X, P], options)
    assert streamed["p"].tolist() == [[5, 6, 0, 0]]


@pytest.mark.parametrize("kind", ["wav", "npy", "npz", "csv", "generate"])
def test_memory_does_not_grow_with_the_length(tmp_path: Path, kind: str) -> None:
    def peak(n_frames: int) -> int:
        path: str | Path = tmp_path / f"{n_frames}.{kind}"
        zeros = np.zeros((n_frames, 64), np.int16)
        if kind == "wav":
            soundfile.write(path, zeros.ravel(), 8000)
        elif kind == "npy":
            np.save(path, zeros)
        elif kind == "npz":
            np.savez_compressed(path, x=zeros)
        elif kind == "csv":
            Path(path).write_text(("0," * 63 + "0\n") * n_frames)
        else:
            path = "generate:random"
        del zeros
        spec = VectorSpec("x", 64, 64, 16)
        tracemalloc.start()
        with open_source(path, [spec], SourceOptions(n_frames=n_frames)) as source:
            assert sum(frames.n_frames for frames in source.blocks()) >= n_frames
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1)  # imports
    # 1.5 MB against 400 kB
    assert min(peak(12_000), peak(12_000)) < peak(3000) + 300_000


def test_closing_twice_and_from_another_thread_ends_the_blocks(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((3000, 4), int))
    source = open_source(tmp_path / "in.npy", [X], SourceOptions(loop=True))
    blocks = source.blocks()
    next(blocks)
    closer = threading.Thread(target=source.close)
    closer.start()
    closer.join(5)
    source.close()
    assert not closer.is_alive()
    assert list(blocks) == []
    assert list(source.blocks()) == []


def test_reading_goes_on_where_it_was_left(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.arange(2400).reshape(600, 4))
    options = SourceOptions(n_frames=520, latched={"p": [1]})
    with open_source(tmp_path / "in.npy", [X, P], options) as source:
        first, rest = next(source.blocks()), list(source.blocks())
    assert first["p"].tolist() == [[1, 0, 0, 0]]
    assert [frames.n_frames for frames in rest] == [256, 8]
    assert all("p" not in frames for frames in rest)
