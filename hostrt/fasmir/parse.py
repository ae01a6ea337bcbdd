"""Reading `.fasm` text: the assembler's first half, from text to assembly."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import FormatError, LocalMisuseError
from firmware_protocol.open_isa import FIRST_PC, KNOWN_VERSIONS, make, n_operand_words
from firmware_protocol.open_isa_ops import FIELDS, Mode, Op, Type
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
    Watched,
)
from hostrt.fasmir.parse_parts import Coded, CoreText, Vector
from hostrt.fasmir.spaces import SPACES, Space
from hostrt.fasmir.text import PLAIN_NAME
from hostrt.program.intake import format_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostrt.fasmir.assembly import Int64s

_STRING = r'"(?:[^"\\]|\\.)*"'
_NAME = rf"(?:{PLAIN_NAME.pattern}|{_STRING})"
_TOKEN = re.compile(rf"\s*(?:(?P<comment>;.*)|(?P<word>(?:{_STRING}|[^\s;\"])+))", re.ASCII)
_LABEL = re.compile(rf"({_NAME}):", re.ASCII)
_KEY = re.compile(r"([a-z_0-9]+)=(.*)", re.ASCII | re.DOTALL)
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})", re.ASCII)
_REFERENCE = re.compile(rf"({_NAME})([+-][0-9]{{1,6}})?", re.ASCII)
_TYPE = re.compile(r"i(8|16|32|64)\[([0-9]{1,8})\]", re.ASCII)
_TYPE_OF_BITS = {str(kind.bits): kind for kind in Type}
_MAX_ELEMENTS = 1 << 20
"""More than the data memory of any core holds."""


def parse_assembly(text: str, name: str = "<text>") -> Assembly:
    """Read assembly text.

    Args:
        text: as `format_assembly` writes it, or written by hand.
        name: file name for messages.

    Raises:
        ProgramCorrupt: a line that is no assembly, a name that is missing or there twice, a number
            that does not fit; names file and line.
    """
    with format_faults(name):
        reader = _Reader(name)
        for number, line in enumerate(text.splitlines(), start=1):
            reader.take(number, line)
        return reader.finish()


class _Reader:
    """Takes one line after the other, then puts names and numbers together."""

    def __init__(self, name: str) -> None:
        self._file = name
        self._number = 0
        self._head: tuple[str, str] | None = None
        self._inputs: list[Input] = []
        self._outputs: list[Output] = []
        self._watched: list[Watched] = []
        self._cores: list[CoreText] = []
        self._labels: list[str] = []
        self._directives: Mapping[str, Callable[[list[str], str], None]] = {
            ".program": self._program,
            ".input": self._input,
            ".output": self._output,
            ".watched": self._watch,
            ".core": self._core,
            ".table": self._vector,
            ".thread": self._thread,
            ".data": self._data,
            ".zeros": self._zeros,
            **{f".{role}": self._vector for role in Role},
        }

    def take(self, number: int, line: str) -> None:
        """Read one line."""
        self._number = number
        if line.lstrip().startswith(".data "):
            # nearly all lines of a large program; they hold no strings
            self._data(line.partition(";")[0].split(), "")
            return
        words, comment = self._split(line)
        if not words:
            return
        label = _LABEL.fullmatch(words[0])
        if label and len(words) == 1:
            self._labels.append(self._plain(label[1]))
        elif words[0] in self._directives:
            self._directives[words[0]](words, comment)
        elif words[0] in Op.__members__:
            self._instruction(words, comment)
        else:
            raise self._fault(f"{words[0][:40]!r}", "a directive, LABEL: or an operation")

    def finish(self) -> Assembly:
        """Resolve names and give the whole."""
        if self._head is None:
            raise self._fault("no .program line", "one at the start")
        if self._labels:
            raise self._fault(f"label {self._labels[0]!r} at the end", "an instruction after it")
        labels = self._place_labels()
        cores = tuple(self._build_core(core, labels) for core in self._cores)
        self._check_places(cores)
        return Assembly(
            *self._head, cores, tuple(self._inputs), tuple(self._outputs), tuple(self._watched)
        )

    def _check_places(self, cores: tuple[Core, ...]) -> None:
        """Require that what begins somewhere begins at a label of its own core."""
        by_number = {core.number: core for core in cores}
        wanted = [(item.core, item.label, f"input {item.name!r}") for item in self._inputs]
        for core in cores:
            wanted += [(core.number, one.label, f"thread {one.name!r}") for one in core.threads]
            numbers = [one.number for one in core.threads]
            if len(set(numbers)) != len(numbers):
                raise self._fault(f"a thread of core {core.number} twice", "each number once")
        for number, label, what in wanted:
            if number not in by_number or label not in by_number[number].labels:
                raise self._fault(f"{what} at {label[:40]!r}", f"a label of core {number}")
        for item in self._watched:
            holder = by_number.get(item.core)
            if holder is None or item.symbol not in {one.name for one in holder.symbols}:
                raise self._fault(f"watched {item.symbol[:40]!r}", f"a vector of core {item.core}")

    # -- lines ----------------------------------------------------------------------------------

    def _program(self, words: list[str], comment: str) -> None:
        del comment
        name, keys = self._named(words, {"chip", "version"})
        if self._head is not None:
            raise self._fault("a second .program", "one")
        version = self._int(keys["version"], 0, 255)
        if version not in KNOWN_VERSIONS:
            raise self._fault(f"version {version}", f"one of {KNOWN_VERSIONS}")
        self._head = (name, keys["chip"])

    def _input(self, words: list[str], comment: str) -> None:
        del comment
        name, keys = self._named(words, {"core", "label", "words"})
        core, n_words = self._int(keys["core"], 0, 255), self._int(keys["words"], 0, 0xFFFF)
        self._inputs.append(Input(name, core, self._plain(keys["label"]), n_words))

    def _output(self, words: list[str], comment: str) -> None:
        del comment
        name, keys = self._named(words, {"mailbox", "words"})
        mailbox, n_words = self._int(keys["mailbox"], 0, 0xFFFF), keys["words"]
        self._outputs.append(Output(name, mailbox, self._int(n_words, 0, 0xFFFF)))

    def _watch(self, words: list[str], comment: str) -> None:
        del comment
        name, keys = self._named(words, {"core", "symbol", "shape"})
        shape = () if keys["shape"] == "-" else tuple(keys["shape"].split(","))
        axes = tuple(self._int(axis, 0, _MAX_ELEMENTS) for axis in shape)
        core = self._int(keys["core"], 0, 255)
        self._watched.append(Watched(name, core, self._plain(keys["symbol"]), axes))

    def _core(self, words: list[str], comment: str) -> None:
        del comment
        self._count(words, 2)
        if self._labels:
            raise self._fault(f"label {self._labels[0]!r}", "an instruction after it")
        least = self._cores[-1].number + 1 if self._cores else 0
        self._cores.append(CoreText(self._int(words[1], least, 255)))

    def _vector(self, words: list[str], comment: str) -> None:
        kind = words[0][1:]
        unset = words[-1] == "unset" and kind in (Role.CONSTANT, Role.STATE)
        self._count(words[:-1] if unset else words, 4)
        match = _TYPE.fullmatch(words[2])
        if match is None or int(match[2]) > _MAX_ELEMENTS or not words[3].startswith("@"):
            raise self._fault(" ".join(words[2:4])[:40], "TYPE[LENGTH] @ADDRESS, as in i16[24] @8")
        address = self._int(words[3][1:], 0, 0xFFFF)
        vector = Vector(
            self._number, kind, self._plain(words[1]), _TYPE_OF_BITS[match[1]], int(match[2]),
            address, comment, is_set=not unset and kind != Role.TEMPORARY,
        )  # fmt: skip
        if kind == "table" and vector.type not in (Type.I16, Type.I32):
            raise self._fault(f"a table of {words[2]}", "i16 or i32")
        here, key = self._here(), (kind == "table", vector.name)
        if key in here.names:
            raise self._fault(f"the name {vector.name[:40]!r} twice", "it once in a core")
        here.names.add(key)
        here.vectors.append(vector)

    def _thread(self, words: list[str], comment: str) -> None:
        del comment
        if len(words) < 3:
            raise self._fault("a thread without number and name", "NUMBER NAME, then label=, ...")
        number = self._int(words[1], 0, 63)
        name, keys = self._named(words[1:], {"label", "needs", "missing"})
        label, needs = self._plain(keys["label"]), self._int(keys["needs"], 0, 31)
        missing = self._int(keys["missing"], 0, 31)
        self._here().threads.append(Thread(number, name, label, needs, missing))

    def _data(self, words: list[str], comment: str) -> None:
        del comment
        try:
            values = np.array([int(word) for word in words[1:]], np.int64)
        except (ValueError, OverflowError) as error:
            raise self._fault("something that is no 64-bit number", "numbers") from error
        self._fill(values)

    def _zeros(self, words: list[str], comment: str) -> None:
        del comment
        self._count(words, 2)
        self._fill(np.zeros(self._int(words[1], 0, _MAX_ELEMENTS), np.int64))

    def _fill(self, values: Int64s) -> None:
        vectors = self._here().vectors
        if not vectors or not vectors[-1].is_set:
            raise self._fault("numbers", "them after a constant, a state or a table")
        last = vectors[-1]
        if sum(piece.size for piece in last.pieces) + values.size > last.length:
            raise self._fault(f"more than {last.length} numbers", f"{last.length}")
        last.pieces.append(values)

    def _instruction(self, words: list[str], comment: str) -> None:
        op = Op[words[0]]
        keys = self._keys(words[1:], {item.name for item in FIELDS[op]})
        self._here().coded.append(Coded(self._number, op, keys, tuple(self._labels), comment))
        self._labels = []

    # -- names and numbers ----------------------------------------------------------------------

    def _place_labels(self) -> dict[str, int]:
        labels: dict[str, int] = {}
        for core in self._cores:
            pc = FIRST_PC
            for coded in core.coded:
                for label in coded.labels:
                    self._number = coded.number
                    if label in labels:
                        raise self._fault(f"label {label!r} twice", "it once")
                    labels[label] = pc
                pc += 1 + n_operand_words(coded.op)
        return labels

    def _build_core(self, core: CoreText, labels: Mapping[str, int]) -> Core:
        symbols = tuple(self._symbol(item) for item in core.vectors if item.kind != "table")
        tables = tuple(self._table(item) for item in core.vectors if item.kind == "table")
        names: dict[Space, dict[str, int]] = {
            Space.DATA: {item.name: item.address for item in symbols},
            Space.TABLE: {item.name: item.address for item in tables},
            Space.CODE: dict(labels),
            Space.THREAD: {item.name: item.number for item in core.threads},
            Space.MAILBOX: {item.name: item.mailbox for item in self._outputs},
        }
        lines = tuple(self._line(coded, names) for coded in core.coded)
        return Core(core.number, lines, symbols, tables, tuple(core.threads))

    def _symbol(self, vector: Vector) -> Symbol:
        initial = self._content(vector) if vector.is_set else None
        return Symbol(
            vector.name, vector.address, vector.type, vector.length, Role(vector.kind), initial,
            vector.comment,
        )  # fmt: skip

    def _table(self, vector: Vector) -> Table:
        wide = vector.type is Type.I32
        return Table(vector.name, vector.address, wide, self._content(vector), vector.comment)

    def _content(self, vector: Vector) -> Int64s:
        self._number = vector.number
        content = np.concatenate([np.zeros(0, np.int64), *vector.pieces])
        if content.size != vector.length:
            raise self._fault(f"{content.size} numbers for {vector.name!r}", f"{vector.length}")
        half = 1 << (vector.type.bits - 1)
        if content.size and not -half <= int(content.min()) <= int(content.max()) < half:
            raise self._fault(f"a number of {vector.name!r}", f"{-half}..{half - 1}")
        return content

    def _line(self, coded: Coded, names: Mapping[Space, Mapping[str, int]]) -> Line:
        self._number = coded.number
        spaces = dict(SPACES[coded.op])
        if coded.words.get("mode") == str(int(Mode.IMMEDIATE)):
            spaces.pop("y", None)
        fields: dict[str, int] = {}
        references: dict[str, Reference] = {}
        for key, text in coded.words.items():
            if _NUMBER.fullmatch(text):
                fields[key] = _integer(text)
            elif key in spaces:
                references[key] = self._reference(text)
                fields[key] = self._resolve(references[key], names[spaces[key]])
            else:
                raise self._fault(f"{key}={text[:40]}", "a number")
        try:
            instruction = make(coded.op, **fields)
        except LocalMisuseError as error:
            raise self._fault(str(error), "an instruction that exists") from error
        return Line(instruction, coded.labels, references, coded.comment)

    def _reference(self, text: str) -> Reference:
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise self._fault(f"{text[:40]!r}", "a number, NAME or NAME+OFFSET")
        return Reference(self._plain(match[1]), int(match[2] or 0))

    def _resolve(self, reference: Reference, names: Mapping[str, int]) -> int:
        if reference.name not in names:
            raise self._fault(f"unknown name {reference.name[:40]!r}", "one that is defined")
        return names[reference.name] + reference.offset

    # -- words ----------------------------------------------------------------------------------

    def _split(self, line: str) -> tuple[list[str], str]:
        words: list[str] = []
        at = 0
        line = line.rstrip()
        while at < len(line):
            match = _TOKEN.match(line, at)
            if match is None:
                raise self._fault(f"{line[at : at + 40]!r}", "words, strings and a comment")
            if match["comment"] is not None:
                return words, match["comment"][1:].strip()
            words.append(match["word"])
            at = match.end()
        return words, ""

    def _named(self, words: list[str], keys: set[str]) -> tuple[str, dict[str, str]]:
        """Split `.directive NAME key=value ...`, where every key must be there."""
        if len(words) < 2:
            raise self._fault(f"{words[0]} without a name", f"NAME and {', '.join(sorted(keys))}")
        found = self._keys(words[2:], keys)
        missing = sorted(keys - set(found))
        if missing:
            raise self._fault(f"no {missing[0]}=", f"{', '.join(sorted(keys))}")
        return self._plain(words[1]), found

    def _keys(self, words: list[str], allowed: set[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for word in words:
            match = _KEY.fullmatch(word)
            if match is None or match[1] not in allowed or match[1] in found:
                raise self._fault(f"{word[:40]!r}", f"each once: {', '.join(sorted(allowed))}")
            found[match[1]] = match[2]
        return found

    def _plain(self, word: str) -> str:
        if PLAIN_NAME.fullmatch(word):
            return word
        try:
            value = json.loads(word)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, str):
            raise self._fault(f"{word[:40]!r}", "a name or a quoted name")
        return value

    def _int(self, word: str, least: int, most: int) -> int:
        if not _NUMBER.fullmatch(word) or not least <= _integer(word) <= most:
            raise self._fault(f"{word[:40]!r}", f"a number, {least}..{most}")
        return _integer(word)

    def _count(self, words: list[str], n: int) -> None:
        if len(words) != n:
            raise self._fault(f"{len(words)} words", f"{n}")

    def _here(self) -> CoreText:
        if not self._cores:
            raise self._fault("a line before the first core", ".core NUMBER")
        return self._cores[-1]

    def _fault(self, found: str, expected: str) -> FormatError:
        return FormatError(self._file, self._number, found, expected, unit="line")


def _integer(text: str) -> int:
    return int(text, 16 if "x" in text.lower() else 10)
