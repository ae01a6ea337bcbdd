"""What a link can carry, from arithmetic: known before anything is sent.

A frame costs packets: one message per input, a look for the output, the execution time, the
outputs. How long they take follows from the rules of the link (`LinkRules`); see `Schedule`. What
comes out is the least time: a host that is slow to answer needs more, none needs less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from hostrt.board.chunks import chunks
from hostrt.board.schedule import Schedule
from hostrt.board.traffic import traffic_of
from hostrt.errors import RateImpossible, UsageError
from hostrt.transport.evk2_link import has_trial
from hostrt.transport.rules import USB_SLOTS_S, Packets

if TYPE_CHECKING:
    from hostrt.board.board import Board
    from hostrt.board.traffic import Traffic
    from hostrt.program.model import Program
    from hostrt.transport.rules import LinkRules

WIDER_WINDOW = 4
"""Requests in flight that hints suggest: more of them carry no more frames."""

_CYCLES = 4


class Verdict(StrEnum):
    """Whether a link carries a frame per period."""

    FITS = "fits"
    OVERLAPPED = "fits only overlapped"
    IMPOSSIBLE = "does not fit"
    UNLIMITED = "not limited by the link's arithmetic"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one frame costs on a link; the mean over a cycle where frames differ.

    Attributes:
        frame_s: time when frames follow one another.
        overlapped_s: time per frame when the next frame's inputs are sent behind the request for
            this frame's outputs; as `frame_s` for models that cannot do so.
        n_sent: packets to the board.
        n_received: packets from the board.
        n_waits: times that the host waits for the board.
    """

    frame_s: float
    overlapped_s: float
    n_sent: float
    n_received: float
    n_waits: float

    @property
    def best_s(self) -> float:
        """The shorter of both times."""
        return min(self.frame_s, self.overlapped_s)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a link needs for a frame, against the time there is.

    Attributes:
        link: name of the link, for sentences.
        period_s: time between frames that is asked for.
        cost: what one frame costs, the chip's time included.
        rules: the link's rules, None for links that have none.
        device_s: time that the chip needs for a frame, None when not known.
        wider: cost with more requests in flight, None where that cannot be asked for.
        measured_s: time per frame that was measured on this link; it then decides.
    """

    link: str
    period_s: float
    cost: Cost
    rules: LinkRules | None = None
    device_s: float | None = None
    wider: Cost | None = None
    measured_s: float | None = None

    @property
    def frame_s(self) -> float:
        """Seconds that one frame needs."""
        return self.cost.frame_s if self.measured_s is None else self.measured_s

    @property
    def overlapped_s(self) -> float:
        """Seconds per frame when frames overlap on the link."""
        return self.cost.overlapped_s if self.measured_s is None else self.measured_s

    @property
    def best_s(self) -> float:
        """The shortest time per frame."""
        return min(self.frame_s, self.overlapped_s)

    @property
    def verdict(self) -> Verdict:
        """Whether a frame per period can be carried."""
        if self.best_s > self.period_s:
            return Verdict.IMPOSSIBLE
        if self.measured_s is None and (self.rules is None or not self.rules.slot_s):
            return Verdict.UNLIMITED
        return Verdict.FITS if self.frame_s <= self.period_s else Verdict.OVERLAPPED

    @property
    def is_possible(self) -> bool:
        """Nothing known speaks against a frame per period."""
        return self.verdict is not Verdict.IMPOSSIBLE

    @property
    def largest_rate_hz(self) -> float | None:
        """Most frames per second, None where arithmetic gives no limit."""
        return 1 / self.best_s if self.best_s else None

    def describe(self) -> str:
        """Say it in one sentence."""
        asked = f"{self.link}: a frame every {_time(self.period_s)} {self._verdict_text()}"
        if not self.best_s:
            return asked
        each = _time(self.frame_s)
        if self.overlapped_s < self.frame_s:
            each = f"{each} ({_time(self.overlapped_s)} overlapped)"
        source = "measured" if self.measured_s is not None else self._reason()
        return f"{asked}: it takes {each}, {_rate(self.best_s)}; {source}"

    def raise_if_impossible(self) -> None:
        """Refuse a rate that cannot be.

        Raises:
            RateImpossible: names what can be carried.
        """
        if self.is_possible:
            return
        raise RateImpossible(
            self.describe(),
            hint=self._advice(),
            period_s=self.period_s,
            frame_s=self.frame_s,
            overlapped_s=self.overlapped_s,
        )

    def to_tree(self) -> dict[str, object]:
        """Give everything as plain values."""
        rules = self.rules
        return {
            "link": self.link,
            "verdict": str(self.verdict),
            "period_s": self.period_s,
            "frame_s": self.frame_s,
            "overlapped_s": self.overlapped_s,
            "device_s": self.device_s,
            "largest_rate_hz": self.largest_rate_hz,
            "measured": self.measured_s is not None,
            "slot_s": rules.slot_s if rules is not None and rules.slot_s else None,
            "window": rules.window if rules is not None else None,
            "packets_sent": self.cost.n_sent,
            "packets_received": self.cost.n_received,
            "waits": self.cost.n_waits,
        }

    def _verdict_text(self) -> str:
        if self.verdict is Verdict.UNLIMITED:
            return "is not limited by the link's arithmetic"
        return str(self.verdict)

    def _reason(self) -> str:
        rules, cost = self.rules, self.cost
        parts = [f"the chip takes {_time(self.device_s)}"] if self.device_s else []
        if rules is not None and rules.packets is Packets.REPORTS:
            slots = f" in slots of {_time(rules.slot_s)}" if rules.slot_s else ""
            flying = "one" if rules.window == 1 else f"up to {rules.window}"
            parts.append(f"{cost.n_sent:g} reports out and {cost.n_received:g} back{slots}")
            parts.append(f"{flying} in flight")
        elif rules is not None:
            parts.append(f"{cost.n_sent:g} units out and {cost.n_received:g} back")
            parts.append(f"{cost.n_waits:g} round trips")
        return ", ".join(parts)

    def _advice(self) -> str:
        ways = [f"allow {_time(self.best_s)} or more per frame"]
        if self.wider is not None and self.wider.best_s < self.best_s:
            ways.append(
                f"allow requests in flight with ?window={WIDER_WINDOW} "
                f"({_time(self.wider.best_s)} per frame)"
            )
        if self.rules is not None and self.rules.slot_s == USB_SLOTS_S["full"]:
            ways.append("use a high-speed port if the board can")
        return "; ".join(ways)


def cost_of(
    traffic: Traffic,
    rules: LinkRules | None,
    *,
    device_s: float = 0.0,
    round_trip_s: float = 0.0,
) -> Cost:
    """Count what a frame costs.

    Args:
        traffic: what is sent and fetched.
        rules: how the link moves packets; None for no link at all, only the chip's time counts.
        device_s: time that the chip needs for a frame.
        round_trip_s: time that a request and its answer take besides slots.
    """
    if rules is None:
        return Cost(device_s, device_s, 0, 0, 0)
    plain = Schedule(rules, device_s=device_s, round_trip_s=round_trip_s)
    overlapped = Schedule(rules, device_s=device_s, round_trip_s=round_trip_s)
    n_frames = _CYCLES * len(traffic.frames)
    _run(plain, traffic)
    begun_s, sent = plain.now_s, (plain.n_sent, plain.n_received, plain.n_waits)
    for _ in range(_CYCLES):
        _run(plain, traffic)
    frame_s = (plain.now_s - begun_s) / n_frames
    overlapped_s = frame_s
    if traffic.overlaps:
        _run_overlapped(overlapped, traffic)
        begun_s = overlapped.now_s
        for _ in range(_CYCLES):
            _run_overlapped(overlapped, traffic)
        overlapped_s = (overlapped.now_s - begun_s) / n_frames
    now = (plain.n_sent, plain.n_received, plain.n_waits)
    counts = [(b - a) / n_frames for a, b in zip(sent, now, strict=True)]
    return Cost(frame_s, overlapped_s, *counts)


def _run(schedule: Schedule, traffic: Traffic) -> None:
    for rounds in traffic.frames:
        for item in rounds:
            schedule.execute([*item.messages, *item.wait, *item.fetch])


def _run_overlapped(schedule: Schedule, traffic: Traffic) -> None:
    """Each frame's inputs are under way: wait for it, then fetch it and send the next."""
    items = [rounds[0] for rounds in traffic.frames]
    for item, following in zip(items, [*items[1:], items[0]], strict=True):
        schedule.execute(item.wait)
        schedule.execute([*item.fetch, *following.messages])


