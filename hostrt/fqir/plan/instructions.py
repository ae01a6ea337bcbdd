"""The instructions of a plan: what they compute, on values known by number.

`hostrt.fqir.plan.ir` says what a plan is and gives these names too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


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
