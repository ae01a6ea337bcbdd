"""Nodes become functions only with everything that they need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hostrt.errors import ProgramCorrupt, ProgramUnsupported
from hostrt.fqir.graph import Table
from hostrt.fqir.operators import OPERATORS
from hostrt.fqir.semantics.binding import KERNELS, bind
from tests.fqir.inspected import node, tensor

X, Y, OUT = tensor("x", 2), tensor("y", 2), tensor("out", 2)
ADD = {"shamt_x": 0, "shamt_y": 1, "shamt_bwred": 0, "bw": 16}


def test_every_executable_operator_without_graphs_has_a_function() -> None:
    executable = {name for name, one in OPERATORS.items() if one.executable and not one.subgraphs}

    assert set(KERNELS) == executable


@pytest.mark.parametrize("name", ["lstm", "print", "fqir_writer_kernel", "conv1d"])
def test_operators_that_cannot_be_executed_are_refused(name: str) -> None:
    with pytest.raises(ProgramUnsupported, match=rf"node 'out' \({name}\)") as caught:
        bind(node(name, [OUT]))

    assert caught.value.hint


def test_a_node_says_which_argument_it_lacks() -> None:
    made = node("vvadd", [OUT], constants=ADD, x=X)
    made.name = "sum of both"

    with pytest.raises(
        ProgramCorrupt, match=r"^node 'sum of both' \(vvadd\): has no argument 'y'$"
    ):
        bind(made)


def test_absent_rounding_is_none() -> None:
    def run(**more: Any) -> int:
        made = node("shift", [OUT], constants={"shamt": -1, "bw": 8, **more}, x=X)
        return int(bind(made).kernel({"x": np.array(3)})[0])

    assert run() == run(rounded=None) == run(rounded=False) == 1
    assert run(rounded=True) == 2


@pytest.mark.parametrize(
    ("name", "constants", "found"),
    [
        ("shift", {"bw": 8}, "has no constant 'shamt'"),
        ("shift", {"shamt": "1", "bw": 8}, "constant 'shamt' is '1', expected an integer"),
        ("shift", {"shamt": 0.5, "bw": 8}, "constant 'shamt' is 0.5, expected an integer"),
        ("shift", {"shamt": None, "bw": 8}, "constant 'shamt' is None, expected an integer"),
        ("shift", {"shamt": 0, "bw": 0}, "constant 'bw' is 0, expected 1..64 bits"),
        ("viadd", {**ADD, "y": "one"}, "constant 'y' is 'one', expected an integer"),
        ("vigt", {"imm": (1,)}, "constant 'imm' is tuple, expected an integer"),
        ("reshape", {"shape": "2"}, "constant 'shape' is '2', expected an integer"),
        ("split", {"lengths": 2}, "constant 'lengths' is 2, expected a list of integers"),
        ("split", {"lengths": (2, -1)}, r"constant 'lengths' is \[2, -1\]"),
        ("chunk", {"chunks": 0, "dim": 0}, "constant 'chunks' is 0"),
        ("chunk", {"chunks": 10**9, "dim": 0}, "constant 'chunks' is 1000000000"),
        ("zeros", {"shape": (-2,)}, r"a constant of shape \(-2,\)"),
        ("constant", {"shape": (2,), "value": np.array([1, 2, 3])}, "broadcast"),
        ("lut", {"shamt_address": 0, "bw_address": 8, "table": 5}, "is 5, expected a table"),
        ("cat", {"dim": 0}, "has no argument 'x0'"),
    ],
)
def test_a_node_says_which_constant_it_cannot_use(
    name: str, constants: dict[str, Any], found: str
) -> None:
    inputs = {} if name in ("cat", "zeros", "constant") else {"x": X}

    with pytest.raises(ProgramCorrupt, match=rf"^node 'out' \({name}\): .*{found}"):
        bind(node(name, [OUT], constants=constants, **inputs))


@pytest.mark.parametrize(
    ("x", "y", "found"),
    [
        (np.zeros(0, np.int8), np.zeros(0, np.int8), "an empty table"),
        (np.zeros(2, np.int8), np.zeros(2, np.uint8), "a table of int8 to uint8"),
        (np.zeros(2, np.float64), np.zeros(2, np.int32), "a table of float64 to int32"),
    ],
)
def test_tables_hold_signed_integers(x: Any, y: Any, found: str) -> None:
    constants: dict[str, Any] = {
        "shamt_address": 0, "bw_address": 8, "table": Table("t", x, y),
    }  # fmt: skip

    with pytest.raises(ProgramCorrupt, match=found):
        bind(node("lut", [OUT], constants=constants, x=X))


def test_integral_floats_are_integers() -> None:
    made = node("dequantize", [OUT], constants={"quanta": -7.0}, x=X)

    assert bind(made).kernel({"x": np.array([128])})[0] == 1.0


def test_operators_say_which_arguments_they_write() -> None:
    unfold = node("temporal_unfold", [OUT], constants={"dilation": 1}, x=X, buffer=Y)

    assert bind(node("assign", y=Y, x=X)).writes == ("y",)
    assert bind(unfold).writes == ("buffer",)
    assert bind(node("copy", [OUT], x=X)).writes == ()


def test_joining_goes_by_number_not_by_order() -> None:
    made = node("cat", [OUT], constants={"dim": 0}, x1=X, x0=Y, x3=X)
    values = {"x0": np.array([1]), "x1": np.array([2, 3]), "x3": np.array([9])}

    assert bind(made).kernel(values)[0].tolist() == [1, 2, 3]
