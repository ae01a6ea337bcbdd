"""Files that nobody writes by accident, and how each of them must end.

Every pickle is made of instructions by hand. Those that call something would leave a trace: a
file named by the caller, or an entry in `TRIPPED`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import ProgramCorrupt, ProgramUnsafe, ProgramUnsupported
from tests.fqir.assemble import (
    GRAPH,
    TENSOR,
    Case,
    call,
    dtype,
    dump,
    graph_with,
    instance,
    name,
    op,
    raw,
    small,
    text,
    u4,
)  # fmt: skip
from tests.fqir.hostile_sizes import arrays, lengths, structures

if TYPE_CHECKING:
    from collections.abc import Iterator

TRIPPED: list[object] = []
"""Stays empty: `trip` is named by hostile pickles."""


def trip(*arguments: object) -> object:
    """Note that a pickle was executed."""
    TRIPPED.append(arguments)
    return None


def calls(canary: str) -> Iterator[tuple[str, Case]]:
    """Give pickles that name what they may not."""
    touch = text(f"touch {canary}")
    code = text(f"open({canary!r}, 'w')")
    names = {
        "os.system": call("os", "system", touch),
        "posix.system": call("posix", "system", touch),
        "nt.system": call("nt", "system", touch),
        "subprocess": call("subprocess", "getoutput", touch),
        "Popen": call("subprocess", "Popen", touch),
        "builtins.eval": call("builtins", "eval", code),
        "__builtin__.eval": call("__builtin__", "eval", code),
        "builtins.exec": call("builtins", "exec", code),
        "builtins.open": call("builtins", "open", text(canary), text("w")),
        "builtins.compile": call("builtins", "compile", code, text("x"), text("exec")),
        "builtins.getattr": call("builtins", "getattr", name("builtins", "set"), text("mro")),
        "builtins.__import__": call("builtins", "__import__", text("tests.fqir.hostile")),
        "builtins.object": call("builtins", "object"),
        "builtins.bytearray": call("builtins", "bytearray", small(9)),
        "operator.attrgetter": call("operator", "attrgetter", text("system")),
        "functools.partial": call("functools", "partial", name("tests.fqir.hostile", "trip")),
        "copyreg._reconstructor": call("copyreg", "_reconstructor", name(*GRAPH)),
        "pickle.loads": call("pickle", "loads", raw(dump(call("os", "system", touch)))),
        "pickle._loads": call("_pickle", "loads", raw(b"N.")),
        "marshal.loads": call("marshal", "loads", raw(b"N")),
        "types.CodeType": call("types", "CodeType"),
        "types.FunctionType": call("types", "FunctionType"),
        "webbrowser.open": call("webbrowser", "open", text("file:///")),
        "runpy": call("runpy", "_run_code", code),
        "bdb": call("bdb", "Bdb"),
        "pip.main": call("pip", "main", text("download")),
        "this file": call("tests.fqir.hostile", "trip"),
        "numpy.load": call("numpy", "load", text(canary)),
        "numpy.save": call("numpy", "save", text(canary), small(1)),
        "numpy.fromfile": call("numpy", "fromfile", text("/dev/zero")),
        "numpy.zeros": call("numpy", "zeros", op("BININT", b"\xff\xff\xff\x7f")),
        "numpy.core.shape_base": call("numpy.core.multiarray", "zeros", small(9)),
        "numpy runstring": call("numpy.testing._private.utils", "runstring", code),
        "numpy f2py": call("numpy.f2py.crackfortran", "myeval", code),
        "dotted name": call("numpy", "core.multiarray.scalar"),
        "encode of another module": call("codecs", "encode", text("a"), text("latin1")),
        "torch load": call("torch.storage", "_load_from_bytes", raw(dump(op("NONE")))),
        "torch hub": call("torch.hub", "load", text("x")),
        "empty names": name("", ""),
        "module with spaces": name("os ", "system"),
    }
    for title, payload in names.items():
        yield title, Case(graph_with(payload), ProgramUnsafe, "found the name '")
    trip_name = text("tests.fqir.hostile") + text("trip")
    stack_global = trip_name + op("STACK_GLOBAL") + op("EMPTY_TUPLE") + op("REDUCE")
    yield "STACK_GLOBAL", Case(dump(stack_global, protocol=4), ProgramUnsafe, "hostile trip")
    inner = call("_codecs", "encode", call("os", "system", touch), text("latin1"))
    yield "nested reduce", Case(graph_with(inner), ProgramUnsafe, "'os system'")
    for attribute in ("nodes", "inputs", "name", "reshaper", "_compiled_runtime_cache"):
        hidden = graph_with(call("os", "system", touch), attribute)
        yield f"os.system in {attribute}", Case(hidden, ProgramUnsafe, "'os system'")
    for attribute in ("_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_qtensor"):
        tensor = graph_with(call("torch._utils", attribute))
        yield f"torch {attribute}", Case(tensor, ProgramUnsupported, "a torch tensor")
    linear = graph_with(name("torch.nn.modules.linear", "Linear"))
    yield "torch module", Case(linear, ProgramUnsupported, "a torch module")
    storage = graph_with(name("torch", "FloatStorage"))
    yield "torch storage", Case(storage, ProgramUnsupported, "a torch tensor")
    for module, attribute in (("fmot.writer.kernels", "kernel"), (GRAPH[0], "GraphProto.__init__")):
        function = graph_with(name(module, attribute))
        words = f"'{module} {attribute}', which this version does not know"
        yield f"{attribute} of fmot", Case(function, ProgramUnsupported, words)


def wrong_uses() -> Iterator[tuple[str, Case]]:
    """Give pickles that do something else with the names they may use."""
    arguments = small(1) + op("TUPLE1")
    made = op("EMPTY_TUPLE") + op("NEWOBJ")
    uses = {
        "NEWOBJ on a function": name("_codecs", "encode") + made,
        "NEWOBJ on ndarray": name("numpy", "ndarray") + made,
        "NEWOBJ on dtype": name("numpy", "dtype") + made,
        "NEWOBJ on text": text("x") + made,
        "NEWOBJ on an instance": instance(GRAPH) + made,
        "NEWOBJ with arguments": name(*GRAPH) + arguments + op("NEWOBJ"),
        "NEWOBJ with a list": name(*GRAPH) + op("EMPTY_LIST") + op("NEWOBJ"),
        "NEWOBJ with a scalar": name(*GRAPH)
        + call("numpy.core.multiarray", "scalar", dtype(), raw(bytes(4)))
        + op("NEWOBJ"),
        "REDUCE on a class": name(*GRAPH) + op("EMPTY_TUPLE") + op("REDUCE"),
        "REDUCE on ndarray": call("numpy", "ndarray", small(9)),
        "REDUCE on text": text("x") + op("EMPTY_TUPLE") + op("REDUCE"),
        "REDUCE on an instance": instance(GRAPH) + op("EMPTY_TUPLE") + op("REDUCE"),
        "encode as hex": call("_codecs", "encode", text("00"), text("hex")),
        "encode of nothing": call("_codecs", "encode"),
        "encode by a number": call("_codecs", "encode", text("a"), small(1)),
        "encode by a scalar": call(
            "_codecs",
            "encode",
            text("a"),
            call("numpy.core.multiarray", "scalar", dtype(), raw(bytes(4))),
        ),
        "set of text": call("builtins", "set", text("abc")),
        "set of two": call("builtins", "set", op("EMPTY_LIST"), op("EMPTY_LIST")),
        "bytes of a size": call("builtins", "bytes", op("BININT", b"\xff\xff\xff\x7f")),
        "OrderedDict of items": call("collections", "OrderedDict", op("EMPTY_LIST")),
        "BUILD on a class": name(*GRAPH) + op("EMPTY_DICT") + op("BUILD"),
        "BUILD on a function": name("_codecs", "encode") + op("EMPTY_DICT") + op("BUILD"),
        "BUILD on a list": op("EMPTY_LIST") + op("EMPTY_DICT") + op("BUILD"),
        "BUILD with slots": name(*GRAPH) + made + op("NONE") + op("EMPTY_DICT") + op("TUPLE2")
        + op("BUILD"),
        "BUILD with text": name(*GRAPH) + made + text("x") + op("BUILD"),
    }  # fmt: skip
    for title, payload in uses.items():
        yield title, Case(graph_with(payload), ProgramUnsafe)
    for key in ("__class__", "__reduce__", "__dict__", "__setstate__", "__", "a b", "", "1", "a.b"):
        state = name(*GRAPH) + made + op("EMPTY_DICT") + text(key) + op("NONE") + op("SETITEM")
        yield (
            f"attribute {key!r}",
            Case(graph_with(state + op("BUILD")), ProgramUnsafe, f"the attribute {key!r}"),
        )
    twice = instance(GRAPH) + op("EMPTY_DICT") + op("BUILD")
    yield "BUILD twice", Case(graph_with(twice), ProgramCorrupt, "second time")
    keys = {"number": small(1), "tuple": op("EMPTY_TUPLE"), "None": op("NONE")}
    for title, pushed in keys.items():
        table = op("EMPTY_DICT") + pushed + op("NONE") + op("SETITEM")
        yield f"{title} as key", Case(graph_with(table), ProgramCorrupt, "in a dict")


def refused_instructions() -> Iterator[tuple[str, Case]]:
    """Give pickles with instructions that FQIR files do not use."""
    operands = {
        "INST": b"os\nsystem\n",
        "PERSID": b"1\n",
        "EXT1": b"\1",
        "EXT2": b"\1\0",
        "EXT4": b"\1\0\0\0",
        "INT": b"1\n",
        "LONG": b"1L\n",
        "FLOAT": b"1\n",
        "STRING": b"'a'\n",
        "BINSTRING": u4(1) + b"a",
        "SHORT_BINSTRING": b"\1a",
        "UNICODE": b"a\n",
        "GET": b"0\n",
        "PUT": b"0\n",
    }
    plain = ("OBJ", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER", "NEWOBJ_EX", "POP", "POP_MARK")
    for title in (*operands, *plain, "DUP", "DICT", "LIST"):
        payload = op("NONE") + op("MARK") + op("NONE") + op(title, operands.get(title, b""))
        yield title, Case(dump(payload), ProgramUnsafe, f"the instruction {title},")
    for code in (0x00, 0x20, 0x7F, 0x99, 0xFF):
        yield f"byte {code:#x}", Case(dump(bytes([code])), ProgramCorrupt, f"byte 0x{code:02x}")


def roots() -> Iterator[tuple[str, Case]]:
    """Give files that are pickles, and not of a graph."""
    things = {
        "None": op("NONE"),
        "list": op("EMPTY_LIST"),
        "dict": call("collections", "OrderedDict"),
        "text": text("x"),
        "class": name(*GRAPH),
        "tensor": instance(TENSOR),
        "function": name("_codecs", "encode"),
    }
    for title, payload in things.items():
        yield f"root {title}", Case(dump(payload), ProgramUnsupported, "found a pickled")
    yield "no graph inside", Case(graph_with(op("NONE")), ProgramUnsupported, "no graph ARITH")
    yield "two values", Case(dump(op("NONE") * 2), ProgramCorrupt, "2 values at the end")
    yield "no value", Case(dump(), ProgramCorrupt, "0 values at the end")
    yield "pickle after pickle", Case(dump(op("NONE")) * 2, ProgramCorrupt, "after the pickle")
    yield "protocol 0", Case(b"(lp0\n.", ProgramUnsupported)
    yield "protocol 1", Case(dump(op("NONE"), protocol=1), ProgramUnsupported)
    yield "protocol 6", Case(dump(op("NONE"), protocol=6), ProgramUnsupported)
    yield "PROTO twice", Case(dump(op("PROTO", b"\2") + op("NONE")), ProgramUnsafe, "PROTO")
    yield "empty file", Case(b"", ProgramUnsupported, "an empty file")
    yield "one byte", Case(b"\x80", ProgramUnsupported)
    yield "two bytes", Case(b"\x80\2", ProgramCorrupt, "the end of the data")


def underflows() -> Iterator[tuple[str, Case]]:
    """Give pickles whose instructions find too little on the stack."""
    names = (
        "REDUCE BUILD NEWOBJ STACK_GLOBAL TUPLE TUPLE1 TUPLE2 TUPLE3 SETITEM SETITEMS APPEND "
        "APPENDS ADDITEMS FROZENSET MEMOIZE"
    )
    for title in names.split():
        yield f"{title} on nothing", Case(dump(op(title), protocol=4), ProgramCorrupt, title)
        below = op("EMPTY_DICT") + op("MARK") + op(title) * 3
        yield f"{title} below a mark", Case(dump(below, protocol=4), ProgramCorrupt)
    below = op("EMPTY_DICT") + text("a") + op("NONE") + op("MARK") + op("SETITEM") + op("TUPLE")
    yield "a mark above the stack", Case(dump(below), ProgramCorrupt, "below the last mark")
    odd = op("EMPTY_DICT") + op("MARK") + text("a") + op("SETITEMS")
    yield "odd SETITEMS", Case(dump(odd), ProgramCorrupt, "even number")
    for title in ("SETITEMS", "APPENDS", "ADDITEMS"):
        wrong = op("NONE") + op("MARK") + op(title)
        yield f"{title} on None", Case(dump(wrong, protocol=4), ProgramCorrupt, f"{title} on")
    numbers = op("NONE") + op("NONE") + op("STACK_GLOBAL")
    yield "STACK_GLOBAL of None", Case(dump(numbers, protocol=4), ProgramCorrupt, "STACK_GLOBAL")


def corpus(canary: str) -> dict[str, Case]:
    """Give all cases by title.

    Args:
        canary: path of a file that some of them would create.
    """
    cases: dict[str, Case] = {}
    for part in (
        calls(canary), wrong_uses(), refused_instructions(), arrays(), lengths(), structures(),
        roots(), underflows(),
    ):  # fmt: skip
        for title, case in part:
            assert title not in cases, title
            cases[title] = case
    return cases
