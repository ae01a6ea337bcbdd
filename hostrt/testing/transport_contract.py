"""What every transport must do, as tests to inherit.

A transport's own tests subclass `TransportContract`, fill in `open_transport` and run with
pytest. Example:

    class TestMyLink(TransportContract):
        def open_transport(self) -> Transport:
            return MyTransport("loopback")
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.requests import FrameIn, FrameOut, HostAction, Read, Space, Write
from hostrt.chip.step import Expect, Modify, Poll, Wait
from hostrt.errors import HostrtError, LinkError, LinkTimeout, OutputNeverCame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_protocol.words import Words
    from hostrt.transport.base import Transport

BIG_BURST_WORDS = 200_000
"""As much as the largest program in the field."""

_SETTLE_S = 0.02
_FD_FOLDER = Path("/proc/self/fd")


class TransportContract:
    """Tests of one transport. Attributes describe the board behind it.

    Attributes:
        memory_base: byte address of memory that reads back what was written.
        memory_words: 32-bit words there.
        register_base: byte address of a register of the same kind, outside that memory.
        echoes_frames: a message sent comes back as the next output, as it was sent.
        answers: what is read is what was written; false for dummies.
        bound_s: longest time anything may take on this link.
    """

    memory_base = 0x0010_0000
    memory_words = 16_384
    register_base = 0x0000_0034
    echoes_frames = False
    answers = True
    bound_s = 8.0

    def open_transport(self) -> Transport:
        """Open the transport under test, each time anew."""
        raise NotImplementedError

    def open_mute(self) -> Transport | None:
        """Open a transport whose board says nothing; None when there is no such thing."""
        return None

    def prepare(self, transport: Transport) -> None:
        """Bring the board to where the memory can be used."""

    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        """Give an open transport with a usable memory."""
        with self.open_transport() as transport:
            self.prepare(transport)
            yield transport

    def test_what_was_written_is_read_back_in_order(self, transport: Transport) -> None:
        """Later writes of a batch win over earlier ones, reads see what stands before them."""
        first, second = _random(40, 1), _random(40, 2)
        answers = transport.execute(
            [self._write(first), self._read(40), self._write(second), self._read(40)]
        )
        assert [answer is None for answer in answers] == [True, False, True, False]
        self._same(answers[1], first)
        self._same(answers[3], second)

    def test_every_step_has_one_answer(self, transport: Transport) -> None:
        """Composite steps and waits give exactly one entry each."""
        transport.execute([self._write(np.array([0xF1], np.uint32))])
        answers = transport.execute(
            [
                Wait(1, 0.0),
                Modify(Space.APB, self.memory_base, 0xF0, 0x02),
                Expect(Space.APB, self.memory_base, 0xF2, 0xFF, "the word", OutputNeverCame),
                self._read(1),
            ]
        )
        assert len(answers) == 4
        assert answers[0] is None
        self._same(answers[1], np.array([0xF1], np.uint32))
        self._same(answers[3], np.array([0xF2], np.uint32))

    def test_no_steps_give_no_answers(self, transport: Transport) -> None:
        """An empty list is a list."""
        assert transport.execute([]) == []

    @pytest.mark.parametrize("n_words", [1, 2, 13, 14, 15, 63, 64, 65, 1023, 1024, 1025, 2050])
    def test_bursts_of_every_awkward_length_survive(
        self, transport: Transport, n_words: int
    ) -> None:
        """Lengths around the units of all links."""
        words = _random(n_words, n_words)
        answers = transport.execute([self._write(words), self._read(n_words)])
        self._same(answers[1], words)

    def test_a_program_sized_load_survives(self, transport: Transport) -> None:
        """200 000 words in one batch, the last part read back."""
        size = min(self.memory_words, BIG_BURST_WORDS)
        parts = [_random(size, seed) for seed in range(-(-BIG_BURST_WORDS // size))]
        answers = transport.execute([*(self._write(part) for part in parts), self._read(size)])
        self._same(answers[-1], parts[-1])

    def test_many_small_reads_and_writes_interleave(self, transport: Transport) -> None:
        """Answers belong to their own reads."""
        words = _random(100, 7)
        steps: list[Write | Read] = []
        for i in range(100):
            steps += [
                self._write(words[i : i + 1], self.memory_base + 4 * i),
                Read(Space.APB, self.memory_base + 4 * (i // 2)),
            ]
        answers = transport.execute(steps)
        read = np.array([int(a[0]) for a in answers[1::2] if a is not None], np.uint32)
        self._same(read, words[np.arange(100) // 2])

    def test_frames_come_back_in_order(self, transport: Transport) -> None:
        """On boards that echo, several messages stay apart and in order."""
        if not self.echoes_frames:
            pytest.skip("this board does not echo messages")
        frames = [_random(n, n) for n in (2, 14, 16, 42, 100)]
        for frame in frames:
            self._same(transport.execute([FrameOut(frame), FrameIn(frame.size)])[1], frame)
        transport.execute([FrameOut(frame) for frame in frames])
        back = transport.execute([FrameIn(frame.size) for frame in frames])
        for got, frame in zip(back, frames, strict=True):
            self._same(got, frame)

    def test_a_poll_that_never_comes_true_ends_in_its_own_error(self, transport: Transport) -> None:
        """Deadlines of polls hold on every link."""
        transport.execute([self._write(np.zeros(1, np.uint32))])
        poll = Poll(
            Space.APB, self.memory_base, 1, Wait(1, 0.001), 0.05, "the bit", OutputNeverCame
        )
        started = time.monotonic()
        if not transport.info.answers:
            assert transport.execute([poll]) == [None]
        else:
            with pytest.raises(OutputNeverCame, match="the bit"):
                transport.execute([poll])
        assert time.monotonic() - started < self.bound_s

    def test_a_silent_board_is_a_timeout_in_bounded_time(self) -> None:
        """Silence is named as such and never lasts."""
        silent = self.open_mute()
        if silent is None:
            pytest.skip("this link has no silent board")
        with silent:
            started = time.monotonic()
            with pytest.raises(LinkTimeout) as caught:
                silent.execute([self._read(1)])
            assert time.monotonic() - started < self.bound_s
            assert silent.info.url in str(caught.value)
            assert caught.value.hint

    def test_a_hard_reset_is_accepted(self, transport: Transport) -> None:
        """After a reset the link still works."""
        transport.execute([HostAction()])
        self.prepare(transport)
        words = _random(3, 3)
        self._same(transport.execute([self._write(words), self._read(3)])[1], words)

    def test_close_is_idempotent_and_use_after_it_is_a_link_error(self) -> None:
        """Nothing hangs and nothing but hostrt's errors comes out."""
        transport = self.open_transport()
        transport.close()
        transport.close()
        with pytest.raises(LinkError):
            transport.execute([self._read(1)])
        transport.close()

    def test_close_from_another_thread_ends_what_is_under_way(self) -> None:
        """A blocked caller gets a link error (or had finished), in bounded time."""
        transport = self.open_mute() or self.open_transport()
        outcome: list[HostrtError | None] = []

        def work() -> None:
            try:
                for _ in range(10_000):
                    transport.execute([self._read(1)])
                outcome.append(None)
            except HostrtError as error:
                outcome.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(0.02)
        transport.close()
        worker.join(self.bound_s)
        assert not worker.is_alive()
        assert outcome == [None] or isinstance(outcome[0], LinkError)

    def test_a_closed_link_can_be_opened_again(self) -> None:
        """Everything held is given back."""
        for _ in range(3):
            with self.open_transport() as transport:
                self.prepare(transport)
                transport.execute([self._read(1)])

    def test_no_threads_and_no_descriptors_leak(self) -> None:
        """As many as before are there after."""
        with self.open_transport() as transport:
            transport.execute([self._read(1)])
        time.sleep(_SETTLE_S)
        threads, descriptors = threading.active_count(), _n_descriptors()
        for _ in range(5):
            with self.open_transport() as transport:
                transport.execute([self._read(1)])
        self._settle(threads, descriptors)
        assert threading.active_count() <= threads
        assert _n_descriptors() <= descriptors

    def test_info_says_what_opens_the_link_again(self, transport: Transport) -> None:
        """The address is there and the platform is named."""
        assert transport.info.url
        assert transport.info.platform

    def _settle(self, threads: int, descriptors: int) -> None:
        """Let a board's side in this process notice that its clients are gone."""
        until = time.monotonic() + self.bound_s
        while threading.active_count() > threads or _n_descriptors() > descriptors:
            if time.monotonic() >= until:
                return
            time.sleep(_SETTLE_S)

    def _write(self, words: Words, address: int | None = None) -> Write:
        where = self.memory_base if address is None else address
        return Write(Space.APB, where, words, idempotent=True)

    def _read(self, n_words: int) -> Read:
        return Read(Space.APB, self.memory_base, n_words)

    def _same(self, got: Words | None, expected: Words) -> None:
        assert got is not None
        assert got.dtype == np.uint32
        assert got.shape == expected.shape
        if self.answers:
            np.testing.assert_array_equal(got, expected)


def _random(n_words: int, seed: int) -> Words:
    return np.random.default_rng(seed).integers(0, 1 << 32, n_words, np.uint32)


def _n_descriptors() -> int:
    return len(list(_FD_FOLDER.iterdir())) if _FD_FOLDER.is_dir() else 0
