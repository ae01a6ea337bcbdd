"""From a program's memory images back to assembly; names are made up from places."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import FIRST_PC, N_THREADS, decode, is_open_isa
from firmware_protocol.open_isa_ops import Op, Type
from hostrt.chip import get_chip
from hostrt.errors import ProgramUnsupported
from hostrt.fasmir.assembly import (
    Assembly,
    Core,
    Input,
    Line,
    Output,
    Reference,
    Role,
    Symbol,
    Table,
    Thread,
)
from hostrt.program.model import InstructionSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from firmware_protocol.memory import BankImage
    from firmware_protocol.open_isa import Instruction
    from firmware_protocol.words import DWords
    from hostrt.program.model import Program

_JUMPS = (Op.JUMP, Op.JZERO, Op.LOOP)
_SCORE_BITS = 0x3FF


@dataclass(frozen=True, slots=True)
class _Code:
    """One core's instructions with their places."""

    number: int
    instructions: tuple[tuple[int, Instruction], ...]


def disassemble(program: Program) -> Assembly:
    """Turn a program in the open instruction set back into assembly.

    Assembling the result gives the same memory images. Every bank becomes one constant of 64-bit
    numbers or one table, because images do not tell where vectors begin.

    Raises:
        ProgramUnsupported: another instruction set, or words in it that are no instructions.
    """
    if program.instruction_set is not InstructionSet.OPEN:
        raise ProgramUnsupported(
            f"{program.source} is in the vendor's instruction set, which is not public",
            hint="only programs in the open instruction set can be disassembled",
        )
    banks = {(bank.core, bank.kind, bank.index): bank for bank in program.banks if bank.words.size}
    codes = [_decode(program, bank) for bank in banks.values() if bank.kind is MemoryKind.IM]
    codes.sort(key=lambda code: code.number)
    threads = {code.number: _threads(program, code.number, banks) for code in codes}
    labels = _labels(program, codes, threads)
    return Assembly(
        program.name,
        program.chip,
        tuple(_core(program, code, labels, threads[code.number]) for code in codes),
        _inputs(program, labels),
        _outputs(program),
    )


def _decode(program: Program, bank: BankImage) -> _Code:
    words = bank.words.tolist()
    if not is_open_isa(words[0]):
        raise ProgramUnsupported(f"{program.source}: core {bank.core} does not begin with the mark")
    found = []
    pc = FIRST_PC
    while pc < len(words):
        fits = pc + (words[pc] >> 62) < len(words)
        instruction = decode(words, pc) if fits else None
        if instruction is None:
            raise ProgramUnsupported(
                f"{program.source}: core {bank.core}, pc {pc}: 0x{words[pc]:016x} is no "
                "instruction",
                hint="the file is damaged, or holds data in its instruction memory",
            )
        found.append((pc, instruction))
        pc += instruction.length
    return _Code(bank.core, tuple(found))


def _threads(
    program: Program, core: int, banks: Mapping[tuple[int, MemoryKind, int], BankImage]
) -> dict[int, tuple[int, int, int]]:
    """Give (pc, needs, missing) of every thread that the images name."""
    entries, scores = (_whole(banks, core, kind) for kind in (MemoryKind.PB, MemoryKind.SB))
    found = {}
    for number in range(N_THREADS):
        pc, score = int(entries[number]), int(scores[number])
        if not pc and not score:
            continue
        needs, missing = score >> 5 & 31, score & 31
        if score & ~_SCORE_BITS or not needs:
            raise ProgramUnsupported(
                f"{program.source}: core {core}, thread {number}: score 0x{score:x}, expected how "
                "many signals it needs and how many are missing"
            )
        found[number] = (pc, needs, missing)
    return found


def _whole(
    banks: Mapping[tuple[int, MemoryKind, int], BankImage], core: int, kind: MemoryKind
) -> DWords:
    words = np.zeros(N_THREADS, np.uint64)
    bank = banks.get((core, kind, 0))
    if bank is not None:
        words[: bank.words.size] = bank.words
    return words


