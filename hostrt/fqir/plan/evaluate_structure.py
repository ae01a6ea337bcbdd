"""Pieces, registers, loops and branches on many frames; see `hostrt.fqir.plan.evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.plan.ir import operands

if TYPE_CHECKING:
    from hostrt.fqir.plan.arrays import Arrays, Ints
    from hostrt.fqir.plan.evaluate import Evaluator
    from hostrt.fqir.plan.ir import Branch, Concat, Counter, Loop, Reshape, Slice, Transpose, Window


def cut(e: Evaluator, i: Slice, arrays: Arrays) -> None:
    """Cut."""
    index = [slice(None)] * (i.axis + 1) + [slice(i.start, i.stop)]
    e.put(i.out, e.get(i.x, arrays)[tuple(index)], arrays)


def reshaped(e: Evaluator, i: Reshape, arrays: Arrays) -> None:
    """Change the shape."""
    x = e.get(i.x, arrays)
    e.put(i.out, x.reshape(len(x), *e.values[i.out].shape), arrays)


def transposed(e: Evaluator, i: Transpose, arrays: Arrays) -> None:
    """Exchange axes."""
    e.put(i.out, e.get(i.x, arrays).transpose(0, 2, 1), arrays)


def joined(e: Evaluator, i: Concat, arrays: Arrays) -> None:
    """Join."""
    kind = e.kind(i.out)
    parts = [e.get(number, arrays).astype(kind, copy=False) for number in i.parts]
    frames = max(len(part) for part in parts)
    spread = [np.broadcast_to(part, (frames, *part.shape[1:])) for part in parts]
    arrays[i.out] = np.concatenate(spread, axis=i.axis + 1)


def window(e: Evaluator, i: Window, arrays: Arrays) -> None:
    """Shift rows into a register."""
    buffer, x = e.get(i.buffer, arrays), e.get(i.x, arrays)
    frames = max(len(buffer), len(x))
    width = e.values[i.x].size
    rows = np.concatenate(
        [
            np.broadcast_to(part.reshape(len(part), -1), (frames, part[0].size))
            for part in (buffer, x)
        ],
        axis=1,
    ).reshape(frames, -1, width)
    taken = rows[:, :: i.dilation]
    e.put(i.out, taken.reshape(frames, *e.values[i.out].shape), arrays)
    e.put(i.next, rows[:, 1:].reshape(frames, *e.values[i.next].shape), arrays)


def counter(e: Evaluator, i: Counter, arrays: Arrays) -> None:
    """Count frames."""
    count = e.get(i.counter, arrays)
    one = count.astype(np.int64)
    e.put(i.test, (np.mod(one, i.n) == i.k).astype(np.int64), arrays)
    e.put(i.next, np.mod(one + 1, i.n), arrays)


def loop(e: Evaluator, i: Loop, arrays: Arrays) -> None:
    """Run a body several times."""
    inner = dict(arrays)
    current = [e.get(item.initial, arrays) for item in i.carried]
    collected: list[list[Ints]] = [[] for _ in i.collected]
    for step in range(i.count):
        for carried, array in zip(i.carried, current, strict=True):
            e.put(carried.argument, array, inner)
        for item in i.sliced:
            k = i.count - 1 - step if item.reverse else step
            source = e.get(item.source, arrays)
            e.put(item.argument, source[:, item.block * k : item.block * (k + 1)], inner)
        for instruction in i.body:
            e.execute(instruction, inner)
        current = [e.get(item.next, inner) for item in i.carried]
        for kept, end in zip(collected, i.collected, strict=True):
            kept.append(e.get(end.value, inner))
        if step < i.count - 1:
            continue
        for final in i.finals:
            e.put(final.out, e.get(final.value, inner), arrays)
    for kept, end in zip(collected, i.collected, strict=True):
        blocks = kept[::-1] if end.reverse else kept
        frames = max(len(block) for block in blocks)
        spread = [np.broadcast_to(block, (frames, *block.shape[1:])) for block in blocks]
        e.put(end.out, np.concatenate(spread, axis=1), arrays)


def branch(e: Evaluator, i: Branch, arrays: Arrays) -> None:
    """Run one body or the other, each on its frames."""
    condition = e.get(i.condition, arrays)
    taken = condition.reshape(len(condition), -1)[:, 0] != 0
    if taken.all() or not taken.any():
        block = i.then if taken.all() else i.otherwise
        inner = dict(arrays)
        for instruction in block:
            e.execute(instruction, inner)
        for merge in i.merged:
            e.put(merge.out, e.get(merge.then if taken[0] else merge.otherwise, inner), arrays)
        return
    ends = {
        merge.out: np.empty((len(taken), *e.values[merge.out].shape), e.kind(merge.out))
        for merge in i.merged
    }
    used = [number for number in operands(i) if e.values[number].constant is None]
    for truth, block in ((True, i.then), (False, i.otherwise)):
        chosen = np.flatnonzero(taken == truth)
        inner = {n: arrays[n][chosen] if len(arrays[n]) > 1 else arrays[n] for n in used}
        for instruction in block:
            e.execute(instruction, inner)
        for merge in i.merged:
            ends[merge.out][chosen] = e.get(merge.then if truth else merge.otherwise, inner)
    arrays.update(ends)
