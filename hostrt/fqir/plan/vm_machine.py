"""The virtual machine: one compiled function that runs any program, frame by frame.

It is compiled for this processor once, for all models, which takes about a second, and kept from
then on (`vm_store`).
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llvmlite
from llvmlite import binding as llvm

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.plan.vm_store import load, save

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

_SPEED = 3


class Machine:
    """The compiled function, ready to be called.

    Attributes:
        execute: runs a program for the frames first..stop - 1. Its arguments: address of the
            context (see `vm_codes.CONTEXT`), address of the program, first, stop.
    """

    def __init__(self, code: bytes) -> None:
        """Load an object file that was compiled for this processor."""
        # whoever has the function must keep the engine
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        address = self._engine.get_function_address("execute")
        if not address:
            raise RuntimeError("no function in the compiled code")
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)
        self.execute: Callable[[int, int, int, int], None] = kind(address)


@cache
def machine() -> Machine:
    """Give the machine, as it was kept or compiled anew.

    Raises:
        ProgramUnsupported: the compiler cannot work here.
    """
    try:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        name = f"fqir-machine-{_identity()}"
        code = load(name)
        if code is None:
            code = build()
            save(name, code)
        return Machine(code)
    except RuntimeError as failure:
        raise ProgramUnsupported(
            f"the compiled engine does not work on this machine: {failure}",
            hint="use the numpy engine",
        ) from failure


def build() -> bytes:
    """Compile the machine; gives an object file."""
    from hostrt.fqir.plan.vm_main import write_machine

    logger.info("compiling the machine that runs FQIR models; this is done once")
    target = _target()
    module = llvm.parse_assembly(write_machine(llvm.get_default_triple()))
    module.verify()
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(_SPEED))
    builder.getModulePassManager().run(module, builder)
    code: bytes = target.emit_object(module)
    return code


def _target() -> Any:
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=_SPEED, jit=True
    )


def _identity() -> str:
    """Give a name for what the machine's code depends on: sources, compiler, processor."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("vm_*.py")):
        digest.update(path.read_bytes())
    facts = [
        llvmlite.__version__,
        llvm.llvm_version_info,
        llvm.get_default_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    ]
    digest.update(repr(facts).encode())
    return digest.hexdigest()[:32]
