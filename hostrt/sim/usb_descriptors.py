"""The descriptors of a virtual EVK2 and its answers on endpoint 0 (virtual-usb 3 and 3.1).

The bytes are the single source; parsed views of them are made for backends that want fields.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firmware_protocol.evk2 import PRODUCT_ID, VENDOR_ID

if TYPE_CHECKING:
    from hostrt.sim.evk2 import Identity

IN_ENDPOINT = 0x83
OUT_ENDPOINT = 0x04
PACKET_BYTES = 64
SPEED_FULL = 2
SPEED_HIGH = 3

_DEVICE = 0x01
_CONFIGURATION = 0x02
_STRING = 0x03
_QUALIFIER = 0x06
_HID = 0x21
_REPORT = 0x22

_LANGUAGES = bytes.fromhex("04030904")
_QUALIFIER_BYTES = bytes.fromhex("0a060002000000400100")
_DEVICE_BYTES = (
    bytes.fromhex("1201000200000040")
    + struct.pack("<HHH", VENDOR_ID, PRODUCT_ID, 0x0280)
    + bytes.fromhex("01020301")
)
_INTERFACES = (
    bytes.fromhex("090400000203000000 092111010001221c00 07058303400001 07050403400001"),
    bytes.fromhex("090401000203000000 092111010001222100 07058203400001 07050203200002"),
)
_REPORTS = (
    bytes.fromhex("06abff0a0002a10175081500 26ff00954009018102954009029102c0"),
    bytes.fromhex("06c9ff0904a15c75081500 26ff009540097581029520097691029504 0976b102c0"),
)


@dataclass(frozen=True, slots=True)
class DeviceFields:
    """The device descriptor, and where on the bus the device sits; named as in the standard."""

    bLength: int  # noqa: N815 - the standard's names
    bDescriptorType: int  # noqa: N815
    bcdUSB: int  # noqa: N815
    bDeviceClass: int  # noqa: N815
    bDeviceSubClass: int  # noqa: N815
    bDeviceProtocol: int  # noqa: N815
    bMaxPacketSize0: int  # noqa: N815
    idVendor: int  # noqa: N815
    idProduct: int  # noqa: N815
    bcdDevice: int  # noqa: N815
    iManufacturer: int  # noqa: N815
    iProduct: int  # noqa: N815
    iSerialNumber: int  # noqa: N815
    bNumConfigurations: int  # noqa: N815
    bus: int
    address: int
    port_number: int
    port_numbers: tuple[int, ...]
    speed: int


@dataclass(frozen=True, slots=True)
class ConfigurationFields:
    """The configuration descriptor."""

    bLength: int  # noqa: N815
    bDescriptorType: int  # noqa: N815
    wTotalLength: int  # noqa: N815
    bNumInterfaces: int  # noqa: N815
    bConfigurationValue: int  # noqa: N815
    iConfiguration: int  # noqa: N815
    bmAttributes: int  # noqa: N815
    bMaxPower: int  # noqa: N815
    extra_descriptors: list[int]


@dataclass(frozen=True, slots=True)
class InterfaceFields:
    """An interface descriptor; the HID descriptor that follows it is an extra one."""

    bLength: int  # noqa: N815
    bDescriptorType: int  # noqa: N815
    bInterfaceNumber: int  # noqa: N815
    bAlternateSetting: int  # noqa: N815
    bNumEndpoints: int  # noqa: N815
    bInterfaceClass: int  # noqa: N815
    bInterfaceSubClass: int  # noqa: N815
    bInterfaceProtocol: int  # noqa: N815
    iInterface: int  # noqa: N815
    extra_descriptors: list[int]


@dataclass(frozen=True, slots=True)
class EndpointFields:
    """An endpoint descriptor."""

    bLength: int  # noqa: N815
    bDescriptorType: int  # noqa: N815
    bEndpointAddress: int  # noqa: N815
    bmAttributes: int  # noqa: N815
    wMaxPacketSize: int  # noqa: N815
    bInterval: int  # noqa: N815
    bRefresh: int  # noqa: N815
    bSynchAddress: int  # noqa: N815
    extra_descriptors: list[int]


class Descriptors:
    """Everything a host can ask a virtual board on endpoint 0.

    Attributes:
        n_interfaces: 2 as the stock firmware has, or 1.
    """

    def __init__(self, identity: Identity, *, speed: int, n_interfaces: int = 2) -> None:
        self.n_interfaces = n_interfaces
        self._speed = speed
        self._strings = (identity.manufacturer, identity.product, identity.serial)

    # -- bytes ---------------------------------------------------------------------------------

    def configuration_bytes(self) -> bytes:
        """Give the configuration descriptor with everything in it."""
        body = b"".join(_INTERFACES[: self.n_interfaces])
        head = struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), self.n_interfaces, 1, 0, 0xC0, 0x32)
        return head + body

    def control(
        self, request_type: int, request: int, value: int, index: int, length: int
    ) -> bytes | None:
        """Answer a control request.

        Returns:
            What an IN request is answered with, at most `length` bytes; b"" for OUT requests
            that are accepted; None for a stall.
        """
        answer = self._answer(request_type, request, value, index)
        return None if answer is None else answer[:length]

    def _answer(self, request_type: int, request: int, value: int, index: int) -> bytes | None:
        if (request_type, request) == (0x80, 0x06):
            return self._standard(value >> 8, value & 0xFF)
        if (request_type, request) == (0x81, 0x06):
            return self._hid(value, index)
        fixed: dict[tuple[int, int], bytes] = {
            (0x80, 0x00): b"\x01\x00",
            (0x81, 0x00): b"\x00\x00",
            (0x82, 0x00): b"\x00\x00",
            (0x80, 0x08): b"\x01",
            (0x00, 0x09): b"",
            (0x02, 0x01): b"",
            (0x02, 0x03): b"",
            (0x21, 0x09): b"",
        }
        return fixed.get((request_type, request))

    def _standard(self, kind: int, index: int) -> bytes | None:
        if kind == _STRING:
            return self._string(index)
        if kind == _QUALIFIER:
            return _QUALIFIER_BYTES if self._speed == SPEED_HIGH else None
        known = {_DEVICE: _DEVICE_BYTES, _CONFIGURATION: self.configuration_bytes()}
        return known.get(kind) if index == 0 else None

    def _string(self, index: int) -> bytes | None:
        if index == 0:
            return _LANGUAGES
        if index > len(self._strings):
            return None
        # 126 characters: the length byte of a string descriptor ends at 255.
        text = self._strings[index - 1].encode("utf-16-le")[:252]
        return bytes([2 + len(text), _STRING]) + text

    def _hid(self, value: int, interface: int) -> bytes | None:
        if not 0 <= interface < self.n_interfaces:
            return None
        known = {_REPORT: _REPORTS[interface], _HID: _INTERFACES[interface][9:18]}
        return known.get(value >> 8)

    # -- fields --------------------------------------------------------------------------------

    def device(self, address: int) -> DeviceFields:
        """Give the device descriptor of a board at an address of bus 1."""
        place = (1, address, address, (address,), self._speed)
        fields: tuple[Any, ...] = (*struct.unpack("<BBHBBBBHHHBBBB", _DEVICE_BYTES), *place)
        return DeviceFields(*fields)

    def configuration(self, index: int) -> ConfigurationFields:
        """Give a configuration descriptor; IndexError when there is none."""
        if index:
            raise IndexError(f"configuration {index}: the board has one")
        raw = self.configuration_bytes()[:9]
        fields: tuple[Any, ...] = (*struct.unpack("<BBHBBBBB", raw), [])
        return ConfigurationFields(*fields)

    def interface(self, index: int, alternate: int) -> InterfaceFields:
        """Give an interface descriptor; IndexError when there is none."""
        if not 0 <= index < self.n_interfaces or alternate:
            raise IndexError(f"interface {index}, alternate setting {alternate}: not there")
        raw = _INTERFACES[index]
        fields: tuple[Any, ...] = (*raw[:9], list(raw[9:18]))
        return InterfaceFields(*fields)

    def endpoint(self, index: int, interface: int, alternate: int) -> EndpointFields:
        """Give an endpoint descriptor; IndexError when there is none."""
        self.interface(interface, alternate)
        raw = _INTERFACES[interface][18 + 7 * index : 25 + 7 * index]
        if len(raw) != 7:
            raise IndexError(f"endpoint {index} of interface {interface}: not there")
        fields: tuple[Any, ...] = (*struct.unpack("<BBBBHB", raw), 0, 0, [])
        return EndpointFields(*fields)


def interface_of(endpoint: int) -> int:
    """Give the interface that an endpoint address belongs to."""
    return 0 if endpoint in (IN_ENDPOINT, OUT_ENDPOINT) else 1
