"""The hw runner: what it makes of boards that answer wrongly, late or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.requests import FrameIn, Read
from firmware_protocol.stream import output_message
from hostrt.board.board import Board, BoardState, open_board
from hostrt.chip import get_chip
from hostrt.errors import (
    BadStatus,
    BoardBroken,
    LinkCorrupt,
    LinkError,
    OutputNeverCame,
    SequenceError,
    UsageError,
    WrongTarget,
)
from hostrt.program import Program
from hostrt.runner.hw import HwRunner
from hostrt.sim.answers import NOTHING, Reply
from hostrt.sim.spu import SimulatedSpu
from hostrt.sim.transport import SimTransport
from hostrt.transport.base import TransportInfo
from tests.runner import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firmware_protocol.requests import Request
    from firmware_protocol.words import Words
    from hostrt.sim.memory import Bank

FRAMES = np.arange(4 * programs.LENGTH).reshape(4, programs.LENGTH)


class ScriptedAnswer:
    """The inside of a chip that answers frame k with what `script` says; None is silence."""

    def __init__(self, script: Callable[[int, Words], list[Words] | None]) -> None:
        self._script = script
        self._n_frames = 0

    def reset(self) -> None:
        self._n_frames = 0

    def changed(self, bank: Bank) -> None:
        pass

    def message(self, words: Words, *, output_waits: bool) -> Reply:
        outputs = self._script(self._n_frames, words)
        self._n_frames += 1
        return NOTHING if outputs is None else Reply(outputs, 5)

    def wake(self, core: int, count: int) -> Reply:
        raise AssertionError((core, count))


def scripted(
    script: Callable[[int, Words], list[Words] | None], chip: str = "spu001"
) -> SimTransport:
    found = get_chip(chip)
    info = TransportInfo("sim://scripted", "evk2", simulated=True, reads_exec_time=True, chip=chip)
    return SimTransport(SimulatedSpu(found, answer=ScriptedAnswer(script)), info)


def runner_on(transport: SimTransport, program: Program | None = None) -> HwRunner:
    chip = transport.spu.chip
    made = program or Program.loopback(chip.name, length=programs.LENGTH)
    return HwRunner(made, board=Board(transport, chip), timeout_s=0.5)


def good(words: Words) -> list[Words]:
    return [np.concatenate([np.array([0x1F, 0], np.uint32), words[2:]])]


def spoiled_from(frame: int, bad: list[Words] | None) -> Callable[[int, Words], list[Words] | None]:
    return lambda number, words: bad if number >= frame else good(words)


PAYLOAD = np.arange(2, dtype=np.uint64)
BAD_OUTPUTS = {
    "status": ([output_message(0, PAYLOAD, 0x82)], BadStatus, "0x82"),
    "mailbox": ([output_message(3, PAYLOAD)], LinkCorrupt, "mailbox 3"),
    "zeros": ([np.zeros(6, np.uint32)], BadStatus, "status 0x0"),
}


# -- outputs that make no sense -------------------------------------------------------------------


@pytest.mark.fault
@pytest.mark.parametrize("kind", BAD_OUTPUTS)
@pytest.mark.parametrize("frame", [0, 2])
def test_outputs_that_make_no_sense_break_the_board(kind: str, frame: int) -> None:
    """A11: what a board answers is checked against what was expected."""
    bad, error, words = BAD_OUTPUTS[kind]
    runner = runner_on(scripted(spoiled_from(frame, bad)))
    runner.reset()
    with pytest.raises(error, match=words) as caught:
        runner.run(FRAMES)
    assert "sim://scripted" in str(caught.value)
    assert caught.value.hint
    assert runner.board.state is BoardState.BROKEN
    with pytest.raises(BoardBroken):
        runner.run(FRAMES)
    runner.reset()
    assert runner.board.loaded is runner.program


@pytest.mark.fault
def test_a_model_that_fails_does_so_with_its_first_frame() -> None:
    """Not after all frames were streamed."""
    seen: list[int] = []
    runner = runner_on(scripted(spoiled_from(0, BAD_OUTPUTS["status"][0])))
    with runner, pytest.raises(BadStatus, match="frame 0"):
        runner.run(FRAMES, on_frame=lambda done, _total: seen.append(done))
    assert seen == []


@pytest.mark.fault
def test_a_step_with_a_bad_output_breaks_the_board_too() -> None:
    runner = runner_on(scripted(spoiled_from(1, BAD_OUTPUTS["mailbox"][0])))
    with runner:
        runner.step({"input": FRAMES[0]})
        with pytest.raises(LinkCorrupt):
            runner.step({"input": FRAMES[1]})
        with pytest.raises(BoardBroken):
            runner.step({"input": FRAMES[2]})


# -- outputs that never come ----------------------------------------------------------------------


@pytest.mark.fault
def test_an_output_that_never_comes_names_the_frame() -> None:
    """B14: no time limit on the output interrupt."""
    transport = scripted(spoiled_from(2, None))
    with runner_on(transport) as runner:
        before = transport.now_s
        with pytest.raises(OutputNeverCame, match=r"frame 2: output interrupt.*0\.5 s") as caught:
            runner.run(FRAMES)
        assert transport.now_s - before < 2
        assert caught.value.context["frame"] == 2
        with pytest.raises(BoardBroken, match="output interrupt") as again:
            runner.run(FRAMES)
        assert isinstance(again.value.__cause__, OutputNeverCame)
        runner.reset()
        result = runner.run(FRAMES[:2])
        np.testing.assert_array_equal(result.outputs["output"], FRAMES[:2])


@pytest.mark.fault
def test_a_silent_tc1_is_found_out_although_it_shows_no_interrupt() -> None:
    with (
        runner_on(scripted(spoiled_from(1, None), "spu150tc1")) as runner,
        pytest.raises(BadStatus),
    ):
        runner.run(FRAMES)


@pytest.mark.fault
def test_a_program_that_the_chip_cannot_execute_is_named() -> None:
    """Traps of the open instruction set arrive as statuses."""
    spec = programs.delay().iospec
    assert spec is not None
    broken = programs.make("broken", spec, [0xEE << 56])
    with (
        HwRunner(broken, board="sim") as runner,
        pytest.raises(BadStatus, match=r"0x80.*not an instruction"),
    ):
        runner.run(FRAMES)


@pytest.mark.fault
def test_a_board_that_is_unplugged_in_the_middle_of_a_run_is_a_link_error() -> None:
    board = open_board("evk2+sim://spu001?faults=unplug@900")
    with board, HwRunner(Program.loopback(length=programs.LENGTH), board=board) as runner:
        with pytest.raises(LinkError, match="frame "):
            runner.run(np.tile(FRAMES, (100, 1)))
        assert board.state is BoardState.BROKEN


# -- latched inputs and rates ---------------------------------------------------------------------


def test_a_latched_input_alone_waits_for_nothing() -> None:
    """B13: a latched-only step on hardware polled for ever."""
    board = open_board("sim")
    gain = np.full(programs.LENGTH, 7)
    with board, HwRunner(programs.latched(), board=board) as runner:
        assert isinstance(board.transport, SimTransport)
        # Time passes on the simulated clock only where somebody waits.
        before = board.transport.now_s
        for _ in range(3):
            assert runner.step({"gain": gain}) == {}
        assert board.transport.now_s == before
        outputs = runner.step({"x": FRAMES[0]})
        np.testing.assert_array_equal(outputs["y"], FRAMES[0])
        np.testing.assert_array_equal(outputs["seen"], gain)


def test_a_latched_input_is_sent_once_and_before_the_first_frame() -> None:
    gain = np.arange(programs.LENGTH) - 3
    with HwRunner(programs.latched(), board="sim") as runner:
        result = runner.run({"x": FRAMES, "gain": gain})
        np.testing.assert_array_equal(result.outputs["y"], FRAMES)
        np.testing.assert_array_equal(result.outputs["seen"], np.tile(gain, (4, 1)))


def test_inputs_of_a_rate_change_are_not_latched() -> None:
    """A17, D15: three inputs give one output, and none of them is a parameter."""
    program = programs.every_third()
    chip = get_chip("spu001")
    board = Board(programs.counting_transport(chip), chip)
    with HwRunner(program, board=board) as runner:
        assert [spec.is_latched for spec in runner.plan.input_specs] == [False]
        frames = np.random.default_rng(0).integers(-100, 100, (7, programs.LENGTH))
        result = runner.run(frames)
        expected = np.bitwise_xor.reduce(frames[:6].reshape(2, 3, -1), axis=1)
        np.testing.assert_array_equal(result.outputs["y"], expected)
        wire = result.metrics.latencies_s["wire"]
        assert np.isfinite(wire).tolist() == [False, False, True] * 2 + [False]
        # the seventh waits for its two companions, in the next run
        rest = runner.run(frames[:2]).outputs["y"]
        np.testing.assert_array_equal(rest[0], frames[6] ^ frames[0] ^ frames[1])


def test_inputs_out_of_turn_are_refused_before_anything_is_sent() -> None:
    with HwRunner(programs.two_inputs(), board="sim") as runner:
        runner.send_inputs({"x": FRAMES[0]})
        with pytest.raises(SequenceError, match="send z first") as caught:
            runner.send_inputs({"x": FRAMES[1]})
        assert caught.value.hint
        runner.send_inputs({"z": FRAMES[2]})
        np.testing.assert_array_equal(runner.recv_outputs()["y"], FRAMES[0])


def test_independent_sequences_may_be_stepped_in_any_order() -> None:
    with HwRunner(programs.two_sequences(), board="sim") as runner:
        for i in (2, 0, 1):
            assert list(runner.step({"u": FRAMES[i]})) == ["v"]
            assert list(runner.step({"x": FRAMES[i]})) == ["y"]
        np.testing.assert_array_equal(runner.step({"u": FRAMES[3]})["v"], FRAMES[3])


# -- boards that change hands ---------------------------------------------------------------------


@pytest.fixture
def shared() -> Iterator[Board]:
    with open_board("sim") as board:
        yield board


def test_a_runner_notices_that_its_board_holds_another_program(shared: Board) -> None:
    first = HwRunner(programs.delay(), board=shared)
    first.reset()
    with HwRunner(programs.latched(), board=shared):
        pass
    for use in (lambda: first.run(FRAMES), lambda: first.send_inputs({"x": FRAMES[0]})):
        with pytest.raises(UsageError, match=r"now holds 'latched'.*'delay'"):
            use()
    first.reset()
    np.testing.assert_array_equal(first.run(FRAMES).outputs["y"][1:], FRAMES[:-1])


def test_a_runner_notices_that_its_board_was_booted(shared: Board) -> None:
    runner = HwRunner(board=shared)
    runner.reset()
    shared.boot()
    with pytest.raises(UsageError, match="holds no program"):
        runner.run(np.zeros((1, 32), int))


def test_a_board_that_was_given_is_left_open_and_one_that_was_opened_is_closed(
    shared: Board,
) -> None:
    with HwRunner(board=shared):
        pass
    assert shared.state is BoardState.LOADED
    with HwRunner(board="sim") as runner:
        own = runner.board
    assert own.state is BoardState.CLOSED


def test_a_runner_that_cannot_start_gives_its_board_back(spu_data: Path) -> None:
    file = spu_data / "programs" / "p001_a" / "p001_a.femto"
    runner = HwRunner(file, board="sim")
    with pytest.raises(WrongTarget, match="instruction set"), runner:
        pass
    with pytest.raises(UsageError, match="not started"):
        _ = runner.board


def test_a_reset_that_fails_leaves_the_runner_unstarted(shared: Board) -> None:
    runner = HwRunner(board=shared)
    runner.reset()
    shared.close()
    with pytest.raises(UsageError, match="closed"):
        runner.reset()
    with pytest.raises(UsageError, match="not started"):
        runner.recv_outputs()
    with pytest.raises(UsageError, match="closed"):
        runner.run(np.zeros((1, 32), int))


@pytest.mark.fault
@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_a_run_that_is_stopped_in_the_middle_must_be_started_anew(
    shared: Board, error: type[BaseException]
) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise error

    runner = HwRunner(programs.delay(), board=shared)
    runner.reset()
    with pytest.raises(error):
        runner.run(FRAMES, on_frame=stop)
    with pytest.raises(BoardBroken, match=error.__name__):
        runner.run(FRAMES)
    runner.reset()
    assert (runner.run(FRAMES).outputs["y"][0] == 0).all()


# -- measurements ---------------------------------------------------------------------------------


def test_the_clock_is_told_in_hertz_and_as_it_is() -> None:
    """A13: 150000000 under the name of megahertz; the real clock is 150.0119 MHz."""
    with HwRunner(board="sim") as runner:
        metrics = runner.run(np.zeros((2, 32), int)).metrics
    assert metrics.pll_vco_hz == pytest.approx(150.0119e6, abs=100)


def test_latencies_are_the_chips_own_where_it_tells_them() -> None:
    with runner_on(scripted(lambda _number, words: good(words))) as runner:
        metrics = runner.run(FRAMES).metrics
    assert metrics.clock == "device"
    assert metrics.latency_s == pytest.approx(5e-6)
    wire, total = metrics.latencies_s["wire"], metrics.latencies_s["end_to_end"]
    assert (wire > 0).all()
    assert (wire <= total).all()
    np.testing.assert_allclose(metrics.latencies_s["host"], total - wire)
    assert metrics.duration_s is not None
    assert metrics.duration_s >= total.sum()


def test_results_say_that_they_are_simulated_and_why_a_board_was_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOSTRT_BOARD", "sim")
    with HwRunner() as runner:
        result = runner.run(np.zeros((1, 32), int))
    assert result.simulated
    assert result.provenance.board == "sim://spu001"
    assert any("HOSTRT_BOARD" in note for note in result.notes)


def test_dummies_are_called_dummies() -> None:
    with HwRunner(board="fakezynq") as runner:
        result = runner.run(np.zeros((3, 32), int))
    assert result.outputs["output"].shape == (3, 32)
    assert result.simulated
    assert any("dummies" in note for note in result.notes)


def test_outputs_are_fetched_in_one_read_whatever_their_order() -> None:
    """B8: two outputs are one request of known length."""

    class Listener(SimTransport):
        asked: list[Request]

        def _do(self, request: Request) -> Words | None:
            self.asked.append(request)
            return super()._do(request)

    def answer(_number: int, words: Words) -> list[Words] | None:
        if int(words[1]) != 3:
            return None
        return [output_message(1, PAYLOAD + np.uint64(9)), output_message(0xFFFF, PAYLOAD)]

    plain = scripted(answer)
    listener = Listener(plain.spu, plain.info)
    listener.asked = []
    with runner_on(listener, programs.two_inputs()) as runner:
        listener.asked.clear()
        result = runner.run({"x": FRAMES, "z": FRAMES})
    assert sum(isinstance(request, FrameIn) for request in listener.asked) == len(FRAMES)
    assert sum(isinstance(request, Read) for request in listener.asked) == len(FRAMES)
    assert result.outputs["w"][0].tolist() == [0, 0, 0, 0, 1, 0, 0, 0]
    assert result.outputs["y"][0].tolist() == [9, 0, 0, 0, 10, 0, 0, 0]


def test_loopback_is_made_for_the_chip_that_the_address_names() -> None:
    with HwRunner(board="sim://spu150tc1") as runner:
        assert runner.program.chip == "spu150tc1"
