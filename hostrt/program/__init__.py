"""Programs: everything that makes one model run on one chip, from any file that holds it."""

from __future__ import annotations

from hostrt.program.model import Identity, InstructionSet, Program, ProgramSource

__all__ = ["Identity", "InstructionSet", "Program", "ProgramSource"]
