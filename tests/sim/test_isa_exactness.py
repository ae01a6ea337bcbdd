"""Products and sums are exact whatever they are calculated with."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_protocol.open_isa import encode
from firmware_protocol.open_isa_ops import Op, Type
from hostrt.sim.isa.weights import read_matrix, type_for
from tests.sim.isa_compare import Content, run_both

HALT = encode(Op.HALT)
DTYPES = {Type.I8: "<i1", Type.I16: "<i2", Type.I32: "<i4", Type.I64: "<i8"}
EXTREMES = {"lowest": (-1, -1), "mixed": (-1, 1), "highest": (1, 1)}


def extreme(code: Type, n: int, sign: int) -> list[int]:
    """Give n elements of the largest magnitude as words."""
    info = np.iinfo(DTYPES[code])
    value = info.min if sign < 0 else info.max
    row = np.zeros(-(-n // code.lanes) * code.lanes, DTYPES[code])
    row[:n] = value
    return [int(word) for word in row.view("<u8")]


@pytest.mark.parametrize("signs", EXTREMES.values(), ids=EXTREMES)
@pytest.mark.parametrize("writes", [False, True], ids=["kept", "read each time"])
@pytest.mark.parametrize(
    ("xt", "yt", "k"),
    [
        (Type.I8, Type.I8, 1023),
        (Type.I8, Type.I8, 1024),
        (Type.I8, Type.I8, 1025),
        (Type.I16, Type.I8, 300),
        (Type.I16, Type.I16, 63),
        (Type.I32, Type.I16, 64),
        (Type.I32, Type.I16, 65),
        (Type.I32, Type.I32, 3),
        (Type.I64, Type.I8, 3),
        (Type.I8, Type.I64, 3),
        (Type.I64, Type.I64, 2),
    ],
)
def test_products_of_the_largest_numbers(
    xt: Type, yt: Type, k: int, signs: tuple[int, int], writes: bool
) -> None:
    x, w = extreme(xt, k, signs[0]), extreme(yt, k, signs[1])
    # the second row has one weight that is smaller by one, the third one is added to a number
    rows = [*w, w[0] - 1, *w[1:]]
    at_w, at_init, at_z = len(x), len(x) + len(rows), len(x) + len(rows) + 2
    product = encode(
        Op.MATVEC, n=2, k=k, a=0, w=at_w, stride=len(w), b=at_z, xt=xt, yt=yt, zt=Type.I64,
        has_init=1, init=at_init, it=Type.I64,
    )  # fmt: skip
    touch = encode(Op.COPY, n=len(rows), a=at_w, b=at_w) if writes else ()
    dm = [*x, *rows, 1, (1 << 64) - 1]
    run_both(Content([*touch, *product, *HALT], dm=dm, dm_size=at_z + 2))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("xt", list(Type), ids=lambda xt: xt.name)
def test_sums_of_the_largest_numbers(xt: Type, sign: int) -> None:
    for k in (1, 512, 513, 600):
        x = extreme(xt, 2 * k, sign)
        total = encode(Op.SUM, n=2, k=k, a=0, b=len(x), xt=xt, zt=Type.I64)
        run_both(Content([*total, *HALT], dm=x, dm_size=len(x) + 2))


def test_the_type_of_a_matrix_follows_from_what_sums_can_become() -> None:
    assert [type_for(bound) for bound in (0, 2**24 - 1, 2**24, 2**53 - 1, 2**53)] == [
        *("f4", "f4"),
        *("f8", "f8"),
        "i8",
    ]
    small = read_matrix(np.full((2, 511), 1, np.int8), 16)
    assert (small.values.dtype.str, small.bound) == ("<f4", 511 << 15)
    assert read_matrix(np.full((2, 512), 1, np.int8), 16).values.dtype.str == "<f8"
    assert read_matrix(np.full((1, 1), 0, np.int64), 8).values.dtype.str == "<i8"


def test_a_product_that_wraps_around_does_so_modulo_2_to_the_64() -> None:
    pair = run_both(
        Content(
            [*encode(Op.MUL, n=1, a=0, y=1, b=2, xt=3, yt=3, zt=3), *HALT],
            dm=[0x1234_5678_9ABC_DEF1, 0x0FED_CBA9_8765_4321],
        )
    )
    assert pair.dm[2] == 0x1234_5678_9ABC_DEF1 * 0x0FED_CBA9_8765_4321 % 2**64
