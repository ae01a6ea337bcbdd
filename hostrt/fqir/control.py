"""Nodes that hold graphs: loops, strided graphs, conditionals (FQIR reference 4.13 to 4.15)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hostrt.fqir.semantics.constants import Constants
from hostrt.fqir.semantics.integers import fits_int64
from hostrt.fqir.semantics.structure import cat
from hostrt.fqir.steps import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostrt.fqir.graph import Array, Node
    from hostrt.fqir.steps import Env, Prepared, Step


_Held = TypeVar("_Held")


def body_of(node: Node, graphs: Mapping[str, _Held], key: str) -> _Held:
    """Give one of the graphs that a node holds.

    Raises:
        ProgramCorrupt: it holds none of that key.
    """
    if key not in graphs:
        raise Constants(node).fault(f"has no graph {key!r}")
    return graphs[key]


@dataclass(frozen=True, slots=True)
class Loop:
    """Constants of one `loop` (FQIR reference 4.13), with their names in files."""

    n_iter: int
    n_recurse: int
    n_sliced: int
    n_scope: int
    n_concat: int
    n_final: int
    block_size_sliced: tuple[int, ...]
    reverse_sliced: tuple[bool, ...]
    reverse_concat: tuple[bool, ...]

    @classmethod
    def of(cls, node: Node) -> Loop:
        """Read a node's constants.

        Raises:
            ProgramCorrupt: constants are missing or of the wrong kind, or do not fit each other.
        """
        c = Constants(node)
        counts = {
            name: c.integer(name)
            for name in ("n_recurse", "n_sliced", "n_scope", "n_concat", "n_final")
        }
        loop = cls(
            n_iter=c.count("n_iter"),
            **counts,
            block_size_sliced=c.integers("block_size_sliced"),
            reverse_sliced=c.flags("reverse_sliced"),
            reverse_concat=c.flags("reverse_concat"),
        )
        c.require(
            len(loop.block_size_sliced) == len(loop.reverse_sliced) == loop.n_sliced,
            f"{len(loop.block_size_sliced)} block sizes and {len(loop.reverse_sliced)} directions "
            f"for {loop.n_sliced} sliced inputs",
        )
        c.require(
            len(loop.reverse_concat) == loop.n_concat,
            f"{len(loop.reverse_concat)} directions for {loop.n_concat} concatenated outputs",
        )
        loop._check_body(node, c)
        return loop

    def _check_body(self, node: Node, c: Constants) -> None:
        missing = [name for name in self.arguments if name not in node.inputs]
        c.require(not missing, f"has no argument {', '.join(map(repr, missing))}")
        body = body_of(node, node.subgraphs, "body")
        n_inputs, n_outputs = len(body.inputs), len(body.outputs)
        n_expected = self.n_recurse + self.n_concat + self.n_final
        c.require(
            n_inputs == len(self.arguments) and n_outputs == n_expected,
            f"a body of {n_inputs} inputs and {n_outputs} outputs, expected {len(self.arguments)} "
            f"and {n_expected}",
        )

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of the node's inputs in the order of the body's inputs."""
        kinds = (("recurse", self.n_recurse), ("sliced", self.n_sliced), ("scope", self.n_scope))
        return tuple(f"x_{kind}_{i}" for kind, count in kinds for i in range(count))

    def block(self, index: int, turn: int) -> slice:
        """Give the part of sliced input `index` that iteration `turn` sees."""
        size = self.block_size_sliced[index]
        k = self.n_iter - 1 - turn if self.reverse_sliced[index] else turn
        return slice(size * k, size * (k + 1))


