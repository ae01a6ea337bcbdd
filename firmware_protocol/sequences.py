"""Which inputs may be sent and which outputs are due, as a pure state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firmware_protocol.iospec import IoSequence, IOSpec


class SequenceRuleError(ProtocolError):
    """Inputs were sent in an order that the I/O specification forbids."""


class SequenceTracker:
    """Follows one run of a model.

    A sequence with outputs is complete when each input has arrived as often as stated; until its
    outputs are collected none of its inputs may be sent again. A sequence without outputs sets
    parameters and may be sent at any time.
    """

    def __init__(self, spec: IOSpec) -> None:
        self._spec = spec
        self._answering = [seq for seq in spec.sequences if seq.outputs]
        self._arrived: list[dict[str, int]] = []
        self.reset()

    def copy(self) -> SequenceTracker:
        """Give another tracker in the same state, for trying out what would happen."""
        other = SequenceTracker(self._spec)
        other._arrived = [dict(counts) for counts in self._arrived]
        return other

    def reset(self) -> None:
        """Forget everything that was sent."""
        self._arrived = [dict.fromkeys(seq.inputs, 0) for seq in self._answering]

    def send(self, names: Iterable[str]) -> None:
        """Note that one vector of each of `names` was sent; nothing is noted on error.

        Raises:
            SequenceRuleError: no such input, or an input that is not due.
        """
        arrived = [dict(counts) for counts in self._arrived]
        for name in names:
            if name not in self._spec.inputs:
                known = ", ".join(self._spec.inputs) or "none"
                raise SequenceRuleError(f"input {name!r}: unknown, the model's inputs are {known}")
            for sequence, counts in zip(self._answering, arrived, strict=True):
                self._count(sequence, counts, name)
        self._arrived = arrived

    @staticmethod
    def _count(sequence: IoSequence, counts: dict[str, int], name: str) -> None:
        if name not in counts:
            return
        need = sequence.inputs[name]
        if counts[name] == need:
            missing = [key for key, count in counts.items() if count < sequence.inputs[key]]
            advice = f"send {', '.join(missing)} first" if missing else "collect its outputs first"
            raise SequenceRuleError(
                f"input {name!r}: sequence {sequence.key} has its {need} already; {advice}"
            )
        counts[name] += 1

    @property
    def due(self) -> tuple[str, ...]:
        """Outputs that wait to be collected, in order, each as often as it comes."""
        return tuple(
            name
            for sequence, counts in zip(self._answering, self._arrived, strict=True)
            if counts == sequence.inputs
            for name, times in sequence.outputs.items()
            for _ in range(times)
        )

    def receive(self) -> list[str]:
        """Collect every output that is due; their sequences start anew."""
        names = list(self.due)
        for sequence, counts in zip(self._answering, self._arrived, strict=True):
            if counts == sequence.inputs:
                counts.update(dict.fromkeys(counts, 0))
        return names
