"""Which function lowers which instruction of a plan."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from hostrt.fasmir import lower_elementwise as elementwise
from hostrt.fasmir import lower_structure as structure
from hostrt.fasmir.lower_control import lower_branch, lower_loop
from hostrt.fasmir.lower_conv import lower_conv
from hostrt.fasmir.lower_gmac import lower_gmac
from hostrt.fasmir.lower_products import lower_matmul
from hostrt.fqir.plan import ir

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOWER: Mapping[type, Callable[..., None]] = MappingProxyType(
    {
        ir.Add: elementwise.lower_add,
        ir.Mul: elementwise.lower_mul,
        ir.Scale: elementwise.lower_scale,
        ir.Wrap: elementwise.lower_wrap,
        ir.Compare: elementwise.lower_compare,
        ir.Lookup: elementwise.lower_lookup,
        ir.MatMul: lower_matmul,
        ir.Sum: structure.lower_sum,
        ir.Window: structure.lower_window,
        ir.Conv: lower_conv,
        ir.Gmac: lower_gmac,
        ir.Slice: structure.lower_slice,
        ir.Reshape: structure.lower_reshape,
        ir.Transpose: structure.lower_transpose,
        ir.Concat: structure.lower_concat,
        ir.Counter: structure.lower_counter,
        ir.Loop: lower_loop,
        ir.Branch: lower_branch,
    }
)
"""Class of the instruction -> its function, which takes the lowering and the instruction."""
