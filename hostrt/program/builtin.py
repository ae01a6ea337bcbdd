"""Programs that need no file."""

from __future__ import annotations

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.iospec import IoSequence, IOSpec, Vector
from firmware_protocol.loopback import INPUT_NAME, OUTPUT_NAME, loopback_banks
from hostrt.chip import get_chip
from hostrt.errors import UsageError
from hostrt.program.model import Identity, Program, ProgramSource

LOOPBACK = "LOOPBACK"
DEFAULT_LENGTH = 32
_MAX_DIGITS = 9


def is_builtin(name: str) -> bool:
    """Tell whether `name` names a built-in program."""
    return name == LOOPBACK or name.startswith(f"{LOOPBACK}:")


def load_builtin(name: str, chip: str | None) -> Program:
    """Make the program that `name` names: `LOOPBACK` or `LOOPBACK:LENGTH`."""
    _, _, text = name.partition(":")
    if text and not (text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise UsageError(
            f"{name:.40}: found length {text[:20]!r}, expected a number, as in {LOOPBACK}:256"
        )
    return make_loopback(chip or "spu001", int(text) if text else None, 16)


def make_loopback(chip: str, length: int | None, precision: int) -> Program:
    """See `Program.loopback`."""
    target = get_chip(chip)
    try:
        made = loopback_banks(
            target.map, DEFAULT_LENGTH if length is None else length, precision=precision
        )
    except LocalMisuseError as error:
        raise UsageError(str(error)) from error
    padded = made.n_dwords * 64 // precision
    common = {"scale": None, "zero_pt": None}
    spec = IOSpec(
        {
            INPUT_NAME: Vector(
                INPUT_NAME, INPUT_NAME, made.length, precision, padded, common, {}, made.n_dwords,
                pc=made.pc, core_id=made.core,
            )
        },
        {
            OUTPUT_NAME: Vector(
                OUTPUT_NAME, OUTPUT_NAME, made.length, precision, padded, common, {},
                made.n_dwords, mailbox_id=made.mailbox,
            )
        },
        {"sequence_0": IoSequence("sequence_0", {INPUT_NAME: 1}, {OUTPUT_NAME: 1}, {})},
    )  # fmt: skip
    return Program(
        chip=target.name,
        banks=made.banks,
        n_cores=1,
        encryption=None,
        iospec=spec,
        identity=Identity(name=LOOPBACK.lower(), version="1"),
        source=ProgramSource(LOOPBACK, "builtin"),
    )
