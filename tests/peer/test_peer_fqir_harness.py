"""What compares FQIR engines with the reference toolkit notices differences; needs no toolkit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.fqir.executor import Executor
from hostrt.fqir.load import load_model
from tests.fqir.write_model import model_bytes, write_model
from tests.peer.fqir_cases import DRAWS, Answer, mixture, single
from tests.peer.fqir_compare import difference, engines

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def answer(tmp_path: Path) -> Answer:
    """A case and what is right for it."""
    case = single("vvadd", 1)
    path = write_model(case.root, tmp_path / "case.pt")
    engine = Executor(load_model(path), engine="reference").engine
    frames = [engine.step(row) for row in zip(*case.inputs, strict=True)]
    return Answer(case, path, frames, "")


def changed(answer: Answer, frame: int, value: object) -> Answer:
    """Give the answer with another first output in one frame."""
    frames = [list(row) for row in answer.frames]
    frames[frame][0] = np.asarray(value)
    return replace(answer, frames=frames)


def test_equal_results_are_no_difference(answer: Answer) -> None:
    assert not [text for engine in engines() for text in difference(answer, engine)]


def test_a_value_that_differs_is_noticed(answer: Answer) -> None:
    wrong = np.add(answer.frames[3][0], 1, dtype=np.int32, casting="unsafe")
    (text,) = difference(changed(answer, 3, wrong), "reference")
    assert "vvadd/1 (reference): frame 3: output 0[0" in text


def test_a_storage_type_that_differs_is_noticed(answer: Answer) -> None:
    wider = answer.frames[0][0].astype(np.int64)
    (text,) = difference(changed(answer, 0, wider), "reference")
    assert text.endswith("output 0 is int32, theirs int64")


def test_a_shape_that_differs_is_noticed(answer: Answer) -> None:
    (text,) = difference(changed(answer, 0, answer.frames[0][0][None]), "reference")
    assert "has shape" in text


def test_an_error_on_their_side_alone_is_noticed(answer: Answer) -> None:
    (text,) = difference(replace(answer, error="ValueError: no", frames=[]), "reference")
    assert "theirs fails" in text


def test_cases_are_drawn_the_same_every_time() -> None:
    for first, second in ((single("loop", 3), single("loop", 3)), (mixture(3), mixture(3))):
        assert model_bytes(first.root) == model_bytes(second.root)
        for one, other in zip(first.inputs, second.inputs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_mixtures_reach_every_operator() -> None:
    reached = {node.opname for seed in range(120) for node in mixture(seed).root.walk()}
    assert set(DRAWS) - {"feedback", "chain"} <= reached
