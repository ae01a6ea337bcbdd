"""Per-layer static schedule of one MLA segment (`*_mla_stats.yaml`; sima-bundle 4).

A mapping from layer number to name, first and last cycle, the last included. The schedule counts
no stalls for instruction or data fetch, and no file states the clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_protocol.errors import FormatError

_MAX_CYCLE = 1 << 63


@dataclass(frozen=True, slots=True)
class LayerCycles:
    """One layer of the schedule.

    Attributes:
        index: its number in the file, from 1 in every file seen.
        name: segment and layer, "MLA_0/conv2d_0".
        start_cycle: first cycle.
        end_cycle: last cycle, included.
    """

    index: int
    name: str
    start_cycle: int
    end_cycle: int

    @property
    def cycles(self) -> int:
        """Cycles the layer takes."""
        return self.end_cycle - self.start_cycle + 1


@dataclass(frozen=True, slots=True)
class SegmentStats:
    """The schedule of one MLA segment; layers by index, at least one."""

    layers: tuple[LayerCycles, ...]

    @property
    def cycles(self) -> int:
        """Sum over the layers; more than the span when layers overlap, less when it has gaps."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def span_cycles(self) -> int:
        """From the first cycle of any layer to the last, both included."""
        first = min(layer.start_cycle for layer in self.layers)
        return max(layer.end_cycle for layer in self.layers) - first + 1


def parse_stats(tree: object, name: str) -> SegmentStats:
    """Check and take a parsed statistics file.

    Args:
        tree: plain types as a YAML reader gives them.
        name: file name for messages.

    Raises:
        FormatError: not a mapping of whole numbers to name, start_cycle and end_cycle.
    """
    if not isinstance(tree, dict) or not tree:
        raise FormatError(name, None, _kind(tree), "a mapping of layer numbers to layers")
    layers = [_layer(key, value, name) for key, value in tree.items()]
    return SegmentStats(tuple(sorted(layers, key=lambda layer: layer.index)))


def _layer(key: object, value: object, file: str) -> LayerCycles:
    if type(key) is not int or not 0 <= key < _MAX_CYCLE:
        raise FormatError(file, None, f"a key that is {_kind(key)}", "a layer number")
    if not isinstance(value, dict):
        raise FormatError(file, None, f"layer {key}: {_kind(value)}", "a mapping")
    name = value.get("name")
    if not isinstance(name, str) or not name or not name.isprintable():
        raise FormatError(file, None, f"layer {key}: name {_kind(name)}", "a printable name")
    start = _cycle(value, key, "start_cycle", file)
    end = _cycle(value, key, "end_cycle", file)
    if end < start:
        raise FormatError(file, None, f"layer {key}: end_cycle {end}", f"at least {start}")
    return LayerCycles(key, name, start, end)


def _cycle(layer: dict[object, object], key: int, what: str, file: str) -> int:
    value = layer.get(what)
    if type(value) is not int or not 0 <= value < _MAX_CYCLE:
        raise FormatError(
            file, None, f"layer {key}: {what} {_kind(value)}", "a cycle number, 0 to 2^63"
        )
    return value


def _kind(value: object) -> str:
    if type(value) is int:
        return str(value) if abs(value) < _MAX_CYCLE else "a number of more than 63 bits"
    return "nothing" if value in (None, {}, "") else f"a {type(value).__name__}"
