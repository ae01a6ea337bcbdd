"""Program: one immutable object, whatever file it came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import is_open_isa
from firmware_protocol.prog import bursts
from hostrt.chip.image import LoadImage
from hostrt.chip.step import Space, Write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from firmware_protocol.femto import FemtoFile
    from firmware_protocol.iospec import IOSpec
    from firmware_protocol.memory import BankImage
    from firmware_protocol.prog import ProgStream
    from hostrt.chip.base import Chip
    from hostrt.chip.image import Encryption
    from hostrt.chip.step import Step


class InstructionSet(StrEnum):
    """Who can execute the instructions in a program."""

    OPEN = "open"
    VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class ProgramSource:
    """Where a program came from.

    Attributes:
        path: file, folder or built-in name; of a compiled program that of the model.
        format: "femto", "prog", "zip", "folder", "builtin" or "compiled".
        sha256: hash of every file read, by file name.
    """

    path: str
    format: str
    sha256: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class Identity:
    """What a program says about itself; empty where its file cannot say it.

    Attributes:
        name: model name.
        version: version of the model.
        tool_version: version of the tool that made the file.
        model_type: number of the model type in `.femto` files, 10 custom.
        clock_mhz: recommended clock, None when not stated.
        userdata: free bytes.
    """

    name: str = ""
    version: str = ""
    tool_version: str = ""
    model_type: int = 10
    clock_mhz: int | None = None
    userdata: bytes = b""


@dataclass(frozen=True, eq=False)
class Program:
    """Memory images, I/O specification and identity of one model for one chip. Immutable.

    Attributes:
        chip: spoken name of the chip it was made for.
        banks: used prefixes of memory banks.
        n_cores: cores used, numbered from 0.
        encryption: key and salt, None when not encrypted.
        iospec: inputs, outputs and sequences; None when the file has none.
        identity: names and versions.
        source: where it came from.
        femto: the `.femto` file it was read from, so that it can be written back byte for byte.
        stream: the PROG writes it was read from, when they are more than what hostrt would
            write itself; they are then replayed in their own order.
        members: members of the archive or folder it was read from, by name.
        notes: what the reader noticed, one sentence each.
    """

    chip: str
    banks: tuple[BankImage, ...]
    n_cores: int
    encryption: Encryption | None
    iospec: IOSpec | None
    identity: Identity
    source: ProgramSource
    femto: FemtoFile | None = None
    stream: ProgStream | None = None
    members: Mapping[str, bytes] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        path: str | Path | Sequence[str | Path],
        *,
        chip: str | None = None,
        iospec: str | Path | None = None,
        metadata: str | Path | None = None,
        key_index: int | None = None,
        salt: int | None = None,
    ) -> Program:
        """Read a program from any file that holds one; the contents decide the format.

        Args:
            path: a `.femto`, a memory-image `.zip`, a folder of either, one file of a PROG_A /
                PROG_D pair (or both, in any order), or the built-in `LOOPBACK` (`LOOPBACK:256`
                for a vector of 256 elements).
            chip: spoken chip name; needed only where the file leaves it open.
            iospec: IOSpec YAML; by default one lying beside the file under its usual name.
            metadata: metadata YAML, for files that need one and do not have it.
            key_index: encryption key, for files that do not store it (`.zip`).
            salt: encryption salt, for files that do not store it (`.femto`).

        Raises:
            ProgramNotFound: no such file.
            ProgramCorrupt: names file, offset, found and expected.
            ProgramUnsafe: an archive with members that hostrt refuses.
            ProgramUnsupported: a sound file that is no program for a known chip.
        """
        from hostrt.program.load import LoadOptions, load_program

        return load_program(path, LoadOptions(chip, iospec, metadata, key_index, salt))

    @classmethod
    def loopback(
        cls, chip: str = "spu001", *, length: int | None = None, precision: int = 16
    ) -> Program:
        """Make the built-in identity model in the open instruction set.

        Args:
            chip: spoken chip name.
            length: elements of its vector; 32 by default.
            precision: bits per element, 8 or 16.
        """
        from hostrt.program.builtin import make_loopback

        return make_loopback(chip, length, precision)

    def save(self, path: str | Path, *, form: str | None = None) -> tuple[str, ...]:
        """Write the program as another file, atomically.

        Args:
            path: `.femto` file, `.zip` file, `..._A` file of a PROG pair, or a folder for text
                images.
            form: "femto", "zip", "prog" or "folder"; by default what `path` looks like.

        Returns:
            What the format cannot hold, one sentence each; empty when nothing is lost.

        Raises:
            ProgramUnsupported: the format cannot hold this program at all.
            StorageError: the file cannot be written.
        """
        from hostrt.program.save import save_program

        return save_program(self, path, form)

    @cached_property
    def sha256(self) -> str:
        """Hash of what ends up on the chip: chip, encryption, banks, extra writes."""
        digest = hashlib.sha256()
        digest.update(f"{self.chip} {self.n_cores} {self.encryption}".encode())
        for bank in sorted(self.banks, key=lambda bank: (bank.core, bank.kind, bank.index)):
            digest.update(f" {bank.core} {bank.name} {bank.words.size}:".encode())
            digest.update(bank.words.astype("<u8", copy=False).tobytes())
        if self.stream is not None:
            digest.update(self.stream.addresses.tobytes())
            digest.update(self.stream.data.tobytes())
        return digest.hexdigest()

    @cached_property
    def instruction_set(self) -> InstructionSet:
        """Whose instructions these are, told by the mark in the first instruction word."""
        for bank in self.banks:
            if (bank.core, bank.kind) == (0, MemoryKind.IM) and bank.words.size:
                opens = is_open_isa(int(bank.words[0]))
                return InstructionSet.OPEN if opens else InstructionSet.VENDOR
        return InstructionSet.VENDOR

    @property
    def name(self) -> str:
        """Name for people and folders: the model's, else the file's."""
        from pathlib import PurePath

        return self.identity.name or PurePath(self.source.path).stem

    @property
    def n_words(self) -> int:
        """Number of 32-bit words in all banks."""
        return self.load_image().n_words

    def load_image(self) -> LoadImage:
        """Give what a chip is asked to load."""
        return LoadImage(self.banks, self.n_cores, self.encryption)

    def load_steps(self, chip: Chip) -> list[Step]:
        """Give the steps that load a booted chip with this program.

        A PROG pair that holds more than hostrt would write itself is replayed as it stands.
        """
        if self.stream is None:
            return chip.load(self.load_image())
        steps: list[Step] = []
        for address, words in bursts(self.stream):
            region = chip.map.find_region(address)
            name = region.name if region else chip.map.describe(Space.APB, address)
            steps.append(
                Write(Space.APB, address, words, idempotent=region is not None, register=name)
            )
        return steps

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Program):
            return NotImplemented
        same_io = (self.iospec, self.identity) == (other.iospec, other.identity)
        return same_io and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"<Program {self.name!r} for {self.chip}, {self.n_words} words, {self.sha256[:12]}>"
