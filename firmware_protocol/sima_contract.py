"""The contract of a SiMa bundle (`*_mpk.json`) as typed values (sima-bundle 3).

`parse_contract` reads the fields; `sima_topology` and `sima_kernels` say whether they agree.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from firmware_protocol.errors import FormatError
from firmware_protocol.members import name_fault, printable_name

if TYPE_CHECKING:
    from collections.abc import Mapping

Shape: TypeAlias = tuple[int, ...]

DTYPE_BYTES = {
    "int8": 1, "uint8": 1, "int16": 2, "int32": 4, "bfloat16": 2, "float16": 2, "float32": 4,
    "bf16": 2, "fp16": 2, "fp32": 4,
}  # fmt: skip
"""Bytes per element of the data types whose size is known; names in lower case."""

_MAX_RANK = 16
_MAX_SIZE = 1 << 48
_MAX_NUMBER = 1e300
_PROGRAM_SUFFIXES = {"MLA": (".lm", ".elf"), "A65": (".so",)}


class Processor(StrEnum):
    """Where a stage runs."""

    EV74 = "EV74"
    MLA = "MLA"
    A65 = "A65"


@dataclass(frozen=True, slots=True)
class Node:
    """A buffer that a stage takes or gives.

    Attributes:
        name: an input has the name of the output that it takes.
        size: bytes of a whole batch.
        shape: logical shape, batch first, or None.
        dtype: data type as written, or None.
        input_range: lowest and highest value of the calibration data, or None.
    """

    name: str
    size: int
    shape: Shape | None = None
    dtype: str | None = None
    input_range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames per invocation: what was asked of the compiler and what it built."""

    desired: int
    actual: int

    @property
    def met(self) -> bool:
        """True when the compiler built what was asked for."""
        return self.desired == self.actual


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline.

    Attributes:
        sequence: place in the order of execution, from 1.
        kernel: EV74 kernel, else None.
        params: the kernel's parameters, plain types.
        batch: None in old contracts for EV74 and A65.
        quads: MLA quads given to the program, else None.
        executable: member that holds the program; a placeholder for EV74.
        config: all of `config_params`, plain types.
    """

    name: str
    sequence: int
    processor: Processor
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    kernel: str | None
    params: Mapping[str, object]
    batch: Batch | None
    quads: int | None
    executable: str | None
    config: Mapping[str, object]


class Fields:
    """A JSON object being read; every fault names its place in the document."""

    def __init__(self, tree: object, file: str, place: str) -> None:
        self.file = file
        self.place = place
        if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
            raise self.fault(None, tree, "an object")
        self.tree: dict[str, object] = tree

    def fault(self, key: str | None, found: object, expected: str) -> FormatError:
        """Make the error for `key` (None: the object itself)."""
        place = ".".join(part for part in (self.place, key) if part)
        return FormatError(self.file, None, f"{place or 'root'} {_shown(found)}", expected)

    def text(self, key: str) -> str:
        """A string that is not empty and printable: it ends up in messages and reports."""
        value = self.tree.get(key)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self.fault(key, value, "a printable text")
        return value

    def optional_text(self, key: str) -> str | None:
        """A printable string, or None when missing or null."""
        value = self.tree.get(key)
        if value is not None and not (isinstance(value, str) and value.isprintable()):
            raise self.fault(key, value, "a printable text")
        return value

    def positive(self, key: str) -> int:
        """An integer of 1 or more."""
        value = self.tree.get(key)
        if type(value) is not int or not 1 <= value <= _MAX_SIZE:
            raise self.fault(key, value, "a whole number of 1 or more")
        return value

    def items(self, key: str) -> list[object]:
        """A list that is not empty."""
        value = self.tree.get(key)
        if not isinstance(value, list) or not value:
            raise self.fault(key, value, "a list with at least one entry")
        return value

    def within(self, key: str) -> Fields:
        """The object under `key`, {} when missing."""
        return Fields(self.tree.get(key, {}), self.file, f"{self.place}.{key}".lstrip("."))

    def shape(self, key: str) -> Shape | None:
        """A list of positive integers, or None when missing or null."""
        value = self.tree.get(key)
        return None if value is None else as_shape(value, self, key)


def _shown(found: object) -> str:
    if isinstance(found, str):
        return printable_name(found)
    try:
        return printable_name(reprlib.repr(found))
    except ValueError:  # Python refuses to write out numbers of thousands of digits
        return f"a {type(found).__name__} with a huge number"


def as_shape(value: object, fields: Fields, key: str) -> Shape:
    """Take a shape: a list of integers of 1 or more."""
    if (
        not isinstance(value, list)
        or len(value) > _MAX_RANK
        or not all(type(n) is int and 0 < n <= _MAX_SIZE for n in value)
    ):
        raise fields.fault(key, value, "a shape")
    return tuple(value)


def parse_node(tree: object, file: str, place: str) -> Node:
    """Take one entry of `input_nodes` or `output_nodes`.

    Raises:
        FormatError: a field of the wrong kind.
    """
    fields = Fields(tree, file, place)
    dtypes = [fields.optional_text(key) for key in ("logical_dtype", "dtype", "scalar")]
    dtype = next((text for text in dtypes if text), None)
    shape = fields.shape("logical_shape")
    return Node(
        fields.text("name"),
        fields.positive("size"),
        fields.shape("shape") if shape is None else shape,
        dtype,
        _input_range(fields),
    )


def parse_stage(tree: object, file: str, place: str) -> Stage:
    """Take one entry of `plugins`.

    Raises:
        FormatError: a field missing or of the wrong kind.
    """
    fields = Fields(tree, file, place)
    name = fields.text("name")
    fields.place = place = f"{place} ({name[:40]})"
    config = fields.within("config_params")
    processor = _processor(fields)
    kernel = config.text("kernel") if processor is Processor.EV74 else None
    return Stage(
        name,
        fields.positive("sequence"),
        processor,
        _nodes(fields, "input_nodes"),
        _nodes(fields, "output_nodes"),
        kernel,
        MappingProxyType(config.within("params").tree),
        _batch(config, required=processor is Processor.MLA),
        config.positive("number_of_quads_to_user") if processor is Processor.MLA else None,
        _executable(fields, processor),
        MappingProxyType(config.tree),
    )


def _nodes(fields: Fields, key: str) -> tuple[Node, ...]:
    return tuple(
        parse_node(item, fields.file, f"{fields.place}.{key}[{at}]")
        for at, item in enumerate(fields.items(key))
    )


def _processor(fields: Fields) -> Processor:
    text = fields.text("processor")
    # The plugin configurations beside the contract call the EV74 "CVU".
    text = "EV74" if text == "CVU" else text
    if text not in Processor.__members__:
        raise fields.fault("processor", text, "EV74, MLA or A65")
    return Processor(text)


def _batch(config: Fields, *, required: bool) -> Batch | None:
    keys = ("desired_batch_size", "actual_batch_size")
    if not required and not any(key in config.tree for key in keys):
        return None
    return Batch(config.positive(keys[0]), config.positive(keys[1]))


def _executable(fields: Fields, processor: Processor) -> str | None:
    """`resources.executable`: the name of a member, never a path."""
    resources = fields.within("resources")
    if processor is Processor.EV74:
        return resources.optional_text("executable")
    name = resources.text("executable")
    fault = "a path" if "/" in name else name_fault(name)
    if fault:
        raise resources.fault("executable", name, f"a member name (this is {fault})")
    suffixes = _PROGRAM_SUFFIXES[processor]
    if not name.endswith(suffixes):
        raise resources.fault("executable", name, f"a name ending in {' or '.join(suffixes)}")
    return name


def _input_range(fields: Fields) -> tuple[float, float] | None:
    value = fields.tree.get("input_range")
    if value is None:
        return None
    numbers = value if isinstance(value, list) else []
    limits = [float(n) for n in numbers if type(n) in (int, float) and abs(n) < _MAX_NUMBER]
    if len(numbers) != 2 or len(limits) != 2 or limits[0] > limits[1]:
        raise fields.fault("input_range", value, "[lowest, highest]")
    return limits[0], limits[1]
