"""Host runtime for small AI accelerators.

    from hostrt import Program, Runner, compare, open_board, stream

Names are imported on first use, so that `import hostrt` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostrt.analysis.compare import Comparison, compare, compare_all
    from hostrt.board.board import Board, open_board
    from hostrt.errors import HostrtError
    from hostrt.program.model import Program
    from hostrt.runner.factory import Runner
    from hostrt.runner.result import RunResult
    from hostrt.streaming.api import stream

__all__ = [
    "Board",
    "Comparison",
    "HostrtError",
    "Program",
    "RunResult",
    "Runner",
    "compare",
    "compare_all",
    "open_board",
    "stream",
]

_HOMES = {
    "Board": "hostrt.board.board",
    "Comparison": "hostrt.analysis.compare",
    "HostrtError": "hostrt.errors",
    "Program": "hostrt.program.model",
    "RunResult": "hostrt.runner.result",
    "Runner": "hostrt.runner.factory",
    "compare": "hostrt.analysis.compare",
    "compare_all": "hostrt.analysis.compare",
    "open_board": "hostrt.board.board",
    "stream": "hostrt.streaming.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
