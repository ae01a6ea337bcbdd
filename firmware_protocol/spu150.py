"""Address maps of SPU-150 TC1 and SPU-150 (MP), from the register reference section 5.

The MP part seen through its array APB port has every AXI address lowered by 0x2000_0000; its
system manager then lies below zero and cannot be reached, so those registers are left out.
"""

from __future__ import annotations

from firmware_protocol.memory import MemoryKind
from firmware_protocol.registers import ChipMap, Field, Region, Register
from firmware_protocol.requests import Space

AXI_BASE = 0x2000_0000
SYSMGR_BASE = 0x1000_0000
OTP_BASE = 0xFF00_7000
CORE_SPACING = 0x20_0000
N_CORES = 4
N_PHYSICAL_BANKS = 4

_CLOCK_BITS = (Field("EL2", 0), Field("SPU", 1, 2, doc="1x and 2x clock"), Field("FUSE", 11))
_RESET_BITS = (Field("EL2", 0), Field("SPU", 1, doc="1 = running"), Field("FUSE", 11))


def _top_registers() -> list[Register]:
    ctrl_bits = (
        Field("RESET", 0),
        Field("ENSAT", 1),
        Field("FAST", 2),
        Field("TEST", 3),
        Field("BYPASS", 4),
        Field("POWER_DOWN", 5),
        Field("OSC_TEST", 8),
        Field("OSC_EN", 9),
    )
    stat_bits = (
        Field("LOCK", 0),
        Field("REF_SLIP", 4),
        Field("FEEDBACK_SLIP", 5),
        Field("REF_EN", 8),
        Field("FEEDBACK_EN", 9),
    )
    return [
        Register("PLL_CTRL", 0, Space.TOP, fields=ctrl_bits),
        Register("PLL_CLKF", 1, Space.TOP, doc="multiplier M - 1, 13 bits"),
        Register("PLL_BWADJ", 2, Space.TOP, doc="12 bits"),
        Register("PLL_DIV", 3, Space.TOP, fields=(Field("CLKR", 0, 6), Field("CLKOD", 8, 4))),
        Register("PLL_STAT", 4, Space.TOP, read_only=True, fields=stat_bits),
    ]


def _system_registers() -> list[Register]:
    sysmgr = {
        "PLLCTRL": 0x20,
        "PLLMULT": 0x24,
        "PLLDIV": 0x28,
        "PLLSTAT": 0x2C,
        "CLKDIV": 0x64,
        "CLKCTRL": 0x68,
        "RESETN": 0x6C,
        "IRQ": 0x70,
        "EL2INT": 0x74,
    }
    bits = {"CLKCTRL": _CLOCK_BITS, "RESETN": _RESET_BITS}
    registers = [
        Register(f"SYSMGR_{name}", SYSMGR_BASE + offset, fields=bits.get(name, ()))
        for name, offset in sysmgr.items()
    ]
    otp = {
        "CMD_REG_ADDR": 0x100,
        "CFG_MEM_SEL_REG_ADDR": 0x101,
        "CFG_BCHK_REG_ADDR": 0x102,
        "CFG_PGM_REG_ADDR": 0x103,
        "CFG_LOCK_REG_ADDR": 0x104,
        "CFG_START_END_ADDR_REG_ADDR": 0x106,
        "STATUS_REG_ADDR": 0x108,
        "DEBUG0_REG_ADDR": 0x109,
        "DEBUG1_REG_ADDR": 0x10A,
        "DEBUG2_REG_ADDR": 0x10B,
        "TM_TDEC_CMD": 0x021,
        "TM_BCHK_CMD": 0x024,
        "TM_WRTEST_CMD": 0x001,
        "TM_REPAIR_CMD": 0x030,
        "TM_TDEC_REPAIR_CMD": 0x031,
        "TM_BCHK_REPAIR_CMD": 0x034,
        "TM_WRTEST_PGMVFY_CMD": 0x005,
        "TM_PGMVFY_CMD": 0x004,
    }
    registers += [Register(f"OTP_{name}", OTP_BASE + offset) for name, offset in otp.items()]
    return registers


def _spu_registers(base: int, *, is_mp: bool) -> list[Register]:
    registers = [
        Register("VERSION", base, read_only=True),
        Register("SPI_ENCRYPTION_KEY_IDX", base + 0x04),
    ]
    registers += [Register(f"SPI_ENCRYPTION_SALT_{i}", base + 0x14 - 4 * i) for i in (3, 2, 1, 0)]
    registers += [
        Register("AXIS_SELECT", base + 0x18, doc="0b111 host carries streams, 0b100 external"),
        Register("AXIS_START", base + 0x22, doc="unreliable: not word aligned"),
        Register("AXIS_LAST", base + 0xF_FFFC),
    ]
    if is_mp:
        registers += [
            Register("SAFETY", base + 0x1C, doc="mask of disabled features, 0 after reset"),
            Register("STREAM_MAILBOX_0", base + 0x20),
            Register("STREAM_MAILBOX_1", base + 0x24),
        ]
    for core in range(N_CORES):
        registers += _core_registers(core, base + CORE_SPACING * (core + 1))
    return registers


def _core_registers(core: int, base: int) -> list[Register]:
    names = ["RST", "LOGIC_PG_CONF", "DM_TIMERS", "TM_TIMERS", "IM_TIMERS", "REG_DP_ACK_DELAY"]
    names += [f"DM_CONF{i}" for i in range(N_PHYSICAL_BANKS)]
    names += [f"TM_CONF{i}" for i in range(N_PHYSICAL_BANKS)]
    names.append("IM_CONF")
    registers = [Register(f"C{core}_{name}", base + 4 * i) for i, name in enumerate(names)]
    registers.append(Register(f"C{core}_HEAD_TAIL_REG", base + 0x1F_FFE8))
    return registers


def _regions(axi_base: int) -> tuple[Region, ...]:
    regions = []
    for core in range(N_CORES):
        base = axi_base + CORE_SPACING * (core + 1)
        regions += [
            Region(core, MemoryKind.DM, 0, base + 0x10_0000, 32768, 64),
            Region(core, MemoryKind.TM, 0, base + 0x14_0000, 8192, 16),
            Region(core, MemoryKind.IM, 0, base + 0x18_0000, 4096, 64),
            Region(core, MemoryKind.IM_MSB, 0, base + 0x18_8000, 4096, 7),
            Region(core, MemoryKind.SB, 0, base + 0x19_0000, 64, 11),
            Region(core, MemoryKind.RQ, 0, base + 0x1A_0000, 64, 12),
            Region(core, MemoryKind.PB, 0, base + 0x1B_0000, 64, 12),
        ]
    return tuple(regions)


SPU150_TC1 = ChipMap(
    name="spu150tc1",
    title="SPU-150 TC1",
    version=0x20,
    part=3,
    n_cores=N_CORES,
    max_clock_mhz=150,
    top_stride=1,
    registers={
        item.name: item
        for item in (
            *_top_registers(),
            *_spu_registers(AXI_BASE, is_mp=False),
            *_system_registers(),
        )
    },
    regions=_regions(AXI_BASE),
)
"""The map of the SPU-150 test chip."""

SPU150 = ChipMap(
    name="spu150",
    title="SPU-150",
    version=0x21,
    part=4,
    n_cores=N_CORES,
    max_clock_mhz=250,
    top_stride=1,
    registers={item.name: item for item in (*_top_registers(), *_spu_registers(0, is_mp=True))},
    regions=_regions(0),
)
"""The map of SPU-150 as its array APB port shows it."""
