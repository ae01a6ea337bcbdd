"""What every engine can do: the integer program of one frame, by position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.graph import Array


class Engine(Protocol):
    """Runs a model's ARITH graph; all engines give the same integers (FQIR reference 5.2).

    A new engine is in its initial state, as after `reset`. Whoever calls it has checked the inputs
    (`hostrt.fqir.inputs`): int64, one per ARITH input in that order, all frames of one length. An
    engine neither keeps nor changes them. Arrays that `step` and `internals` give stay as they are
    when it goes on, and must not be written to: they may be its own; those of `run` are new. Their
    type is any signed integer type; the `reference` engine gives the storage types of FQIR
    reference 4.1.

    Attributes:
        name: "reference", "numpy", "compiled", ...
    """

    name: str

    def reset(self) -> None:
        """Bring the state to its initial values; what is watched stays watched."""

    def step(self, inputs: Sequence[Array]) -> list[Array]:
        """Run one frame: ARITH inputs to ARITH outputs, both by position.

        Raises:
            ProgramUnsupported: the model does something that has no defined result.
        """

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run T frames from where the model stands; the same as T steps.

        Args:
            inputs: each (T, *shape), with the same T >= 0.

        Returns:
            Each output (T, *shape). With T = 0 the shape is the declared one.

        Raises:
            ProgramUnsupported: the model does something that has no defined result.
        """

    def watch(self, names: Sequence[str]) -> None:
        """Choose the tensors to be recorded from now on, by name; replaces the choice before.

        A tensor that several nodes write in one frame (a loop body, an `assign`) is recorded with
        its value at the end of the frame.

        Raises:
            UsageError: no tensor of ARITH, or of a graph nested in it, has that name.
        """

    def internals(self) -> dict[str, Array]:
        """Give what was recorded, in the order of `watch`.

        Returns:
            After `step` name -> value; after `run` name -> (T, *shape). A tensor in a branch that
            did not run keeps its last value; before it has one it is 0 in its declared shape.
            Empty before the first frame after `watch` or `reset`.
        """
