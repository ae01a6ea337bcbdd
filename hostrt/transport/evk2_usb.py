"""The EVK2 board on USB: finding, taking and giving back; the only file that imports pyusb.

Endpoints, packet size and interval come from the descriptors. Interface 1 of the stock firmware
(serial emulation, same ids) is never touched, and the configuration is never set: that would
reset both (virtual-usb 5).
"""

from __future__ import annotations

import contextlib
import errno
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from firmware_protocol.evk2 import (
    INTERFACE,
    PRODUCT_ID,
    REPORT_BYTES,
    VENDOR_ID,
    supports_exec_time,
)
from hostrt.errors import (
    BoardAccessDenied,
    BoardAmbiguous,
    BoardBusy,
    BoardNotFound,
    BoardUnavailable,
    ExtraMissing,
    LinkLost,
)
from hostrt.transport.base import TransportInfo
from hostrt.transport.evk2_link import Evk2Transport
from hostrt.transport.evk2_tcp import evk2_options
from hostrt.transport.owner import evk2_lock_path, lock_board
from hostrt.transport.rules import LEAST_WIDE, USB_SLOTS_S, Packets
from hostrt.transport.usb_link import Endpoints, UsbDevice, UsbLink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from hostrt.transport.url import BoardUrl

logger = logging.getLogger(__name__)

CHIPS = {"spu001": "spu001", "spu150": "spu150tc1"}
"""Chip behind a product string; other strings (`Teensyduino RawHID`) do not tell."""

_DRAIN_SLOT_S = 0.005
_LEAST_WIDE_UNPACED = 16
"""Below this many reports handing over to a reading thread costs more than it saves, on a bus that
takes no time."""

_HIGH_SPEED = 3
_INTERRUPT = 3
_IN = 0x80
_SYSFS = Path("/sys/bus/usb/devices")
_RULES_HINT = (
    "install the rule with `hostrt udev` (it is udev/60-hostrt.rules), then replug the board"
)


class UsbBackend(Protocol):
    """A pyusb backend; only handed on to pyusb."""

    def enumerate_devices(self) -> Iterator[object]:
        """Iterate over whatever identifies a device to this backend."""
        ...


class _Device(UsbDevice, Protocol):
    """What is used of `usb.core.Device` besides reading and writing."""

    bus: int
    address: int
    speed: int | None
    iManufacturer: int  # noqa: N815
    iProduct: int  # noqa: N815
    iSerialNumber: int  # noqa: N815

    def is_kernel_driver_active(self, interface: int) -> bool: ...
    def detach_kernel_driver(self, interface: int) -> None: ...
    def attach_kernel_driver(self, interface: int) -> None: ...


class _Endpoint(Protocol):
    """What is used of an endpoint descriptor."""

    bEndpointAddress: int  # noqa: N815
    bmAttributes: int  # noqa: N815
    wMaxPacketSize: int  # noqa: N815
    bInterval: int  # noqa: N815


@dataclass(frozen=True, slots=True)
class UsbBoard:
    """A connected device with the EVK2's ids.

    Attributes:
        serial, product, manufacturer: its strings, "" where they cannot be read.
        place: bus and address, "3-7".
        accessible: this user may open it.
        chip: spoken chip name, "" when the product string does not tell.
        device: pyusb's handle.
    """

    serial: str
    product: str
    manufacturer: str
    place: str
    accessible: bool
    device: _Device

    @property
    def chip(self) -> str:
        """Spoken chip name, "" when the product string does not tell."""
        return CHIPS.get(self.product.strip().casefold(), "")

    def __str__(self) -> str:
        name = self.product or "without a name"
        return f"{self.serial or 'without a serial number'} ({name}, bus {self.place})"


def list_boards(backend: UsbBackend | None = None) -> list[UsbBoard]:
    """Look at what is connected, without opening or locking any board.

    Raises:
        ExtraMissing: pyusb or a USB library is missing.
    """
    core, util = _pyusb()
    try:
        found = core.find(
            find_all=True,
            idVendor=VENDOR_ID,
            idProduct=PRODUCT_ID,
            backend=backend or _find_backend(),
        )
        return [_describe(device, util) for device in found]
    except core.NoBackendError as error:
        raise ExtraMissing(
            "no USB library was found (libusb-1.0)",
            hint="install it from the system (libusb-1.0-0) or with: pip install 'hostrt[usb]'",
        ) from error


