"""Virtual boards on a virtual bus: descriptors, errors, transfers and faults."""

from __future__ import annotations

import errno
import threading
from array import array
from typing import TYPE_CHECKING

import numpy as np
import pytest
import usb.core
import usb.util

from firmware_protocol.evk2_plan import build_reports
from firmware_protocol.faults import FaultPlan
from firmware_protocol.loopback import loopback_banks
from firmware_protocol.requests import Read, Request, Space, Write
from firmware_protocol.stream import split_outputs
from hostrt.chip import get_chip
from hostrt.chip.image import LoadImage
from hostrt.chip.platform import EVK2
from hostrt.errors import LinkError, LinkLost, UsageError
from hostrt.sim.evk2 import Identity, VirtualEvk2
from hostrt.sim.port import STALE_ADDRESS, BoardGone, Port, PortOptions
from hostrt.sim.spu import SimulatedSpu
from hostrt.sim.transport import open_virtual_usb
from hostrt.sim.usb_backend import SimBackend
from hostrt.sim.usb_descriptors import SPEED_FULL, SPEED_HIGH, Descriptors
from hostrt.transport.url import BoardUrl

if TYPE_CHECKING:
    from collections.abc import Callable

DEVICE = "12010002000000 40c0168604800201020301"
CONFIGURATION = (
    "09024900020100c032"
    "090400000203000000" "092111010001221c00" "07058303400001" "07050403400001"
    "090401000203000000" "092111010001222100" "07058203400001" "07050203200002"
)  # fmt: skip
REPORT_0 = "06abff0a0002a10175081500 26ff0095400901810295400902 9102c0"
SALT = 0x1C


def make_port(serial: str = "12345", **options: object) -> Port:
    board = VirtualEvk2(SimulatedSpu(get_chip("spu001")), Identity(serial=serial))
    return Port(board, PortOptions(**options))  # type: ignore[arg-type]


def opened(backend: SimBackend) -> usb.core.Device:
    device = usb.core.find(idVendor=0x16C0, idProduct=0x0486, backend=backend)
    device.detach_kernel_driver(0)
    usb.util.claim_interface(device, 0)
    return device


def salts(n: int) -> list[Request]:
    return [Write(Space.APB, SALT, np.array([i], np.uint32)) for i in range(n)]


def reports(requests: list[Request]) -> bytes:
    return build_reports(requests).reports.tobytes()


def fails_with(number: int, code: int, action: Callable[[], object]) -> None:
    with pytest.raises(usb.core.USBError) as caught:
        action()
    assert (caught.value.errno, caught.value.backend_error_code) == (number, code)


def test_descriptors_are_those_of_the_board_byte_for_byte() -> None:
    answer = Descriptors(Identity(serial="77"), speed=SPEED_HIGH).control
    assert answer(0x80, 6, 0x0100, 0, 64) == bytes.fromhex(DEVICE)
    assert answer(0x80, 6, 0x0200, 0, 255) == bytes.fromhex(CONFIGURATION)
    assert answer(0x80, 6, 0x0200, 0, 9) == bytes.fromhex(CONFIGURATION)[:9]
    assert answer(0x81, 6, 0x2200, 0, 255) == bytes.fromhex(REPORT_0)
    assert len(answer(0x81, 6, 0x2200, 1, 255) or b"") == 33
    assert answer(0x81, 6, 0x2100, 1, 255) == bytes.fromhex("092111010001222100")
    assert answer(0x80, 6, 0x0300, 0, 255) == bytes.fromhex("04030904")
    assert answer(0x80, 6, 0x0303, 0x409, 255) == bytes.fromhex("0603") + "77".encode("utf-16-le")
    assert answer(0x80, 6, 0x0600, 0, 255) == bytes.fromhex("0a060002000000400100")
    assert answer(0x80, 0, 0, 0, 2) == b"\x01\x00"


