"""Hostile pickles that lie about sizes, or would take a careless reader for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import ProgramCorrupt, ProgramError, ProgramUnsafe, ProgramUnsupported
from tests.fqir.assemble import (
    GRAPH,
    Case,
    array,
    call,
    doubled,
    dtype,
    dump,
    graph_with,
    name,
    op,
    raw,
    small,
    text,
    u4,
    u8,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator


def wrong_forms() -> dict[str, bytes]:
    """Give arrays, scalars and element types whose parts are of the wrong kind."""
    none, empty = op("NONE"), op("EMPTY_TUPLE")
    module, ndarray = "numpy.core.multiarray", name("numpy", "ndarray")
    bare_type = call("numpy", "dtype", text("i4"), op("NEWFALSE"), op("NEWTRUE"))
    bare = call(module, "_reconstruct", ndarray, small(0) + op("TUPLE1"), raw(b"b"))
    start, end = op("MARK"), op("TUPLE") + op("BUILD")
    form = dtype() + op("NEWFALSE")
    axes = start + small(0) + small(0) + op("TUPLE")
    order = start + small(3) + text("<") + none * 2 + dtype() + small(-1) + small(-1) + small(0)
    return {
        "type of three numbers": call("numpy", "dtype", small(4), small(0), small(1)),
        "type of one text": call("numpy", "dtype", text("i4")),
        "type with a short state": bare_type + start + small(3) + text("<") + end,
        "type with fields": bare_type + order + end,
        "type of version 4": bare_type + order.replace(small(3), small(4)) + end,
        "scalar of text": call(module, "scalar", dtype(), text("abcd")),
        "scalar of three": call(module, "scalar", dtype(), raw(bytes(4)), none),
        "array with a short state": bare + empty + op("BUILD"),
        "array of version 2": bare + start + small(2) + empty + form + raw(bytes(4)) + end,
        "array with text as order": bare + start + small(1) + empty + dtype() + text("F")
        + raw(bytes(4)) + end,
        "array of a list": bare + start + small(1) + empty + form + op("EMPTY_LIST") + end,
        "array of text": bare + start + small(1) + empty + form + text("abcd") + end,
        "array of a list as shape": bare + start + small(1) + op("EMPTY_LIST") + form
        + raw(bytes(4)) + end,
        "array twice": array(data=bytes(4)) + start + small(1) + empty + form + raw(bytes(4)) + end,
        "array from text": call("numpy.core.numeric", "_frombuffer", *[text("abcd")] * 4),
        "array in order A": call(
            "numpy.core.numeric", "_frombuffer", raw(bytes(4)), dtype(), empty, text("A")
        ),
        "array in the order of a number": call(
            "numpy.core.numeric", "_frombuffer", raw(bytes(4)), dtype(), empty, small(1)
        ),
        "array with an axis twice": call(
            "numpy.core.numeric", "_frombuffer", raw(bytes(4)), dtype(),
            start + small(2) + small(2) + op("TUPLE"), text("K"), axes,
        ),
        "REDUCE with a list": name(module, "scalar") + op("EMPTY_LIST") + op("REDUCE"),
    }  # fmt: skip


def arrays() -> Iterator[tuple[str, Case]]:
    """Give pickles with arrays that lie about themselves."""
    huge = {
        "huge array": array(1 << 30, 1 << 30, data=bytes(4)),
        "array of overflowing size": array(1 << 62, 1 << 62, 4, data=bytes(4)),
        "empty array of overflowing size": array(0, 1 << 62, 1 << 62),
        "negative length": array(-1, data=bytes(4)),
        "negative lengths": array(-1, -1, data=bytes(4)),
        "array too short": array(3, data=bytes(8)),
        "array too long": array(1, data=bytes(8)),
        "33 axes": array(*[1] * 33, data=bytes(4)),
        "boolean of 2": array(1, data=b"\2", code="b1"),
        "scalar too short": call("numpy.core.multiarray", "scalar", dtype("i8"), raw(bytes(4))),
        "scalar without type": call("numpy.core.multiarray", "scalar", op("NONE"), raw(bytes(4))),
        "type without state": call(
            "numpy.core.multiarray",
            "scalar",
            call("numpy", "dtype", text("i4"), op("NEWFALSE"), op("NEWTRUE")),
            raw(bytes(4)),
        ),
        "type of a class": call("numpy", "dtype", name(*GRAPH), op("NEWFALSE"), op("NEWTRUE")),
        "byte order": dtype("i4", "="),
        "byte order of text": dtype("i4", "<" * 1000),
        "array of another class": call(
            "numpy.core.multiarray", "_reconstruct", name(*GRAPH), op("EMPTY_TUPLE"), raw(b"b")
        ),
        "bytes above 255": call("_codecs", "encode", text("\u0100"), text("latin1")),
    }
    for title, payload in (huge | wrong_forms()).items():
        yield title, Case(graph_with(payload), ProgramCorrupt)
    for code in ("O8", "O"):
        words = f"element type '{code}'"
        yield f"type {code}", Case(graph_with(dtype(code)), ProgramUnsafe, words)
        yield (
            f"array {code}",
            Case(graph_with(array(1, data=bytes(8), code=code)), ProgramUnsafe, words),
        )
    for code in ("V8", "S4", "U1", "M8[ns]", "m8", "c8", "f2", "f16", "i4,i4", "i3", "", "\n"):
        yield f"type {code!r}", Case(graph_with(dtype(code)), ProgramUnsupported, "element type")


def lengths() -> Iterator[tuple[str, Case]]:
    """Give pickles with lengths that exceed the file, or the sense of the thing."""
    short = {
        "BINUNICODE": u4(0xFFFFFFFF),
        "SHORT_BINUNICODE": b"\xff",
        "BINUNICODE8": u8((1 << 64) - 1),
        "BINBYTES": u4(0xFFFFFFFF),
        "SHORT_BINBYTES": b"\xff",
        "BINBYTES8": u8(1 << 63),
        "BYTEARRAY8": u8(1 << 62),
        "FRAME": u8(1 << 40),
    }
    for title, operand in short.items():
        data = dump(op(title, operand), protocol=5)
        yield f"{title} of a huge length", Case(data, ProgramCorrupt)
    integers = {
        "LONG4 huge": op("LONG4", u4(0x7FFFFFFF)),
        "LONG4 negative": op("LONG4", u4(0xFFFFFFFF)),
        "LONG4 of a megabyte": op("LONG4", u4(1 << 20) + bytes(1 << 20)),
        "LONG1 of 255": op("LONG1", b"\xff" + bytes(255)),
    }
    for title, payload in integers.items():
        yield title, Case(dump(payload), ProgramUnsafe, "an integer of")
    endless = op("GLOBAL", b"a" * 100_000 + b"\n" + b"b\n")
    yield "endless module name", Case(dump(endless), ProgramUnsafe, "a name without end")
    wide = dump(text("\U0001f600" * 100_000))
    yield "long wide text", Case(wide, ProgramUnsafe, "bytes of text")
    yield (
        "text that is not UTF-8",
        Case(dump(op("BINUNICODE", u4(2) + b"\xff\xfe")), ProgramCorrupt, "not UTF-8"),
    )
    surrogate = op("BINUNICODE", u4(3) + b"\xed\xa0\x80")
    yield "lone surrogate", Case(dump(surrogate), ProgramCorrupt, "not UTF-8")


def structures() -> Iterator[tuple[str, Case]]:
    """Give pickles of values that would take a careless reader for ever."""
    deep = op("EMPTY_TUPLE") + op("TUPLE1") * 100_000
    yield "deep tuples", Case(graph_with(deep), ProgramUnsupported, "ARITH")
    yield "deeper tuples", Case(dump(op("NONE") + op("TUPLE1") * 1_100_000), ProgramUnsafe)
    yield "open marks", Case(dump(op("MARK") * 100_000, op("NONE")), ProgramCorrupt)
    yield "endless marks", Case(dump(op("MARK") * 1_100_000), ProgramUnsafe, "instructions")
    lists = op("EMPTY_LIST") * 100_000 + op("APPEND") * 99_999
    yield "deep lists", Case(graph_with(lists), ProgramUnsupported, "ARITH")
    dicts = (op("EMPTY_DICT") + text("a")) * 50_000
    yield "deep dicts", Case(graph_with(dicts + op("NONE") + op("SETITEM") * 50_000), ProgramError)
    objects = name(*GRAPH) + op("BINPUT", b"\0")
    for _ in range(20_000):
        objects += op("EMPTY_TUPLE") + op("NEWOBJ") + op("EMPTY_DICT") + text("a")
        objects += op("BINGET", b"\0")
    objects += op("EMPTY_TUPLE") + op("NEWOBJ") + (op("SETITEM") + op("BUILD")) * 20_000
    yield "deep objects", Case(graph_with(objects), ProgramUnsupported, "ARITH")
    memo = op("NONE") + op("MEMOIZE") * 1_100_000
    yield "memo bomb", Case(dump(memo, protocol=4), ProgramUnsafe, "instructions")
    far = op("EMPTY_LIST") + op("LONG_BINPUT", u4(0x80000000)) + op("LONG_BINPUT", u4(0xFFFFFFFF))
    yield "far memo entries", Case(graph_with(far), ProgramUnsupported, "ARITH")
    yield "unknown memo entry", Case(dump(op("LONG_BINGET", u4(0xFFFFFFFF))), ProgramCorrupt)
    yield "many texts", Case(dump(text("ab" * 400) * 50_000), ProgramUnsafe, "memory budget")
    lists = op("EMPTY_LIST") * 200_000
    yield "many lists", Case(dump(op("MARK") + lists + op("TUPLE")), ProgramUnsupported)
    yield "many dicts", Case(dump(op("MARK") + op("EMPTY_DICT") * 200_000), ProgramCorrupt)
    new = op("BINGET", b"\0") + op("EMPTY_TUPLE") + op("NEWOBJ")
    many = name(*GRAPH) + op("BINPUT", b"\0") + op("MARK") + new * 300_000 + op("TUPLE")
    yield "many objects", Case(dump(many), ProgramUnsafe, "memory budget")
    again = text("a" * 1_000_000) + op("BINPUT", b"\0")
    encoded = call("_codecs", "encode", op("BINGET", b"\0"), text("latin1"))
    yield (
        "array bytes again and again",
        Case(
            graph_with(again + op("TUPLE1") + op("EMPTY_LIST") + op("MARK") + encoded * 1000),
            ProgramUnsafe,
        ),
    )
    itself = op("EMPTY_LIST") + op("BINPUT", b"\0") + op("BINGET", b"\0") + op("APPEND")
    for attribute in ("junk", "_runtime_plan_cache"):
        yield (
            f"list in itself as {attribute}",
            Case(graph_with(itself, attribute), ProgramUnsupported, "ARITH"),
        )
    for attribute in ("nodes", "inputs", "outputs", "parameters"):
        yield (
            f"list in itself as {attribute}",
            Case(graph_with(itself, attribute), ProgramCorrupt, "of type list"),
        )
        yield (
            f"2^60 paths as {attribute}",
            Case(graph_with(doubled(60), attribute), ProgramCorrupt, "of type list"),
        )
    yield "2^200 paths", Case(graph_with(doubled(200)), ProgramUnsupported, "ARITH")
