"""Virtual EVK2 boards for `usb.core.find(backend=...)`, inside this process (virtual-usb 5, 10).

What pyusb raises over a real libusb is raised here too: the same errno values and libusb codes.
"""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from hostrt.sim.port import BoardGone, Port
from hostrt.sim.usb_descriptors import (
    IN_ENDPOINT,
    OUT_ENDPOINT,
    PACKET_BYTES,
    SPEED_FULL,
    SPEED_HIGH,
    Descriptors,
    interface_of,
)

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator

    from hostrt.sim.usb_descriptors import (
        ConfigurationFields,
        DeviceFields,
        EndpointFields,
        InterfaceFields,
    )

_CODES = {
    errno.EACCES: (-3, "Access denied (insufficient permissions)"),
    errno.ENODEV: (-4, "No such device (it may have been disconnected)"),
    errno.ENOENT: (-5, "Entity not found"),
    errno.EBUSY: (-6, "Resource busy"),
    errno.ETIMEDOUT: (-7, "Operation timed out"),
    errno.EOVERFLOW: (-8, "Overflow"),
    errno.EPIPE: (-9, "Pipe error"),
}


@dataclass(slots=True)
class UsbBoard:
    """A board as the bus sees it.

    Attributes:
        port: its endpoints.
        descriptors: its answers on endpoint 0.
        address: its address on bus 1.
        denied: this user may not open it.
        kernel_driver: interfaces that the kernel's HID driver holds.
        claims: interface -> handle that claimed it.
    """

    port: Port
    descriptors: Descriptors
    address: int
    denied: bool = False
    kernel_driver: set[int] = field(default_factory=set)
    claims: dict[int, Handle] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Handle:
    """An opened board."""

    board: UsbBoard
    is_open: bool = True


