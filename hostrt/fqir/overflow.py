"""Models whose results depend on wrap-around, mostly of 32 bits (FQIR reference 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostrt.fqir.intervals import analyze

if TYPE_CHECKING:
    from hostrt.fqir.graph import Model
    from hostrt.fqir.intervals import Intervals


@dataclass(frozen=True, slots=True)
class OverflowRisk:
    """One node that can leave its storage type.

    The reference's own back ends disagree there, and so may the chip: the model is broken, or its
    input never reaches what makes it so.

    Attributes:
        node: its name, or the name of what it writes.
        operator: what it does.
        why: which numbers do not fit.
    """

    node: str
    operator: str
    why: str

    def __str__(self) -> str:
        return f"node {self.node!r} ({self.operator}): {self.why}"


def overflow_risks(model: Model, intervals: Intervals | None = None) -> list[OverflowRisk]:
    """List the nodes whose result can depend on wrap-around, in execution order.

    Args:
        model: what to look at.
        intervals: the analysis of the model, when it was made already.

    Raises:
        ProgramCorrupt: a node lacks something it needs.
        ProgramUnsupported: a node that cannot be executed, or a tensor that is never written.
    """
    found = (intervals or analyze(model)).notes
    return [
        OverflowRisk(
            node.name or ", ".join(tensor.name for tensor in node.outputs), node.opname, why
        )
        for node, why in found
    ]