@pytest.mark.parametrize(
    "setup",
    [(0x21, 0x0A, 0, 0), (0xA1, 1, 0x100, 0), (0x80, 6, 0x0304, 0x409), (0x81, 6, 0x2200, 2)],
)
def test_requests_the_board_does_not_know_stall(setup: tuple[int, int, int, int]) -> None:
    assert Descriptors(Identity(), speed=SPEED_FULL).control(*setup, 64) is None
    assert Descriptors(Identity(), speed=SPEED_FULL).control(0x80, 6, 0x0600, 0, 64) is None


def test_pyusb_sees_boards_with_their_strings_and_endpoints() -> None:
    backend = SimBackend([make_port("1"), make_port("2", usb_speed="full")])
    devices = list(usb.core.find(find_all=True, idVendor=0x16C0, backend=backend))
    assert [device.serial_number for device in devices] == ["1", "2"]
    assert [device.manufacturer for device in devices] == ["FemtoAI"] * 2
    assert [device.product for device in devices] == ["SPU001"] * 2
    assert [device.speed for device in devices] == [SPEED_HIGH, SPEED_FULL]
    found = {
        (interface.bInterfaceNumber, end.bEndpointAddress, end.wMaxPacketSize, end.bInterval)
        for interface in devices[0].get_active_configuration()
        for end in interface
    }
    assert found == {(0, 0x83, 64, 1), (0, 0x04, 64, 1), (1, 0x82, 64, 1), (1, 0x02, 32, 2)}
    assert usb.core.find(backend=backend, serial_number="2").address == 2
    assert usb.core.find(backend=backend, serial_number="3") is None


def test_a_board_of_somebody_else_can_be_seen_but_not_opened() -> None:
    device = usb.core.find(idVendor=0x16C0, backend=SimBackend([make_port()], denied=True))
    with pytest.raises(ValueError, match="no langid"):
        assert device.serial_number
    fails_with(errno.EACCES, -3, lambda: usb.util.claim_interface(device, 0))


def test_claims_exclude_each_other_and_the_kernel() -> None:
    backend = SimBackend([make_port()])
    first = usb.core.find(idVendor=0x16C0, backend=backend)
    fails_with(errno.EBUSY, -6, lambda: usb.util.claim_interface(first, 0))
    assert first.is_kernel_driver_active(0)
    first.detach_kernel_driver(0)
    fails_with(errno.ENOENT, -5, lambda: first.detach_kernel_driver(0))
    usb.util.claim_interface(first, 0)
    fails_with(errno.EBUSY, -6, first.set_configuration)
    second = usb.core.find(idVendor=0x16C0, backend=backend)
    fails_with(errno.EBUSY, -6, lambda: usb.util.claim_interface(second, 0))
    usb.util.dispose_resources(first)
    usb.util.claim_interface(second, 0)
    usb.util.release_interface(second, 0)
    second.attach_kernel_driver(0)
    assert second.is_kernel_driver_active(0)


def test_what_a_closed_board_was_asked_is_refused() -> None:
    backend = SimBackend([make_port()], kernel_driver=False)
    handle = backend.open_device(backend.boards[0])
    fails_with(errno.ENOENT, -5, lambda: backend.claim_interface(handle, 2))
    fails_with(errno.ENOENT, -5, lambda: backend.release_interface(handle, 0))
    buffer = array("B", bytes(64))
    fails_with(errno.ENOENT, -5, lambda: backend.intr_read(handle, 0x83, 0, buffer, 5))
    backend.set_configuration(handle, 1)
    backend.claim_interface(handle, 0)
    fails_with(errno.ENOENT, -5, lambda: backend.set_interface_altsetting(handle, 0, 1))
    backend.intr_write(handle, 4, 0, array("B", reports(salts(1))), 100)
    backend.clear_halt(handle, 0x83)
    backend.reset_device(handle)
    fails_with(errno.ETIMEDOUT, -7, lambda: backend.intr_read(handle, 0x83, 0, buffer, 5))
    backend.close_device(handle)
    fails_with(errno.ENODEV, -4, lambda: backend.get_configuration(handle))
    assert backend.boards[0].claims == {}


