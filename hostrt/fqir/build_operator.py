"""Which operator a node has, and whether it has what that needs (FQIR reference 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.fqir.allowed import COUNTERS
from hostrt.fqir.build_fields import Fields, quoted
from hostrt.fqir.operators import BY_CLASS
from hostrt.fqir.standins import StandIn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.fqir.build_fields import Work
    from hostrt.fqir.graph import Tensor
    from hostrt.fqir.operators import Operator

_NAME_UNKNOWN = frozenset({"CONV1D", "AVGPOOL1D", "MAXPOOL1D", "CONV2D", "ADAPTIVEAVGPOOL2D"})
_COUNTERS = frozenset(COUNTERS.split())


def find_operator(fields: Fields, item: object, work: Work) -> Operator:
    """Give the operator that an `optype` stands for.

    Args:
        fields: of the node, for messages.
        item: the node's `optype`.
        work: counter of what is looked at.

    Raises:
        ProgramCorrupt: no operator, or its class and its name disagree.
    """
    operator = BY_CLASS.get(item.cls.name) if isinstance(item, StandIn) else None
    if operator is None or not isinstance(item, StandIn):
        raise fields.wrong("optype", item, "an operator")
    name = Fields(item, f"operator of {fields.label}", work).text("name")
    # the reference does not say what those of before 1.9 were called
    if name != operator.name and operator.class_name not in _NAME_UNKNOWN:
        raise fields.fault(
            f"operator {quoted(name)} of class {operator.class_name}", quoted(operator.name)
        )
    return operator


def check_inputs(fields: Fields, operator: Operator | None, inputs: Mapping[str, Tensor]) -> None:
    """Check that a node has the inputs that its operator cannot do without.

    Of an open-ended family only `x0` of `x*` is needed: the others may be empty.

    Raises:
        ProgramCorrupt: one is missing.
    """
    for argument in operator.inputs if operator else ():
        name = argument.replace("*", "0")
        if name not in inputs and not argument.endswith("_*"):
            raise fields.fault(f"no input {quoted(name)}", "one")


def counter_of(fields: Fields) -> str:
    """Give the class of the reference's cost counter, "" when there is none."""
    item = fields.get("opcounter")
    if item is None:
        return ""
    if not isinstance(item, StandIn) or item.cls.name not in _COUNTERS:
        raise fields.wrong("opcounter", item, "a counter")
    return item.cls.name
