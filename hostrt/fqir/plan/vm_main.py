"""The machine's outermost function: frame after frame, instruction after instruction."""

from __future__ import annotations

from llvmlite import ir

from hostrt.fqir.plan.vm_codes import CONTEXT
from hostrt.fqir.plan.vm_ir import I64, POINTER
from hostrt.fqir.plan.vm_kernels import write_kernels


def write_machine(triple: str) -> str:
    """Give the whole machine in LLVM's language.

    Args:
        triple: for which platform.
    """
    module = ir.Module("fqir")
    module.triple = triple
    kernels = write_kernels(module)
    kind = ir.ArrayType(POINTER, len(kernels))
    table = ir.GlobalVariable(module, kind, "table")
    table.linkage, table.global_constant = "internal", True
    table.initializer = ir.Constant(kind, kernels)
    _write_execute(module, table, kernels[0].function_type)
    return str(module)


def _write_execute(module: ir.Module, table: ir.GlobalVariable, kernel: ir.FunctionType) -> None:
    kind = ir.FunctionType(ir.VoidType(), [I64, I64, I64, I64])
    function = ir.Function(module, kind, "execute")
    entry, frames, begin, step, done, end = (function.append_basic_block() for _ in range(6))
    b = ir.IRBuilder(entry)
    context, program = (b.inttoptr(address, POINTER) for address in function.args[:2])
    first, stop = function.args[2:]
    b.branch(frames)

    b.position_at_end(frames)
    frame = b.phi(I64)
    frame.add_incoming(first, entry)
    b.cbranch(b.icmp_signed("<", frame, stop), begin, end)

    b.position_at_end(begin)
    word = ir.Constant(I64, CONTEXT.index("frame"))
    b.store(frame, b.gep(context, [word], source_etype=I64))
    b.branch(step)

    b.position_at_end(step)
    here = b.phi(POINTER)
    here.add_incoming(program, begin)
    code = b.load(here, typ=I64)
    target = b.load(b.gep(table, [code], source_etype=POINTER), typ=ir.PointerType(kernel))
    following = b.call(target, [context, here])
    here.add_incoming(following, step)
    b.cbranch(b.icmp_unsigned("==", following, ir.Constant(POINTER, None)), done, step)

    b.position_at_end(done)
    frame.add_incoming(b.add(frame, ir.Constant(I64, 1)), done)
    b.branch(frames)

    b.position_at_end(end)
    b.ret_void()
