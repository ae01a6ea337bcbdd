"""How long FQIR models take. Nothing here fails for being slow: `fqir_compare` judges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hostrt.errors import ExtraMissing
from hostrt.fqir.executor import ENGINES, Executor
from hostrt.fqir.load import load_model
from tests.bench.fqir_models import GOLDEN, LARGE, Subject, subjects

if TYPE_CHECKING:
    from collections.abc import Callable

    Timed = Callable[..., Any]

MODELS = ["gru2", "tdnn_dw", LARGE]
FRAMES = 20


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    """Every model by name."""
    return {subject.name: subject for subject in subjects(tmp_path_factory.mktemp("fqir"))}


def executor(subject: Subject, engine: str) -> Executor:
    """Give a model that is ready to run, or skip."""
    try:
        return Executor(load_model(subject.path), engine=engine)
    except ExtraMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", ["identity32", LARGE])
def test_loading_a_model(name: str, timed: Timed, models: dict[str, Subject]) -> None:
    assert timed(load_model, models[name].path).arith.nodes


@pytest.mark.parametrize("engine", ENGINES)
def test_preparing_a_model(engine: str, timed: Timed, models: dict[str, Subject]) -> None:
    subject = models["gru2"]
    executor(subject, engine)
    assert timed(executor, subject, engine, rounds=2).output_names == ("output.0",)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_frames(name: str, engine: str, timed: Timed, models: dict[str, Subject]) -> None:
    subject = models[name]
    running = executor(subject, engine)
    names = running.input_names
    frames = [dict(zip(names, row, strict=True)) for row in zip(*subject.inputs, strict=True)]

    outputs = timed(lambda: [running.step(frame) for frame in frames[:FRAMES]], rounds=3)

    assert len(outputs) == FRAMES


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_a_whole_sequence(name: str, engine: str, timed: Timed, models: dict[str, Subject]) -> None:
    subject = models[name]
    running = executor(subject, engine)
    inputs = [array[:FRAMES] for array in subject.inputs]
    frames = dict(zip(running.input_names, inputs, strict=True))

    outputs = timed(running.run, frames, rounds=3)

    assert {len(array) for array in outputs.values()} == {FRAMES}


def test_the_large_model_has_a_million_parameters(models: dict[str, Subject]) -> None:
    arith = load_model(models[LARGE].path).arith
    sizes = [tensor.value.size for tensor in arith.parameters if tensor.value is not None]
    assert 1_000_000 <= sum(sizes) <= 1_200_000


def test_every_golden_model_is_timed(models: dict[str, Subject]) -> None:
    folders = {path.name for path in GOLDEN.iterdir() if path.is_dir()}
    assert set(models) == folders | {LARGE}
