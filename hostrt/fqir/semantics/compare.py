"""Comparisons, logic and extremes (FQIR reference 4.8). Truth values are 0 and 1 as int64."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from hostrt.fqir.graph import Array
from hostrt.fqir.semantics.integers import KernelError, fits_int64, int64, widest

Binary: TypeAlias = Callable[[Array, Array], Array]

VECTOR: Mapping[str, Binary] = MappingProxyType(
    {
        "vvgt": np.greater,
        "vvge": np.greater_equal,
        "vvlt": np.less,
        "vvle": np.less_equal,
        "vveq": np.equal,
        "vvand": np.logical_and,
        "vvor": np.logical_or,
        "vvxor": np.logical_xor,
    }
)
"""Operators on two tensors, by name; as truth values of numpy."""

COMPARED: tuple[str, ...] = ("vigt", "vige", "vilt", "vile", "vieq")
COMBINED: tuple[str, ...] = ("viand", "vior", "vixor")


def truth(values: Array) -> Array:
    """Give numpy's truth values as 0 and 1 in int64."""
    return np.asarray(values).astype(np.int64)


def gt0(x: Array) -> Array:
    """Tell which elements are positive."""
    return truth(np.greater(x, x.dtype.type(0)))


def compare(name: str, x: Array, y: Array) -> Array:
    """Run one of `VECTOR`; operands are broadcast as numpy does."""
    return truth(VECTOR[name](int64(x), int64(y)))


def compare_constant(name: str, x: Array, imm: float) -> Array:
    """Run one of `COMPARED`, exactly for every constant.

    Raises:
        KernelError: the constant is not a number.
    """
    if not math.isfinite(imm):
        raise KernelError(f"comparison with {imm}")
    limit = math.ceil(imm) if name in ("vige", "vilt") else math.floor(imm)
    whole = limit == imm
    if name == "vieq" and not (whole and fits_int64(limit)):
        return np.zeros(x.shape, np.int64)
    if not fits_int64(limit):
        above = name in ("vilt", "vile")
        return np.full(x.shape, int((imm > 0) == above), np.int64)
    return truth(VECTOR["vv" + name[2:]](int64(x), np.asarray(limit, np.int64)))


def combine_constant(name: str, x: Array, imm: float) -> Array:
    """Run one of `COMBINED`; nonzero is true."""
    return truth(VECTOR["vv" + name[2:]](int64(x), np.asarray(bool(imm))))


def vvmax(x: Array, y: Array) -> Array:
    """Give the larger elements, in the wider of the storage types."""
    result: Array = np.maximum(x, y, dtype=widest(x, y))
    return result


def vvmin(x: Array, y: Array) -> Array:
    """Give the smaller elements, in the wider of the storage types."""
    result: Array = np.minimum(x, y, dtype=widest(x, y))
    return result
