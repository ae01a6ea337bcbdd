"""The golden models, compiled, on the C library: every bit, cycle and event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.c.golden import compile_golden, frames_of, golden_folders
from tests.c.partners import ask_machine
from tests.c.test_c_random import assert_same
from tests.conftest import DATA

if TYPE_CHECKING:
    from pathlib import Path

    from tests.c.driver import Driver

N_FRAMES = 8
CHIPS = [("spu001", None), ("spu150", 4)]


@pytest.mark.parametrize(("chip", "n_cores"), CHIPS)
@pytest.mark.parametrize("folder", golden_folders(DATA), ids=lambda path: path.name)
def test_a_compiled_model_gives_its_integers(
    driver: Driver, folder: Path, chip: str, n_cores: int | None
) -> None:
    golden = compile_golden(folder, chip, N_FRAMES, n_cores)
    if golden is None:
        assert folder.name == "opzoo", "only this one is known not to compile"
        pytest.skip("opzoo has an input of 24 bits, which no message can carry")

    (result,) = driver.run([golden.case])

    found = frames_of(golden, result)
    for name, expected in golden.outputs.items():
        assert np.array_equal(found[name], expected.reshape(N_FRAMES, -1)), name
    assert_same(result, ask_machine(golden.case), folder.name)
