"""Random programs survive every format."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.iospec import IoSequence, IOSpec, Vector
from firmware_protocol.memory import BankImage, MemoryKind
from hostrt.chip import get_chip
from hostrt.chip.image import Encryption
from hostrt.program import Identity, Program, ProgramSource
from hostrt.program.prog_file import stream_of

CORES = {"spu001": 2, "spu150tc1": 2, "spu150": 2}


@st.composite
def banks_of(draw: st.DrawFn, chip: str, n_cores: int) -> tuple[BankImage, ...]:
    """Give each core instructions and some other banks, as compilers do."""
    chosen: list[BankImage] = []
    for core in range(n_cores):
        regions = [r for r in get_chip(chip).map.regions if r.core == core]
        n_instructions = draw(st.integers(1, 20))
        for region in regions:
            if region.kind in (MemoryKind.IM, MemoryKind.IM_MSB):
                size = n_instructions
            elif draw(st.booleans()):
                size = draw(st.integers(1, min(70, region.n_dwords)))
            else:
                continue
            seed = draw(st.integers(0, 2**32 - 1))
            words = np.random.default_rng(seed).integers(0, 2**64 - 1, size, np.uint64)
            # no trailing zero, which images and whole memories would not tell from unused room
            words[-1] |= np.uint64(1)
            # SPU-150 instructions have 71 bits
            words = (
                words & np.uint64(0x7F) | np.uint64(1)
                if region.kind is MemoryKind.IM_MSB
                else words
            )
            chosen.append(BankImage(core, region.kind, region.index, words))
    return tuple(chosen)


@st.composite
def iospecs(draw: st.DrawFn, n_cores: int) -> IOSpec:
    names = draw(
        st.lists(
            st.text("abcxyz_0123456789", min_size=1, max_size=8).map("v".__add__),
            min_size=2, max_size=5, unique=True,
        )
    )  # fmt: skip
    split = draw(st.integers(1, len(names) - 1))
    vectors: dict[str, Vector] = {}
    for place, name in enumerate(names):
        precision = draw(st.sampled_from([8, 16]))
        length = draw(st.integers(1, 40))
        per_word = 64 // precision
        words = -(-length // per_word)
        is_input = place < split
        vectors[name] = Vector(
            name, name, length, precision, words * per_word, {"scale": None, "zero_pt": None}, {},
            words, pc=place + 1 if is_input else None,
            core_id=draw(st.integers(0, n_cores - 1)) if is_input else None,
            mailbox_id=None if is_input else place,
        )  # fmt: skip
    inputs = {name: vectors[name] for name in names[:split]}
    outputs = {name: vectors[name] for name in names[split:]}
    sequence = IoSequence("sequence_0", dict.fromkeys(inputs, 1), dict.fromkeys(outputs, 1), {})
    return IOSpec(inputs, outputs, {"sequence_0": sequence})


@st.composite
def programs(draw: st.DrawFn) -> Program:
    chip = draw(st.sampled_from(sorted(CORES)))
    n_cores = draw(st.integers(1, CORES[chip]))
    encryption = st.builds(Encryption, st.integers(0, 31), st.integers(0, 2**64 - 1))
    return Program(
        chip=chip,
        banks=draw(banks_of(chip, n_cores)),
        n_cores=n_cores,
        encryption=draw(st.none() | encryption),
        iospec=draw(iospecs(n_cores)),
        identity=Identity(
            name=draw(st.text("abc é", max_size=8)).strip(),
            version=draw(st.sampled_from(["", "1.2"])),
            clock_mhz=draw(st.none() | st.integers(1, 300)),
            userdata=draw(st.binary(max_size=9)),
        ),
        source=ProgramSource("made", "builtin"),
    )


def shapes(spec: IOSpec | None) -> list[Any]:
    assert spec is not None
    return [
        (v.length, v.padded_length, v.precision, v.pc, v.mailbox_id, v.core_id)
        for v in (*spec.inputs.values(), *spec.outputs.values())
    ]


@settings(max_examples=15, deadline=None)
@given(programs())
def test_a_program_survives_every_format(program: Program) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("a.zip", "images"):
            assert program.save(folder / name) == ()
            again = Program.load(folder / name)
            assert again == program
            assert again.chip == program.chip
        program.save(folder / "0PROG_A")
        again = Program.load(folder / "0PROG_A", chip=program.chip)
        assert stream_of(again) == stream_of(program)
        assert again.iospec == program.iospec
        assert set(again.banks) == set(program.banks)
        salt = program.encryption.salt if program.encryption else 0
        program.save(folder / "a.femto")
        again = Program.load(folder / "a.femto", salt=salt)
        assert again.sha256 == program.sha256
        assert shapes(again.iospec) == shapes(program.iospec)
        assert again.identity.userdata == program.identity.userdata
        (folder / "b").mkdir()
        again.save(folder / "b" / "b.femto")
        assert (folder / "b" / "b.femto").read_bytes() == (folder / "a.femto").read_bytes()


@settings(max_examples=15, deadline=None)
@given(programs())
def test_the_chip_of_a_prog_pair_is_found_by_its_addresses(program: Program) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "0PROG_A"
        program.save(path)
        again = Program.load(path)
        assert again.sha256 == program.sha256
        assert again.stream is None
