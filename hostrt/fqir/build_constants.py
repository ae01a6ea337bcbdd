"""Constants of nodes and look-up tables, as `hostrt.fqir.graph` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import ProgramUnsafe
from hostrt.fqir.build_fields import Fields, is_a, quoted
from hostrt.fqir.graph import Table
from hostrt.fqir.standins import PickledArray

if TYPE_CHECKING:
    from hostrt.fqir.build_fields import Work
    from hostrt.fqir.graph import Array, Constant
    from hostrt.fqir.operators import Operator
    from hostrt.fqir.standins import StandIn


class UnknownConstantError(Exception):
    """A constant holds a value of a kind that no operator uses."""


class Constants:
    """Turns constants into plain values; a table that is shared stays one object."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._tables: dict[int, Table] = {}

    def read(
        self, fields: Fields, operator: Operator | None
    ) -> tuple[dict[str, Constant], list[str]]:
        """Give the constants of a node, and the names of those left out.

        Left out are values of kinds that no operator uses, under names that this one does not
        know.

        Raises:
            ProgramCorrupt: a constant that the operator needs is missing or of an unknown kind.
            ProgramUnsafe: lists nested too deeply.
        """
        needed = operator.constants if operator else ()
        known = {*needed, *(operator.optional_constants if operator else ())}
        values: dict[str, Constant] = {}
        left_out = []
        for name, value in fields.table("constants").items():
            try:
                values[name] = self._constant(value, self._work.limits.constant_depth)
            except UnknownConstantError:
                if name in known:
                    raise fields.wrong(f"constant {quoted(name)}", value, "a number") from None
                left_out.append(name)
        for name in needed:
            if name not in values:
                raise fields.fault(f"no constant {quoted(name)}", "one")
        return values, left_out

    def _constant(self, value: object, depth: int) -> Constant:
        self._work.spend(1)
        if value is None or isinstance(value, bool | int | float | str | np.generic):
            return value
        if isinstance(value, PickledArray) and value.array is not None:
            return value.array
        if is_a(value, "Table"):
            return self._table(value)
        if not isinstance(value, list | tuple):
            raise UnknownConstantError
        if not depth:
            file, most = self._work.file, self._work.limits.constant_depth
            raise ProgramUnsafe(
                f"{file}: found a constant of lists more than {most} deep, expected fewer",
                hint="no operator has such a constant; ask where the file comes from",
                file=file,
            )
        return tuple(self._constant(item, depth - 1) for item in value)

    def _table(self, item: StandIn) -> Table:
        if id(item) in self._tables:
            return self._tables[id(item)]
        name = Fields(item, "a look-up table", self._work).optional_text("name")
        fields = Fields(item, f"look-up table {quoted(name)}", self._work)
        x, y = (_column(fields, axis) for axis in ("x", "y"))
        if len(x) != len(y) or not len(x):
            raise fields.fault(f"{len(x)} addresses and {len(y)} values", "as many, at least one")
        n = fields.optional_int("N")
        if n is not None and n != len(x):
            raise fields.wrong("N", n, f"{len(x)}, the number of addresses")
        table = self._tables[id(item)] = Table(name, x, y)
        return table


def _column(fields: Fields, name: str) -> Array:
    array = fields.array(name)
    if array is None or array.ndim != 1 or array.dtype.kind not in "iu":
        found = "none" if array is None else f"{array.dtype}, {array.ndim} axes"
        raise fields.fault(f"{name} {found}", "a row of integers")
    return array
