"""What each operator costs, as the reference toolkit's counters say (FQIR reference 7)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.sizes import bytes_of, density_of, nonzeros, numel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hostrt.fqir.graph import Node, Tensor


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one frame, as the reference's toolkit defines them.

    Attributes:
        mem_read_bytes: bytes read from memory.
        mem_write_bytes: bytes written to memory.
        acc_read_numel: elements read from accumulators.
        acc_write_numel: elements written to accumulators.
        table_read_bytes: bytes read from look-up tables.
        macs: multiply-accumulates where both factors may be non-zero.
        emacs: multiply-accumulates as if nothing were zero.
        additions: other additions.
        multiplies: other multiplications.
        luts: look-ups.
        other_logic: comparisons, logic, extremes.
    """

    mem_read_bytes: float = 0
    mem_write_bytes: float = 0
    acc_read_numel: float = 0
    acc_write_numel: float = 0
    table_read_bytes: float = 0
    macs: float = 0
    emacs: float = 0
    additions: float = 0
    multiplies: float = 0
    luts: float = 0
    other_logic: float = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in FIELDS))

    @property
    def memory_bytes(self) -> float:
        """Bytes read and written."""
        return self.mem_read_bytes + self.mem_write_bytes

    @property
    def weight(self) -> float:
        """Bits moved, an element of an accumulator or table taken as a byte."""
        moved = self.table_read_bytes + self.acc_read_numel + self.acc_write_numel
        return 8 * (self.memory_bytes + moved)

    @property
    def total_ops(self) -> float:
        """Operations of every kind, with `macs`."""
        return self.macs + self._others

    @property
    def total_eops(self) -> float:
        """Operations of every kind, with `emacs`."""
        return self.emacs + self._others

    @property
    def _others(self) -> float:
        return self.additions + self.multiplies + self.luts + self.other_logic


FIELDS = tuple(field.name for field in fields(Counts))
"""Names of the counts, in the reference's order."""


def count_node(node: Node, p: float) -> Counts:
    """Count one node without the graphs inside it.

    Args:
        node: the counter that its file names decides, else the operator.
        p: share of results that are stored and loaded again.

    Raises:
        ProgramUnsupported: the reference has no count for the operator or its elements.
    """
    name = node.counter or _counter_of(node.opname)
    if name not in _COUNTERS:
        raise ProgramUnsupported(f"no formula is known for the cost of {node.opname} ({name!r})")
    count = _COUNTERS[name]
    if count is None:
        return _NOTHING
    try:
        return count(node, p)
    except (KeyError, IndexError) as error:
        raise ProgramUnsupported(
            f"the reference has no cost for {node.opname}: its counter looks for arguments that "
            "this operator does not have"
        ) from error


def _counter_of(opname: str) -> str:
    """Name the counter that the reference gives to an operator."""
    return next((name for name, names in _OPERATORS.items() if opname in names), "NullCounter")


def kind_of(opname: str) -> str | None:
    """Name the count that an element-wise operator adds to; None for all other operators."""
    return next((kind for kind, names in _KINDS.items() if opname in names), None)


def _done(node: Node, n: int) -> dict[str, int]:
    return {kind_of(node.opname) or "other_logic": n}


def _vector_vector(node: Node, p: float) -> Counts:
    x, y, out = node.inputs["x"], node.inputs["y"], node.outputs[0]
    n = numel(out)
    return Counts(
        mem_read_bytes=(1 + p) * (bytes_of(x) + bytes_of(y)) / 2,
        mem_write_bytes=p * bytes_of(out),
        acc_read_numel=(1 + p) * n,
        acc_write_numel=(1 + p) * n,
        **_done(node, n),
    )


def _vector(node: Node, p: float) -> Counts:
    x, out = node.inputs["x"], node.outputs[0]
    n = numel(x)
    return Counts(
        mem_read_bytes=p * bytes_of(x),
        mem_write_bytes=p * bytes_of(out, only_nonzeros=node.opname == "relu"),
        acc_read_numel=(1 + p) * n,
        acc_write_numel=(1 + p) * n,
        **_done(node, n),
    )


def _lookup(node: Node, p: float) -> Counts:
    return _vector(node, p) + Counts(table_read_bytes=2 * numel(node.inputs["x"]))


def _copy(node: Node, p: float) -> Counts:
    inputs, outputs = list(node.inputs.values()), node.outputs
    return Counts(
        mem_read_bytes=_share(map(bytes_of, inputs), p),
        mem_write_bytes=_share(map(bytes_of, outputs), p),
        acc_read_numel=_share(map(numel, outputs), p),
        acc_write_numel=_share(map(numel, inputs), p),
    )


def _share(sizes: Iterable[int], p: float) -> float:
    """Of k tensors, k - 1 move whole and one in the share `p`; the average stands for each."""
    known = list(sizes)
    return sum(known) * (len(known) - 1 + p) / len(known) if known else 0


