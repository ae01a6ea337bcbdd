"""Files go both ways; what follows from one is the same here and in the reference toolkit."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from firmware_protocol.iospec import format_iospec
from hostrt.errors import HostrtError
from hostrt.fqir.counts import count_operations, measure_footprint
from hostrt.fqir.iospec import infer_iospec
from hostrt.fqir.load import load_model
from hostrt.fqir.quantize import run_main
from tests.fqir.write_model import pickle_of, write_model
from tests.peer.fqir_calls import serve_fqir
from tests.peer.fqir_cases import ask_files, mixture, single, stimulus
from tests.peer.fqir_compare import differences, engines
from tests.peer.fqir_sketch import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.fqir.graph import Array
    from tests.peer.fqir_calls import FqirPeer

pytestmark = [pytest.mark.peer, pytest.mark.slow]

FQIR_DATA = Path(__file__).parents[1] / "data" / "fqir"
GOLDEN = [
    "control_flow",
    "gru2",
    "identity32",
    "int32_edges",
    "latched_gain",
    "mlp_int4",
    "mlp_sigmoid",
    "norm_softmax",
    "opzoo",
    "tdnn_dw",
]
TRACED = ["linear", "linear:standard", "activations", "statistics", "gru", "gru2", "lstm"]
TRACED += ["lstm:standard", "rnn", "conv1d", "depthwise"]
WRITTEN = ["arithmetic", "logic", "select", "divide", "logarithm", "reduce", "arg", "softmax"]
WRITTEN += ["extremes", "average", "flip", "window", "fourier"]
WRITTEN += ["arithmetic:int24", "divide:int24", "logarithm:int24", "select:int8"]
FRAMES = 12


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FqirPeer]:
    """The toolkit, started once."""
    with serve_fqir(tmp_path_factory.mktemp("fqir_peer")) as started:
        yield started


def made(peer: FqirPeer, kind: str, folder: Path) -> Path:
    """Let the toolkit make a model."""
    path = folder / "made.pt"
    answer = peer.call("build", kind=kind, path=str(path), seed=3)
    assert not answer["error"], answer["error"]
    return path


def run_theirs(
    peer: FqirPeer, path: Path, arrays: list[Array], folder: Path, *, dequant: bool = False
) -> list[Array]:
    """Let the toolkit run the main graph; inputs and outputs are (T, *shape)."""
    inputs, outputs = folder / "in.npz", folder / "out.npz"
    named: dict[str, Any] = {f"i{k}": array for k, array in enumerate(arrays)}
    np.savez(inputs, **named)
    where = {"path": str(path), "inputs": str(inputs), "outputs": str(outputs)}
    answer = peer.call("sequence", **where, dequant=dequant)
    assert not answer["error"], answer["error"]
    with np.load(outputs) as found:
        return [found[f"o{k}"] for k in range(len(found.files))]


def run_ours(path: Path, arrays: list[Array], *, dequant: bool = False) -> list[Array]:
    """Run the main graph as the toolkit does; inputs and outputs are (T, *shape)."""
    model = load_model(path)
    if model.init is None:
        rows = [run_main(model, row, dequantize=dequant) for row in zip(*arrays, strict=True)]
        return [np.stack(column) for column in zip(*rows, strict=True)]
    axis = model.root.unbind_dim or 0
    moved = [np.moveaxis(array, 0, axis) for array in arrays]
    return [np.moveaxis(v, axis, 0) for v in run_main(model, moved, dequantize=dequant)]


@pytest.mark.parametrize("kind", [*TRACED, *WRITTEN])
def test_models_made_by_the_toolkit(kind: str, peer: FqirPeer, tmp_path: Path) -> None:
    path = made(peer, kind, tmp_path)
    model = load_model(path)
    case = Case(kind, model.root, stimulus(model, FRAMES, 1))

    (answer,) = ask_files(peer, [(case, path)], tmp_path)

    assert not answer.error
    found = [text for engine in engines() for text in differences([answer], engine)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("dequant", [False, True])
@pytest.mark.parametrize("kind", TRACED)
def test_the_main_graph_takes_real_numbers(
    kind: str, dequant: bool, peer: FqirPeer, tmp_path: Path
) -> None:
    path = made(peer, kind, tmp_path)
    (tensor,) = load_model(path).root.inputs
    frames = np.random.default_rng(2).normal(0, 2, (FRAMES, *tensor.shape)).astype(np.float32)

    theirs = run_theirs(peer, path, [frames], tmp_path, dequant=dequant)
    ours = run_ours(path, [frames], dequant=dequant)

    assert [array.dtype for array in ours] == [array.dtype for array in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("kind", [*TRACED, *WRITTEN])
def test_the_main_graph_takes_integers(kind: str, peer: FqirPeer, tmp_path: Path) -> None:
    path = made(peer, kind, tmp_path)
    arrays = stimulus(load_model(path), FRAMES, 5)

    theirs = run_theirs(peer, path, arrays, tmp_path)

    for mine, other in zip(run_ours(path, arrays), theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("name", GOLDEN)
def test_what_we_load_and_write_again_runs_there(name: str, peer: FqirPeer, tmp_path: Path) -> None:
    folder = FQIR_DATA / name
    model = load_model(folder / "model.pt")
    path = write_model(model, tmp_path / "again.pt")
    with np.load(folder / "inputs.npz") as file:
        arrays = [file[f"i{k}"] for k in range(len(file.files))]

    (answer,) = ask_files(peer, [(Case(name, model.root, arrays), path)], tmp_path)

    assert not answer.error
    with np.load(folder / "outputs.npz") as file:
        for k in range(len(file.files)):
            found = np.stack([frame[k] for frame in answer.frames])
            np.testing.assert_array_equal(found, file[f"o{k}"])


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["control_flow", "gru2"])
def test_every_dialect_that_the_toolkit_writes_holds_the_same_model(
    name: str, protocol: int, is_zip: bool, peer: FqirPeer, tmp_path: Path
) -> None:
    original = FQIR_DATA / name / "model.pt"
    target = tmp_path / "saved.pt"

    answer = peer.call(
        "save", path=str(original), target=str(target), protocol=protocol, is_zip=is_zip
    )

    assert not answer["error"]
    assert pickle_of(load_model(target)) == pickle_of(load_model(original))


@pytest.mark.parametrize("name", GOLDEN)
def test_the_inferred_iospec(name: str, peer: FqirPeer, tmp_path: Path) -> None:
    path, target = FQIR_DATA / name / "model.pt", tmp_path / "iospec.yaml"
    model = load_model(path)
    latched = [tensor.name for tensor in model.arith.inputs[1:2]]

    answer = peer.call("iospec", path=str(path), target=str(target), latched=latched)

    if answer["error"]:
        with pytest.raises(HostrtError):
            infer_iospec(model, latched)
        return
    ours = yaml.safe_load(format_iospec(infer_iospec(model, latched)))
    assert ours == yaml.safe_load(target.read_text())


def our_counts(path: Path) -> dict[str, Any] | str:
    """Give footprint and operations, or what was raised."""
    arith = load_model(path).arith
    try:
        footprint = measure_footprint(arith, dense=False)
        operations = asdict(count_operations(arith))
    except HostrtError as error:
        return str(error)
    names = ("total", "parameters", "activations")
    return {
        "footprint": {name: getattr(footprint, name) for name in names},
        "operations": operations,
    }


def test_analytic_counts(peer: FqirPeer, tmp_path: Path) -> None:
    paths = [FQIR_DATA / name / "model.pt" for name in GOLDEN]
    cases = [mixture(seed) for seed in range(40)]
    cases += [single(opname, seed) for opname in ("matmul", "addmm", "loop") for seed in range(9)]
    paths += [write_model(case.root, tmp_path / f"{i}.pt") for i, case in enumerate(cases)]

    theirs = peer.call("counts", paths=[str(path) for path in paths])["counts"]

    for path, expected in zip(paths, theirs, strict=True):
        found = our_counts(path)
        if expected.pop("error"):
            assert isinstance(found, str), f"{path}: theirs fails, ours gives {found}"
        else:
            assert isinstance(found, dict), found
            assert found["footprint"] == expected["footprint"], path
            # sums of thirds, in another order
            assert found["operations"] == pytest.approx(expected["operations"], rel=1e-12), path
