"""A .csv file as a source of frames, read line by line."""

from __future__ import annotations

import codecs
from typing import IO, TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError, UsageError
from hostrt.frames.npy import first_line
from hostrt.frames.sources import is_numeric
from hostrt.frames.stream_source import FrameSource, SourceOptions, streamed_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hostrt.frames.frames import VectorSpec
    from hostrt.frames.stream_source import Columns

    Line = tuple[int, str]
    """A line's number from 1, and its text."""

_PIECE_BYTES = 1 << 16
_MAX_LINE = 1 << 20


class CsvSource(FrameSource):
    """Lines of integers, one frame each, a header line left out; the same frames as `load_inputs`.

    How many there are is not known before the end.
    """

    def __init__(self, path: Path, specs: Sequence[VectorSpec], options: SourceOptions) -> None:
        """Open the file.

        Raises:
            UsageError: it cannot be read.
            FrameError: the model's inputs cannot all be given.
        """
        self._spec = streamed_spec(str(path), specs)
        super().__init__(str(path), specs, options, streamed=[self._spec.name])
        try:
            self._stream = self._held.enter_context(path.open("rb"))
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        self._width: int | None = None

    def _read(self) -> Iterator[Columns]:
        held: list[Line] = []
        for line in self._numbers():
            held.append(line)
            if len(held) == self._block_frames:
                yield {self._spec.name: self._parse(held)}
                held = []
        if held:
            yield {self._spec.name: self._parse(held)}

    def _numbers(self) -> Iterator[Line]:
        """Give the lines that hold numbers, round by round."""
        while True:
            is_empty = True
            for number, text in enumerate(_lines(self._stream, self.title), 1):
                if (number > 1 or is_numeric(text)) and text.strip():
                    is_empty = False
                    yield number, text
            if is_empty:
                raise FrameError(f"{self.title}: no frames, expected lines of integers")
            if not self.options.loop:
                return
            self._stream.seek(0)

    def _parse(self, lines: list[Line]) -> NDArray[np.int64]:
        try:
            rows = _integers([text for _, text in lines])
        except (ValueError, OverflowError):
            # the slow way, to say which line it is
            rows = np.concatenate([self._parse_one(*line) for line in lines])
        self._check_width(rows, lines[0][0])
        return rows

    def _parse_one(self, number: int, text: str) -> NDArray[np.int64]:
        try:
            row = _integers([text])
        except (ValueError, OverflowError) as error:
            raise FrameError(
                f"{self.title}, line {number}: {first_line(error)}, expected integers"
            ) from error
        self._check_width(row, number)
        return row

    def _check_width(self, rows: NDArray[np.int64], number: int) -> None:
        self._width = self._width or rows.shape[1]
        if rows.shape[1] != self._width:
            raise FrameError(
                f"{self.title}, line {number}: {rows.shape[1]} numbers, expected {self._width}"
            )


def _integers(lines: list[str]) -> NDArray[np.int64]:
    return np.loadtxt(lines, dtype=np.int64, delimiter=",", ndmin=2, comments=None)


def _lines(stream: IO[bytes], where: str) -> Iterator[str]:
    """Give lines of UTF-8 text without their ends, whatever ends they have."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    text, offset, is_last = "", 0, False
    while not is_last:
        piece = stream.read(_PIECE_BYTES)
        is_last = not piece
        data = piece.removeprefix(codecs.BOM_UTF8) if offset == 0 else piece
        try:
            text += decoder.decode(data, final=is_last)
        except UnicodeDecodeError as error:
            begin = offset + len(piece) - len(data) - len(decoder.getstate()[0])
            raise FrameError(f"{where}, byte {begin + error.start}: not text") from error
        offset += len(piece)
        lines = text.splitlines(keepends=True)
        # the last one may go on, and a "\r" may be half of a "\r\n"
        text = lines.pop() if lines and not is_last else ""
        if len(text) > _MAX_LINE:
            raise FrameError(f"{where}: a line of more than {_MAX_LINE} characters")
        for line in lines:
            yield line.splitlines()[0]
