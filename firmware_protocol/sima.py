"""SiMa bundles: the contract as a whole and whether its stages fit together (sima-bundle 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_protocol.errors import FormatError
from firmware_protocol.sima_contract import (
    DTYPE_BYTES,
    Batch,
    Fields,
    Node,
    Processor,
    Stage,
    parse_node,
    parse_stage,
)
from firmware_protocol.sima_kernels import check_kernel
from firmware_protocol.sima_stats import LayerCycles, SegmentStats, parse_stats

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Batch",
    "Contract",
    "LayerCycles",
    "Node",
    "Processor",
    "SegmentStats",
    "Stage",
    "parse_contract",
    "parse_stats",
]

_PUBLISH = "pass_through"
_STAGE_TYPE = "sgpProcess"


@dataclass(frozen=True, slots=True)
class Contract:
    """What a bundle promises.

    Attributes:
        model: model name.
        model_path: source file of the model, or None.
        model_checksum: of the source file, algorithm unknown, or None.
        sdk: version of the compiler's SDK, or None.
        inputs: inputs of the model.
        stages: in order of execution; at least one runs on the MLA.
        outputs: what the model gives.
        batch: of the MLA stages; sizes are for `batch.actual` frames.
        warnings: what is odd and yet usable, one line each.
    """

    model: str
    model_path: str | None
    model_checksum: str | None
    sdk: str | None
    inputs: tuple[Node, ...]
    stages: tuple[Stage, ...]
    outputs: tuple[Node, ...]
    batch: Batch
    warnings: tuple[str, ...]

    def on(self, processor: Processor) -> tuple[Stage, ...]:
        """The stages that run on `processor`."""
        return tuple(stage for stage in self.stages if stage.processor is processor)


def parse_contract(tree: object, name: str) -> Contract:
    """Check and take a parsed contract.

    Args:
        tree: plain types as a JSON reader gives them.
        name: file name for messages.

    Raises:
        FormatError: a field of the wrong kind, or stages that do not fit together.
    """
    root = Fields(tree, name, "")
    inputs = tuple(
        parse_node(item, name, f"input_nodes[{at}]")
        for at, item in enumerate(root.items("input_nodes"))
    )
    plugins = root.items("plugins")
    stages = tuple(
        sorted(
            (parse_stage(item, name, f"plugins[{at}]") for at, item in enumerate(plugins)),
            key=lambda stage: stage.sequence,
        )
    )
    sdk = root.optional_text("model_sdk_version")
    _check_stages(stages, name)
    batch = _mla_batch(stages, name)
    _check_sizes(inputs, stages, batch.actual, name)
    outputs = _check_flow(inputs, stages, name, sdk)
    warnings = [*_batch_warnings(stages, batch), *_type_warnings(plugins)]
    for stage in stages:
        warnings += check_kernel(stage, name, batch.actual)
    return Contract(
        root.text("name"),
        root.optional_text("model_path"),
        root.optional_text("model_checksum"),
        sdk,
        inputs,
        stages,
        outputs,
        batch,
        tuple(warnings),
    )


def _check_stages(stages: tuple[Stage, ...], file: str) -> None:
    sequences = [stage.sequence for stage in stages]
    if sequences != list(range(1, len(stages) + 1)):
        raise FormatError(
            file, None, f"sequences {str(sequences)[:80]}", f"1 to {len(stages)}, each once"
        )  # fmt: skip
    names: set[str] = set()
    for stage in stages:
        if stage.name in names:
            raise FormatError(file, None, f"stage {stage.name[:80]!r} twice", "unique names")
        names.add(stage.name)


def _mla_batch(stages: tuple[Stage, ...], file: str) -> Batch:
    batches = {stage.batch for stage in stages if stage.processor is Processor.MLA and stage.batch}
    if not batches:
        raise FormatError(file, None, "no MLA stage", "at least one")
    if len(batches) > 1:
        found = sorted((batch.desired, batch.actual) for batch in batches)
        raise FormatError(file, None, f"MLA batches (desired, actual) {found}"[:120], "the same")
    return batches.pop()


def _check_sizes(
    inputs: tuple[Node, ...], stages: tuple[Stage, ...], batch: int, file: str
) -> None:
    for node in (*inputs, *(node for stage in stages for node in stage.outputs)):
        if node.size % batch:
            raise FormatError(
                file, None, f"{node.name[:80]} of {node.size} bytes", f"a multiple of batch {batch}"
            )
    for node in inputs:
        width = DTYPE_BYTES.get((node.dtype or "").lower())
        if node.shape is None or width is None:
            continue
        frame = math.prod(node.shape) * width
        if node.size not in {frame, frame * batch}:
            raise FormatError(
                file, None, f"input {node.name[:80]} of {node.size} bytes",
                f"{frame} bytes for shape {list(node.shape)} of {node.dtype}",
            )  # fmt: skip


def _check_flow(
    inputs: tuple[Node, ...], stages: tuple[Stage, ...], file: str, sdk: str | None
) -> tuple[Node, ...]:
    """Follow every buffer from producer to consumer; give the outputs of the model."""
    produced: dict[str, Node] = {}
    consumed: set[str] = set()
    _produce(inputs, "the model's inputs", produced, file)
    for stage in stages:
        for node in stage.inputs:
            _consume(node, stage, produced, file)
            consumed.add(node.name)
        # A stage that publishes gives buffers that may keep the name they came in with.
        published = stage is stages[-1] and stage.kernel == _PUBLISH
        _produce(stage.outputs, stage.name, {} if published else produced, file)
    loose = tuple(node for node in produced.values() if node.name not in consumed)
    outputs = _published(stages, file, sdk)
    if outputs and loose:
        raise FormatError(file, None, f"{loose[0].name[:80]} is never used", "every buffer used")
    return outputs or _unconsumed(loose, inputs, file)


def _produce(nodes: Iterable[Node], who: str, produced: dict[str, Node], file: str) -> None:
    for node in nodes:
        if node.name in produced:
            raise FormatError(
                file, None, f"a second buffer {node.name[:80]!r} from {who[:80]}", "unique names"
            )
        produced[node.name] = node


def _consume(node: Node, stage: Stage, produced: dict[str, Node], file: str) -> None:
    source = produced.get(node.name)
    if source is None:
        raise FormatError(
            file, None, f"stage {stage.name[:80]} takes {node.name[:80]!r}",
            "the output of an earlier stage",
        )  # fmt: skip
    if source.size != node.size:
        raise FormatError(
            file, None, f"stage {stage.name[:80]} takes {node.size} bytes of {node.name[:80]}",
            f"{source.size}, as produced",
        )  # fmt: skip


def _published(stages: tuple[Stage, ...], file: str, sdk: str | None) -> tuple[Node, ...]:
    """Outputs of the last stage if it publishes; () in old contracts that have none."""
    publishers = [stage for stage in stages if stage.kernel == _PUBLISH]
    if publishers == [stages[-1]]:
        return stages[-1].outputs
    major = (sdk or "").partition(".")[0]
    if publishers or (major.isdecimal() and int(major[:9]) >= 2):
        raise FormatError(
            file, None, f"pass_through in stages {[stage.sequence for stage in publishers][:9]}",
            f"one, in stage {len(stages)}",
        )  # fmt: skip
    return ()


def _unconsumed(loose: tuple[Node, ...], inputs: tuple[Node, ...], file: str) -> tuple[Node, ...]:
    unused = [node.name for node in loose if node in inputs]
    if unused:
        raise FormatError(file, None, f"input {unused[0][:80]} is never used", "every buffer used")
    if not loose:
        raise FormatError(file, None, "no output", "a buffer that no stage takes")
    return loose


def _batch_warnings(stages: tuple[Stage, ...], batch: Batch) -> Iterable[str]:
    if not batch.met:
        yield (
            f"batch {batch.desired} was asked for, {batch.actual} was built: every invocation "
            f"takes {batch.actual} frames"
        )
    for stage in stages:
        if stage.batch not in (None, batch):
            yield (
                f"{stage.name}: batch {stage.batch.desired} asked for, {stage.batch.actual} built, "
                f"unlike the MLA's {batch.desired} and {batch.actual}"
            )


def _type_warnings(plugins: list[object]) -> Iterable[str]:
    for at, plugin in enumerate(plugins):
        kind = plugin.get("type", _STAGE_TYPE) if isinstance(plugin, dict) else _STAGE_TYPE
        if kind != _STAGE_TYPE:
            yield f"plugins[{at}]: type {ascii(kind)[:40]} is not known, only {_STAGE_TYPE} is"
