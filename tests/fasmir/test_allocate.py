"""Which copies disappear, and which vectors share words."""

from __future__ import annotations

import pytest

from firmware_protocol.open_isa_ops import Op, Type
from hostrt.fasmir.allocate import place
from hostrt.fasmir.assembly import Role
from hostrt.fasmir.lower_draft import Draft, Label, Names, View, find_run, type_for
from hostrt.fasmir.lower_vectors import Number, copy, move, vector


def draft() -> Draft:
    return Draft(0, Names())


def made(d: Draft, name: str, length: int = 8, *, role: Role = Role.TEMPORARY) -> View:
    """Give a vector of 16-bit numbers that has just been received."""
    view = d.view(name, Type.I16, length, role)
    if role is Role.TEMPORARY:
        d.emit(Op.RECV, n=view.buffer.n_words, a=view.place)
    return view


def doubled(d: Draft, x: View, z: View) -> None:
    vector(d, Op.ADD, x, x, z)


def sent(d: Draft, x: View) -> None:
    d.emit(Op.SEND, n=x.buffer.n_words, a=x.place)


def ops(d: Draft) -> list[Op]:
    place(d)
    return [line.op for line in d.lines if line.op is not None]


def addresses(d: Draft) -> dict[str, int]:
    """Give where every vector is, those that have become part of others included."""
    placed = place(d)
    found = {}
    for buffer in d.buffers:
        home = placed.homes.find(View(buffer, 0, 0).place)
        found[buffer.name] = home.buffer.address + home.offset
    return found


def test_what_is_copied_is_made_where_it_goes() -> None:
    d = draft()
    x, slot = made(d, "x"), made(d, "slot", role=Role.STATE)
    y = d.view("y", Type.I16, 8)
    doubled(d, x, y)
    sent(d, y)
    copy(d, y, slot)

    assert ops(d) == [Op.RECV, Op.ADD, Op.SEND]


def test_an_instruction_may_overwrite_what_it_reads() -> None:
    d = draft()
    slot = made(d, "slot", role=Role.STATE)
    y = d.view("y", Type.I16, 8)
    doubled(d, slot, y)
    copy(d, y, slot)

    assert ops(d) == [Op.ADD]


def test_what_is_still_read_is_not_overwritten() -> None:
    d = draft()
    slot = made(d, "slot", role=Role.STATE)
    y = d.view("y", Type.I16, 8)
    doubled(d, slot, y)
    sent(d, slot)
    copy(d, y, slot)

    assert ops(d) == [Op.ADD, Op.SEND, Op.COPY]


def test_a_copy_that_keeps_an_old_content_stays() -> None:
    d = draft()
    x, kept = made(d, "x"), d.view("kept", Type.I16, 8)
    copy(d, x, kept)
    doubled(d, x, x)
    vector(d, Op.ADD, x, kept, x)
    sent(d, x)

    assert ops(d) == [Op.RECV, Op.COPY, Op.ADD, Op.ADD, Op.SEND]


def test_a_copy_that_is_only_read_is_read_at_its_source() -> None:
    d = draft()
    slot, kept = made(d, "slot", role=Role.STATE), d.view("kept", Type.I16, 8)
    y = d.view("y", Type.I16, 8)
    copy(d, slot, kept)
    doubled(d, kept, y)
    sent(d, y)

    assert ops(d) == [Op.ADD, Op.SEND]


def test_parts_are_made_in_the_whole_where_they_begin_at_words() -> None:
    d = draft()
    whole, x = d.view("whole", Type.I16, 14), made(d, "x", 6)
    parts = [d.view(name, Type.I16, 6) for name in ("first", "second")]
    for part, start in zip(parts, (0, 8), strict=True):
        doubled(d, x, part)
        copy(d, part, whole.part(start, 6))
    sent(d, whole)

    assert ops(d) == [Op.RECV, Op.ADD, Op.ADD, Op.SEND]


def test_whole_words_are_not_received_over_a_neighbour() -> None:
    d = draft()
    whole, x, y = d.view("whole", Type.I16, 8), made(d, "x", 3), made(d, "y", 5)
    copy(d, y, whole.part(3, 5))
    copy(d, x, whole.part(0, 3))
    sent(d, whole)

    assert ops(d).count(Op.MOVE) == 2


