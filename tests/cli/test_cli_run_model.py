"""hostrt run with FQIR models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hostrt.runner.store import load_manifest
from tests.cli.conftest import DATA

MODELS = DATA / "fqir"


def inputs_of(name: str) -> np.ndarray[Any, Any]:
    with np.load(MODELS / name / "inputs.npz") as arrays:
        array: np.ndarray[Any, Any] = arrays["i0"]
    return array


def outputs_of(name: str) -> np.ndarray[Any, Any]:
    with np.load(MODELS / name / "outputs.npz") as arrays:
        array: np.ndarray[Any, Any] = arrays["o0"]
    return array


def test_a_model_runs_from_file_to_file(hostrt: Any) -> None:
    np.save("x.npy", inputs_of("gru2"))

    done = hostrt(
        "run", MODELS / "gru2/model.pt", "--runners", "fqir", "--input-file", "x.npy", "-o", "out"
    )

    assert done.code == 0, done.err
    assert "FQIR model" in done.out
    assert "24768 macs" in done.out
    folder = Path("out/model")
    assert np.array_equal(np.load(folder / "output_output.0.npy"), outputs_of("gru2"))
    manifest = load_manifest(folder, verify=True)
    assert manifest.provenance["runner"] == "fqir"
    assert "model_iospec.yaml" in manifest.files


def test_debug_variables_are_stored_in_graph_order(hostrt: Any) -> None:
    words = ("run", MODELS / "mlp_int4/model.pt", "--runners", "fqir", "--n-frames", 3, "-o", "out")
    assert hostrt(*words, "--debug-vars", "all").code == 0
    with np.load("out/model/debug_vars.npz") as arrays:
        names = list(arrays)
        assert all(len(arrays[name]) == 3 for name in names)
    assert hostrt(*words, "--debug-vars", f"{names[-1]},{names[0]}").code == 0
    with np.load("out/model/debug_vars.npz") as arrays:
        assert list(arrays) == [names[0], names[-1]]
    done = hostrt(*words, "--debug-vars", names[0][:-1] + "?")
    assert done.code == 2
    assert "did you mean" in done.err


@pytest.mark.parametrize("engine", ["reference", "numpy", "auto"])
def test_every_engine_says_the_same(hostrt: Any, engine: str) -> None:
    np.save("x.npy", inputs_of("tdnn_dw")[:20])
    done = hostrt(
        "run", MODELS / "tdnn_dw/model.pt", "--runners", "fqir", "--engine", engine,
        "--input-file", "x.npy", "--json", "-o", ".",
    )  # fmt: skip
    assert done.code == 0, done.err
    tree = json.loads(done.out)
    assert tree["runners"]["fqir"]["outputs"] == {
        "output.0": [20, *outputs_of("tdnn_dw").shape[1:]]
    }
    assert tree["runners"]["fqir"]["metrics"]["work_per_frame"]["macs"] > 0
    assert tree["runners"]["fqir"]["metrics"]["host_per_frame_s"] > 0
    stored = np.load("model/output_output.0.npy")
    assert np.array_equal(stored, outputs_of("tdnn_dw")[:20])


def test_latched_inputs_are_named_or_come_from_the_specification(hostrt: Any) -> None:
    with np.load(MODELS / "latched_gain/inputs.npz") as arrays:
        np.savez("x.npz", x=arrays["i0"][:9], ctl=arrays["i1"][0])
    words = ("run", MODELS / "latched_gain/model.pt", "--runners", "fqir", "--input-file", "x.npz")
    done = hostrt(*words)
    assert done.code == 0, done.err
    assert "sequences come from iospec.yaml beside the model" in done.err
    assert hostrt(*words, "--latched", "ctl").code == 0
    assert hostrt(*words, "--iospec", MODELS / "latched_gain/iospec.yaml").code == 0
    assert hostrt(*words, "--latched", "nosuch").code == 2
    assert hostrt(*words, "--iospec", MODELS / "gru2/iospec.yaml").code == 3


def test_what_a_runner_cannot_run_is_said_before_anything_runs(hostrt: Any) -> None:
    done = hostrt("run", "LOOPBACK", "--runners", "hw,fqir", "--board", "sim")
    assert done.code == 3
    assert "is a compiled program" in done.err
    assert "output" not in done.out
    done = hostrt("run", "LOOPBACK", "--board", "sim", "--debug-vars", "all")
    assert done.code == 2
    done = hostrt("run", MODELS / "opzoo/model.pt", "--runners", "fqir,hw", "--board", "sim")
    assert done.code == 3
    assert "24 bits" in done.err
    assert "output" not in done.out


def test_a_damaged_or_hostile_model_is_one_line(hostrt: Any) -> None:
    data = (MODELS / "gru2/model.pt").read_bytes()
    Path("cut.pt").write_bytes(data[: len(data) // 2])
    Path("bad.pt").write_bytes(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.")
    for name in ("cut.pt", "bad.pt"):
        done = hostrt("run", name, "--runners", "fqir")
        assert done.code == 3, (name, done.err)
        assert "Traceback" not in done.err
