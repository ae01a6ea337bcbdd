"""Loops, branches and threads of compiled models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from firmware_protocol.open_isa_ops import Op
from hostrt.errors import ProgramUnsupported
from hostrt.fasmir.compile import compile_model
from hostrt.fasmir.lower_shares import Shares
from hostrt.fqir.graph import Graph, Tensor
from tests.fasmir.agreement import require_agreement
from tests.fasmir.on_chip import OnChip
from tests.fqir.models import ADD, Draft, noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fasmir.compile import Compiled
    from hostrt.fqir.graph import Model

LOOP: dict[str, Any] = {
    "n_iter": 4,
    "n_recurse": 1,
    "n_sliced": 1,
    "n_scope": 0,
    "n_concat": 1,
    "n_final": 1,
    "block_size_sliced": (3,),
    "reverse_sliced": (False,),
    "reverse_concat": (False,),
}


def run(model: Model, frames: int = 5, **options: Any) -> Compiled:
    inputs = [
        noise((frames, *tensor.shape), 16, seed) for seed, tensor in enumerate(model.arith.inputs)
    ]
    return require_agreement(model, inputs, **options)


def ops(compiled: Compiled) -> list[Op]:
    return [line.instruction.op for line in compiled.assembly.core(0).lines]


def looping(block: int = 3, **changes: Any) -> Model:
    """Give r = (r + slice) / 2, collected and at last."""
    constants = LOOP | changes | {"block_size_sliced": (block,)}
    n, draft = constants["n_iter"], Draft()
    x, r = draft.input("x", n * block), draft.input("r", block)
    inside = [Tensor(name, "int16", (block,), 0) for name in ("carried", "slice", "next")]
    body = Graph("body", inputs=inside[:2], outputs=[inside[2]] * 3)
    given = {"x": inside[0], "y": inside[1]}
    draft.node("vvadd", given, [inside[2]], graph=body, **ADD | {"shamt_bwred": -1})
    outs = [Tensor("all", "int16", (n * block,), 0), Tensor("last", "int16", (block,), 0)]
    draft.node("loop", {"x_recurse_0": r, "x_sliced_0": x}, outs, body=body, **constants)
    return draft.model(*outs)


@pytest.mark.parametrize("block", [1, 3, 4])
@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_loops_forwards_and_backwards(block: int, back: bool, turned: bool) -> None:
    compiled = run(looping(block, reverse_sliced=(back,), reverse_concat=(turned,)))

    assert ops(compiled).count(Op.LOOP) == 1


def test_a_loop_of_one_iteration_is_none() -> None:
    assert Op.LOOP not in ops(run(looping(n_iter=1)))


def test_loops_reach_as_far_as_the_fields_of_an_instruction() -> None:
    assert Op.LOOP in ops(run(looping(16_381, n_iter=4), frames=1))

    with pytest.raises(ProgramUnsupported, match="goes through 65528 elements"):
        compile_model(looping(16_382, n_iter=4))


def nested(depth: int, count: int = 2) -> Model:
    """Give count**depth additions of x to a state, in loops inside each other."""
    draft = Draft()
    x, total = draft.input("x", 4), draft.state("total", 4)
    end = ADD | {"bw": 24}

    def step(graph: Graph) -> None:
        new = Tensor("sum", "int24", (4,), 0)
        draft.node("vvadd", {"x": total, "y": x}, [new], graph=graph, **end)
        draft.assign(total, new, graph)

    inside: Callable[[Graph], None] = step
    none = dict.fromkeys(("n_recurse", "n_sliced", "n_scope", "n_concat", "n_final"), 0)
    empty = dict.fromkeys(("block_size_sliced", "reverse_sliced", "reverse_concat"), ())

    def around(level: int, made: Callable[[Graph], None]) -> Callable[[Graph], None]:
        def add(graph: Graph) -> None:
            body = Graph(f"body{level}")
            made(body)
            draft.node("loop", {}, [], graph=graph, body=body, n_iter=count, **none, **empty)

        return add

    for level in range(depth):
        inside = around(level, inside)
    inside(draft.arith)
    y = draft.add("shift", "y", total, shamt=-8, bw=16)
    return draft.model(y)


@pytest.mark.parametrize(("depth", "in_hardware"), [(1, 1), (4, 4), (6, 4)])
def test_four_loops_inside_each_other_have_a_register(depth: int, in_hardware: int) -> None:
    found = ops(run(nested(depth)))

    # the innermost ones beyond that are written out
    assert found.count(Op.LOOP) == in_hardware
    assert found.count(Op.ADD) == 1 + 2 ** (depth - in_hardware)


def test_a_program_that_would_be_stopped_as_a_runaway_is_refused() -> None:
    with pytest.raises(ProgramUnsupported, match="instructions per frame"):
        compile_model(nested(4, 40))


def test_loops_that_are_written_out_do_not_grow_without_bound() -> None:
    with pytest.raises(ProgramUnsupported, match="more than 16384 instructions"):
        compile_model(nested(6, 200))


def conditional(draft: Draft, condition: Tensor, *, outs: list[Tensor], **inputs: Tensor) -> None:
    """Add a conditional whose sides multiply with a matrix, or keep what there was."""
    x, held = inputs["x"], inputs["held"]
    w = draft.parameter("w", np.random.default_rng(3).integers(-128, 128, (16, 16)))
    yes, no = Graph("yes"), Graph("no")
    made, kept = Tensor("made", "int16", (16,), 0), Tensor("kept", "int16", (16,), 0)
    end = {"shamt_bwred": -9, "bw_out": 16, "rounded": True}
    draft.node("matmul", {"x": x, "y": w}, [made], graph=yes, **end)
    draft.assign(held, made, yes)
    yes.outputs = [made]
    draft.node("vneg", {"x": held}, [kept], graph=no, bw=16)
    no.outputs = [kept]
    graphs = {"true": yes, "false": no}
    constants = {"num_inputs": 0, "num_outputs": 1}
    draft.node("conditional", {"condition": condition}, outs, **graphs, **constants)


@pytest.mark.parametrize("parts", [(1.0,), (0.5, 0.5), (0.0, 0.5, 0.5)])
def test_a_branch_may_wait_for_other_cores(parts: tuple[float, ...]) -> None:
    draft = Draft()
    x, held = draft.input("x", 16), draft.state("held", 16, value=5)
    out = Tensor("out", "int16", (16,), 0)
    condition = draft.add("vigt", "condition", x, imm=0)
    conditional(draft, condition, outs=[out], x=x, held=held)
    y = draft.add("vvadd", "y", out, held, **ADD)

    compiled = run(draft.model(out, y), frames=12, chip="spu150", shares=Shares(parts))

    assert len(compiled.assembly.cores) == len(parts)


def test_both_sides_of_a_branch_may_give_what_there_was_before() -> None:
    draft = Draft()
    x, z = draft.input("x", 4), draft.input("z", 4)
    doubled = draft.add("vvadd", "doubled", x, z, **ADD)
    yes, no = Graph("yes", outputs=[doubled]), Graph("no", outputs=[z])
    out = Tensor("out", "int16", (4,), 0)
    graphs = {"true": yes, "false": no}
    draft.node("conditional", {"condition": x}, [out], **graphs, num_inputs=0, num_outputs=1)
    y = draft.add("vvadd", "y", out, doubled, **ADD)

    run(draft.model(out, y, z), frames=12)


def test_a_state_that_no_output_needs_is_left_out() -> None:
    draft = Draft()
    x, seen = draft.input("x", 4), draft.state("seen", 4)
    draft.assign(seen, draft.add("vvadd", "more", x, seen, **ADD))
    y = draft.add("vneg", "y", x, bw=16)

    compiled = run(draft.model(y))

    assert ops(compiled) == [Op.RECV, Op.MUL, Op.SEND, Op.HALT]
    assert compiled.needs[0].state == 0


def test_slots_that_exchange_their_contents_do_so_at_once() -> None:
    draft = Draft()
    x = draft.input("x", 4)
    a, b, c = (draft.state(name, 4, value=i) for i, name in enumerate("abc"))
    held = draft.add("copy", "held", a)
    draft.assign(a, b)
    draft.assign(b, c)
    draft.assign(c, draft.add("vvadd", "sum", held, x, **ADD))

    run(draft.model(draft.add("copy", "y", a), held), frames=9)


def test_inputs_may_come_in_any_order() -> None:
    draft = Draft()
    names = ("p", "q", "r")
    tensors = [draft.input(name, 6) for name in names]
    y = draft.add("vvsub", "y", draft.add("vvsub", "d", *tensors[:2], **ADD), tensors[2], **ADD)
    compiled = compile_model(draft.model(y))
    values = {name: np.arange(6) * (i + 1) ** 2 for i, name in enumerate(names)}
    chip = OnChip(compiled)

    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        found = chip.frame({names[i]: values[names[i]] for i in order})
        assert found["y"].tolist() == [-12 * i for i in range(6)]


@pytest.mark.parametrize("n", [3, 70_000])
def test_counters_count_as_far_as_an_instruction_does(n: int) -> None:
    draft = Draft()
    x, counter = draft.input("x", 4), draft.state("counter", 1, value=-1)
    body = Graph("body", outputs=[draft.add("vneg", "negated", x, bw=16)])
    out = Tensor("out", "int16", (4,), 0)
    given = {"counter": counter, "default_output_0": x}
    constants = {"n": n, "k": 2, "num_inputs": 0, "num_outputs": 1}
    draft.node("strided_subgraph", given, [out], body=body, **constants)
    model = draft.model(out)

    if n < 65_536:
        run(model, frames=8)
    else:
        with pytest.raises(ProgramUnsupported, match="counts modulo 70000"):
            compile_model(model)
