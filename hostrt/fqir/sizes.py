"""How much a tensor holds, in elements and bytes (FQIR reference 1.9 and 7)."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

from hostrt.errors import ProgramUnsupported

if TYPE_CHECKING:
    from hostrt.fqir.graph import Tensor

_DTYPE = re.compile(r"(?:fq)?int(4|8|16|24)(?:_fp)?")
_TOO_MANY = 1 << 53  # beyond it float64 has no exact integers


def stored_bits(dtype: str) -> int | None:
    """Give the bits of an element: 4, 8, 16 or 24; None for real numbers and unknown names."""
    match = _DTYPE.fullmatch(dtype)
    return int(match[1]) if match else None


def numel(tensor: Tensor) -> int:
    """Give the number of elements by the declared shape.

    Raises:
        ProgramUnsupported: the shape is impossible: a negative axis, or 2**53 elements and more.
    """
    count = prod(tensor.shape)
    if min(tensor.shape, default=0) < 0 or count >= _TOO_MANY:
        raise ProgramUnsupported(
            f"tensor {tensor.name[:60]!r} declares an impossible shape, expected axes of 0 or more "
            "and less than 2**53 elements in all"
        )
    return count


def density_of(tensor: Tensor) -> float:
    """Give the observed share of non-zero elements; 1 when it is not known."""
    sparsity = tensor.avg_sparsity
    return 1.0 if sparsity is None or not 0 <= sparsity <= 1 else 1 - sparsity


def nonzeros(tensor: Tensor) -> float:
    """Give the number of non-zero elements: counted, else expected, else all.

    Raises:
        ProgramUnsupported: an impossible shape.
    """
    if tensor.value is not None:
        import numpy as np

        return int(np.count_nonzero(tensor.value))
    return numel(tensor) * density_of(tensor)


def bytes_of(tensor: Tensor, *, only_nonzeros: bool = False) -> int:
    """Give the bytes a tensor takes in the chip's memory; two elements of 4 bits share one.

    Raises:
        ProgramUnsupported: elements of this type have no size on the chip (`float`), or an
            impossible shape.
    """
    bits = stored_bits(tensor.dtype)
    if bits is None:
        raise ProgramUnsupported(
            f"tensor {tensor.name[:60]!r} holds {tensor.dtype[:20]!r}, expected int4, int8, int16 "
            "or int24",
            hint="only quantized tensors have a size in memory",
        )
    elements = nonzeros(tensor) if only_nonzeros else numel(tensor)
    return int(elements * (bits / 8))