@pytest.mark.parametrize("inside", [True, False])
def test_a_side_of_a_branch_is_made_in_place_only_if_it_is_made_there(inside: bool) -> None:
    d = draft()
    x, y, out = made(d, "x"), d.view("y", Type.I16, 8), d.view("out", Type.I16, 8)
    otherwise, end = d.label("otherwise"), d.label("end")
    if not inside:
        doubled(d, x, y)
    d.emit(Op.JZERO, a=x.place, b=Label(otherwise), xt=Type.I16)
    start = len(d.lines)
    if inside:
        doubled(d, x, y)
    copy(d, y, out)
    d.close_block(start)
    d.emit(Op.JUMP, b=Label(end))
    d.mark(otherwise)
    start = len(d.lines)
    copy(d, x, out)
    d.close_block(start)
    d.mark(end)
    sent(d, out)

    assert ops(d).count(Op.COPY) == (1 if inside else 2)


def test_a_jump_to_the_next_instruction_is_left_out() -> None:
    d = draft()
    x, end = made(d, "x"), d.label("end")
    d.emit(Op.JUMP, b=Label(end))
    d.mark(end)
    sent(d, x)

    assert ops(d) == [Op.RECV, Op.SEND]


def test_vectors_share_words_when_they_do_not_live_at_once() -> None:
    d = draft()
    a = made(d, "a")
    b, c = d.view("b", Type.I16, 8), d.view("c", Type.I16, 8)
    doubled(d, a, b)
    vector(d, Op.MUL, b, Number(3), c)
    vector(d, Op.ADD, c, b, c)
    sent(d, c)

    found = addresses(d)

    assert found["a"] == found["b"] == 0
    assert found["c"] == 2


def test_what_is_used_in_a_loop_lives_as_long_as_the_loop() -> None:
    d = draft()
    a, total = made(d, "a"), d.view("total", Type.I16, 8)
    vector(d, Op.MUL, a, Number(0), total)
    start = d.open_loop(3, d.label("again"))
    b, c = d.view("b", Type.I16, 8), d.view("c", Type.I16, 8)
    doubled(d, a, b)
    doubled(d, b, c)
    vector(d, Op.ADD, total, c, total)
    d.emit(Op.LOOP, n=3, b=Label("again"), reg=0)
    d.close_loop(start, 3)
    sent(d, total)

    found = addresses(d)

    assert len({found["a"], found["total"], found["b"]}) == 3
    assert found["b"] == found["c"]
    assert d.executed == 3 + 3 * 4


def test_what_is_never_used_takes_no_room() -> None:
    d = draft()
    d.view("unused", Type.I64, 100)
    d.view("zeros", Type.I64, 100, Role.STATE)

    assert place(d).needs.data == 0


@pytest.mark.parametrize(
    ("shape", "x_strides", "z_strides", "expected"),
    [
        ((4, 8), (8, 1), (8, 1), [Op.COPY]),
        ((4, 8), (0, 1), (8, 1), [Op.COPY] * 4),
        ((4, 3), (3, 1), (3, 1), [Op.COPY]),
        ((5, 3), (3, 1), (4, 1), [Op.MOVE]),
        ((8, 4), (1, 8), (4, 1), [Op.MOVE]),
        ((1, 8, 1), (0, 1, 0), (0, 1, 0), [Op.COPY]),
        ((2, 5, 3), (1, 2, 10), (15, 3, 1), [Op.MOVE] * 2),
        ((0, 5), (5, 1), (5, 1), []),
    ],
)
def test_blocks_move_with_as_few_instructions_as_pay(
    shape: tuple[int, ...],
    x_strides: tuple[int, ...],
    z_strides: tuple[int, ...],
    expected: list[Op],
) -> None:
    d = draft()
    x, z = d.view("x", Type.I16, 64), d.view("z", Type.I16, 64)

    move(d, x, z, shape, x_strides, z_strides)

    assert [line.op for line in d.lines] == expected


def test_strides_beyond_a_field_are_instructions_of_their_own() -> None:
    d = draft()
    x, z = d.view("x", Type.I8, 65_535), d.view("z", Type.I8, 4)

    move(d, x, z, (2, 2), (1, 40_000), (2, 1))

    assert [line.op for line in d.lines] == [Op.MOVE] * 2
    assert [line.fields["zo"] for line in d.lines] == [0, 1]


def test_names_are_plain_and_each_is_given_once() -> None:
    names = Names()

    given = [names.take(name) for name in ("%x.1", "x.1", "%x.1", "7up", "", "a b=c")]

    assert given == ["x.1", "x.1_2", "x.1_3", "v7up", "v", "a_b_c"]


def test_small_helpers() -> None:
    import numpy as np

    assert type_for(-128, 127) is Type.I8
    assert type_for(0, 128) is Type.I16
    assert type_for(-(1 << 31) - 1, 0) is Type.I64
    assert type_for(-(1 << 70), 0) is Type.I64
    assert find_run(np.arange(10), np.arange(3, 6)) == 3
    assert find_run(np.arange(10), np.arange(3, 16)) is None
    assert find_run(np.arange(10), np.array([3, 5])) is None
