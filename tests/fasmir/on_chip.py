"""Compiled models executed from their images, by a machine whose memories are full of rubbish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa_ops import Type
from firmware_protocol.stream import split_outputs
from hostrt.fasmir.assembly import pack, unpack
from hostrt.fasmir.layout import geometry_of
from hostrt.sim.isa.machine import Machine
from hostrt.sim.isa.memories import CoreMemories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.bank_geometry import BankGeometry
    from firmware_protocol.words import Words
    from hostrt.fasmir.assembly import Int64s
    from hostrt.fasmir.compile import Compiled
    from hostrt.fqir.graph import Array
    from hostrt.program.model import Program

RUBBISH = 0xA5C3_96E1_7B2D_F048
PHYSICAL = {MemoryKind.DM: 8192, MemoryKind.TM: 2048, MemoryKind.IM: 4096}
"""Words that are powered together."""

KINDS = {8: Type.I8, 16: Type.I16}


class OnChip:
    """One compiled model on one chip.

    Nothing but the program's banks is in its memories; where the host would leave a bank without
    power, using it stops the thread.
    """

    def __init__(self, compiled: Compiled, program: Program | None = None) -> None:
        self.compiled = compiled
        program = program or compiled.program
        chip = geometry_of(program.chip)
        self.cores = [_memories(program, chip, core) for core in range(chip.n_cores)]
        self.machine = Machine(self.cores)

    @property
    def cycles(self) -> int:
        """Cycles of the last frame."""
        return self.machine.frame_cycles

    def frame(self, inputs: Mapping[str, Array]) -> dict[str, Int64s]:
        """Send inputs, latched ones first, and give the outputs as flat vectors."""
        spec = self.compiled.iospec
        latched = {spec.inputs[key].varname for key in spec.latched}
        sent: list[Words] = []
        for name in sorted(inputs, key=lambda name: name not in latched):
            vector = next(one for one in spec.inputs.values() if one.varname == name)
            payload = pack(np.array(inputs[name], np.int64).reshape(-1), KINDS[vector.precision])
            assert payload.size == vector.words
            assert self.machine.message(vector.core_id or 0, vector.pc or 0, payload)
            sent += self.machine.run()
            assert self.machine.last_trap is None, self.machine.last_trap
        assert self.machine.lost == 0
        return self._decoded(sent) if sent else {}

    def _decoded(self, sent: list[Words]) -> dict[str, Int64s]:
        """Cut messages to vectors; the lanes behind the last element must be 0."""
        vectors = self.compiled.iospec.outputs.values()
        expected = {one.mailbox_id or 0: one.words for one in vectors}
        found = split_outputs(np.concatenate(sent), expected)
        results = {}
        for one in vectors:
            words, kind = found[one.mailbox_id or 0], KINDS[one.precision]
            every = unpack(words, kind, words.size * kind.lanes)
            assert not every[one.length :].any()
            results[one.varname] = every[: one.length]
        return results

    def watched(self) -> dict[str, Int64s]:
        """Give the tensors that the program keeps."""
        found = {}
        for one in self.compiled.assembly.watched:
            core = self.compiled.assembly.core(one.core)
            symbol = next(item for item in core.symbols if item.name == one.symbol)
            words = self.cores[one.core].dm[symbol.address : symbol.end]
            found[one.name] = unpack(words, symbol.type, symbol.length).reshape(one.shape)
        return found


def _memories(program: Program, chip: BankGeometry, core: int) -> CoreMemories:
    sizes = {kind: chip.n_banks(kind) * chip.bank_words(kind) for kind in MemoryKind}
    words = {kind: np.full(size, RUBBISH, "<u8") for kind, size in sizes.items()}
    powered = {kind: np.zeros(-(-sizes[kind] // step), bool) for kind, step in PHYSICAL.items()}
    for bank in program.banks:
        if bank.core != core:
            continue
        start = bank.index * chip.bank_words(bank.kind)
        stop = start + bank.words.size
        words[bank.kind][start:stop] = bank.words
        if bank.kind in PHYSICAL:
            step = PHYSICAL[bank.kind]
            powered[bank.kind][start // step : -(-stop // step)] = True

    def is_on(kind: MemoryKind, first: int, count: int) -> bool:
        step = PHYSICAL[kind]
        return bool(powered[kind][first // step : (first + count - 1) // step + 1].all())

    return CoreMemories(
        im=words[MemoryKind.IM],
        dm=words[MemoryKind.DM],
        tm=words[MemoryKind.TM],
        rq=words[MemoryKind.RQ],
        pb=words[MemoryKind.PB],
        sb=words[MemoryKind.SB],
        powered=is_on,
    )


def by_name(compiled: Compiled, arrays: list[Array], frame: int) -> dict[str, Array]:
    """Give one frame of inputs that are listed in the order of the model's."""
    names = [one.name for one in compiled.assembly.inputs]
    return {name: array[frame] for name, array in zip(names, arrays, strict=True)}
