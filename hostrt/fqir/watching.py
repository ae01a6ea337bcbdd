"""Which tensors of a model can be looked at by name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from hostrt.errors import UsageError
from hostrt.fqir.walk import graphs_within, tensors_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.graph import Model, Tensor


def tensor_names(model: Model) -> dict[str, Tensor]:
    """Give every tensor of ARITH and the graphs nested in it, by name.

    Of several tensors with one name the first counts; at run time they are one.
    """
    found: dict[str, Tensor] = {}
    for tensor in tensors_within(graphs_within(model.arith)):
        found.setdefault(tensor.name, tensor)
    return found


def require_known(model: Model, names: Sequence[str]) -> dict[str, Tensor]:
    """Give tensors by name, in the order asked for.

    Raises:
        UsageError: the model has no tensor of that name.
    """
    known = tensor_names(model)
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, 3)
            raise UsageError(
                f"no tensor {name!r} in the model",
                hint=f"similar: {', '.join(map(repr, close))}" if close else "",
            )
    return {name: known[name] for name in names}
