"""`metadata.yaml` beside memory images (program file reference 4), as a value.

The YAML text itself is parsed elsewhere; here come and go plain trees and finished text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firmware_protocol.errors import FormatError
from firmware_protocol.images import BankSizes
from firmware_protocol.trees import as_int, as_int_map, as_map, as_named, as_text, int_key
from firmware_protocol.yamltext import format_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRECISIONS: Mapping[object, int] = {8: 8, 16: 16, "8": 8, "16": 16, "STD": 8, "DBL": 16}
_DTYPES = {"V8": "V8", "V16": "V16", "V_S": "V8", "V_D": "V16"}
_SIZES = ("data_bank_sizes", "table_bank_sizes")
_PADDINGS = ("fqir_input_padding", "fqir_output_padding")
_VECTORS = (("inputs", "pc_val"), ("outputs", "mailbox_id"))
_SALT = "encryption_key_salt"
_COUNTS = "inst_counts"


@dataclass(frozen=True, slots=True)
class MetaVector:
    """One input or output.

    Attributes:
        core: core that takes or gives it.
        place: program counter of an input, mailbox of an output.
        len_64b_words: 64-bit words on the wire.
        precision: bits per element, 8 or 16.
        dtype: V8 or V16.
        extra: keys that this version does not know.
    """

    core: int
    place: int
    len_64b_words: int
    precision: int
    dtype: str
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Padding:
    """Elements of a vector in the model (`fqir`) and on the chip (`fasmir`)."""

    fqir: int
    fasmir: int


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the compiler says about its images.

    Attributes:
        sizes: used words per bank and instructions per core.
        inputs: by name.
        outputs: by name.
        salt: 64-bit encryption salt.
        input_padding: by name, None when not stated.
        output_padding: by name, None when not stated.
        extra: keys that this version does not know.
    """

    sizes: BankSizes
    inputs: Mapping[str, MetaVector]
    outputs: Mapping[str, MetaVector]
    salt: int = 0
    input_padding: Mapping[str, Padding] | None = None
    output_padding: Mapping[str, Padding] | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


def metadata_from_tree(tree: object, *, name: str = "metadata.yaml") -> Metadata:
    """Read what a YAML loader gave; the old spellings STD/DBL and V_S/V_D are understood.

    Raises:
        FormatError: a required key is missing or a value has the wrong type or range.
    """
    top = as_named(tree, "top level", name)
    for key in (*_SIZES, _COUNTS, "inputs", "outputs"):
        if key not in top:
            raise FormatError(name, None, f"no key {key}", "it at top level")
    data, table = (
        {
            int_key(core, key, name): as_int_map(banks, f"{key}.{core}", name)
            for core, banks in as_map(top.pop(key), key, name).items()
        }
        for key in _SIZES
    )
    counts = as_int_map(top.pop(_COUNTS), _COUNTS, name)
    if sorted(counts) != list(range(len(counts))):
        raise FormatError(name, None, f"cores {sorted(counts)} in {_COUNTS}", "0, 1, ... in use")
    inputs, outputs = (_vectors(top.pop(key), key, place, name) for key, place in _VECTORS)
    salt = as_int(top.pop(_SALT, 0), _SALT, name)
    paddings = [_paddings(top.pop(key, None), key, name) for key in _PADDINGS]
    sizes = BankSizes(data, table, counts)
    return Metadata(sizes, inputs, outputs, salt, paddings[0], paddings[1], top)


def _vectors(value: object, section: str, place_key: str, name: str) -> dict[str, MetaVector]:
    return {
        key: _vector(as_named(entry, f"{section}.{key}", name), f"{section}.{key}", place_key, name)
        for key, entry in as_named(value, section, name).items()
    }


def _vector(entry: dict[str, object], where: str, place_key: str, name: str) -> MetaVector:
    numbers = {}
    for key, most in (("core", 255), (place_key, 2**32 - 1), ("len_64b_words", 2**32 - 1)):
        numbers[key] = as_int(entry.pop(key, None), f"{where}.{key}", name, most=most)
    found = entry.pop("precision", None)
    precision = _PRECISIONS.get(found) if isinstance(found, int | str) else None
    if precision is None:
        raise FormatError(name, None, f"precision {found!r} at {where}", "8 or 16")
    spelled = as_text(entry.pop("dtype", f"V{precision}"), f"{where}.dtype", name)
    dtype = _DTYPES.get(spelled)
    if dtype is None:
        raise FormatError(name, None, f"dtype {spelled!r} at {where}", "V8 or V16")
    core, place, words = numbers.values()
    return MetaVector(core, place, words, precision, dtype, entry)


def _paddings(value: object, section: str, name: str) -> dict[str, Padding] | None:
    if value is None:
        return None
    out = {}
    for key, entry in as_named(value, section, name).items():
        where = f"{section}.{key}"
        sides = as_named(entry, where, name)
        pair = [as_int(sides.get(side), f"{where}.{side}", name) for side in ("fqir", "fasmir")]
        out[key] = Padding(*pair)
    return out


def metadata_to_tree(metadata: Metadata) -> dict[str, object]:
    """Give the plain tree in the compiler's key order."""
    sizes = metadata.sizes
    tree: dict[str, object] = {
        "data_bank_sizes": {core: dict(banks) for core, banks in sizes.data.items()},
        "table_bank_sizes": {core: dict(banks) for core, banks in sizes.table.items()},
        "inst_counts": dict(sizes.instructions),
    }
    sections = (metadata.inputs, metadata.outputs)
    for (section, place_key), vectors in zip(_VECTORS, sections, strict=True):
        tree[section] = {
            name: {
                "core": vector.core,
                place_key: vector.place,
                "len_64b_words": vector.len_64b_words,
                "precision": vector.precision,
                "dtype": vector.dtype,
                **vector.extra,
            }
            for name, vector in vectors.items()
        }
    paddings = (metadata.input_padding, metadata.output_padding)
    for section, padding in zip(_PADDINGS, paddings, strict=True):
        if padding is not None:
            tree[section] = {
                name: {"fqir": pair.fqir, "fasmir": pair.fasmir} for name, pair in padding.items()
            }
    tree[_SALT] = metadata.salt
    return tree | dict(metadata.extra)


def format_metadata(metadata: Metadata) -> str:
    """Write `metadata.yaml` as the compiler does."""
    return format_tree(metadata_to_tree(metadata))
