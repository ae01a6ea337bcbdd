"""Vectors of small integers inside 64-bit words, and 64-bit words inside 32-bit ones.

Element k of a word occupies bits [16k+15 : 16k] at precision 16 and [8k+7 : 8k] at precision 8,
two's complement. A 64-bit word travels as two 32-bit words, low half first (spu-registers 8).
The last axis is the vector; axes before it are batches of frames and are packed together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.errors import LocalMisuseError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from firmware_protocol.words import DWords, Words

Elements: TypeAlias = NDArray[np.int8] | NDArray[np.int16]
"""Quantized values, (..., n)."""

Integers: TypeAlias = NDArray[np.integer]
"""Values of any integer dtype, (..., n)."""

WORD_BITS = 64
BYTE_BITS = 8
_LIMITS = {8: (-(1 << 7), (1 << 7) - 1), 16: (-(1 << 15), (1 << 15) - 1)}


def elements_per_word(precision: int) -> int:
    """Give how many elements one 64-bit word holds: 8 at precision 8, 4 at precision 16.

    Raises:
        LocalMisuseError: the precision is neither 8 nor 16.
    """
    if precision not in _LIMITS:
        raise LocalMisuseError(f"precision {precision}: the chip packs elements of 8 or 16 bits")
    return WORD_BITS // precision


def words_for(length: int, precision: int) -> int:
    """Give the number of 64-bit words that hold `length` elements."""
    return -(-length // elements_per_word(precision))


def pad_elements(elements: ArrayLike, precision: int) -> Integers:
    """Give `elements` with zeros appended up to a whole number of 64-bit words.

    Args:
        elements: any integer dtype, (..., n).
        precision: 8 or 16 bits.

    Returns:
        The same dtype, (..., m), m the next multiple of 8 or 4; the input itself if m == n.
    """
    array = _integers(elements)
    missing = -array.shape[-1] % elements_per_word(precision)
    if not missing:
        return array
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)])


def pack_elements(elements: ArrayLike, precision: int) -> DWords:
    """Pack integers into 64-bit words.

    Args:
        elements: any integer dtype, (..., n), n a multiple of 8 (precision 8) or 4 (16).
        precision: 8 or 16 bits.

    Returns:
        uint64 (..., n / 8 or n / 4).

    Raises:
        LocalMisuseError: not integers, not whole words, or a value outside the precision.
    """
    array = _integers(elements)
    per_word = elements_per_word(precision)
    if array.shape[-1] % per_word:
        raise LocalMisuseError(
            f"{array.shape[-1]} elements of {precision} bits are not whole 64-bit words: "
            f"pad to a multiple of {per_word}"
        )
    _check_range(array, precision)
    wire = np.ascontiguousarray(array, dtype="<i1" if precision == BYTE_BITS else "<i2")
    packed: DWords = wire.view("<u8").astype(np.uint64, copy=False)
    return packed


def unpack_elements(words: DWords, precision: int, length: int) -> Elements:
    """Take the first `length` elements out of 64-bit words.

    Args:
        words: uint64 (..., n_words).
        precision: 8 or 16 bits.
        length: elements wanted from each row; what follows them is undefined and cut.

    Returns:
        int8 or int16 (..., length).

    Raises:
        LocalMisuseError: the words hold fewer than `length` elements.
    """
    held = words.shape[-1] * elements_per_word(precision)
    if not 0 <= length <= held:
        raise LocalMisuseError(
            f"{length} elements of {precision} bits wanted from {words.shape[-1]} words "
            f"that hold {held}"
        )
    wire = np.ascontiguousarray(words, dtype="<u8")
    if precision == BYTE_BITS:
        return wire.view("<i1")[..., :length].astype(np.int8)
    return wire.view("<i2")[..., :length].astype(np.int16)


def dwords_to_words(dwords: DWords) -> Words:
    """Give uint64 (..., n) as uint32 (..., 2 n), low half first."""
    halves = np.ascontiguousarray(dwords, dtype="<u8").view("<u4")
    words: Words = halves.astype(np.uint32, copy=False)
    return words


def words_to_dwords(words: Words) -> DWords:
    """Give uint32 (..., 2 n) as uint64 (..., n), low half first.

    Raises:
        LocalMisuseError: an odd number of words.
    """
    if words.shape[-1] % 2:
        raise LocalMisuseError(f"{words.shape[-1]} words of 32 bits do not pair into 64-bit words")
    pairs = np.ascontiguousarray(words, dtype="<u4").view("<u8")
    dwords: DWords = pairs.astype(np.uint64, copy=False)
    return dwords


def _integers(elements: ArrayLike) -> Integers:
    array = np.asarray(elements)
    if array.dtype.kind not in "iu":
        raise LocalMisuseError(f"elements of dtype {array.dtype}: quantize to integers first")
    if array.ndim == 0:
        raise LocalMisuseError("a single number was given: elements need at least one axis")
    return array


def _check_range(array: Integers, precision: int) -> None:
    if array.size == 0 or np.can_cast(array.dtype, f"i{precision // 8}"):
        return
    least, most = _LIMITS[precision]
    low, high = int(array.min()), int(array.max())
    if low < least or high > most:
        raise LocalMisuseError(
            f"elements span {low}..{high}, which does not fit {precision} bits ({least}..{most})"
        )
