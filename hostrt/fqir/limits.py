"""What reading one FQIR file may cost.

The numbers bound a hostile file; real ones stay far below. A model of 500 nodes has about 60 000
opcodes and 12 400 memo entries; one of a million parameters has 6.2 MB.
"""

from __future__ import annotations

from dataclasses import dataclass

from hostrt.errors import ProgramUnsafe


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of the loader; the defaults keep the process below 200 MB.

    Attributes:
        file_bytes: size of the file; 7 million int32 parameters need 42 MB.
        members: entries of the zip; torch writes six, and one more per tensor of its own.
        memory_bytes: estimated memory of the file, its text, its arrays and everything made of
            them together. Python itself with numpy is 40 MB more.
        opcodes: instructions of one pickle; 7000 nodes. A million takes half a second.
        text_bytes: one text that is not limited to latin-1. Names and documentation are shorter;
            only array data is longer, and that has one byte per character once decoded.
        global_bytes: a module or class name.
        integer_bytes: one integer; the largest in any file is the legacy header's, of 10 bytes.
        graph_depth: graphs inside graphs; the reference's tools make three levels.
        nodes: nodes to be executed when every shared graph counts where it is used.
        constant_depth: lists inside lists in a constant.
    """

    file_bytes: int = 48 << 20
    members: int = 256
    memory_bytes: int = 112 << 20
    opcodes: int = 1 << 20
    text_bytes: int = 1 << 16
    global_bytes: int = 128
    integer_bytes: int = 16
    graph_depth: int = 32
    nodes: int = 1 << 18
    constant_depth: int = 8


def over_limit(file: str, found: str, expected: str) -> ProgramUnsafe:
    """Make the error for a file that costs more than `Limits` allow."""
    return ProgramUnsafe(
        f"{file}: found {found}, expected {expected}",
        hint="raise the limit in hostrt.fqir.limits.Limits if you trust the file",
        file=file,
    )
