"""The reference-exact interpreter: one node after the other (FQIR reference 5.1 and 5.2)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import HostrtError
from hostrt.fqir.inputs import check_frame
from hostrt.fqir.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from hostrt.fqir.graph import Array, Model, Values
    from hostrt.fqir.steps import Env


class Interpreter:
    """Runs ARITH frame by frame, exactly as the reference does; slow and simple.

    It is what faster engines are compared with. Storage types are those of FQIR reference 4.1,
    wrap-around included.

    Attributes:
        frame: number of frames that were run since the last reset.
    """

    def __init__(self, model: Model) -> None:
        """Prepare a model and bring it to its initial state.

        Raises:
            ProgramCorrupt: a node lacks something it needs.
            ProgramUnsupported: a node cannot be executed, or INIT fails.
        """
        self._inputs = tuple(model.arith.inputs)
        self._arith = prepare(model.arith)
        self._init = prepare(model.init) if model.init is not None else None
        self._env: Env = {}
        self.frame = 0
        self.reset()

    @property
    def values(self) -> Values:
        """Every value by tensor name, as the last frame left it; arrays must not be written to."""
        return MappingProxyType(self._env)

    def reset(self) -> None:
        """Forget every value and run INIT.

        Raises:
            ProgramUnsupported: INIT fails.
        """
        self._env.clear()
        self.frame = 0
        if self._init is not None:
            self._init.run((), self._env)

    def step(self, inputs: Sequence[ArrayLike]) -> list[Array]:
        """Run one frame.

        Args:
            inputs: integers, one array per ARITH input in that order; see
                `hostrt.fqir.inputs.check_frame`.

        Returns:
            ARITH's outputs in their storage types. They must not be written to: the state may be
            the same array.

        Raises:
            FrameError: an input that does not suit.
            ProgramUnsupported: a tensor is read before it was ever written, or an operator meets
                values for which FQIR defines no result. The model is then between two frames:
                reset it.
        """
        return self.run_frame(check_frame(inputs, self._inputs))

    def run_frame(self, inputs: Sequence[Array]) -> list[Array]:
        """Run one frame on inputs that were checked already, int64."""
        try:
            # the caller may reuse its arrays, and an assign may have made them the state
            outputs = self._arith.run([np.array(value) for value in inputs], self._env)
        except HostrtError as error:
            error.context.setdefault("frame", self.frame)
            raise
        self.frame += 1
        return outputs
