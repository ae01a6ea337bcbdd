"""The C library computes what the document's formulas say."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from firmware_protocol.open_isa import encode
from firmware_protocol.open_isa_ops import Mode, Op, Type
from tests.c.cases import Case, Core, blank, packed, program, signed, start, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.c.cases import Words
    from tests.c.driver import Driver

HALT = encode(Op.HALT)
RNG = random.Random(20)
LIMIT = 1 << 63

FORMULAS: dict[Op, Callable[[int, int, int], int]] = {
    Op.ADD: lambda x, y, z: x + y,
    Op.SUB: lambda x, y, z: x - y,
    Op.MUL: lambda x, y, z: x * y,
    Op.GT: lambda x, y, z: int(x > y),
    Op.GE: lambda x, y, z: int(x >= y),
    Op.LT: lambda x, y, z: int(x < y),
    Op.LE: lambda x, y, z: int(x <= y),
    Op.EQ: lambda x, y, z: int(x == y),
    Op.AND: lambda x, y, z: int(x != 0 and y != 0),
    Op.OR: lambda x, y, z: int(x != 0 or y != 0),
    Op.XOR: lambda x, y, z: int((x != 0) != (y != 0)),
    Op.MAX: lambda x, y, z: max(x, y),
    Op.MIN: lambda x, y, z: min(x, y),
    Op.MAC: lambda x, y, z: z + x * y,
    Op.SELECT: lambda x, y, z: x if y else z,
}


def wrap(value: int, bits: int = 64) -> int:
    """Keep the low bits, two's complement."""
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


def sh(value: int, by: int) -> int:
    return wrap(value << by) if by >= 0 else value >> -by


def narrow(value: int, shift: int, rounded: int, bits: int, width: int) -> int:
    shifted = sh(wrap(value + (1 << (-shift - 1) if rounded else 0)), shift)
    if bits:
        shifted = min(max(shifted, -(1 << (bits - 1))), (1 << (bits - 1)) - 1)
    return wrap(shifted, width)


def some(kind: Type, n: int) -> list[int]:
    """Numbers of a type, zeros and both ends among them."""
    half = 1 << (kind.bits - 1)
    picks = [0, 0, 1, -1, half - 1, -half, RNG.randrange(-half, half), RNG.randrange(-9, 9)]
    return [RNG.choice(picks) for _ in range(n)]


def run(driver: Driver, dm: Words, *instructions: Sequence[int], tm: Words | None = None) -> Words:
    """Run instructions on a data memory and give what it holds then."""
    core = Core(program(*instructions, HALT), dm, blank(64) if tm is None else tm)
    result = driver.one([core], start())
    assert result.last.outputs == ()
    return result.dm_words()


def memory(*vectors: tuple[int, Sequence[int], Type], n_words: int = 512) -> Words:
    """Give a data memory with vectors at addresses."""
    dm = blank(n_words)
    for address, values, kind in vectors:
        words = packed(values, kind.bits)
        dm[address : address + words.size] = words
    return dm


@pytest.mark.parametrize("op", FORMULAS, ids=lambda op: op.name)
def test_vector_operations_follow_their_formula(library: Driver, op: Op) -> None:
    n, narrowing = 67, {"shift": -3, "rounded": 1, "bits": 15}
    x, y, z = some(Type.I16, n), some(Type.I32, n), some(Type.I16, n)
    dm = memory((0, x, Type.I16), (100, y, Type.I32), (200, z, Type.I16))
    plain = {"n": n, "a": 0, "y": 100, "xt": 1, "yt": 2, "zt": 1}

    after = run(
        library,
        dm,
        encode(Op.MOVE, n=n, a=200, b=300, xt=1, zt=1, outer=1, xi=1, zi=1),
        encode(op, **plain, b=200, sx=2, sy=-5, **narrowing),
        encode(op, **plain, b=300),
    )

    formula = FORMULAS[op]
    assert unpacked(after[200:], 16, n) == [
        narrow(formula(sh(p, 2), sh(q, -5), r), -3, 1, 15, 16)
        for p, q, r in zip(x, y, z, strict=True)
    ]
    assert unpacked(after[300:], 16, n) == [
        wrap(formula(*v), 16) for v in zip(x, y, z, strict=True)
    ]


