"""The guide's pictures are there, are pictures, and come from the script that makes them."""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from hostrt.cli.main import main
from tests.docs.pages import DOCS
from tests.docs.pictures import FOLDER, PICTURES, smaller

if TYPE_CHECKING:
    from pathlib import Path

_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
MAX_BYTES, MAX_TOGETHER = 200_000, 1_000_000


def shown() -> list[tuple[Path, str, Path]]:
    """Give page, words and file of every picture in the guide."""
    return [
        (page, words, (page.parent / target).resolve())
        for page in sorted(DOCS.rglob("*.md"))
        for words, target in _IMAGE.findall(page.read_text(encoding="utf-8"))
    ]


def size_of(png: bytes) -> tuple[int, int]:
    """Give width and height of a PNG file, every chunk and every pixel of which is checked."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: list[tuple[bytes, bytes]] = []
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (crc,) = struct.unpack_from(">I", png, at + 8 + length)
        assert zlib.crc32(kind + data) == crc
        chunks.append((kind, data))
        at += 12 + length
    assert (chunks[0][0], chunks[-1]) == (b"IHDR", (b"IEND", b""))
    width, height, bits, colours = struct.unpack_from(">IIBB", chunks[0][1])
    assert colours == 3, "one byte or less per pixel, see `smaller`"
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    assert len(pixels) == height * (1 + -(-width * bits // 8))
    return width, height


def test_pages_show_every_picture_there_is_and_no_other() -> None:
    there = {path.name for path in FOLDER.iterdir()}
    assert {path.name for _, _, path in shown()} == there == set(PICTURES)
    assert all(path.parent == FOLDER.resolve() for _, _, path in shown())


def test_every_picture_says_in_words_what_it_shows() -> None:
    assert [page.name for page, words, _ in shown() if len(words) < 20] == []


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_whole_small_and_large_enough_to_read(name: str) -> None:
    png = (FOLDER / name).read_bytes()
    width, height = size_of(png)
    assert width >= 600
    assert height >= 100
    assert len(png) < MAX_BYTES


def test_all_pictures_together_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MAX_TOGETHER


def test_a_damaged_picture_is_found() -> None:
    png = bytearray((FOLDER / "stream-view.png").read_bytes())
    png[len(png) // 2] ^= 1
    with pytest.raises(AssertionError):
        size_of(bytes(png))


def test_making_a_picture_smaller_keeps_its_size() -> None:
    png = (FOLDER / "stream-view.png").read_bytes()
    assert size_of(smaller(png)) == size_of(png)


def test_a_page_with_pictures_can_be_read_without_seeing_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "denoise-live"]) == 0
    text = capsys.readouterr().out
    for page, words, _ in shown():
        if page.stem == "denoise-live":
            assert words in text
