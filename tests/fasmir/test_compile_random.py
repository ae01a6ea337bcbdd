"""Random models, compiled: every tensor on the chip is what the interpreter computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.errors import HostrtError, ProgramUnsupported
from hostrt.fasmir.lower_shares import Shares
from tests.fasmir.agreement import LargeSketch, expected, fitted, require_agreement
from tests.peer.fqir_cases import DRAWS, mixture, single

if TYPE_CHECKING:
    from tests.peer.fqir_sketch import Case

SEED = 7000
"""Not the models that other tests draw."""

CHIPS = (
    ("spu001", Shares()),
    ("spu001", Shares((0.4, 0.6))),
    ("spu150", Shares((0.25, 0.25, 0.25, 0.25))),
)

EXPECTED_REFUSALS = ("cannot be planned ahead", "inputs start a frame together")


def check(case: Case, seed: int) -> bool:
    """Compare one case; some fail on purpose, and some need what only the interpreter can do."""
    model, inputs, names = fitted(case)
    try:
        expected(model, inputs, names)
    except HostrtError:
        return False
    chip, shares = CHIPS[seed % len(CHIPS)]
    try:
        require_agreement(model, inputs, names, chip=chip, shares=shares)
    except ProgramUnsupported as error:
        if not any(reason in str(error) for reason in EXPECTED_REFUSALS):
            raise
        return False
    return True


def large(seed: int) -> Case:
    """Give a model of several nodes on longer vectors."""
    sketch = LargeSketch(np.random.default_rng([seed, 1]), frames=3, reuse=0.7, extreme=0.02)
    for _ in range(sketch.whole(3, 12)):
        sketch.choose(*DRAWS.values())(sketch)
    return sketch.case(f"large/{seed}", sketch.known + sketch.states)


@pytest.mark.parametrize("opname", DRAWS)
def test_models_of_one_operator(opname: str) -> None:
    assert sum(check(single(opname, seed), seed) for seed in range(SEED, SEED + 3)) > 0


def test_models_of_several_operators() -> None:
    # one test for all of them: each takes milliseconds
    assert sum(check(mixture(seed), seed) for seed in range(SEED, SEED + 60)) > 40


def test_models_of_long_vectors() -> None:
    assert sum(check(large(seed), seed) for seed in range(SEED, SEED + 30)) > 15


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEED + 1000, SEED + 1400, 100))
def test_many_models(seed: int) -> None:
    for one in range(seed, seed + 100):
        check(mixture(one), one)
        if one % 5 == 0:
            check(large(one), one)
