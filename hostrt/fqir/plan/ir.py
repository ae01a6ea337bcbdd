"""The intermediate form of a model: typed, flat, single assignment, no names to look up.

A `Plan` is one frame of ARITH for fixed input shapes. Every value is known by its number, an index
of `Plan.values`, and is defined exactly once: as an input, as a constant, as the content of a state
slot at the start of the frame, as an argument of a loop body, or as the result of one instruction.
Instructions are in execution order. Bodies of loops and branches are nested tuples of instructions
that may use every value defined before them outside.

Arithmetic is on mathematical integers reduced to 64 bits (two's complement); where the storage
types of the reference (FQIR reference 4.1) make a narrower reduction visible, there is an explicit
`Wrap`. What an instruction's `wide` is: False promises that every operand, intermediate and result
fits 32 bits, so that int32 arithmetic gives the same integers.

One frame: bind the inputs and, per state slot, `read` to the slot's content; run `body`; the
results are `outputs`; the slots then take the values `next`. All slots are read before any is
written: a `next` may be another slot's `read`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Int64s: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Value:
    """What is known about one value before the model runs.

    Attributes:
        shape: of one frame's value; () for scalars of the graph's constants.
        lo: smallest element it can have, given inputs within the intervals of the plan's inputs.
        hi: largest element it can have.
        min_bits: narrowest storage type the reference may hold it in: 8, 16, 32 or 64 bits.
        max_bits: widest one; differs from `min_bits` only when it changes between frames.
        constant: its content, C-contiguous and read-only, when it is the same in every frame.
        recurrent: whether it depends on a state slot.
    """

    shape: tuple[int, ...]
    lo: int
    hi: int
    min_bits: int
    max_bits: int
    constant: Int64s | None = None
    recurrent: bool = False

    @property
    def storage(self) -> np.dtype[np.signedinteger]:
        """Storage type in the reference, the widest when it varies."""
        return np.dtype(f"i{self.max_bits // 8}")

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Narrow:
    """What arithmetic ends with: `clamp(sh(v + rounding, shift))` (FQIR reference 4.1).

    Attributes:
        shift: >= 0 multiplies by 2**shift, < 0 shifts right and rounds down.
        rounding: 2**(-shift - 1) for rounded right shifts, else 0.
        lo: lower bound of the clamp, None when it is proven void.
        hi: upper bound of the clamp, None when it is proven void.
    """

    shift: int = 0
    rounding: int = 0
    lo: int | None = None
    hi: int | None = None

    @property
    def void(self) -> bool:
        """Whether it changes nothing."""
        return not self.shift and self.lo is None and self.hi is None


@dataclass(frozen=True, slots=True)
class Add:
    """`narrow(sh(x, shift_x) + sh(y, shift_y))`, or minus with `subtract`; elementwise."""

    out: int
    x: int
    y: int
    shift_x: int
    shift_y: int
    subtract: bool
    narrow: Narrow
    wide: bool


@dataclass(frozen=True, slots=True)
class Mul:
    """`narrow(x * y)`, elementwise."""

    out: int
    x: int
    y: int
    narrow: Narrow
    wide: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """`narrow(x)` or, with `negate`, `narrow(-x)`: shifts, saturation, relu."""

    out: int
    x: int
    negate: bool
    narrow: Narrow
    wide: bool


@dataclass(frozen=True, slots=True)
class Wrap:
    """`x` reduced to a signed integer of `bits` bits (8, 16 or 32), modulo 2**bits."""

    out: int
    x: int
    bits: int


class Relation(Enum):
    """What `Compare` computes; truth values are 1 and 0, truth of a number is being nonzero."""

    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    EQ = "eq"
    AND = "and"
    OR = "or"
    XOR = "xor"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, slots=True)
class Compare:
    """`x relation y`, elementwise; MAX and MIN give an operand, the others 0 or 1."""

    out: int
    x: int
    y: int
    relation: Relation
    wide: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """`table[clamp(sh(x, shift), lo, hi) - lo]`, elementwise.

    Attributes:
        table: index of `Plan.tables`; that table has hi - lo + 1 entries.
        clamped: whether sh(x, shift) can leave lo..hi at all.
    """

    out: int
    x: int
    table: int
    shift: int
    lo: int
    hi: int
    clamped: bool
    wide: bool


@dataclass(frozen=True, slots=True)
class MatMul:
    """`narrow(x @ y + bias)`, with numpy's rules for 1-D and 2-D operands.

    Attributes:
        bias: value that broadcasts against the product, or None.
        bound: largest absolute value that a partial sum (in any order), the bias and the rounding
            included, can have.
    """

    out: int
    x: int
    y: int
    bias: int | None
    narrow: Narrow
    bound: int
    wide: bool


@dataclass(frozen=True, slots=True)
class Sum:
    """`narrow(sum of x over axes)`; `out` has the shape with or without these axes."""

    out: int
    x: int
    axes: tuple[int, ...]
    narrow: Narrow
    wide: bool


@dataclass(frozen=True, slots=True)
class Window:
    """A shift register of rows: R = the rows of `buffer`, oldest first, then `x` as the last row.

    Rows are as long as `x` has elements; all shapes are to be read as flat, row-major.

    Attributes:
        out: rows 0, dilation, 2 * dilation, ... of R.
        next: R without its first row, in the shape of `buffer`.
        buffer: the rows before this frame.
        x: the newest row.
        dilation: distance of the rows taken.
    """

    out: int
    next: int
    buffer: int
    x: int
    dilation: int


@dataclass(frozen=True, slots=True)
class Conv:
    """Convolution over time and bands (FQIR reference 4.12).

    The window's rows are (bands, channels), channel fastest, padded with `padding` bands of zeros
    on both sides. `out[p * d_out + o] = narrow(O[p, o])` with `O[p, o] = bias[o] + sum weight[o, i,
    kn, kt] * row[kt][p * stride + kn * dilation, i]`; depthwise: i = o and weight[o, 0, kn, kt].

    Attributes:
        out: (bands_out * d_out,).
        window: (kernel_t, bands * channels).
        weight: (d_out, channels or 1, kernel_band, kernel_t).
        bias: (d_out,), already shifted, or None.
        bound: as in `MatMul`.
    """

    out: int
    window: int
    weight: int
    bias: int | None
    bands: int
    channels: int
    bands_out: int
    dilation: int
    stride: int
    padding: int
    depthwise: bool
    narrow: Narrow
    bound: int
    wide: bool


@dataclass(frozen=True, slots=True)
class Gmac:
    """Sum of shifted products, split into fields (FQIR reference 4.7); always 64 bits.

    Attributes:
        outs: one result per field, low part first.
        terms: pairs of factors, in ascending order of `shifts`.
        shifts: shift of each term.
        drop: number of low bits that are cleared.
        lo: lower bound of the clamp, None when it is proven void.
        hi: upper bound of the clamp, None when it is proven void.
        fields: width of each unsigned field; the last result is what remains above them.
    """

    outs: tuple[int, ...]
    terms: tuple[tuple[int, int], ...]
    shifts: tuple[int, ...]
    drop: int
    lo: int | None
    hi: int | None
    fields: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """Elements start..stop (exclusive) of `x` along `axis`."""

    out: int
    x: int
    axis: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Reshape:
    """The elements of `x` in row-major order, in the shape of `out`."""

    out: int
    x: int


@dataclass(frozen=True, slots=True)
class Transpose:
    """The two axes of `x` exchanged."""

    out: int
    x: int


@dataclass(frozen=True, slots=True)
class Concat:
    """The parts one after the other along `axis`."""

    out: int
    parts: tuple[int, ...]
    axis: int


@dataclass(frozen=True, slots=True)
class Counter:
    """Frame counter of a strided graph: `test = counter mod n == k`, `next = (counter + 1) mod n`.

    `mod` gives 0..n-1 also for negative numbers. `counter`, `test` and `next` have one element.
    """

    test: int
    next: int
    counter: int
    n: int
    k: int


@dataclass(frozen=True, slots=True)
class Carried:
    """A value that goes from one iteration of a loop to the next."""

    initial: int
    argument: int
    next: int


@dataclass(frozen=True, slots=True)
class Sliced:
    """`argument` is rows block * k .. block * (k + 1) of `source`; k counts down with `reverse`."""

    source: int
    argument: int
    block: int
    reverse: bool


@dataclass(frozen=True, slots=True)
class Collected:
    """`out` is `value` of all iterations along axis 0, blocks in reversed order with `reverse`."""

    value: int
    out: int
    reverse: bool


@dataclass(frozen=True, slots=True)
class Final:
    """`out` is what `value` (of the body, or an argument) was in the last iteration."""

    value: int
    out: int


@dataclass(frozen=True, slots=True)
class Loop:
    """`count` >= 1 iterations of `body`."""

    count: int
    carried: tuple[Carried, ...]
    sliced: tuple[Sliced, ...]
    body: tuple[Instruction, ...]
    collected: tuple[Collected, ...]
    finals: tuple[Final, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """`out` is `then` or `otherwise`, as the branch went."""

    then: int
    otherwise: int
    out: int


@dataclass(frozen=True, slots=True)
class Branch:
    """Runs `then` if the first element of `condition` is nonzero, else `otherwise`."""

    condition: int
    then: tuple[Instruction, ...]
    otherwise: tuple[Instruction, ...]
    merged: tuple[Merged, ...]


Instruction: TypeAlias = (
    Add
    | Mul
    | Scale
    | Wrap
    | Compare
    | Lookup
    | MatMul
    | Sum
    | Window
    | Conv
    | Gmac
    | Slice
    | Reshape
    | Transpose
    | Concat
    | Counter
    | Loop
    | Branch
)


@dataclass(frozen=True, slots=True)
class State:
    """One slot that lives from frame to frame.

    Attributes:
        name: the tensor's name; slots of plans of one model are matched by it.
        initial: content after a reset, read-only.
        read: value that holds the content at the start of a frame.
        next: value that is the content after the frame.
    """

    name: str
    initial: Int64s
    read: int
    next: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One frame of a model, ready to be executed.

    Attributes:
        values: everything that has a number.
        inputs: the ARITH inputs, by position.
        outputs: the ARITH outputs, by position; one value may occur twice.
        states: the slots, in no particular order.
        body: the instructions.
        tables: contents for `Lookup`, each (N,), read-only.
        watched: name -> value at the end of the frame, for the names asked for at compilation.
        names: value -> the tensor that had it first, for people; not every value is in it.
    """

    values: tuple[Value, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    states: tuple[State, ...]
    body: tuple[Instruction, ...]
    tables: tuple[Int64s, ...]
    watched: Mapping[str, int]
    names: Mapping[int, str] = field(default_factory=dict)


def results(instruction: Instruction) -> tuple[int, ...]:
    """Give the values that an instruction defines for those after it."""
    match instruction:
        case Window() | Counter():
            first = instruction.out if isinstance(instruction, Window) else instruction.test
            return first, instruction.next
        case Gmac():
            return instruction.outs
        case Loop():
            collected = tuple(end.out for end in instruction.collected)
            return (*collected, *(end.out for end in instruction.finals))
        case Branch():
            return tuple(merge.out for merge in instruction.merged)
        case _:
            return (instruction.out,)


def operands(instruction: Instruction) -> tuple[int, ...]:
    """Give the values that an instruction uses, those used inside its bodies included."""
    match instruction:
        case Add() | Mul() | Compare():
            return instruction.x, instruction.y
        case MatMul():
            return _present(instruction.x, instruction.y, instruction.bias)
        case Conv():
            return _present(instruction.window, instruction.weight, instruction.bias)
        case Window():
            return instruction.buffer, instruction.x
        case Counter():
            return (instruction.counter,)
        case Gmac():
            return tuple(factor for term in instruction.terms for factor in term)
        case Concat():
            return instruction.parts
        case Loop() | Branch():
            return tuple(dict.fromkeys(_free(instruction)))
        case _:
            return (instruction.x,)


def loop_arguments(loop: Loop) -> set[int]:
    """Give the values that an iteration of a loop is given."""
    return {item.argument for item in loop.carried} | {item.argument for item in loop.sliced}


def loop_ends(loop: Loop) -> list[int]:
    """Give the values that an iteration of a loop gives."""
    ends = [item.value for item in loop.collected] + [item.value for item in loop.finals]
    return ends + [item.next for item in loop.carried]


def _present(*ids: int | None) -> tuple[int, ...]:
    return tuple(number for number in ids if number is not None)


def _free(instruction: Loop | Branch) -> Iterator[int]:
    """Give what a nested block takes from outside."""
    if isinstance(instruction, Loop):
        yield from (item.initial for item in instruction.carried)
        yield from (item.source for item in instruction.sliced)
        yield from _outside(instruction.body, loop_ends(instruction), loop_arguments(instruction))
    else:
        yield instruction.condition
        yield from _outside(instruction.then, [item.then for item in instruction.merged], set())
        others = [item.otherwise for item in instruction.merged]
        yield from _outside(instruction.otherwise, others, set())


def _outside(block: tuple[Instruction, ...], ends: list[int], own: set[int]) -> Iterator[int]:
    for instruction in block:
        yield from (number for number in operands(instruction) if number not in own)
        own.update(results(instruction))
    yield from (number for number in ends if number not in own)
