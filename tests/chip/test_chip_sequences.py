"""Step lists against the traces of the reference implementation."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from hostrt.chip import CHIP_NAMES, get_chip
from hostrt.chip.base import Power
from hostrt.chip.image import Encryption
from hostrt.chip.platform import EVK2, RTL, ZCU104
from hostrt.chip.spu001 import Spu001
from hostrt.chip.spu150 import Spu150Mp, Spu150Tc1, bandwidth_adjust
from hostrt.chip.step import Expect, HostAction, Modify, Poll, Step, Wait, Write
from hostrt.errors import UsageError

SPU = Path(__file__).parents[1] / "data" / "spu"
HAL = {
    "spu001": json.loads((SPU / "hal_spu001.json").read_text()),
    "spu150tc1": json.loads((SPU / "hal_spu150_tc1.json").read_text()),
    "spu150": json.loads((SPU / "hal_spu150_mp.json").read_text()),
}
TRACES: dict[str, Any] = {name: hal["traces"] for name, hal in HAL.items()}


def as_trace(steps: list[Step]) -> list[list[object]]:
    """Spell steps as the traces do; read values and the boot's reset are not part of them."""
    trace: list[list[object]] = []
    for step in steps:
        if isinstance(step, Write):
            words = [f"{int(word):x}" for word in step.words]
            trace.append(["write", str(step.space), step.register, f"{step.address:08x}", words])
        elif isinstance(step, Modify):
            trace.append(["read", str(step.space), step.register, f"{step.address:08x}"])
            trace.append(["write", str(step.space), step.register, f"{step.address:08x}"])
        elif isinstance(step, Poll | Expect):
            trace.append(["read", str(step.space), step.register, f"{step.address:08x}"])
        elif isinstance(step, Wait):
            trace.append(["wait", step.cycles, step.seconds])
    return trace


def same(trace: list[list[object]], golden: list[list[object]]) -> bool:
    """Compare traces; a shorter row (a read, a modify) compares only what it says."""
    return len(trace) == len(golden) and all(
        row == reference[: len(row)] for row, reference in zip(trace, golden, strict=True)
    )


@pytest.mark.parametrize(
    ("chip", "case", "steps"),
    [
        ("spu001", "001 zcu104 init pll", lambda c: c.clock(ZCU104) + c.release(ZCU104)),
        ("spu001", "001 zcu104 init nopll", lambda c: c.release(ZCU104)),
        (
            "spu001",
            "001 evk2 init pll",
            lambda c: c.reset(EVK2)[2:] + c.clock(EVK2) + c.release(EVK2),
        ),
        ("spu001", "001 evk2 init nopll", lambda c: c.reset(EVK2)[2:] + c.release(EVK2)),
        (
            "spu001",
            "001 encryption key=22 salt=be4187108179e52e",
            lambda c: c.encrypt(Encryption(22, 0xBE4187108179E52E)),
        ),
        ("spu001", "mem power up C1 DM_CONF3", lambda c: c.set_power("C1_DM_CONF3", Power.ON)),
        ("spu001", "mem power down C0 TM_CONF1", lambda c: c.set_power("C0_TM_CONF1", Power.OFF)),
        ("spu001", "mem sleep C0 IM_CONF", lambda c: c.set_power("C0_IM_CONF", Power.SLEEP)),
        ("spu001", "mem wake C0 IM_CONF", lambda c: c.set_power("C0_IM_CONF", Power.WAKE)),
        ("spu001", "001 version 13", lambda c: [c.check_version()]),
        ("spu150tc1", "tc1 evk2 init pll", lambda c: c.clock(EVK2) + c.release(EVK2)),
        ("spu150tc1", "tc1 evk2 init nopll", lambda c: c.release(EVK2)),
        ("spu150tc1", "tc1 axis stream", lambda c: c.select_stream(external=True)),
        (
            "spu150tc1",
            "tc1 core power off 0,1 then on 0",
            lambda c: (
                c.set_core_logic(0, on=False)
                + c.set_core_logic(1, on=False)
                + c.set_core_logic(0, on=True)
            ),
        ),
        ("spu150tc1", "tc1 otp sleep", lambda c: c.otp_power("sleep")),
        ("spu150tc1", "tc1 otp off", lambda c: c.otp_power("off")),
        ("spu150tc1", "tc1 otp on", lambda c: c.otp_power("on")),
        ("spu150tc1", "tc1 pll power down", lambda c: c.power_down_pll()),
        ("spu150tc1", "tc1 pll ungate", lambda c: c.open_clock_gate()),
        ("spu150tc1", "tc1 version 20", lambda c: [c.check_version()]),
        ("spu150", "mp redis init", lambda c: c.clock(RTL) + c.release(RTL)),
        (
            "spu150",
            "mp redis init safety 0x81",
            lambda c: c.clock(RTL) + c.release(RTL, safety=0x81),
        ),
        ("spu150", "mp version 21", lambda c: [c.check_version()]),
    ],
)
def test_steps_equal_the_reference_trace(chip: str, case: str, steps: Any) -> None:
    trace = as_trace(steps(get_chip(chip)))

    assert same(trace, TRACES[chip][case]["steps"]), trace


