"""Sums, products and shifts: against the formulas, and at their corners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.fqir.semantics import arith
from hostrt.fqir.semantics.integers import KernelError
from tests.fqir import formulas
from tests.fqir.formulas import amounts, arrays, bits, elementwise, narrow, rsh, wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.graph import Array

I32, I64 = np.int32, np.int64


def ints(*values: int, kind: Any = I32) -> Array:
    return np.array(values, kind)


def assert_gives(expected: list[int] | None, kind: Any, run: Callable[[], Array]) -> None:
    """Check result and storage type, or that there is no result where there must be none."""
    if expected is None:
        with pytest.raises(KernelError, match="does not fit"):
            run()
        return
    result = np.asarray(run())
    assert result.reshape(-1).tolist() == expected
    assert result.dtype == kind


quick = settings(max_examples=40, deadline=None)


@quick
@given(arrays(), arrays(), amounts, amounts, amounts, bits, st.booleans(), st.booleans())
def test_vvadd_and_vvsub_follow_the_formula(
    x: Array, y: Array, sx: int, sy: int, s: int, bw: int, rounded: bool, minus: bool
) -> None:
    before = x.copy(), y.copy()

    def formula(a: int, b: int) -> int | None:
        left, right = rsh(a, sx, False, 64), rsh(b, sy, False, 64)
        assert left is not None
        assert right is not None
        return narrow(left - right if minus else left + right, s, bw, rounded)

    function = arith.vvsub if minus else arith.vvadd
    assert_gives(
        elementwise(formula, x, y),
        I32,
        lambda: function(x, y, shamt_x=sx, shamt_y=sy, shamt_bwred=s, bw=bw, rounded=rounded),
    )
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


@quick
@given(arrays(), st.integers(-(2**20), 2**20), amounts, st.integers(-70, 40), amounts, bits)
def test_viadd_follows_the_formula(x: Array, y: int, sx: int, sy: int, s: int, bw: int) -> None:
    constant = y << sy if sy >= 0 else y >> -sy
    expected = elementwise(
        lambda a: narrow((rsh(a, sx, False, 64) or 0) + constant, s, bw, True), x
    )
    assert_gives(
        expected,
        I32,
        lambda: arith.viadd(x, y=y, shamt_x=sx, shamt_y=sy, shamt_bwred=s, bw=bw, rounded=True),
    )


@quick
@given(arrays(), arrays(), amounts, bits, st.booleans())
def test_vvmul_follows_the_formula(x: Array, y: Array, s: int, bw: int, rounded: bool) -> None:
    assert_gives(
        elementwise(lambda a, b: narrow(a * b, s, bw, rounded), x, y),
        I32,
        lambda: arith.vvmul(x, y, shamt_bwred=s, bw=bw, rounded=rounded),
    )


@quick
@given(arrays(), formulas.integers(64), amounts, bits, st.booleans())
def test_vimul_follows_the_formula(x: Array, y: int, s: int, bw: int, rounded: bool) -> None:
    assert_gives(
        elementwise(lambda a: narrow(wrap(a, 32) * y, s, bw, rounded), x),
        I32,
        lambda: arith.vimul(x, y=y, shamt_bwred=s, bw=bw, rounded=rounded),
    )


@quick
@given(arrays(), amounts, bits, st.booleans())
def test_shift_follows_the_formula_in_the_storage_type(
    x: Array, s: int, bw: int, rounded: bool
) -> None:
    def formula(a: int) -> int | None:
        moved = rsh(a, s, rounded, x.dtype.itemsize * 8)
        return None if moved is None else formulas.clamp(moved, bw)

    assert_gives(
        elementwise(formula, x), x.dtype, lambda: arith.shift(x, shamt=s, bw=bw, rounded=rounded)
    )


@quick
@given(arrays(), arrays(), amounts, st.booleans())
def test_temp_i24_bool_mul_follows_the_formula_in_the_wider_type(
    x: Array, y: Array, s: int, rounded: bool
) -> None:
    width = max(x.dtype.itemsize, y.dtype.itemsize) * 8
    assert_gives(
        elementwise(lambda a, b: rsh(wrap(a * b, width), s, rounded, width), x, y),
        f"i{width // 8}",
        lambda: arith.temp_i24_bool_mul(x, y, shamt=s, rounded=rounded),
    )


@quick
@given(arrays(), bits)
def test_vneg_and_relu_follow_the_formulas_in_the_storage_type(x: Array, bw: int) -> None:
    width = x.dtype.itemsize * 8

    assert_gives(
        elementwise(lambda a: formulas.clamp(wrap(-a, width), bw), x),
        x.dtype,
        lambda: arith.vneg(x, bw=bw),
    )
    assert_gives(elementwise(lambda a: max(a, 0), x), x.dtype, lambda: arith.relu(x))


@quick
@given(arrays(lengths=(1, 6)), amounts, bits, st.booleans())
def test_sum_follows_the_formula_and_is_never_rounded(
    x: Array, s: int, bw: int, keepdim: bool
) -> None:
    moved = rsh(wrap(sum(x.tolist())), s, False, 64)
    assert moved is not None

    result = arith.total(x, dim=-1, keepdim=keepdim, shamt_bwred=s, bw=bw)

    assert result.shape == ((1,) if keepdim else ())
    assert_gives([formulas.clamp(moved, bw)], I64, lambda: result)


def test_halves_are_rounded_up() -> None:
    x = ints(-3, -1, 1, 3, -2)

    assert arith.shift(x, shamt=-1, bw=16, rounded=True).tolist() == [-1, 0, 1, 2, -1]
    assert arith.shift(x, shamt=-1, bw=16).tolist() == [-2, -1, 0, 1, -1]


def test_the_most_negative_number_has_a_negative_only_in_a_wider_type() -> None:
    assert arith.vneg(ints(-32768), bw=16).tolist() == [32767]
    assert arith.vneg(ints(-(2**31)), bw=24).tolist() == [-(2**23)]
    assert arith.vneg(ints(-(2**31), kind=I64), bw=24).tolist() == [2**23 - 1]


def test_a_left_shift_wraps_in_the_storage_type_before_it_saturates() -> None:
    assert arith.shift(ints(2**30, 5), shamt=2, bw=24).tolist() == [0, 20]
    assert arith.shift(ints(2**30, 5, kind=I64), shamt=2, bw=24).tolist() == [2**23 - 1, 20]
    assert arith.shift(ints(30000, kind=np.int16), shamt=1, bw=24).tolist() == [-5536]


def test_the_rounding_constant_wraps_too() -> None:
    assert arith.shift(ints(2**31 - 1), shamt=-31, bw=24, rounded=True).tolist() == [-1]


@pytest.mark.parametrize(("kind", "shamt"), [(I32, -32), (I64, -64), (np.int16, -16)])
def test_a_rounding_constant_that_does_not_fit_is_an_error(kind: Any, shamt: int) -> None:
    with pytest.raises(KernelError, match=r"needs 2\*\*\d+, which does not fit int"):
        arith.shift(ints(5, kind=kind), shamt=shamt, bw=24, rounded=True)

    assert arith.shift(ints(5, -5, kind=kind), shamt=shamt, bw=24).tolist() == [0, -1]


def test_the_constant_of_viadd_wraps_only_as_a_numpy_scalar() -> None:
    def run(y: Any, shamt_y: int = 2) -> list[int]:
        result = arith.viadd(ints(1), y=y, shamt_x=0, shamt_y=shamt_y, shamt_bwred=0, bw=32)
        values: list[int] = result.tolist()
        return values

    assert run(np.int32(2**30)) == [1]
    assert run(np.int16(2**14)) == [1]
    assert run(np.int64(2**30)) == run(2**30) == [2**31 - 1]
    assert run(np.array([3, 4], I32), 1) == [7, 9]
    assert run(2**70, -60) == [1025]
    assert run(-1, -(10**9)) == [0]
    for y, shamt in ((2**62, 5), (1, 10**9)):
        with pytest.raises(KernelError, match="does not fit 64 bits"):
            run(y, shamt)


def test_results_are_kept_in_32_bits_whatever_they_are_saturated_to() -> None:
    x = ints(2**31 - 1)

    result = arith.vvadd(x, x, shamt_x=2, shamt_y=2, shamt_bwred=0, bw=40)

    assert result.tolist() == [-8]


def test_vimul_looks_at_32_bits_of_its_argument() -> None:
    x = ints(2**31 + 5, kind=I64)

    assert arith.vimul(x, y=3, shamt_bwred=0, bw=32).tolist() == [-(2**31)]
    with pytest.raises(KernelError, match="does not fit 64 bits"):
        arith.vimul(x, y=2**63, shamt_bwred=0, bw=32)


def test_sums_over_several_axes_or_all_of_them() -> None:
    x = np.arange(6, dtype=I32).reshape(2, 3)

    def run(dim: Any, *, keepdim: bool = False) -> Any:
        return arith.total(x, dim=dim, keepdim=keepdim, shamt_bwred=0, bw=16).tolist()

    assert run(0) == [3, 5, 7]
    assert run(-1, keepdim=True) == [[3], [12]]
    assert run((0, 1)) == run(None) == 15
    with pytest.raises(ValueError, match="axis 2"):
        run(2)


def test_a_value_without_axes_keeps_its_storage_type() -> None:
    alone, vector = np.array(2**30, I64), ints(1)

    assert np.asarray(arith.temp_i24_bool_mul(vector, alone, shamt=2, rounded=False)).tolist() == [
        2**32
    ]
    assert np.asarray(arith.shift(np.array(2**30, I32), shamt=2, bw=24)).tolist() == 0
