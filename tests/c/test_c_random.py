"""Random instructions and programs on the C library and on the implementations in Python.

`HOSTRT_C_CASES` sets how many cases of each kind there are.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.c.partners import ask_engine, ask_machine, ask_oracle
from tests.c.random_cases import chip, single

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.c.cases import Case, Result
    from tests.c.driver import Driver

pytestmark = pytest.mark.slow

N_CASES = int(os.environ.get("HOSTRT_C_CASES", "200"))
PARTNERS = {"oracle": ask_oracle, "machine": ask_machine}
"""The implementations in Python."""


@pytest.mark.parametrize("make", [single, chip])
def test_random_cases_have_the_same_results_everywhere(
    drivers: dict[str, Driver], engine: Path, make: Callable[[Random], Case]
) -> None:
    seed = Random().getrandbits(32)
    cases = [make(Random(seed + i)) for i in range(N_CASES)]
    names = [f"{make.__name__}(Random({seed + i}))" for i in range(N_CASES)]

    found = {name: driver.run(cases) for name, driver in drivers.items()}
    found |= {name: [ask(case) for case in cases] for name, ask in PARTNERS.items()}
    found["engine"] = [ask_engine(case, engine) for case in cases]

    first, *others = found
    for other in others:
        for name, mine, theirs in zip(names, found[first], found[other], strict=True):
            assert_same(mine, theirs, f"{name}: {first} and {other}")


def assert_same(found: Result, expected: Result, name: str) -> None:
    """Compare piece by piece, so that a difference can be read."""
    for number, (a, b) in enumerate(zip(found.outcomes, expected.outcomes, strict=True)):
        assert a == b, f"{name}, action {number}"
    assert found == expected, name
