"""Plans of what goes wrong on a link, for tests: `lose@500,corrupt~0.01`.

A plan is a comma separated list of `KIND@N` (once, at the N-th answer of the board, counted from
1) and `KIND~RATE` (every answer with that probability). The decision for an answer depends on the
plan, the seed and its number only, so a failing run can be repeated exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import LocalMisuseError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Fault(StrEnum):
    """What happens instead of delivering an answer as it is."""

    LOSE = "lose"
    """The answer never arrives."""
    DOUBLE = "double"
    """The answer arrives twice."""
    LATE = "late"
    """The answer arrives after the host's deadline for it."""
    CORRUPT = "corrupt"
    """One bit of the answer is flipped."""
    SPLIT = "split"
    """The answer arrives in two pieces (streams) or cut short (packets)."""
    SILENCE = "silence"
    """From this answer on the board says nothing."""
    RESET = "reset"
    """The board resets: this answer and everything the board had been told are gone."""
    UNPLUG = "unplug"
    """The board disappears from the bus, the connection closes."""


_ALIASES = {"lose_ack": "lose", "short": "split", "late_ack": "late", "double_ack": "double"}


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One item of a plan: exactly one of `at` and `rate` is set."""

    fault: Fault
    at: int | None = None
    rate: float | None = None

    def __str__(self) -> str:
        return f"{self.fault}@{self.at}" if self.at is not None else f"{self.fault}~{self.rate}"


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """What goes wrong and when. Rules are tried in order, the first that applies wins."""

    rules: tuple[FaultRule, ...] = ()
    seed: int = 0

    def __str__(self) -> str:
        return ",".join(str(rule) for rule in self.rules)

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> FaultPlan:
        """Parse a plan; empty text is the plan in which nothing goes wrong.

        Raises:
            LocalMisuseError: unknown kind, a counter below 1 or a rate outside 0..1.
        """
        items = [item.strip() for item in text.split(",") if item.strip()]
        return cls(tuple(_parse_rule(item) for item in items), seed)

    def decide(self, n: int) -> Fault | None:
        """Tell what happens to the `n`-th answer, n counted from 1."""
        return self.decide_many(n, 1).get(n)

    def decide_many(self, first: int, count: int) -> dict[int, Fault]:
        """Give the faults among `count` answers starting with number `first`."""
        faults: dict[int, Fault] = {}
        for index, rule in enumerate(self.rules):
            if rule.at is not None:
                hits = [rule.at] if first <= rule.at < first + count else []
            else:
                chances = _chances(self.seed, index, first, count)
                hits = (np.flatnonzero(chances < (rule.rate or 0.0)) + first).tolist()
            for n in hits:
                faults.setdefault(n, rule.fault)
        return dict(sorted(faults.items()))

    def choose(self, n: int, bound: int) -> int:
        """Give a repeatable number in 0..bound-1 for answer `n`, such as the bit to flip."""
        return int(_chances(self.seed, len(self.rules), n, 1)[0] * bound)


def _parse_rule(item: str) -> FaultRule:
    for mark in "@~":
        name, found, value = item.partition(mark)
        if found:
            return _rule(item, name.strip(), mark, value.strip())
    raise LocalMisuseError(f"fault {item!r}: expected KIND@N or KIND~RATE, such as lose@500")


def _rule(item: str, name: str, mark: str, value: str) -> FaultRule:
    kind = _ALIASES.get(name, name)
    if kind not in set(Fault):
        raise LocalMisuseError(f"fault {item!r}: no kind {name!r}, known: {', '.join(Fault)}")
    try:
        if mark == "@":
            rule = FaultRule(Fault(kind), at=int(value))
        else:
            rule = FaultRule(Fault(kind), rate=float(value))
    except ValueError as error:
        raise LocalMisuseError(f"fault {item!r}: {value!r} is not a number") from error
    if rule.at is not None and rule.at < 1:
        raise LocalMisuseError(f"fault {item!r}: answers are counted from 1")
    if rule.rate is not None and not 0.0 <= rule.rate <= 1.0:
        raise LocalMisuseError(f"fault {item!r}: a rate lies in 0..1")
    return rule


def _chances(seed: int, stream: int, first: int, count: int) -> NDArray[np.float64]:
    """Give numbers in [0, 1) that depend on (seed, stream, n) only (the splitmix64 finaliser)."""
    with np.errstate(over="ignore"):
        x = np.arange(first, first + count, dtype=np.uint64)
        x += np.uint64((seed * 0x9E37_79B9_7F4A_7C15 + stream * 0xD1B5_4A32_D192_ED03) % (1 << 64))
        x *= np.uint64(0x9E37_79B9_7F4A_7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53
