"""The simulated chip computes from the bytes in its memories and from nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.loopback import LoopbackProgram, loopback_banks
from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.open_isa import MARK, Status, encode
from firmware_protocol.open_isa_ops import Op
from firmware_protocol.requests import FrameIn, Read, Space, Write
from firmware_protocol.spu001 import SPU001
from firmware_protocol.stream import input_message, output_message, split_outputs
from hostrt.chip import get_chip
from hostrt.chip.base import Power
from hostrt.chip.image import Encryption, LoadImage
from hostrt.chip.platform import PLATFORMS
from hostrt.errors import ClockNotLocked, LinkLost, OutputNeverCame, UsageError
from hostrt.sim.spu import SimulatedSpu
from hostrt.sim.transport import SimTransport
from tests.sim.isa_board import (
    VECTOR,
    boot,
    code_bank,
    core_1_bank,
    data_bank,
    opened,
    run,
    status_of,
)

CHIPS = ["spu001", "spu150tc1", "spu150"]


def powered_chip() -> SimulatedSpu:
    spu = SimulatedSpu(get_chip("spu001"))
    for bank in spu.memories.banks:
        bank.powered = True
    return spu


SHARED = powered_chip()


def loopback(link: SimTransport, length: int = 16) -> LoopbackProgram:
    program = loopback_banks(link.spu.chip.map, length)
    boot(link, program.banks)
    return program


@pytest.mark.parametrize("name", CHIPS)
def test_loopback_gives_its_input_back_on_every_chip(name: str) -> None:
    with opened(name) as link:
        program = loopback(link)
        chip, platform = link.spu.chip, PLATFORMS[link.info.platform]
        sent = chip.send(program.pc, program.core, VECTOR)
        steps = [sent, *chip.wait_output(platform, 1.0), chip.receive([program.n_dwords])]
        words = link.execute(steps)[-1]
        assert words is not None
        assert split_outputs(words, {0: 4})[0].tolist() == VECTOR.tolist()
        assert link.spu.exec_time_us >= 1


def test_execution_time_is_counted_cycles_at_the_programmed_clock() -> None:
    with opened() as link:
        program = loopback(link, 4 * 30_000)
        link.spu.send(input_message(program.pc, 0, np.zeros(30_000, np.uint64)))
        executor = link.spu.executor
        assert executor is not None
        cycles = 4 + (2 + 30_000) + (2 + 30_000) + (3 + 30_000) + 1
        assert executor.frame_cycles == cycles
        assert executor.busy_cycles == [cycles, 0]
        assert link.spu.exec_time_us == round(cycles / 150.011904)


def test_the_next_frame_starts_counting_again() -> None:
    with opened() as link:
        loopback(link)
        run(link)
        executor = link.spu.executor
        assert executor is not None
        first = executor.frame_cycles
        run(link)
        assert executor.frame_cycles == first
        assert executor.total_cycles == 2 * first


def test_one_flipped_bit_of_any_instruction_changes_what_comes_out() -> None:
    program = loopback_banks(SPU001, 16)
    (code,) = (bank for bank in program.banks if bank.kind is MemoryKind.IM)
    others = tuple(bank for bank in program.banks if bank is not code)
    good = output_message(0, VECTOR).tolist()
    cycles = 4 + (2 + 4) + (2 + 4) + (3 + 4) + 1
    with opened() as link:
        for word in range(code.words.size):
            for bit in range(0, 64, 5):
                words = code.words.copy()
                words[word] ^= np.uint64(1) << np.uint64(bit)
                boot(link, (*others, BankImage(0, MemoryKind.IM, 0, words)))
                came = run(link)
                took = link.spu.executor.frame_cycles if link.spu.executor else 0
                # Copying more words than needed is the one change that only costs time.
                same = came[: len(good)].tolist() == good and took == cycles
                assert not same, f"word {word} bit {bit}"


def test_one_flipped_bit_of_data_memory_shows_in_what_is_sent_from_it() -> None:
    with opened() as link:
        loopback(link)
        run(link)
        send_pc = 3
        before = run(link, VECTOR[:0], send_pc)
        address = link.spu.chip.map.region(0, MemoryKind.DM).base + 8 * 4
        (old,) = link.execute([Read(Space.APB, address)])
        assert old is not None
        link.execute([Write(Space.APB, address, old ^ np.uint32(1))])
        after = run(link, VECTOR[:0], send_pc)
        assert (before ^ after).tolist()[:4] == [0, 0, 1, 0]


def test_a_board_without_program_does_not_answer() -> None:
    with opened() as link:
        boot(link)
        assert run(link).size == 0
        platform = PLATFORMS["evk2"]
        with pytest.raises(OutputNeverCame, match=r"output interrupt did not come within 3 s"):
            link.execute(link.spu.chip.wait_output(platform, 3.0))
        assert link.now_s > 3.0


def test_a_program_of_another_instruction_set_is_not_executed() -> None:
    foreign = np.random.default_rng(1).integers(0, 2**63, 50, np.uint64)
    with opened() as link:
        boot(link, (BankImage(0, MemoryKind.IM, 0, foreign), data_bank()))
        assert run(link).size == 0
        assert link.spu.executor is not None
        assert link.spu.executor.silent_starts == 1


def test_a_program_written_to_banks_without_power_is_not_there() -> None:
    program = loopback_banks(SPU001, 16)
    with opened() as link:
        chip = link.spu.chip
        link.execute(chip.boot(PLATFORMS["evk2"]))
        image = LoadImage(program.banks, 1)
        link.execute(chip.fill(image))
        read = link.execute(chip.read_back(image))
        assert all(words is not None and not words.any() for words in read)
        assert link.spu.counters.dropped_writes == image.n_words
        assert run(link).size == 0


def test_a_bank_that_is_switched_off_forgets_and_one_that_sleeps_does_not() -> None:
    with opened() as link:
        loopback(link)
        chip = link.spu.chip
        link.execute([*chip.set_power("C0_IM_CONF", Power.SLEEP)])
        assert run(link).size == 0
        link.execute([*chip.set_power("C0_IM_CONF", Power.WAKE)])
        assert status_of(run(link)) == Status.OK
        link.execute([*chip.set_power("C0_IM_CONF", Power.OFF)])
        link.execute([*chip.set_power("C0_IM_CONF", Power.ON)])
        assert run(link).size == 0


def test_hard_reset_takes_program_and_registers() -> None:
    with opened() as link:
        loopback(link)
        link.spu.hard_reset()
        assert run(link).size == 0
        assert not link.spu.memories.dwords(0, MemoryKind.IM).any()
        chip = link.spu.chip
        boot(link)
        assert run(link).size == 0
        assert chip.map.version == 0x13


@pytest.mark.parametrize("value", [0x800, 0x004])
def test_a_core_in_reset_or_without_clock_does_not_answer(value: int) -> None:
    with opened() as link:
        loopback(link)
        conf = link.spu.chip.map.address("SPI_CONF")
        link.execute([Write(Space.TOP, conf, np.array([value], np.uint32))])
        assert run(link).size == 0
        link.execute([Write(Space.TOP, conf, np.array([0], np.uint32))])
        assert status_of(run(link)) == Status.OK


TRAPS = [
    (Status.ILLEGAL_INSTRUCTION, (0,)),
    (Status.ILLEGAL_INSTRUCTION, (encode(Op.HALT)[0] | 1,)),
    (Status.BAD_ADDRESS, (*encode(Op.RECV, n=4, a=0xFFFE),)),
    (Status.BANK_OFF, (*encode(Op.RECV, n=4, a=8190),)),
    (Status.BANK_OFF, (*encode(Op.COPY, n=1, a=0, b=60_000),)),
    (Status.BAD_MESSAGE, (*encode(Op.RECV, n=5),)),
    (Status.BAD_MESSAGE, (*encode(Op.RECV, n=3), *encode(Op.HALT))),
]


@pytest.mark.parametrize(("status", "code"), TRAPS)
def test_a_thread_that_cannot_go_on_says_why(status: Status, code: tuple[int, ...]) -> None:
    with opened() as link:
        boot(link, (code_bank(*code), data_bank()))
        words = run(link)
        assert status_of(words) == status
        assert words[1:4].tolist() == [0, len(code), 0]


@pytest.mark.parametrize("pc", [0, 4096, 0xFFFF_FFFF])
def test_a_start_outside_the_program_is_a_bad_address(pc: int) -> None:
    with opened() as link:
        loopback(link)
        assert status_of(run(link, pc=pc)) == Status.BAD_ADDRESS


def test_a_newer_version_of_the_instruction_set_is_refused_with_a_status() -> None:
    newer = BankImage(0, MemoryKind.IM, 0, np.array([MARK + 1, *encode(Op.HALT)], np.uint64))
    with opened() as link:
        boot(link, (newer,))
        assert status_of(run(link)) == Status.WRONG_VERSION


def test_a_thread_without_end_is_stopped() -> None:
    with opened() as link:
        nops = [*encode(Op.COPY)] * 100
        spu = SimulatedSpu(link.spu.chip, max_instructions=50)
        limited = SimTransport(spu, link.info)
        boot(limited, (code_bank(*nops, *encode(Op.HALT)),))
        assert status_of(run(limited, VECTOR[:0])) == Status.RUNAWAY


def test_threads_in_the_ready_queue_start_when_the_head_and_tail_are_set() -> None:
    wake = np.array([5], np.uint64)
    entries = np.zeros(64, np.uint64)
    entries[5] = 1
    banks = (
        code_bank(*encode(Op.SEND, n=1, a=2, b=7), *encode(Op.HALT)),
        BankImage(0, MemoryKind.DM, 0, np.array([0, 0, 99], np.uint64)),
        BankImage(0, MemoryKind.RQ, 0, wake),
        BankImage(0, MemoryKind.PB, 0, entries),
    )
    with opened() as link:
        boot(link, banks, arm=False)
        assert not link.spu.output_waits
        link.execute(link.spu.chip.arm(LoadImage(banks, 1)))
        assert link.spu.receive(4).tolist() == [0x1F, 7, 99, 0]


def test_each_core_runs_its_own_program() -> None:
    banks = (
        code_bank(*encode(Op.HALT)),
        code_bank(*encode(Op.RECV, n=4), *encode(Op.SEND, n=4, b=2), *encode(Op.HALT), core=1),
        BankImage(1, MemoryKind.DM, 0, np.zeros(8, np.uint64)),
    )
    with opened() as link:
        boot(link, banks)
        assert split_outputs(run(link, core=1)[:10], {2: 4})[2].tolist() == VECTOR.tolist()
        assert run(link, core=0)[:1].tolist() == [Status.BAD_MESSAGE]
        assert run(link, core=9).size == 0


def test_a_frame_takes_as_long_as_its_busiest_core() -> None:
    slow = (*encode(Op.RECV, n=8000), *encode(Op.HALT))
    with opened() as link:
        boot(link, (code_bank(*slow), code_bank(*slow, core=1), data_bank(8000), core_1_bank()))
        run(link, np.zeros(8000, np.uint64), core=0)
        run(link, np.zeros(8000, np.uint64), core=1)
        assert link.spu.exec_time_us == round((4 + 2 + 8000 + 1) / 150.011904)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 20))
def test_copy_moves_as_if_everything_were_read_first(a: int, b: int, n: int) -> None:
    start = np.arange(64, dtype=np.uint64)
    expected = start.copy()
    expected[b : b + n] = start[a : a + n]
    with opened() as link:
        code = code_bank(*encode(Op.COPY, n=n, a=a, b=b), *encode(Op.HALT))
        boot(link, (code, BankImage(0, MemoryKind.DM, 0, start)))
        run(link, VECTOR[:0])
        assert link.spu.memories.dwords(0, MemoryKind.DM)[:64].tolist() == expected.tolist()


def test_reading_more_output_than_there_is_gives_zeros() -> None:
    with opened() as link:
        assert link.execute([FrameIn(4)])[0] is not None
        assert link.spu.receive(3).tolist() == [0, 0, 0]


def test_a_pll_without_reference_never_locks() -> None:
    with (
        opened(pll="never") as link,
        pytest.raises(ClockNotLocked, match=r"PLL lock did not come"),
    ):
        boot(link)


def test_memories_keep_every_bit_of_an_encrypted_program() -> None:
    words = np.array([0xFFFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0001], np.uint64)
    kinds = (MemoryKind.DM, MemoryKind.TM, MemoryKind.SB, MemoryKind.IM)
    image = LoadImage(
        tuple(BankImage(1, kind, 0, words) for kind in kinds), 2, Encryption(3, 0x0123_4567_89AB)
    )
    with opened() as link:
        chip = link.spu.chip
        link.execute(chip.boot(PLATFORMS["evk2"], encryption=image.encryption))
        link.execute(chip.load(image))
        for read in link.execute(chip.read_back(image)):
            assert read is not None
            assert read.view(np.uint64).tolist() == words.tolist()
        (key,) = link.execute([Read(Space.APB, chip.map.address("SPI_ENCRYPTION_KEY_IDX"))])
        assert key is not None
        assert key.tolist() == [3]


@settings(max_examples=60, deadline=None)
@given(st.integers(0x1000, 0x30_0000), st.integers(1, 3000))
def test_a_burst_across_banks_and_gaps_reads_back_where_there_is_memory(
    address: int, n: int
) -> None:
    spu = SHARED
    words = np.arange(1, n + 1, dtype=np.uint32)
    address -= address % 4
    spu.write(Space.APB, address, words)
    back = spu.read(Space.APB, address, n)
    for i in {0, n // 2, n - 1}:
        inside = spu.chip.map.find_region(address + 4 * i) is not None
        if inside:
            assert back[i] == words[i]


def test_addresses_that_are_not_whole_words_are_counted_and_ignored() -> None:
    spu = SHARED
    before = spu.counters.unmapped
    spu.write(Space.APB, 0x10_0002, np.array([1], np.uint32))
    assert spu.read(Space.APB, 0x10_0002).tolist() == [0]
    assert spu.counters.unmapped == before + 2


def test_a_closed_link_says_so() -> None:
    link = opened()
    link.close()
    link.close()
    with pytest.raises(LinkLost, match=r"sim://spu001 was closed"):
        link.execute([Read(Space.APB, 0)])


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no chip named 'spu9'"):
        opened("spu9")
    with pytest.raises(UsageError, match=r"no option answr"):
        opened(answr="echo")
    with pytest.raises(UsageError, match=r"expected one of locks, never"):
        opened(pll="maybe")
    with pytest.raises(UsageError, match=r"needs to know the program's inputs"):
        opened(answer="echo")
    with pytest.raises(UsageError, match=r"prepared outputs /nowhere.npy"):
        opened(answer="/nowhere.npy")
