"""The `.femto` program container: reading, checking, writing back, making new.

Source: `.femto` reference. The layout is declared in `femto_layout`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from firmware_protocol.bank_geometry import SPU001_GEOMETRY, SPU150_GEOMETRY, BankGeometry
from firmware_protocol.errors import FormatError
from firmware_protocol.femto_layout import (
    FORMAT_VERSION,
    HEADER_BYTES,
    NOT_ENCRYPTED,
    PAGE_BYTES,
    BankState,
    Part,
)
from firmware_protocol.femto_pages import PageTable, PlacedPages, place_pages, read_pages
from firmware_protocol.femto_read import Section, read_header, read_model, read_spu
from firmware_protocol.femto_write import put_header, put_model, put_spu
from firmware_protocol.memory import BankImage, MemoryKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_protocol.femto_model import FemtoHeader, ModelConfig, SpuConfig

UID_BASES = {
    MemoryKind.DM: 0x00,
    MemoryKind.TM: 0x20,
    MemoryKind.IM: 0x30,
    MemoryKind.SB: 0x40,
    MemoryKind.RQ: 0x50,
    MemoryKind.PB: 0x60,
}
"""First bank uid of each memory; bank i has uid base + 4 i."""


@dataclass(frozen=True, eq=False)
class FemtoFile:
    """A `.femto` file.

    Attributes:
        header: the first 256 bytes.
        model: vectors, sequences, user data.
        spu: chip, key, clock, bank states.
        pages: the memory contents in file order.
        reference: reference sequences, always empty so far.
        template: a file of the same layout; gives every byte that no field covers.
        name: file name for messages.
    """

    header: FemtoHeader
    model: ModelConfig
    spu: SpuConfig
    pages: PageTable
    reference: bytes
    template: bytes | memoryview
    name: str = "<bytes>"

    @cached_property
    def placed(self) -> PlacedPages:
        """The memory contents by address."""
        return place_pages(self.pages, self.geometry)

    @property
    def geometry(self) -> BankGeometry:
        """Banks of the chip that the file is made for.

        Raises:
            FormatError: the part number is none that is known.
        """
        if self.spu.part == Part.SPU001:
            return SPU001_GEOMETRY
        if self.spu.part in (Part.SPU150, Part.SPU150_TC1, Part.SPU150_MP):
            return SPU150_GEOMETRY
        if self.spu.part == Part.UNKNOWN and len(self.pages):
            wide = int(self.pages.addresses[0]) >= SPU150_GEOMETRY.core_base
            return SPU150_GEOMETRY if wide else SPU001_GEOMETRY
        raise FormatError(
            self.name,
            self.header.spu_offset,
            f"part number {self.spu.part}",
            "1 (SPU-001), 2, 3 or 4 (SPU-150)",
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong or unusual, one sentence each; empty for a clean file."""
        faults = (str(fault) for fault in _faults(self))
        return (*faults, *self.placed.oddities, *_oddities(self))

    def banks(self) -> list[BankImage]:
        """Give the memory contents in write order, placed by address, ready queue included."""
        return list(self.placed.banks)

    def to_bytes(self) -> bytes:
        """Write the file; one that was read and not changed comes back byte for byte."""
        return b"".join(self.to_pieces())

    def to_pieces(self) -> tuple[bytearray | memoryview, ...]:
        """Write the file as `to_bytes` does, in pieces: pages that were read are not copied."""
        header, order = self.header, self.header.byte_order
        pages = self.pages.stored(order)
        first = header.data_offset
        last = first + len(pages or b"")
        heads_end = max(
            HEADER_BYTES,
            header.model_offset + header.model_size,
            header.spu_offset + header.spu_size,
        )
        if pages is None or heads_end > first or header.reference_offset < last:
            whole = bytearray(self.template)
            self._put_head(whole)
            self.pages.put(whole, first, order)
            _put(whole, header.reference_offset, self.reference)
            return (whole,)
        head, tail = bytearray(self.template[:first]), bytearray(self.template[last:])
        self._put_head(head)
        _put(tail, header.reference_offset - last, self.reference)
        return head, pages, tail

    def _put_head(self, out: bytearray) -> None:
        order = self.header.byte_order
        put_header(out, self.header)
        put_model(out, self.header.model_offset, self.model, order)
        put_spu(out, self.header.spu_offset, self.spu, order)


def _put(out: bytearray, at: int, data: bytes) -> None:
    out[at : at + len(data)] = data


