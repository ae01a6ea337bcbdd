"""SiMa bundles (`*_mpk.tar.gz`): what a compiler made for MLA, EV74 and A65, read in memory.

Nothing is extracted, loaded or run: the host modules (`.so`) and the archived compile script are
data here. Layout and rules: sima-bundle.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from firmware_protocol.sima import Processor, parse_contract, parse_stats
from hostrt.errors import ProgramCorrupt, UsageError
from hostrt.program.archive import read_tar_gz
from hostrt.program.intake import Budgets, Source, format_faults, over_budget
from hostrt.program.jsondoc import load_json
from hostrt.program.yamldoc import load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firmware_protocol.sima import Batch, Contract, LayerCycles, Node, SegmentStats, Stage
    from hostrt.program.archive import Archive

_CONTRACT_ENDING, _CONTRACT_NAME = "_mpk.json", "mpk.json"
_STATS_ENDINGS = ("_mla_stats.yaml", "_mla_stats.yml")
_SCRIPT_START = "archived_compile_script."
_NAMES_SHOWN = 3


class MemberClass(StrEnum):
    """What a member of a bundle is for."""

    CONTRACT = "contract"
    MLA_PROGRAM = "MLA program"
    STATISTICS = "statistics"
    HOST_MODULE = "host module"
    CONFIGURATION = "configuration"
    SCRIPT = "compile script"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a bundle; `size` in bytes, `sha256` hexadecimal."""

    name: str
    size: int
    sha256: str
    member_class: MemberClass


@dataclass(frozen=True, slots=True)
class Segment:
    """One MLA program: its stage, the member that holds it, its schedule (None: no statistics)."""

    stage: Stage
    member: str
    stats: SegmentStats | None


