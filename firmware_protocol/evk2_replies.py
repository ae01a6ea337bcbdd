"""The replies that a plan of EVK2 reports must get, as columns that whole chunks match against."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firmware_protocol.evk2 import REPORT_BYTES, REPORT_WORDS, Command, command_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from firmware_protocol.evk2 import Report
    from firmware_protocol.words import Words

_HEAD_BYTES = 8
_HEAD_DWORDS = REPORT_BYTES // _HEAD_BYTES
# Bytes 0 (command), 2-3 (length) and 4-7 (address) of a report as one little-endian number.
_DATA_MASK = 0xFFFF_FFFF_FFFF_00FF
_ACK_MASK = 0xFFFF_FFFF_0000_00FF


_FEW_READS = 8
"""Up to this many reading reports, cutting one by one beats arrays."""


class PlanColumns(NamedTuple):
    """What the replies to a plan's reports depend on; arrays have one entry per report.

    Attributes:
        commands: uint8 (n,).
        addresses: uint32 (n,).
        reply_words: int64 (n,), words of the data reply, 0 for reports that are only acknowledged.
        request_index: int64 (n,), the request that a report belongs to.
        idempotent: bool (n,).
        n_requests: requests in all.
    """

    commands: NDArray[np.uint8]
    addresses: NDArray[np.uint32]
    reply_words: NDArray[np.int64]
    request_index: NDArray[np.int64]
    idempotent: NDArray[np.bool_]
    n_requests: int


class ReplySequence:
    """Acks and data replies in order, each as the fixed bits of its first eight bytes.

    Attributes:
        count: replies in all.
        n_data: data replies among them.
        is_data: bool (count,).
        starts: first reply of each report; one more entry closes the list.
    """

    def __init__(self, plan: PlanColumns) -> None:
        """Derive the replies of a plan."""
        reads = plan.reply_words > 0
        per_report = 1 + reads.astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(per_report)])
        n_reports = plan.commands.size
        report_of = np.repeat(np.arange(n_reports), per_report)
        is_data = np.zeros(report_of.size, dtype=bool)
        is_data[starts[1:][reads] - 1] = True
        address = plan.addresses.astype(np.uint64)[report_of] << np.uint64(32)
        length = plan.reply_words.astype(np.uint64)[report_of] << np.uint64(16)
        command = plan.commands.astype(np.uint64)[report_of]
        self._plan = plan
        self._heads = np.where(is_data, address | length | command, address)
        self._masks = np.where(is_data, np.uint64(_DATA_MASK), np.uint64(_ACK_MASK))
        data_before = np.concatenate([[0], np.cumsum(is_data)])
        self.is_data = is_data
        self.count = int(report_of.size)
        self.n_data = int(data_before[-1])
        # Lists beside the arrays: one look-up in a list takes a tenth of one in an array.
        self.starts: list[int] = starts.tolist()
        self._head_list: list[int] = self._heads.tolist()
        self._barriers: list[int] = _barriers(plan).tolist()
        self._report_list: list[int] = [*report_of.tolist(), n_reports]
        self._data_before: list[int] = data_before.tolist()
        self._reads: list[tuple[int, int]] = []
        if self.n_data <= _FEW_READS:
            owners, lengths = plan.request_index[reads], plan.reply_words[reads]
            self._reads = list(zip(owners.tolist(), lengths.tolist(), strict=True))

    def report_of(self, position: int) -> int:
        """Give the report that reply `position` answers."""
        return self._report_list[position]

    def report_at(self, position: int) -> int:
        """Give how many reports are answered in full once `position` replies arrived."""
        return self._report_list[position]

    def sendable_end(self, start: int, end: int, oldest: int) -> int:
        """Give how far from `start` to `end` reports may be sent while `oldest` is unanswered.

        An ack carries only an address: were two reports with the same address in flight and the
        first one lost, the ack of the second would count for it. So the second waits. A memory
        write waits for reads before it, which would see it if they had to be repeated.
        """
        if end <= start or self._barriers[end - 1] < oldest:
            return end
        return bisect_left(self._barriers, oldest, start, end)

    def data_before(self, position: int) -> int:
        """Give how many data replies come before reply `position`."""
        return self._data_before[position]

    def is_data_at(self, position: int) -> bool:
        """Tell whether reply `position` carries data."""
        return self._data_before[position] != self._data_before[position + 1]

    def matches_one(self, raw: memoryview, position: int) -> bool:
        """Tell whether one report is reply `position`."""
        head = int.from_bytes(raw[:_HEAD_BYTES], "little")
        mask = _DATA_MASK if head & 0xFF else _ACK_MASK
        return head & mask == self._head_list[position]

    def matches(self, raw: memoryview, start: int, end: int) -> bool:
        """Tell whether many reports are replies `start` to `end`."""
        heads: NDArray[np.uint64] = np.frombuffer(raw, "<u8")[::_HEAD_DWORDS]
        fixed = heads & self._masks[start:end]
        return fixed.tobytes() == self._heads[start:end].tobytes()

    def find(self, raw: memoryview, start: int, end: int) -> int | None:
        """Give the last reply in `start` to `end` that one report could be."""
        for position in range(end - 1, start - 1, -1):
            if self.matches_one(raw, position):
                return position
        return None

    def differs_in_length(self, reply: Report, position: int) -> bool:
        """Tell whether `reply` would be reply `position` if it had the right number of words."""
        report = self._report_list[position]
        plan = self._plan
        return (
            self.is_data_at(position)
            and reply.command == int(plan.commands[report])
            and reply.address == int(plan.addresses[report])
            and reply.n != int(plan.reply_words[report])
        )

    def describe(self, position: int) -> str:
        """Name a reply for messages: "ack at 0x00100000"."""
        report = self._report_list[position]
        where = f"at 0x{int(self._plan.addresses[report]):08x}"
        if not self.is_data_at(position):
            return f"{command_name(Command.ACK)} {where}"
        name = command_name(int(self._plan.commands[report]))
        return f"{name} {where} with {int(self._plan.reply_words[report])} words"

    def answers(self, data: bytearray) -> list[Words | None]:
        """Cut the data bytes of all replies into one array per reading request."""
        plan = self._plan
        answers: list[Words | None] = [None] * plan.n_requests
        if self.n_data <= _FEW_READS:
            self._cut_few(data, answers)
            return answers
        reads = np.flatnonzero(plan.reply_words)
        rows = np.frombuffer(bytes(data), "<u4").reshape(-1, REPORT_WORDS)
        lengths = plan.reply_words[reads]
        kept = rows[np.arange(REPORT_WORDS) < lengths[:, np.newaxis]].astype(np.uint32)
        owners = plan.request_index[reads]
        firsts = np.flatnonzero(np.diff(owners, prepend=-1))
        ends = np.cumsum(lengths)[np.append(firsts[1:], reads.size) - 1]
        for owner, words in zip(owners[firsts].tolist(), np.split(kept, ends[:-1]), strict=True):
            answers[owner] = words
        return answers

    def _cut_few(self, data: bytearray, answers: list[Words | None]) -> None:
        for index, (owner, length) in enumerate(self._reads):
            offset = index * (REPORT_BYTES - _HEAD_BYTES)
            words = np.frombuffer(data, "<u4", length, offset).astype(np.uint32)
            before = answers[owner]
            answers[owner] = words if before is None else np.concatenate([before, words])


def _barriers(plan: PlanColumns) -> NDArray[np.int64]:
    """Give, for every report, the last one that must be answered before it may be sent; -1: none.

    That is the last earlier report with the same address and, for a write that may be repeated,
    the last earlier read; never less than for the report before.
    """
    addresses = plan.addresses
    order = np.argsort(addresses, kind="stable")
    repeats = addresses[order][1:] == addresses[order][:-1]
    previous = np.full(addresses.size, -1, np.int64)
    previous[order[1:][repeats]] = order[:-1][repeats]
    reads = plan.reply_words > 0
    last_read = np.maximum.accumulate(np.where(reads, np.arange(reads.size), -1))
    after_read = np.where(plan.idempotent & ~reads, last_read, -1)
    return np.maximum.accumulate(np.maximum(previous, after_read))
