"""Models run by names, on whatever engine can."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt.errors import (
    ExtraMissing,
    FrameError,
    ProgramUnsupported,
    UsageError,
)
from hostrt.fqir.executor import ENGINES, Executor
from hostrt.fqir.quantize import run_main
from hostrt.fqir.reference import ReferenceEngine
from hostrt.fqir.watching import tensor_names
from tests.fqir.inspected import golden, graph, model, node, tensor

if TYPE_CHECKING:
    from hostrt.fqir.graph import Model

FASTER = [name for name in ENGINES if name != "reference"]
ADD: dict[str, Any] = {"shamt_x": 0, "shamt_y": 0, "shamt_bwred": 0, "bw": 16}


def two_sided() -> Model:
    """Make a model of two inputs: sum and difference, with the last sum as state."""
    a, b = tensor("a", 2, dtype="int8"), tensor("b", 2, dtype="int8")
    total, less, held = tensor("total", 2), tensor("less", 2), tensor("held", 2)
    return model(
        node("vvadd", [total], x=a, y=b, constants=ADD),
        node("vvsub", [less], x=total, y=held, constants=ADD),
        node("assign", y=held, x=total),
        init=graph(node("zeros", [held], constants={"shape": (2,)}), name="INIT"),
        inputs=[a, b],
        outputs=[total, less],
    )


def reference(made: Model) -> Executor:
    return Executor(made, engine="reference")


def test_inputs_and_outputs_go_by_name() -> None:
    executor = reference(two_sided())

    assert executor.input_names == ("a", "b")
    assert executor.output_names == ("total", "less")
    first = executor.step({"b": [10, 20], "a": [1, 2]})
    second = executor.step({"a": [0, 0], "b": [0, 0]})
    assert {name: value.tolist() for name, value in first.items()} == {
        "total": [11, 22], "less": [11, 22],
    }  # fmt: skip
    assert second["less"].tolist() == [-11, -22]


def test_a_sequence_gives_what_its_frames_give() -> None:
    random = np.random.default_rng(5)
    frames = {name: random.integers(-128, 128, (9, 2)) for name in ("a", "b")}
    stepping, running = reference(two_sided()), reference(two_sided())

    steps = [stepping.step({name: x[t] for name, x in frames.items()}) for t in range(9)]
    parts = [running.run({name: x[cut] for name, x in frames.items()})
             for cut in (slice(4), slice(4, 4), slice(4, 9))]  # fmt: skip

    for name in ("total", "less"):
        expected = np.stack([step[name] for step in steps])
        assert np.array_equal(np.concatenate([part[name] for part in parts]), expected)
        assert parts[1][name].shape == (0, 2)


def test_what_a_step_gives_belongs_to_the_caller() -> None:
    executor = reference(two_sided())

    result = executor.step({"a": [1, 2], "b": [0, 0]})
    result["total"][:] = 99

    assert executor.step({"a": [0, 0], "b": [0, 0]})["less"].tolist() == [-1, -2]


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        ({"a": [1, 2]}, "^input 'b' is missing, expected 'a', 'b'$"),
        ({"a": [1, 2], "b": [1, 2], "c": [0]}, "^unknown input 'c', the model's inputs are 'a'"),
        ({"a": [1, 200], "b": [1, 2]}, "^input 'a': value 200 found"),
    ],
)
def test_a_frame_that_does_not_suit_is_refused(frame: Any, found: str) -> None:
    executor = reference(two_sided())

    with pytest.raises(FrameError, match=found):
        executor.step(frame)
    with pytest.raises(FrameError, match=found):
        executor.run({name: [value] for name, value in frame.items()})


def test_watched_tensors_are_recorded() -> None:
    executor = reference(two_sided())
    assert executor.internals() == {}
    executor.watch(["held", "a"])
    assert executor.internals() == {}

    executor.step({"a": [1, 2], "b": [3, 4]})
    after_step = executor.internals()
    executor.run({"a": [[5, 5], [6, 6]], "b": [[0, 0], [0, 0]]})
    after_run = executor.internals()

    assert {name: value.tolist() for name, value in after_step.items()} == {
        "held": [4, 6], "a": [1, 2],
    }  # fmt: skip
    assert {name: value.tolist() for name, value in after_run.items()} == {
        "held": [[5, 5], [6, 6]], "a": [[5, 5], [6, 6]],
    }  # fmt: skip
    executor.reset()
    assert executor.internals() == {}
    executor.watch([])
    executor.step({"a": [1, 2], "b": [3, 4]})
    assert executor.internals() == {}


def test_a_tensor_of_a_branch_that_did_not_run_keeps_its_value() -> None:
    x, y, into, out = (tensor(name, 1) for name in ("x", "y", "into", "out"))
    branches: dict[str, Any] = {
        "true": graph(node("vneg", [out], x=into, constants={"bw": 8}), name="t", inputs=[into],
                      outputs=[out]),
        "false": graph(name="f", inputs=[into], outputs=[into]),
    }  # fmt: skip
    executor = reference(
        model(node("conditional", [y], condition=x, input_0=x, **branches),
              inputs=[x], outputs=[y])
    )  # fmt: skip
    executor.watch(["out"])

    executor.step({"x": [0]})
    assert executor.internals()["out"].tolist() == [0]
    executor.run({"x": [[0], [3], [0], [4]]})
    assert executor.internals()["out"].tolist() == [[0], [-3], [-3], [-4]]
    executor.step({"x": [0]})
    assert executor.internals()["out"].tolist() == [-4]


def test_an_unknown_tensor_is_refused_with_those_that_sound_like_it() -> None:
    executor = reference(two_sided())

    with pytest.raises(UsageError, match="no tensor 'totl' in the model") as caught:
        executor.watch(["totl"])

    assert caught.value.hint == "similar: 'total'"
    assert list(tensor_names(executor.model)) == ["a", "b", "total", "less", "held"]


def test_tensors_of_nested_graphs_can_be_watched() -> None:
    names = tensor_names(golden("control_flow"))
    executor = reference(golden("control_flow"))
    inner = [t.name for n in executor.model.arith.nodes for g in n.subgraphs.values()
             for m in g.nodes for t in m.outputs]  # fmt: skip
    assert inner
    executor.watch(inner)

    executor.step({"x": [1] * 32, "sel": [1]})

    assert set(inner) <= set(names)
    assert set(executor.internals()) == set(inner)


def test_a_tensor_that_changes_its_shape_cannot_be_recorded_as_a_sequence() -> None:
    x, held, y = tensor("x", 1), tensor("held", 1), tensor("y", 1)
    growing = model(
        node("cat", [y], x0=held, x1=x, constants={"dim": 0}),
        node("assign", y=held, x=y),
        init=graph(node("zeros", [held], constants={"shape": (1,)}), name="INIT"),
        inputs=[x],
        outputs=[y],
    )

    with pytest.raises(ProgramUnsupported, match="tensor 'y' changes its shape between frames"):
        reference(growing).run({"x": [[1], [2]]})
    with pytest.raises(ProgramUnsupported, match="changes its shape"):
        run_main(growing, [[[1], [2]]])
    assert reference(growing).step({"x": [5]})["y"].tolist() == [0, 5]


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="no engine 'fast'") as caught:
        Executor(two_sided(), engine="fast")

    assert "reference" in caught.value.hint


def test_auto_takes_the_first_engine_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    class Picky(ReferenceEngine):
        name = "numpy"

        def __init__(self, made: Model) -> None:
            if made.init is not None:
                raise ProgramUnsupported("no state, please")
            super().__init__(made)

    module = ModuleType("hostrt.fqir.plan.numpy_engine")
    vars(module)["NumpyEngine"] = Picky
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, "hostrt.fqir.plan.compiled_engine", None)

    easy, hard = Executor(golden("mlp_int4")), Executor(two_sided())

    assert (easy.engine.name, hard.engine.name) == ("numpy", "reference")
    assert easy.notes == []
    assert hard.notes == ["engine numpy: no state, please"]
    with pytest.raises(ProgramUnsupported, match="no state"):
        Executor(two_sided(), engine="numpy")


@pytest.mark.parametrize("name", FASTER)
def test_an_engine_that_is_not_installed_says_what_it_needs(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, ENGINES[name].partition(":")[0], None)

    with pytest.raises(ExtraMissing, match=f"engine '{name}' needs"):
        Executor(two_sided(), engine=name)


def test_an_error_in_a_sequence_says_in_which_frame() -> None:
    x, y = tensor("x", 1), tensor("y", 1)
    made = model(node("quantize", [y], x=x, constants={"quanta": 0, "bw": 4}),
                 inputs=[x], outputs=[y])  # fmt: skip

    with pytest.raises(ProgramUnsupported, match="to be quantized") as caught:
        reference(made).run({"x": [[1], [2], [99]]})

    assert caught.value.context["frame"] == 2


@pytest.mark.parametrize(
    ("name", "inputs", "kind", "found"),
    [
        ("gru2", [], FrameError, "0 inputs given, expected 1"),
        ("gru2", [np.zeros((0, 24))], FrameError, "no frames given"),
        ("gru2", [np.zeros((3, 25))], FrameError, r"shape \(25,\) found, expected \(24,\)"),
        ("gru2", [np.zeros((3, 24), "U1")], FrameError, "<U1 found"),
        ("gru2", [5], FrameError, "expected time along axis 0"),
        ("gru2", [np.full((1, 24), 2**15)], ProgramUnsupported, "to be quantized"),
        ("gru2", [np.full((1, 24), np.nan)], ProgramUnsupported, "not a number"),
        ("control_flow", [np.zeros((2, 32), int), np.zeros((3, 1), int)], FrameError, "one length"),
        ("control_flow", [np.zeros((2, 32)), np.zeros((2, 1), int)], FrameError, "float64 found"),
        ("mlp_sigmoid", [np.zeros((2, 64))], FrameError, r"shape \(2, 64\) found"),
    ],
)
def test_the_main_graph_refuses_what_does_not_suit(
    name: str, inputs: Any, kind: type[Exception], found: str
) -> None:
    with pytest.raises(kind, match=found):
        run_main(golden(name), inputs)


def test_real_numbers_need_a_dequant_graph() -> None:
    with pytest.raises(UsageError, match="no DEQUANT graph"):
        run_main(two_sided(), [[[1, 2]], [[1, 2]]], dequantize=True)


def test_a_result_that_the_main_graph_never_writes_is_named() -> None:
    made = two_sided()
    made.root.subgraphs["DEQUANT"] = graph(name="DEQUANT", outputs=[tensor("real", 2)])

    with pytest.raises(ProgramUnsupported, match="the main graph never writes 'real'"):
        run_main(made, [[[1, 2]], [[1, 2]]], dequantize=True)


def test_a_main_graph_without_nodes_cannot_run() -> None:
    made = two_sided()
    made.root.nodes.clear()

    with pytest.raises(ProgramUnsupported, match="has no nodes"):
        run_main(made, [[[1, 2]], [[1, 2]]])
