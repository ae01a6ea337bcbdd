"""Small boards that the wire tests talk to, and the golden cases as requests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

import numpy as np

from firmware_protocol.evk2 import (
    READ_COMMANDS,
    REPORT_BYTES,
    Command,
    ack,
    data_reply,
    decode_requests,
)
from firmware_protocol.requests import (
    ExecTime,
    FrameIn,
    FrameOut,
    HostAction,
    Read,
    Request,
    Space,
    Write,
)
from firmware_protocol.zynq import Code, apb_replies, axis_reply, decode_units, top_replies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firmware_protocol.conversation import Conversation

VECTORS = Path(__file__).parents[1] / "data" / "spu"

Fault: TypeAlias = Literal["lose_request", "lose_reply", "double", "corrupt", "late"]


class Outcome(TypedDict, total=False):
    ok: list[str] | bool | None
    raises: str


class Case(TypedDict, total=False):
    name: str
    msgtype: str
    dir: str
    start: int
    length: int
    vals: list[str]
    result: Outcome
    events: list[dict[str, str]]


def load_cases(file: str) -> list[Case]:
    cases: list[Case] = json.loads((VECTORS / file).read_text(encoding="utf-8"))["cases"]
    return cases


def request_of(case: Case) -> Request:
    if case["name"] == "reset":
        return HostAction()
    if case["msgtype"] == "exec_time":
        return ExecTime()
    words = np.array([int(word, 16) for word in case.get("vals", [])], np.uint32)
    writes = case["dir"] == "w"
    if case["msgtype"] == "axis":
        return FrameOut(words) if writes else FrameIn(case["length"])
    space = Space(case["msgtype"])
    if writes:
        return Write(space, case["start"], words)
    return Read(space, case["start"], case["length"])


def sides(case: Case, side: str) -> list[bytes]:
    return [bytes.fromhex(event[side]) for event in case["events"] if side in event]


@dataclass
class ModelEvk2:
    """Memory behind reports. `faults` maps the number of a host report to what goes wrong."""

    faults: dict[int, Fault] = field(default_factory=dict)
    memory: dict[int, int] = field(default_factory=dict)
    stream: list[int] = field(default_factory=list)
    seen: int = 0
    late: bytes = b""

    def answer(self, tx: memoryview) -> bytes:
        out = b""
        columns = decode_requests(tx)
        for row in range(len(columns)):
            n, address = int(columns.length[row]), int(columns.address[row])
            fault = self.faults.get(self.seen)
            self.seen += 1
            if fault == "lose_request":
                continue
            replies = self._replies(int(columns.command[row]), n, address, columns.words[row])
            out += self._spoil(fault, replies)
        return out

    def release(self) -> bytes:
        late, self.late = self.late, b""
        return late

    def _replies(self, command: int, n: int, address: int, words: Iterable[int]) -> bytes:
        reply = ack(address)
        if command in (Command.AXIS_WRITE, Command.AXIS_WRITE_END):
            self.stream += [int(word) for word in words][:n]
        elif command in (Command.AXIS_READ_START, Command.AXIS_READ):
            taken, self.stream = self.stream[:n], self.stream[n:]
            reply += data_reply(command, address, taken)
        elif command in READ_COMMANDS:
            values = [self.memory.get(address + 4 * i, 0) for i in range(n)]
            reply += data_reply(command, address, values)
        else:
            for i, word in enumerate(list(words)[:n]):
                self.memory[address + 4 * i] = int(word)
        return reply

    def _spoil(self, fault: Fault | None, replies: bytes) -> bytes:
        last = replies[-REPORT_BYTES:]
        match fault:
            case "lose_reply":
                return replies[:-REPORT_BYTES]
            case "double":
                return replies + last
            case "corrupt":
                return replies[:-REPORT_BYTES] + bytes([last[0] ^ 0x40]) + last[1:]
            case "late":
                self.late += replies
                return b""
            case _:
                return replies


@dataclass
class ModelZynq:
    """Registers and queued stream words behind units; `rest` holds a unit that is incomplete."""

    queued: list[int] = field(default_factory=list)
    memory: dict[int, int] = field(default_factory=dict)
    rest: bytes = b""

    def answer(self, tx: memoryview) -> bytes:
        out = b""
        data = self.rest + bytes(tx)
        whole = len(data) // 8 * 8
        self.rest = data[whole:]
        columns = decode_units(data[:whole])
        rows = zip(columns.code, columns.address, columns.data, strict=True)
        for code, address, word in ((int(c), int(a), int(d)) for c, a, d in rows):
            match code:
                case Code.APB_READ:
                    out += apb_replies(address, self.memory.get(address, 0))
                case Code.TOP_READ:
                    out += top_replies(address, self.memory.get(address, 0))
                case Code.AXIS_READ:
                    taken, self.queued = self.queued[: 2 * address], self.queued[2 * address :]
                    out += axis_reply(taken)
                case Code.AXIS_WRITE:
                    self.queued.append(word)
                case _:
                    self.memory[address] = word
        return out


def talk(
    conversation: Conversation,
    board: ModelEvk2 | ModelZynq,
    *,
    chunk_bytes: Iterable[int] = (),
    most_expiries: int = 0,
) -> int:
    """Run to the end and give the number of timeouts; never more than `most_expiries`."""
    now, expiries, inbox = 0.0, 0, b""
    sizes = iter(chunk_bytes)
    while True:
        inbox += board.answer(conversation.to_send(now))
        if conversation.done:
            return expiries
        now += 1e-4
        if inbox:
            size = next(sizes, len(inbox))
            conversation.receive(inbox[:size], now)
            inbox = inbox[size:]
            continue
        due = conversation.deadline()
        assert due is not None, "nothing to send, nothing to wait for, and not done"
        now = max(now, due)
        expiries += 1
        assert expiries <= most_expiries, "more timeouts than the faults explain"
        conversation.expire(now)
        if isinstance(board, ModelEvk2):
            inbox += board.release()
