"""The only names a pickle may mention (FQIR reference 1.7)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from firmware_protocol.members import printable_name
from hostrt.errors import ProgramUnsafe, ProgramUnsupported
from hostrt.fqir.operators import BY_CLASS
from hostrt.fqir.pickle_fault import PickleFault
from hostrt.fqir.standins import Global, Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COUNTERS = (
    "VVCounter VCounter MatmulCounter ConvCounter VLUTCounter NullCounter CopyCounter ShiftCounter "
    "ReductionCounter"
)
"""Classes of the reference's cost counters."""

_OBJECTS = {
    "fmot.fqir.graph_proto.graph_proto": "GraphProto",
    "fmot.fqir.nodes.node_proto": "NodeProto",
    "fmot.fqir.nodes.node_base": "NodeReprSettings",
    "fmot.fqir.variables.tensor_proto": "TensorProto",
    "fmot.fqir.nodes.opcounters": COUNTERS,
    "fmot.fqir.nodes.optypes": " ".join(BY_CLASS),
    "fmot.qat.nn.atomics": "Table",
    "fmot.fqir.runtime_backend": "CompiledGraphRuntime",
    "fmot.fqir.runtime_plan": "RuntimeGraphPlan RuntimeNode RuntimeTensor",
}
_FUNCTIONS = {
    "numpy": "dtype",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy._core.numeric": "_frombuffer",
    "_codecs": "encode",
    "builtins": "set bytes frozenset",
    "collections": "OrderedDict",
}
_ARGUMENTS = {"numpy": "ndarray"}
_OTHER_SPELLINGS = {
    "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric",
    "builtins": "__builtin__",
}
_TORCH_TENSOR_WORDS = ("_rebuild_", "Storage", "Parameter", "Tensor", "device", "Size")


def _names() -> Iterator[tuple[tuple[str, str], Global]]:
    roles = ((_OBJECTS, Role.OBJECT), (_FUNCTIONS, Role.FUNCTION), (_ARGUMENTS, Role.ARGUMENT))
    for table, role in roles:
        for module, names in table.items():
            for name in names.split():
                item = Global(module, name, role)
                yield (module, name), item
                if module in _OTHER_SPELLINGS:
                    yield (_OTHER_SPELLINGS[module], name), item


ALLOWED: Mapping[tuple[str, str], Global] = MappingProxyType(dict(_names()))
"""(module, name) -> what it stands for; Python 2 and NumPy 1 spellings included."""


def find_global(module: str, name: str) -> Global:
    """Give what a pair of names stands for.

    Raises:
        PickleFault: it is not in the allow-list.
    """
    found = ALLOWED.get((module, name))
    if found is None:
        raise _refusal(module, name)
    return found


def _refusal(module: str, name: str) -> PickleFault:
    words = f"the name '{printable_name(module)} {printable_name(name)}'"
    package = module.partition(".")[0]
    if package == "torch" and any(word in name for word in _TORCH_TENSOR_WORDS):
        return PickleFault(
            ProgramUnsupported,
            f"a torch tensor ({words})",
            "parameters as numpy integers",
            hint="save the quantized FQIR graph, not the torch model",
        )
    if module.startswith("torch.nn."):
        return PickleFault(
            ProgramUnsupported,
            f"a torch module ({words})",
            "a quantized FQIR graph",
            hint="trace and quantize the module with fmot, and save the graph that this gives",
        )
    if package == "fmot":
        return PickleFault(
            ProgramUnsupported,
            f"{words}, which this version does not know",
            "classes of FQIR 1.3 to 3.21",
            hint="save the traced graph itself, without custom functions in it",
        )
    return PickleFault(
        ProgramUnsafe,
        words,
        "classes of FQIR, numpy arrays and plain values only",
        hint="nothing was executed; an honest model has no use for it, do not open it elsewhere",
    )
