"""The pickle machine: what it reads is what Python's pickler wrote."""

from __future__ import annotations

import contextlib
import math
import pickle
import pickletools
import string
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import ProgramError
from hostrt.fqir.limits import Limits
from hostrt.fqir.pickle_instructions import HANDLERS
from hostrt.fqir.pickle_opcodes import OPCODE_NAMES
from hostrt.fqir.reading import read_root
from hostrt.fqir.standins import PickledArray, PickledSet
from tests.fqir.assemble import array, call, dtype, dump, instance, op, raw, small, text, u4, u8

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROTOCOLS = [2, 3, 4, 5]
TYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "f4", "f8"]

whole = st.integers(-(1 << 127), (1 << 127) - 1)
leaves = (
    st.none() | st.booleans() | whole | st.floats(allow_nan=False) | st.text() | st.binary()
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(), inner)
    ),
    max_leaves=20,
)  # fmt: skip


def read(data: bytes) -> Any:
    """Read a bare pickle."""
    root, left = read_root(data, "test", Limits())
    assert left < Limits().memory_bytes
    return root


@settings(max_examples=100, deadline=None)
@given(value=values, protocol=st.sampled_from(PROTOCOLS))
def test_plain_values_are_read_as_they_were_written(value: object, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol)) == value


@settings(max_examples=100, deadline=None)
@given(
    code=st.sampled_from(TYPES),
    order=st.sampled_from("<>"),
    shape=st.lists(st.integers(0, 4), max_size=4),
    axes=st.randoms(use_true_random=False),
    protocol=st.sampled_from(PROTOCOLS),
    data=st.binary(min_size=2048, max_size=2048),
)
def test_arrays_are_read_as_they_were_written(
    code: str, order: str, shape: list[int], axes: Any, protocol: int, data: bytes
) -> None:
    kind = np.dtype(order + code)
    size = math.prod(shape) * kind.itemsize
    flat = np.frombuffer(data[:size] if code != "b1" else bytes(b & 1 for b in data[:size]), kind)
    turned = list(range(len(shape)))
    axes.shuffle(turned)
    original = flat.reshape(shape).transpose(turned)
    if protocol % 2:
        original = original.copy(order="K")  # may be written to: another opcode in protocol 5

    result = read(pickle.dumps([original, original], protocol))

    assert isinstance(result[0], PickledArray)
    assert result[0] is result[1]
    got = result[0].array
    assert got is not None
    assert got.dtype == kind.newbyteorder("=")
    assert got.shape == original.shape
    assert got.tobytes() == original.astype(got.dtype).tobytes()
    assert not got.flags.writeable


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("code", TYPES)
def test_scalars_keep_their_type(code: str, protocol: int) -> None:
    scalar = np.dtype(code).type(1)
    result = read(pickle.dumps(scalar, protocol))
    assert type(result) is type(scalar)
    assert result == scalar


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sets_and_other_containers_are_read(protocol: int) -> None:
    shared = ["x"]
    value = [{"a"}, frozenset({"b"}), set(), OrderedDict(), b"", shared, shared]
    a, b, none, ordered, empty, first, second = read(pickle.dumps(value, protocol))
    assert [type(item) for item in (a, b, none)] == [PickledSet] * 3
    assert (a.items, b.items, none.items) == (["a"], ["b"], [])
    assert ordered == {}
    assert empty == b""
    assert first is second


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_list_that_contains_itself_is_read_as_such(protocol: int) -> None:
    endless: list[object] = []
    endless.append(endless)
    result = read(pickle.dumps(endless, protocol))
    assert result[0] is result


def test_integers_of_every_width_are_read() -> None:
    for value in (0, 255, 256, 65535, 65536, -1, -(1 << 31), 1 << 31, 1 << 64, -(1 << 127)):
        assert read(pickle.dumps(value, 2)) == value
    assert read(dump(op("LONG4", u4(2) + b"\xff\x7f"))) == 0x7FFF
    assert read(dump(op("LONG1", b"\0"))) == 0


def test_long_forms_of_text_and_bytes_are_read() -> None:
    assert read(dump(op("BINUNICODE8", u8(2) + b"ab"), protocol=4)) == "ab"
    assert read(dump(op("BINBYTES8", u8(2) + b"ab"), protocol=4)) == b"ab"
    assert read(dump(op("BYTEARRAY8", u8(2) + b"ab"), protocol=5)) == b"ab"
    assert read(dump(text("\u00ff" * 100_000))) == "\u00ff" * 100_000


def test_the_code_table_is_that_of_python() -> None:
    assert {ord(item.code): item.name for item in pickletools.opcodes} == dict(OPCODE_NAMES)


