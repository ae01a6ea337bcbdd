"""Instructions after which something else than the next one may come, or that may stop.

Each becomes a function of the thread that does the work and gives the next pc. What can be known
beforehand was found before: `fault` is why the addresses of the instruction cannot be used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from firmware_protocol.open_isa import Status
from firmware_protocol.open_isa_ops import Op
from hostrt.sim.isa.access import accesses, find_fault
from hostrt.sim.isa.kernels import lower
from hostrt.sim.isa.thread import ENDED
from hostrt.sim.isa.traps import Trap

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_protocol.open_isa import Instruction
    from hostrt.sim.isa.kernels import Call
    from hostrt.sim.isa.place import Place
    from hostrt.sim.isa.scratch import Array
    from hostrt.sim.isa.thread import Links, Thread

    End: TypeAlias = Callable[[Thread], int]

CONTROL_OPS = frozenset(
    {Op.HALT, Op.JUMP, Op.JZERO, Op.LOOP, Op.SIGNAL, Op.RECV, Op.POST, Op.MOVEL}
)
_MOST_PLACES = 1024
"""Values of the loop register for which a MOVEL is kept prepared."""


def then(pc: int) -> End:
    """Give the end of a stretch after which the next instruction comes."""

    def go_on(thread: Thread) -> int:
        del thread
        return pc

    return go_on


def stop(status: Status, pc: int) -> End:
    """Give the end of a stretch that stops the thread."""

    def trap(thread: Thread) -> int:
        raise Trap(status, thread.core, pc)

    return trap


def make_end(instruction: Instruction, pc: int, fault: Status | None, place: Place) -> End:
    """Give what an instruction of `CONTROL_OPS` does.

    Args:
        instruction: which.
        pc: where it is.
        fault: why its addresses cannot be used, None when they can.
        place: the memories of its core.
    """
    following = pc + instruction.length
    f = instruction.fields
    match instruction.op:
        case Op.HALT:
            return _halt(pc)
        case Op.JUMP:
            return then(f["b"])
        case Op.RECV:
            return _receive(instruction, pc, fault, place)
        case Op.LOOP:
            return _loop(f["reg"], f["n"], f["b"], following)
        case Op.SIGNAL:
            return _signal(f["b"], pc, place.links)
        case Op.MOVEL:
            return _SlidingMove(instruction, pc, place)
    if fault:
        return stop(fault, pc)
    if instruction.op is Op.POST:
        return _post(instruction, pc, place)
    return _jump_if_zero(place.element(f["a"], f["xt"]), f["b"], following)


def _halt(pc: int) -> End:
    def halt(thread: Thread) -> int:
        if thread.taken != thread.payload.size:
            raise Trap(Status.BAD_MESSAGE, thread.core, pc)
        return ENDED

    return halt


def _receive(instruction: Instruction, pc: int, fault: Status | None, place: Place) -> End:
    n, a = instruction.fields["n"], instruction.fields["a"]
    there = place.memories.dm[a : a + n]
    following = pc + instruction.length

    def receive(thread: Thread) -> int:
        first = thread.taken
        if thread.payload.size - first < n:
            raise Trap(Status.BAD_MESSAGE, thread.core, pc)
        if fault:
            raise Trap(fault, thread.core, pc)
        there[...] = thread.payload[first : first + n]
        thread.taken = first + n
        return following

    return receive


def _loop(register: int, limit: int, back: int, following: int) -> End:
    def loop(thread: Thread) -> int:
        rounds = thread.loops[register] + 1
        if rounds < limit:
            thread.loops[register] = rounds
            return back
        thread.loops[register] = 0
        return following

    return loop


def _jump_if_zero(element: Array, target: int, following: int) -> End:
    def jump(thread: Thread) -> int:
        del thread
        return following if element.item() else target

    return jump


def _signal(number: int, pc: int, links: Links) -> End:
    def signal(thread: Thread) -> int:
        if not links.signal(thread, number):
            raise Trap(Status.QUEUE_FULL, thread.core, pc)
        return pc + 1

    return signal


def _post(instruction: Instruction, pc: int, place: Place) -> End:
    f, links = instruction.fields, place.links
    words = place.memories.dm[f["a"] : f["a"] + f["n"]]

    def post(thread: Thread) -> int:
        if not links.post(thread, f["core"], f["b"], words):
            raise Trap(Status.QUEUE_FULL, thread.core, pc)
        return pc + instruction.length

    return post


class _SlidingMove:
    """MOVEL: its places are known when the loop register is; then it is a MOVE like others."""

    def __init__(self, instruction: Instruction, pc: int, place: Place) -> None:
        self._instruction = instruction
        self._register = instruction.fields["reg"]
        self._pc = pc
        self._following = pc + instruction.length
        self._place = place
        self._calls: dict[int, list[Call]] = {}

    def __call__(self, thread: Thread) -> int:
        loop = thread.loops[self._register]
        calls = self._calls.get(loop)
        for call in self._prepare(loop, thread.core) if calls is None else calls:
            call()
        return self._following

    def _prepare(self, loop: int, core: int) -> list[Call]:
        used = accesses(self._instruction, loop)
        fault = find_fault(used, self._place.memories)
        if fault:
            raise Trap(fault, core, self._pc)
        self._place.note_writes(used)
        calls = lower(self._instruction, self._place, loop)
        if len(self._calls) < _MOST_PLACES:
            self._calls[loop] = calls
        return calls
