"""Memory images as text members of an archive or folder (program file reference 3).

One hexadecimal number per line, one bank word each. DM and TM are whole banks one after the
other. Two families of names: the compiler's (`test_core_0_data_mem_initial_py_hex.txt`) and the
folder's (`c0_DM_hex.txt`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.bank_geometry import (
    SPU001_GEOMETRY,
    SPU150_GEOMETRY,
    BankGeometry,
    in_write_order,
)
from firmware_protocol.errors import FormatError
from firmware_protocol.hextext import format_hex_lines, parse_hex_lines
from firmware_protocol.memory import BankImage, MemoryKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firmware_protocol.words import DWords

__all__ = [
    "SPU001_GEOMETRY",
    "SPU150_GEOMETRY",
    "BankGeometry",
    "BankSizes",
    "ImageSet",
    "format_member",
    "parse_member",
    "read_images",
    "used_banks",
    "write_images",
]

METADATA_MEMBER = "metadata.yaml"

_WORDS = {
    MemoryKind.DM: "data_mem",
    MemoryKind.TM: "table_mem",
    MemoryKind.SB: "sboard",
    MemoryKind.RQ: "rqueue",
    MemoryKind.PB: "progbuf",
    MemoryKind.IM: "instr_mem",
}
_KINDS = {word: kind for kind, word in _WORDS.items()} | {str(kind): kind for kind in _WORDS}
_MEMBER = re.compile(
    r"test_core_(?P<core>\d{1,3})_(?P<mem>data_mem|table_mem|instr_mem|sboard|rqueue|progbuf)"
    r"(?:_bitgroup(?P<group>\d{1,3}))?_initial_py_hex\.txt"
)
_FOLDER_MEMBER = re.compile(
    r"c(?P<core>\d{1,3})_(?P<mem>DM|TM|IM|SB|RQ|PB)_(?:bitgroup(?P<group>\d{1,3})_)?hex\.txt"
)
_LENGTH_MEMBER = re.compile(
    r"(?:test_core_(\d{1,3})_rqueue_len_initial|c(\d{1,3})_rqueue_len)\.txt"
)
_LENGTH = re.compile(rb"\s*(\d{1,6})\s*")


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """What an archive or folder of memory images holds.

    Attributes:
        memories: uint64 (n,) per (core, memory), all banks one after the other.
        rqueue_len: threads ready at start, per core.
        metadata: the metadata file, undecoded, or None.
        attachments: every other member, undecoded.
    """

    memories: Mapping[tuple[int, MemoryKind], DWords]
    rqueue_len: Mapping[int, int]
    metadata: bytes | None
    attachments: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class BankSizes:
    """Used words, as the metadata states them.

    Attributes:
        data: used words per data bank, per core.
        table: used words per table bank, per core.
        instructions: used instructions per core; its keys are the used cores.
    """

    data: Mapping[int, Mapping[int, int]]
    table: Mapping[int, Mapping[int, int]]
    instructions: Mapping[int, int]


def parse_member(name: str, data: bytes) -> DWords:
    """Read one memory, uint64 (n,); any width up to 16 digits, no line and one line included."""
    return parse_hex_lines(data, name=name)


def format_member(words: DWords, digits: int) -> bytes:
    """Write one memory, zero filled to `digits`; wider words stay whole."""
    return format_hex_lines(words, digits)


def place_of_member(name: str) -> tuple[int, MemoryKind] | None:
    """Give core and memory of a member name; None when it names no memory.

    Raises:
        FormatError: a bit group that no memory has.
    """
    match = _MEMBER.fullmatch(name) or _FOLDER_MEMBER.fullmatch(name)
    if match is None:
        return None
    kind = _KINDS[match["mem"]]
    group = int(match["group"] or 0)
    if group == 0:
        return int(match["core"]), kind
    if group == 1 and kind is MemoryKind.IM:
        return int(match["core"]), MemoryKind.IM_MSB
    raise FormatError(name, None, f"bit group {group} of {kind}", "group 0, or 1 of IM")


def read_images(members: Mapping[str, bytes]) -> ImageSet:
    """Sort the members of an archive or folder; their order does not matter.

    Args:
        members: contents per flat member name.

    Raises:
        FormatError: a memory is not readable or is there twice.
    """
    memories: dict[tuple[int, MemoryKind], DWords] = {}
    lengths: dict[int, int] = {}
    attachments: dict[str, bytes] = {}
    for name, data in members.items():
        if name == METADATA_MEMBER:
            continue
        place = place_of_member(name)
        if place is not None:
            if place in memories:
                found = f"a second image of core {place[0]} {place[1]}"
                raise FormatError(name, None, found, "one per memory; remove one of the files")
            memories[place] = parse_member(name, data)
        elif match := _LENGTH_MEMBER.fullmatch(name):
            lengths[int(match[1] or match[2])] = _read_length(name, data)
        else:
            attachments[name] = data
    return ImageSet(memories, lengths, members.get(METADATA_MEMBER), attachments)


def _read_length(name: str, data: bytes) -> int:
    match = _LENGTH.fullmatch(data)
    if match is None:
        raise FormatError(name, 1, repr(data[:20]), "one decimal number", unit="line")
    return int(match[1])


def used_banks(images: ImageSet, sizes: BankSizes, geometry: BankGeometry) -> list[BankImage]:
    """Cut the used prefix of every bank out of the images, in write order.

    SB, RQ and PB are used whole.

    Raises:
        FormatError: an image is shorter than its used size, or larger than its memory.
    """
    banks: list[BankImage] = []
    for core in sorted(sizes.instructions):
        if core >= geometry.n_cores:
            expected = f"cores 0 to {geometry.n_cores - 1} of {geometry.name}"
            raise FormatError(METADATA_MEMBER, None, f"core {core}", expected)
        for kind, used in (
            (MemoryKind.DM, sizes.data.get(core, {})),
            (MemoryKind.TM, sizes.table.get(core, {})),
        ):
            for index, count in sorted(used.items()):
                banks.append(_cut(images, geometry, (core, kind, index), count))
        for kind in (MemoryKind.SB, MemoryKind.RQ, MemoryKind.PB):
            whole = images.memories.get((core, kind))
            if whole is not None:
                banks.append(_cut(images, geometry, (core, kind, 0), int(whole.size)))
        count = sizes.instructions[core]
        banks.append(_cut(images, geometry, (core, MemoryKind.IM, 0), count))
        if geometry.has_im_msb:
            banks.append(_cut(images, geometry, (core, MemoryKind.IM_MSB, 0), count))
    return in_write_order(banks)


def _cut(
    images: ImageSet, geometry: BankGeometry, place: tuple[int, MemoryKind, int], count: int
) -> BankImage:
    core, kind, index = place
    what = f"core {core} {kind}{index}"
    capacity = geometry.bank_words(kind)
    if not (0 <= index < geometry.n_banks(kind) and 0 <= count <= capacity):
        expected = f"at most {geometry.n_banks(kind)} banks of {capacity} words on {geometry.name}"
        raise FormatError(METADATA_MEMBER, None, f"{count} words in {what}", expected)
    image = images.memories.get((core, kind), np.zeros(0, dtype=np.uint64))
    words = image[index * capacity : index * capacity + count]
    if words.size < count:
        member = member_name(core, kind, geometry)
        found = f"{words.size} words of {what}"
        raise FormatError(member, int(image.size) + 1, found, f"{count} words", unit="line")
    return BankImage(core, kind, index, words)


def member_name(core: int, kind: MemoryKind, geometry: BankGeometry) -> str:
    """Give the compiler's name for a memory."""
    if kind is MemoryKind.IM_MSB:
        return f"test_core_{core}_instr_mem_bitgroup1_initial_py_hex.txt"
    wide = kind is MemoryKind.IM and geometry.has_im_msb
    return f"test_core_{core}_{_WORDS[kind]}{'_bitgroup0' if wide else ''}_initial_py_hex.txt"


