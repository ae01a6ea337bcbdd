"""Comparisons, logic and extremes."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.fqir.semantics import compare
from hostrt.fqir.semantics.integers import KernelError
from tests.fqir.formulas import arrays, elementwise

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array

FORMULAS: dict[str, Any] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "and": lambda a, b: bool(a) and bool(b),
    "or": lambda a, b: bool(a) or bool(b),
    "xor": lambda a, b: bool(a) != bool(b),
}
NAMES = st.sampled_from(sorted(FORMULAS))


@settings(max_examples=40, deadline=None)
@given(NAMES, arrays(), arrays())
def test_two_tensors_follow_the_formula(name: str, x: Array, y: Array) -> None:
    result = compare.compare(f"vv{name}", x, y)

    assert result.tolist() == elementwise(lambda a, b: int(FORMULAS[name](a, b)), x, y)
    assert result.dtype == np.int64


@settings(max_examples=60, deadline=None)
@given(
    NAMES,
    arrays(),
    st.one_of(
        st.integers(-300, 300),
        st.integers(-(2**70), 2**70),
        st.sampled_from([0.5, -0.5, 3.0, 1e30, -1e30]),
    ),
)
def test_a_constant_follows_the_formula_however_large_it_is(
    name: str, x: Array, imm: float
) -> None:
    logic = f"vi{name}" in compare.COMBINED
    run = compare.combine_constant if logic else compare.compare_constant

    result = run(f"vi{name}", x, imm)

    assert result.tolist() == [int(FORMULAS[name](a, imm)) for a in x.tolist()]
    assert result.dtype == np.int64


def test_a_constant_that_is_no_number_is_an_error() -> None:
    with pytest.raises(KernelError, match="comparison with nan"):
        compare.compare_constant("vigt", np.zeros(1, np.int64), float("nan"))


def test_every_comparison_of_the_reference_is_there() -> None:
    assert set(compare.VECTOR) == {f"vv{name}" for name in FORMULAS}
    assert {*compare.COMPARED, *compare.COMBINED} == {f"vi{name}" for name in FORMULAS}


@settings(max_examples=40, deadline=None)
@given(arrays(), arrays())
def test_extremes_follow_the_formula_in_the_wider_type(x: Array, y: Array) -> None:
    wider = max(x.dtype, y.dtype, key=lambda kind: kind.itemsize)

    for function, formula in ((compare.vvmax, max), (compare.vvmin, min)):
        result = function(x, y)
        assert result.tolist() == elementwise(formula, x, y)
        assert result.dtype == wider


def test_gt0_tells_positive_numbers() -> None:
    result = compare.gt0(np.array([-5, 0, 1, 127], np.int8))

    assert result.tolist() == [0, 0, 1, 1]
    assert result.dtype == np.int64
