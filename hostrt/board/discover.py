"""Finding boards without opening any: USB by the kernel's listing, serial ports, simulations."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.evk2 import PRODUCT_ID, VENDOR_ID, supports_exec_time
from hostrt.errors import BoardAmbiguous, ExtraMissing
from hostrt.transport.evk2_usb import CHIPS, list_boards
from hostrt.transport.holder import holder_of
from hostrt.transport.owner import evk2_lock_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_SYSFS = Path("/sys/bus/usb/devices")


@dataclass(frozen=True, slots=True)
class FoundBoard:
    """A board that could be opened.

    Attributes:
        url: address that opens it.
        kind: "evk2", "serial" or "simulated".
        serial, product, manufacturer: identification strings, "" when unknown.
        chip: spoken chip name when the product string tells, else "".
        reads_exec_time: the firmware can tell the duration of the last inference.
        in_use: another process holds it; None when that cannot be told.
        holder: process that holds it, None when unknown.
        note: what else there is to know.
    """

    url: str
    kind: str
    serial: str = ""
    product: str = ""
    manufacturer: str = ""
    chip: str = ""
    reads_exec_time: bool = False
    in_use: bool | None = None
    holder: int | None = None
    note: str = ""

    def to_json(self) -> dict[str, object]:
        """Give the fields as plain types."""
        return asdict(self)


def find_boards() -> list[FoundBoard]:
    """Find every board in reach; opens, locks and resets none of them."""
    return [*find_evk2(), *find_simulated(), *find_serial()]


def find_evk2() -> list[FoundBoard]:
    """Find EVK2 boards on USB."""
    if _SYSFS.is_dir():
        return [_evk2(strings) for strings in _from_sysfs(_SYSFS)]
    try:
        return [_evk2(strings) for strings in _from_pyusb()]
    except ExtraMissing:
        # listing what can be seen must not depend on a USB library being there
        return []


def find_simulated() -> list[FoundBoard]:
    """Find simulated boards served on this machine."""
    from hostrt.sim.registry import running

    return [
        FoundBoard(
            url=url,
            kind="simulated",
            serial=board.serial,
            chip=board.chip,
            holder=board.pid,
            note=f"served by process {board.pid}",
        )
        for board in running()
        for url in board.urls
    ]


def find_serial() -> list[FoundBoard]:
    """List serial ports of USB devices; which of them are boards only opening them could tell."""
    from serial.tools import list_ports

    return [
        FoundBoard(
            url=f"serial://{port.device}",
            kind="serial",
            serial=port.serial_number or "",
            product=port.product or "",
            manufacturer=port.manufacturer or "",
            note=f"USB {port.vid:04x}:{port.pid:04x}",
        )
        for port in list_ports.comports()
        if port.vid is not None and port.pid is not None
    ]


def is_simulated_url(url: str) -> bool:
    """Tell whether an address is that of a simulated board served on this machine."""
    return any(board.url == url for board in find_simulated())


def default_board() -> tuple[str, str]:
    """Choose a board when none was named: the only EVK2 connected, else the simulated board.

    Returns:
        Its address, and why it was chosen.

    Raises:
        BoardAmbiguous: several EVK2 boards are connected.
    """
    boards = find_evk2()
    if len(boards) > 1:
        listed = ", ".join(board.url for board in boards)
        raise BoardAmbiguous(
            f"{len(boards)} boards are connected: {listed}",
            hint="name one with --board, or set HOSTRT_BOARD",
        )
    if boards:
        return boards[0].url, "the only board connected"
    return "sim", "no board is named or connected: simulated"


def _evk2(strings: tuple[str, str, str]) -> FoundBoard:
    serial, product, manufacturer = strings
    in_use, holder = holder_of(evk2_lock_path(serial)) if serial else (None, None)
    return FoundBoard(
        url=f"evk2://{serial}" if serial else "evk2",
        kind="evk2",
        serial=serial,
        product=product,
        manufacturer=manufacturer,
        chip=CHIPS.get(product.strip().casefold(), ""),
        reads_exec_time=supports_exec_time(manufacturer),
        in_use=in_use,
        holder=holder,
    )


def _from_sysfs(folder: Path) -> Iterator[tuple[str, str, str]]:
    wanted = (f"{VENDOR_ID:04x}", f"{PRODUCT_ID:04x}")
    for device in sorted(folder.iterdir()):
        if (_attribute(device, "idVendor"), _attribute(device, "idProduct")) == wanted:
            serial, product, manufacturer = (
                _attribute(device, name) for name in ("serial", "product", "manufacturer")
            )
            yield serial, product, manufacturer


def _attribute(device: Path, name: str) -> str:
    try:
        return (device / name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _from_pyusb() -> Iterator[tuple[str, str, str]]:
    for board in list_boards():
        yield board.serial, board.product, board.manufacturer
