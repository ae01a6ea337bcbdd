"""Assembly as text, `.fasm`: one directive, label or instruction per line.

    .program "gru2" chip=spu001 version=2
    .input "x" core=0 label=in_x words=6
    .output "output.0" mailbox=0 words=3
    .core 0
    .constant gate i8[288] @16          ; weights of the gate
        .data 1 -2 3 ...
    .temporary sum i32[12] @52
    .thread 3 join label=go needs=2 missing=2
    in_x:
        RECV n=6 a=x
        MATVEC n=12 a=x b=sum xt=1 yt=0 zt=2 w=gate k=24 stride=3
        HALT

A field that is 0 may be left out. Where a field is an address, a name with an offset may stand for
it: `a=gate+3`. Names that are no plain words are written as JSON strings. `;` begins a comment; one
at the end of a line belongs to what the line says. hostrt/docs/fasm.md is the full description.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from firmware_protocol.open_isa import ISA_VERSION
from firmware_protocol.open_isa_ops import FIELDS
from hostrt.fasmir.assembly import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.fasmir.assembly import Assembly, Core, Int64s, Line, Reference, Symbol, Table

PLAIN_NAME = re.compile(r"[A-Za-z_%$][\w.%$]*", re.ASCII)
"""Names that need no quotes."""

NUMBERS_PER_LINE = 24
_TYPES = ("i8", "i16", "i32", "i64")


def format_assembly(assembly: Assembly) -> str:
    """Write an assembly as text; reading it again gives an equal assembly."""
    return "".join(f"{line}\n" for line in iterate_lines(assembly))


def iterate_lines(assembly: Assembly) -> Iterator[str]:
    """Give the lines of the text one by one."""
    yield f".program {_text(assembly.name)} chip={assembly.chip} version={ISA_VERSION}"
    for item in assembly.inputs:
        where = f"core={item.core} label={_name(item.label)} words={item.n_words}"
        yield f".input {_text(item.name)} {where}"
    for output in assembly.outputs:
        yield f".output {_text(output.name)} mailbox={output.mailbox} words={output.n_words}"
    for watched in assembly.watched:
        shape = ",".join(map(str, watched.shape)) or "-"
        where = f"core={watched.core} symbol={_name(watched.symbol)} shape={shape}"
        yield f".watched {_text(watched.name)} {where}"
    for core in assembly.cores:
        yield ""
        yield f".core {core.number}"
        yield from _core_lines(core)


def _core_lines(core: Core) -> Iterator[str]:
    for symbol in core.symbols:
        yield from _symbol_lines(symbol)
    for table in core.tables:
        yield from _table_lines(table)
    for thread in core.threads:
        yield (
            f".thread {thread.number} {_name(thread.name)} label={_name(thread.label)} "
            f"needs={thread.needs} missing={thread.missing}"
        )
    for line in core.lines:
        for label in line.labels:
            yield f"{_name(label)}:"
        yield _commented(f"    {instruction_text(line)}", line.comment)


def _symbol_lines(symbol: Symbol) -> Iterator[str]:
    head = f".{symbol.role} {_name(symbol.name)} {_TYPES[symbol.type]}[{symbol.length}]"
    # without content a constant or a state is zeros that nobody wrote down
    mark = "" if symbol.initial is not None or symbol.role is Role.TEMPORARY else " unset"
    yield _commented(f"{head} @{symbol.address}{mark}", symbol.comment)
    if symbol.initial is not None:
        yield from _data_lines(symbol.initial)


def _table_lines(table: Table) -> Iterator[str]:
    kind = "i32" if table.wide else "i16"
    head = f".table {_name(table.name)} {kind}[{table.content.size}] @{table.address}"
    yield _commented(head, table.comment)
    yield from _data_lines(table.content)


def _data_lines(content: Int64s) -> Iterator[str]:
    if content.size and not content.any():
        yield f"    .zeros {content.size}"
        return
    numbers = content.tolist()
    for first in range(0, len(numbers), NUMBERS_PER_LINE):
        yield "    .data " + " ".join(map(str, numbers[first : first + NUMBERS_PER_LINE]))


def instruction_text(line: Line) -> str:
    """Write one instruction without labels and comment; fields that are 0 are left out."""
    words = [line.instruction.op.name]
    for field in FIELDS[line.instruction.op]:
        value = line.instruction.fields[field.name]
        reference = line.references.get(field.name)
        if reference is not None:
            words.append(f"{field.name}={_reference(reference)}")
        elif value:
            words.append(f"{field.name}={value}")
    return " ".join(words)


def _reference(reference: Reference) -> str:
    offset = f"{reference.offset:+d}" if reference.offset else ""
    return f"{_name(reference.name)}{offset}"


def _commented(text: str, comment: str) -> str:
    return f"{text}  ; {comment}" if comment else text


def _name(name: str) -> str:
    return name if PLAIN_NAME.fullmatch(name) else _text(name)


def _text(name: str) -> str:
    return json.dumps(name)
