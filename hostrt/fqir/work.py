"""What one frame really computes, counted from the operators' meaning (FQIR reference 7, end).

Unlike the reference's counts, these know how often a loop turns, how often a strided graph runs,
and what convolutions and `gmac_v2` do; zeros are not left out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod
from operator import index
from typing import TYPE_CHECKING, SupportsIndex

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.counters import kind_of
from hostrt.fqir.sizes import numel
from hostrt.fqir.walk import graphs_within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostrt.fqir.graph import Graph, Node, Tensor


@dataclass(frozen=True, slots=True)
class Work:
    """Operations of one frame; a fraction when not every frame does the same.

    Attributes:
        macs: multiply-accumulates of matrix products, convolutions and `gmac_v2`.
        additions: other additions.
        multiplies: other multiplications.
        luts: look-ups.
        other_logic: comparisons, logic, extremes.
    """

    macs: float = 0
    additions: float = 0
    multiplies: float = 0
    luts: float = 0
    other_logic: float = 0

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, name) + getattr(other, name) for name in _FIELDS))

    def __mul__(self, times: int) -> Work:
        return Work(*(getattr(self, name) * times for name in _FIELDS))

    def __truediv__(self, parts: int) -> Work:
        return Work(*(getattr(self, name) / parts for name in _FIELDS))

    def most(self, other: Work) -> Work:
        """Give the larger of each count."""
        return Work(*(max(getattr(self, name), getattr(other, name)) for name in _FIELDS))


_FIELDS = tuple(field.name for field in fields(Work))


def estimate_work(graph: Graph, *, at_most: bool = False) -> Work:
    """Count what one frame of a graph computes.

    Of the branches of a conditional the larger counts. Declared shapes are believed.

    Args:
        graph: usually `model.arith`.
        at_most: count a frame in which every strided graph runs, not the mean of all frames.

    Raises:
        ProgramUnsupported: a constant or a shape that this needs is missing or impossible.
    """
    known: dict[int, Work] = {}
    for inner in reversed(graphs_within(graph)):
        total = Work()
        for node in inner.nodes:
            total += _work_of(node)
            for nested in _nested(node, known, at_most=at_most):
                total += nested
        known[id(inner)] = total
    return known[id(graph)]


def _nested(node: Node, known: Mapping[int, Work], *, at_most: bool) -> list[Work]:
    parts = [known[id(graph)] for graph in node.subgraphs.values()]
    if node.opname == "loop":
        return [part * _whole(node, "n_iter") for part in parts]
    if node.opname == "strided_subgraph" and not at_most:
        return [part / _whole(node, "n") for part in parts]
    if node.opname == "conditional":
        most = Work()
        for part in parts:
            most = most.most(part)
        return [most]
    return parts


def _work_of(node: Node) -> Work:
    count = _COUNTS.get(node.opname)
    if count is not None:
        try:
            return count(node)
        except (KeyError, IndexError) as error:
            raise ProgramUnsupported(
                f"{node.opname} has fewer inputs or outputs than it needs"
            ) from error
    kind = kind_of(node.opname)
    if kind is None:
        return _NOTHING
    return Work(**{kind: sum(numel(tensor) for tensor in node.outputs)})


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tensor.shape if tensor.value is None else tensor.value.shape


def _matrix_product(node: Node) -> Work:
    left, right = _shape(node.inputs["x"]), _shape(node.inputs["y"])
    columns = prod(right[1:]) if left else 1
    additions = numel(node.outputs[0]) if "bias" in node.inputs else 0
    return Work(macs=prod(left) * columns, additions=additions)


def _convolution(node: Node) -> Work:
    weight = prod(_shape(node.inputs["weight"]))
    reach = _whole(node, "dilation_band") * (_whole(node, "kernel_size_band") - 1) + 1
    room = _whole(node, "n_band_in") + 2 * _whole(node, "padding_band", least=0)
    bands = max((room - reach) // _whole(node, "stride_band") + 1, 0)
    additions = numel(node.outputs[0]) if "bias" in node.inputs else 0
    return Work(macs=weight * bands, additions=additions)


def _gmac(node: Node) -> Work:
    terms = sum(name.startswith(("x_vv_", "x_vi_")) for name in node.inputs)
    return Work(macs=terms * numel(node.outputs[0]))


def _sum(node: Node) -> Work:
    return Work(additions=prod(_shape(node.inputs["x"])))


def _whole(node: Node, name: str, least: int = 1) -> int:
    value = node.constants.get(name)
    try:
        number = index(value) if isinstance(value, SupportsIndex) else least - 1
    except TypeError:  # an array
        number = least - 1
    if not least <= number < _TOO_MANY:
        raise ProgramUnsupported(
            f"{node.opname} has no usable constant {name}, expected a whole number of {least} or "
            "more"
        )
    return number


_NOTHING = Work()
_TOO_MANY = 1 << 53

_COUNTS: Mapping[str, Callable[[Node], Work]] = {
    "matmul": _matrix_product,
    "addmm": _matrix_product,
    "temporal_conv2d": _convolution,
    "gmac_v2": _gmac,
    "sum": _sum,
}
