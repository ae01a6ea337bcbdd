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
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hostrt.fqir.plan.instructions import (
    Add,
    Branch,
    Carried,
    Collected,
    Compare,
    Concat,
    Conv,
    Counter,
    Final,
    Gmac,
    Instruction,
    Lookup,
    Loop,
    MatMul,
    Merged,
    Mul,
    Narrow,
    Relation,
    Reshape,
    Scale,
    Slice,
    Sliced,
    Sum,
    Transpose,
    Window,
    Wrap,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "Add",
    "Branch",
    "Carried",
    "Collected",
    "Compare",
    "Concat",
    "Conv",
    "Counter",
    "Final",
    "Gmac",
    "Instruction",
    "Int64s",
    "Lookup",
    "Loop",
    "MatMul",
    "Merged",
    "Mul",
    "Narrow",
    "Plan",
    "Relation",
    "Reshape",
    "Scale",
    "Slice",
    "Sliced",
    "State",
    "Sum",
    "Transpose",
    "Value",
    "Window",
    "Wrap",
    "loop_arguments",
    "loop_ends",
    "operands",
    "results",
]

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
