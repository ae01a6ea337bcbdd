"""Writes the objects of an FQIR file again with Python's own pickler, at any protocol.

The toolkit's classes are not installed: empty classes of the same names take their place in
`sys.modules` while the pickler looks them up. Nothing is ever loaded with `pickle`.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
from types import ModuleType
from typing import TYPE_CHECKING
from unittest import mock

from hostrt.fqir.allowed import ALLOWED
from hostrt.fqir.limits import Limits
from hostrt.fqir.reading import read_root
from hostrt.fqir.standins import PickledArray, PickledSet, Role, StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAKES: dict[tuple[str, str], type] = {
    (module, name): type(name, (), {"__module__": module})
    for (module, name), item in ALLOWED.items()
    if item.role is Role.OBJECT
}
"""(module, name) -> an empty class that claims to come from there."""


def resaved(path: Path, protocol: int) -> bytes:
    """Give the bare pickle of a file's root object at another protocol."""
    root, _ = read_root(path.read_bytes(), path.name, Limits())
    with deep_recursion():
        return dumped(revived(root, {}), protocol)


def dumped(value: object, protocol: int) -> bytes:
    """Pickle a value that may hold instances of `FAKES`."""
    with _fake_modules():
        return pickle.dumps(value, protocol)


@contextlib.contextmanager
def deep_recursion() -> Iterator[None]:
    """Let writers follow graphs whose tensors know their neighbours from one end to the other."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20 * limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@contextlib.contextmanager
def _fake_modules() -> Iterator[None]:
    modules: dict[str, ModuleType] = {}
    for (module, name), cls in FAKES.items():
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            parent = ".".join(parts[:end])
            modules.setdefault(parent, ModuleType(parent))
        setattr(modules[module], name, cls)
    with mock.patch.dict(sys.modules, modules):
        yield


def revived(value: object, done: dict[int, object]) -> object:
    """Turn stand-ins into instances that the pickler can write; shared ones stay shared.

    Args:
        value: what our reader gave.
        done: objects met so far, by the id of their stand-in.
    """
    if id(value) in done:
        return done[id(value)]
    match value:
        case StandIn():
            made = done[id(value)] = FAKES[value.cls.module, value.cls.name]()
            state = revived(value.state or {}, done)
            assert isinstance(state, dict)
            vars(made).update(state)
            return made
        case PickledArray():
            return done.setdefault(id(value), value.array)
        case PickledSet():
            members: set[object] = set()
            done[id(value)] = members
            members.update(revived(item, done) for item in value.items)
            return members
        case list():
            items: list[object] = []
            done[id(value)] = items
            items.extend(revived(item, done) for item in value)
            return items
        case tuple():
            return done.setdefault(id(value), tuple(revived(item, done) for item in value))
        case dict():
            table: dict[object, object] = {}
            done[id(value)] = table
            table.update({key: revived(item, done) for key, item in value.items()})
            return table
        case _:
            return value