def test_a_transfer_of_several_packets_is_that_many_reports() -> None:
    device = opened(SimBackend([make_port()]))
    assert device.write(4, reports(salts(5))) == 320
    assert device.read(0x83, 128).tobytes() == bytes([0, 0, 0, 0, SALT]).ljust(64, b"\0") * 2
    assert len(device.read(0x83, 192)) == 192
    fails_with(errno.ETIMEDOUT, -7, lambda: device.read(0x83, 64, 20))


def test_packets_of_a_read_that_times_out_are_lost() -> None:
    device = opened(SimBackend([make_port()]))
    device.write(4, reports(salts(1)))
    fails_with(errno.ETIMEDOUT, -7, lambda: device.read(0x83, 128, 5))
    fails_with(errno.ETIMEDOUT, -7, lambda: device.read(0x83, 64, 5))


def test_a_buffer_that_is_too_small_overflows_and_loses_the_packet() -> None:
    device = opened(SimBackend([make_port()]))
    device.write(4, reports(salts(2)))
    fails_with(errno.EOVERFLOW, -8, lambda: device.read(0x83, 32))
    assert len(device.read(0x83, 64)) == 64


def test_the_serial_emulation_of_the_second_interface_stays_silent() -> None:
    backend = SimBackend([make_port()], kernel_driver=False)
    device = usb.core.find(idVendor=0x16C0, backend=backend)
    assert device.write(2, bytes(32)) == 32
    fails_with(errno.ETIMEDOUT, -7, lambda: device.read(0x82, 64, 5))


def test_pulling_the_board_ends_a_pending_read() -> None:
    port = make_port()
    device = opened(SimBackend([port]))
    timer = threading.Timer(0.02, port.unplug)
    timer.start()
    fails_with(errno.ENODEV, -4, lambda: device.read(0x83, 64, 5000))
    timer.join()
    fails_with(errno.ENODEV, -4, lambda: device.write(4, bytes(64)))
    assert usb.core.find(backend=SimBackend([port])) is None
    port.replug()
    assert usb.core.find(backend=SimBackend([port])) is not None


def test_a_reader_and_a_writer_work_at_the_same_time() -> None:
    device = opened(SimBackend([make_port(in_buffer=4)]))
    got = bytearray()

    def read_all() -> None:
        while len(got) < 64 * 400:
            got.extend(device.read(0x83, 128, 5000))

    reader = threading.Thread(target=read_all)
    reader.start()
    for _ in range(8):
        assert device.write(4, reports(salts(50)), 5000) == 3200
    reader.join(10)
    assert len(got) == 64 * 400


def test_a_board_whose_answers_nobody_reads_takes_no_more_reports() -> None:
    device = opened(SimBackend([make_port(in_buffer=4)]))
    assert device.write(4, reports(salts(10)), 10) == 4 * 64
    fails_with(errno.ETIMEDOUT, -7, lambda: device.write(4, reports(salts(1)), 10))
    assert len(device.read(0x83, 256)) == 256
    assert device.write(4, reports(salts(1)), 10) == 64


def test_acks_of_a_previous_owner_come_first() -> None:
    device = opened(SimBackend([make_port(stale=3)]))
    old = device.read(0x83, 192).tobytes()
    assert [int.from_bytes(old[i + 4 : i + 8], "little") for i in (0, 64, 128)] == [
        STALE_ADDRESS + i for i in range(3)
    ]


def sent(plan: str, n: int = 20) -> list[bytes]:
    port = make_port(faults=FaultPlan.parse(plan, 7))
    port.write(reports(salts(n)))
    return port.read(n + 2, 0.01)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("plan", "n_packets"), [("", 20), ("lose@3", 19), ("double@3", 21), ("silence@5", 4)]
)
def test_faults_change_how_many_answers_arrive(plan: str, n_packets: int) -> None:
    assert len(sent(plan)) == n_packets


