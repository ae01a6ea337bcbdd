"""Says whether two models are the same, in content and in what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.graph import Graph, Node, Table, Tensor

if TYPE_CHECKING:
    from hostrt.fqir.graph import Model

_FIELDS: dict[type, tuple[str, ...]] = {
    Graph: ("name", "inputs", "outputs", "parameters", "nodes", "subgraphs", "unbind_dim",
            "stack_dim"),
    Node: ("name", "operator", "inputs", "outputs", "constants", "subgraphs", "counter",
           "sourceref"),
    Tensor: ("name", "dtype", "shape", "quanta", "value", "avg_sparsity", "density_per_element",
             "named_dims", "is_bool"),
    Table: ("name", "x", "y"),
}  # fmt: skip


def assert_same(a: Model, b: Model) -> None:
    """Fail at the first difference; objects shared in one must be shared in the other."""
    assert not difference(a.root, b.root, "root", {}, {})


def difference(
    a: object, b: object, where: str, forth: dict[int, object], back: dict[int, object]
) -> str:
    """Say where two values differ, "" when they do not.

    Args:
        a: a value.
        b: the other one.
        where: what to call them.
        forth: objects of `a` by id -> objects of `b` met so far.
        back: the other way round.
    """
    if type(a) is not type(b):
        return f"{where}: {type(a).__name__} and {type(b).__name__}"
    fields = _FIELDS.get(type(a))
    if fields is not None:
        if id(a) in forth or id(b) in back:
            both = forth.get(id(a)) is b and back.get(id(b)) is a
            return "" if both else f"{where}: shared differently"
        forth[id(a)], back[id(b)] = b, a
        pairs = [(field, getattr(a, field), getattr(b, field)) for field in fields]
    elif isinstance(a, dict) and isinstance(b, dict):
        if list(a) != list(b):
            return f"{where}: keys {list(a)} and {list(b)}"
        pairs = [(repr(key), a[key], b[key]) for key in a]
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            return f"{where}: {len(a)} and {len(b)} items"
        pairs = [(str(i), *pair) for i, pair in enumerate(zip(a, b, strict=True))]
    else:
        return "" if _equal(a, b) else f"{where}: {a!r} and {b!r}"
    found = (difference(one, other, f"{where}.{key}", forth, back) for key, one, other in pairs)
    return next((text for text in found if text), "")


def _equal(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return bool(a == b)
