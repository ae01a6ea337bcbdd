"""What the runners of compiled programs have in common."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from firmware_protocol.sequences import SequenceTracker
from hostrt.runner.base import BaseRunner
from hostrt.runner.plan import IoPlan, make_plan
from hostrt.runner.result import Provenance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.program.model import Program


class ProgramRunner(BaseRunner):
    """Runs a compiled program.

    Attributes:
        program: what it runs.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._plan = make_plan(program)
        super().__init__()

    @property
    def plan(self) -> IoPlan:
        """Inputs and outputs of the program and where they enter and leave the chip."""
        return self._plan

    @property
    def sha256(self) -> str:
        """Hash of the program."""
        return self.program.sha256

    @property
    def chip(self) -> str:
        """Chip that the program was made for."""
        return self.program.chip

    def _take(self, program: Program) -> None:
        """Run another program from now on."""
        self.program = program
        self._plan = make_plan(program)
        self._tracker = SequenceTracker(self._plan.iospec)

    @property
    def settings(self) -> Mapping[str, object]:
        """Settings of the runner that results name, JSON-compatible."""
        return {}

    def provenance(self, started: str) -> Provenance:
        """See `BaseRunner.provenance`; this one is for results that no board has given."""
        return Provenance(
            runner=self.name,
            simulated=True,
            program_sha256=self.program.sha256,
            program_source=self.program.source.path,
            chip=self.program.chip,
            hostrt_version=version("hostrt"),
            started=started,
            settings=self.settings,
        )
