"""Look-up tables, and numbers between real and integer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.fqir.graph import Table
from hostrt.fqir.semantics.integers import KernelError
from hostrt.fqir.semantics.scaling import dequantize, quantize
from hostrt.fqir.semantics.tables import first_address, lut
from tests.fqir import formulas
from tests.fqir.formulas import amounts, arrays, elementwise

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array

I32 = np.int32


def run(x: Any, xs: Any, ys: Any, shamt: int = 0, bw: int = 4, kind: Any = I32) -> Array:
    table = Table("t", np.array(xs), np.array(ys))
    return lut(
        np.array(x, kind),
        shamt_address=shamt,
        bw_address=bw,
        first=first_address(table),
        values=table.y,
    )


@settings(max_examples=40, deadline=None)
@given(arrays(), amounts, st.integers(1, 8), st.sampled_from(["i1", "i4", "i8"]))
def test_lut_follows_the_formula_in_the_storage_types(x: Array, s: int, bw: int, kind: str) -> None:
    values = np.random.default_rng(bw).integers(-100, 100, 1 << bw).astype(kind)
    half = 1 << (bw - 1)

    def formula(a: int) -> int:
        moved = formulas.rsh(a, s, False, x.dtype.itemsize * 8)
        assert moved is not None
        return int(values[formulas.clamp(moved, bw) + half])

    result = lut(x, shamt_address=s, bw_address=bw, first=-half, values=values)

    assert result.tolist() == elementwise(formula, x)
    assert result.dtype == kind


def test_addresses_saturate() -> None:
    xs = range(-8, 8)

    assert run([-9, -8, 0, 7, 8], xs, [10 * a for a in xs]).tolist() == [-80, -80, 0, 70, 70]
    assert run([[1, 2], [3, 4]], xs, [10 * a for a in xs]).tolist() == [[10, 20], [30, 40]]


def test_only_the_smallest_address_of_a_table_counts() -> None:
    assert run([1, 2], [2, 0, 1], [20, 0, 10]).tolist() == [0, 10]


def test_the_shift_to_an_address_wraps() -> None:
    xs = range(-8, 8)

    assert run([2**30], xs, xs, shamt=2).tolist() == [0]
    assert run([2**30], xs, xs, shamt=2, kind=np.int64).tolist() == [7]


def test_an_address_below_the_table_counts_from_its_end() -> None:
    assert run([-8, -4], range(-4, 8), range(-4, 8)).tolist() == [4, -4]


@pytest.mark.parametrize(
    ("x", "xs", "found"), [(7, range(-8, 4), "address 7"), (-8, range(4), "address -8")]
)
def test_an_address_outside_the_table_is_an_error(x: int, xs: Any, found: str) -> None:
    with pytest.raises(KernelError, match=f"{found} is outside the table, which has"):
        run([x, 0], xs, xs)


def test_an_empty_table_has_no_first_address() -> None:
    with pytest.raises(KernelError, match="empty"):
        first_address(Table("t", np.zeros(0, I32), np.zeros(0, I32)))


def test_real_numbers_are_rounded_down_and_saturated() -> None:
    x = np.array([0.5, -0.5, 1, -1, 0.999, 2, np.inf, -np.inf, 0.0039, -0.001])

    result = quantize(x, quanta=-7, bw=8)

    assert result.tolist() == [64, -64, 127, -128, 127, 127, 127, -128, 0, -1]
    assert result.dtype == np.int64
    assert quantize(x[:4].astype(np.float32), quanta=-7, bw=8).tolist() == [64, -64, 127, -128]
    assert quantize(np.array([100.0]), quanta=3, bw=8).tolist() == [12]
    assert quantize(np.array([True, False]), quanta=-7, bw=8).tolist() == [127, 0]


def test_integers_pass_when_they_are_in_range() -> None:
    x = np.array([127, -128], I32)

    assert quantize(x, quanta=0, bw=8).tolist() == [127, -128]
    assert quantize(x, quanta=0, bw=8).dtype == np.int64
    with pytest.raises(KernelError, match=r"integers -128\.\.127 to be quantized"):
        quantize(x, quanta=0, bw=7)
    with pytest.raises(KernelError, match="not a number"):
        quantize(np.array([np.nan]), quanta=0, bw=8)


def test_dequantized_numbers_are_scaled_float64() -> None:
    result = dequantize(np.array([1, -3], I32), quanta=-7)

    assert result.tolist() == [2**-7, -3 * 2**-7]
    assert result.dtype == np.float64
    assert dequantize(np.array([5]), quanta=3).tolist() == [40]
