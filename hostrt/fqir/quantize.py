"""The main graph: real numbers in, integers or real numbers out (FQIR reference 4.16 and 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError, ProgramUnsupported, UsageError
from hostrt.fqir.inputs import bits_of, check_frame, require_count
from hostrt.fqir.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from hostrt.fqir.graph import Array, Model, Tensor
    from hostrt.fqir.steps import Env, Prepared


def run_main(model: Model, inputs: Sequence[ArrayLike], *, dequantize: bool = False) -> list[Array]:
    """Run the main graph from its initial state, as the reference does (FQIR reference 5.3).

    A model with INIT takes whole sequences: the time axis is the graph's `unbind_dim` (axis 0
    when it says none). A model without INIT takes one frame, without a time axis.

    Args:
        model: what to run.
        inputs: one array per input of the main graph. Floats are quantized by QUANT; integers
            pass unchanged when they are in range.
        dequantize: give real numbers instead of ARITH's integers.

    Returns:
        ARITH's outputs in their storage types, or what DEQUANT makes of them as float64; with the
        time axis where the inputs have it.

    Raises:
        FrameError: the wrong number of inputs, or one that does not suit.
        UsageError: real numbers are asked for and the model has no DEQUANT.
        ProgramUnsupported: the model does something that has no defined result.
    """
    if dequantize and model.dequant is None:
        raise UsageError(
            "the model has no DEQUANT graph", hint="take the integers: dequantize=False"
        )
    require_count(inputs, model.root.inputs)
    results = model.dequant if dequantize and model.dequant is not None else model.root
    names = [tensor.name for tensor in results.outputs]
    if model.init is None:
        return _run_frame(_prepare(model), _one_frame(inputs, model), names, {})
    env: Env = {}
    prepare(model.init).run((), env)
    frames = _frames(inputs, model)
    main = _prepare(model)
    rows = [_run_frame(main, frame, names, env) for frame in frames]
    if not rows:
        raise FrameError("no frames given, expected at least one")
    axis = model.root.unbind_dim or 0
    return [np.moveaxis(_stack([row[i] for row in rows]), 0, axis) for i in range(len(names))]


def _prepare(model: Model) -> Prepared:
    if not model.root.nodes:
        raise ProgramUnsupported("the main graph has no nodes: run ARITH instead")
    return prepare(model.root, skip=model.init)


def _run_frame(
    main: Prepared, frame: Sequence[Array], names: Sequence[str], env: Env
) -> list[Array]:
    main.run(frame, env)
    missing = [name for name in names if name not in env]
    if missing:
        raise ProgramUnsupported(f"the main graph never writes {missing[0]!r}")
    return [env[name] for name in names]


def _one_frame(inputs: Sequence[ArrayLike], model: Model) -> list[Array]:
    tensors = model.root.inputs
    return [_checked(value, tensor) for value, tensor in zip(inputs, tensors, strict=True)]


def _checked(value: ArrayLike, tensor: Tensor) -> Array:
    """Give one input of one frame: int64 as ARITH takes it, or real numbers for QUANT."""
    array = np.array(value)
    if bits_of(tensor.dtype) is not None or array.dtype.kind != "f":
        return check_frame([array], [tensor])[0]
    declared = tensor.shape
    if declared and min(declared) > 0 and array.shape != declared:
        raise FrameError(f"input {tensor.name!r}: shape {array.shape} found, expected {declared}")
    return array


def _frames(inputs: Sequence[ArrayLike], model: Model) -> list[list[Array]]:
    axis = model.root.unbind_dim or 0
    arrays = [np.asarray(value) for value in inputs]
    for array in arrays:
        if array.ndim <= axis or array.ndim < -axis:
            raise FrameError(f"an input of shape {array.shape}, expected time along axis {axis}")
    moved = [np.moveaxis(array, axis, 0) for array in arrays]
    lengths = {len(array) for array in moved}
    if len(lengths) > 1:
        raise FrameError(f"inputs of {sorted(lengths)} frames, expected one length")
    return [_one_frame(frame, model) for frame in zip(*moved, strict=True)]


def _stack(values: list[Array]) -> Array:
    try:
        return np.stack(values)
    except ValueError as error:
        shapes = sorted({value.shape for value in values})
        raise ProgramUnsupported(f"an output changes its shape between frames: {shapes}") from error
