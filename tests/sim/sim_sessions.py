"""Recorded sessions, and chips that answer as the board behind them did."""

from __future__ import annotations

import json
from pathlib import Path

from hostrt.chip import get_chip
from hostrt.chip.platform import EVK2, ZCU104
from hostrt.sim.answers import EchoAnswer, InputPort, OutputPort
from hostrt.sim.spu import SimulatedSpu

PROGRAMS = Path(__file__).parent.parent / "data" / "spu" / "programs"
CHIPS = {"SPU001": "spu001", "SPU150_TC1": "spu150tc1"}


def echo_chip(name: str, *, on_zynq: bool = False) -> SimulatedSpu:
    spec = json.loads((PROGRAMS / name / "program.json").read_text())["spec"]
    inputs = [
        InputPort(i["name"], i["pc"], i["core"], i["padded"] * i["precision"] // 64)
        for i in spec["inputs"]
    ]
    outputs = [
        OutputPort(o["name"], o["mailbox"], o["padded"] * o["precision"] // 64)
        for o in spec["outputs"]
    ]
    chip = get_chip(CHIPS[spec["chip"]])
    platform = ZCU104 if on_zynq else EVK2
    return SimulatedSpu(chip, platform, answer=EchoAnswer(inputs, outputs))


def exchanges(name: str, file: str) -> list[tuple[bytes, bytes]]:
    """Give (sent, everything received before the next send)."""
    events = json.loads((PROGRAMS / name / file).read_text())["events"]
    pairs: list[tuple[bytes, bytes]] = []
    for event in events:
        if "tx" in event:
            pairs.append((bytes.fromhex(event["tx"]), b""))
        else:
            sent, received = pairs[-1]
            pairs[-1] = (sent, received + bytes.fromhex(event["rx"]))
    return pairs
