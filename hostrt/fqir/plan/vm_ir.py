"""Writing compiled functions: numbers with operators, memory with indices, loops as `with`.

    with kernel.loop(kernel.field("n")) as i:
        out[i] = x[i] + y[i]

stands for a loop in the machine's code. Numbers are integers of one size, or vectors of them; all
arithmetic wraps around.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from llvmlite import ir

from hostrt.fqir.plan.vm_codes import CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

I1, I64 = ir.IntType(1), ir.IntType(64)
POINTER = ir.PointerType()

Llvm: TypeAlias = Any
"""A value or type of llvmlite, which has no annotations."""


class Number:
    """An integer, or a vector of integers, that the compiled code computes."""

    def __init__(self, builder: ir.IRBuilder, value: Llvm) -> None:
        self.builder = builder
        self.value = value

    @property
    def bits(self) -> int:
        """Size of an integer."""
        kind = self.value.type
        return int(kind.element.width if self.lanes else kind.width)

    @property
    def lanes(self) -> int:
        """Number of integers of a vector, 0 for a single integer."""
        kind = self.value.type
        return int(kind.count) if isinstance(kind, ir.VectorType) else 0

    def __add__(self, other: Number | int) -> Number:
        return self._with(self.builder.add, other)

    def __sub__(self, other: Number | int) -> Number:
        return self._with(self.builder.sub, other)

    def __mul__(self, other: Number | int) -> Number:
        return self._with(self.builder.mul, other)

    def __and__(self, other: Number | int) -> Number:
        return self._with(self.builder.and_, other)

    def __or__(self, other: Number | int) -> Number:
        return self._with(self.builder.or_, other)

    def __xor__(self, other: Number | int) -> Number:
        return self._with(self.builder.xor, other)

    def __lshift__(self, other: Number) -> Number:
        """Shift left; only as many bits of the count matter as can be used."""
        return self._with(self.builder.shl, other & (self.bits - 1))

    def __rshift__(self, other: Number) -> Number:
        """Shift right and round down; see `__lshift__`."""
        return self._with(self.builder.ashr, other & (self.bits - 1))

    def mod(self, other: Number) -> Number:
        """Give the remainder, from 0 on, of a division by a positive number."""
        rest = self._with(self.builder.srem, other)
        return rest.less(0).choose(rest + other, rest)

    def less(self, other: Number | int) -> Number:
        """Compare."""
        return self._compared("<", other)

    def greater(self, other: Number | int) -> Number:
        """Compare."""
        return self._compared(">", other)

    def greater_equal(self, other: Number | int) -> Number:
        """Compare."""
        return self._compared(">=", other)

    def equal(self, other: Number | int) -> Number:
        """Compare."""
        return self._compared("==", other)

    def truth(self) -> Number:
        """Say whether it is not 0."""
        return self._compared("!=", 0)

    def choose(self, yes: Number, no: Number) -> Number:
        """Give one or the other, as this is true or not."""
        return Number(self.builder, self.builder.select(self.value, yes.value, no.value))

    def at_least(self, other: Number) -> Number:
        """Give the larger."""
        return self.greater(other).choose(self, other)

    def at_most(self, other: Number) -> Number:
        """Give the smaller."""
        return self.less(other).choose(self, other)

    def extended(self, bits: int) -> Number:
        """Give truth as 0 or 1, of some size."""
        return Number(self.builder, self.builder.zext(self.value, self._kind(bits, self.lanes)))

    def to(self, bits: int) -> Number:
        """Convert to another size: the sign is extended, or the upper bits are cut off."""
        if bits == self.bits:
            return self
        convert = self.builder.sext if bits > self.bits else self.builder.trunc
        return Number(self.builder, convert(self.value, self._kind(bits, self.lanes)))

    def spread(self, lanes: int) -> Number:
        """Give a vector of equal integers."""
        if not lanes:
            return self
        kind = self._kind(self.bits, lanes)
        first = ir.Constant(ir.IntType(32), 0)
        vector = self.builder.insert_element(ir.Constant(kind, ir.Undefined), self.value, first)
        order = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
        empty = ir.Constant(kind, ir.Undefined)
        return Number(self.builder, self.builder.shuffle_vector(vector, empty, order))

    def like(self, other: Number) -> Number:
        """Give a single integer in the size and number of another."""
        return self.to(other.bits).spread(other.lanes)

    def lane(self, number: int) -> Number:
        """Give one integer of a vector."""
        index = ir.Constant(ir.IntType(32), number)
        return Number(self.builder, self.builder.extract_element(self.value, index))

    def total(self) -> Number:
        """Give the sum of a vector's integers."""
        kind, name = self.value.type, f"llvm.vector.reduce.add.v{self.lanes}i{self.bits}"
        module = self.builder.module
        function = module.globals.get(name)
        if function is None:
            function = ir.Function(module, ir.FunctionType(kind.element, [kind]), name)
        return Number(self.builder, self.builder.call(function, [self.value]))

    def _with(self, function: Llvm, other: Number | int) -> Number:
        return Number(self.builder, function(self.value, self._operand(other)))

    def _compared(self, relation: str, other: Number | int) -> Number:
        compare = self.builder.icmp_signed
        return Number(self.builder, compare(relation, self.value, self._operand(other)))

    def _operand(self, other: Number | int) -> Llvm:
        if isinstance(other, Number):
            return other.value
        kind = self.value.type
        return ir.Constant(kind, [other] * self.lanes if self.lanes else other)

    @staticmethod
    def _kind(bits: int, lanes: int) -> Llvm:
        kind = ir.IntType(bits)
        return ir.VectorType(kind, lanes) if lanes else kind