def budget_of(
    board: Board,
    program: Program,
    period_s: float,
    device_s: float | None = None,
    round_trip_s: float = 0.0,
    measured_s: float | None = None,
) -> Budget:
    """Give what a frame of `program` needs on the link of a board; see `Board.budget`."""
    info = board.info
    rules = info.rules
    if rules is not None:
        rules = replace(rules, window=_window(board, program, rules))
    traffic = traffic_of(program, board.chip, board.platform, exec_time=info.reads_exec_time)
    return make_budget(
        info.url,
        traffic,
        rules,
        period_s,
        device_s=device_s,
        round_trip_s=round_trip_s,
        measured_s=measured_s,
    )


def make_budget(
    link: str,
    traffic: Traffic,
    rules: LinkRules | None,
    period_s: float,
    *,
    device_s: float | None = None,
    round_trip_s: float = 0.0,
    measured_s: float | None = None,
) -> Budget:
    """Put what a frame needs beside the time there is.

    Args:
        link: name of the link, for sentences.
        traffic: what a frame sends and fetches.
        rules: how the link moves packets, None where nothing limits it.
        period_s: time between frames.
        device_s: time that the chip needs for a frame, None when not known.
        round_trip_s: time that a request and its answer take besides slots.
        measured_s: time per frame measured on this link, which then decides.

    Raises:
        UsageError: a time that is no time.
    """
    given = {
        "period": period_s,
        "time of the chip": device_s,
        "round trip": round_trip_s,
        "measured time": measured_s,
    }
    for name, seconds in given.items():
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            raise UsageError(f"{name} of {seconds} s, expected a time in seconds")
    if not period_s:
        raise UsageError("period of 0 s, expected the time between two frames in seconds")
    times = {"device_s": device_s or 0.0, "round_trip_s": round_trip_s}
    wider = None
    if rules is not None and rules.packets is Packets.REPORTS and rules.window == 1:
        wider = cost_of(traffic, replace(rules, window=WIDER_WINDOW), **times)
    cost = cost_of(traffic, rules, **times)
    return Budget(link, period_s, cost, rules, device_s, wider, measured_s)


def _window(board: Board, program: Program, rules: LinkRules) -> int:
    """Tell how many requests will be in flight: a window is widened by a trial while loading."""
    now = board.transport.window
    if rules.packets is not Packets.REPORTS or rules.window == 1:
        return rules.window
    if now is not None and (now > 1 or board.loaded is program):
        return now
    tried = any(has_trial(batch) for batch in chunks(program.load_steps(board.chip)))
    return rules.window if tried else 1


def _time(seconds: float) -> str:
    """Give a time in the unit that suits it, four digits."""
    if seconds >= 1:
        return f"{seconds:.4g} s"
    return f"{seconds * 1e3:.4g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.4g} us"


def _rate(seconds: float) -> str:
    return f"{1 / seconds:.4g} frames/s at most"
