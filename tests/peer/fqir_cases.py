"""Batches of random models, their files, and what both sides make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.fqir.write_model import write_model
from tests.peer import fqir_control, fqir_elementwise, fqir_structure
from tests.peer.fqir_sketch import Case, Sketch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hostrt.fqir.graph import Array, Graph, Model
    from tests.peer.fqir_calls import FqirPeer

DRAWS = fqir_elementwise.DRAWS | fqir_structure.DRAWS | fqir_control.DRAWS


@dataclass(frozen=True, slots=True)
class Answer:
    """What the reference made of a case.

    Attributes:
        case: the case.
        path: its file.
        frames: outputs per frame, as far as it came.
        error: why it came no further, "" when it ran to the end.
        names: tensors that were watched.
        watched: their values after each frame, None where there is none yet.
    """

    case: Case
    path: Path
    frames: list[list[Array]]
    error: str
    names: tuple[str, ...] = ()
    watched: tuple[tuple[Array | None, ...], ...] = ()


def single(opname: str, seed: int) -> Case:
    """Give a model around one node of an operator."""
    s = Sketch(np.random.default_rng([seed, *opname.encode()]))
    DRAWS[opname](s)
    return s.case(f"{opname or 'inline'}/{seed}", s.known + s.states)


def mixture(seed: int) -> Case:
    """Give a model of several nodes that work on each other's results."""
    s = Sketch(np.random.default_rng([seed, 0]), reuse=0.7, extreme=0.02)
    for _ in range(s.whole(3, 12)):
        s.choose(*DRAWS.values())(s)
    return s.case(f"mixture/{seed}", s.known + s.states)


def stimulus(model: Model, frames: int, seed: int) -> list[Array]:
    """Give integers for the inputs that a model declares: noise, rails, small numbers."""
    s = Sketch(np.random.default_rng(seed))
    arrays = []
    for tensor in model.arith.inputs:
        bits = int(tensor.dtype.rpartition("int")[2])
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        arrays.append(s.numbers((frames, *tensor.shape), low, high))
    return arrays


def ask(peer: FqirPeer, cases: Iterable[Case], folder: Path) -> list[Answer]:
    """Write the models of cases and let the reference run them, all in one job."""
    written = [
        (case, write_model(case.root, folder / f"case_{number}.pt"))
        for number, case in enumerate(cases)
    ]
    return ask_files(peer, written, folder)


def ask_files(peer: FqirPeer, written: list[tuple[Case, Path]], folder: Path) -> list[Answer]:
    """Let the reference run cases whose models are in files."""
    inputs, outputs = folder / "inputs.npz", folder / "outputs.npz"
    models: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for number, (case, path) in enumerate(written):
        prefix = f"m{number}_"
        models.append({"path": str(path), "prefix": prefix, "watch": names_in(case.root)})
        arrays |= {f"{prefix}i{i}": array for i, array in enumerate(case.inputs)}
    np.savez(inputs, **arrays)
    answer = peer.call("run", models=models, inputs=str(inputs), outputs=str(outputs))
    assert not answer["error"], answer["error"]
    with np.load(outputs) as file:
        found = dict(file)
    return [
        _read_answer(case, path, found, {**model, **result})
        for (case, path), model, result in zip(written, models, answer["results"], strict=True)
    ]


def names_in(root: Graph) -> list[str]:
    """Give the names of all tensors that nodes of ARITH read or write."""
    names: dict[str, None] = {}
    for node in root.subgraphs["ARITH"].walk():
        names |= dict.fromkeys(t.name for t in (*node.inputs.values(), *node.outputs))
    return list(names)


def _read_answer(case: Case, path: Path, found: dict[str, Array], job: dict[str, Any]) -> Answer:
    prefix, times = job["prefix"], range(job["n_frames"])
    outputs, names = range(len(case.root.outputs)), tuple(job["watch"])
    return Answer(
        case,
        path,
        [[found[f"{prefix}o{k}_{t}"] for k in outputs] for t in times],
        job["error"],
        names,
        tuple(tuple(found.get(f"{prefix}w{k}_{t}") for k in range(len(names))) for t in times),
    )


def nested_alike(kind: str, seed: int) -> Case:
    """Give a model that has a sub-graph inside one of the same kind, which theirs cannot run."""
    s = Sketch(np.random.default_rng([seed, *kind.encode()]), extreme=0)  # nothing else fails
    outputs = fqir_control.nest_alike(s, kind)
    return s.case(f"{kind} in {kind}/{seed}", outputs, defined_by_us=True)
