"""Matrix products are exact on every way that they can take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hostrt.fqir.semantics.products import Factors, addmm, matmul, peak
from tests.fqir import formulas

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array

SHAPES = [((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((3,), (3,)), ((1,), (1, 4))]


def exact(x: Array, y: Array) -> Array:
    """Multiply in Python integers and wrap at 64 bits."""
    product = np.asarray(np.matmul(x.astype(object), y.astype(object)))
    return np.asarray(np.vectorize(formulas.wrap, otypes=[np.int64])(product))


@st.composite
def operands(draw: st.DrawFn) -> tuple[Array, Array]:
    shapes = draw(st.sampled_from(SHAPES))
    x, y = (
        draw(hnp.arrays(f"i{width // 8}", shape, elements=formulas.integers(width)))
        for shape in shapes
        for width in [draw(st.sampled_from([8, 32, 64]))]
    )
    return x, y


@settings(max_examples=40, deadline=None)
@given(operands(), formulas.amounts, formulas.bits, st.booleans())
def test_matmul_follows_the_formula(
    both: tuple[Array, Array], s: int, bw: int, rounded: bool
) -> None:
    x, y = both
    expected = formulas.elementwise(lambda p: formulas.narrow(p, s, bw, rounded), exact(x, y))
    if expected is None:
        return

    result = np.asarray(matmul(x, y, shamt_bwred=s, bw_out=bw, rounded=rounded))

    assert result.reshape(-1).tolist() == expected
    assert result.dtype == np.int32


@settings(max_examples=40, deadline=None)
@given(operands(), st.data(), formulas.amounts, formulas.amounts, st.booleans())
def test_addmm_follows_the_formula(
    both: tuple[Array, Array], data: st.DataObject, sb: int, s: int, rounded: bool
) -> None:
    x, y = both
    product = exact(x, y)
    n_rows = product.shape[0] if product.ndim else 1
    width = data.draw(st.sampled_from([16, 32, 64]))
    bias = data.draw(hnp.arrays(f"i{width // 8}", n_rows, elements=formulas.integers(width)))
    spread = product.ndim > 1
    column = bias.reshape(-1, 1) if spread else bias

    def formula(p: int, b: int) -> int | None:
        moved = formulas.rsh(b, sb, rounded, 64 if spread else width)
        if moved is None:
            return None
        return formulas.narrow(p + formulas.clamp(moved, 32), s, 24, rounded)

    expected = formulas.elementwise(formula, product, column)
    if expected is None:
        return

    result = addmm(bias, x, y, shamt_bias=sb, shamt_bwred=s, bw_out=24, rounded=rounded)

    assert np.asarray(result).reshape(-1).tolist() == expected


@pytest.mark.parametrize("top", [2**15 - 1, 2**22, 2**31 - 1, 2**45])
def test_large_products_are_exact_with_and_without_floating_point(top: int) -> None:
    random = np.random.default_rng(3)
    x = random.integers(-top, top, 200)
    y = random.integers(-128, 128, (200, 60)).astype(np.int32)
    factors = Factors()

    for vector in (x, x[::-1].copy(), np.full(200, top)):
        assert np.array_equal(factors.product(vector, y), exact(vector, y))
        assert np.array_equal(factors.product(y.T, vector), exact(y.T, vector))


def test_sums_at_the_limit_of_floating_point_are_exact() -> None:
    x = np.full(4096, 2**20 - 1)
    x[0] = 1
    y = np.full((4096, 2), 2**21 - 1)

    assert np.array_equal(Factors().product(x, y), exact(x, y))


def test_weights_that_changed_are_noticed() -> None:
    factors, x = Factors(), np.arange(100)
    y = np.ones((100, 50), np.int32)

    first = factors.product(x, y)
    second = factors.product(x, y * 2)

    assert np.array_equal(second, first * 2)


def test_a_bias_wraps_in_its_own_type_unless_it_is_spread_over_columns() -> None:
    def run(bias: Any, x: Any, y: Any) -> Any:
        return addmm(
            np.array(bias, np.int32), np.array(x), np.array(y),
            shamt_bias=2, shamt_bwred=0, bw_out=32,
        ).tolist()  # fmt: skip

    top = 2**31 - 1

    assert run([2**30, 2, 3], [1], [[1, 2, 3]]) == [1, 10, 15]
    assert run([2**30, 2], [[1], [2]], [[1, 2]]) == [[top, top], [10, 12]]
    assert run([[2**30, 2]], [[1], [2]], [[1, 2]]) == [[1, 10], [2, 12]]


def test_only_the_shifted_bias_is_saturated_to_32_bits() -> None:
    bias = np.array([2**40], np.int64)

    result = addmm(
        bias, np.array([2**20]), np.array([[2**20]]), shamt_bias=0, shamt_bwred=-16, bw_out=32
    )

    assert result.tolist() == [(2**40 + 2**31 - 1) >> 16]


@pytest.mark.parametrize("shapes", [((2,), (1, 3)), ((2,), (3,)), ((200,), (100, 300)), ((), (2,))])
def test_factors_that_do_not_fit_each_other_are_an_error(shapes: Any) -> None:
    x, y = (np.ones(shape, np.int64) for shape in shapes)

    with pytest.raises(ValueError, match=r"mismatch|dimension"):
        matmul(x, y, shamt_bwred=0, bw_out=8)


def test_the_peak_is_the_largest_magnitude() -> None:
    assert peak(np.array([-(2**63), 5])) == 2**63
    assert peak(np.array([-4, 5])) == 5
    assert peak(np.zeros(0, np.int64)) == 0
