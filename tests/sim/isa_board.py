"""A simulated board in this process, and programs of a few words for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.open_isa import MARK
from firmware_protocol.stream import input_message
from hostrt.chip.image import LoadImage
from hostrt.chip.platform import PLATFORMS
from hostrt.sim.transport import SimTransport, open_url
from hostrt.transport.url import BoardUrl

if TYPE_CHECKING:
    from firmware_protocol.words import DWords, Words

VECTOR = np.arange(1, 5, dtype=np.uint64) * np.uint64(0x0101_0101_0101_0101)


def opened(chip: str = "spu001", **options: str) -> SimTransport:
    link = open_url(BoardUrl("sim", chip, options=options))
    assert isinstance(link, SimTransport)
    return link


def boot(link: SimTransport, banks: tuple[BankImage, ...] = (), *, arm: bool = True) -> None:
    chip = link.spu.chip
    n_cores = 1 + max((bank.core for bank in banks), default=0)
    platform = PLATFORMS[link.info.platform]
    link.execute(chip.boot(platform, pll=chip.name != "spu150"))
    image = LoadImage(banks, n_cores)
    link.execute([*chip.power_up(image), *chip.fill(image), *(chip.arm(image) if arm else [])])


def code_bank(*words: int, core: int = 0) -> BankImage:
    return BankImage(core, MemoryKind.IM, 0, np.array([MARK, *words], np.uint64))


def data_bank(n: int = 64, index: int = 0) -> BankImage:
    return BankImage(0, MemoryKind.DM, index, np.zeros(n, np.uint64))


def core_1_bank() -> BankImage:
    return BankImage(1, MemoryKind.DM, 0, np.zeros(8000, np.uint64))


def run(link: SimTransport, payload: DWords = VECTOR, pc: int = 1, core: int = 0) -> Words:
    """Send one message and give everything that is queued, as 32-bit words."""
    link.spu.send(input_message(pc, core, payload))
    return link.spu.receive(64) if link.spu.output_waits else np.zeros(0, np.uint32)


def status_of(words: Words) -> int:
    return int(words[0])