def write_images(
    banks: Sequence[BankImage],
    geometry: BankGeometry,
    *,
    n_cores: int | None = None,
    metadata: bytes | None = None,
) -> dict[str, bytes]:
    """Make the members of an archive, in the compiler's order and names.

    DM, TM and IM are written whole, filled with zeros; SB, RQ and PB as long as they are.

    Args:
        banks: memory contents.
        geometry: chip.
        n_cores: cores to write, 0 ..; None takes those that have banks.
        metadata: contents of `metadata.yaml`; None leaves the member out.

    Raises:
        LocalMisuseError: a bank does not exist on the chip.
    """
    for bank in banks:
        geometry.check(bank)
    count = max((bank.core + 1 for bank in banks), default=0) if n_cores is None else n_cores
    members = {} if metadata is None else {METADATA_MEMBER: metadata}
    for core in range(count):
        own = [bank for bank in banks if bank.core == core]
        for kind in (*_WORDS, MemoryKind.IM_MSB):
            if geometry.n_banks(kind):
                data = format_member(_whole(own, kind, geometry), geometry.digits[kind])
                members[member_name(core, kind, geometry)] = data
        ready = sum(bank.words.size for bank in own if bank.kind is MemoryKind.RQ)
        members[f"test_core_{core}_rqueue_len_initial.txt"] = b"%d\n" % ready
    return members


def _whole(banks: list[BankImage], kind: MemoryKind, geometry: BankGeometry) -> DWords:
    own = [bank for bank in banks if bank.kind is kind]
    if kind in (MemoryKind.SB, MemoryKind.RQ, MemoryKind.PB):
        return own[0].words if own else np.zeros(0, dtype=np.uint64)
    capacity = geometry.bank_words(kind)
    memory = np.zeros(geometry.n_banks(kind) * capacity, dtype=np.uint64)
    for bank in own:
        memory[bank.index * capacity : bank.index * capacity + bank.words.size] = bank.words
    return memory
