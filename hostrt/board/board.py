"""A board: a chip reached through a transport, with a life cycle.

`closed -> open -> loaded -> open ...`; any failure of link or board leads to `broken`, which
remembers its cause: from then on only `boot` (a hard reset) and `close` are possible.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from hostrt.board.chunks import CHUNK_WORDS, STREAM_CHUNK_WORDS, chunks
from hostrt.board.memo import forget
from hostrt.board.receipt import FrameReply, LoadReceipt
from hostrt.chip import get_chip
from hostrt.chip.base import Power
from hostrt.chip.platform import PLATFORMS
from hostrt.chip.step import ExecTime, FrameIn, FrameOut, Read, Space, Write
from hostrt.closing import Closing
from hostrt.errors import BoardBroken, BoardFault, LinkError, UsageError, WrongTarget
from hostrt.transport.rules import Packets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from firmware_protocol.memory import MemoryKind
    from firmware_protocol.words import Words
    from hostrt.board.budget import Budget
    from hostrt.chip.base import Chip
    from hostrt.chip.image import Encryption
    from hostrt.chip.step import Step
    from hostrt.program.model import Program
    from hostrt.transport.base import Transport, TransportInfo

logger = logging.getLogger(__name__)

_NO_WORDS = np.empty(0, np.uint32)


class BoardState(StrEnum):
    """Where a board is in its life."""

    CLOSED = "closed"
    OPEN = "open"
    BOOTED = "booted"
    LOADED = "loaded"
    BROKEN = "broken"


class Board(Closing):
    """One board. Not for several threads at once, except `close`."""

    def __init__(self, transport: Transport, chip: Chip) -> None:
        """Use `open_board` unless the transport is already open."""
        self.transport = transport
        self.chip = chip
        self.platform = PLATFORMS[transport.info.platform]
        version = Read(Space.APB, chip.map.address("VERSION"), register="VERSION")
        transport.set_landmark(version)
        self.loaded: Program | None = None
        self._state = BoardState.OPEN
        self._cause: BaseException | None = None
        self._moving = threading.Lock()

    @property
    def info(self) -> TransportInfo:
        """What is known about the link and the board behind it."""
        return self.transport.info

    @property
    def state(self) -> BoardState:
        """Where the board is in its life."""
        return self._state

    # -- life cycle -----------------------------------------------------------------------------

    def boot(self, *, encryption: Encryption | None = None, pll: bool | None = None) -> None:
        """Hard reset, clocks, resets, encryption registers and version check.

        Possible in every state but closed; forgets what was loaded.

        Args:
            encryption: key and salt of the program to be loaded next.
            pll: program the PLL; by default wherever the platform has one.

        Raises:
            UsageError: this chip cannot be booted so on this platform; nothing was sent.
            BoardFault: the clock does not lock or the chip is another one.
            LinkError: the link failed.
        """
        self._require_open()
        with_pll = pll if pll is not None else self._default_pll()
        # made before the state changes: a boot that cannot be must leave a broken board broken
        steps = self.chip.boot(self.platform, pll=with_pll, encryption=encryption)
        forget(self.info)
        self.loaded = None
        self._cause = None
        self._move(BoardState.OPEN)
        self.execute(steps)
        self._move(BoardState.BOOTED)

    def load(
        self,
        program: Program,
        *,
        verify: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> LoadReceipt:
        """Boot, then put `program` into the chip's memories.

        Args:
            program: made for this board's chip.
            verify: read every bank back and compare.
            progress: called with (words written, words in all) after each chunk.

        Raises:
            WrongTarget: the program is for another chip.
            UsageError: the program does not fit the chip; nothing was sent.
            VerifyFailed: what was read back differs; names core, bank, word, found, expected.
            BoardFault, LinkError: see `boot`.
        """
        self.check_target(program)
        steps = program.load_steps(self.chip)
        self.boot(encryption=program.encryption)
        started = time.perf_counter()
        try:
            n_words = self._write_all(steps, progress)
        except BaseException as error:
            # whoever stops it, `progress` included: half a program must never run
            self.mark_broken(error)
            raise
        seconds = time.perf_counter() - started
        if verify:
            self.verify(program)
        self.loaded = program
        self._move(BoardState.LOADED)
        verified = verify and self.info.answers
        return LoadReceipt(program.sha256, n_words, seconds, verified=verified)

    def close(self) -> None:
        """Release the board. Idempotent, never raises, callable from any thread."""
        if self._state is not BoardState.CLOSED:
            self._move(BoardState.CLOSED)
            self.transport.close()

    def adopt(self, program: Program) -> None:
        """Take it that the chip holds `program` already, without writing anything.

        For boards that were loaded by another process; see `hostrt.board.flash.holds`.

        Raises:
            BoardBroken: the board failed; what it holds is not known.
            WrongTarget: the program is for another chip.
        """
        self.require_usable()
        self.check_target(program)
        self.loaded = program
        self._move(BoardState.LOADED)

    # -- streaming ------------------------------------------------------------------------------

    def frame_tail(self, output_dwords: Sequence[int], timeout_s: float) -> list[Step]:
        """Give the steps that fetch one frame's outputs, to be made once and used many times."""
        exec_time = self.info.reads_exec_time
        return self.chip.collect(self.platform, output_dwords, timeout_s, exec_time=exec_time)

    def budget(
        self,
        program: Program,
        period_s: float,
        *,
        device_s: float | None = None,
        round_trip_s: float = 0.0,
        measured_s: float | None = None,
    ) -> Budget:
        """Tell whether the link carries a frame of `program` every `period_s` seconds.

        What else is known of times is as for `hostrt.board.budget.make_budget`.
        """
        from hostrt.board.budget import budget_of

        return budget_of(self, program, period_s, device_s, round_trip_s, measured_s)

    def frame(
        self,
        messages: Sequence[FrameOut],
        tail: Sequence[Step],
        ahead: Sequence[FrameOut] = (),
    ) -> FrameReply:
        """Send the inputs of one frame and take its outputs.

        Args:
            messages: one per input.
            tail: from `frame_tail`; empty when no output is due (latched inputs alone).
            ahead: the next frame's inputs, on their way while this frame's outputs come.

        Raises:
            OutputNeverCame: no output before the deadline.
            LinkError: the link failed; whether the frame was computed is then unknown.
        """
        self.require_usable()
        with self._guard():
            started = time.perf_counter()
            results = self.transport.execute([*messages, *tail, *ahead])
            wire_s = time.perf_counter() - started
        words, device_s = _NO_WORDS, float("nan")
        for step, result in zip(tail, results[len(messages) :], strict=False):
            if result is None:
                continue
            if isinstance(step, FrameIn):
                words = result
            elif isinstance(step, ExecTime):
                device_s = int(result[0]) * 1e-6
        return FrameReply(words, device_s, wire_s)

    # -- direct access --------------------------------------------------------------------------

    def execute(self, steps: Sequence[Step]) -> list[Words | None]:
        """Execute steps of the chip's; a failure breaks the board until the next boot."""
        self.require_usable()
        with self._guard():
            return self.transport.execute(steps)

    def read_version(self) -> int:
        """Read the VERSION register (high nibble major, low nibble minor)."""
        (words,) = self.execute([Read(Space.APB, self.chip.map.address("VERSION"))])
        return int(words[0]) if words is not None else 0

    def read_memory(
        self, core: int, kind: MemoryKind, index: int = 0, start: int = 0, n_dwords: int = 1
    ) -> Words:
        """Read 64-bit words of one bank as uint32 (2 n_dwords,), low half first.

        Raises:
            UsageError: the chip has no such bank or it ends earlier.
        """
        if not self.chip.map.has_bank(core, kind, index):
            raise UsageError(f"{self.chip.map.title} has no core {core} {kind}{index}")
        region = self.chip.map.region(core, kind, index)
        if not 0 <= start <= start + n_dwords <= region.n_dwords:
            raise UsageError(
                f"words {start}..{start + n_dwords} lie outside {region.name}, which holds "
                f"{region.n_dwords}"
            )
        (words,) = self.execute([Read(Space.APB, region.base + 8 * start, 2 * n_dwords)])
        return words if words is not None else _NO_WORDS

    def verify(self, program: Program) -> None:
        """Read every bank of `program` back and compare.

        Raises:
            VerifyFailed: names the first difference and counts the differing words.
        """
        from hostrt.board.verify import verify_program

        with self._guard():
            verify_program(self, program)

    def set_power(self, program: Program, power: Power) -> None:
        """Bring the banks that `program` uses into a power state.

        Asleep they keep their contents; switched off they lose them, and the board its program.
        """
        image = program.load_image()
        steps: list[Step] = []
        for core in range(image.n_cores):
            for register in self.chip.conf_registers(image, core):
                steps += self.chip.set_power(register, power)
        if power is Power.OFF:
            forget(self.info)
        self.execute(steps)
        if power is Power.OFF:
            self.loaded = None
            self._move(BoardState.BOOTED)

    def check_target(self, program: Program) -> None:
        """Raise `WrongTarget` unless `program` was made for this board's chip."""
        if program.chip != self.chip.name:
            raise WrongTarget(
                f"{program.source} is for {get_chip(program.chip).map.title}, "
                f"{self.info.url} carries {self.chip.map.title}",
                hint="give a program for this chip, or another --board",
                found=program.chip,
                expected=self.chip.name,
            )

    def check_platform(self) -> None:
        """Raise `UsageError` when this chip cannot be driven through this kind of board."""
        self.chip.check_platform(self.platform, pll=self._default_pll())

    def require_usable(self) -> None:
        """Raise unless steps can be executed: `UsageError` if closed, `BoardBroken` if broken."""
        self._require_open()
        if self._state is BoardState.BROKEN:
            raise BoardBroken(
                f"{self.info.url} failed earlier: {str(self._cause) or repr(self._cause)}",
                hint="boot the board again before using it",
            ) from self._cause

    def mark_broken(self, cause: BaseException) -> None:
        """Let nobody use the board before its next boot, because of `cause`.

        For failures that only the caller can see, such as outputs that make no sense.
        """
        if self._state is not BoardState.BROKEN:
            self._cause = cause
            self.loaded = None
            self._move(BoardState.BROKEN)

    # -- inside ---------------------------------------------------------------------------------

    def _default_pll(self) -> bool:
        on_board = self.platform.name != "rtl" or self.chip.name == "spu150"
        return on_board and self.info.has_pll

    def _write_all(self, steps: Sequence[Step], progress: Callable[[int, int], None] | None) -> int:
        total = sum(step.words.size for step in steps if isinstance(step, Write))
        done = 0
        is_stream = self.info.packets == Packets.UNITS.value
        for chunk in chunks(steps, STREAM_CHUNK_WORDS if is_stream else CHUNK_WORDS):
            self.execute(chunk)
            done += sum(step.words.size for step in chunk if isinstance(step, Write))
            if progress is not None:
                progress(done, total)
        return done

    def _require_open(self) -> None:
        if self._state is BoardState.CLOSED:
            raise UsageError(f"{self.info.url} is closed")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except (LinkError, BoardFault, KeyboardInterrupt) as error:
            self.mark_broken(error)
            raise

    def _move(self, state: BoardState) -> None:
        with self._moving:
            # another thread may have closed the board while this one was at work
            if self._state is not BoardState.CLOSED:
                logger.debug("%s: %s -> %s", self.info.url, self._state, state)
                self._state = state


