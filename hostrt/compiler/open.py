"""The open compiler, as one of the compilers that go by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hostrt.closing import Closing
from hostrt.compiler.base import CompiledModel
from hostrt.errors import UsageError
from hostrt.program.model import InstructionSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.compiler.base import CompileOptions
    from hostrt.fqir.graph import Model


class OpenCompiler(Closing):
    """Compiles for the open instruction set, in this process."""

    name: ClassVar[str] = "open"
    instruction_set: ClassVar[InstructionSet] = InstructionSet.OPEN

    def compile(self, model: Model, options: CompileOptions) -> CompiledModel:
        """Compile a model; see `hostrt.fasmir.compile.compile_model`.

        `options.settings` may hold `cores` (an integer) and `watch` (a list of tensor names).

        Raises:
            ProgramUnsupported: something has no exact equivalent, or does not fit the chip.
            ProgramCorrupt: a node lacks a constant or has one of the wrong kind.
            UsageError: an option that it does not have.
        """
        from hostrt.fasmir.compile import compile_model

        if options.profile:
            raise UsageError(
                f"the open compiler has no profile {options.profile!r}",
                hint="leave --opt-profile away; profiles are the vendor's compiler's",
            )
        cores, watch = _settings(options.settings)
        made = compile_model(
            model,
            chip=options.chip,
            iospec=options.iospec,
            latched=options.latched,
            cores=cores,
            watch=watch,
        )
        return CompiledModel(
            made.program, self.name, made.notes, assembly=made.assembly, usage=made.usage()
        )

    def close(self) -> None:
        """Hold nothing that must be released."""


def _settings(settings: Mapping[str, object]) -> tuple[int | None, tuple[str, ...]]:
    for name in settings:
        if name not in ("cores", "watch"):
            raise UsageError(
                f"the open compiler has no setting {name!r}", hint="its settings: cores, watch"
            )
    cores, watch = settings.get("cores"), settings.get("watch", ())
    if cores is not None and type(cores) is not int:
        raise UsageError(f"compiler setting cores = {cores!r}, expected a number of cores")
    if not isinstance(watch, list | tuple) or not all(isinstance(item, str) for item in watch):
        raise UsageError(f"compiler setting watch = {watch!r}, expected a list of names")
    return cores, tuple(watch)