def test_only_instructions_of_the_dialect_are_executed() -> None:
    """FQIR reference 1.4, and the long forms of what stands there."""
    seen = (
        "GLOBAL NEWOBJ REDUCE BUILD BINPUT LONG_BINPUT BINGET LONG_BINGET MARK EMPTY_DICT "
        "EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 SETITEM SETITEMS APPEND APPENDS "
        "BINUNICODE BININT BININT1 BININT2 BINFLOAT NONE NEWTRUE NEWFALSE LONG1 STACK_GLOBAL "
        "MEMOIZE FRAME SHORT_BINUNICODE BINBYTES SHORT_BINBYTES EMPTY_SET ADDITEMS FROZENSET "
        "BYTEARRAY8 LONG4 BINUNICODE8 BINBYTES8"
    )
    refusing = HANDLERS[ord("i")]  # INST
    executed = {OPCODE_NAMES[code] for code in range(256) if HANDLERS[code] is not refusing}
    assert executed == set(seen.split())


def test_big_endian_arrays_are_turned_round() -> None:
    data = raw(b"\0\0\1\2")
    made = array(1, data=b"\2\1\0\0").replace(dtype("i4", "<"), dtype("i4", ">"))
    got = read(dump(made)).array
    assert got.dtype == np.dtype("i4")
    assert got[0] == 0x02010000
    scalar = read(dump(call("numpy.core.multiarray", "scalar", dtype("i4", ">"), data)))
    assert scalar == 0x0102


def test_arrays_without_elements_and_without_axes_are_read() -> None:
    empty: NDArray[np.int32] = read(dump(array(0, 5))).array
    assert empty.shape == (0, 5)
    assert read(dump(array(data=b"\1\0\0\0"))).array == 1


def test_instances_keep_their_state_and_their_class() -> None:
    made = read(dump(instance(("fmot.qat.nn.atomics", "Table"), name=text("t"), N=small(3))))
    assert str(made.cls) == "fmot.qat.nn.atomics Table"
    assert made.state == {"name": "t", "N": 3}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(sorted(OPCODE_NAMES)).map(lambda code: bytes([code]))
        | st.sampled_from([b"\0", b"\1", b"\2\0\0\0", b"\1\0\0\0\0\0\0\0", b"\4name", b"numpy\n"])
        | st.binary(max_size=6),
        max_size=60,
    ),
    st.integers(2, 5),
)
def test_random_instructions_end_in_a_value_or_in_an_error(parts: list[bytes], proto: int) -> None:
    data = bytes([0x80, proto]) + b"".join(parts) + b"."
    with contextlib.suppress(ProgramError):
        read(data)


OPERANDS = {
    "uint1": st.binary(min_size=1, max_size=1),
    "uint2": st.binary(min_size=2, max_size=2),
    "int4": st.integers(-2, 300).map(lambda value: value.to_bytes(4, "little", signed=True)),
    "uint4": st.integers(0, 300).map(lambda value: value.to_bytes(4, "little")),
    "uint8": st.integers(0, 300).map(lambda value: value.to_bytes(8, "little")),
    "float8": st.binary(min_size=8, max_size=8),
    "long1": st.binary(max_size=20).map(lambda data: bytes([len(data)]) + data),
    "long4": st.binary(max_size=20).map(lambda data: u4(len(data)) + data),
    "unicodestring4": st.text(string.ascii_letters, max_size=5).map(lambda s: text(s)[1:]),
    "stringnl_noescape_pair": st.sampled_from(
        [b"numpy\ndtype\n", b"builtins\nset\n", b"os\nsystem\n", b"_codecs\nencode\n",
         b"numpy\nndarray\n", b"numpy.core.multiarray\nscalar\n", b"fmot.qat.nn.atomics\nTable\n",
         b"numpy._core.multiarray\n_reconstruct\n", b"numpy._core.numeric\n_frombuffer\n"],
    ),
}  # fmt: skip
KNOWN = sorted(
    (item for item in pickletools.opcodes if item.arg is None or item.arg.name in OPERANDS),
    key=lambda item: item.code,
)
pushing = st.sampled_from(
    ["NONE", "NEWTRUE", "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "MARK", "TUPLE1", "REDUCE"]
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Whole instructions with operands, so that many of them are carried out."""
    parts = [bytes([0x80, draw(st.integers(2, 5))])]
    for _ in range(draw(st.integers(1, 40))):
        if draw(st.booleans()):
            parts.append(op(draw(pushing)))
            continue
        item = draw(st.sampled_from(KNOWN))
        operand = draw(OPERANDS[item.arg.name]) if item.arg is not None else b""
        parts.append(op(item.name, operand))
    return b"".join(parts) + b"."


@settings(max_examples=200, deadline=None)
@given(streams())
def test_random_whole_instructions_end_in_a_value_or_in_an_error(data: bytes) -> None:
    with contextlib.suppress(ProgramError):
        read(data)
