"""Input frames from files."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import FrameError, UsageError
from hostrt.frames.audio import save_wav
from hostrt.frames.frames import VectorSpec
from hostrt.frames.sources import load_inputs, parse_indices

if TYPE_CHECKING:
    from pathlib import Path

X = VectorSpec("x", 4, 4, 16)
P = VectorSpec("p", 2, 4, 16, is_latched=True)
ROWS = np.arange(12).reshape(3, 4)


@pytest.mark.parametrize("suffix", [".npy", ".NPY", ".csv", ".CSV", ".wav", ".WAV", ".npz"])
def test_each_format_gives_the_frames_that_were_saved(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    if suffix.lower() == ".npy":
        with path.open("wb") as stream:
            np.save(stream, ROWS)
    elif suffix == ".npz":
        np.savez(path, x=ROWS)
    elif suffix.lower() == ".csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in ROWS))
    else:
        save_wav(path, ROWS, 16000)
    for place in (path, str(path)):
        assert load_inputs(place, [X]).frames["x"].tolist() == ROWS.tolist()


@pytest.mark.parametrize("array", [np.asfortranarray(ROWS), ROWS.astype(float), ROWS.astype(">i4")])
def test_order_and_type_inside_a_file_do_not_matter(tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "in.npy", array)
    assert load_inputs(tmp_path / "in.npy", [X]).frames["x"].tolist() == ROWS.tolist()


def test_flat_samples_are_cut_into_frames_and_the_last_one_is_filled(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.arange(6))
    loaded = load_inputs(tmp_path / "flat.npy", [X])
    assert loaded.frames["x"].tolist() == [[0, 1, 2, 3], [4, 5, 0, 0]]
    assert loaded.notes == ("last frame filled with 2 zeros",)


def test_no_frames_in_a_file_are_no_frames(tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.zeros((0, 4), int))
    assert load_inputs(tmp_path / "none.npy", [X]).frames.n_frames == 0


def test_an_npz_file_holds_several_inputs(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "in.npz", x=ROWS, p=np.array([7, 8]))
    frames = load_inputs(tmp_path / "in.npz", [X, P]).frames
    assert frames["p"].tolist() == [[7, 8, 0, 0]]
    np.save(tmp_path / "in.npy", ROWS)
    with pytest.raises(FrameError, match="holds one input, the model's inputs are x, p"):
        load_inputs(tmp_path / "in.npy", [X, P])


@pytest.mark.parametrize("text", ["a,b,c,d\n1,-2,3,4\n\n", "﻿1, -2, 3, 4\r\n", "+1,-2,3,4"])
def test_csv_may_have_a_header_spaces_and_a_byte_order_mark(tmp_path: Path, text: str) -> None:
    (tmp_path / "in.csv").write_text(text, encoding="utf-8")
    assert load_inputs(tmp_path / "in.csv", [X]).frames["x"].tolist() == [[1, -2, 3, 4]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2,3,4\n1,2,x,4\n", "expected integers"),
        (b"1.5,2,3,4\n2.5,1,1,1\n", "expected integers"),
        (b"1,2,3,4\n1,2\n", "columns"),
        (b"a,b,c,d\n", "no frames"),
        (b"", "no frames"),
        (b"1,2,\xff", "byte 4: not text"),
        (b"99999999999999999999,2,3,4", "expected"),
    ],
)
def test_bad_csv_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(FrameError, match=message):
        load_inputs(tmp_path / "in.csv", [X])


def test_frames_are_chosen_by_range_and_number(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", ROWS)
    chosen = load_inputs(tmp_path / "in.npy", [X], indices=(1, 3), n_frames=1).frames
    assert chosen["x"].tolist() == ROWS[1:2].tolist()
    with pytest.raises(FrameError, match=r"frames 1\.\.4 asked for"):
        load_inputs(tmp_path / "in.npy", [X], indices=(1, 4))
    with pytest.raises(FrameError, match="3 frames, expected at least 4"):
        load_inputs(tmp_path / "in.npy", [X], n_frames=4)


def test_ranges_are_two_whole_numbers() -> None:
    assert parse_indices("2, 5") == (2, 5)
    for text in ("5", "5,2", "2,2", "-1,2", "a,b", "1,2,3", ""):
        with pytest.raises(UsageError, match="expected LOW,HIGH"):
            parse_indices(text)


def test_unknown_and_missing_files_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"suffix '\.mp4', expected one of \.wav"):
        load_inputs(tmp_path / "in.mp4", [X])
    with pytest.raises(UsageError, match="no such file"):
        load_inputs(tmp_path / "in.npy", [X])


def test_pickled_objects_are_refused_unread(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(FrameError, match="elements of type object"):
        load_inputs(tmp_path / "in.npy", [X])


@pytest.mark.parametrize("shape", [(1 << 40, 4), (1 << 31, 1 << 31), (100, 4)])
def test_a_header_that_promises_too_much_allocates_nothing(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<i2", "fortran_order": False, "shape": shape}
    )
    (tmp_path / "in.npy").write_bytes(stream.getvalue())
    with pytest.raises(FrameError, match="header announces shape"):
        load_inputs(tmp_path / "in.npy", [X])
    with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue())
        archive.writestr("readme.txt", "")
    with pytest.raises(FrameError, match="header announces shape"):
        load_inputs(tmp_path / "in.npz", [X])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([".npy", ".npz", ".csv", ".wav"]), st.data())
def test_damaged_files_are_refused_or_read_but_never_crash(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / f"in{suffix}"
    if suffix == ".npy":
        np.save(path, ROWS.astype(np.int16))
    elif suffix == ".npz":
        np.savez_compressed(path, x=ROWS.astype(np.int16))
    elif suffix == ".csv":
        path.write_text("1,2,3,4\n5,6,7,8\n")
    else:
        save_wav(path, ROWS, 16000)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert "\n" not in _read_or_refuse(path)


def _read_or_refuse(path: Path) -> str:
    try:
        frames = load_inputs(path, [X]).frames
    except UsageError as error:
        return str(error)
    return "" if frames["x"].dtype == np.int16 else "wrong type\n"