def find_board(serial: str = "", product: str = "", backend: UsbBackend | None = None) -> UsbBoard:
    """Give the one board that matches.

    Args:
        serial: serial number, "" for any.
        product: product string, compared as a whole without case, "" for any.
        backend: pyusb backend; by default the system's libusb, then the package's.

    Raises:
        BoardNotFound: none matches; the message lists what is connected.
        BoardAmbiguous: several match.
        BoardAccessDenied: the only candidates cannot be opened by this user.
        ExtraMissing: pyusb or a USB library is missing.
    """
    boards = list_boards(backend)
    matching = [
        board
        for board in boards
        if serial in ("", board.serial)
        and product.strip().casefold() in ("", board.product.strip().casefold())
    ]
    if len(matching) == 1:
        return matching[0]
    wanted = " ".join(filter(None, ["EVK2", serial, product]))
    connected = ", ".join(str(board) for board in boards) or "none"
    if matching:
        raise BoardAmbiguous(
            f"{len(matching)} boards match {wanted!r}: {connected}",
            hint=f"name one by its serial number: evk2://{matching[0].serial}",
            boards=[board.serial for board in matching],
        )
    hidden = [board for board in boards if not board.accessible and not board.serial]
    if hidden:
        raise BoardAccessDenied(
            f"{wanted}: a board is connected (bus {hidden[0].place}), this user may not open it",
            hint=_RULES_HINT,
        )
    raise BoardNotFound(
        f"no board matches {wanted!r}; connected: {connected}",
        hint="check cable and power; `hostrt devices` lists boards, sim:// needs none",
    )


def open_url(url: BoardUrl) -> Evk2Transport:
    """Open `evk2` or `evk2://SERIAL`.

    Options: `product` (filter), `window` (auto, 1..62; auto is 1 on real boards), `timeout`
    (seconds), `pack` (burst, across), `chip` (when the product string does not tell).

    Raises:
        UsageError: an option makes no sense.
        BoardUnavailable: see `open_usb`.
    """
    url.allow("product", "window", "timeout", "pack", "chip")
    return open_usb(url)


def open_usb(
    url: BoardUrl,
    backend: UsbBackend | None = None,
    *,
    simulated: bool = False,
    lock: bool = True,
    is_paced: bool = True,
) -> Evk2Transport:
    """Open a board on USB.

    Args:
        url: address; host is the serial number.
        backend: pyusb backend, for virtual boards and special installations.
        simulated: the board behind `backend` is a virtual one: several reports may be in flight.
        lock: keep other processes out with the reference tool's lock file.
        is_paced: the bus moves a packet per interval, as every real one does.

    Raises:
        BoardNotFound, BoardAmbiguous, BoardAccessDenied, ExtraMissing: as `find_board`.
        BoardBusy: another process holds the board.
        LinkOutOfStep: the board talks without being asked.
    """
    serial = "" if simulated and backend is not None else url.host
    board = find_board(serial, url.options.get("product", ""), backend)
    chip = url.options.get("chip", "") or board.chip
    with contextlib.ExitStack() as undo:
        if lock:
            held = lock_board(f"evk2 {board.serial}", evk2_lock_path(board.serial or board.place))
            undo.callback(held.release)
        endpoints = _endpoints(board)
        undo.callback(_take(board, endpoints.interface))
        slot_s = max(endpoints.interval_s, _DRAIN_SLOT_S)
        options = replace(
            evk2_options(url, pipelines=simulated, chip=chip, slot_s=slot_s),
            least_wide=LEAST_WIDE if is_paced else _LEAST_WIDE_UNPACED,
        )
        info = TransportInfo(
            url=str(url) if url.host else f"evk2://{board.serial}",
            platform="evk2",
            simulated=simulated,
            reads_exec_time=supports_exec_time(board.manufacturer),
            chip=chip,
            serial=board.serial,
            product=board.product,
            firmware=board.manufacturer,
            packets=Packets.REPORTS.value,
            slot_s=endpoints.interval_s if is_paced else 0.0,
            window=options.window,
            least_wide=options.least_wide,
            blocks=True,
        )
        release = undo.pop_all().close
        link = UsbLink(board.device, endpoints, info.url, release, timeout_s=options.timeout_s)
    try:
        return Evk2Transport(link, info, options)
    except BaseException:
        link.close()
        raise


def _describe(device: _Device, util: ModuleType) -> UsbBoard:
    place = f"{device.bus}-{device.address}"
    try:
        texts = [
            util.get_string(device, index) or ""
            for index in (device.iSerialNumber, device.iProduct, device.iManufacturer)
        ]
        accessible = True
    except (ValueError, OSError):  # pyusb says ValueError ("no langid") when opening is forbidden
        texts, accessible = _sysfs_strings(device), False
    finally:
        util.dispose_resources(device)
    serial, product, manufacturer = texts
    return UsbBoard(serial, product, manufacturer, place, accessible, device)


