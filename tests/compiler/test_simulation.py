"""Simulating on a service: what is sent is what the model sees; sessions that go wrong."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt.compiler import connection
from hostrt.compiler.base import CompileOptions
from hostrt.compiler.connection import TimeLimits
from hostrt.compiler.femtocrux import FemtocruxCompiler
from hostrt.compiler.messages import message_types
from hostrt.errors import (
    CompilerError,
    CompilerTimeout,
    FrameError,
    ProgramUnsupported,
    UsageError,
)
from tests.compiler.conftest import GOLDEN, golden
from tests.compiler.service import TRACEBACK, Faults, Service, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostrt.compiler.base import SimulationResult
    from hostrt.compiler.session import ServiceSimulation

PERIOD_S = 0.016
FRAMES = {"x": np.arange(48, dtype=np.int16).reshape(2, 24)}
QUICK = TimeLimits(ready_s=2.0, short_s=2.0, work_s=0.3)


@pytest.fixture
def opened(service: Callable[..., Service]) -> Iterator[Callable[..., ServiceSimulation]]:
    """Open simulations of `gru2` on a service with faults; at most one at a time."""
    compilers = []

    def start(faults: Faults | None = None, **more: Any) -> ServiceSimulation:
        compiler = FemtocruxCompiler(address=service(faults=faults).address, **more)
        compilers.append(compiler)
        return compiler.simulate(golden("gru2"), CompileOptions())

    yield start
    for compiler in compilers:
        compiler.close()


def run(simulation: ServiceSimulation) -> SimulationResult:
    """Run the frames of this file."""
    return simulation.run(FRAMES, input_period_s=PERIOD_S)


@pytest.mark.parametrize(
    "name", ["identity32", "mlp_sigmoid", "gru2", "norm_softmax", "latched_gain", "control_flow"]
)
def test_simulated_outputs_are_the_models(service: Callable[..., Service], name: str) -> None:
    model, served = golden(name), service()
    with np.load(GOLDEN / name / "inputs.npz") as file:
        inputs = {tensor.name: file[f"i{i}"][:40] for i, tensor in enumerate(model.arith.inputs)}
    with (
        FemtocruxCompiler(address=served.address) as compiler,
        compiler.simulate(model, CompileOptions()) as simulation,
    ):
        result = simulation.run(inputs, input_period_s=PERIOD_S)

    with np.load(GOLDEN / name / "outputs.npz") as file:
        for i, tensor in enumerate(model.arith.outputs):
            assert np.array_equal(result.outputs[tensor.name], file[f"o{i}"][:40])
    assert result.report == {
        "Frames Simulated": 40, "Input Period (s)": float(np.float32(PERIOD_S)),
    }  # fmt: skip


def test_simulation_gets_the_options_of_the_compilation(service: Callable[..., Service]) -> None:
    served = service()
    options = CompileOptions(latched=("ctl",), profile="fast", settings={"a": 1})
    with FemtocruxCompiler(address=served.address) as compiler:
        compiler.compile(golden("latched_gain"), options)
        compiler.simulate(golden("latched_gain"), options).close()

    (compiled,), (simulated,) = served.seen("compile"), served.seen("model")
    assert compiled.fqir.model != simulated.model.fqir.model  # quantisation exponents
    compiled.fqir.model = simulated.model.fqir.model = b""
    assert compiled == simulated.model


def test_one_session_runs_many_times(opened: Callable[..., ServiceSimulation]) -> None:
    simulation = opened()
    first, second = run(simulation), run(simulation)
    assert np.array_equal(first.outputs["output.0"], second.outputs["output.0"])


def test_inputs_travel_as_16_bits_or_as_32_where_needed(service: Callable[..., Service]) -> None:
    served = service()
    with FemtocruxCompiler(address=served.address) as compiler:
        simulation = compiler.simulate(golden("gru2"), CompileOptions())
        simulation.run({"x": FRAMES["x"].astype(np.int64)}, input_period_s=PERIOD_S)
        with pytest.raises(CompilerError, match="of 2 frames: unknown: "):
            simulation.run({"x": FRAMES["x"].astype(np.int64) << 16}, input_period_s=PERIOD_S)
    kinds = [message.data.inputs.data["x"].dtype for message in served.seen("data")]
    assert kinds == ["int16", "int32"]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "found no inputs"),
        ({"x": np.zeros((2, 24))}, "float64 array of shape"),
        ({"x": np.zeros(24, np.int16)}, r"int16 array of shape \(24,\)"),
        ({"x": np.full((1, 24), 1 << 40)}, "expected at most 32 bits"),
        ({"x": np.zeros((2, 4), int), "y": np.zeros((3, 4), int)}, r"inputs of \[2, 3\] frames"),
    ],
)
def test_frames_that_cannot_be_sent_are_refused(
    opened: Callable[..., ServiceSimulation], inputs: dict[str, Any], words: str
) -> None:
    simulation = opened()
    with pytest.raises(FrameError, match=words):
        simulation.run(inputs, input_period_s=PERIOD_S)
    assert simulation.is_open


def test_frames_that_are_too_large_are_refused_before_they_are_sent(
    opened: Callable[..., ServiceSimulation], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = opened()
    monkeypatch.setattr(connection, "MESSAGE_LIMIT", 50)
    with pytest.raises(ProgramUnsupported, match=r"2 frames for model\.pt: .* at most 50"):
        run(simulation)
    monkeypatch.undo()
    run(simulation)


# -- answers ----------------------------------------------------------------------------------


def _with_report(text: str) -> Faults:
    def reply(method: str, message: Any) -> Any:
        if method == "data":
            message.report = text
        return message

    return Faults(reply=reply)


def test_a_report_of_an_earlier_version_is_read(opened: Callable[..., ServiceSimulation]) -> None:
    text = "Frames Simulated: 2\nEnergy:\n\tPer Frame (J): 1.5e-6\n\tCore: 0 (J): (1, 2.5)\n"
    assert run(opened(_with_report(text))).report == {
        "Frames Simulated": 2,
        "Energy": {"Per Frame (J)": 1.5e-6, "Core: 0 (J)": [1, 2.5]},
    }


@pytest.mark.parametrize("text", ["{", "[1]", "what?", "\ta: 1", "{" * 100_000])
def test_a_report_that_cannot_be_read_does_not_cost_the_outputs(
    opened: Callable[..., ServiceSimulation], text: str
) -> None:
    result = run(opened(_with_report(text)))
    assert result.outputs["output.0"].shape == (2, 12)
    assert result.report == {}
    assert result.notes[0].startswith("the simulator's report cannot be read: found")


def _with_output(**fields: Any) -> Faults:
    def reply(method: str, message: Any) -> Any:
        if method == "data":
            array = message.outputs.data["output.0"]
            for name, value in fields.items():
                if name == "shape":
                    del array.shape[:]
                    array.shape.extend(value)
                else:
                    setattr(array, name, value)
        return message

    return Faults(reply=reply)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dtype": "object"}, "elements of type 'object'"),
        ({"dtype": "int8"}, r"bytes, expected 24 for the shape \(2, 12\)"),
        ({"shape": (2, -12)}, r"the shape \(2, -12\)"),
        ({"shape": (1 << 62, 4)}, "bytes, expected"),
        ({"data": b""}, "0 bytes, expected"),
        ({"data": np.full(24, 0.5).tobytes(), "dtype": "float64"}, "numbers with fractions"),
        ({"data": np.full(24, np.nan).tobytes(), "dtype": "float64"}, "numbers with fractions"),
        ({"data": np.full(24, 1e300).tobytes(), "dtype": "float64"}, "numbers beyond 53 bits"),
    ],
)
def test_outputs_that_contradict_themselves_are_refused(
    opened: Callable[..., ServiceSimulation], fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(CompilerError, match=words):
        run(opened(_with_output(**fields)))


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8", "int8", "int32"])
def test_whole_numbers_of_any_type_are_integers(
    opened: Callable[..., ServiceSimulation], kind: str
) -> None:
    values = np.arange(24).astype(kind)
    outputs = run(opened(_with_output(data=values.tobytes(), dtype=kind))).outputs["output.0"]
    assert outputs.dtype.kind == "i"
    assert np.array_equal(outputs, np.arange(24).reshape(2, 12))


def _as_list(lengths: tuple[int, ...]) -> Faults:
    def reply(method: str, message: Any) -> Any:
        if method != "data":
            return message
        made = message_types()["simulation_output"]()
        made.report = json.dumps({})
        for length in lengths:
            frame = made.list_outputs.maps.add()
            fill(frame.data["output.0"], np.arange(length))
        return made

    return Faults(reply=reply)


def test_outputs_in_list_form_are_stacked(opened: Callable[..., ServiceSimulation]) -> None:
    outputs = run(opened(_as_list((3, 3)))).outputs
    assert np.array_equal(outputs["output.0"], [[0, 1, 2], [0, 1, 2]])


def test_frames_of_different_lengths_are_refused(
    opened: Callable[..., ServiceSimulation],
) -> None:
    with pytest.raises(CompilerError, match="frames of different lengths"):
        run(opened(_as_list((3, 4))))


# -- sessions ---------------------------------------------------------------------------------


def test_a_model_that_is_refused_opens_nothing(opened: Callable[..., ServiceSimulation]) -> None:
    with pytest.raises(ProgramUnsupported, match=r"model\.pt: .* cannot place 3 tables"):
        opened(Faults(refuse=TRACEBACK))


def test_frames_that_are_refused_leave_the_session_open(
    opened: Callable[..., ServiceSimulation],
) -> None:
    answers = iter([False, True])

    def reply(method: str, message: Any) -> Any:
        if method == "data":
            message.status.success = next(answers)
            message.status.msg = TRACEBACK
        return message

    simulation = opened(Faults(reply=reply))
    with pytest.raises(ProgramUnsupported, match=r"2 frames for model\.pt"):
        run(simulation)
    assert run(simulation).outputs


@pytest.mark.parametrize("method", ["model", "data"])
def test_a_simulator_that_does_not_answer_is_given_up(
    opened: Callable[..., ServiceSimulation], method: str
) -> None:
    started = time.monotonic()
    with pytest.raises(CompilerTimeout, match=r"did not answer the .* within 0\.3 s"):
        run(opened(Faults(hang_in=method), limits=QUICK))
    assert time.monotonic() - started < 2.0


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(skip_reply=0), "ended the stream, expected an answer to the simulation of 2"),
        (Faults(abort_in="data"), "failed at the simulation of 2 frames: unknown"),
    ],
)
def test_a_stream_that_ends_early_closes_the_session(
    opened: Callable[..., ServiceSimulation], faults: Faults, words: str
) -> None:
    simulation = opened(faults)
    with pytest.raises(CompilerError, match=words):
        run(simulation)
    assert not simulation.is_open
    with pytest.raises(UsageError, match="simulation is closed"):
        run(simulation)


def test_one_simulation_is_open_at_a_time(service: Callable[..., Service]) -> None:
    with FemtocruxCompiler(address=service().address) as compiler:
        first = compiler.simulate(golden("gru2"), CompileOptions())
        with pytest.raises(UsageError, match="a simulation is open"):
            compiler.simulate(golden("gru2"), CompileOptions())
        with pytest.raises(UsageError, match="a simulation is open"):
            compiler.compile(golden("gru2"), CompileOptions())
        first.close()
        compiler.simulate(golden("gru2"), CompileOptions())


def test_closing_ends_the_stream_on_the_service_and_every_thread(
    service: Callable[..., Service],
) -> None:
    served = service()
    before = set(threading.enumerate())
    with FemtocruxCompiler(address=served.address) as compiler:
        simulation = compiler.simulate(golden("gru2"), CompileOptions())
        run(simulation)
        simulation.close()
        simulation.close()
        assert served.sessions_ended.acquire(timeout=5.0)
    left = {
        thread
        for thread in set(threading.enumerate()) - before
        if not thread.name.startswith("ThreadPoolExecutor")  # the service's
    }
    for thread in left:
        thread.join(5.0)
    assert not [thread for thread in left if thread.is_alive()]


def test_closing_does_not_wait_for_a_service_that_does_not_end(
    opened: Callable[..., ServiceSimulation],
) -> None:
    simulation = opened(Faults(hang_in="end"), limits=TimeLimits(short_s=0.3))
    started = time.monotonic()
    simulation.close()
    assert 0.3 <= time.monotonic() - started < 2.0
