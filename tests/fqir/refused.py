"""Loading bytes as a model, and what is said when they are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.errors import ProgramCorrupt, ProgramError
from hostrt.fqir.limits import Limits
from hostrt.fqir.load import parse_model

if TYPE_CHECKING:
    from hostrt.fqir.graph import Model

TABLE_STATE = {"name": "f", "x": np.arange(4), "y": np.arange(4, dtype=np.int32), "N": 4}
SHIFT = {"class_name": "SHIFT", "opname": "shift"}


def load(data: bytes, **limits: int) -> Model:
    """Load a model within limits."""
    return parse_model(data, "model.pt", limits=Limits(**limits))


def refusal(data: bytes, kind: type[ProgramError] = ProgramCorrupt, **limits: int) -> str:
    """Give what is said when `data` is refused, which must be an error of just this kind."""
    with pytest.raises(ProgramError) as caught:
        load(data, **limits)
    assert type(caught.value) is kind
    assert caught.value.hint
    assert caught.value.message.isprintable()
    assert caught.value.message.startswith("model.pt: ")
    return caught.value.message.removeprefix("model.pt: ")
