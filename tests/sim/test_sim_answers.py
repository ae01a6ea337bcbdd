"""Stand-ins for programs: echo and prepared outputs; and boards that are sent nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import MARK, Status
from firmware_protocol.requests import Space
from firmware_protocol.stream import input_message, split_outputs
from hostrt.chip import CHIP_NAMES, get_chip
from hostrt.chip.platform import ZCU104
from hostrt.errors import UsageError
from hostrt.sim.answers import EchoAnswer, FileAnswer, InputPort, OutputPort, load_answers
from hostrt.sim.build import SimOptions, build_spu
from hostrt.sim.evk2 import VirtualEvk2
from hostrt.sim.spu import SimulatedSpu
from hostrt.sim.zcu104 import VirtualZcu104
from tests.sim.sim_sessions import PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

X = InputPort("x", 1, 0, 2)
Z = InputPort("z", 2, 1, 1)
Y = OutputPort("y", 0, 3)
W = OutputPort("w", 3, 1)
PAYLOAD = np.array([7, 9], np.uint64)


def test_echo_waits_for_every_input_and_repeats_the_first() -> None:
    spu = SimulatedSpu(get_chip("spu001"), answer=EchoAnswer([X, Z], [W, Y]))
    spu.send(input_message(2, 1, np.array([5], np.uint64)))
    assert not spu.output_waits
    spu.send(input_message(1, 0, PAYLOAD))
    outputs = split_outputs(spu.receive(12), {0: 3, 3: 1})
    assert outputs[0].tolist() == [7, 9, 7]
    assert outputs[3].tolist() == [7 ^ 0x0003_0003_0003_0003]
    assert spu.exec_time_us == 1234


def test_a_reset_forgets_inputs_that_had_arrived() -> None:
    spu = SimulatedSpu(get_chip("spu001"), answer=EchoAnswer([X, Z], [Y]))
    spu.send(input_message(1, 0, PAYLOAD))
    spu.hard_reset()
    spu.send(input_message(2, 1, PAYLOAD))
    assert not spu.output_waits


def test_prepared_outputs_come_frame_by_frame_and_then_nothing(tmp_path: Path) -> None:
    frames = np.array([[1, 2, 3, 4, 5], [-1, -2, -3, -4, -5]], np.int16)
    np.save(tmp_path / "out.npy", frames)
    spu = SimulatedSpu(get_chip("spu001"), answer=FileAnswer(load_answers(tmp_path / "out.npy")))
    for frame in frames:
        spu.send(input_message(1, 0, PAYLOAD))
        words = split_outputs(spu.receive(6), {0: 2})[0]
        assert words.view(np.int16)[:5].tolist() == frame.tolist()
    spu.send(input_message(1, 0, PAYLOAD))
    assert not spu.output_waits


def test_prepared_outputs_of_several_mailboxes(tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    np.savez(path, mailbox_2=np.array([[8]], np.uint64), mailbox_0=np.array([[1, 2]], np.uint64))
    spu = build_spu("spu001", SimOptions(answer=str(path)))
    spu.send(input_message(1, 0, PAYLOAD))
    outputs = split_outputs(spu.receive(10), {0: 2, 2: 1})
    assert {mailbox: words.tolist() for mailbox, words in outputs.items()} == {0: [1, 2], 2: [8]}


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("mailbox_0", np.zeros(3)),
        ("mailbox_0", np.zeros((2, 2))),
        ("y", np.zeros((1, 1), np.int16)),
    ],
)
def test_files_that_are_no_prepared_outputs_are_refused(
    tmp_path: Path, name: str, array: NDArray[np.generic]
) -> None:
    np.savez(tmp_path / "bad.npz", **{name: array})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"prepared outputs .*bad\.npz"):
        load_answers(tmp_path / "bad.npz")


def test_a_pickled_file_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", np.array([[object()]]), allow_pickle=True)
    with pytest.raises(UsageError, match="allow_pickle=False"):
        load_answers(tmp_path / "bad.npy")


def test_echo_takes_inputs_and_outputs_from_a_program_file() -> None:
    program = str(PROGRAMS / "p001_b" / "p001_b.femto")
    spu = build_spu("spu001", SimOptions("echo", program))
    spu.send(input_message(1, 0, PAYLOAD[:1]))
    spu.send(input_message(2, 1, PAYLOAD))
    assert sorted(split_outputs(spu.receive(10), {0: 2, 3: 1})) == [0, 3]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CHIP_NAMES), st.lists(st.binary(min_size=64, max_size=64), max_size=20))
def test_no_report_breaks_a_virtual_evk2(name: str, reports: list[bytes]) -> None:
    board = VirtualEvk2(SimulatedSpu(get_chip(name)))
    # Most random bytes are no command; fold them into those that are.
    known = [bytes([report[0] % 15]) + report[1:] for report in reports]
    answers, counts = board.exchange(b"".join(known))
    assert len(answers) == counts.sum()
    assert len(counts) == len(reports)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 1 << 28), st.integers(0, 2**32 - 1))))
def test_no_unit_breaks_a_virtual_zcu104(units: list[tuple[int, int, int]]) -> None:
    board = VirtualZcu104(SimulatedSpu(get_chip("spu001"), ZCU104))
    for code, address, data in units:
        head = (code << 28 | address) & 0xFFFF_FFFF
        answer = board.feed(head.to_bytes(4, "little") + data.to_bytes(4, "little"))
        assert len(answer) % 8 == 0
        assert len(answer) <= 8 + 8 * 2 * (1 << 20)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=12), st.integers(0, 4200))
def test_no_program_breaks_the_executor(code: list[int], pc: int) -> None:
    spu = SimulatedSpu(get_chip("spu001"), max_instructions=100)
    for bank in spu.memories.banks:
        bank.powered = True
    spu.write(Space.TOP, spu.chip.map.address("SPI_CONF"), np.zeros(1, np.uint32))
    memory = spu.memories.dwords(0, MemoryKind.IM)
    memory[0] = MARK
    memory[1 : 1 + len(code)] = [word & ~(0xF8 << 56) for word in code]
    spu.send(input_message(pc, 0, PAYLOAD))
    if spu.output_waits:
        assert int(spu.receive(1)[0]) in set(Status)


ANY_REPORT = st.tuples(
    st.sampled_from([3, 3, 4, 9]),
    st.sampled_from([0, 1, 13, 14]),
    st.sampled_from([0x10_0000, 0x10_0034, 0x10_0038, 0x10_0070, 0x1C]),
    st.binary(min_size=56, max_size=56),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_REPORT, min_size=8, max_size=25))
def test_a_batch_of_reports_does_what_the_reports_do_one_by_one(
    fields: list[tuple[int, int, int, bytes]],
) -> None:
    reports = [
        bytes([command, 0, n, 0]) + address.to_bytes(4, "little") + data
        for command, n, address, data in fields
    ]
    boards = [VirtualEvk2(SimulatedSpu(get_chip("spu001"))) for _ in range(2)]
    for board in boards:
        for bank in board.spu.memories.banks:
            bank.powered = True
    together = boards[0].exchange(b"".join(reports))[0].tobytes()
    one_by_one = b"".join(boards[1].exchange(report)[0].tobytes() for report in reports)
    assert together == one_by_one
    words = [board.spu.read(Space.APB, 0x10_0000, 200).tolist() for board in boards]
    assert words[0] == words[1]
