"""Cutting long writes into pieces, so that progress shows and can be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.chip.step import Write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostrt.chip.step import Step

CHUNK_WORDS = 8192
"""Words between two progress reports: some 600 reports on the EVK2, a few percent of a program."""

STREAM_CHUNK_WORDS = 4 * CHUNK_WORDS
"""The same on a stream that nobody acknowledges, which takes that many in some milliseconds."""


def chunks(steps: Sequence[Step], size: int = CHUNK_WORDS) -> Iterator[list[Step]]:
    """Cut steps into batches of about `size` words; long writes are split, order is kept."""
    batch: list[Step] = []
    room = size
    for step in steps:
        if not isinstance(step, Write):
            batch.append(step)
            continue
        for piece in _pieces(step, size):
            if piece.words.size > room and batch:
                yield batch
                batch, room = [], size
            batch.append(piece)
            room -= piece.words.size
    if batch:
        yield batch


def _pieces(step: Write, size: int) -> Iterator[Write]:
    if step.words.size <= size:
        yield step
        return
    for start in range(0, step.words.size, size):
        yield Write(
            step.space,
            step.address + step.stride * start,
            step.words[start : start + size],
            step.stride,
            idempotent=step.idempotent,
            register=step.register,
            comment=step.comment,
        )
