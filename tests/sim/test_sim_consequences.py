"""What goes wrong with a program's bytes on their way to a chip shows in what the chip does."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.open_isa import MARK, Status, encode
from firmware_protocol.open_isa_ops import Op, Type
from firmware_protocol.requests import Read, Space, Write
from hostrt.chip.base import Power
from hostrt.chip.image import LoadImage
from tests.sim.isa_board import boot, opened, run, status_of

if TYPE_CHECKING:
    from firmware_protocol.words import DWords
    from hostrt.sim.transport import SimTransport

I8, I16, I32 = Type.I8, Type.I16, Type.I32
X, WEIGHTS, BIAS, OUT, GAIN = 0, 4, 36, 44, 48
"""Words of core 0: 16 elements of i16, 16 rows of 16 weights of i8, 16 biases of i32, 16 results,
and what the thread of the ready queue sets before the first frame."""
LEAST, MOST = -100, 90
TABLE_WORDS = MOST - LEAST + 1
START_PC = 12
FRAME = np.random.default_rng(5).integers(-(2**15), 2**15, 16).astype("<i2").view("<u8")


def first_core() -> list[int]:
    """Give a layer: products, a gain, a table; and the thread that sets the gain."""
    code = [
        *encode(Op.RECV, n=4, a=X),
        *encode(
            Op.MATVEC, n=16, k=16, a=X, w=WEIGHTS, stride=2, b=OUT, xt=I16, yt=I8, zt=I16,
            has_init=1, init=BIAS, it=I32, shift=-7, rounded=1, bits=16,
        ),
        *encode(
            Op.MUL, n=16, a=OUT, b=OUT, mode=1, y=GAIN, xt=I16, yt=I16, zt=I16, shift=-9, bits=16
        ),
        *encode(Op.LUT, n=16, a=OUT, b=OUT, xt=I16, zt=I16, table=0, lo=LEAST, hi=MOST, sx=-8),
        *encode(Op.POST, n=4, a=OUT, b=1, core=1),
        *encode(Op.HALT),
    ]  # fmt: skip
    assert 1 + len(code) == START_PC
    start = encode(Op.MOVE, n=1, outer=1, a=GAIN, b=GAIN, xo=1, xi=1, zi=1, xt=I16, zt=I16)
    return [MARK, *code, *start, *encode(Op.HALT)]


@cache
def program() -> tuple[BankImage, ...]:
    """Give the images of both cores."""
    generator = np.random.default_rng(6)
    data = np.concatenate(
        [
            np.zeros(4, np.uint64),
            generator.integers(-128, 128, 256).astype("<i1").view("<u8"),
            generator.integers(-(2**18), 2**18, 16).astype("<i4").view("<u8"),
            np.zeros(4, np.uint64),
            np.array([0, 700, 0, 0], "<i2").view("<u8"),
        ]
    )
    table = generator.integers(0, 2**16, TABLE_WORDS).astype(np.uint64)
    second = [MARK, *encode(Op.RECV, n=4), *encode(Op.SEND, n=4, b=2), *encode(Op.HALT)]
    entries = np.zeros(64, np.uint64)
    entries[3] = START_PC
    contents = (
        (0, MemoryKind.IM, first_core()),
        (0, MemoryKind.DM, data),
        (0, MemoryKind.TM, table),
        (0, MemoryKind.PB, entries),
        (0, MemoryKind.RQ, [3]),
        (1, MemoryKind.IM, second),
        (1, MemoryKind.DM, np.zeros(4, np.uint64)),
    )
    return tuple(
        BankImage(core, kind, 0, np.array(words, np.uint64)) for core, kind, words in contents
    )


def loaded(*, arm: bool = True) -> SimTransport:
    link = opened()
    boot(link, program(), arm=arm)
    return link


def seen(link: SimTransport) -> tuple[list[int], int]:
    """Give what the chip answers to the frame, and the cycles that it took."""
    answer = run(link, FRAME).tolist()
    assert link.spu.executor is not None
    return answer, link.spu.executor.frame_cycles


@cache
def first() -> tuple[list[int], int]:
    """Give what a chip that was just loaded answers, its thread of the ready queue included."""
    with loaded() as link:
        return seen(link)


@cache
def expected() -> tuple[list[int], int]:
    """Give what it answers to all further frames."""
    with loaded() as link:
        seen(link)
        return seen(link)


def flip(link: SimTransport, kind: MemoryKind, word: int, bit: int, core: int = 0) -> None:
    """Change one bit of a memory over the bus."""
    address = link.spu.chip.map.region(core, kind).base + 8 * word + 4 * (bit // 32)
    (old,) = link.execute([Read(Space.APB, address)])
    assert old is not None
    link.execute([Write(Space.APB, address, old ^ np.uint32(1 << bit % 32))])


def image(kind: MemoryKind) -> DWords:
    """Give a memory of core 0 as it was loaded."""
    return next(bank.words for bank in program() if (bank.core, bank.kind) == (0, kind)).copy()


def layer(dm: DWords) -> list[int]:
    """Calculate the outputs, 16 of i16, from a data memory."""
    x, w = FRAME.view("<i2").astype(int), dm[WEIGHTS:BIAS].view("<i1").reshape(16, 16).astype(int)
    v = np.clip((w @ x + dm[BIAS:OUT].view("<i4") + 64) >> 7, -(2**15), 2**15 - 1)
    v = np.clip(v * int(dm[GAIN:].view("<i2")[1]) >> 9, -(2**15), 2**15 - 1)
    table = image(MemoryKind.TM).astype(np.uint16).astype("<i2")
    return [int(y) for y in table[np.clip(v >> 8, LEAST, MOST) - LEAST]]


def outputs(answer: list[int]) -> list[int]:
    """Give the outputs in what the chip answered."""
    assert answer[:2] == [Status.OK, 2]
    return [int(y) for y in np.array(answer[2:10], "<u4").view("<i2")]


def test_the_program_does_what_it_should() -> None:
    answer, cycles = expected()
    assert outputs(answer) == layer(image(MemoryKind.DM))
    matvec, mul, lut = 4 + 4 + 16 * 2, 3 + 4, 3 + 16
    first_core = 4 + (2 + 4) + matvec + mul + lut + (3 + 4)
    assert cycles == first_core + 8 + 4 + (2 + 4) + (3 + 4) + 1


@pytest.mark.parametrize("core", [0, 1])
def test_every_flipped_bit_of_an_instruction_shows(core: int) -> None:
    silent = []
    code = next(b.words for b in program() if (b.core, b.kind) == (core, MemoryKind.IM))
    with opened() as link:
        for word in range(code.size if core else START_PC):
            for bit in range(word % 7, 64, 7):
                boot(link, program())
                flip(link, MemoryKind.IM, word, bit, core)
                if seen(link) == first():
                    silent.append((word, bit))
    assert silent == []


def test_flipped_bits_of_weights_give_what_these_weights_give() -> None:
    different = 0
    with loaded() as link:
        seen(link)
        for word in range(WEIGHTS, OUT):
            for bit in range(word % 5, 64, 5):
                flip(link, MemoryKind.DM, word, bit)
                data = image(MemoryKind.DM)
                data[word] ^= np.uint64(1 << bit)
                answer, _ = seen(link)
                assert outputs(answer) == layer(data)
                different += answer != expected()[0]
                flip(link, MemoryKind.DM, word, bit)
        assert seen(link) == expected()
    assert different > 100


def test_a_flipped_bit_of_a_table_shows_in_the_elements_that_look_it_up() -> None:
    wanted, _ = expected()
    with loaded() as link:
        seen(link)
        changed = set()
        for word in range(TABLE_WORDS):
            flip(link, MemoryKind.TM, word, 3)
            answer, _ = seen(link)
            before, after = (np.array(a[2:10], "<u4").view("<u2") for a in (wanted, answer))
            assert set((before ^ after).tolist()) <= {0, 8}
            changed |= set(np.flatnonzero(before ^ after).tolist())
            flip(link, MemoryKind.TM, word, 3)
            flip(link, MemoryKind.TM, word, 16 + word % 48)
            assert seen(link) == expected()
    assert changed == set(range(16))


@pytest.mark.parametrize(
    ("switch", "status", "holds"),
    [
        ("C0_DM_CONF0", Status.BANK_OFF, "weights"),
        ("C0_TM_CONF0", Status.BANK_OFF, "a table"),
        ("C1_DM_CONF0", Status.BANK_OFF, ""),
        ("C0_IM_CONF", None, "a program"),
        ("C1_IM_CONF", None, "a program"),
    ],
)
@pytest.mark.parametrize("power", [Power.SLEEP, Power.OFF])
def test_a_bank_without_power_shows(
    switch: str, status: Status | None, holds: str, power: Power
) -> None:
    with loaded() as link:
        assert seen(link)[0] == expected()[0]
        link.execute([*link.spu.chip.set_power(switch, power)])
        answer, _ = seen(link)
        # a core without instructions does not answer at all
        assert (status_of(np.array(answer)) if answer else None) == status
        link.execute([*link.spu.chip.set_power(switch, Power.ON)])
        forgot = bool(holds) and power is Power.OFF
        assert (seen(link)[0] != expected()[0]) == forgot


def test_a_bank_that_was_never_powered_shows() -> None:
    with opened() as link:
        boot(link)
        image = LoadImage(program(), 2)
        for step in link.spu.chip.power_up(image):
            if not (isinstance(step, Write) and step.register == "C0_TM_CONF0"):
                link.execute([step])
        link.execute([*link.spu.chip.fill(image), *link.spu.chip.arm(image)])
        assert status_of(run(link, FRAME)) == Status.BANK_OFF


def test_a_missing_head_and_tail_shows() -> None:
    with loaded(arm=False) as link:
        seen(link)
        answer, cycles = seen(link)
        assert answer[:2] == [Status.OK, 2]
        assert answer[2:10] != expected()[0][2:10]
        assert cycles == expected()[1]
        link.execute(link.spu.chip.arm(LoadImage(program(), 2)))
        seen(link)
        assert seen(link) == expected()


@pytest.mark.parametrize("pc", [0, 2, 3, 4, 6, 8, 11, 12, 14, 4095])
def test_a_wrong_entry_shows(pc: int) -> None:
    with loaded() as link:
        seen(link)
        answer = run(link, FRAME, pc=pc).tolist()
        assert answer != expected()[0]
        assert Status(answer[0]) is not Status.OK or answer[2:10] != expected()[0][2:10]
        run(link, np.zeros(0, np.uint64), core=1)