@pytest.mark.parametrize(
    ("case", "multiplier", "dividers"),
    [(f"001 pll mult={m}", m, (1, 1)) for m in (2, 3, 122, 184, 852, 3051, 4578, 8191)]
    + [("001 pll mult=100 nr=2 nd=4", 100, (2, 4))],
)
def test_pll_dividers_equal_the_reference(
    case: str, multiplier: int, dividers: tuple[int, int]
) -> None:
    steps = Spu001().set_pll(multiplier, reference_divider=dividers[0], output_divider=dividers[1])

    assert as_trace(steps) == TRACES["spu001"][case]["steps"]


@pytest.mark.parametrize("multiplier", [1, 8192])
def test_pll_multiplier_out_of_range_is_refused(multiplier: int) -> None:
    with pytest.raises(UsageError, match=r"not in 2\.\.8191"):
        Spu001().set_pll(multiplier)


@pytest.mark.parametrize(
    ("name", "result"),
    [(name, case["result"]["ok"]) for name, case in TRACES["spu150tc1"].items() if "NF=" in name],
)
def test_bandwidth_adjust_equals_the_reference(name: str, result: int) -> None:
    assert bandwidth_adjust(int(name.rpartition("=")[2]), 32_768) == result


@pytest.mark.parametrize("chip", CHIP_NAMES)
def test_every_address_of_the_reference_map_is_declared(chip: str) -> None:
    chip_map = get_chip(chip).map
    golden = HAL[chip]["address_map"]

    ends = {f"{region.name}_END": region.end - 8 for region in chip_map.regions}
    ours = {item.name: item.address for item in chip_map.registers.values()}
    ours |= {region.name.replace("_IM0", "_IM"): region.base for region in chip_map.regions} | ends
    for core in range(chip_map.n_cores):
        ours |= {f"C{core}_DM": ours[f"C{core}_DM0"], f"C{core}_TM": ours[f"C{core}_TM0"]}

    reachable = {
        name: int(value, 16)
        for name, value in golden.items()
        if not (chip == "spu150" and name.startswith(("SYSMGR_", "OTP_")))
    }
    missing = {name: value for name, value in reachable.items() if ours.get(name) != value}
    assert missing == {}


@pytest.mark.parametrize("chip", CHIP_NAMES)
def test_top_registers_equal_the_reference(chip: str) -> None:
    ours = {
        item.name: f"{item.address:08x}"
        for item in get_chip(chip).map.registers.values()
        if item.space == "spu_top"
    }

    assert ours == HAL[chip]["top_registers"]


@pytest.mark.parametrize("chip", CHIP_NAMES)
def test_regions_do_not_overlap_and_names_are_unique(chip: str) -> None:
    regions = get_chip(chip).map.regions

    ordered = sorted(regions, key=lambda region: region.base)
    assert list(regions) == ordered
    assert all(a.end <= b.base for a, b in itertools.pairwise(ordered))
    assert len({region.name for region in regions}) == len(regions)


def test_unusable_combinations_are_refused_with_a_reason() -> None:
    with pytest.raises(UsageError, match="28 address bits"):
        Spu150Tc1().boot(ZCU104)
    with pytest.raises(UsageError, match="simulated board"):
        Spu150Mp().boot(EVK2)
    with pytest.raises(UsageError, match="no PLL"):
        Spu001().boot(RTL)
    with pytest.raises(UsageError, match="no SAFETY register"):
        Spu001().boot(EVK2, safety=0x81)


@pytest.mark.parametrize("key", [-1, 32])
def test_key_outside_the_chip_is_refused(key: int) -> None:
    with pytest.raises(UsageError, match=r"not in 0\.\.31"):
        Spu001().encrypt(Encryption(key))


def test_two_chips_are_driven_from_one_process() -> None:
    first, second = get_chip("SPU-001"), get_chip("spu150_tc1")

    assert first.map.version == 0x13
    assert second.map.version == 0x20


def test_boot_begins_with_the_hard_reset_and_ends_with_the_version() -> None:
    steps = Spu001().boot(EVK2)

    assert steps[0] == HostAction()
    assert isinstance(steps[-1], Expect)
    assert steps[-1].value == 0x13