class SimBackend:
    """A pyusb backend whose bus holds virtual boards only.

    Attributes:
        boards: what is on the bus.
    """

    def __init__(
        self,
        ports: Iterable[Port],
        *,
        n_interfaces: int = 2,
        kernel_driver: bool = True,
        denied: bool = False,
    ) -> None:
        """Put boards on the bus.

        Args:
            ports: the boards.
            n_interfaces: 2 as on stock firmware, or 1.
            kernel_driver: the kernel's HID driver holds all interfaces, as on Linux.
            denied: opening any board is refused, as without a udev rule.
        """
        self.boards = [
            UsbBoard(
                port,
                Descriptors(port.board.identity, speed=_speed(port), n_interfaces=n_interfaces),
                address,
                denied,
                set(range(n_interfaces)) if kernel_driver else set(),
            )
            for address, port in enumerate(ports, 1)
        ]

    # -- enumeration ---------------------------------------------------------------------------

    def enumerate_devices(self) -> Iterator[UsbBoard]:
        """Iterate over the boards that are plugged in."""
        return (board for board in self.boards if board.port.plugged)

    def get_parent(self, dev: UsbBoard) -> None:
        """No hub is simulated."""

    def get_device_descriptor(self, dev: UsbBoard) -> DeviceFields:
        """Give the device descriptor."""
        return dev.descriptors.device(dev.address)

    def get_configuration_descriptor(self, dev: UsbBoard, config: int) -> ConfigurationFields:
        """Give a configuration descriptor."""
        return dev.descriptors.configuration(config)

    def get_interface_descriptor(
        self, dev: UsbBoard, intf: int, alt: int, config: int
    ) -> InterfaceFields:
        """Give an interface descriptor."""
        dev.descriptors.configuration(config)
        return dev.descriptors.interface(intf, alt)

    def get_endpoint_descriptor(
        self, dev: UsbBoard, ep: int, intf: int, alt: int, config: int
    ) -> EndpointFields:
        """Give an endpoint descriptor."""
        dev.descriptors.configuration(config)
        return dev.descriptors.endpoint(ep, intf, alt)

    # -- opening and claiming ------------------------------------------------------------------

    def open_device(self, dev: UsbBoard) -> Handle:
        """Open a board."""
        if not dev.port.plugged:
            _fail(errno.ENODEV)
        if dev.denied:
            _fail(errno.EACCES)
        return Handle(dev)

    def close_device(self, dev_handle: Handle) -> None:
        """Close a board; its claims end, the kernel's driver stays away."""
        dev_handle.is_open = False
        claims = dev_handle.board.claims
        for interface in [i for i, owner in claims.items() if owner is dev_handle]:
            del claims[interface]

    def set_configuration(self, dev_handle: Handle, config_value: int) -> None:
        """Refused while anybody holds an interface."""
        board = _plugged(dev_handle)
        if board.kernel_driver or board.claims:
            _fail(errno.EBUSY)
        if config_value != 1:
            _fail(errno.ENOENT)

    def get_configuration(self, dev_handle: Handle) -> int:
        """Give the value of the only configuration."""
        _plugged(dev_handle)
        return 1

    def set_interface_altsetting(self, dev_handle: Handle, intf: int, altsetting: int) -> None:
        """There is one setting."""
        self._claimed(dev_handle, intf)
        if altsetting:
            _fail(errno.ENOENT)

    def claim_interface(self, dev_handle: Handle, intf: int) -> None:
        """Claim an interface that neither the kernel nor another handle holds."""
        board = _plugged(dev_handle)
        if not 0 <= intf < board.descriptors.n_interfaces:
            _fail(errno.ENOENT)
        if intf in board.kernel_driver or board.claims.get(intf, dev_handle) is not dev_handle:
            _fail(errno.EBUSY)
        board.claims[intf] = dev_handle

    def release_interface(self, dev_handle: Handle, intf: int) -> None:
        """Give an interface back."""
        board = _plugged(dev_handle)
        if board.claims.get(intf) is not dev_handle:
            _fail(errno.ENOENT)
        del board.claims[intf]

    def is_kernel_driver_active(self, dev_handle: Handle, intf: int) -> bool:
        """Tell whether the kernel's HID driver holds an interface."""
        return intf in _plugged(dev_handle).kernel_driver

    def detach_kernel_driver(self, dev_handle: Handle, intf: int) -> None:
        """Take an interface from the kernel's driver."""
        board = _plugged(dev_handle)
        if intf not in board.kernel_driver:
            _fail(errno.ENOENT)
        board.kernel_driver.discard(intf)

    def attach_kernel_driver(self, dev_handle: Handle, intf: int) -> None:
        """Give an interface back to the kernel's driver."""
        board = _plugged(dev_handle)
        if intf in board.claims or intf in board.kernel_driver:
            _fail(errno.EBUSY)
        board.kernel_driver.add(intf)

    # -- transfers -----------------------------------------------------------------------------

    def ctrl_transfer(
        self,
        dev_handle: Handle,
        bmRequestType: int,  # noqa: N803 - the standard's names
        bRequest: int,  # noqa: N803
        wValue: int,  # noqa: N803
        wIndex: int,  # noqa: N803
        data: array[int],
        timeout: int,
    ) -> int:
        """Carry out a control transfer; `data` is filled by IN transfers."""
        del timeout
        board = _plugged(dev_handle)
        answer = board.descriptors.control(bmRequestType, bRequest, wValue, wIndex, len(data))
        if answer is None:
            _fail(errno.EPIPE)
        if bmRequestType & 0x80:
            memoryview(data).cast("B")[: len(answer)] = answer
            return len(answer)
        return len(data)

    def intr_write(
        self, dev_handle: Handle, ep: int, intf: int, data: array[int], timeout: int
    ) -> int:
        """Send packets; a transfer of several ends when all went out, or with those that did."""
        board = self._claimed(dev_handle, intf)
        raw = memoryview(data).cast("B")
        if ep != OUT_ENDPOINT:
            return len(raw)
        padded = bytes(raw) + bytes(-len(raw) % PACKET_BYTES)
        try:
            taken = board.port.write(padded, _seconds(timeout))
        except BoardGone:
            _fail(errno.ENODEV)
        if not taken and padded:
            _fail(errno.ETIMEDOUT)
        return min(taken * PACKET_BYTES, len(raw))

    def intr_read(
        self, dev_handle: Handle, ep: int, intf: int, buff: array[int], timeout: int
    ) -> int:
        """Receive packets until the buffer is full; on a timeout those that came are lost."""
        board = self._claimed(dev_handle, intf)
        if ep != IN_ENDPOINT:
            # The serial emulation never says anything.
            time.sleep(_seconds(timeout) or 0.0)
            _fail(errno.ETIMEDOUT)
        room = memoryview(buff).cast("B")
        wanted = -(-len(room) // PACKET_BYTES)
        try:
            packets = board.port.read(wanted, _seconds(timeout))
        except BoardGone:
            _fail(errno.ENODEV)
        data = b"".join(packets)
        short = bool(packets) and len(packets[-1]) < PACKET_BYTES
        if len(packets) < wanted and not short:
            _fail(errno.ETIMEDOUT)
        if len(data) > len(room):
            _fail(errno.EOVERFLOW)
        room[: len(data)] = data
        return len(data)

    def no_endpoint(self, *_arguments: object) -> NoReturn:
        """No such kind of endpoint exists on the board."""
        _fail(errno.ENOENT)

    # pyusb looks at all of these before it calls the one it needs.
    bulk_write = bulk_read = iso_write = iso_read = no_endpoint

    def clear_halt(self, dev_handle: Handle, ep: int) -> None:
        """Nothing ever halts."""
        self._claimed(dev_handle, interface_of(ep))

    def reset_device(self, dev_handle: Handle) -> None:
        """Reset the bus side of the board: what waits to be read is lost."""
        _plugged(dev_handle).port.flush()

    def _claimed(self, handle: Handle, interface: int) -> UsbBoard:
        board = _plugged(handle)
        if board.claims.get(interface) is not handle:
            _fail(errno.ENOENT)
        return board


def _plugged(handle: Handle) -> UsbBoard:
    if not handle.is_open or not handle.board.port.plugged:
        _fail(errno.ENODEV)
    return handle.board


def _speed(port: Port) -> int:
    return SPEED_FULL if port.options.usb_speed == "full" else SPEED_HIGH


def _seconds(timeout_ms: int) -> float | None:
    """Zero milliseconds stand for no limit, as in libusb."""
    return timeout_ms / 1000 if timeout_ms else None


def _fail(number: int) -> NoReturn:
    from usb.core import USBError, USBTimeoutError

    code, text = _CODES[number]
    kind = USBTimeoutError if number == errno.ETIMEDOUT else USBError
    raise kind(text, code, number)
