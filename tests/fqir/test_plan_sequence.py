"""Whole sequences: what goes frame by frame, and what does not have to."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from hostrt.fqir.graph import Graph, Model, Tensor
from hostrt.fqir.plan import numpy_engine
from hostrt.fqir.plan.components import strong_components
from hostrt.fqir.plan.evaluate import Evaluator
from hostrt.fqir.plan.lower import compile_plan
from hostrt.fqir.plan.numpy_engine import NumpyEngine
from hostrt.fqir.plan.sequence import Timeline
from hostrt.fqir.reference import ReferenceEngine
from tests.fqir.inspected import golden
from tests.fqir.models import ADD, Draft, accumulator, noise, recurrent, sides


def parts(model: Model) -> list[str]:
    """Give the kinds of parts that a sequence of a model has, without plain instructions."""
    plan = compile_plan(model)
    evaluator = Evaluator(plan.values, plan.tables, compact=True)
    timeline = Timeline(evaluator, plan.body, plan.states, plan.outputs)
    return [kind for part in timeline.parts if (kind := type(part).__name__) != "Once"]


def check(model: Model, *shapes: tuple[int, ...], frames: int = 40, bits: int = 16) -> None:
    """Compare a sequence, in two pieces, with the reference engine."""
    inputs = [noise((frames, *shape), bits, seed) for seed, shape in enumerate(shapes)]
    engine, reference = NumpyEngine(model), ReferenceEngine(model)

    for piece in (slice(0, 13), slice(13, frames)):
        given = [array[piece] for array in inputs]
        for found, wanted in zip(engine.run(given), reference.run(given), strict=True):
            assert np.array_equal(found, wanted)


def test_components_come_after_what_they_point_to() -> None:
    edges = [[1], [2], [0, 3], [], [4, 2], []]

    groups = [sorted(group) for group in strong_components(edges)]

    assert sorted(map(tuple, groups)) == [(0, 1, 2), (3,), (4,), (5,)]
    assert groups.index([3]) < groups.index([0, 1, 2]) < groups.index([4])


def test_components_of_a_long_chain_need_no_deep_recursion() -> None:
    count = 50_000

    groups = list(strong_components([[node + 1] for node in range(count)] + [[0]]))

    assert [len(group) for group in groups] == [count + 1]


def test_a_recurrent_layer_goes_frame_by_frame() -> None:
    assert parts(recurrent(4, 6)) == ["Steps"]
    check(recurrent(4, 6), (4,))


def test_two_recurrent_layers_are_two_parts() -> None:
    assert parts(golden("gru2")) == ["Steps", "Steps"]


def test_a_network_of_convolutions_over_time_has_no_steps() -> None:
    assert parts(golden("tdnn_dw")) == ["Register"] * 4


def test_a_graph_that_runs_in_some_frames_has_no_steps_of_its_own() -> None:
    assert sorted(parts(golden("control_flow"))).count("Gate") == 1


def test_a_chain_of_delays_has_no_steps() -> None:
    draft = Draft()
    x = draft.input("x", 3)
    first, second = draft.state("first", 3, value=5), draft.state("second", 3, value=-5)
    y = draft.add("vvadd", "y", x, second, **ADD)
    draft.assign(second, first)
    draft.assign(first, x)
    model = draft.model(y, first)

    assert parts(model) == ["Delay", "Delay"]
    check(model, (3,))


def test_slots_that_exchange_their_content_are_stepped_exactly() -> None:
    draft = Draft()
    x = draft.input("x", 2)
    a, b = draft.state("a", 2, value=1), draft.state("b", 2, value=2)
    kept = draft.add("copy", "kept", a)
    y = draft.add("vvadd", "y", x, b, **ADD)
    draft.assign(a, b)
    draft.assign(b, kept)
    model = draft.model(y, kept)

    check(model, (2,))
    engine = NumpyEngine(model)
    found = [engine.step([np.zeros(2, np.int64)])[0].tolist() for _ in range(3)]
    assert found == [[2, 2], [1, 1], [2, 2]]


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_a_window_over_time_is_a_register(dilation: int) -> None:
    draft = Draft()
    x, buffer = draft.input("x", 2), draft.state("buffer", 12, value=9)
    out = Tensor("out", "int16", (2 * (6 // dilation + 1),), 0)
    draft.node("temporal_unfold", {"x": x, "buffer": buffer}, [out], dilation=dilation)
    model = draft.model(out, buffer)

    assert parts(model) == ["Register"]
    check(model, (2,))


def test_a_window_over_what_depends_on_it_is_stepped() -> None:
    draft = Draft()
    x, buffer = draft.input("x", 2), draft.state("buffer", 4)
    out = Tensor("out", "int16", (6,), 0)
    oldest = draft.node(
        "split", {"x": buffer}, [Tensor("old", "int16", (2,), 0)], lengths=(2,), dim=0
    )[0]
    mixed = draft.add("vvsub", "mixed", x, oldest, **ADD | {"shamt_y": -1})
    draft.node("temporal_unfold", {"x": mixed, "buffer": buffer}, [out], dilation=1)
    model = draft.model(out, mixed)

    assert parts(model) == ["Steps"]
    check(model, (2,))


def strided(draft: Draft, x: Tensor, n: int, k: int, start: int) -> tuple[Tensor, Tensor]:
    """Add: every n-th frame total += x, and otherwise the total is held."""
    counter, total = draft.state("counter", 1, value=start), draft.state("total", 2)
    inner, made = Tensor("inner", "int16", (2,), 0), Tensor("made", "int16", (2,), 0)
    body = Graph("body", [inner], [made])
    draft.node("vvadd", {"x": inner, "y": total}, [made], graph=body, **ADD)
    draft.assign(total, made, graph=body)
    out = Tensor("out", "int16", (2,), 0)
    given = {"counter": counter, "input_0": x, "default_output_0": total}
    draft.node("strided_subgraph", given, [out], body=body, n=n, k=k)
    return out, total


@pytest.mark.parametrize(
    ("n", "k", "start"), [(1, 0, 0), (3, 2, 0), (4, 1, 7), (3, 0, -5), (2, 5, 0)]
)
def test_a_strided_graph_with_state_runs_on_its_frames_alone(n: int, k: int, start: int) -> None:
    draft = Draft()
    out, total = strided(draft, draft.input("x", 2), n, k, start)
    model = draft.model(out, total)

    assert sorted(parts(model)) == ["Count", "Gate"]
    check(model, (2,), frames=29)


def test_a_branch_that_changes_state_on_both_sides_is_stepped() -> None:
    draft = Draft()
    x, total = draft.input("x", 2), draft.state("total", 2)
    sides = {}
    for name, opname in (("true", "vvadd"), ("false", "vvsub")):
        inner, made = (Tensor(f"{one}_{name}", "int16", (2,), 0) for one in ("inner", "made"))
        graph = Graph(name, [inner], [made])
        draft.node(opname, {"x": total, "y": inner}, [made], graph=graph, **ADD)
        draft.assign(total, made, graph=graph)
        sides[name] = graph
    positive = draft.add("gt0", "positive", x, bw=8)
    out = Tensor("out", "int16", (2,), 0)
    draft.node("conditional", {"condition": positive, "input_0": x}, [out], **sides)
    model = draft.model(out)

    assert parts(model) == ["Steps"]
    check(model, (2,), bits=8)


def test_a_branch_with_state_on_the_other_side_runs_on_the_other_frames() -> None:
    draft = Draft()
    x, total = draft.input("x", 2), draft.state("total", 2, value=3)
    inner, made = (Tensor(one, "int16", (2,), 0) for one in ("inner", "made"))
    no = Graph("no", [inner], [made])
    draft.node("vvadd", {"x": total, "y": inner}, [made], graph=no, **ADD)
    draft.assign(total, made, graph=no)
    same, twice = (Tensor(one, "int16", (2,), 0) for one in ("same", "twice"))
    yes = Graph("yes", [same], [twice])
    draft.node("vvadd", {"x": total, "y": same}, [twice], graph=yes, **ADD)
    out = Tensor("out", "int16", (2,), 0)
    positive = draft.add("gt0", "positive", x, bw=8)
    given = {"condition": positive, "input_0": x}
    draft.node("conditional", given, [out], **{"true": yes, "false": no})
    model = draft.model(out)

    assert parts(model) == ["Gate"]
    check(model, (2,), bits=8)


def test_a_long_sequence_needs_little_more_memory_than_its_results() -> None:
    model = golden("mlp_sigmoid")
    x = np.resize(sides("mlp_sigmoid")[0][0], (30_000, 64))
    engine = NumpyEngine(model)
    engine.run([x[:10]])

    tracemalloc.start()
    (y,) = engine.run([x])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert y.shape == (30_000, 16)
    assert peak < y.nbytes + 40_000_000


def test_a_sequence_without_frames_changes_nothing() -> None:
    engine = NumpyEngine(accumulator(3))
    engine.step([np.array([1, 2, 3])])

    (none,) = engine.run([np.zeros((0, 3), np.int64)])

    assert none.shape == (0, 3)
    assert engine.step([np.array([1, 1, 1])])[0].tolist() == [2, 3, 4]


def test_inputs_that_become_state_may_be_reused_by_the_caller() -> None:
    draft = Draft()
    x, past = draft.input("x", 2, dtype="int64"), draft.state("past", 2)
    y = draft.add("vvmax", "y", past, past)
    draft.assign(past, x)
    engine = NumpyEngine(draft.model(y))
    given = np.array([[1, 2], [3, 4]])

    engine.run([given])
    given[:] = 99

    assert engine.step([given[0]])[0].tolist() == [3, 4]


def test_chunks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_engine, "_CHUNK_FRAMES", (3, 3))

    check(recurrent(3, 5), (3,))