def _shift(node: Node, p: float) -> Counts:
    x, out = node.inputs["x"], node.outputs[0]
    if node.constants.get("shamt") == 0 and x.dtype == out.dtype:
        return _NOTHING
    n = numel(x)
    return Counts(p * bytes_of(x), p * bytes_of(out), p * n, p * n)


def _reduction(node: Node, p: float) -> Counts:
    del p
    x = node.inputs["x"]
    n = numel(x)
    return Counts(bytes_of(x), bytes_of(node.outputs[0]), n, n, additions=n)


def _matmul(node: Node, p: float) -> Counts:
    x, y, out = node.inputs["x"], node.inputs["y"], node.outputs[0]
    matrix, vector = (x, y) if len(x.shape) == 2 else (y, x)
    if not bytes_of(matrix):
        raise ProgramUnsupported(
            f"the reference has no cost for {node.opname}: its matrix {matrix.name[:60]!r} takes "
            "0 bytes"
        )
    bias = node.inputs.get("bias")
    density = density_of(vector)
    filled = bytes_of(matrix, only_nonzeros=True) / bytes_of(matrix)
    if density == 1 and filled < 1:
        return _half_rectified(matrix, vector, out, bias, p)
    if density == 1:
        n: float = numel(matrix)
        read: float = bytes_of(matrix) + bytes_of(vector)
    else:
        n = _expected_macs(matrix, vector, density, is_left=matrix is x)
        read = n * bytes_of(matrix) / numel(matrix) + bytes_of(vector, only_nonzeros=True)
    init = (
        Counts(acc_write_numel=numel(out))
        if bias is None
        else Counts(bytes_of(bias), acc_write_numel=numel(bias), additions=numel(bias))
    )
    product = Counts(read, 0, n, n, macs=n, emacs=numel(matrix))
    return init + product + Counts(0, p * bytes_of(out), p * numel(out))


def _expected_macs(matrix: Tensor, vector: Tensor, density: float, *, is_left: bool) -> float:
    if vector.density_per_element is None or matrix.value is None:
        return density * nonzeros(matrix)
    import numpy as np

    share = np.asarray(vector.density_per_element, np.float64)
    filled = matrix.value != 0
    try:
        return float(np.sum(filled @ share if is_left else share @ filled))
    except ValueError as error:
        raise ProgramUnsupported(
            f"densities of shape {share.shape} at {vector.name!r} do not fit the matrix "
            f"{matrix.name!r} of shape {matrix.value.shape}"
        ) from error


def _half_rectified(
    matrix: Tensor, vector: Tensor, out: Tensor, bias: Tensor | None, p: float
) -> Counts:
    """Count a sparse matrix times a dense vector: two products with the vector's two signs."""
    n, b, o, q = numel(vector), bytes_of(vector), numel(out), bytes_of(out)
    started, fetched = (o, 0) if bias is None else (numel(bias), bytes_of(bias))
    nz = nonzeros(matrix)
    return Counts(
        mem_read_bytes=p * b + 2 * b + bytes_of(matrix, only_nonzeros=True) + q + fetched,
        mem_write_bytes=b + q,
        acc_read_numel=5 * n + nz + o + q + p * q,
        acc_write_numel=p * n + 4 * n + nz + q + o + started,
        macs=nz,
        emacs=numel(matrix),
        additions=0 if bias is None else numel(bias),
    )


_NOTHING = Counts()

_LOGIC = frozenset(
    (
        *("relu", "gt0", "vvmax", "vvmin"),
        *(f"v{kind}{test}" for kind in "vi" for test in ("gt", "ge", "lt", "le", "eq")),
        *(f"v{kind}{logic}" for kind in "vi" for logic in ("and", "or", "xor")),
    )
)

_COUNTERS: Mapping[str, Callable[[Node, float], Counts] | None] = {
    "VVCounter": _vector_vector,
    "VCounter": _vector,
    "MatmulCounter": _matmul,
    "VLUTCounter": _lookup,
    "CopyCounter": _copy,
    "ShiftCounter": _shift,
    "ReductionCounter": _reduction,
    "NullCounter": None,
}

_OPERATORS: Mapping[str, frozenset[str]] = {
    "VVCounter": frozenset(("vvadd", "vvsub", "vvmul", "gmac_v2", "temp_i24_bool_mul")),
    "VCounter": _LOGIC | {"viadd", "vneg", "vimul"},
    "MatmulCounter": frozenset(("matmul", "addmm")),
    "VLUTCounter": frozenset(("lut",)),
    "CopyCounter": frozenset(("chunk", "split", "cat", "stack", "assign", "constant_like", "copy")),
    "ShiftCounter": frozenset(("shift",)),
    "ReductionCounter": frozenset(("sum",)),
}

_KINDS: Mapping[str, frozenset[str]] = {
    "additions": frozenset(("vvadd", "vvsub", "viadd", "vneg")),
    "multiplies": frozenset(("vvmul", "vimul", "temp_i24_bool_mul")),
    "luts": frozenset(("lut",)),
    "other_logic": _LOGIC,
}
