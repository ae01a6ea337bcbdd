"""Random assemblies whose references and numbers agree."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.open_isa import FIRST_PC, Instruction, make, n_operand_words
from firmware_protocol.open_isa_ops import FIELDS, VECTOR_OPS, Mode, Op, Type
from hostrt.fasmir.assembly import (
    Assembly,
    Core,
    Input,
    Line,
    Output,
    Reference,
    Role,
    Symbol,
    Table,
    Thread,
    Watched,
)
from hostrt.fasmir.spaces import SPACES, Space

NAMES = st.text('ab%.$ ;"\\é:=+@-0', min_size=1, max_size=6)
COMMENTS = st.text("ab ;\"'%", max_size=12).map(str.strip)


@st.composite
def instructions(draw: st.DrawFn) -> Instruction:
    """Any legal instruction."""
    op = draw(st.sampled_from(Op))
    fields = {}
    for field in FIELDS[op]:
        low, high = field.range
        if field.name in ("sx", "sy", "shift"):
            low, high = -63, 63
        if field.name == "bits":
            high = 63
        fields[field.name] = draw(st.integers(low, high))
    if op in VECTOR_OPS and fields["mode"] == Mode.IMMEDIATE:
        fields["y"], fields["yt"] = draw(st.integers(-0x8000, 0x7FFF)), 0
    if fields.get("rounded") and fields["shift"] >= 0:
        fields["shift"] = -1 - fields["shift"] % 63
    if op is Op.SIGNAL:
        fields["b"] %= 64
    if op in (Op.LOOP, Op.COUNT):
        fields["n"] = max(fields["n"], 1)
    if op is Op.LUT:
        fields["lo"], fields["hi"] = sorted((fields["lo"], fields["hi"]))
    if op is Op.MATVEC and not fields["has_init"]:
        fields |= {"init": 0, "it": 0}
    return make(op, **fields)


@st.composite
def symbols(draw: st.DrawFn, name: str) -> Symbol:
    kind = draw(st.sampled_from(Type))
    role = draw(st.sampled_from(Role))
    half = 1 << (kind.bits - 1)
    values = draw(st.lists(st.integers(-half, half - 1), max_size=60))
    initial = None
    if role is not Role.TEMPORARY and draw(st.booleans()):
        initial = np.array(values, np.int64)
    address = draw(st.integers(0, 0xFF00))
    return Symbol(name, address, kind, len(values), role, initial, draw(COMMENTS))


@st.composite
def tables(draw: st.DrawFn, name: str) -> Table:
    wide = draw(st.booleans())
    half = 1 << (31 if wide else 15)
    values = draw(st.lists(st.integers(-half, half - 1), max_size=40))
    return Table(name, draw(st.integers(0, 8000)), wide, np.array(values, np.int64), draw(COMMENTS))


@st.composite
def assemblies(draw: st.DrawFn) -> Assembly:
    """Any assembly, sensible or not, that its types allow."""
    numbers = sorted(draw(st.sets(st.integers(0, 3), max_size=2)))
    pool = draw(st.lists(NAMES, unique=True, min_size=40, max_size=40))
    outputs = tuple(
        Output(name, draw(st.integers(0, 0xFFFF)), draw(st.integers(0, 99)))
        for name in pool[: draw(st.integers(0, 2))]
    )
    cores = []
    entries: list[tuple[int, str]] = []
    vectors: list[tuple[int, str]] = []
    labels: dict[str, int] = {}
    plans = []
    for number in numbers:
        found = [draw(instructions()) for _ in range(draw(st.integers(0, 6)))]
        pc, places = FIRST_PC, []
        for instruction in found:
            mine = []
            if draw(st.booleans()):
                label = pool.pop()
                labels[label] = pc
                mine.append(label)
            places.append(tuple(mine))
            pc += 1 + n_operand_words(instruction.op)
        plans.append((number, found, places))
    for number, found, places in plans:
        sizes = draw(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)))
        syms = tuple(draw(symbols(pool[i])) for i in range(sizes[0]))
        tabs = tuple(draw(tables(pool[i])) for i in range(sizes[1]))
        own = [label for place in places for label in place]
        threads = tuple(
            Thread(i, pool[i], own[i % len(own)], draw(st.integers(1, 31)), 31 - i)
            for i in range(sizes[2] if own else 0)
        )
        entries += [(number, label) for label in own]
        vectors += [(number, item.name) for item in syms]
        names = {
            Space.DATA: {item.name: item.address for item in syms},
            Space.TABLE: {item.name: item.address for item in tabs},
            Space.CODE: labels,
            Space.THREAD: {item.name: item.number for item in threads},
            Space.MAILBOX: {item.name: item.mailbox for item in outputs},
        }
        lines = tuple(
            _referring(draw, instruction, place, names)
            for instruction, place in zip(found, places, strict=True)
        )
        cores.append(Core(number, lines, syms, tabs, threads))
    return Assembly(
        draw(NAMES),
        "spu001",
        tuple(cores),
        tuple(Input(label, core, label, 3) for core, label in entries[:2]),
        outputs,
        tuple(Watched(name, core, name, (2, 3)) for core, name in vectors[:2]),
    )


def _referring(
    draw: st.DrawFn,
    instruction: Instruction,
    labels: tuple[str, ...],
    names: dict[Space, dict[str, int]],
) -> Line:
    """Let some fields refer to names, and make their numbers agree."""
    fields = dict(instruction.fields)
    references = {}
    for field, space in SPACES[instruction.op].items():
        if field == "y" and fields["mode"] == Mode.IMMEDIATE:
            continue
        if bool(names[space]) and draw(st.booleans()):
            name = draw(st.sampled_from(sorted(names[space])))
            fixed = space in (Space.THREAD, Space.MAILBOX)
            offset = 0 if fixed else draw(st.integers(0, 40))
            references[field] = Reference(name, offset)
            fields[field] = names[space][name] + offset
    try:
        made = make(instruction.op, **fields)
    except LocalMisuseError:  # an init that is not used
        return Line(instruction, labels, {}, draw(COMMENTS))
    return Line(made, labels, references, draw(COMMENTS))
