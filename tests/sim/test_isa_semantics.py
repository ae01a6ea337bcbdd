"""Every operation of the open instruction set against plain integers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.open_isa import encode
from firmware_protocol.open_isa_ops import VECTOR_OPS, Op
from tests.sim.isa_compare import DM, TM, Content, Pair
from tests.sim.isa_strategies import PURE_OPS, contents, instructions, memories

pytestmark = pytest.mark.slow

HALT = encode(Op.HALT)
EACH = settings(max_examples=25, deadline=None)


@pytest.mark.parametrize("op", PURE_OPS, ids=lambda op: op.name)
def test_an_operation_does_costs_and_counts_what_the_document_says(op: Op) -> None:
    @EACH
    @given(st.data())
    def check(data: st.DataObject) -> None:
        instruction = data.draw(instructions([op]))
        content = Content(
            code=[*instruction.words(), *HALT],
            dm=data.draw(memories(DM)),
            tm=data.draw(memories(TM)),
        )
        pair = Pair([content])
        pair.message(0, 1)
        # what was prepared gives the same with what the first run left behind
        pair.message(0, 1)

    check()


@settings(max_examples=60, deadline=None)
@given(contents(PURE_OPS, 8))
def test_several_operations_one_after_the_other(content: Content) -> None:
    pair = Pair([content])
    for _ in range(2):
        pair.message(0, 1)


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(contents(list(Op), 8), contents(list(Op), 8)),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 3)), max_size=5),
)
def test_programs_of_two_cores_that_jump_signal_and_post(
    chip: tuple[Content, Content], messages: list[tuple[int, int, int]]
) -> None:
    pair = Pair(chip, most=60)
    pair.message(0, 1, range(3))
    for core, pc, n in messages:
        pair.message(core, pc, range(n), waits=bool(n % 2))
    pair.wake(1, 3)


def test_all_vector_operations_are_among_those_checked() -> None:
    assert set(PURE_OPS) >= VECTOR_OPS
