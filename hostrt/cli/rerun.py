"""What a run's folder says, made ready to be run again.

Nothing the folder says is trusted: its files must match the manifest, programs and models must be
those that ran, no command in it is carried out, and it opens no board that is not simulated.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.compiler_options import OPEN
from hostrt.cli.run_inputs import RunInputs
from hostrt.cli.run_work import Work
from hostrt.cli.subject import Subject
from hostrt.errors import ProgramCorrupt, ProgramError, UsageError
from hostrt.runner.store import MANIFEST, load_manifest
from hostrt.runner.untrusted import stored_path

if TYPE_CHECKING:
    from hostrt.fqir.graph import Model
    from hostrt.program.model import Program
    from hostrt.runner.base import ModelIo
    from hostrt.runner.recipe import Recipe, StoredFile
    from hostrt.runner.store import Manifest

_HEX_SHOWN = 16
_SIMULATED = ("sim", "evk2+sim", "fakezynq")
_WRAPPERS = ("faulty", "apart")
_FILES = ("values",)
_RECORD_OPTIONS = ("to", "form", "record")
_BOARD_RUNNERS = ("hw",)


@dataclass(frozen=True, slots=True)
class Case:
    """A recorded run.

    Attributes:
        folder: where it is.
        manifest: what the folder says about itself.
        recipe: how it was run.
        runners: the runners to run again.
    """

    folder: Path
    manifest: Manifest
    recipe: Recipe
    runners: tuple[str, ...]

    def part(self, runner: str) -> Path:
        """Give the folder with a runner's results."""
        return self.folder / runner if self.manifest.runners else self.folder


def find_case(place: Path, runners: str | None = None) -> Case:
    """Find a recorded run and check that it is whole.

    Args:
        place: folder of a run, of one runner's part of it, or a file right in it.
        runners: comma list of the runners to run again; None means all.

    Raises:
        UsageError: no run, one that was changed, or one that does not say how to run it again.
    """
    folder = place.parent if place.is_file() else place
    manifest = load_manifest(folder, verify=True)
    named = [name.strip() for name in (runners or "").split(",") if name.strip()]
    if manifest.recipe is None:
        named = named or [folder.resolve().name]
        folder, manifest = _above(folder, manifest)
    assert manifest.recipe is not None
    known = manifest.runners or manifest.recipe.runners
    unknown = [name for name in named if name not in known]
    if unknown:
        raise UsageError(
            f"{folder}: no results of runner {unknown[0]!r}", hint=f"there are {', '.join(known)}"
        )
    return Case(folder, manifest, manifest.recipe, tuple(named or known))


def _above(folder: Path, manifest: Manifest) -> tuple[Path, Manifest]:
    """Take the run that a folder is one runner's part of."""
    parent = folder.resolve().parent
    if (parent / MANIFEST).is_file():
        whole = load_manifest(parent, verify=True)
        if whole.recipe is not None and folder.resolve().name in whole.runners:
            return parent, whole
    command = shlex.join(manifest.command_line)
    raise UsageError(
        f"{folder}: the run does not hold its input frames, so that nothing can be run again",
        hint=f"run it anew; it was started with: {command}",
    )


def work_of(case: Case, arguments: argparse.Namespace, board: str | None) -> Work:
    """Load what was run and its frames.

    Args:
        case: the recorded run.
        arguments: of the verb, for `quiet` and `json`.
        board: address of the board, None for the simulated one that it ran on.

    Raises:
        UsageError: something that cannot be run again from a folder alone.
        ProgramError: the program or model is not the one that ran.
        FrameError: frames that do not fit the model.
    """
    from hostrt.frames.sources import load_inputs

    recipe = case.recipe
    subject = _subject(case)
    if recipe.compiler != OPEN and "fasmir" in case.runners and subject.model is not None:
        raise UsageError(
            f"{case.folder}: the runner 'fasmir' was the simulator of compiler "
            f"{recipe.compiler!r}, which a folder does not start",
            hint="choose the others with --runners, or run the model again with hostrt run",
        )
    loaded = load_inputs(stored_path(case.folder, recipe.inputs), subject.input_specs)
    options = argparse.Namespace(
        timeout=recipe.timeout_s,
        verify=recipe.verify,
        force=recipe.force,
        spu_model=None,
        debug_vars=None,
        engine=recipe.engine,
        compiler=OPEN,
        tolerance=recipe.tolerance,
        warm_up=recipe.warm_up,
        input_file=str(case.folder / recipe.inputs),
        input_sample_indices=None,
        quiet=arguments.quiet,
        json=arguments.json,
    )
    return Work(options, RunInputs(subject, recipe.period_s, loaded), _board(case, board))


