"""The nodes of a graph, ready to run one after the other (FQIR reference 5.1).

Every graph runs in one flat name space, tensor name -> value (FQIR reference 2). Values are never
changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.semantics.constants import label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostrt.fqir.graph import Array, Node
    from hostrt.fqir.semantics.binding import Bound

Env: TypeAlias = dict[str, "Array"]
"""Tensor name -> value, while a model runs."""


class Step(Protocol):
    """One node, ready to run."""

    def run(self, env: Env) -> None:
        """Read the inputs from the name space and write the outputs to it.

        Raises:
            ProgramUnsupported: an input was never written, or no result is defined.
        """


@dataclass(frozen=True, slots=True)
class Prepared:
    """A graph ready to run.

    Attributes:
        name: of the graph.
        inputs: names bound by position.
        parameters: names and values bound at the start of every run.
        steps: nodes in order.
        outputs: names of the results.
    """

    name: str
    inputs: tuple[str, ...]
    parameters: tuple[tuple[str, Array], ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]

    def run(self, values: Sequence[Array], env: Env) -> list[Array]:
        """Run once (FQIR reference 5.1); surplus values or inputs are ignored.

        Raises:
            ProgramUnsupported: something is read that was never written, or an operator has no
                defined result.
        """
        env.update(zip(self.inputs, values, strict=False))
        env.update(self.parameters)
        for step in self.steps:
            step.run(env)
        try:
            return [env[name] for name in self.outputs]
        except KeyError as missing:
            raise ProgramUnsupported(
                f"graph {self.name!r}: its output {missing.args[0]!r} was never written"
            ) from None


@dataclass(frozen=True, slots=True)
class Names:
    """What all nodes have: names of inputs and outputs, and how to speak of the node.

    Attributes:
        node: for messages.
        inputs: argument name -> tensor name.
        outputs: tensor names.
    """

    node: Node
    inputs: dict[str, str]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, node: Node) -> Names:
        """Take the names of a node."""
        return cls(
            node,
            {argument: tensor.name for argument, tensor in node.inputs.items()},
            tuple(tensor.name for tensor in node.outputs),
        )

    def read(self, env: Env) -> dict[str, Array]:
        """Give the values of the inputs by argument name.

        Raises:
            ProgramUnsupported: one was never written.
        """
        try:
            return {argument: env[name] for argument, name in self.inputs.items()}
        except KeyError as missing:
            raise self.fault(
                f"reads {missing.args[0]!r} before it was ever written",
                hint="a state must be created by INIT, and a tensor written before it is read",
            ) from None

    def write(self, results: Sequence[Array], env: Env) -> None:
        """Store results by position; a surplus on either side is ignored."""
        env.update(zip(self.outputs, results, strict=False))

    def family(self, prefix: str) -> tuple[str, ...]:
        """Give the arguments prefix0, prefix1, ... while they are present."""
        names: list[str] = []
        while f"{prefix}{len(names)}" in self.inputs:
            names.append(f"{prefix}{len(names)}")
        return tuple(names)

    def fault(self, found: str, hint: str = "") -> ProgramUnsupported:
        """Make the error that says what was found at this node."""
        return ProgramUnsupported(
            f"{label(self.node)}: {found}",
            hint=hint,
            node=self.node.name,
            operator=self.node.opname,
        )


@dataclass(frozen=True, slots=True)
class Operation:
    """A node whose operator is a function.

    Attributes:
        names: of the node.
        bound: that function.
        takes_reals: whether it takes floats too.
    """

    names: Names
    bound: Bound
    takes_reals: bool

    def run(self, env: Env) -> None:
        """Run it; see `Step.run`."""
        values = self.names.read(env)
        if not self.takes_reals:
            self._require_integers(values)
        try:
            results = [np.asarray(result) for result in self.bound.kernel(values)]
        except (ValueError, IndexError, OverflowError, MemoryError) as error:
            raise self.names.fault(f"{error}{_shapes(values)}") from error
        last = len(results) - len(self.bound.writes)
        self.names.write(results[:last], env)
        for argument, value in zip(self.bound.writes, results[last:], strict=True):
            env[self.names.inputs[argument]] = value

    def _require_integers(self, values: Mapping[str, Array]) -> None:
        for argument, value in values.items():
            if value.dtype.kind != "i":
                raise self.names.fault(
                    f"{argument} ({self.names.inputs[argument]!r}) holds {value.dtype}, "
                    "expected signed integers"
                )


def _shapes(values: Mapping[str, Array]) -> str:
    shown = ", ".join(f"{argument} {value.shape}" for argument, value in values.items())
    return f"; shapes: {shown}" if shown else ""


@dataclass(frozen=True, slots=True)
class Inline:
    """A node without operator: its graph runs in its place.

    Attributes:
        names: of the node; inputs by position.
        body: that graph.
    """

    names: Names
    body: Prepared

    def run(self, env: Env) -> None:
        """Run it; see `Step.run`."""
        values = list(self.names.read(env).values())
        self.names.write(self.body.run(values, env), env)
