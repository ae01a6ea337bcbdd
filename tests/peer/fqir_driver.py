"""Runs in the peer's interpreter: jobs on FQIR files, a line of JSON each, answered by a line each.

The vendor's toolkit is used through its public calls alone. A job has `do` and what its function
below takes; arrays travel in `.npz` files. Models and inputs are kept by path once they are read.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main() -> None:
    """Answer jobs until there are no more; what the vendor prints goes to standard error."""
    answer_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # only types and messages of failures are of interest, not the vendor's lines of code
    sys.tracebacklimit = 0
    sys.unraisablehook = lambda _: None
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        job = json.loads(line)
        with Failure() as failure:
            answer = JOBS[job.pop("do")](**job)
        answer = {"error": failure.text} if failure.text else {"error": "", **answer}
        answer_to.write(json.dumps(answer) + "\n")
        answer_to.flush()
    os._exit(0)


class Failure:
    """Stops whatever the vendor's code raises.

    Attributes:
        text: type and message of what was raised, "" when nothing was.
    """

    def __init__(self) -> None:
        self.text = ""

    def __enter__(self) -> Failure:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, _: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        self.text = f"{kind.__name__}: {error}"[:500]
        return True


def start(native: str = "") -> dict[str, Any]:
    """Import the toolkit.

    Args:
        native: folder of its compiled backend, "" for none.

    Returns:
        `import_s`, and whether there is a compiled backend.
    """
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    started = time.perf_counter()
    fmot = importlib.import_module("fmot")
    seconds = time.perf_counter() - started
    fqir = importlib.import_module("fmot.fqir")
    importlib.import_module("torch").set_num_threads(1)
    if native:
        fqir.__path__.append(native)
        fqir.maybe_register_cpp_backend()
    has_native = bool(fqir.is_runtime_backend_available("cpp"))
    return {"import_s": seconds, "native": has_native, "version": str(fmot.__version__)}


@cache
def graph(path: str) -> Any:
    """Load a file."""
    return importlib.import_module("fmot").load(path)


@cache
def runtime(path: str, backend: str) -> Any:
    """Give the vendor's runtime of the integer program."""
    return graph(path).subgraphs["ARITH"].compile_runtime(backend=backend)


def fresh_state(path: str) -> dict[str, Any]:
    """Run INIT."""
    init = graph(path).subgraphs.get("INIT")
    return {} if init is None else dict(init.run(return_objs=True)[1])


@cache
def frames(inputs: str, prefix: str) -> list[list[Any]]:
    """Read `{prefix}i0`, `i1`, ...: inputs per frame."""
    numpy = importlib.import_module("numpy")
    with numpy.load(inputs) as file:
        count = sum(name.startswith(f"{prefix}i") for name in file.files)
        arrays = [file[f"{prefix}i{i}"] for i in range(count)]
    return [[array[t] for array in arrays] for t in range(len(arrays[0]))]


def run(models: list[dict[str, Any]], inputs: str, outputs: str) -> dict[str, Any]:
    """Run models frame by frame from their initial state.

    Args:
        models: `path`, `prefix` of its arrays in both files, `backend`, `watch`: names of tensors.
        inputs: file with `{prefix}i{k}`: (T, *shape).
        outputs: file to write, `{prefix}o{k}_{t}`: the k-th output of frame t; `{prefix}w{k}_{t}`:
            the k-th watched tensor after it, where it has a value.

    Returns:
        `results`: per model `error` ("" or type and message) and `n_frames` that gave results.
    """
    for kept in (graph, runtime, frames):
        kept.cache_clear()
    numpy = importlib.import_module("numpy")
    found: dict[str, Any] = {}
    results = []
    for model in models:
        prefix = model["prefix"]
        rows, error = run_one(model, frames(inputs, prefix))
        for t, (row, seen) in enumerate(rows):
            found |= {f"{prefix}o{k}_{t}": numpy.asarray(value) for k, value in enumerate(row)}
            found |= {f"{prefix}w{k}_{t}": numpy.asarray(value) for k, value in seen.items()}
        results.append({"error": error, "n_frames": len(rows)})
    numpy.savez(outputs, **found)
    return {"results": results}


