"""What the FQIR benchmarks run: the golden models, and a recurrent one of a million parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.graph import Graph, Model, Node, Tensor
from hostrt.fqir.load import load_model
from tests.fqir.write_model import write_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.fqir.graph import Array

GOLDEN = Path(__file__).parents[1] / "data" / "fqir"
SEED = 0x5EED
FRAMES = 1000
LARGE = "gru_1m"
LARGE_SIZES = {24: 64, 48: 336, 144: 3 * 336, 12: 32}
"""Features, hidden units, gates and outputs of gru2 -> of the large model."""


@dataclass(slots=True)
class Enlarger:
    """Copies a graph with other lengths; weights are drawn anew, as lively as those before.

    Attributes:
        sizes: length of an axis -> length in the copy.
        random: where weights come from.
        made: tensors that were copied, by identity.
    """

    sizes: Mapping[int, int]
    random: np.random.Generator
    made: dict[int, Tensor] = field(default_factory=dict)

    def graph(self, graph: Graph) -> Graph:
        """Copy a graph with everything in it."""
        return Graph(
            graph.name,
            [self.tensor(tensor) for tensor in graph.inputs],
            [self.tensor(tensor) for tensor in graph.outputs],
            [self.tensor(tensor) for tensor in graph.parameters],
            [self.node(node) for node in graph.nodes],
            unbind_dim=graph.unbind_dim,
            stack_dim=graph.stack_dim,
        )

    def node(self, node: Node) -> Node:
        """Copy a node without sub-graphs."""
        constants = dict(node.constants)
        if node.opname == "zeros":
            constants["shape"] = self.shape(node.outputs[0].shape)
        inputs = {name: self.tensor(tensor) for name, tensor in node.inputs.items()}
        outputs = [self.tensor(tensor) for tensor in node.outputs]
        return replace(node, inputs=inputs, outputs=outputs, constants=constants)

    def tensor(self, tensor: Tensor) -> Tensor:
        """Copy a tensor; a matrix keeps the size of the sums that it makes."""
        if id(tensor) not in self.made:
            shape = self.shape(tensor.shape)
            value = tensor.value
            if value is not None:
                rows = 1.0 if len(shape) == 1 else shape[0] / tensor.shape[0]
                limit = int(np.abs(value).max() / np.sqrt(rows))
                drawn = self.random.integers(-limit, limit, shape, endpoint=True)
                value = np.asarray(drawn.astype(value.dtype), order="F")
            self.made[id(tensor)] = replace(tensor, shape=shape, value=value)
        return self.made[id(tensor)]

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the lengths of the copy."""
        return tuple(self.sizes[length] for length in shape)


def large_model() -> Model:
    """Give gru2 with 336 instead of 48 hidden units: 1.1 million parameters."""
    original = load_model(GOLDEN / "gru2" / "model.pt")
    enlarger = Enlarger(LARGE_SIZES, np.random.default_rng(SEED))
    subgraphs = {name: enlarger.graph(graph) for name, graph in original.root.subgraphs.items()}
    root = enlarger.graph(replace(original.root, nodes=[]))
    root.subgraphs = subgraphs
    for node in original.root.nodes:
        (body,) = node.subgraphs.values()
        copy = enlarger.node(node)
        root.nodes.append(replace(copy, subgraphs={"body": subgraphs[body.name]}))
    return Model(root)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to be timed.

    Attributes:
        name: of the golden folder, or of the large model.
        path: its file.
        inputs: (`FRAMES`, *shape) int64 per ARITH input.
        inputs_path: the same as `i0`, `i1`, ... in a file.
    """

    name: str
    path: Path
    inputs: list[Array]
    inputs_path: Path


def subjects(folder: Path) -> list[Subject]:
    """Give all models; what is not a golden file is written to `folder`."""
    found = [
        _subject(path.name, path / "model.pt", folder)
        for path in sorted(GOLDEN.iterdir())
        if path.is_dir()
    ]
    return [*found, _subject(LARGE, write_large(folder), folder)]


def write_large(folder: Path) -> Path:
    """Write the large model."""
    return write_model(large_model(), folder / f"{LARGE}.pt")


def _subject(name: str, path: Path, folder: Path) -> Subject:
    given = GOLDEN / name / "inputs.npz"
    if given.is_file():
        with np.load(given) as file:
            arrays = [_repeated(file[f"i{k}"]) for k in range(len(file.files))]
    else:
        arrays = [_noise(tensor) for tensor in load_model(path).arith.inputs]
    inputs_path = folder / f"{name}_inputs.npz"
    named: dict[str, Any] = {f"i{k}": array for k, array in enumerate(arrays)}
    np.savez(inputs_path, **named)
    return Subject(name, path, arrays, inputs_path)


def _repeated(array: Array) -> Array:
    times = -(-FRAMES // len(array))
    return np.concatenate([array] * times)[:FRAMES]


def _noise(tensor: Tensor) -> Array:
    random = np.random.default_rng(SEED)
    return random.normal(0, 8000, (FRAMES, *tensor.shape)).clip(-32768, 32767).astype(np.int64)