def parse_femto(data: bytes, *, name: str = "<bytes>", strict: bool = True) -> FemtoFile:
    """Read a `.femto` file of either byte order.

    Args:
        data: the file.
        name: its name for messages.
        strict: refuse files that are truncated, whose sections or page count do not fit, or whose
            pages overlap or lie outside the memories. Otherwise such faults are listed in
            `FemtoFile.problems` and what can be read is read.

    Raises:
        FormatError: not a `.femto` file, a record leaves its section, an unknown part number, or
            (strict) any fault.
    """
    header = read_header(data, name)
    if strict:
        _raise_first(_layout_faults(header, len(data), name))
    order = header.byte_order
    model = read_model(_section(data, name, order, header.model_offset, header.model_size))
    spu = read_spu(_section(data, name, order, header.spu_offset, header.spu_size))
    end = min(header.data_offset + header.data_size, len(data))
    n_pages = max(end - header.data_offset, 0) // PAGE_BYTES
    pages = read_pages(data, min(header.data_offset, len(data)), n_pages, order)
    first = header.reference_offset
    reference = data[first : first + header.reference_size]
    file = FemtoFile(header, model, spu, pages, reference, data, name)
    if strict:
        _raise_first(_faults(file))
    return file


def _raise_first(faults: Iterator[FormatError]) -> None:
    for fault in faults:
        raise fault


def _faults(file: FemtoFile) -> Iterator[FormatError]:
    """Check everything that a sound file has."""
    yield from _layout_faults(file.header, len(file.template), file.name)
    n_pages = file.header.data_size // PAGE_BYTES
    if file.model.page_count != n_pages:
        found = f"page count {file.model.page_count}"
        expected = f"{n_pages}, the pages of the model data"
        yield FormatError(file.name, file.header.model_offset + 2, found, expected)
    yield from _uid_faults(file)
    for page, found, expected in file.placed.faults:
        offset = file.header.data_offset + PAGE_BYTES * page
        yield FormatError(file.name, offset, found, expected)


def _section(data: bytes, name: str, order: str, start: int, size: int) -> Section:
    if start + size > len(data):
        found = f"section of {size} bytes in a file of {len(data)} bytes"
        raise FormatError(name, start, found, "a whole section; the file is truncated")
    return Section(data, name, order, start, start + size)


def _layout_faults(header: FemtoHeader, size: int, name: str) -> Iterator[FormatError]:
    """Check that the sections follow each other up to the end of the file."""
    sections = (
        ("model configuration", header.model_offset, header.model_size),
        ("SPU configuration", header.spu_offset, header.spu_size),
        ("model data", header.data_offset, header.data_size),
        ("reference sequences", header.reference_offset, header.reference_size),
    )
    at = HEADER_BYTES
    for what, offset, length in sections:
        if offset != at:
            yield FormatError(name, offset, f"start of {what}", f"it at 0x{at:x}")
        at = offset + length
    if at != size:
        what = "truncated file" if size < at else "surplus bytes behind the file"
        yield FormatError(name, min(size, at), f"{what}: {size} bytes", f"{at} bytes")
    if header.data_size % PAGE_BYTES:
        found = f"model data of {header.data_size} bytes"
        yield FormatError(name, header.data_offset, found, f"whole pages of {PAGE_BYTES} bytes")


def _uid_faults(file: FemtoFile) -> Iterator[FormatError]:
    start = file.header.spu_offset + file.spu.core_table_offset
    for core in file.spu.cores:
        for number, entry in enumerate(core.banks):
            if bank_of_uid(entry.uid, file.geometry) is None:
                offset = start + core.offset + core.banks_offset + 2 * number
                found = f"bank uid 0x{entry.uid:02x} of core {core.id}"
                yield FormatError(file.name, offset, found, f"a bank of {file.geometry.name}")


def bank_of_uid(uid: int, geometry: BankGeometry) -> tuple[MemoryKind, int] | None:
    """Decode a bank uid into memory and index; None when the chip has no such bank."""
    if geometry.name not in _banks_by_uid:
        _banks_by_uid[geometry.name] = {
            base + 4 * index: (kind, index)
            for kind, base in UID_BASES.items()
            for index in range(geometry.n_banks(kind))
        }
    return _banks_by_uid[geometry.name].get(uid)


_banks_by_uid: dict[str, dict[int, tuple[MemoryKind, int]]] = {}


def _oddities(file: FemtoFile) -> Iterator[str]:
    """Report what is legal and unusual."""
    if file.header.format_version != FORMAT_VERSION:
        yield f"format version 0x{file.header.format_version:04x}, known is 0x{FORMAT_VERSION:04x}"
    if file.spu.key_index > NOT_ENCRYPTED:
        yield f"encryption key index {file.spu.key_index}, known are 0 to 31, and 32 for none"
    used = {(bank.core, bank.kind, bank.index) for bank in file.banks()}
    for core in file.spu.cores:
        for entry in core.banks:
            place = bank_of_uid(entry.uid, file.geometry)
            holds = place is not None and (core.id, *place) in used
            if place is not None and holds != (entry.state != BankState.OFF):
                has = "pages" if holds else "no pages"
                yield f"core {core.id} {place[0]}{place[1]}: state {entry.state} but {has}"
