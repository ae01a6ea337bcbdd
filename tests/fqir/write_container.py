"""Puts a pickle into the containers that FQIR files come in (FQIR reference 1.2 and 1.3)."""

from __future__ import annotations

import binascii
import struct

from tests.fqir.write_pickle import Emitter

ALIGNMENT = 64
FLAGS = 0x0808
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001


def zip_container(pickle: bytes, root: str, *, early: bool = False) -> bytes:
    """Give a zip file with stored members, aligned data and trailing descriptors.

    Args:
        pickle: content of `data.pkl`.
        root: folder inside the archive, the stem of the file's name.
        early: only the members that early files have.
    """
    members = {"data.pkl": pickle}
    if not early:
        members |= {".format_version": b"1", ".storage_alignment": b"64", "byteorder": b"little"}
    members["version"] = b"3\n"
    if not early:
        members[".data/serialization_id"] = b"0123456789" * 4
    return zip_members({f"{root}/{name}": data for name, data in members.items()})


def zip_members(members: dict[str, bytes]) -> bytes:
    """Give a zip file as torch writes it, with members of any name and content."""
    body, directory = bytearray(), bytearray()
    for text, data in members.items():
        name, offset, crc = text.encode(), len(body), binascii.crc32(data)
        padding = -(offset + 30 + len(name) + 4) % ALIGNMENT
        sizes = struct.pack("<III", crc, len(data), len(data))
        # time and date 0 are no valid date; sizes and CRC follow the data
        head = struct.pack("<HHHHHIIIHH", 0, FLAGS, 0, 0, 0, 0, 0, 0, len(name), padding + 4)
        body += b"PK\3\4" + head + name + b"FB" + struct.pack("<H", padding) + b"Z" * padding
        body += data + b"PK\7\x08" + sizes
        entry = struct.pack("<HHHHHH", 0, 0, FLAGS, 0, 0, 0) + sizes
        entry += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, offset)
        directory += b"PK\1\2" + entry + name
    end = struct.pack("<HHHHIIH", 0, 0, *[len(members)] * 2, len(directory), len(body), 0)
    return bytes(body + directory + b"PK\5\6" + end)


def legacy_container(pickle: bytes, protocol: int) -> bytes:
    """Give the stream of pickles that torch wrote before it used zip files."""
    header = {
        "protocol_version": LEGACY_VERSION,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    parts = [Emitter(protocol).dump(item) for item in (LEGACY_MAGIC, LEGACY_VERSION, header)]
    return b"".join([*parts, pickle, Emitter(protocol).dump([])])