def _labels(
    program: Program,
    codes: Iterable[_Code],
    threads: Mapping[int, Mapping[int, tuple[int, int, int]]],
) -> dict[tuple[int, int], str]:
    """Name every place that something goes to."""
    places: set[tuple[int, int]] = set()
    known: set[tuple[int, int]] = set()
    for code in codes:
        known |= {(code.number, pc) for pc, _ in code.instructions}
        for _, instruction in code.instructions:
            if instruction.op in _JUMPS:
                places.add((code.number, instruction.fields["b"]))
            elif instruction.op is Op.POST:
                places.add((instruction.fields["core"], instruction.fields["b"]))
        places |= {(code.number, pc) for pc, _, _ in threads[code.number].values()}
    spec = program.iospec
    for vector in spec.inputs.values() if spec else ():
        places.add((vector.core_id or 0, vector.pc or 0))
    return {(core, pc): f"core{core}_{pc}" for core, pc in sorted(places & known)}


def _core(
    program: Program,
    code: _Code,
    labels: Mapping[tuple[int, int], str],
    threads: Mapping[int, tuple[int, int, int]],
) -> Core:
    lines = tuple(
        Line(
            instruction,
            (labels[code.number, pc],) if (code.number, pc) in labels else (),
            _references(code.number, instruction, labels),
        )
        for pc, instruction in code.instructions
    )
    found = []
    for number, (pc, needs, missing) in threads.items():
        label = labels.get((code.number, pc))
        if label is None:
            raise ProgramUnsupported(
                f"{program.source}: core {code.number}, thread {number} begins at pc {pc}, where "
                "no instruction begins"
            )
        found.append(Thread(number, f"thread{number}", label, needs, missing))
    return Core(
        code.number,
        lines,
        tuple(_symbols(program, code.number)),
        tuple(_tables(program, code.number)),
        tuple(found),
    )


def _references(
    core: int, instruction: Instruction, labels: Mapping[tuple[int, int], str]
) -> dict[str, Reference]:
    target = None
    if instruction.op in _JUMPS:
        target = (core, instruction.fields["b"])
    elif instruction.op is Op.POST:
        target = (instruction.fields["core"], instruction.fields["b"])
    label = labels.get(target) if target else None
    return {"b": Reference(label)} if label else {}


def _symbols(program: Program, core: int) -> Iterable[Symbol]:
    region = get_chip(program.chip).map.region(core, MemoryKind.DM, 0)
    for bank in _banks(program, core, MemoryKind.DM):
        values = bank.words.view(np.int64)
        address = bank.index * region.n_dwords
        yield Symbol(f"dm{bank.index}", address, Type.I64, values.size, Role.STATE, values)


def _tables(program: Program, core: int) -> Iterable[Table]:
    region = get_chip(program.chip).map.region(core, MemoryKind.TM, 0)
    for bank in _banks(program, core, MemoryKind.TM):
        if int(bank.words.max()) > 0xFFFF:
            raise ProgramUnsupported(
                f"{program.source}: core {core} TM{bank.index} holds more than 16 bits in a word"
            )
        values = bank.words.astype(np.uint16).view(np.int16).astype(np.int64)
        yield Table(f"tm{bank.index}", bank.index * region.n_dwords, wide=False, content=values)


def _banks(program: Program, core: int, kind: MemoryKind) -> list[BankImage]:
    own = [bank for bank in program.banks if (bank.core, bank.kind) == (core, kind)]
    ordered = sorted(own, key=lambda bank: bank.index)
    return [next(group) for _, group in groupby(ordered, lambda bank: bank.index)]


def _inputs(program: Program, labels: Mapping[tuple[int, int], str]) -> tuple[Input, ...]:
    spec = program.iospec
    found = []
    for vector in spec.inputs.values() if spec else ():
        core, pc = vector.core_id or 0, vector.pc or 0
        label = labels.get((core, pc))
        if label is None:
            raise ProgramUnsupported(
                f"{program.source}: input {vector.varname!r} begins at pc {pc} of core {core}, "
                "where no instruction begins"
            )
        found.append(Input(vector.varname, core, label, vector.words))
    return tuple(found)


def _outputs(program: Program) -> tuple[Output, ...]:
    spec = program.iospec
    vectors = spec.outputs.values() if spec else ()
    return tuple(Output(item.varname, item.mailbox_id or 0, item.words) for item in vectors)
