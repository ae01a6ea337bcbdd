"""Loops, branches and counters in a frame; see `hostrt.fqir.plan.frame`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.fqir.plan.frame import Buffer, Call, Frame
    from hostrt.fqir.plan.ir import Branch, Counter, Loop

_MOST_CALLS = 5000
"""Longest list of calls that a loop is laid out as."""


def counter(f: Frame, i: Counter) -> None:
    """Append the two results of a frame counter."""
    source, n, k = f.array(i.counter), i.n, i.k
    test, following = f.array(i.test), f.array(i.next)
    read, set_test, set_next = source.item, test.fill, following.fill

    def run() -> None:
        count = int(read())
        set_test(count % n == k)
        set_next((count + 1) % n)

    f.calls.append(run)


def branch(f: Frame, i: Branch) -> None:
    """Append one call that runs one of two lists of calls."""
    condition = f.array(i.condition)
    for merge in i.merged:
        f.array(merge.out)
    then = f.nested(i.then, [(merge.out, merge.then) for merge in i.merged])
    otherwise = f.nested(i.otherwise, [(merge.out, merge.otherwise) for merge in i.merged])
    first = (0,) * condition.ndim
    read = condition.item

    def run() -> None:
        for call in then if read(*first) else otherwise:
            call()

    f.calls.append(run)


def loop(f: Frame, i: Loop) -> None:
    """Append the calls of the body as often as said, or one call that does it."""
    f.calls += f.moves([(item.argument, item.initial) for item in i.carried])
    body = f.nested(i.body, [])
    following = f.moves([(item.argument, item.next) for item in i.carried])
    finals = f.moves([(item.out, item.value) for item in i.finals])

    def turn_calls(turn: int) -> Iterator[Call]:
        yield from (partial(np.copyto, *pair) for pair in _slices(f, i, turn))
        yield from body
        yield from (partial(np.copyto, *pair) for pair in _collected(f, i, turn))
        yield from finals if turn == i.count - 1 else following

    if i.count * (len(body) + len(i.sliced) + len(i.collected)) <= _MOST_CALLS:
        for turn in range(i.count):
            f.calls += turn_calls(turn)
        return

    def run() -> None:
        for turn in range(i.count):
            for call in turn_calls(turn):
                call()

    f.calls.append(run)


def _slices(f: Frame, i: Loop, turn: int) -> Iterator[tuple[Buffer, Buffer]]:
    """Give where the slices of one iteration go, and where they are."""
    for item in i.sliced:
        target = f.array(item.argument)
        yield target, _rows(f.array(item.source), i.count, turn, len(target), item.reverse)


def _collected(f: Frame, i: Loop, turn: int) -> Iterator[tuple[Buffer, Buffer]]:
    """Give where the results of one iteration go, and where they are."""
    for item in i.collected:
        source = f.array(item.value)
        yield _rows(f.array(item.out), i.count, turn, len(source), item.reverse), source


def _rows(array: Buffer, count: int, turn: int, block: int, reverse: bool) -> Buffer:
    """Give the rows of one iteration."""
    k = count - 1 - turn if reverse else turn
    return array[block * k : block * (k + 1)]