def _sysfs_strings(device: _Device) -> list[str]:
    """Read the strings that Linux keeps for everybody."""
    for folder in _SYSFS.glob("*") if _SYSFS.is_dir() else ():
        try:
            bus, address = ((folder / name).read_text() for name in ("busnum", "devnum"))
        except OSError:
            continue
        if (int(bus), int(address)) == (device.bus, device.address):
            return [_text(folder / name) for name in ("serial", "product", "manufacturer")]
    return ["", "", ""]


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _endpoints(board: UsbBoard) -> Endpoints:
    _, util = _pyusb()
    try:
        configuration = board.device.get_active_configuration()  # type: ignore[attr-defined]
    except OSError as error:
        raise _unavailable(board, error) from error
    interface = util.find_descriptor(configuration, bInterfaceNumber=INTERFACE)
    ends: dict[int, _Endpoint] = {}
    for end in interface or ():
        if end.bmAttributes & 3 == _INTERRUPT:
            ends.setdefault(end.bEndpointAddress & _IN, end)
    if len(ends) < 2 or any(end.wMaxPacketSize != REPORT_BYTES for end in ends.values()):
        util.dispose_resources(board.device)
        raise BoardNotFound(
            f"{board}: interface {INTERFACE} has no pair of interrupt endpoints of "
            f"{REPORT_BYTES} bytes, expected the EVK2's",
            hint="another kind of device uses the same USB ids: name the board's serial number",
        )
    inward = ends[_IN]
    fast = (board.device.speed or 0) >= _HIGH_SPEED
    steps = 1 << (inward.bInterval - 1) if fast else inward.bInterval
    interval_s = steps * USB_SLOTS_S["high" if fast else "full"]
    return Endpoints(
        INTERFACE, inward.bEndpointAddress, ends[0].bEndpointAddress, REPORT_BYTES, interval_s
    )


def _take(board: UsbBoard, interface: int) -> Callable[[], None]:
    """Detach the kernel's driver and claim; give what undoes that."""
    _, util = _pyusb()
    device = board.device
    detached = False
    try:
        with contextlib.suppress(NotImplementedError):  # no such thing outside Linux and macOS
            if device.is_kernel_driver_active(interface):
                device.detach_kernel_driver(interface)
                detached = True
        util.claim_interface(device, interface)
    except OSError as error:
        _give_back(device, interface, detached=detached)
        raise _unavailable(board, error) from error
    return lambda: _give_back(device, interface, detached=detached)


def _give_back(device: _Device, interface: int, *, detached: bool) -> None:
    _, util = _pyusb()
    # The board may be gone by now; then there is nothing left to give back.
    with contextlib.suppress(OSError):
        util.release_interface(device, interface)
    if detached:
        with contextlib.suppress(OSError, NotImplementedError):
            device.attach_kernel_driver(interface)
    with contextlib.suppress(OSError):
        util.dispose_resources(device)


def _unavailable(board: UsbBoard, error: OSError) -> BoardUnavailable | LinkLost:
    if error.errno in (errno.EACCES, errno.EPERM):
        return BoardAccessDenied(f"{board}: this user may not open it", hint=_RULES_HINT)
    if error.errno == errno.EBUSY:
        return BoardBusy(
            f"{board}: in use by another program",
            hint="close the program that uses it (or its interface 0) and try again",
            board=board.serial,
        )
    if error.errno in (errno.ENODEV, errno.ENOENT):
        return LinkLost(f"{board}: was unplugged while it was opened", hint="plug it in again")
    return BoardUnavailable(f"{board}: cannot be opened: {error}", hint="replug the board")


def _find_backend() -> object | None:
    """Give the system's libusb, else the one of the package libusb-package, else None."""
    from usb.backend import libusb1

    backend: object | None = libusb1.get_backend()
    if backend is None:
        with contextlib.suppress(ImportError):
            import libusb_package

            backend = libusb_package.get_libusb1_backend()
    return backend


def _pyusb() -> tuple[ModuleType, ModuleType]:
    try:
        import usb.core
        import usb.util
    except ImportError as error:
        raise ExtraMissing(
            f"pyusb cannot be imported: {error}", hint="pip install 'hostrt[usb]' pyusb"
        ) from error
    return usb.core, usb.util
