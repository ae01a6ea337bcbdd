"""Choosing internal variables of a model by name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from hostrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostrt.fqir.graph import Model

ALL = "all"


def choose_variables(model: Model, named: Iterable[str]) -> tuple[str, ...]:
    """Give variables in graph order, whatever order they are named in.

    Args:
        model: its ARITH graph, nested graphs included.
        named: names of tensors that its nodes write, or "all".

    Raises:
        UsageError: no such variable; names those that sound like it.
    """
    wanted = set(named)
    if not wanted:
        return ()
    known = [tensor.name for node in model.arith.walk() for tensor in node.outputs]
    names = [name for name in dict.fromkeys(known) if ALL in wanted or name in wanted]
    for name in sorted(wanted - {ALL, *names}):
        close = get_close_matches(name, known, 3, 0.4)
        raise UsageError(
            f"no internal variable {name!r} in {model.path or 'the model'}",
            hint=f"did you mean {', '.join(close)}?"
            if close
            else "hostrt inspect --text lists them",
        )
    return tuple(names)
