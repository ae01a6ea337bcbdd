"""What our engines make of a case, and how that differs from the reference's answer."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import ExtraMissing, HostrtError, ProgramUnsupported
from hostrt.fqir.executor import ENGINES, Executor
from hostrt.fqir.graph import Model
from hostrt.fqir.load import load_model
from tests.peer.fqir_sketch import Sketch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hostrt.fqir.engine import Engine
    from hostrt.fqir.graph import Array
    from tests.peer.fqir_cases import Answer


@cache
def engines() -> tuple[str, ...]:
    """Give the names of the engines that run here."""
    s = Sketch(np.random.default_rng(0))
    case = s.case("nothing", [s.input((1,), 8)])
    found = []
    for name in ENGINES:
        with suppress(ExtraMissing):
            Executor(Model(case.root), engine=name)
            found.append(name)
    return tuple(found)


def start(answer: Answer, engine: str) -> Engine | None:
    """Give an engine in the initial state of a case, None when it leaves such models to others."""
    model = load_model(answer.path)
    try:
        return Executor(model, engine=engine).engine
    except ProgramUnsupported:
        if engine == "reference":
            raise
        return None


def differences(answers: Iterable[Answer], engine: str) -> list[str]:
    """Say what an engine does differently from the reference, a line per case."""
    return [text for answer in answers for text in difference(answer, engine)]


def difference(answer: Answer, engine: str) -> Iterator[str]:
    """Compare one case: step by step, and as one sequence from the initial state.

    Where the reference cannot run a model, or runs it wrongly, our own interpreter is the measure.
    """
    who = f"{answer.case.name} ({engine})"
    try:
        running = start(answer, engine)
        if running is None:
            return
        steps = _steps(answer, running)
        ours = answer.case.defined_by_us
        expected = _steps(answer, start(answer, "reference")) if ours else answer.frames
    except HostrtError as error:
        if not answer.error or answer.case.defined_by_us:
            yield f"{who}: ours fails with {type(error).__name__}: {error}; theirs gives results"
        return
    if answer.error and not ours:
        yield f"{who}: theirs fails with {answer.error!r}; ours gives results"
        return
    for t, (mine, other) in enumerate(zip(steps, expected, strict=True)):
        text = _first_difference(mine, other, has_types=engine == "reference")
        if text:
            yield f"{who}: frame {t}: {text}"
            return
    running.reset()
    text = _sequence_difference(answer, running, expected)
    if text:
        yield f"{who}: {text}"


def internal_differences(answer: Answer, engine: str) -> Iterator[str]:
    """Compare the values of all tensors after each frame, where the reference has one."""
    running = None if answer.error else start(answer, engine)
    if running is None:
        return
    running.watch(answer.names)
    frames = zip(*answer.case.inputs, strict=True)
    for t, (inputs, expected) in enumerate(zip(frames, answer.watched, strict=True)):
        running.step(inputs)
        found = running.internals()
        for name, other in zip(answer.names, expected, strict=True):
            if other is not None and not np.array_equal(found[name], other):
                yield f"{answer.case.name} ({engine}): {name} differs after frame {t}"
                return


def _steps(answer: Answer, running: Engine | None) -> list[list[Array]]:
    assert running is not None
    frames = zip(*answer.case.inputs, strict=True)
    return [[np.array(value) for value in running.step(inputs)] for inputs in frames]


def _first_difference(ours: list[Array], theirs: list[Array], *, has_types: bool) -> str:
    if len(ours) != len(theirs):
        return f"{len(ours)} outputs, theirs {len(theirs)}"
    for k, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        if mine.shape != other.shape:
            return f"output {k} has shape {mine.shape}, theirs {other.shape}"
        if not np.array_equal(mine, other):
            where = tuple(int(i) for i in np.argwhere(mine != other)[0])
            return f"output {k}{list(where)} is {mine[where]}, theirs {other[where]}"
        if has_types and mine.dtype != other.dtype:
            return f"output {k} is {mine.dtype}, theirs {other.dtype}"
    return ""


def _sequence_difference(answer: Answer, running: Engine, frames: list[list[Array]]) -> str:
    """Compare one run over all frames, and a run, a step and a run."""
    inputs = answer.case.inputs
    expected = [np.stack(column) for column in zip(*frames, strict=True)]
    try:
        found = running.run(inputs)
        running.reset()
        first = running.run([array[:2] for array in inputs])
        middle = [np.array(value) for value in running.step([array[2] for array in inputs])]
        last = running.run([array[3:] for array in inputs])
    except HostrtError as error:
        return f"as a sequence ours fails with {type(error).__name__}: {error}"
    for k, other in enumerate(expected):
        if not np.array_equal(found[k], other):
            return f"as a sequence output {k} differs"
        if not np.array_equal(np.concatenate([first[k], middle[k][None], last[k]]), other):
            return f"in pieces output {k} differs"
    return ""