def run_one(
    model: dict[str, Any], steps: list[list[Any]]
) -> tuple[list[tuple[list[Any], dict[int, Any]]], str]:
    """Run one model until it ends or fails; outputs and watched values per frame."""
    rows: list[tuple[list[Any], dict[int, Any]]] = []
    names = model.get("watch", [])
    with Failure() as failure:
        program = runtime(model["path"], model.get("backend", "python"))
        state = fresh_state(model["path"])
        for step in steps:
            result, state = program.run(*step, state=state, return_objs=True)
            # what a node could not make is None there
            seen = {k: state[name] for k, name in enumerate(names) if state.get(name) is not None}
            rows.append((as_list(result), seen))
    return rows, failure.text


def sequence(
    path: str, inputs: str, outputs: str, *, backend: str = "python", dequant: bool = False
) -> dict[str, Any]:
    """Run the main graph: over the whole sequence, or frame by frame when it has no state.

    Args:
        path: model.
        inputs: file with `i{k}`: (T, *shape), integers or reals.
        outputs: file to write, `o{k}`: (T, *shape).
        backend: "python" or "cpp".
        dequant: real outputs.

    Returns:
        `seconds` of the running alone.
    """
    numpy = importlib.import_module("numpy")
    steps = frames(inputs, "")
    options = {"backend": backend, "dequant": dequant}
    axis = 0
    if "INIT" in graph(path).subgraphs:
        axis = graph(path).unbind_dim or 0
        arrays = [numpy.stack(column, axis) for column in zip(*steps, strict=True)]
        started = time.perf_counter()
        results = as_list(graph(path).run(*arrays, **options))
        seconds = time.perf_counter() - started
    else:
        started = time.perf_counter()
        rows = [as_list(graph(path).run(*step, **options)) for step in steps]
        seconds = time.perf_counter() - started
        results = [numpy.stack(column) for column in zip(*rows, strict=True)]
    numpy.savez(outputs, **{f"o{k}": numpy.moveaxis(v, axis, 0) for k, v in enumerate(results)})
    return {"seconds": seconds}


def as_list(result: Any) -> list[Any]:
    """Give the outputs as a list: a graph gives None, the only one, or a tuple."""
    if result is None:
        return []
    return list(result) if isinstance(result, (tuple, list)) else [result]


def frame_seconds(path: str, inputs: str, backend: str = "python") -> dict[str, Any]:
    """Time every frame; `median_s`, and `total_s` of all."""
    steps = frames(inputs, "")
    program, state = runtime(path, backend), fresh_state(path)
    seconds = []
    for step in steps:
        started = time.perf_counter()
        _, state = program.run(*step, state=state, return_objs=True)
        seconds.append(time.perf_counter() - started)
    return {"median_s": statistics.median(seconds), "total_s": sum(seconds)}


def load_seconds(path: str) -> dict[str, Any]:
    """Time loading a file."""
    graph.cache_clear()
    started = time.perf_counter()
    graph(path)
    return {"seconds": time.perf_counter() - started}


def save(path: str, target: str, protocol: int, *, is_zip: bool) -> dict[str, Any]:
    """Save a file again, with another pickle protocol or container."""
    torch = importlib.import_module("torch")
    options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": is_zip}
    torch.save(graph(path), target, **options)
    return {}


def iospec(path: str, target: str, latched: list[str]) -> dict[str, Any]:
    """Infer the I/O specification and write it."""
    fmot = importlib.import_module("fmot")
    fmot.iospec_from_fqir(graph(path), latched).write_spec_to_file(target)
    return {}


def counts(paths: list[str]) -> dict[str, Any]:
    """Give the analytic cost counts of models; "" and type and message of what was raised."""
    found = []
    for path in paths:
        one: dict[str, Any] = {}
        with Failure() as failure:
            arith = graph(path).subgraphs["ARITH"]
            one["footprint"] = {str(k): float(v) for k, v in arith.footprint_bytes().items()}
            one["operations"] = {str(k): float(v) for k, v in vars(arith.opcount()).items()}
        found.append(one | {"error": failure.text})
    return {"counts": found}


def build(kind: str, path: str, seed: int = 0) -> dict[str, Any]:
    """Make a model with the toolkit's own means and save it; see `fqir_builders`."""
    made: dict[str, Any] = importlib.import_module("fqir_builders").build(kind, path, seed)
    return made


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "start": start,
    "run": run,
    "sequence": sequence,
    "frame_seconds": frame_seconds,
    "load_seconds": load_seconds,
    "build": build,
    "save": save,
    "iospec": iospec,
    "counts": counts,
}

if __name__ == "__main__":
    main()
