"""The multi-term multiply-accumulate (FQIR reference 4.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.semantics.constants import Constants
from hostrt.fqir.semantics.integers import KernelError, clamp, fits_int64, int64, sh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.graph import Array, Node


@dataclass(frozen=True, slots=True)
class Gmac:
    """Constants of one `gmac_v2`.

    Attributes:
        shamts_vv: shift of each product of two tensors.
        shamts_vi: shift of each product with a constant.
        immediates_vi: those constants.
        bits_out: bits of each output, low part first.
        dropped: low bits that the accumulator loses before it is split (F of the reference).
    """

    shamts_vv: tuple[int, ...]
    shamts_vi: tuple[int, ...]
    immediates_vi: tuple[int, ...]
    bits_out: tuple[int, ...]
    dropped: int

    @classmethod
    def of(cls, node: Node) -> Gmac:
        """Read a node's constants.

        Raises:
            ProgramCorrupt: constants are missing or of the wrong kind, or their numbers do not
                match the node's inputs.
        """
        constants = Constants(node)
        vv, vi = constants.integers("shamts_vv"), constants.integers("shamts_vi")
        immediates = constants.integers("immediates_vi")
        bits = constants.integers("bits_out")
        n_vv, n_vi = terms(node)
        for i in range(n_vv):
            constants.require(f"y_vv_{i}" in node.inputs, f"has no argument 'y_vv_{i}'")
        constants.require(len(vv) == n_vv, f"{len(vv)} shamts_vv for {n_vv} products")
        constants.require(len(vi) == n_vi, f"{len(vi)} shamts_vi for {n_vi} products")
        constants.require(len(immediates) == n_vi, f"{len(immediates)} immediates for {n_vi}")
        constants.require(
            bool(bits) and min(bits) > 0 and max(bits) <= 64, f"bits_out {list(bits)}"
        )
        constants.require(
            all(fits_int64(value) for value in immediates), "an immediate of more than 64 bits"
        )
        return cls(vv, vi, immediates, bits, dropped_bits(node, vv, vi, immediates))

    @property
    def clamp_bits(self) -> int:
        """Bits that the accumulator is saturated to."""
        return sum(self.bits_out) - len(self.bits_out) + 1


def terms(node: Node) -> tuple[int, int]:
    """Give the numbers of products of two tensors and of products with a constant."""
    counts = []
    for family in ("x_vv_", "x_vi_"):
        count = 0
        while f"{family}{count}" in node.inputs:
            count += 1
        counts.append(count)
    return counts[0], counts[1]


def dropped_bits(
    node: Node, shamts_vv: Sequence[int], shamts_vi: Sequence[int], immediates: Sequence[int]
) -> int:
    """Give F of FQIR reference 4.7, step 2; it depends on the declared types of the inputs."""

    def wide(name: str) -> bool:
        return "int24" in node.inputs[name].dtype

    drop = max(0, *shamts_vv, *shamts_vi, 0)
    for i, shamt in enumerate(shamts_vv):
        drop = max(drop, shamt + 12 * wide(f"x_vv_{i}") + 12 * wide(f"y_vv_{i}"))
    for i, (shamt, immediate) in enumerate(zip(shamts_vi, immediates, strict=True)):
        drop = max(drop, _effective_shift(immediate, shamt))
        if wide(f"x_vi_{i}"):
            drop = max(drop, _wide_shift(immediate, shamt))
    return drop


def _wide_shift(immediate: int, shamt: int) -> int:
    """Give the shift of the upper half of a 24-bit tensor times a constant."""
    raised = shamt + 12
    if 0 < raised < 64 and -(1 << 23) <= immediate << raised < 1 << 23:
        return _effective_shift(immediate << raised, 0)
    return _effective_shift(immediate, raised)


def _effective_shift(immediate: int, shamt: int) -> int:
    if -(1 << 15) <= immediate < 1 << 15:
        return shamt
    return shamt + max(8, min(-shamt, 12))


def gmac_v2(
    spec: Gmac, vv: Sequence[tuple[Array, Array]], vi: Sequence[Array]
) -> tuple[Array, ...]:
    """Accumulate products in the order of their shifts and split the sum (FQIR reference 4.7).

    Args:
        spec: the constants.
        vv: pairs to be multiplied with each other.
        vi: what is multiplied with the constants.

    Returns:
        One int64 array per entry of `bits_out`.

    Raises:
        KernelError: a later product is longer than what has been accumulated.
        ValueError: shapes that cannot be broadcast.
    """
    accumulator = clamp(_dropped(_accumulate(spec, vv, vi), spec.dropped), spec.clamp_bits)
    parts, low = [], 0
    for bits in spec.bits_out[:-1]:
        mask = np.int64((1 << min(bits - 1, 63)) - 1)
        parts.append(np.asarray(np.bitwise_and(sh(accumulator, -low), mask)))
        low += bits - 1
    return (*parts, np.asarray(sh(accumulator, -low)))


def _dropped(accumulator: Array, count: int) -> Array:
    return sh(sh(accumulator, -count), count)


def _accumulate(spec: Gmac, vv: Sequence[tuple[Array, Array]], vi: Sequence[Array]) -> Array:
    products = [
        (shamt, np.multiply(int64(x), int64(y)))
        for shamt, (x, y) in zip(spec.shamts_vv, vv, strict=True)
    ]
    products += [
        (shamt, np.multiply(int64(x), np.int64(factor)))
        for shamt, factor, x in zip(spec.shamts_vi, spec.immediates_vi, vi, strict=True)
    ]
    if not products:
        return np.zeros((), np.int64)
    products.sort(key=lambda item: item[0])  # stable: equal shifts stay in order
    last, accumulator = products[0]
    for shamt, product in products[1:]:
        _require_room(accumulator, product)
        accumulator = np.add(sh(accumulator, last - shamt), product)
        last = shamt
    return sh(accumulator, last)


def _require_room(accumulator: Array, product: Array) -> None:
    if np.broadcast_shapes(accumulator.shape, product.shape) != accumulator.shape:
        raise KernelError(
            f"a product of shape {product.shape} is added to an accumulator of shape "
            f"{accumulator.shape}; the first product in shift order must be the longest"
        )
