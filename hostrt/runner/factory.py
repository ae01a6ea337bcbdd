"""`Runner("hw", ...)`: runners by name, built-in or registered by others."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from hostrt.errors import ExtraMissing, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hostrt.compiler.base import CompiledModel
    from hostrt.fasmir.assembly import Assembly
    from hostrt.fasmir.compile import Compiled
    from hostrt.fqir.graph import Model
    from hostrt.program.model import Program
    from hostrt.runner.base import BaseRunner

GROUP = "hostrt.runners"


def runner_names() -> list[str]:
    """Name every registered runner."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def takes(name: str) -> str:
    """Tell what a runner runs: "program", "assembly" or "model"."""
    return str(getattr(_maker(name), "takes", "program"))


def Runner(  # noqa: N802 - reads and is documented as the class it stands for
    name: str,
    program: Program | Model | Compiled | CompiledModel | Assembly | str | Path = "LOOPBACK",
    **options: object,
) -> BaseRunner:
    """Make the runner registered under `name`.

    Args:
        name: "hw", "fasmir", "fqir", "dummy", or one that an installed package registers.
        program: what it runs: a Program, a program file or `LOOPBACK`; for "fqir" a Model or a
            `.pt` file; for "fasmir" any of these, or what the open compiler gave.
        options: what the runner takes, such as `board` and `chip` for "hw".

    Raises:
        UsageError: no such runner, or an option it does not take.
    """
    make = _maker(name)
    try:
        runner: BaseRunner = make(program, **options)
    except TypeError as error:
        raise UsageError(f"runner {name!r}: {error}") from error
    return runner


def _maker(name: str) -> Callable[..., BaseRunner]:
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise UsageError(
            f"no runner named {name!r}", hint=f"known runners: {', '.join(sorted(points))}"
        )
    try:
        make: Callable[..., BaseRunner] = points[name].load()
    except ImportError as error:
        raise ExtraMissing(f"runner {name!r} cannot be used: {error}") from error
    return make
