"""Whether an instruction stays inside of the memory that it names.

Models come from anywhere, and the machine checks nothing while it runs. So nothing gets into a
program that could read or write beyond the buffers of its operands.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.plan.vm_codes import LANES
from hostrt.fqir.plan.vm_places import SLACK, Label, Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Fields: TypeAlias = "Mapping[str, int | Ref | Label]"

Extents: TypeAlias = dict[str, int]
"""Field -> elements that are used from its place on."""

_WRITTEN = frozenset({"out", "test", "next", "k"})


class _Numbers:
    """The fields that are numbers, as attributes."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> int:
        word = self._fields[name]
        if not isinstance(word, int):
            raise TypeError(f"field {name} is no number")
        return word


def _elementwise(f: _Numbers) -> Extents:
    return dict.fromkeys(("out", "x", "y"), f.blocks * LANES)


def _with_one(f: _Numbers) -> Extents:
    return {"out": f.blocks * LANES, "x": f.blocks * LANES, "y": 1}


def _look_up(f: _Numbers) -> Extents:
    return {
        "out": f.blocks * LANES,
        "x": f.blocks * LANES,
        "table": f.hi - f.lo + 1 if f.hi >= f.lo else -1,
    }


def _taps(f: _Numbers) -> Extents:
    n = f.blocks * LANES
    factors = (f.taps - 1) * f.n + n if f.taps else 0
    return {"out": n, "bias": n, "x": factors, "weights": factors}


def _sum(f: _Numbers) -> Extents:
    return {"out": max(f.count, f.blocks * LANES), "x": f.count * f.n}


def _rows(f: _Numbers) -> Extents:
    if not f.rows or not f.n:
        return {"out": 0, "x": 0}
    return {"out": (f.rows - 1) * f.step_out + f.n, "x": (f.rows - 1) * f.step_x + f.n}


def _product(f: _Numbers) -> Extents:
    width = max(f.columns, -(-f.columns // LANES) * LANES)
    return {
        "out": (f.rows - 1) * f.columns + width if f.rows else 0,
        "x": f.rows * f.n,
        "weights": f.columns * f.n,
        "bias": width,
    }


_EXTENTS: Mapping[str, Callable[[_Numbers], Extents]] = MappingProxyType(
    {
        **dict.fromkeys(("add", "multiply", "greater", "greater_equal", "equal"), _elementwise),
        **dict.fromkeys(("both", "either", "one_of", "largest", "smallest"), _elementwise),
        "add_one": _with_one,
        "multiply_one": _with_one,
        "mask": lambda f: dict.fromkeys(("out", "x"), f.blocks * LANES),
        "look_up": _look_up,
        "taps": _taps,
        "sum": _sum,
        "rows": _rows,
        "product": _product,
        "pick": lambda f: dict.fromkeys(("out", "index"), f.n),
        "input": lambda f: {"out": f.n},
        "output": lambda f: {"x": f.n},
        # whoever makes a loop has to see to the blocks of all iterations
        "block": lambda f: {"out": f.n, "x": f.n, "k": 1},
        "count": lambda _: dict.fromkeys(("test", "next", "counter"), 1),
        "jump_unless": lambda _: {"x": 1},
        "start": lambda _: {"k": 1},
        "repeat": lambda _: {"k": 1},
        "leave": lambda _: {"k": 1},
    }
)


def require_inside(name: str, fields: Fields) -> None:
    """Refuse an instruction that could use memory outside of its operands.

    Args:
        name: of the instruction.
        fields: all of them.

    Raises:
        ProgramUnsupported: it could.
    """
    kind = name.partition(".")[0]
    extents = _EXTENTS[kind](_Numbers(fields)) if kind in _EXTENTS else {}
    if kind == "pick":
        extents["x"] = _picked(fields["index"])
    for field, word in fields.items():
        if isinstance(word, Ref):
            require_span(word, extents[field], write=field in _WRITTEN)


def require_span(ref: Ref, n: int, *, write: bool) -> None:
    """Refuse a number of elements that a buffer does not have.

    Raises:
        ProgramUnsupported: it has fewer than `n` from the place on.
    """
    room = ref.buffer.room + (0 if write else SLACK)
    if n < 0 or ref.offset < 0 or ref.offset + n > room:
        raise ProgramUnsupported(
            f"{n} elements from {ref.offset} on are needed of a value of {ref.buffer.size}",
            hint="use the reference engine",
        )


def _picked(index: int | Ref | Label) -> int:
    """Give how many elements an index reaches."""
    if not isinstance(index, Ref) or index.buffer.content is None:
        raise TypeError("an index must be constant")
    content = index.buffer.content
    return int(content.max()) + 1 if content.size else 0