@dataclass(frozen=True, slots=True)
class _Loop:
    names: Names
    body: Prepared
    loop: Loop

    @classmethod
    def of(cls, node: Node, graphs: Mapping[str, Prepared]) -> _Loop:
        loop = Loop.of(node)
        return cls(Names.of(node), graphs["body"], loop)

    def run(self, env: Env) -> None:
        loop = self.loop
        values = self.names.read(env)
        given = [values[name] for name in loop.arguments]
        recurse = given[: loop.n_recurse]
        sliced = given[loop.n_recurse : loop.n_recurse + loop.n_sliced]
        scope = given[loop.n_recurse + loop.n_sliced :]
        pieces: list[list[Array]] = [[] for _ in range(loop.n_concat)]
        results: list[Array] = []
        for turn in range(loop.n_iter):
            blocks = [self._cut(i, array, turn) for i, array in enumerate(sliced)]
            results = self.body.run([*recurse, *blocks, *scope], env)
            self._require_same_shapes(recurse, results)
            recurse = results[: loop.n_recurse]
            for piece, value in zip(pieces, results[loop.n_recurse :], strict=False):
                piece.append(value)
        joined = [self._join(i, piece) for i, piece in enumerate(pieces)]
        self.names.write([*joined, *results[loop.n_recurse + loop.n_concat :]], env)

    def _cut(self, index: int, array: Array, turn: int) -> Array:
        block = self.loop.block(index, turn)
        if not array.ndim or len(array) < block.stop:
            raise self.names.fault(
                f"x_sliced_{index} has shape {array.shape}, expected at least {block.stop} along "
                "its first axis"
            )
        return array[block]

    def _join(self, index: int, piece: list[Array]) -> Array:
        try:
            return cat(piece[::-1] if self.loop.reverse_concat[index] else piece, dim=0)
        except ValueError as error:
            raise self.names.fault(f"output {index}: {error}") from error

    def _require_same_shapes(self, before: list[Array], after: list[Array]) -> None:
        for index, (old, new) in enumerate(zip(before, after, strict=False)):
            if old.shape != new.shape:
                raise self.names.fault(
                    f"x_recurse_{index} has shape {old.shape} and becomes {new.shape}"
                )


@dataclass(frozen=True, slots=True)
class _Strided:
    names: Names
    body: Prepared
    n: int
    k: int
    inputs: tuple[str, ...]
    defaults: tuple[str, ...]

    @classmethod
    def of(cls, node: Node, graphs: Mapping[str, Prepared]) -> _Strided:
        c, names = Constants(node), Names.of(node)
        n, k = c.count("n"), c.integer("k")
        c.require(fits_int64(n), f"constant 'n' is {n}, expected 64 bits")
        c.require("counter" in node.inputs, "has no argument 'counter'")
        inputs, defaults = names.family("input_"), names.family("default_output_")
        return cls(names, body_of(node, graphs, "body"), n, k, inputs, defaults)

    def run(self, env: Env) -> None:
        values = self.names.read(env)
        counter = values["counter"]
        if counter.size != 1:
            raise self.names.fault(f"a counter of shape {counter.shape}, expected one element")
        count = int(counter.reshape(()))
        if count % self.n == self.k:
            results = self.body.run([values[name] for name in self.inputs], env)
        else:
            results = [values[name] for name in self.defaults]
        self.names.write(results, env)
        env[self.names.inputs["counter"]] = np.full(counter.shape, (count + 1) % self.n, np.int64)


@dataclass(frozen=True, slots=True)
class _Conditional:
    names: Names
    if_true: Prepared
    if_false: Prepared
    inputs: tuple[str, ...]

    @classmethod
    def of(cls, node: Node, graphs: Mapping[str, Prepared]) -> _Conditional:
        Constants(node).require("condition" in node.inputs, "has no argument 'condition'")
        names = Names.of(node)
        branches = (body_of(node, graphs, "true"), body_of(node, graphs, "false"))
        return cls(names, *branches, names.family("input_"))

    def run(self, env: Env) -> None:
        values = self.names.read(env)
        condition = values["condition"].reshape(-1)
        if not condition.size:
            raise self.names.fault("a condition without elements")
        branch = self.if_true if condition[0] != 0 else self.if_false
        self.names.write(branch.run([values[name] for name in self.inputs], env), env)


HOLDERS: Mapping[str, Callable[[Node, Mapping[str, Prepared]], Step]] = MappingProxyType(
    {"loop": _Loop.of, "strided_subgraph": _Strided.of, "conditional": _Conditional.of}
)
"""Operator name -> what makes its step from the node and its graphs, made ready."""
