"""All engines agree on random models, and what is said about a model holds when it runs.

The interpreter is the measure here; `tests/peer` compares it with the reference toolkit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.errors import HostrtError
from hostrt.fqir.executor import Executor
from hostrt.fqir.graph import Model
from hostrt.fqir.intervals import analyze
from hostrt.fqir.load import load_model
from tests.fqir.write_model import write_model
from tests.peer.fqir_cases import DRAWS, Answer, mixture, names_in, single
from tests.peer.fqir_compare import difference, engines, internal_differences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hostrt.fqir.graph import Array
    from tests.peer.fqir_sketch import Case

SEED = 5000
"""Not the models that the toolkit is asked about."""

N_SINGLE = 2
N_MIXTURES = 24


def watched_frames(case: Case) -> Iterator[tuple[list[Array], dict[str, Array]]]:
    """Give outputs and all other values, frame by frame, by the interpreter."""
    engine = Executor(Model(case.root), engine="reference").engine
    engine.watch(names_in(case.root))
    for inputs in zip(*case.inputs, strict=True):
        yield list(engine.step(inputs)), engine.internals()


def expected(case: Case, path: Path) -> Answer:
    """Let the interpreter answer a case."""
    frames, watched, error = [], [], ""
    names = tuple(names_in(case.root))
    try:
        for outputs, values in watched_frames(case):
            frames.append(outputs)
            watched.append(tuple(values[name] for name in names))
    except HostrtError as failure:
        error = str(failure)
    return Answer(case, write_model(case.root, path), frames, error, names, tuple(watched))


def check(case: Case, folder: Path) -> None:
    answer = expected(case, folder / "case.pt")
    for engine in engines():
        found = [*difference(answer, engine), *internal_differences(answer, engine)]
        assert not found, "\n".join(found)


@pytest.mark.parametrize("opname", DRAWS)
def test_engines_agree_on_models_of_one_operator(opname: str, tmp_path: Path) -> None:
    for seed in range(SEED, SEED + N_SINGLE):
        check(single(opname, seed), tmp_path)


@pytest.mark.parametrize("seed", range(SEED, SEED + N_MIXTURES))
def test_engines_agree_on_models_of_several_operators(seed: int, tmp_path: Path) -> None:
    check(mixture(seed), tmp_path)


@pytest.mark.parametrize("seed", range(SEED + 100, SEED + 100 + N_MIXTURES))
def test_no_tensor_leaves_its_interval(seed: int) -> None:
    case = mixture(seed)
    try:
        frames = [values for _, values in watched_frames(case)]
    except HostrtError:
        return  # some models fail on purpose
    ranges = analyze(Model(case.root)).tensors
    for values in frames:
        for name, value in values.items():
            # what a branch that never ran would have written is 0 in `values`
            if name in ranges and value.size and np.any(value):
                low, high = int(value.min()), int(value.max())
                assert ranges[name].lo <= low <= high <= ranges[name].hi, (case.name, name)


def test_a_model_that_was_written_is_the_model_that_was_drawn(tmp_path: Path) -> None:
    case = mixture(SEED)
    model = load_model(write_model(case.root, tmp_path / "case.pt"))
    assert names_in(model.root) == names_in(case.root)
