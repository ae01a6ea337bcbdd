"""The instructions of the virtual machine: names and fields.

A program is a row of int64 words: the code of an instruction, then its fields in the order given
here. Memory has elements of 8, 16, 32 and 64 bits, each kind in an area of its own, called M8 to
M64; the numbers in an instruction's name say which areas it works on, results first. `out`, `x`,
`y`, ... are places: numbers of elements from the start of an area. Jumps are relative: `target` is
a number of words from the start of the jumping instruction.

Element-wise instructions work on `blocks` of `LANES` elements, whatever lies behind the last one of
a value. So every value that is written by them has room for whole blocks, and reading past the end
of any is allowed. The others work on exactly as many elements as they say.

END stands for the end of arithmetic: v becomes clamp(((v << left) + rounding) >> right, lo, hi).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LANES: Final = 16
"""Elements of a block."""

DEPTH: Final = 32
"""Products of 16-bit factors are summed in steps of so many; weights are padded with zeros."""

CONTEXT: Final = ("m8", "m16", "m32", "m64", "frame")
"""What the words of the context are: addresses of the areas, the frame's number.

Then follow the addresses of the inputs and of the outputs, each int64 (frames, n).
"""

_END = "left rounding right lo hi"
_PAIR = "out x y blocks"
_PRODUCT = "out x weights bias rows columns n"


def _both(**fields: str) -> dict[str, str]:
    """Give instructions that exist for elements of 32 and of 64 bits."""
    return {f"{name}.{bits}": text for name, text in fields.items() for bits in (32, 64)}


FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: tuple(text.split())
        for name, text in {
            **_both(
                # sh(x, left_x - right_x) + sh(y, left_y - right_y); a negate_y of -1 subtracts y
                add=f"{_PAIR} left_x right_x left_y right_y negate_y {_END}",
                # the same with y[0] for every element of y, and a sign for x
                add_one=f"{_PAIR} left_x right_x negate_x left_y right_y negate_y {_END}",
                multiply=f"{_PAIR} {_END}",
                multiply_one=f"{_PAIR} {_END}",
                # x >> right, and of that the bits in the mask
                mask="out x blocks right mask",
                # bias[i] + sum over t < taps of x[t * n + i] * weights[t * n + i]
                taps=f"out x weights bias blocks n taps {_END}",
                # sum over j < n of x[i * n + j], for `count` results
                sum=f"out x n count blocks {_END}",
                greater=_PAIR,
                greater_equal=_PAIR,
                equal=_PAIR,
                both=_PAIR,
                either=_PAIR,
                one_of=_PAIR,
                largest=_PAIR,
                smallest=_PAIR,
                # one frame of an input or output: its number in the context
                input="out n number",
                output="x n number",
                # n elements from x + k * move_x to out + k * move_out; k is in M64
                block="out move_out x move_x n k",
                # jumps if x[0] is 0
                jump_unless="x target",
            ),
            # table[clamp(x >> right, lo, hi) - lo]; x is in M32
            **_both(look_up="out x table blocks right lo hi"),
            # `rows` rows of n elements, from step_x to step_out apart
            **{
                f"rows.{out}.{x}": "out step_out x step_x n rows"
                for out, x in ((32, 32), (64, 64), (16, 32), (64, 32), (32, 64))
            },
            # x[index[i]], 0 where the index is negative; indices are in M32
            **{f"pick.{out}.{x}": "out x index n" for out, x in ((32, 32), (64, 64), (16, 32))},
            # out[i, j] = bias[j] + sum over k < n of x[i, k] * weights[j, k]: names give the areas
            # of the result, x and weights; with 16-bit factors n is a multiple of DEPTH
            "product.32.16.8": f"{_PRODUCT} blocks {_END}",
            "product.32.16.16": f"{_PRODUCT} blocks {_END}",
            "product.32.32.32": f"{_PRODUCT} blocks {_END}",
            # sums of `chunk` products, a multiple of DEPTH, fit 32 bits
            "product.64.16.8": f"{_PRODUCT} chunk",
            "product.64.16.16": f"{_PRODUCT} chunk",
            "product.64.32.32": _PRODUCT,
            "product.64.64.64": _PRODUCT,
            # test = counter mod n == k, next = (counter + 1) mod n; all in M64
            "count": "test next counter n k",
            "jump": "target",
            # sets k[0] to 0
            "start": "k",
            # adds 1 to k[0], and jumps
            "repeat": "k target",
            # jumps if k[0] == last
            "leave": "k last target",
            "stop": "",
        }.items()
    }
)
"""Fields of each instruction."""

CODES: Mapping[str, int] = MappingProxyType({name: i for i, name in enumerate(FIELDS)})
"""The first word of each instruction."""
