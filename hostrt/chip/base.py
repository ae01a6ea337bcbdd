"""What every chip can be asked for: pure functions from intentions to Steps.

A chip does no I/O and knows no board. Subclasses fill in how their generation resets, clocks and
signals; loading, power and streaming are common to all SPU generations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.packing import dwords_to_words
from firmware_protocol.stream import input_message
from hostrt.chip.step import (
    ExecTime,
    Expect,
    FrameIn,
    FrameOut,
    HostAction,
    Read,
    Space,
    Step,
    Wait,
    Write,
)
from hostrt.errors import UsageError, WrongVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.memory import BankImage
    from firmware_protocol.registers import ChipMap
    from firmware_protocol.words import DWords
    from hostrt.chip.image import Encryption, LoadImage
    from hostrt.chip.platform import Platform

DEFAULT_PLL_TIMEOUT_S = 2.0
"""PLLs of these chips lock within milliseconds; two seconds means that the clock is missing."""

_LOAD_ORDER = (
    MemoryKind.DM,
    MemoryKind.TM,
    MemoryKind.SB,
    MemoryKind.RQ,
    MemoryKind.PB,
    MemoryKind.IM,
    MemoryKind.IM_MSB,
)


class Power(Enum):
    """Writes to a bank's CONF register that bring it into a power state (spu-registers 6)."""

    ON = (0x05098, 0x11098)
    OFF = (0x05098, 0x01098)
    SLEEP = (0x05098, 0x0D098, 0x09098)
    WAKE = (0x0D098, 0x05098, 0x11098)


