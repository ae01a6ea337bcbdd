"""Readers of the two languages that models are drawn in: Graphviz and protocol buffers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|->|[{}\[\];=,]|[A-Za-z_][A-Za-z0-9_]*|[0-9]+)')


@dataclass
class Drawing:
    """A digraph: nodes with their attributes, edges, and names of clusters with their depth."""

    nodes: dict[str, dict[str, str]] = field(default_factory=dict)
    edges: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    clusters: list[tuple[str, int]] = field(default_factory=list)

    def find(self, words: str) -> list[str]:
        """Give the nodes whose label holds these words."""
        return [name for name, one in self.nodes.items() if words in one.get("label", "")]

    def leads(self, source: str, target: str) -> bool:
        """Say whether an edge leads from the only node with these words to the other."""
        (first,), (second,) = self.find(source), self.find(target)
        return any((a, b) == (first, second) for a, b, _ in self.edges)


def read_dot(text: str) -> Drawing:
    """Read what `format_dot` writes; anything else is a ValueError."""
    tokens = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"cannot read {text[at : at + 40]!r}")
        tokens.append(match[1])
        at = match.end()
    if tokens[:3] != ["digraph", "fqir", "{"]:
        raise ValueError("no digraph")
    return _Reader(tokens[3:]).read()


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens[::-1]
        self._drawing = Drawing()

    def read(self) -> Drawing:
        depth = 1
        while depth:
            token = self._tokens.pop()
            if token == "}":
                depth -= 1
            elif token == "subgraph":
                self._drawing.clusters.append((self._tokens.pop(), depth))
                self._expect("{")
                depth += 1
            else:
                self._statement(token)
        if self._tokens:
            raise ValueError(f"more after the end: {self._tokens[::-1]}")
        return self._drawing

    def _statement(self, name: str) -> None:
        token = self._tokens.pop()
        if token == "=":
            self._tokens.pop()
            self._expect(";")
        elif token == "->":
            target = self._tokens.pop()
            self._drawing.edges.append((name, target, self._attributes()))
        else:
            self._tokens.append(token)
            attributes = self._attributes()
            if name not in ("node", "edge"):
                if name in self._drawing.nodes:
                    raise ValueError(f"{name} twice")
                self._drawing.nodes[name] = attributes

    def _attributes(self) -> dict[str, str]:
        found = {}
        self._expect("[")
        token = self._tokens.pop()
        while token != "]":
            if token != ",":
                self._expect("=")
                found[token] = self._tokens.pop()
            token = self._tokens.pop()
        self._expect(";")
        return found

    def _expect(self, token: str) -> None:
        found = self._tokens.pop()
        if found != token:
            raise ValueError(f"found {found}, expected {token}")


Message = dict[int, list["int | bytes"]]
"""Fields of a protocol buffer by number, each as often as it stands there."""


def read_message(data: bytes) -> Message:
    """Read the fields of one protocol buffer."""
    found: Message = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            if at + value > len(data):
                raise ValueError("a field beyond the end")
            found.setdefault(tag >> 3, []).append(data[at : at + value])
            at += value
        elif tag & 7 == 0:
            found.setdefault(tag >> 3, []).append(value)
        else:
            raise ValueError(f"kind {tag & 7} of field {tag >> 3}")
    return found


def messages(message: Message, number: int) -> list[Message]:
    """Give the messages inside a field."""
    return [read_message(one) for one in message.get(number, []) if isinstance(one, bytes)]


def texts(message: Message, number: int) -> list[str]:
    """Give the texts in a field."""
    return [one.decode() for one in message.get(number, []) if isinstance(one, bytes)]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            return value, at
