"""Models as text: complete, the same every time, and safe to show."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostrt.fqir.graph import Model, Table
from hostrt.fqir.spelling import (
    escape,
    spell_array,
    spell_constant,
    spell_integer,
    spell_name,
    spell_text,
)
from hostrt.fqir.text import format_model, iterate_lines
from hostrt.fqir.walk import graphs_within
from tests.fqir.inspected import (
    NAMES,
    golden,
    graph,
    model,
    nested_model,
    node,
    small_model,
    tensor,
)
from tests.fqir.write_model import wrap

HOSTILE = "a\x1b[2Jb\r\n\x07\u202ec\u2028\ud800"


def test_a_small_model_reads_like_an_assembler_listing() -> None:
    lines = format_model(small_model()).splitlines()

    assert lines[0] == "; FQIR model made in memory"
    start = lines.index("graph ARITH:")
    assert lines[start + 1 : start + 8] == [
        "  .input x int16[4] 2^0",
        "  .param w int16[4] 2^0 = int32[4](1 0 -3 4)",
        "  .output y int16[4] 2^-3",
        "  a int16[4] 2^0 = relu(x=x)",
        "  b int16[4] 2^0 = vvmul(x=a, y=w) shamt_bwred=-2, bw=16",
        "  y int16[4] 2^-3 = vvadd(x=b, y=held) shamt_x=0, shamt_y=0, bw=16",
        "  assign(y=held, x=y)",
    ]
    assert "  held int16[4] 2^0 = zeros() shape=(4)" in lines


@pytest.mark.parametrize("name", NAMES)
def test_every_node_tensor_and_graph_of_a_golden_model_is_listed(name: str) -> None:
    found = golden(name)
    text = format_model(found)

    graphs = graphs_within(found.root, *found.root.subgraphs.values())
    heads = re.findall(r"^ *(?:\S+ = )?graph .*:", text, re.MULTILINE)
    assert len(heads) == len(graphs)
    calls = re.findall(r"^ *(?:\S.* = )?(\w+)\(.*\)", text, re.MULTILINE)
    expected = [one.opname or "inline" for one in (n for g in graphs for n in g.nodes)]
    assert sorted(calls) == sorted(expected)
    for one in graphs:
        for item in one.nodes:
            for result in item.outputs:
                assert f"{spell_name(result.name)} {result.dtype}[" in text
    assert text == format_model(golden.__wrapped__(name))


def test_a_nested_graph_stands_indented_under_its_node() -> None:
    text = format_model(golden("control_flow"))

    assert "  body = graph %loop_body.1:\n    .input %x_recurse_curr.0.3 int16[8] 2^-12\n" in text
    assert "  true = graph %conditional_true_body.18:\n" in text
    assert "  false = graph %conditional_false_body.19:\n" in text


def test_a_graph_that_is_used_often_is_listed_once() -> None:
    lines = list(iterate_lines(nested_model(60)))

    assert len(lines) < 600
    assert sum(line.strip().startswith("body = graph ") for line in lines) == 60
    assert sum(line.strip().startswith("body = see graph ") for line in lines) == 61


def test_graphs_of_one_name_are_told_apart() -> None:
    x, y = tensor("x", 1), tensor("y", 1)
    bodies = [graph(node("relu", [y], x=x), name="same") for _ in range(3)]
    loops = [node("loop", [y], x_scope_0=x, body=body) for body in (*bodies, bodies[1])]

    text = format_model(model(*loops))

    for label in ("graph same:", "graph same (2):", "graph same (3):", "see graph same (2)\n"):
        assert f"  body = {label}" in text


def test_source_references_are_shown_on_request_only() -> None:
    found = small_model()
    found.arith.nodes[0].sourceref = f"File secret.py\n{HOSTILE}"

    assert "secret" not in format_model(found)
    assert '    ; "File secret.py"\n' in format_model(found, sources=True)
    _assert_tame(format_model(found, sources=True))


def test_operators_that_cannot_be_executed_are_marked() -> None:
    text = format_model(model(node("lstm", [tensor("h", 3)], x=tensor("x", 3))))

    assert "h int16[3] 2^0 = lstm(x=x) ; cannot be executed\n" in text


def test_hostile_names_reach_neither_terminal_nor_line_structure() -> None:
    x, y = tensor(HOSTILE, 2), tensor("plain", 2, dtype=HOSTILE)
    constants = {HOSTILE: HOSTILE, "table": Table(HOSTILE, np.arange(3), np.arange(3))}
    evil = graph(node("lut", [y], x=x, constants=constants), name=HOSTILE)
    found = model(node("loop", [y], x_scope_0=x, body=evil), inputs=[x])
    found = Model(found.root, path=HOSTILE, sha256=HOSTILE, notes=(HOSTILE,))

    text = format_model(found, sources=True)

    _assert_tame(text)
    calm = "".join(char for char in HOSTILE if char.isalpha() and char.isascii())
    assert text.count("\n") == format_model(_renamed(found, calm)).count("\n")


def _renamed(found: Model, name: str) -> Model:
    """Give the same model with a harmless name wherever a hostile one stood."""
    loop = found.arith.nodes[0]
    body = loop.subgraphs["body"]
    body.name = loop.inputs["x_scope_0"].name = name
    return Model(found.root, notes=(name,))


def _assert_tame(text: str) -> None:
    assert all(char.isprintable() or char == "\n" for char in text)


def test_a_long_name_is_not_repeated_in_full() -> None:
    long = "x" * 100_000
    x, y = tensor(long, 4), tensor("y", 4)
    found = model(*(node("relu", [y], x=x) for _ in range(1000)))

    text = format_model(found)

    assert len(text) < 400_000
    assert "...(100000)" in text


def test_shared_lists_do_not_multiply() -> None:
    value: object = 1
    for _ in range(60):
        value = (value, value)

    assert len(spell_constant(value)) < 2000  # type: ignore[arg-type]


def test_constants_show_value_type_and_range() -> None:
    table = Table("sig", np.arange(-128, 128, dtype=np.int8), np.arange(256, dtype=np.int32))

    assert spell_constant(True) == "True"
    assert spell_constant(None) == "None"
    assert spell_constant(np.int32(7)) == "7:int32"
    assert spell_constant((1, (2.5, "a b"))) == '(1, (2.5, "a b"))'
    assert spell_constant(table) == 'table("sig", int8[256] -128..127 -> int32[256] 0..255)'
    assert spell_constant(tuple(range(100))).endswith("23, ...(100))")
    assert spell_array(np.array([[1, 2], [3, 4]], np.int8)) == "int8[2,2](1 2 3 4)"
    assert spell_array(np.arange(100)) == "int64[100](0..99)"
    assert spell_array(np.zeros((0, 3), np.int8)) == "int8[0,3]()"
    assert spell_integer(1 << 100_000) == "<integer of 100001 bits>"
    assert spell_constant("x" * 100) == f'"{"x" * 60}"...(100)'


def test_ten_times_the_nodes_take_about_ten_times_as_long() -> None:
    names = [f"t{i}" for i in range(20_001)]
    tensors = [tensor(name, 16) for name in names]
    nodes = [node("relu", [b], x=a) for a, b in pairwise(tensors)]

    def seconds(count: int) -> float:
        found = Model(wrap(graph(*nodes[:count])))
        began = time.perf_counter()
        assert sum(1 for _ in iterate_lines(found)) > count
        return time.perf_counter() - began

    small, large = (min(seconds(count) for _ in range(3)) for count in (2_000, 20_000))
    assert large < 10 * small * 4 + 0.05


def test_a_graph_nested_a_thousand_times_is_listed() -> None:
    lines = list(iterate_lines(nested_model(1000, width=1)))

    assert sum("loop(" in line for line in lines) == 1000
    assert max(map(len, lines)) < 200


@given(st.text(max_size=60), st.text(max_size=60))
def test_spelled_text_is_printable_and_tells_texts_apart(first: str, second: str) -> None:
    for spelled in (escape, spell_name, spell_text):
        assert spelled(first).isprintable()
        assert (spelled(first) == spelled(second)) == (first == second)


@given(st.text(max_size=40))
def test_a_spelled_name_is_one_word_of_the_listing(name: str) -> None:
    spelled = spell_name(name)

    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"|[^\s"(),={}]+', spelled)