class Chip(ABC):
    """Register map plus sequences of one chip. Stateless: one instance serves any board."""

    def __init__(self, chip_map: ChipMap) -> None:
        self.map = chip_map

    @property
    def name(self) -> str:
        """Spoken name: "spu001", "spu150tc1", "spu150"."""
        return self.map.name

    # -- intentions each generation answers in its own way ------------------------------------

    @abstractmethod
    def clock(
        self, platform: Platform, *, pll_timeout_s: float = DEFAULT_PLL_TIMEOUT_S
    ) -> list[Step]:
        """Program the PLL and wait for its lock."""

    @abstractmethod
    def release(self, platform: Platform, *, safety: int = 0) -> list[Step]:
        """Take the cores out of reset with running clocks."""

    @abstractmethod
    def wait_output(self, platform: Platform, timeout_s: float) -> list[Step]:
        """Wait until an output message is queued."""

    @abstractmethod
    def clock_hz(self, platform: Platform) -> float:
        """Give the SPU clock after `clock`, in Hz."""

    @abstractmethod
    def check_platform(self, platform: Platform, *, pll: bool) -> None:
        """Raise `UsageError` when this chip cannot be driven on `platform`."""

    # -- common sequences ---------------------------------------------------------------------

    def boot(
        self,
        platform: Platform,
        *,
        pll: bool = True,
        encryption: Encryption | None = None,
        safety: int = 0,
        pll_timeout_s: float = DEFAULT_PLL_TIMEOUT_S,
    ) -> list[Step]:
        """Bring the chip from any state to "ready to be loaded" (spu-registers 7.1 to 7.3)."""
        self.check_platform(platform, pll=pll)
        steps = self.reset(platform)
        if pll:
            steps += self.clock(platform, pll_timeout_s=pll_timeout_s)
        steps += self.release(platform, safety=safety)
        if encryption is not None:
            steps += self.encrypt(encryption)
        steps.append(self.check_version())
        return steps

    def reset(self, platform: Platform) -> list[Step]:
        """Hard reset of the board or chip, and the time it takes."""
        if platform.resets_by_pin:
            return [
                HostAction(1, 1, "reset pin high"),
                Wait(20, 0.0),
                HostAction(1, 0, "reset pin low"),
                Wait(1000, 0.1),
            ]
        return [HostAction(), Wait(1000, 0.1)]

    def encrypt(self, encryption: Encryption) -> list[Step]:
        """Set key index and salt; data written from now on are decrypted by the chip."""
        if not 0 <= encryption.key_index < 32:
            raise UsageError(f"encryption key index {encryption.key_index} is not in 0..31")
        if not 0 <= encryption.salt < 1 << 64:
            raise UsageError(f"encryption salt {encryption.salt:#x} does not fit 64 bits")
        steps: list[Step] = [self._write("SPI_ENCRYPTION_KEY_IDX", encryption.key_index)]
        for i in range(4):
            part = (encryption.salt >> (16 * i)) & 0xFFFF
            steps.append(self._write(f"SPI_ENCRYPTION_SALT_{i}", part))
        return steps

    def check_version(self) -> Step:
        """Read VERSION and insist on this chip's value."""
        return Expect(
            Space.APB,
            self.map.address("VERSION"),
            self.map.version,
            0xFF,
            f"VERSION of {self.map.title}",
            WrongVersion,
            "VERSION",
            "the program was made for another chip than this board carries, or the board is not "
            "powered",
        )

    def load(self, image: LoadImage) -> list[Step]:
        """Power the banks used, fill them, arm wake-on-start threads (spu-registers 7.4)."""
        self.check_fits(image)
        return [*self.power_up(image), *self.fill(image), *self.arm(image)]

    def power_up(self, image: LoadImage) -> list[Step]:
        """Power exactly the banks that hold data, every core before any memory is written."""
        steps: list[Step] = []
        for core in range(image.n_cores):
            for register in self.conf_registers(image, core):
                steps += self.set_power(register, Power.ON)
        return steps

    def conf_registers(self, image: LoadImage, core: int) -> list[str]:
        """Name the CONF registers of the banks that `image` uses on `core`, IM first.

        A logical bank may be built from several physical ones; each that holds data is named.
        """
        names = [f"C{core}_IM_CONF"]
        for kind, physical in (
            (MemoryKind.DM, self.map.physical_dm_dwords),
            (MemoryKind.TM, self.map.physical_tm_dwords),
        ):
            for bank in image.of(core, kind):
                per_bank = -(-self.map.region(core, kind, bank.index).n_dwords // physical)
                used = -(-bank.words.size // physical)
                first = bank.index * per_bank
                names += [f"C{core}_{kind}_CONF{first + i}" for i in range(used)]
        return names

    def set_power(self, register: str, power: Power) -> list[Step]:
        """Bring the bank behind the CONF register `register` into a power state."""
        return [self._write(register, value) for value in power.value]

    def fill(self, image: LoadImage) -> list[Step]:
        """Write every bank, core by core, in the order the reference writes them."""
        steps: list[Step] = []
        for core in range(image.n_cores):
            for kind in _LOAD_ORDER:
                steps += [self.fill_bank(bank) for bank in image.of(core, kind)]
        return steps

    def fill_bank(self, bank: BankImage) -> Write:
        """Write one bank from its start."""
        region = self.map.region(bank.core, bank.kind, bank.index)
        return Write(
            Space.APB,
            region.base,
            dwords_to_words(bank.words),
            idempotent=True,
            register=region.name,
            comment=region.name,
        )

    def arm(self, image: LoadImage) -> list[Step]:
        """Set the ready queue's head and tail.

        Encrypted programs cannot: the chip decrypts what is written to that range.
        """
        if image.encryption is not None:
            return []
        steps: list[Step] = []
        for core in range(image.n_cores):
            name = f"C{core}_HEAD_TAIL_REG"
            count = image.n_ready_threads(core)
            words = np.array([count, 0], np.uint32)
            steps.append(
                Write(Space.APB, self.map.address(name), words, register=name, comment=name)
            )
        return steps

    def read_back(self, image: LoadImage) -> list[Read]:
        """Read every bank of `image`, in the order `fill` writes them."""
        return [
            Read(step.space, step.address, step.words.size, register=step.register)
            for step in self.fill(image)
            if isinstance(step, Write)
        ]

    def send(self, pc: int, core: int, payload: DWords) -> FrameOut:
        """Send one input: header (pc << 32 | core), then the payload of 64-bit words."""
        return FrameOut(input_message(pc, core, payload))

    def collect(
        self,
        platform: Platform,
        output_dwords: Sequence[int],
        timeout_s: float,
        *,
        exec_time: bool,
    ) -> list[Step]:
        """Wait for one frame's outputs and take them.

        Args:
            platform: the board around the chip.
            output_dwords: 64-bit words of each output.
            timeout_s: seconds to wait.
            exec_time: the board can tell how long the inference took; it is then asked.
        """
        steps = self.wait_output(platform, timeout_s)
        if exec_time and platform.reads_exec_time:
            steps.append(ExecTime())
        steps.append(self.receive(output_dwords))
        return steps

    def receive(self, output_dwords: Sequence[int]) -> FrameIn:
        """Take one message per output in a single read: each has a header and its words."""
        return FrameIn(2 * sum(1 + n for n in output_dwords))

    def check_fits(self, image: LoadImage) -> None:
        """Raise `UsageError` when `image` needs a core, bank or word this chip does not have."""
        if image.n_cores > self.map.n_cores:
            raise UsageError(
                f"program uses {image.n_cores} cores, {self.map.title} has {self.map.n_cores}"
            )
        for bank in image.banks:
            if not self.map.has_bank(bank.core, bank.kind, bank.index):
                raise UsageError(
                    f"program uses core {bank.core} {bank.name}, {self.map.title} has no such bank"
                )
            room = self.map.region(bank.core, bank.kind, bank.index).n_dwords
            if bank.words.size > room:
                raise UsageError(
                    f"program puts {bank.words.size} words into core {bank.core} {bank.name}, "
                    f"which holds {room}"
                )

    def _write(self, register: str, value: int) -> Write:
        item = self.map.registers[register]
        stride = self.map.top_stride if item.space is Space.TOP else 4
        words = np.array([value], np.uint32)
        return Write(item.space, item.address, words, stride, register=register, comment=register)
