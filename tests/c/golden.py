"""Golden models, compiled, as cases: images, messages of frames, and what must come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.packing import pack_elements, pad_elements, unpack_elements
from hostrt.chip import get_chip
from hostrt.errors import ProgramUnsupported
from hostrt.fasmir.compile import compile_model
from hostrt.fqir.load import load_model
from tests.c.cases import Action, Case, Core, Drained, Message, blank

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from firmware_protocol.iospec import IOSpec, Vector
    from hostrt.program.model import Program
    from tests.c.cases import Result

_BANKED = {MemoryKind.IM: "im", MemoryKind.DM: "dm", MemoryKind.TM: "tm"}


@dataclass(frozen=True)
class Golden:
    """A compiled model.

    Attributes:
        case: one message per input and frame; output is read after each frame.
        iospec: where messages come from and go.
        outputs: expected integers by name, int64 (frames, n).
    """

    case: Case
    iospec: IOSpec
    outputs: dict[str, NDArray[np.int64]]


def golden_folders(data: Path) -> list[Path]:
    """Give the folders of golden models."""
    return sorted(path.parent for path in (data / "fqir").glob("*/model.pt"))


def compile_golden(
    folder: Path, chip: str, n_frames: int, n_cores: int | None = None
) -> Golden | None:
    """Compile a golden model; None when the compiler says that the chip cannot have it."""
    try:
        compiled = compile_model(load_model(folder / "model.pt"), chip=chip, cores=n_cores)
    except ProgramUnsupported:
        return None
    spec = compiled.iospec
    with np.load(folder / "inputs.npz") as file:
        inputs = {name: file[f"i{i}"][:n_frames] for i, name in enumerate(spec.inputs)}
    with np.load(folder / "outputs.npz") as file:
        outputs = {name: file[f"o{i}"][:n_frames] for i, name in enumerate(spec.outputs)}
    actions: list[Action] = []
    for frame in range(n_frames):
        for name, where in sorted(spec.inputs.items(), key=lambda it: it[0] not in spec.latched):
            assert where.pc is not None
            assert where.core_id is not None
            words = pack_elements(
                pad_elements(inputs[name][frame].reshape(-1), where.precision), where.precision
            )
            actions.append(Message((where.pc << 32 | where.core_id, *words.tolist())))
        actions.append(Drained())
    cores_of_chip = program_cores(compiled.program, chip)
    return Golden(Case(cores_of_chip, actions), spec, outputs)


def program_cores(program: Program, chip: str) -> list[Core]:
    """Give the cores of a chip with a program in them; banks without an image are off."""
    chip_map = get_chip(chip).map
    cores = []
    for number in range(chip_map.n_cores):
        sizes = dict.fromkeys(_BANKED, 0)
        for region in chip_map.regions:
            if region.core == number and region.kind in sizes:
                sizes[region.kind] += region.n_dwords
        im, dm, tm = (blank(sizes[kind]) for kind in _BANKED)
        core = Core(im, dm, tm, im_power=0, dm_power=0, tm_power=0)
        for bank in program.banks:
            if bank.core != number:
                continue
            if bank.kind not in _BANKED:
                getattr(core, bank.kind.lower())[: bank.words.size] = bank.words
                continue
            name = _BANKED[bank.kind]
            size = getattr(core, f"{name}_bank")
            first = bank.index * size
            getattr(core, name)[first : first + bank.words.size] = bank.words
            used = range(first // size, -(-(first + bank.words.size) // size))
            power = getattr(core, f"{name}_power") | sum(1 << i for i in used)
            setattr(core, f"{name}_power", power)
        cores.append(core)
    return cores


def frames_of(golden: Golden, result: Result) -> dict[str, NDArray[np.int64]]:
    """Take the outputs of all frames, int64 (frames, n) by name."""
    by_mailbox = {spec.mailbox_id: (name, spec) for name, spec in golden.iospec.outputs.items()}
    found: dict[str, list[NDArray[np.int64]]] = {name: [] for name in golden.outputs}
    for outcome in result.outcomes:
        for header, words in outcome.outputs:
            assert header & 0xFFFF_FFFF == 0x1F, (hex(header), words)
            name, spec = by_mailbox[header >> 32]
            found[name].append(_elements(words, spec))
    return {name: np.array(rows) for name, rows in found.items()}


def _elements(words: tuple[int, ...], spec: Vector) -> NDArray[np.int64]:
    return unpack_elements(np.array(words, np.uint64), spec.precision, spec.length).astype(np.int64)
