"""Look-up tables (FQIR reference 4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.semantics.integers import KernelError, clamp, int64, sh

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array, Table


def first_address(table: Table) -> int:
    """Give the address that stands for the first value of a table.

    Raises:
        KernelError: the table is empty.
    """
    if not table.x.size:
        raise KernelError("an empty table")
    return int(np.min(table.x))


def lut(x: Array, *, shamt_address: int, bw_address: int, first: int, values: Array) -> Array:
    """Look up; the result has the storage type of the table's values.

    Args:
        x: arguments; they are shifted to addresses in their own storage type.
        shamt_address: shift from argument to address.
        bw_address: bits that addresses are saturated to.
        first: address of the first value, see `first_address`.
        values: (N,) values. Addresses below `first` count from the end, as numpy does.

    Raises:
        KernelError: an address is outside the table.
    """
    index = int64(clamp(sh(x, shamt_address), bw_address)) - first
    try:
        found: Array = values[index]
    except IndexError:
        worst = int(np.max(index)) if int(np.max(index)) >= len(values) else int(np.min(index))
        raise KernelError(
            f"address {worst + first} is outside the table, which has {len(values)} values from "
            f"{first} on"
        ) from None
    return found
