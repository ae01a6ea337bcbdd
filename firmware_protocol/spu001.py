"""Address map of SPU-001 (mass production), from the register reference section 4."""

from __future__ import annotations

from firmware_protocol.memory import MemoryKind
from firmware_protocol.registers import ChipMap, Field, Region, Register
from firmware_protocol.requests import Space

CORE_SPACING = 0x0010_0000
BANK_SPACING = 0x0001_0000
N_CORES = 2
N_DM_BANKS = 8
N_TM_BANKS = 4


def _top_registers() -> list[Register]:
    conf_bits = (
        Field("CORE1_GATED", 1, doc="clock of core 1 stopped"),
        Field("CORE0_GATED", 2, doc="clock of core 0 stopped"),
        Field("RESET", 11, doc="both cores held in reset"),
    )
    pll_bits = (
        Field("RESET", 0),
        Field("BYPASS", 4),
        Field("POWER_DOWN", 5),
        Field("GATE_OPEN", 6, doc="1 lets the clock through"),
    )
    lock_bits = (Field("LOCK", 0), Field("REF_SLIP", 4), Field("FEEDBACK_SLIP", 5))
    return [
        Register("SPI_CONF", 0x00, Space.TOP, fields=conf_bits),
        Register("PAD_CONF", 0x04, Space.TOP, fields=(Field("INT_PAD", 11),)),
        Register("PLL_CONF", 0x08, Space.TOP, fields=pll_bits),
        Register("PLL_BWADJ", 0x0C, Space.TOP, doc="floor(M/2) - 1"),
        Register("PLL_CLKOD", 0x10, Space.TOP, doc="output divider - 1"),
        Register("PLL_CLKF", 0x14, Space.TOP, doc="multiplier M - 1"),
        Register("PLL_CLKR", 0x18, Space.TOP, doc="reference divider - 1"),
        Register("PLL_LOCK", 0x1C, Space.TOP, read_only=True, fields=lock_bits),
        Register("SPI_STATUS_UNUSED", 0x20, Space.TOP, read_only=True),
        Register("OUTPUT_INT", 0x24, Space.TOP, read_only=True, doc="non-zero: output waits"),
    ]


def _apb_registers() -> list[Register]:
    registers = [
        Register("VERSION", 0x00, read_only=True),
        Register("RST", 0x04, doc="soft reset, one bit per core: 0b11 then 0b00"),
        Register("DM_TIMERS", 0x08),
        Register("TM_TIMERS", 0x0C),
        Register("IM_TIMERS", 0x10),
        Register("REG_DP_ACK_DELAY", 0x14),
        Register("SPI_ENCRYPTION_KEY_IDX", 0x18, doc="0..31"),
    ]
    registers += [
        Register(f"SPI_ENCRYPTION_SALT_{i}", 0x28 - 4 * i, doc="16 bits") for i in (3, 2, 1, 0)
    ]
    for core in range(N_CORES):
        first = 0x34 + 0x34 * core
        registers += [Register(f"C{core}_DM_CONF{i}", first + 4 * i) for i in range(N_DM_BANKS)]
        registers += [
            Register(f"C{core}_TM_CONF{i}", first + 0x20 + 4 * i) for i in range(N_TM_BANKS)
        ]
        registers.append(Register(f"C{core}_IM_CONF", first + 0x30))
        registers.append(
            Register(
                f"C{core}_HEAD_TAIL_REG",
                CORE_SPACING * (core + 1) + 0xF_FFE8,
                doc="64 bits; number of ready-queue entries in the low half",
            )
        )
    return registers


def _regions() -> tuple[Region, ...]:
    regions = []
    for core in range(N_CORES):
        base = CORE_SPACING * (core + 1)
        regions += [
            Region(core, MemoryKind.DM, i, base + BANK_SPACING * i, 8192, 64)
            for i in range(N_DM_BANKS)
        ]
        regions += [
            Region(core, MemoryKind.TM, i, base + 0x8_0000 + BANK_SPACING * i, 2048, 16)
            for i in range(N_TM_BANKS)
        ]
        regions.append(Region(core, MemoryKind.SB, 0, base + 0xC_0000, 64, 11))
        regions.append(Region(core, MemoryKind.RQ, 0, base + 0xD_0000, 64, 12))
        regions.append(Region(core, MemoryKind.PB, 0, base + 0xE_0000, 64, 12))
        regions.append(Region(core, MemoryKind.IM, 0, base + 0xF_0000, 4096, 64))
    return tuple(regions)


SPU001 = ChipMap(
    name="spu001",
    title="SPU-001",
    version=0x13,
    part=1,
    n_cores=N_CORES,
    max_clock_mhz=150,
    top_stride=4,
    registers={item.name: item for item in (*_top_registers(), *_apb_registers())},
    regions=_regions(),
)
"""The map of SPU-001."""
