"""The fqir runner: golden models through the words that every runner understands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt import Runner, compare
from hostrt.errors import FrameError, ProgramUnsupported, UsageError
from hostrt.fqir.graph import Graph, Model, Tensor
from hostrt.fqir.load import load_model
from hostrt.program import Program
from hostrt.runner.fqir import FqirRunner
from hostrt.testing.runner_contract import RunnerContract

if TYPE_CHECKING:
    from hostrt.runner.base import BaseRunner

MODELS = Path(__file__).parents[1] / "data" / "fqir"
NAMES = sorted(path.parent.name for path in MODELS.glob("*/model.pt"))


class TestModelWithAState(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return Runner("fqir", MODELS / "gru2" / "model.pt")


class TestModelWithALatchedInput(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return FqirRunner(MODELS / "latched_gain" / "model.pt", latched=["ctl"])


class TestModelWithoutMemory(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return FqirRunner(MODELS / "mlp_int4" / "model.pt")


def golden(name: str) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, np.ndarray[Any, Any]]]:
    meta = json.loads((MODELS / name / "meta.json").read_text())
    sides = []
    for side in ("inputs", "outputs"):
        with np.load(MODELS / name / f"{side}.npz") as arrays:
            sides.append({item["name"]: arrays[item["key"]] for item in meta[side]})
    return sides[0], sides[1]


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("name", NAMES)
def test_golden_outputs_come_bit_for_bit(name: str, engine: str) -> None:
    inputs, expected = golden(name)

    result = Runner("fqir", MODELS / name / "model.pt", engine=engine).run(inputs)

    assert list(result.outputs) == list(expected)
    for key, array in expected.items():
        assert np.array_equal(result.outputs[key], array), key
    assert result.simulated
    assert result.metrics.n_frames == len(next(iter(inputs.values())))
    assert result.metrics.work["macs"] >= 0


@pytest.mark.parametrize("name", ["gru2", "control_flow"])
def test_steps_and_a_run_give_the_same(name: str) -> None:
    inputs, expected = golden(name)
    with FqirRunner(MODELS / name / "model.pt") as runner:
        for frame in range(12):
            outputs = runner.step({key: array[frame] for key, array in inputs.items()})
            for key, array in expected.items():
                assert np.array_equal(outputs[key], array[frame]), (key, frame)
        rest = runner.run({key: array[12:] for key, array in inputs.items()})
    assert all(np.array_equal(rest.outputs[key], array[12:]) for key, array in expected.items())


def test_a_latched_input_is_sent_when_it_changes_and_holds_in_between() -> None:
    inputs, expected = golden("latched_gain")
    meta = json.loads((MODELS / "latched_gain" / "meta.json").read_text())
    updates = set(meta["latched_updates"]["ctl"])
    with FqirRunner(MODELS / "latched_gain" / "model.pt", latched=["ctl"]) as runner:
        for frame in range(meta["frames"]):
            if frame in updates:
                assert runner.step({"ctl": inputs["ctl"][frame]}) == {}
            others = {key: array[frame] for key, array in inputs.items() if key != "ctl"}
            outputs = runner.step(others)
            assert all(np.array_equal(outputs[key], expected[key][frame]) for key in expected)


def test_a_latched_input_that_never_came_is_named() -> None:
    inputs, _ = golden("latched_gain")
    runner = FqirRunner(MODELS / "latched_gain" / "model.pt", latched=["ctl"])
    with runner, pytest.raises(FrameError, match="latched input 'ctl' was never sent"):
        runner.step({key: array[0] for key, array in inputs.items() if key != "ctl"})


def test_a_latched_value_outlives_a_reset() -> None:
    """As in the reference (FQIR reference 5.4)."""
    inputs, expected = golden("latched_gain")
    others = {key: array[0] for key, array in inputs.items() if key != "ctl"}
    with FqirRunner(MODELS / "latched_gain" / "model.pt", latched=["ctl"]) as runner:
        runner.step({"ctl": inputs["ctl"][0]})
        runner.reset()
        outputs = runner.step(others)
    assert all(np.array_equal(outputs[key], expected[key][0]) for key in expected)


def test_sequences_come_from_the_specification_beside_the_model(tmp_path: Path) -> None:
    for name in ("model.pt", "iospec.yaml"):
        shutil.copy(MODELS / "latched_gain" / name, tmp_path)
    runner = FqirRunner(tmp_path / "model.pt")
    assert [spec.name for spec in runner.plan.input_specs if spec.is_latched] == ["ctl"]
    shutil.copy(MODELS / "gru2" / "iospec.yaml", tmp_path / "iospec.yaml")
    runner = FqirRunner(tmp_path / "model.pt")
    assert not any(spec.is_latched for spec in runner.plan.input_specs)
    assert "was not used" in runner.plan.notes[0]


def test_a_named_specification_must_be_the_models() -> None:
    with pytest.raises(ProgramUnsupported, match="does not belong to"):
        FqirRunner(MODELS / "gru2" / "model.pt", iospec=MODELS / "tdnn_dw" / "iospec.yaml")


def test_internal_variables_are_recorded_by_name_in_graph_order() -> None:
    inputs, _ = golden("gru2")
    model = load_model(MODELS / "gru2" / "model.pt")
    names = [tensor.name for node in model.arith.walk() for tensor in node.outputs]
    chosen = [names[9], names[2]]
    with FqirRunner(model, debug_vars=chosen) as runner:
        result = runner.run(inputs)
        assert list(result.internals) == [names[2], names[9]]
        runner.reset()
        runner.step({key: array[0] for key, array in inputs.items()})
        for name, value in runner.get_internals().items():
            assert np.array_equal(value, result.internals[name][0])
    everything = FqirRunner(model, debug_vars="all").run(inputs)
    assert list(everything.internals) == list(dict.fromkeys(names))
    plain = FqirRunner(model, engine="reference", debug_vars="all").run(inputs)
    for name in names:
        assert np.array_equal(plain.internals[name], everything.internals[name]), name
    with pytest.raises(UsageError, match="no internal variable 'nosuch'"):
        FqirRunner(model, debug_vars=["nosuch"])


def test_where_two_models_part_is_told_by_their_variables() -> None:
    inputs, _ = golden("mlp_int4")
    model = load_model(MODELS / "mlp_int4" / "model.pt")
    other = load_model(MODELS / "mlp_int4" / "model.pt")
    changed = next(tensor for tensor in other.arith.parameters if tensor.value is not None)
    assert changed.value is not None
    changed.value = np.negative(changed.value)
    results = [FqirRunner(item, debug_vars="all").run(inputs) for item in (model, other)]
    comparison = compare(*results)
    assert not comparison.equal
    assert "internal" in comparison.describe()


def test_a_run_in_pieces_is_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostrt.runner.fqir._CHUNK_ELEMENTS", 7 * 24)
    inputs, expected = golden("gru2")
    result = FqirRunner(MODELS / "gru2" / "model.pt", debug_vars="all").run(inputs)
    assert np.array_equal(result.outputs["output.0"], expected["output.0"])
    assert all(len(array) == len(expected["output.0"]) for array in result.internals.values())


def test_runners_of_the_other_representation_are_refused() -> None:
    with pytest.raises(ProgramUnsupported, match="FQIR"):
        Runner("hw", MODELS / "gru2" / "model.pt", board="sim")
    with pytest.raises(UsageError, match="fqir"):
        Runner("fqir", Program.loopback())


def test_a_model_without_a_file_runs() -> None:
    x = Tensor("x", "int16", (3,))
    model = Model(Graph("", subgraphs={"ARITH": Graph("ARITH", inputs=[x], outputs=[x])}))
    result = FqirRunner(model).run(np.array([[1, 2, 3]], np.int16))
    assert result.outputs["x"].tolist() == [[1, 2, 3]]
    assert result.provenance.program_sha256 == ""


def test_dependence_on_wrap_around_is_noted() -> None:
    inputs, _ = golden("int32_edges")
    notes = FqirRunner(MODELS / "int32_edges" / "model.pt").run(inputs).notes
    assert any("wrap-around" in note and "shift" in note for note in notes)
    inputs, _ = golden("gru2")
    assert not FqirRunner(MODELS / "gru2" / "model.pt").run(inputs).notes
