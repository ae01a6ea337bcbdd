"""Compiled models: assembly on the simulator, images on simulated boards, the graph itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from firmware_protocol.memory import BankImage, MemoryKind
from hostrt import Runner, compare_all
from hostrt.errors import BadStatus, HostrtError, ProgramUnsupported
from hostrt.fasmir.compile import Compiled, compile_model
from hostrt.fasmir.disassemble import disassemble
from hostrt.fasmir.image import program_of
from hostrt.fasmir.parse import parse_assembly
from hostrt.fasmir.text import format_assembly
from hostrt.fqir.load import load_model
from hostrt.program import Program
from hostrt.runner.fasmir import FasmirRunner
from hostrt.sim.serving import ServeOptions, evk2_server, zcu104_server
from hostrt.testing.runner_contract import RunnerContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.runner.base import BaseRunner

pytestmark = pytest.mark.slow

MODELS = Path(__file__).parents[1] / "data" / "fqir"
NAMES = sorted({path.parent.name for path in MODELS.glob("*/model.pt")} - {"opzoo"})
"""opzoo has an input of 24 bits, which no message can carry."""

Arrays = dict[str, np.ndarray[Any, Any]]


class TestAssemblyWithAState(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return Runner("fasmir", MODELS / "gru2" / "model.pt")


class TestAssemblyWithALatchedInput(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return FasmirRunner(compiled("latched_gain"))


class TestAssemblyOfLoopback(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return FasmirRunner(Program.loopback("spu150", length=40))


def golden(name: str) -> tuple[Arrays, Arrays, dict[str, Any]]:
    meta = json.loads((MODELS / name / "meta.json").read_text())
    sides = []
    for side in ("inputs", "outputs"):
        with np.load(MODELS / name / f"{side}.npz") as arrays:
            sides.append({item["name"]: arrays[item["key"]] for item in meta[side]})
    return sides[0], sides[1], meta


def compiled(name: str, **options: Any) -> Compiled:
    meta = json.loads((MODELS / name / "meta.json").read_text())
    model = load_model(MODELS / name / "model.pt")
    return compile_model(model, latched=meta["latched"], **options)


@pytest.mark.parametrize("chip", ["spu001", "spu150tc1", "spu150"])
@pytest.mark.parametrize("name", NAMES)
def test_three_runners_agree_bit_for_bit_and_cycle_for_cycle(name: str, chip: str) -> None:
    inputs, expected, meta = golden(name)
    model = load_model(MODELS / name / "model.pt")
    found = compiled(name, chip=chip)

    results = {
        "fqir": Runner("fqir", model, latched=meta["latched"]).run(inputs),
        "fasmir": Runner("fasmir", found).run(inputs),
        "hw": Runner("hw", found.program, board=f"sim://{chip}").run(inputs),
    }

    compare_all(results, mode="pairwise").raise_if_different()
    for key, array in expected.items():
        assert np.array_equal(results["hw"].outputs[key].reshape(array.shape), array)
    # the board shows whole microseconds, at least one
    microseconds = results["fasmir"].metrics.latencies_s["device"] * 1e6
    shown = results["hw"].metrics.latencies_s.get("device")
    assert (shown is None) == (chip == "spu150")
    if shown is not None:
        assert np.abs(shown * 1e6 - np.maximum(np.round(microseconds), 1)).max() < 1e-6


@pytest.mark.parametrize("form", ["0PROG_A", "m.femto", "m.zip"])
@pytest.mark.parametrize("name", NAMES)
def test_programs_compute_the_same_out_of_every_file(name: str, form: str, tmp_path: Path) -> None:
    inputs, expected, _ = golden(name)
    found = compiled(name)
    found.program.save(tmp_path / form)
    (tmp_path / "iospec.yaml").write_text(_iospec(found))

    program = Program.load(tmp_path / form, iospec=tmp_path / "iospec.yaml")
    result = Runner("hw", program, board="sim").run(inputs)

    assert program.banks == found.program.banks
    for key, array in expected.items():
        assert np.array_equal(result.outputs[key].reshape(array.shape), array)


def _iospec(found: Compiled) -> str:
    from firmware_protocol.iospec import format_iospec

    return format_iospec(found.iospec)


@pytest.fixture(params=["evk2", "zcu104", "virtual"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Addresses of simulated boards on every way to them."""
    if request.param == "virtual":
        yield "evk2+sim://spu001"
        return
    serve = evk2_server if request.param == "evk2" else zcu104_server
    url, server = serve("127.0.0.1:0", ServeOptions())
    with server:
        yield url


@pytest.mark.parametrize("name", NAMES)
def test_the_way_to_the_board_makes_no_difference(name: str, address: str) -> None:
    inputs, expected, _ = golden(name)
    short = {key: array[:24] for key, array in inputs.items()}
    result = Runner("hw", compiled(name).program, board=address).run(short)
    for key, array in expected.items():
        assert np.array_equal(result.outputs[key].reshape(-1), array[:24].reshape(-1))