@pytest.mark.parametrize(
    ("mode", "y_field"), [(Mode.SCALAR, 40), (Mode.IMMEDIATE, -7), (Mode.SCALAR_X, 40)]
)
def test_one_operand_can_be_a_single_value(library: Driver, mode: Mode, y_field: int) -> None:
    x, y = [5, -6, 7], [3, 9, -1]
    dm = memory((0, x, Type.I32), (40, y, Type.I8))
    yt = 2 if mode is Mode.IMMEDIATE else 0
    yt = 0 if mode is Mode.IMMEDIATE else Type.I8

    after = run(
        library,
        dm,
        encode(Op.SUB, n=3, a=0, b=80, xt=2, yt=yt, zt=3, mode=mode, y=y_field),
    )

    expected = {
        Mode.SCALAR: [2, -9, 4],
        Mode.IMMEDIATE: [12, 1, 14],
        Mode.SCALAR_X: [2, -4, 6],
    }
    assert unpacked(after[80:], 64, 3) == expected[mode]


def test_arithmetic_is_modulo_two_to_the_64(library: Driver) -> None:
    dm = signed([LIMIT - 1, -LIMIT, 3, LIMIT - 1, -1, 3], 64)

    after = run(
        library,
        dm,
        encode(Op.MUL, n=3, a=0, b=8, xt=3, yt=3, zt=3, y=3),
        encode(Op.ADD, n=3, a=0, b=16, xt=3, yt=3, zt=3, y=3),
        encode(Op.ADD, n=3, a=0, b=24, xt=3, yt=3, zt=3, y=3, shift=-1, rounded=1),
        encode(Op.GT, n=3, a=0, b=32, xt=3, yt=3, zt=3, y=3, sx=1),
    )

    assert unpacked(after[8:], 64, 3) == [1, -LIMIT, 9]
    assert unpacked(after[16:], 64, 3) == [-2, LIMIT - 1, 6]
    # -2 + 1 = -1 -> -1; LIMIT - 1 + 1 wraps to -LIMIT; 6 + 1 = 7 -> 3
    assert unpacked(after[24:], 64, 3) == [-1, -LIMIT // 2, 3]
    # -2 > LIMIT - 1, 0 > -1, 6 > 3
    assert unpacked(after[32:], 64, 3) == [0, 1, 1]


def test_the_last_word_of_a_result_keeps_its_other_lanes(library: Driver) -> None:
    dm = memory((0, [1] * 8, Type.I8), (1, [9] * 8, Type.I8), n_words=8)

    after = run(library, dm, encode(Op.ADD, n=3, a=0, b=1, mode=Mode.IMMEDIATE, y=4))

    assert unpacked(after[1:], 8, 8) == [5, 5, 5, 9, 9, 9, 9, 9]


@pytest.mark.parametrize("xt", Type)
@pytest.mark.parametrize("yt", Type)
def test_matrix_products_of_all_types_are_exact(library: Driver, xt: Type, yt: Type) -> None:
    n, k, xo = 5, 301, 3
    low_x, low_w = -(1 << (xt.bits - 1)), -(1 << (yt.bits - 1))
    x = [0] * xo + [low_x] * 290 + some(xt, k - 290)
    rows = [[low_w] * k, *(some(yt, k) for _ in range(n - 1))]
    stride = -(-k // yt.lanes) + 1
    init = some(Type.I32, n)
    vectors = [(1000 + stride * j, row, yt) for j, row in enumerate(rows)]
    dm = memory((0, x, xt), (400, init, Type.I32), *vectors, n_words=3000)

    fields = {"n": n, "a": 0, "b": 500, "xt": xt, "yt": yt, "zt": 3, "has_init": 1, "it": 2}
    fields |= {"w": 1000, "k": k, "stride": stride, "init": 400, "xo": xo, "shift": -2}

    after = run(library, dm, encode(Op.MATVEC, **fields))

    expected = [
        sh(wrap(first + sum(p * q for p, q in zip(x[xo:], row, strict=True))), -2)
        for first, row in zip(init, rows, strict=True)
    ]
    assert unpacked(after[500:], 64, n) == expected


def test_a_matrix_without_columns_gives_its_initial_values(library: Driver) -> None:
    dm = memory((0, [7, -9, 300], Type.I16))

    after = run(
        library,
        dm,
        encode(Op.MATVEC, n=3, a=0, b=4, zt=0, has_init=1, it=1, stride=999, xo=8, bits=8),
        encode(Op.MATVEC, n=2, a=0, b=0, zt=1, k=0),
    )

    assert unpacked(after[4:], 8, 3) == [7, -9, 127]
    assert unpacked(after, 16, 3) == [0, 0, 300]


def test_sums_begin_where_the_last_one_ended(library: Driver) -> None:
    x = some(Type.I16, 70 * 3)
    dm = memory((0, x, Type.I16))

    after = run(library, dm, encode(Op.SUM, n=70, a=0, b=100, xt=1, zt=2, k=3, shift=-1, rounded=1))

    expected = [(sum(x[3 * j : 3 * j + 3]) + 1) >> 1 for j in range(70)]
    assert unpacked(after[100:], 32, 70) == expected


@pytest.mark.parametrize("wide", [0, 1])
def test_tables_are_looked_up_with_clamped_places(library: Driver, wide: int) -> None:
    entries = [-5, 70_000, -1, 32_767, -70_000] if wide else [-5, 7, -1, 32_767, -32_768]
    halves = [half for e in entries for half in ((e & 0xFFFF, e >> 16) if wide else (e,))]
    tm = signed([0] * 3 + halves, 32)
    tm[3] |= 0xABCD << 16  # bits 63..16 have no effect
    dm = memory((0, [-100, -8, -3, 0, 4, 7, 100], Type.I8))

    after = run(
        library,
        dm,
        encode(Op.LUT, n=7, a=0, b=8, zt=2, wide=wide, table=3, lo=-2, hi=2, sx=-2),
        tm=tm,
    )

    # shifted by 2: -25, -2, -1, 0, 1, 1, 25
    places = [0, 0, 1, 2, 3, 3, 4]
    assert unpacked(after[8:], 32, 7) == [entries[place] for place in places]


def test_counters_count_modulo_n_and_compare(library: Driver) -> None:
    dm = signed([-1, 0, 5], 16)
    count = encode(Op.COUNT, n=3, a=0, b=4, xt=3, zt=1, k=2)
    again = encode(Op.COUNT, n=3, a=1, b=5, xt=3, zt=1, k=2)
    both = encode(Op.COUNT, n=4, a=2, b=2, xt=3, zt=3, k=1)

    after = run(library, dm, count, again, both)

    assert unpacked(after, 64, 3) == [0, 1, 2]
    assert unpacked(after[4:], 64, 2) == [1, 0]


def test_moves_with_strides_put_elements_where_the_formula_says(library: Driver) -> None:
    x = list(range(1, 41))
    dm = memory((0, x, Type.I8))
    fields = {"outer": 3, "xo": 30, "zo": 1, "xi": -2, "zi": 3, "xs": -7, "zs": 1}

    after = run(library, dm, encode(Op.MOVE, n=4, a=0, b=32, xt=0, zt=1, **fields))

    expected = [0] * 14
    for o in range(3):
        for i in range(4):
            expected[1 + o + 3 * i] = x[30 - 7 * o - 2 * i]
    assert unpacked(after[32:], 16, 14) == expected


@pytest.mark.parametrize("kind", Type)
def test_moves_of_whole_words_keep_the_lanes_after_the_last(library: Driver, kind: Type) -> None:
    x = some(kind, 43)
    dm = memory((0, x, kind), (100, [3] * 60, kind))
    fields = {"n": 13, "a": 1, "b": 99, "xt": kind, "zt": kind, "outer": 1, "xi": 1, "zi": 1}

    after = run(library, dm, encode(Op.MOVE, **fields, xo=kind.lanes, zo=kind.lanes))

    moved = x[2 * kind.lanes : 2 * kind.lanes + 13]
    assert unpacked(after[100:], kind.bits, 60) == moved + [3] * 47


def test_rows_of_a_move_may_overlap(library: Driver) -> None:
    x = some(Type.I16, 40)
    dm = memory((10, x, Type.I16))
    rows = {"n": 4, "outer": 3, "xi": 1, "zi": 1, "xs": 4, "zs": 4, "xt": 1, "zt": 1}

    after = run(library, dm, encode(Op.MOVE, **rows, a=10, b=11))

    assert unpacked(after[10:], 16, 40) == x[:4] + x[:12] + x[16:]


def test_a_later_element_wins_its_place(library: Driver) -> None:
    dm = memory((0, [1, 2, 3, 4], Type.I16))

    after = run(library, dm, encode(Op.MOVE, n=2, a=0, b=8, xt=1, zt=1, outer=2, xi=1, xs=2))

    assert unpacked(after[8:], 16, 4) == [4, 0, 0, 0]


def test_moves_follow_a_loop_register(library: Driver) -> None:
    dm = memory((0, [1, 2, 3, 4, 5, 6], Type.I16))
    move = encode(Op.MOVEL, n=1, a=0, b=8, xt=1, zt=1, outer=1, reg=2, zo=5, xl=2, zl=-2)

    after = run(library, dm, move, encode(Op.LOOP, n=3, b=1, reg=2))

    assert unpacked(after[8:], 16, 6) == [0, 5, 0, 3, 0, 1]


@pytest.mark.parametrize("distance", [-33, -1, 0, 1, 33])
def test_operands_are_read_before_the_result_is_written(library: Driver, distance: int) -> None:
    n, x = 300, some(Type.I16, 300)
    here = 100 + distance
    dm = memory((100, x, Type.I16))
    move = {"n": n, "a": 100, "b": here, "xt": 1, "zt": 1, "outer": 1}

    programs = (
        encode(Op.COPY, n=75, a=100, b=here),
        encode(Op.MOVE, **move, xi=1, zi=1),
        encode(Op.MOVE, **move, xi=1, zi=1, xo=1),
        encode(Op.MOVE, **move, xi=-1, zi=1, xo=n - 1),
        encode(Op.ADD, n=n, a=100, b=here, xt=1, yt=1, zt=1, y=100),
        encode(Op.MUL, n=n, a=100, b=here, xt=1, zt=2, mode=Mode.IMMEDIATE, y=-3),
        encode(Op.SUM, n=n, a=100, b=here, xt=1, zt=2, k=1),
        encode(Op.LUT, n=n, a=100, b=here, xt=1, zt=3, hi=3),
    )

    done = library.run([Case([Core(program(each, HALT), dm)], [start()]) for each in programs])

    results = [result.dm_words()[here:] for result in done]
    whole = [*x, unpacked(dm[175:], 16, 1)[0]]
    assert unpacked(results[0], 16, n) == x
    assert unpacked(results[1], 16, n) == x
    assert unpacked(results[2], 16, n) == whole[1:]
    assert unpacked(results[3], 16, n) == x[::-1]
    assert unpacked(results[4], 16, n) == [wrap(2 * v, 16) for v in x]
    assert unpacked(results[5], 32, n) == [-3 * v for v in x]
    assert unpacked(results[6], 32, n) == x
    assert unpacked(results[7], 64, n) == [0] * n


def test_a_product_may_overwrite_its_matrix_and_its_operands(library: Driver) -> None:
    n, k = 100, 8
    x, rows = some(Type.I8, k), [some(Type.I8, k) for _ in range(n)]
    init = some(Type.I16, n)
    products = [sum(p * q for p, q in zip(x, row, strict=True)) for row in rows]
    vectors = [(200 + j, row, Type.I8) for j, row in enumerate(rows)]
    dm = memory((199, x, Type.I8), *vectors, (320, init, Type.I16))
    fields = {"n": n, "a": 199, "w": 200, "k": k, "stride": 1, "zt": 3}

    for b in (190, 210):
        after = run(library, dm, encode(Op.MATVEC, **fields, b=b))
        assert unpacked(after[b:], 64, n) == products
    fields |= {"has_init": 1, "init": 320, "it": 1}
    after = run(library, dm, encode(Op.MATVEC, **fields, b=321))
    assert unpacked(after[321:], 64, n) == [p + q for p, q in zip(init, products, strict=True)]
