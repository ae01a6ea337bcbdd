"""Every arithmetic instruction of the compiled machine against numpy, on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.fqir.plan.vm_codes import DEPTH, FIELDS, LANES
from tests.fqir.one_instruction import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fqir.one_instruction import Ints

BITS = [32, 64]
N_BLOCKS = 3
N = N_BLOCKS * LANES


@pytest.fixture(autouse=True)
def wrapping() -> Iterator[None]:
    with np.errstate(over="ignore"):
        yield


# ---------------------------------------------------------------------- element-wise

ELEMENTWISE: dict[str, Callable[[Trial, Ints, Ints], Ints]] = {
    "add": lambda t, x, y: t.ended(t.shift(x, "x") + t.sign(t.shift(y, "y"), "y")),
    "add_one": lambda t, x, y: t.ended(t.sign(t.shift(x, "x"), "x") + t.sign(t.shift(y, "y"), "y")),
    "multiply": lambda t, x, y: t.ended(x * y),
    "multiply_one": lambda t, x, y: t.ended(x * y),
    "greater": lambda _, x, y: x > y,
    "greater_equal": lambda _, x, y: x >= y,
    "equal": lambda _, x, y: x == y,
    "both": lambda _, x, y: (x != 0) & (y != 0),
    "either": lambda _, x, y: (x != 0) | (y != 0),
    "one_of": lambda _, x, y: (x != 0) ^ (y != 0),
    "largest": lambda _, x, y: np.maximum(x, y),
    "smallest": lambda _, x, y: np.minimum(x, y),
}


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_elementwise_instructions(kind: str, bits: int) -> None:
    for seed in range(20):
        t = Trial(f"{kind}.{bits}", seed)
        t.operands("x", size=N)
        t.operands("y", size=1 if kind.endswith("_one") else N)
        t.m["x"][:7] = t.m["y"][:7]
        t.place("x", t.m["x"])
        t.f["blocks"] = N_BLOCKS
        t.end()

        assert np.array_equal(t.run(N), ELEMENTWISE[kind](t, t.m["x"], t.m["y"]))


@pytest.mark.parametrize("bits", BITS)
def test_mask(bits: int) -> None:
    t = Trial(f"mask.{bits}", 0)
    t.operands("x", size=N)
    t.f = {"blocks": N_BLOCKS, "right": 5, "mask": 0x7F3}

    assert np.array_equal(t.run(N), t.m["x"] >> 5 & 0x7F3)


@pytest.mark.parametrize("bits", BITS)
def test_look_up(bits: int) -> None:
    t = Trial(f"look_up.{bits}", 0)
    t.place("x", t.noise(N, 32))
    t.operands("table", size=21)
    t.f = {"blocks": N_BLOCKS, "right": 3, "lo": -9, "hi": 11}

    assert np.array_equal(t.run(N), t.m["table"][np.clip(t.m["x"] >> 3, -9, 11) + 9])


# ---------------------------------------------------------------------- sums


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("taps", [0, 1, 5])
def test_taps(bits: int, taps: int) -> None:
    t = Trial(f"taps.{bits}", taps)
    t.operands("bias", size=N)
    t.operands("x", "weights", size=taps * 40)
    t.f = {"blocks": N_BLOCKS, "n": 40, "taps": taps}
    t.end()

    products = (t.m["x"] * t.m["weights"]).reshape(taps, 40)
    wanted = t.m["bias"][:40] + products.sum(axis=0, dtype=products.dtype)
    assert np.array_equal(t.run(40), t.ended(wanted))


@pytest.mark.parametrize("bits", BITS)
def test_sum(bits: int) -> None:
    t = Trial(f"sum.{bits}", 0)
    t.operands("x", size=19 * 7)
    t.f = {"blocks": 2, "count": 19, "n": 7}
    t.end()

    wanted = t.m["x"].reshape(19, 7).sum(axis=1, dtype=t.m["x"].dtype)
    assert np.array_equal(t.run(19), t.ended(wanted))


@pytest.mark.parametrize("name", [name for name in FIELDS if name.startswith("product")])
@pytest.mark.parametrize("columns", [1, 35])
def test_products(name: str, columns: int) -> None:
    t = Trial(name, columns)
    n = 3 * DEPTH if t.numbers[1] == 16 else 45
    t.place("x", t.noise(4 * n, t.numbers[1]))
    t.place("weights", t.noise(columns * n, t.numbers[2]))
    t.operands("bias", size=columns)
    t.f = {"rows": 4, "columns": columns, "n": n, "blocks": -(-columns // LANES)}
    t.end()
    t.f["chunk"] = 2 * DEPTH
    t.f = {key: value for key, value in t.f.items() if key in FIELDS[name]}

    kind = t.m["bias"].dtype
    x, weights = t.m["x"].reshape(4, n).astype(kind), t.m["weights"].reshape(columns, n)
    wanted = x @ weights.astype(kind).T + t.m["bias"]
    if "chunk" in t.f:
        # sums of a chunk are taken in 32 bits
        parts = [
            (x[:, a : a + 64] @ weights[:, a : a + 64].astype(kind).T).astype(np.int32)
            for a in range(0, n, 64)
        ]
        wanted = sum(parts[1:], parts[0].astype(kind)) + t.m["bias"]
    if "left" in t.f:
        wanted = t.ended(wanted)
    assert np.array_equal(t.run(4 * columns).reshape(4, columns), wanted)
