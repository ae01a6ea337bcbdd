"""Runs in the peer's interpreter: models made by the toolkit's own means, as its users make them.

Public calls alone: tracing (`ConvertedModel`, `.quantize`, `.trace`) and the graph writer
(`FQIRWriter`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Tensor: TypeAlias = Any
else:
    # TorchScript reads the annotations below and knows no other name for its tensors
    Tensor = importlib.import_module("torch").Tensor

fmot: Any = importlib.import_module("fmot")
torch: Any = importlib.import_module("torch")
Module: Any = torch.nn.Module

FEATURES = 12
TIME = 20


def build(kind: str, path: str, seed: int) -> dict[str, Any]:
    """Make a small model and save it.

    Args:
        kind: a key of `TRACED` or `WRITTEN`; `:standard` or `:double` after it is a precision.
        path: file to write.
        seed: of its weights and of the data that it is quantized with.

    Returns:
        `ops`: the names of the operators in it.
    """
    torch.manual_seed(seed)
    name, _, precision = kind.partition(":")
    graph = write(name, precision) if name in WRITTEN else trace(name, precision)
    fmot.save(graph, path)
    return {"ops": sorted(operators(graph))}


def trace(name: str, precision: str) -> Any:
    """Convert, quantize with random data and trace."""
    make, layout = TRACED[name]
    seq_dim, shape = {
        "frames": (None, (32, FEATURES)),
        "time first": (1, (4, TIME, FEATURES)),
        "features first": (2, (4, FEATURES, TIME)),
    }[layout]
    precisions = {"precision": precision} if precision else {}
    converted = fmot.ConvertedModel(make(), batch_dim=0, seq_dim=seq_dim, **precisions)
    converted.quantize([torch.randn(*shape) for _ in range(4)])
    return converted.trace()


def write(name: str, precision: str) -> Any:
    """Compose with the graph writer: two inputs of `FEATURES` elements, one output."""
    graph = fmot.fqir.writer.new_fqir_graph()
    writer = fmot.fqir.writer.FQIRWriter.from_fqir(graph, precision or "int16")
    quanta = {"int8": -5, "int16": -12, "int24": -18}[precision or "int16"]
    x, y = (writer.add_input(FEATURES, quanta, word, precision or "int16") for word in "xy")
    writer.add_outputs([WRITTEN[name](writer, x, y)])
    return graph


def operators(graph: Any) -> set[str]:
    """Give the names of all operators in a graph."""
    names = {node.opname for node in graph.nodes if node.optype is not None}
    for node in graph.nodes:
        for nested in node.subgraphs.values():
            names |= operators(nested)
    return names


def linear() -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Linear(16, 5), nn.Sigmoid())


class Activations(Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(FEATURES, 8)

    def forward(self, x: Tensor) -> Tensor:
        low, high = torch.chunk(self.linear(x), 2, -1)
        z = torch.tanh(low) * torch.sigmoid(high) - low
        return torch.cat([z, torch.exp(high), torch.maximum(low, high)], -1)


class Statistics(Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return torch.softmax(y, -1) + torch.mean(x, -1, keepdim=True)


class Recurrent(Module):  # type: ignore[misc]
    """GRU, LSTM or RNN; only the sequence of outputs is returned."""

    def __init__(self, kind: str, layers: int) -> None:
        super().__init__()
        self.rnn = getattr(torch.nn, kind)(FEATURES, 10, layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.rnn(x)
        return y


def conv1d() -> Any:
    nn, layer = torch.nn, fmot.nn.TemporalConv1d
    return nn.Sequential(layer(FEATURES, 8, 3), nn.ReLU(), layer(8, 8, 3, dilation=2), nn.ReLU())


def depthwise() -> Any:
    return fmot.nn.TemporalConv1d(FEATURES, FEATURES, 4, groups=FEATURES, bias=False)


TRACED: dict[str, tuple[Callable[[], Any], str]] = {
    "linear": (linear, "frames"),
    "activations": (Activations, "frames"),
    "statistics": (Statistics, "frames"),
    "gru": (lambda: Recurrent("GRU", 1), "time first"),
    "gru2": (lambda: Recurrent("GRU", 2), "time first"),
    "lstm": (lambda: Recurrent("LSTM", 1), "time first"),
    "rnn": (lambda: Recurrent("RNN", 1), "time first"),
    "conv1d": (conv1d, "features first"),
    "depthwise": (depthwise, "features first"),
}
"""Models to be traced, and how their inputs lie."""


def _window(w: Any, x: Any, y: Any) -> Any:
    buffer = w.add_zeros_buffer(2 * FEATURES, x.quanta)
    w.assign(buffer, w.rotate(buffer, y))
    return w.cat([w.temporal_unfold1d(x, 3, 2), buffer])


def _fourier(w: Any, x: Any, y: Any) -> Any:
    real, imaginary = w.fft(x, y, 2)
    return w.cat([real, imaginary], allow_quanta_mismatch=True)


def _moving_average(w: Any, x: Any, _: Any) -> Any:
    buffer = w.add_zeros_buffer(FEATURES, x.quanta)
    mixed = w.add(w.multiply(x, 0.25), w.multiply(buffer, 0.75), quanta=x.quanta)
    w.assign(buffer, mixed)
    return mixed


WRITTEN: dict[str, Callable[[Any, Any, Any], Any]] = {
    "arithmetic": lambda w, x, y: w.add(w.multiply(x, y), w.sub(w.abs(x), w.relu(y))),
    "logic": lambda w, x, y: w.logical_or(w.logical_and(w.gt(x, y), w.le(x, 0.5)), w.eq(x, y)),
    "select": lambda w, x, y: w.masked_construct(w.lt(x, y), w.maximum(x, y), w.sign(x)),
    "divide": lambda w, x, y: w.divide(x, w.abs(y), quanta=-10, eps=0.01),
    "logarithm": lambda w, x, _: w.log(w.abs(x), eps_int=1),
    "reduce": lambda w, x, y: w.cat([w.mean(x), w.dot(x, y)], allow_quanta_mismatch=True),
    "arg": lambda w, x, _: w.cat([w.argmax(x), w.argmin(x)]),
    "softmax": lambda w, x, _: w.softmax(x),
    "extremes": lambda w, x, y: w.cat([w.max(x), w.min(y)]),
    "average": _moving_average,
    "flip": lambda w, x, y: w.cat([w.flip(x), w.interleave([x, y])]),
    "window": _window,
    "fourier": _fourier,
}
"""Models to be written, given the writer and both inputs."""