class Area:
    """Memory with elements of one size, from some place on."""

    def __init__(self, builder: ir.IRBuilder, address: Llvm, bits: int) -> None:
        self.builder = builder
        self.address = address
        self.bits = bits

    def at(self, place: Number) -> Area:
        """Give the memory from a place on."""
        return Area(self.builder, self._address(place), self.bits)

    def get(self, place: Number, lanes: int) -> Number:
        """Give the elements from a place on as a vector, or one element with 0 lanes."""
        kind = Number._kind(self.bits, lanes)
        loaded = self.builder.load(self._address(place), align=self.bits // 8, typ=kind)
        return Number(self.builder, loaded)

    def __getitem__(self, place: Number) -> Number:
        return self.get(place, 0)

    def __setitem__(self, place: Number, number: Number) -> None:
        self.builder.store(number.value, self._address(place), align=self.bits // 8)

    def _address(self, place: Number) -> Llvm:
        kind = ir.IntType(self.bits)
        return self.builder.gep(self.address, [place.value], source_etype=kind)


class Variable:
    """A number that changes."""

    def __init__(self, builder: ir.IRBuilder, first: Number) -> None:
        self.builder = builder
        self.kind = first.value.type
        # outside of loops, so that it becomes a register
        with builder.goto_entry_block():
            self.address = builder.alloca(self.kind)
        self.set(first)

    def get(self) -> Number:
        """Give what it is now."""
        return Number(self.builder, self.builder.load(self.address, typ=self.kind))

    def set(self, number: Number) -> None:
        """Change it."""
        self.builder.store(number.value, self.address)


class Kernel:
    """The function of one instruction in the making: (context, instruction) -> next instruction."""

    def __init__(self, module: ir.Module, name: str, fields: Sequence[str]) -> None:
        self.fields = {field: number for number, field in enumerate(fields, 1)}
        kind = ir.FunctionType(POINTER, [POINTER, POINTER])
        self.function = ir.Function(module, kind, f"kernel.{name}")
        self.function.linkage = "internal"
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        self._context, self._here = self.function.args

    def number(self, value: int, bits: int = 64, lanes: int = 0) -> Number:
        """Give a constant."""
        kind = ir.IntType(bits)
        return Number(self.builder, ir.Constant(kind, value)).spread(lanes)

    def field(self, name: str) -> Number:
        """Give a field of the instruction."""
        return self._words(self._here)[self.number(self.fields[name])]

    def area(self, bits: int) -> Area:
        """Give an area of the memory."""
        word = self.number(CONTEXT.index(f"m{bits}"))
        return Area(self.builder, self._pointer(word), bits)

    def place(self, bits: int, field: str) -> Area:
        """Give an area from the place on that a field says."""
        return self.area(bits).at(self.field(field))

    def frame(self, number: Number, length: Number) -> Area:
        """Give one frame of an input or output."""
        frame = self._words(self._context)[self.number(CONTEXT.index("frame"))]
        return Area(self.builder, self._pointer(number), 64).at(frame * length)

    def variable(self, first: Number) -> Variable:
        """Make a number that changes."""
        return Variable(self.builder, first)

    @contextmanager
    def loop(self, stop: Number, step: int | Number = 1) -> Iterator[Number]:
        """Repeat what is in the `with` for 0, step, ... below `stop`."""
        index = self.variable(self.number(0))
        head, body, after = (self.function.append_basic_block() for _ in range(3))
        self.builder.branch(head)
        self.builder.position_at_end(head)
        self.builder.cbranch(index.get().less(stop).value, body, after)
        self.builder.position_at_end(body)
        yield index.get()
        index.set(index.get() + step)
        self.builder.branch(head)
        self.builder.position_at_end(after)

    def go_on(self) -> None:
        """End the function: the next instruction follows."""
        self._jump(self.number(1 + len(self.fields)))

    def jump_if(self, condition: Number, target: Number) -> None:
        """End the function: the next instruction is `target` words away, or follows."""
        self._jump(condition.choose(target, self.number(1 + len(self.fields))))

    def stop(self) -> None:
        """End the function: there is no next instruction."""
        self.builder.ret(ir.Constant(POINTER, None))

    def _jump(self, words: Number) -> None:
        self.builder.ret(self.builder.gep(self._here, [words.value], source_etype=I64))

    def _words(self, address: Llvm) -> Area:
        return Area(self.builder, address, 64)

    def _pointer(self, word: Number) -> Llvm:
        return self.builder.inttoptr(self._words(self._context)[word].value, POINTER)
