"""A pyusb backend with tiny boards behind it: descriptors, claims, queues, refusals."""

from __future__ import annotations

import array
import errno
import threading
import time
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING

import usb.backend
import usb.core

from tests.transport.boards import TinyBoard, TinyEvk2

if TYPE_CHECKING:
    from collections.abc import Iterator

HIGH_SPEED = 3


class FakeUsbBoard:
    """One connected board and what the bus does to it."""

    def __init__(self, board: TinyBoard | None = None, serial: str = "1000") -> None:
        self.board = board or TinyEvk2()
        self.strings = {1: "FemtoAI", 2: "SPU001", 3: serial}
        self.forbidden = False
        self.busy = False
        self.gone = False
        self.mute = False
        self.driver = True
        self.claimed = False
        self.packet_bytes = 64
        self.out: deque[bytes] = deque()
        self.arrived = threading.Condition()
        self.most_unread = 0

    def check(self) -> None:
        if self.gone:
            raise usb.core.USBError("No such device", -4, errno.ENODEV)

    def put(self, data: bytes) -> None:
        """Let the board send reports."""
        with self.arrived:
            self.out.extend(data[i : i + 64] for i in range(0, len(data), 64))
            self.most_unread = max(self.most_unread, len(self.out))
            self.arrived.notify_all()


class FakeBackend(usb.backend.IBackend):  # type: ignore[misc]
    """The backend interface of pyusb (virtual-usb 10)."""

    def __init__(self, *boards: FakeUsbBoard) -> None:
        self.boards = list(boards)

    def enumerate_devices(self) -> Iterator[FakeUsbBoard]:
        return iter(self.boards)

    def get_device_descriptor(self, dev: FakeUsbBoard) -> SimpleNamespace:
        return SimpleNamespace(
            bLength=18,
            bDescriptorType=1,
            bcdUSB=0x200,
            bDeviceClass=0,
            bDeviceSubClass=0,
            bDeviceProtocol=0,
            bMaxPacketSize0=64,
            idVendor=0x16C0,
            idProduct=0x0486,
            bcdDevice=0x280,
            iManufacturer=1,
            iProduct=2,
            iSerialNumber=3,
            bNumConfigurations=1,
            bus=250,
            address=self.boards.index(dev) + 1,
            port_number=1,
            port_numbers=(1,),
            speed=HIGH_SPEED,
        )

    def get_configuration_descriptor(self, dev: FakeUsbBoard, index: int) -> SimpleNamespace:
        if index:
            raise IndexError(index)
        return SimpleNamespace(
            bLength=9,
            bDescriptorType=2,
            wTotalLength=73,
            bNumInterfaces=2,
            bConfigurationValue=1,
            iConfiguration=0,
            bmAttributes=0xC0,
            bMaxPower=50,
            extra_descriptors=[],
        )

    def get_interface_descriptor(
        self, dev: FakeUsbBoard, interface: int, alternate: int, config: int
    ) -> SimpleNamespace:
        if alternate or interface > 1:
            raise IndexError(interface)
        return SimpleNamespace(
            bLength=9,
            bDescriptorType=4,
            bInterfaceNumber=interface,
            bAlternateSetting=0,
            bNumEndpoints=2,
            bInterfaceClass=3,
            bInterfaceSubClass=0,
            bInterfaceProtocol=0,
            iInterface=0,
            extra_descriptors=[],
        )

    def get_endpoint_descriptor(
        self, dev: FakeUsbBoard, endpoint: int, interface: int, alternate: int, config: int
    ) -> SimpleNamespace:
        addresses = {0: (0x83, 0x04), 1: (0x82, 0x01)}[interface]
        return SimpleNamespace(
            bLength=7,
            bDescriptorType=5,
            bEndpointAddress=addresses[endpoint],
            bmAttributes=3,
            wMaxPacketSize=dev.packet_bytes,
            bInterval=1,
            bRefresh=0,
            bSynchAddress=0,
            extra_descriptors=[],
        )

    def get_parent(self, dev: FakeUsbBoard) -> None:
        return None

    def open_device(self, dev: FakeUsbBoard) -> FakeUsbBoard:
        dev.check()
        if dev.forbidden:
            raise usb.core.USBError("Access denied", -3, errno.EACCES)
        return dev

    def close_device(self, handle: FakeUsbBoard) -> None:
        handle.claimed = False

    def get_configuration(self, handle: FakeUsbBoard) -> int:
        return 1

    def claim_interface(self, handle: FakeUsbBoard, interface: int) -> None:
        handle.check()
        assert interface == 0, "only interface 0 is the board"
        if handle.busy or handle.driver:
            raise usb.core.USBError("Resource busy", -6, errno.EBUSY)
        handle.claimed = True

    def release_interface(self, handle: FakeUsbBoard, interface: int) -> None:
        handle.check()
        handle.claimed = False

    def is_kernel_driver_active(self, handle: FakeUsbBoard, interface: int) -> bool:
        return handle.driver

    def detach_kernel_driver(self, handle: FakeUsbBoard, interface: int) -> None:
        handle.driver = False

    def attach_kernel_driver(self, handle: FakeUsbBoard, interface: int) -> None:
        handle.check()
        assert not handle.claimed
        handle.driver = True

    def ctrl_transfer(
        self,
        handle: FakeUsbBoard,
        kind: int,
        request: int,
        value: int,
        index: int,
        data: array.array[int],
        timeout: int,
    ) -> int:
        text = handle.strings.get(value & 0xFF)
        body = b"\x09\x04" if text is None else text.encode("utf-16-le")
        raw = bytes([len(body) + 2, 3]) + body
        data[: len(raw)] = array.array("B", raw)
        return len(raw)

    def intr_write(
        self, handle: FakeUsbBoard, endpoint: int, interface: int, data: bytes, timeout: int
    ) -> int:
        assert endpoint == 0x04
        for start in range(0, len(data), 64):
            handle.check()
            if not handle.mute:
                handle.put(handle.board.answer(bytes(data[start : start + 64])))
        return len(data)

    def intr_read(
        self,
        handle: FakeUsbBoard,
        endpoint: int,
        interface: int,
        data: array.array[int],
        timeout: int,
    ) -> int:
        assert endpoint == 0x83
        assert timeout > 0, "0 waits for ever"
        until = time.monotonic() + timeout / 1000
        got = 0
        with handle.arrived:
            while got < len(data):
                if handle.out:
                    packet = handle.out.popleft()
                    data[got : got + len(packet)] = array.array("B", packet)
                    got += len(packet)
                    continue
                handle.check()
                left = until - time.monotonic()
                if left <= 0:
                    break
                handle.arrived.wait(left)
        if not got:
            raise usb.core.USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
        return got