# -- program and model ----------------------------------------------------------------------------


def _subject(case: Case) -> Subject:
    from hostrt.runner.fqir_io import io_of_model
    from hostrt.runner.plan import make_plan

    recipe = case.recipe
    program = None if recipe.program is None else _program(case, recipe.program)
    model = None if recipe.model is None else _model(case, recipe.model)
    if model is not None:
        iospec = stored_path(case.folder, recipe.iospec) if recipe.iospec else None
        io: ModelIo = io_of_model(model, iospec, ())
    elif program is not None:
        io = make_plan(program)
    else:
        raise UsageError(f"{case.folder}: the manifest names neither a program nor a model")
    first = recipe.model or recipe.program
    assert first is not None
    return Subject(
        path=str(case.folder / first.file),
        name=Path(first.file).stem,
        sha256=first.sha256,
        chip=recipe.chip,
        io=io,
        program=program,
        model=model,
    )


def _program(case: Case, stored: StoredFile) -> Program:
    """Load the program that ran: the copy, else the original if that is still the same."""
    from hostrt.program import Program
    from hostrt.program.builtin import is_builtin

    recipe, found = case.recipe, ""
    places = [str(stored_path(case.folder, stored.file))]
    if is_builtin(stored.source) or Path(stored.source).is_file():
        places.append(stored.source)
    for place in places:
        try:
            program = Program.load(place, chip=recipe.chip or None, salt=recipe.salt)
        except ProgramError:
            if place == places[0]:
                raise
            continue
        if program.sha256 == stored.sha256:
            return program
        found = found or program.sha256
    raise ProgramCorrupt(
        f"{places[0]}: program {found[:_HEX_SHOWN]}, expected {stored.sha256[:_HEX_SHOWN]}: not "
        "the one that ran",
        hint="a program that does not fit into a .femto file can be run again only while "
        f"{stored.source} is still there",
    )


def _model(case: Case, stored: StoredFile) -> Model:
    from hostrt.fqir.load import parse_model

    path = stored_path(case.folder, stored.file)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != stored.sha256:
        raise ProgramCorrupt(
            f"{path}: model {digest[:_HEX_SHOWN]}, expected {stored.sha256[:_HEX_SHOWN]}: not the "
            "one that ran"
        )
    return parse_model(data, str(path))


# -- board ----------------------------------------------------------------------------------------


def _board(case: Case, named: str | None) -> str | None:
    """Give the board to run on; only a simulated one is taken from the manifest."""
    if named is not None or not set(case.runners) & set(_BOARD_RUNNERS):
        return named
    recorded = case.recipe.board
    address = _simulated(case, recorded) if recorded else None
    if address is None:
        raise UsageError(
            f"{case.folder}: it ran on the board {recorded or '(not named)'}, and a file does not "
            "choose a board that is not simulated",
            hint=f"name the board: --board {recorded or 'URL'}",
        )
    return address


def _simulated(case: Case, recorded: str) -> str | None:
    """Give a recorded address without what reads or writes other files; None if it is no sim."""
    from hostrt.transport.url import parse_url

    url = parse_url(without_recording(recorded))
    answer = url.options.get("answer", "execute")
    if url.scheme not in _SIMULATED or answer not in ("execute", "echo"):
        return None
    if not set(url.wrappers) <= set(_WRAPPERS):
        return None
    options = {name: value for name, value in url.options.items() if name not in _FILES}
    if "program" in options:
        if case.recipe.program is None:
            return None
        options["program"] = str(stored_path(case.folder, case.recipe.program.file))
    return str(replace(url, options=options))


def without_recording(address: str) -> str:
    """Give an address without `record+`: running again must not write over a recording."""
    from hostrt.transport.url import parse_url

    url = parse_url(address)
    if "record" not in url.wrappers:
        return address
    wrappers = tuple(name for name in url.wrappers if name != "record")
    options = {name: value for name, value in url.options.items() if name not in _RECORD_OPTIONS}
    return str(replace(url, wrappers=wrappers, options=options))
