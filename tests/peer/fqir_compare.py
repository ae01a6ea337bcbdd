"""What our engines make of a case, and how that differs from the reference's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import HostrtError
from hostrt.fqir.load import load_model
from hostrt.fqir.reference import ReferenceEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hostrt.fqir.engine import Engine
    from hostrt.fqir.graph import Array, Model
    from tests.peer.fqir_cases import Answer

    MakeEngine = Callable[[Model], Engine]

ENGINES: dict[str, MakeEngine] = {"reference": ReferenceEngine}
"""The engines to be compared, by name."""


def differences(answers: Iterable[Answer], engine: str) -> list[str]:
    """Say what an engine does differently from the reference, a line per case."""
    return [text for answer in answers for text in difference(answer, engine)]


def difference(answer: Answer, engine: str) -> Iterator[str]:
    """Compare one case: step by step, and as one sequence from the initial state."""
    who = f"{answer.case.name} ({engine})"
    try:
        steps = list(_steps(answer, engine))
    except HostrtError as error:
        if not answer.error:
            yield f"{who}: ours fails with {type(error).__name__}: {error}; theirs gives results"
        return
    if answer.error:
        if not answer.case.defined_by_us:
            yield f"{who}: theirs fails with {answer.error!r}; ours gives results"
        return
    for t, (ours, theirs) in enumerate(zip(steps, answer.frames, strict=True)):
        text = _first_difference(ours, theirs, has_types=engine == "reference")
        if text:
            yield f"{who}: frame {t}: {text}"
            return
    text = _sequence_difference(answer, engine)
    if text:
        yield f"{who}: {text}"


def _steps(answer: Answer, engine: str) -> Iterator[list[Array]]:
    running = ENGINES[engine](load_model(answer.path))
    for inputs in zip(*answer.case.inputs, strict=True):
        yield list(running.step(inputs))


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


def _sequence_difference(answer: Answer, engine: str) -> str:
    running = ENGINES[engine](load_model(answer.path))
    try:
        found = running.run(answer.case.inputs)
    except HostrtError as error:
        return f"as a sequence ours fails with {type(error).__name__}: {error}"
    for k, array in enumerate(found):
        expected = np.stack([frame[k] for frame in answer.frames])
        if not np.array_equal(array, expected):
            return f"as a sequence output {k} differs"
    return ""