@pytest.mark.fault
def test_a_corrupt_answer_differs_in_one_bit() -> None:
    good, bad = sent(""), sent("corrupt@4")
    difference = [
        int.from_bytes(a, "little") ^ int.from_bytes(b, "little")
        for a, b in zip(good, bad, strict=True)
    ]
    assert [value.bit_count() for value in difference] == [0, 0, 0, 1] + [0] * 16


@pytest.mark.fault
def test_a_short_answer_ends_the_transfer() -> None:
    assert [len(packet) for packet in sent("split@3")] == [64, 64, 13]


@pytest.mark.fault
def test_a_reset_in_a_batch_forgets_what_came_before_it_and_not_what_came_after() -> None:
    port = make_port(faults=FaultPlan.parse("reset@2"))
    word = np.array([5], np.uint32)
    first, second, third = (Write(Space.APB, address, word) for address in (0x1C, 0x20, 0x24))
    port.write(reports([first, second, third]))
    assert len(port.read(3, 0.01)) == 2
    values = [int(port.board.spu.read(Space.APB, address)[0]) for address in (0x1C, 0x20, 0x24)]
    assert values == [0, 0, 5]


@pytest.mark.fault
def test_an_unplugged_board_is_gone_for_writer_and_reader() -> None:
    port = make_port(faults=FaultPlan.parse("unplug@3"))
    with pytest.raises(BoardGone):
        port.write(reports(salts(5)))
    with pytest.raises(BoardGone):
        port.read(1, 0.01)


@pytest.mark.parametrize(
    "options", [{}, {"window": "8"}, {"usb_speed": "high"}, {"in_buffer": "4"}]
)
def test_loopback_runs_through_the_whole_usb_transport(options: dict[str, str]) -> None:
    program = loopback_banks(get_chip("spu001").map, 500)
    vector = np.arange(program.n_dwords, dtype=np.uint64)
    with open_virtual_usb(BoardUrl("evk2+sim", "spu001", options=options)) as link:
        chip = get_chip(link.info.chip)
        chip_steps = [step for step in chip.boot(EVK2) if "wait" not in str(step)]
        link.execute([*chip_steps, *chip.load(LoadImage(program.banks, 1))])
        link.execute([chip.send(program.pc, 0, vector), *chip.wait_output(EVK2, 1.0)])
        (words,) = link.execute([chip.receive([program.n_dwords])])
        assert words is not None
        assert split_outputs(words, {0: program.n_dwords})[0].tolist() == vector.tolist()
        assert link.info.simulated


@pytest.mark.fault
def test_a_virtual_board_that_is_unplugged_is_a_lost_link() -> None:
    with (
        open_virtual_usb(BoardUrl("evk2+sim", options={"faults": "unplug@2"})) as link,
        pytest.raises(LinkError) as caught,
    ):
        link.execute([Read(Space.APB, 0), Read(Space.APB, 4)])
    assert isinstance(caught.value, LinkLost)


@pytest.mark.parametrize(
    "options", [{"usb_speed": "warp"}, {"faults": "melt@1"}, {"stale": "-1"}, {"seed": "x"}]
)
def test_options_of_a_virtual_board_are_checked(options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        open_virtual_usb(BoardUrl("evk2+sim", "spu001", options=options))


def test_a_control_transfer_fills_the_buffer_it_is_given() -> None:
    backend = SimBackend([make_port()])
    handle = backend.open_device(backend.boards[0])
    buffer = array("B", bytes(4))
    assert backend.ctrl_transfer(handle, 0x80, 6, 0x0100, 0, buffer, 100) == 4
    assert buffer.tolist() == [0x12, 1, 0, 2]
    fails_with(errno.EPIPE, -9, lambda: backend.ctrl_transfer(handle, 0x21, 10, 0, 0, buffer, 100))
