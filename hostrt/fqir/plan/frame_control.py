"""Loops, branches and counters in a frame; see `hostrt.fqir.plan.frame`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hostrt.fqir.plan.frame import Buffer, Frame
    from hostrt.fqir.plan.ir import Branch, Counter, Loop


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
    """Append the calls of the body as often as said."""
    start = f.moves([(item.argument, item.initial) for item in i.carried])
    body = f.nested(i.body, [])
    following = f.moves([(item.argument, item.next) for item in i.carried])
    finals = f.moves([(item.out, item.value) for item in i.finals])
    calls = list(start)
    for turn in range(i.count):
        for item in i.sliced:
            block = f.values[item.argument].shape[0]
            rows = _rows(f.array(item.source), i, turn, block, item.reverse)
            calls.append(partial(np.copyto, f.array(item.argument), rows))
        calls += body
        for end in i.collected:
            block = f.values[end.value].shape[0]
            rows = _rows(f.array(end.out), i, turn, block, end.reverse)
            calls.append(partial(np.copyto, rows, f.array(end.value)))
        calls += finals if turn == i.count - 1 else following
    f.calls += calls


def _rows(array: Buffer, i: Loop, turn: int, block: int, reverse: bool) -> Buffer:
    """Give the rows of one iteration."""
    k = i.count - 1 - turn if reverse else turn
    return array[block * k : block * (k + 1)]