@dataclass(frozen=True, slots=True)
class LayerTime:
    """How long one layer takes at a given clock; a static schedule without memory stalls."""

    name: str
    cycles: int
    time_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle that passed every check.

    Attributes:
        archive: the files themselves.
        contract_name: member that holds the contract.
        contract: the contract.
        members: what the files are, in archive order.
        segments: MLA programs in order of execution, at least one.
        warnings: what is odd and yet usable, one line each.
    """

    archive: Archive
    contract_name: str
    contract: Contract
    members: tuple[Member, ...]
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...]

    @property
    def batch(self) -> Batch:
        """Frames per invocation, asked for and built; `batch.actual` is the one to use."""
        return self.contract.batch

    @property
    def sdk(self) -> str | None:
        """Version of the compiler's SDK, or None when the contract does not say."""
        return self.contract.sdk

    @property
    def inputs(self) -> tuple[Node, ...]:
        """Inputs of the model; sizes are for a whole batch."""
        return self.contract.inputs

    @property
    def outputs(self) -> tuple[Node, ...]:
        """Outputs of the model; sizes are for a whole batch."""
        return self.contract.outputs

    @property
    def layers(self) -> tuple[LayerCycles, ...]:
        """Layers of all MLA programs in order of execution."""
        return tuple(layer for part in self.segments if part.stats for layer in part.stats.layers)

    @property
    def mla_cycles(self) -> int:
        """Sum of the cycles of all layers."""
        return sum(part.stats.cycles for part in self.segments if part.stats)

    @property
    def mla_span_cycles(self) -> int:
        """Sum over the MLA programs of first to last cycle."""
        return sum(part.stats.span_cycles for part in self.segments if part.stats)

    @property
    def mla_ifm_bytes_per_frame(self) -> int:
        """Bytes of one frame that go into the first MLA program."""
        return sum(node.size for node in self.segments[0].stage.inputs) // self.batch.actual

    @property
    def mla_ofm_bytes_per_frame(self) -> int:
        """Bytes of one frame that come out of the last MLA program."""
        return sum(node.size for node in self.segments[-1].stage.outputs) // self.batch.actual

    @property
    def fully_on_mla(self) -> bool:
        """True when one MLA program and no A65 stage make up the network."""
        return len(self.segments) == 1 and not self.contract.on(Processor.A65)

    def executables(self, processor: Processor) -> tuple[str, ...]:
        """Program members of the stages on `processor`, in order of execution; EV74 has none."""
        if processor is Processor.EV74:
            return ()
        return tuple(stage.executable or "" for stage in self.contract.on(processor))

    def invocations(self, n_frames: int) -> int:
        """Number of invocations for `n_frames` frames; the last one may be padded.

        Raises:
            UsageError: a negative number.
        """
        if n_frames < 0:
            raise UsageError(f"found {n_frames} frames, expected 0 or more")
        return -(-n_frames // self.batch.actual)

    def layer_times(self, clock_hz: float) -> tuple[LayerTime, ...]:
        """Times of all layers at an MLA clock of `clock_hz`, which no bundle states.

        Raises:
            UsageError: a clock that is not a positive, finite number.
        """
        if not (math.isfinite(clock_hz) and clock_hz > 0):
            raise UsageError(
                f"found an MLA clock of {clock_hz} Hz, expected a positive number",
                hint="give the clock of your board",
            )
        return tuple(
            LayerTime(layer.name, layer.cycles, layer.cycles / clock_hz) for layer in self.layers
        )

    def to_json(self) -> dict[str, object]:
        """Everything a reader finds, JSON-compatible; no times, since no clock is known."""
        batch = self.batch
        return {
            "verdict": "accept",
            "model": self.contract.model,
            "sdk": self.sdk,
            "contract": self.contract_name,
            "members": sorted(member.name for member in self.members),
            "sha256": {member.name: member.sha256 for member in self.members},
            "batch": {"desired": batch.desired, "actual": batch.actual, "met": batch.met},
            "inputs": [{"name": node.name, "bytes": node.size} for node in self.inputs],
            "outputs": [{"name": node.name, "bytes": node.size} for node in self.outputs],
            "stages": [
                [stage.sequence, stage.name, str(stage.processor), stage.kernel or stage.executable]
                for stage in self.contract.stages
            ],
            "executables": {
                str(processor): list(self.executables(processor))
                for processor in (Processor.MLA, Processor.A65)
            },
            "mla_ifm_bytes_per_frame": self.mla_ifm_bytes_per_frame,
            "mla_ofm_bytes_per_frame": self.mla_ofm_bytes_per_frame,
            "layers": [
                {
                    "index": layer.index,
                    "name": layer.name,
                    "start_cycle": layer.start_cycle,
                    "end_cycle": layer.end_cycle,
                    "cycles": layer.cycles,
                }
                for layer in self.layers
            ],
            "mla_cycles": self.mla_cycles,
            "mla_span_cycles": self.mla_span_cycles,
            "fully_on_mla": self.fully_on_mla,
            "archive_sha256": self.archive.sha256,
            "archive_bytes": self.archive.n_bytes,
            "warnings": list(self.warnings),
        }


def load_bundle(
    source: Source, budgets: Budgets | None = None, *, name: str | None = None
) -> Bundle:
    """Read a bundle, whatever its file is called.

    Args:
        source: path, or the bytes of the archive.
        budgets: limits; `json_bytes` holds for all JSON members together.
        name: name for messages when `source` is bytes.

    Raises:
        ProgramNotFound: the file is not there or cannot be read.
        ProgramCorrupt: a damaged archive, no or several contracts, a contract that contradicts
            itself or names members that are missing, faulty statistics.
        ProgramUnsafe: hostile members or a budget exceeded.
    """
    budgets = budgets or Budgets()
    archive = read_tar_gz(source, budgets, name=name)
    json_bytes = sum(size for member, size in archive.sizes().items() if member.endswith(".json"))
    if json_bytes > budgets.json_bytes:
        raise over_budget(archive.name, f"{json_bytes} bytes of JSON", budgets.json_bytes)
    contract_name = _contract_name(archive)
    place = f"{archive.name}:{contract_name}"
    tree = load_json(archive[contract_name], place, budgets)
    with format_faults(place):
        contract = parse_contract(tree, place)
    by_base = _by_base_name(archive)
    programs = {
        stage.name: _program(stage, by_base, archive)
        for stage in contract.stages
        if stage.processor is not Processor.EV74
    }
    segments = tuple(
        Segment(stage, programs[stage.name], _stats(programs[stage.name], archive, budgets))
        for stage in contract.on(Processor.MLA)
    )
    members = tuple(
        Member(member, len(data), hashlib.sha256(data).hexdigest(), _classify(member))
        for member, data in archive.items()
    )
    warnings = (
        *contract.warnings,
        *_odd_members(archive, by_base, set(programs.values())),
        *(
            f"{part.member}: no statistics, so no cycles for {part.stage.name}"
            for part in segments
            if part.stats is None
        ),
    )
    return Bundle(archive, contract_name, contract, members, segments, warnings)


def _base(name: str) -> str:
    return PurePosixPath(name).name


def _classify(name: str) -> MemberClass:
    base = _base(name)
    if base == _CONTRACT_NAME or base.endswith(_CONTRACT_ENDING):
        return MemberClass.CONTRACT
    if base.startswith(_SCRIPT_START):
        return MemberClass.SCRIPT
    if base.endswith(_STATS_ENDINGS):
        return MemberClass.STATISTICS
    by_suffix = {
        ".lm": MemberClass.MLA_PROGRAM,
        ".elf": MemberClass.MLA_PROGRAM,
        ".so": MemberClass.HOST_MODULE,
        ".json": MemberClass.CONFIGURATION,
    }
    return by_suffix.get(PurePosixPath(base).suffix, MemberClass.OTHER)


def _contract_name(archive: Archive) -> str:
    found = [name for name in archive if _classify(name) is MemberClass.CONTRACT]
    if len(found) != 1:
        names = f": {', '.join(found[:_NAMES_SHOWN])}" if found else ""
        raise ProgramCorrupt(
            f"{archive.name}: found {len(found)} contracts{names}, expected one member "
            f"named mpk.json or *{_CONTRACT_ENDING}",
            hint="is this the compiler's output? project.mpk is another thing",
            file=archive.name,
        )
    return found[0]


def _by_base_name(archive: Archive) -> dict[str, list[str]]:
    by_base: dict[str, list[str]] = {}
    for name in archive:
        by_base.setdefault(_base(name), []).append(name)
    return by_base


def _program(stage: Stage, by_base: dict[str, list[str]], archive: Archive) -> str:
    """The member that holds the program of a stage."""
    wanted = stage.executable or ""
    found = by_base.get(wanted, [])
    if len(found) != 1 or not archive[found[0]]:
        what = "an empty member" if len(found) == 1 else f"{len(found)} members"
        raise ProgramCorrupt(
            f"{archive.name}: stage {stage.name} runs {wanted!r}: found {what} of that name, "
            "expected one program",
            hint="compile the model again", file=archive.name, member=wanted,
        )  # fmt: skip
    return found[0]


def _stats(program: str, archive: Archive, budgets: Budgets) -> SegmentStats | None:
    """The statistics beside an MLA program: same name, `_stats.yaml` for the suffix."""
    stem = str(PurePosixPath(program).with_suffix(""))
    names = [name for name in (f"{stem}_stats.yaml", f"{stem}_stats.yml") if name in archive]
    if not names:
        # A contract may name its program freely; a lone pair still belongs together.
        everything = [name for name in archive if _classify(name) is MemberClass.STATISTICS]
        programs = [name for name in archive if _classify(name) is MemberClass.MLA_PROGRAM]
        names = everything if len(everything) == len(programs) == 1 else []
    if not names:
        return None
    place = f"{archive.name}:{names[0]}"
    tree = load_yaml(archive[names[0]], place, max_bytes=budgets.yaml_bytes)
    with format_faults(place):
        return parse_stats(tree, place)


def _odd_members(archive: Archive, by_base: dict[str, list[str]], used: set[str]) -> Iterable[str]:
    for base, names in by_base.items():
        if len(names) > 1:
            yield f"{base}: {len(names)} members of that name in different folders"
    for name in archive:
        runs = _classify(name) in {MemberClass.MLA_PROGRAM, MemberClass.HOST_MODULE}
        if runs and name not in used:
            yield f"{name}: no stage of the contract runs this program"
    classes = Counter(map(_classify, archive))
    if classes[MemberClass.SCRIPT]:
        yield "the archived compile script is kept as data and never run"
