"""What the EV74 kernels of a SiMa contract demand of their stage (sima-bundle 3, "Kernels").

Number of inputs and outputs, parameters, and buffer sizes that follow from shapes and data types.
Shapes are seen with the batch in the first place; a shape of one frame is taken as well. Whether
the shape of a tessellated or packed buffer counts elements or bytes is not known: both pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from firmware_protocol.sima_contract import DTYPE_BYTES, Fields, Processor, as_shape

if TYPE_CHECKING:
    from firmware_protocol.errors import FormatError
    from firmware_protocol.sima_contract import Node, Shape, Stage

_PACK_ALIGNMENT = 16
_ANY = 1 << 16
_INT8_RANGE = range(-128, 128)
_SHAPES = frozenset({"input_shapes", "output_shapes"})
_TESSELLATION = frozenset({"slice_shape", "align_c16", "cblock", "frame_type"})


def check_kernel(stage: Stage, file: str, actual_batch: int) -> tuple[str, ...]:
    """Check an EV74 or A65 stage against what is known about its kernel.

    Args:
        stage: the stage.
        file: contract name for messages.
        actual_batch: frames per invocation that the sizes follow.

    Returns:
        Warnings: kernels and parameters that are not known.

    Raises:
        FormatError: the stage contradicts its kernel.
    """
    check = _Check(stage, file, actual_batch)
    if stage.processor is Processor.A65:
        check.host_module()
        return ()
    kernel = _KERNELS.get(stage.kernel or "")
    if kernel is None:
        if stage.processor is Processor.EV74:
            return (f"{stage.name}: kernel {stage.kernel!r} is not known; its sizes are unchecked",)
        return ()
    check.arity(kernel)
    missing = sorted(kernel.params - stage.params.keys())
    if missing:
        raise check.fault(f"without {', '.join(missing)}", f"the parameters of {stage.kernel}")
    check.shape_counts(kernel)
    kernel.check(check)
    unknown = sorted(stage.params.keys() - kernel.params)
    if unknown:
        names = ", ".join(ascii(name)[1:41] for name in unknown[:3])
        check.warnings.append(f"{stage.name}: parameters not known for {stage.kernel}: {names}")
    return tuple(check.warnings)


class _Check:
    """One stage under inspection."""

    def __init__(self, stage: Stage, file: str, actual_batch: int) -> None:
        self.stage = stage
        self.batch = actual_batch
        self.fields = Fields(dict(stage.params), file, f"stage {stage.name[:40]}")
        self.inputs, self.outputs = stage.inputs, stage.outputs
        self.warnings: list[str] = []

    def fault(self, found: str, expected: str) -> FormatError:
        return self.fields.fault(None, found, expected)

    def arity(self, kernel: _Kernel) -> None:
        counts = len(self.inputs), len(self.outputs)
        if counts[0] not in kernel.inputs or counts[1] not in kernel.outputs:
            raise self.fault(
                f"{counts[0]} inputs and {counts[1]} outputs", f"another number for {kernel.name}"
            )

    def shape_counts(self, kernel: _Kernel) -> None:
        if not kernel.params >= _SHAPES:
            return
        counts = len(self.shapes("input_shapes")), len(self.shapes("output_shapes"))
        if counts != (len(self.inputs), len(self.outputs)):
            raise self.fault(f"{counts} input and output shapes", "one for each node")

    def shapes(self, key: str) -> list[Shape]:
        return [as_shape(item, self.fields, key) for item in self.fields.items(key)]

    def dtype_bytes(self, key: str, allowed: tuple[str, ...]) -> int | None:
        """Size of the data type under `key`; None with a warning when it is another one."""
        name = self.fields.text(key)
        if name not in allowed:
            self.warnings.append(
                f"{self.stage.name}: {key} {name[:40]!r} is not known; its sizes are unchecked"
            )
            return None
        return DTYPE_BYTES[name]

    def sized(self, node: Node, shape: Shape, *widths: int | None) -> None:
        """Check that `node` holds `shape` in one of the widths, for a batch or a frame."""
        elements = math.prod(shape)
        known = [width for width in widths if width is not None]
        fits = {elements * width * frames for width in known for frames in (1, self.batch)}
        if len(known) == len(widths) and node.size not in fits:
            raise self.fault(
                f"{node.name[:40]} of {node.size} bytes",
                f"{min(fits)} bytes for shape {list(shape)}",
            )

    def cast(self) -> None:
        width = self.dtype_bytes("out_dtype", ("bfloat16", "float32"))
        self.sized(self.outputs[0], self.shapes("output_shapes")[0], width)
        self.sized(self.inputs[0], self.shapes("input_shapes")[0], 1, 2, 4)
        self.same_elements()

    def quantize(self) -> None:
        self.channel_params("output_shapes")
        if self.fields.positive("num_bits") != 8 or self.fields.text("rounding") != "TONEAREST":
            self.warnings.append(f"{self.stage.name}: only 8 bits rounded TONEAREST are known")
        width = self.dtype_bytes("output_data_type", ("int8",))
        self.sized(self.outputs[0], self.shapes("output_shapes")[0], width)
        self.sized(self.inputs[0], self.shapes("input_shapes")[0], 2, 4)
        self.same_elements()

    def dequantize(self) -> None:
        self.channel_params("input_shapes")
        width = self.dtype_bytes("input_data_type", ("int8",))
        self.sized(self.inputs[0], self.shapes("input_shapes")[0], width)
        self.sized(self.outputs[0], self.shapes("output_shapes")[0], 2, 4)
        self.same_elements()

    def tessellate(self) -> None:
        width = self.tile()
        self.sized(self.inputs[0], self.shapes("input_shapes")[0], width)
        self.sized(self.outputs[0], self.shapes("output_shapes")[0], 1, width)
        self.not_smaller(self.outputs[0], self.inputs[0])

    def detessellate(self) -> None:
        width = self.tile()
        frame = as_shape(self.fields.tree["frame_shape"], self.fields, "frame_shape")
        self.sized(self.outputs[0], frame, width)
        self.sized(self.outputs[0], self.shapes("output_shapes")[0], width)
        self.sized(self.inputs[0], self.shapes("input_shapes")[0], 1, width)
        self.not_smaller(self.inputs[0], self.outputs[0])

    def tile(self) -> int | None:
        as_shape(self.fields.tree["slice_shape"], self.fields, "slice_shape")
        for key in ("align_c16", "cblock"):
            if not isinstance(self.fields.tree[key], bool):
                raise self.fields.fault(key, self.fields.tree[key], "true or false")
        return self.dtype_bytes("frame_type", ("int8", "bfloat16"))

    def pack(self) -> None:
        self.partition(self.outputs[0], self.inputs)

    def unpack(self) -> None:
        types = self.fields.items("tensor_types")
        shapes = self.shapes("tensor_shapes")
        if not len(types) == len(shapes) == len(self.outputs):
            raise self.fault(f"{len(types)} types, {len(shapes)} shapes", "one for each output")
        for node, name, shape in zip(self.outputs, types, shapes, strict=True):
            self.sized(node, shape, DTYPE_BYTES.get(str(name)))
        self.partition(self.inputs[0], self.outputs)

    def partition(self, whole: Node, parts: tuple[Node, ...]) -> None:
        """Check that the parts fill the whole; packed parts are rounded up to 16 bytes."""
        exact = sum(part.size for part in parts)
        of_batch = sum(part.size + -part.size % _PACK_ALIGNMENT for part in parts)
        frames = [part.size // self.batch for part in parts]
        of_frame = self.batch * sum(size + -size % _PACK_ALIGNMENT for size in frames)
        if whole.size not in {exact, of_batch, of_frame}:
            raise self.fault(f"{whole.name[:40]} of {whole.size} bytes", f"{exact}, as its parts")

    def slice(self) -> None:
        begin = self.fields.tree["begin"]
        shapes = [
            as_shape(self.fields.tree[key], self.fields, key)
            for key in ("end", "input_shape", "output_shape")
        ]
        end, outer, inner = shapes
        if not isinstance(begin, list) or {len(begin)} != {len(shape) for shape in shapes}:
            raise self.fields.fault("begin", begin, "as many numbers as the shapes have")
        for low, high, size, length in zip(begin, end, outer, inner, strict=True):
            if type(low) is not int or low < 0 or high > size or high - low != length:
                raise self.fault(f"slice [{low}:{high}] of {size}", f"{length} elements inside")
        # The data type is not written; it is the same on both sides.
        if self.inputs[0].size * math.prod(inner) != self.outputs[0].size * math.prod(outer):
            raise self.fault(
                f"{self.inputs[0].size} to {self.outputs[0].size} bytes",
                f"the ratio of {list(outer)} to {list(inner)}",
            )

    def reshape(self) -> None:
        self.same_elements()
        self.pass_through()

    def pass_through(self) -> None:
        sizes = [node.size for node in self.inputs], [node.size for node in self.outputs]
        if sizes[0] != sizes[1]:
            raise self.fault(f"{sizes[0]} bytes in, {sizes[1]} bytes out", "equal sizes")

    def same_elements(self) -> None:
        shapes = self.shapes("input_shapes")[0], self.shapes("output_shapes")[0]
        if math.prod(shapes[0]) != math.prod(shapes[1]):
            raise self.fault(f"shape {list(shapes[0])} to {list(shapes[1])}", "equal elements")

    def not_smaller(self, padded: Node, plain: Node) -> None:
        if padded.size < plain.size:
            raise self.fault(f"{padded.size} bytes tessellated", f"at least {plain.size}")

    def channel_params(self, shapes_key: str) -> None:
        pairs = self.fields.items("channel_params")
        channels = self.shapes(shapes_key)[0][-1:]
        if len(pairs) not in (1, *channels):
            raise self.fault(f"{len(pairs)} channel_params", f"1 or {list(channels)}")
        if not all(_is_scale_and_zero(pair) for pair in pairs):
            raise self.fault("channel_params", "pairs of a positive scale and an int8 zero point")

    def host_module(self) -> None:
        config = Fields(dict(self.stage.config), self.fields.file, self.fields.place)
        names = config.tree.get("input_names")
        if names is not None and (not isinstance(names, list) or len(names) != len(self.inputs)):
            raise config.fault("input_names", names, f"{len(self.inputs)} names")
        for key, nodes in (("input_types", self.inputs), ("output_types", self.outputs)):
            if key not in config.tree:
                continue
            types = config.items(key)
            if len(types) != len(nodes):
                raise config.fault(key, f"of {len(types)} types", f"{len(nodes)}")
            for item, node in zip(types, nodes, strict=True):
                fields = Fields(item, config.file, f"{config.place}.{key}")
                shape = as_shape(fields.tree.get("shape"), fields, "shape")
                self.sized(node, shape, DTYPE_BYTES.get(fields.text("scalar")))


def _is_scale_and_zero(pair: object) -> bool:
    if not isinstance(pair, list) or len(pair) != 2:
        return False
    scale, zero_point = pair
    return (
        type(scale) in (int, float) and scale > 0 and type(zero_point) is int
        and zero_point in _INT8_RANGE
    )  # fmt: skip


_Rule: TypeAlias = Callable[[_Check], None]


@dataclass(frozen=True, slots=True)
class _Kernel:
    name: str
    inputs: range
    outputs: range
    params: frozenset[str]
    check: _Rule


def _kernel(
    name: str,
    check: _Rule,
    params: frozenset[str],
    inputs: range = range(1, 2),
    outputs: range = range(1, 2),
) -> _Kernel:
    return _Kernel(name, inputs, outputs, params, check)


_QUANTIZE = frozenset({"channel_params", "num_bits", "rounding", "output_data_type"})
_SLICE = frozenset({"begin", "end", "input_shape", "output_shape"})
_KERNELS = {
    kernel.name: kernel
    for kernel in (
        _kernel("cast_transform", _Check.cast, _SHAPES | {"out_dtype"}),
        _kernel("cast", _Check.cast, _SHAPES | {"out_dtype"}),
        _kernel("quantization_transform", _Check.quantize, _SHAPES | _QUANTIZE),
        _kernel("tessellation_transform", _Check.tessellate, _SHAPES | _TESSELLATION),
        _kernel("pack_transform", _Check.pack, _SHAPES, inputs=range(2, _ANY)),
        _kernel(
            "unpack_transform", _Check.unpack, _SHAPES | {"tensor_types", "tensor_shapes"},
            outputs=range(1, _ANY),
        ),
        _kernel("slice_transform", _Check.slice, _SHAPES | _SLICE),
        _kernel("reshape_transform", _Check.reshape, _SHAPES),
        _kernel("batch_flatten_transform", _Check.reshape, _SHAPES),
        _kernel(
            "detessellation_transform", _Check.detessellate,
            _SHAPES | _TESSELLATION | {"frame_shape"},
        ),
        _kernel(
            "dequantization_transform", _Check.dequantize,
            _SHAPES | {"channel_params", "input_data_type"},
        ),
        _kernel(
            "pass_through", _Check.pass_through, frozenset(),
            inputs=range(1, _ANY), outputs=range(1, _ANY),
        ),
    )
}  # fmt: skip
