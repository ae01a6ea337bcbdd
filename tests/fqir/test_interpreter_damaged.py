"""Whatever a graph holds, running it ends in results or in one of hostrt's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import ProgramCorrupt, ProgramUnsupported
from hostrt.fqir.graph import Model, Table
from hostrt.fqir.interpreter import Interpreter
from hostrt.fqir.intervals import analyze
from tests.peer.fqir_cases import DRAWS, single

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.graph import Node

JUNK: tuple[Any, ...] = (
    None, "x", True, -1, 0, 1, 2, 7, 1000, 2**31, 2**63, -(2**70), 1.5, float("nan"), (), (1,),
    (-1,), (2, 3), ("a",), np.int32(5), np.float32(0.5), np.array([1, 2]), np.array([1.5]),
    Table("t", np.array([0, 1]), np.array([1, 2])), Table("t", np.zeros(0, int), np.zeros(0, int)),
)  # fmt: skip


def damage(nodes: list[Node], data: st.DataObject) -> None:
    """Change one thing about one node; how often a loop turns is left alone."""
    node = data.draw(st.sampled_from(nodes))
    constants = sorted(set(node.constants) - {"n_iter"})
    what = data.draw(st.sampled_from(["constant", "constant", "absent", "input", "swap", "output"]))
    if what == "constant" and constants:
        node.constants[data.draw(st.sampled_from(constants))] = data.draw(st.sampled_from(JUNK))
    elif what == "absent" and constants:
        del node.constants[data.draw(st.sampled_from(constants))]
    elif what == "input" and node.inputs:
        del node.inputs[data.draw(st.sampled_from(sorted(node.inputs)))]
    elif what == "swap" and node.inputs:
        others = [tensor for one in nodes for tensor in one.inputs.values()]
        node.inputs[data.draw(st.sampled_from(sorted(node.inputs)))] = data.draw(
            st.sampled_from(others)
        )
    elif what == "output" and node.outputs:
        node.outputs.pop()


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(sorted(DRAWS)), st.integers(0, 10**6), st.data())
def test_a_damaged_node_gives_results_or_one_of_our_errors(
    opname: str, seed: int, data: st.DataObject
) -> None:
    case = single(opname, seed)
    made = Model(case.root)
    damage(list(made.arith.walk()), data)

    def run() -> None:
        interpreter = Interpreter(made)
        for t in range(2):
            interpreter.step([array[t] for array in case.inputs])

    tries: tuple[Callable[[], object], ...] = (run, lambda: analyze(made))
    said: list[str] = []
    for attempt in tries:
        try:
            attempt()
        except (ProgramCorrupt, ProgramUnsupported) as error:
            said.append(str(error))
    assert not any("\n" in message for message in said)