def open_board(address: str, *, chip: str | None = None) -> Board:
    """Open the board at `address`.

    Args:
        address: `evk2`, `evk2://SERIAL`, `evk2+tcp://host:port`, `zcu104://host:port`,
            `fakezynq`, `sim`, `sim://spu150tc1`, `replay:///path`; wrappers in front with `+`.
        chip: spoken chip name; by default what the board says, else SPU-001.

    Raises:
        UsageError: the address makes no sense, or this chip has no such board.
        BoardUnavailable: no such board, in use, or not allowed.
        WrongTarget: the board says it carries another chip than `chip`.
        LinkError: the link could not be set up.
    """
    from dataclasses import replace

    from hostrt.transport.url import open_transport, parse_url, with_settings

    url = parse_url(address)
    wanted = get_chip(chip).name if chip else ""
    if chip and url.scheme in ("sim", "evk2+sim") and not url.host:
        url = replace(url, host=chip)
    transport = open_transport(with_settings(url))
    told = transport.info.chip
    try:
        if wanted and told and wanted != told:
            raise WrongTarget(
                f"{transport.info.url} carries {get_chip(told).map.title}, not "
                f"{get_chip(wanted).map.title}",
                hint="give a program for this chip, or another --board",
            )
        board = Board(transport, get_chip(wanted or told or "spu001"))
        board.check_platform()
    except BaseException:
        transport.close()
        raise
    return board