@pytest.mark.parametrize(("chip", "cores"), [("spu001", 2), ("spu150", 4)])
def test_several_cores_give_the_same(chip: str, cores: int) -> None:
    inputs, expected, _ = golden("gru2")
    found = compiled("gru2", chip=chip, cores=cores)
    assert len(found.assembly.cores) == cores
    for result in (
        Runner("fasmir", found).run(inputs),
        Runner("hw", found.program, board=f"sim://{chip}").run(inputs),
    ):
        assert np.array_equal(result.outputs["output.0"], expected["output.0"])


@pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc")), reason="no C compiler")
@pytest.mark.parametrize("name", ["gru2", "control_flow"])
def test_the_c_library_behind_the_board_gives_the_same(name: str) -> None:
    inputs, expected, _ = golden(name)
    program = compiled(name, chip="spu150tc1").program
    python, in_c = (
        Runner("hw", program, board=f"sim://spu150tc1?engine={engine}").run(inputs)
        for engine in ("python", "c")
    )
    assert (
        python.metrics.latencies_s["device"].tolist() == in_c.metrics.latencies_s["device"].tolist()
    )
    for key, array in expected.items():
        assert np.array_equal(in_c.outputs[key].reshape(array.shape), array)


def test_ten_thousand_frames_do_not_drift() -> None:
    inputs, _, _ = golden("gru2")
    frames = np.tile(inputs["x"], (105, 1))[:10_000]
    found = compiled("gru2")
    fqir = Runner("fqir", MODELS / "gru2" / "model.pt").run(frames)
    hw = Runner("hw", found.program, board="sim").run(frames)
    assert np.array_equal(fqir.outputs["output.0"], hw.outputs["output.0"])


@pytest.mark.parametrize("name", NAMES)
def test_text_and_disassembly_give_the_same_images(name: str) -> None:
    found = compiled(name)
    again = parse_assembly(format_assembly(found.assembly))
    assert again == found.assembly
    assert program_of(again).banks == found.program.banks
    listing = parse_assembly(format_assembly(disassemble(found.program)))
    assert {(b.core, b.kind, b.index): b for b in program_of(listing).banks} == {
        (b.core, b.kind, b.index): b for b in found.program.banks
    }


def test_variables_of_the_assembly_are_those_of_the_graph() -> None:
    inputs, _, _ = golden("gru2")
    model = load_model(MODELS / "gru2" / "model.pt")
    names = [tensor.name for node in model.arith.walk() for tensor in node.outputs]
    fasmir = Runner("fasmir", compile_model(model, watch=names)).run(inputs)
    fqir = Runner("fqir", model, debug_vars="all").run(inputs)
    assert set(fasmir.internals) >= set(names)
    for name in names:
        assert np.array_equal(fasmir.internals[name], fqir.internals[name]), name


def _flipped(program: Program, kind: MemoryKind, word: int, bit: int) -> Program:
    from dataclasses import replace

    banks = []
    for bank in program.banks:
        words = bank.words.copy()
        if bank.kind is kind and bank.index == 0:
            words[word] ^= np.uint64(1 << bit)
        banks.append(BankImage(bank.core, bank.kind, bank.index, words))
    return replace(program, banks=tuple(banks))


@pytest.mark.parametrize(
    ("kind", "word", "bit"),
    [(MemoryKind.DM, 40, 7), (MemoryKind.TM, 100, 3), (MemoryKind.IM, 3, 20)],
)
def test_one_flipped_bit_shows(kind: MemoryKind, word: int, bit: int) -> None:
    inputs, expected, _ = golden("gru2")
    program = _flipped(compiled("gru2").program, kind, word, bit)
    try:
        result = Runner("hw", program, board="sim").run(inputs)
    except HostrtError:
        return
    assert not np.array_equal(result.outputs["output.0"], expected["output.0"])


def test_an_instruction_that_is_none_stops_the_program_with_its_place() -> None:
    program = _flipped(compiled("gru2").program, MemoryKind.IM, 1, 61)
    inputs, _, _ = golden("gru2")
    with pytest.raises(BadStatus):
        Runner("hw", program, board="sim").run(inputs)
    with pytest.raises(ProgramUnsupported, match="pc 1: 0x22"):
        Runner("fasmir", program)


def test_energy_and_power_follow_the_period() -> None:
    inputs, _, _ = golden("gru2")
    runner = FasmirRunner(compiled("gru2"))
    short, long = (runner.run(inputs, input_period_s=period) for period in (0.004, 0.016))
    assert short.metrics.energy_j is not None
    assert long.metrics.energy_j is not None
    assert short.metrics.energy_j < long.metrics.energy_j
    assert short.metrics.power_w is not None
    assert long.metrics.power_w is not None
    assert short.metrics.power_w > long.metrics.power_w
    classes, cycles = (
        long.metrics.simulation[key] for key in ("cycles_by_class", "cycles_per_frame")
    )
    assert isinstance(classes, dict)
    assert isinstance(cycles, list)
    assert sum(classes.values()) == pytest.approx(sum(cycles) / len(cycles))
