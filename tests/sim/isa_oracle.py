"""The open instruction set in plain Python integers, slow and close to the words of the document.

Written from hostrt/docs/open-isa.md alone: it shares no table and no code with what it is compared
with. `Oracle` is a whole chip: cores, threads, order, cycles and events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.sim.isa_oracle_cost import cost, events
from tests.sim.isa_oracle_ops import Stop, carry_out, decode

MARK = 0x4F50454E495341
OK, ILLEGAL, BAD_ADDRESS, BANK_OFF, BAD_MESSAGE, RUNAWAY, WRONG_VERSION, QUEUE_FULL = (
    *(0x1F, 0x80, 0x81, 0x82),
    *(0x83, 0x84, 0x85, 0x86),
)
LOW_HALF = 0xFFFF_FFFF


@dataclass
class Start:
    arrival: int
    asked: int
    pc: int
    payload: list[int]
    link_words: int = 0


@dataclass
class OracleCore:
    """Words of each memory, and for each word whether it is powered."""

    im: list[int]
    dm: list[int]
    tm: list[int]
    rq: list[int]
    pb: list[int]
    sb: list[int]
    dm_on: list[bool]
    tm_on: list[bool]
    runs: bool = True
    clock: int = 0
    busy: int = 0
    waiting: list[Start] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)

    @property
    def listens(self) -> bool:
        return self.runs and self.im[0] >> 8 == MARK


@dataclass
class Running:
    """A thread that runs."""

    core: int
    begin: int
    payload: list[int]
    pc: int
    cycles: int = 4
    loops: list[int] = field(default_factory=lambda: [0] * 4)


class Oracle:
    """A chip. `run` gives what it sends: (mailbox, status, payload words)."""

    def __init__(self, cores: list[OracleCore], most: int = 1_000_000) -> None:
        self.cores = cores
        self.outputs: list[tuple[int, int, list[int]]] = []
        self.asked = 0
        self.most = most
        self.left = most
        self.answered = False

    @property
    def frame_cycles(self) -> int:
        return max(core.clock for core in self.cores)

    def message(
        self, core: int, pc: int, payload: list[int], *, output_waits: bool = False
    ) -> bool:
        lost = core >= len(self.cores) or not self.cores[core].listens
        if lost or len(self.cores[core].waiting) >= 64:
            return False
        if self.answered and not output_waits:
            self.answered = False
            for item in self.cores:
                item.clock = item.busy = 0
        self.ask(core, 0, pc, payload)
        return True

    def wake(self, core: int, count: int) -> None:
        place = self.cores[core]
        if place.listens:
            for i in range(min(count, 64)):
                if len(place.waiting) < 64:
                    self.ask(core, 0, place.pb[place.rq[i] & 63] & LOW_HALF, [])

    def ask(
        self, core: int, arrival: int, pc: int, payload: list[int], link_words: int = 0
    ) -> None:
        self.asked += 1
        waiting = self.cores[core].waiting
        waiting.append(Start(arrival, self.asked, pc, payload, link_words))

    def run(self) -> list[tuple[int, int, list[int]]]:
        self.left = self.most
        self.outputs = []
        while True:
            waiting = [
                (max(core.clock, start.arrival), number, start.asked)
                for number, core in enumerate(self.cores)
                for start in core.waiting
            ]
            if not waiting:
                self.answered = self.answered or bool(self.outputs)
                return self.outputs
            begin, number, asked = min(waiting)
            core = self.cores[number]
            (start,) = (item for item in core.waiting if item.asked == asked)
            core.waiting.remove(start)
            self.thread(Running(number, begin, list(start.payload), start.pc))

    def thread(self, thread: Running) -> None:
        core = self.cores[thread.core]
        try:
            if core.im[0] & 0xFF not in (1, 2):
                raise Stop(WRONG_VERSION)
            while thread.pc >= 0:
                self.step(core, thread)
        except Stop as stop:
            where = thread.core << 32 | thread.pc & LOW_HALF
            self.outputs.append((0, stop.status, [where]))
        core.clock = thread.begin + thread.cycles
        core.busy += thread.cycles

    def step(self, core: OracleCore, thread: Running) -> None:
        if self.left == 0:
            raise Stop(RUNAWAY)
        pc = thread.pc
        if not 1 <= pc < len(core.im) or pc + (core.im[pc] >> 62) >= len(core.im):
            raise Stop(BAD_ADDRESS)
        self.left -= 1
        words = core.im[pc : pc + 1 + (core.im[pc] >> 62)]
        core.events["im_reads"] += len(words)
        found = decode(words)
        if found is None:
            raise Stop(ILLEGAL)
        name, f = found
        thread.cycles += cost(name, f)
        following = carry_out(name, f, core, thread, self)
        for event, count in events(name, f).items():
            core.events[event] += count
        thread.pc = pc + len(words) if following is None else following

    # -- what instructions ask of the chip ------------------------------------------------------

    def send(self, mailbox: int, words: list[int]) -> None:
        self.outputs.append((mailbox, OK, words))

    def post(self, thread: Running, core: int, pc: int, words: list[int]) -> None:
        if core >= len(self.cores) or not self.cores[core].listens:
            return
        waiting = self.cores[core].waiting
        room = 4096 - sum(start.link_words for start in waiting)
        if len(waiting) >= 64 or len(words) > room:
            raise Stop(QUEUE_FULL)
        self.ask(core, thread.begin + thread.cycles + 8, pc, words, len(words))

    def signal(self, thread: Running, number: int) -> None:
        core = self.cores[thread.core]
        word = core.sb[number]
        needed, missing = word >> 5 & 31, word & 31
        if missing >= 2:
            core.sb[number] = word & ~31 | missing - 1
            return
        if len(core.waiting) >= 64:
            raise Stop(QUEUE_FULL)
        core.sb[number] = word & ~31 | needed
        pc = core.pb[number] & LOW_HALF
        self.ask(thread.core, thread.begin + thread.cycles, pc, [])
