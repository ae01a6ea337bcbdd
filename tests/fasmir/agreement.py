"""Any model, compiled and executed, compared with the interpreter: outputs and inner values."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from firmware_protocol.iospec import IoSequence, IOSpec, Vector
from hostrt.fasmir.compile import Compiled, compile_model
from hostrt.fqir.executor import Executor
from hostrt.fqir.graph import Model, Tensor
from tests.fasmir.on_chip import OnChip, by_name
from tests.peer.fqir_cases import names_in
from tests.peer.fqir_sketch import Sketch

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array
    from tests.peer.fqir_sketch import Case, Shape


@dataclass(slots=True)
class LargeSketch(Sketch):
    """Draws vectors of more than one word, and blocks whose rows begin anywhere."""

    largest: dict[int, int] = field(default_factory=lambda: {1: 70, 2: 16, 3: 7})

    def shape(self, rank: int | None = None) -> Shape:
        """Give a shape of 1 to 3 axes, mostly 1."""
        axes = self.choose(1, 1, 1, 2, 3) if rank is None else rank
        most = self.largest.get(axes, 4)
        return tuple(int(self.random.integers(1, most)) for _ in range(axes))

    def whole(self, low: int, high: int) -> int:
        """Give an integer; what is small in other sketches is larger here."""
        if low == 1 and high in range(2, 7):
            high *= 4 if high < 6 else 7
        return int(self.random.integers(low, high, endpoint=True))


def bits_of(tensor: Tensor) -> int:
    """Give the bits of an element that a message carries."""
    return 8 if int(tensor.dtype.rpartition("int")[2]) <= 8 else 16


def flat_iospec(model: Model) -> IOSpec:
    """Give a specification in which every vector has all elements of its tensor."""
    inputs, outputs = (
        {t.name: Vector(t.name, t.name, prod(t.shape), bits_of(t)) for t in tensors}
        for tensors in (model.arith.inputs, model.arith.outputs)
    )
    sequence = IoSequence("all", dict.fromkeys(inputs, 1), dict.fromkeys(outputs, 1))
    return IOSpec(inputs, outputs, {"all": sequence})


def fitted(case: Case) -> tuple[Model, list[Array], list[str]]:
    """Make a case one that messages can carry, and give what is to be compared.

    Inputs get 8 or 16 bits. The outputs, which may have any range, are watched instead.
    """
    arith, inputs = case.root.subgraphs["ARITH"], []
    for tensor, data in zip(arith.inputs, case.inputs, strict=True):
        bits = bits_of(tensor)
        tensor.dtype = f"fqint{bits}"
        inputs.append(np.clip(data, -(1 << bits - 1), (1 << bits - 1) - 1))
    tick = Tensor("tick", "fqint8", (1,), 0)
    arith.inputs.append(tick)
    inputs.append(np.zeros((len(inputs[0]) if inputs else 6, 1), np.int64))
    names = [tensor.name for tensor in arith.outputs]
    arith.outputs[:] = [tick]
    known = set(names_in(case.root))
    return Model(case.root), inputs, [name for name in dict.fromkeys(names) if name in known]


def expected(model: Model, inputs: list[Array], names: list[str]) -> list[dict[str, Array]]:
    """Let the interpreter run; give what is watched after every frame, and the outputs."""
    engine = Executor(model, engine="reference").engine
    engine.watch(names)
    frames = []
    for arrays in zip(*inputs, strict=True):
        outputs = engine.step(list(arrays))
        given = zip(model.arith.outputs, outputs, strict=True)
        frames.append(dict(engine.internals()) | {tensor.name: array for tensor, array in given})
    return frames


def require_agreement(
    model: Model, inputs: list[Array], names: list[str] | None = None, **options: Any
) -> Compiled:
    """Compile a model, run it on a chip and compare with the interpreter, frame by frame.

    Args:
        model: what to compile.
        inputs: (T, *shape) per input.
        names: tensors to watch; none without it.
        options: for the compiler.
    """
    watch = names or []
    frames = expected(model, inputs, watch)
    options.setdefault("iospec", flat_iospec(model))
    compiled = compile_model(model, watch=watch, **options)
    chip = OnChip(compiled)
    for frame, wanted in enumerate(frames):
        found = chip.frame(by_name(compiled, inputs, frame)) | chip.watched()
        for name, array in wanted.items():
            assert np.array_equal(found[name].reshape(-1), array.reshape(-1)), (frame, name)
    return compiled
