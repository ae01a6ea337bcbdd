"""Runs in the peer's interpreter: one job for the vendor's client library, a JSON answer.

The library is used through its public calls alone. It looks for its image and starts its container
on the Docker engine that `DOCKER_HOST` names, and talks to the service that this engine points to.
A job has `do` and what its function below takes.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Do the job and print the answer; what the vendor prints goes to standard error."""
    answer_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # only types and messages of failures are of interest, not the vendor's lines of code
    sys.tracebacklimit = 0
    job = json.load(sys.stdin)
    answer: dict[str, Any]
    try:
        answer = {"error": "", **JOBS[job.pop("do")](**job)}
    except BaseException as error:  # noqa: BLE001 - whatever the vendor's code raises is the answer
        answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
    answer_to.write(json.dumps(answer))
    answer_to.flush()
    os._exit(0)


def work(
    model: str, iospec: str, folder: str, settings: dict[str, Any], profile: str, frames: str
) -> dict[str, Any]:
    """Compile a model and simulate frames; images and outputs are left in `folder`."""
    crux = importlib.import_module("femtocrux")
    numpy = importlib.import_module("numpy")
    spec = importlib.import_module("femtorun").IOSpec(iospec)
    graph = crux.FQIRModel(importlib.import_module("fmot").load(model), 0, 1)
    more = {"opt_profile": profile, "user_configuration": settings}
    client = crux.CompilerClient(docker_kwargs={"environment": {"FS_HW_CFG": "spu1p3v1.dat"}})
    try:
        images, completed, _ = client.compile(graph, iospec=spec, **more)
        Path(folder, "peer.zip").write_bytes(images)
        described = crux.ModelAndMetadata(model=graph, iospec=spec, **more)
        with numpy.load(frames) as file:
            inputs = {name: file[name] for name in file.files}
        outputs, report = client.simulate(described).simulate(inputs, 0.016)
        numpy.savez(Path(folder, "peer.npz"), **outputs)
    finally:
        client.close()
    return {"iospec": str(completed), "report": report}


def refuse(model: str, iospec: str) -> dict[str, Any]:
    """Compile a model on a service that refuses it."""
    crux = importlib.import_module("femtocrux")
    spec = importlib.import_module("femtorun").IOSpec(iospec)
    graph = crux.FQIRModel(importlib.import_module("fmot").load(model), 0, 1)
    client = crux.CompilerClient(docker_kwargs={})
    try:
        client.compile(graph, iospec=spec)
    finally:
        client.close()
    return {}


def load(pickles: list[str], model: str) -> dict[str, Any]:
    """Load pickles as the vendor's service does; tell what their inputs and results are.

    This is the only place where a pickle is loaded freely: in the vendor's own environment, from
    files that the test has made.
    """
    numpy = importlib.import_module("numpy")
    found = []
    for name in (model, *pickles):
        if name == model:
            graph = importlib.import_module("fmot").load(name)
        else:
            graph = pickle.loads(Path(name).read_bytes())
        arith = graph.subgraphs["ARITH"]
        values = [numpy.zeros(tuple(tensor.shape), numpy.int64) + 3 for tensor in arith.inputs]
        state = graph.subgraphs["INIT"].run(return_objs=True)[1]
        results = arith.run(*values, return_objs=True, state=state)[0]
        found.append(
            {
                "quanta": [tensor.quanta for tensor in arith.inputs],
                "others": [str(tensor.quanta) for tensor in arith.outputs],
                "results": numpy.asarray(results).ravel().tolist(),
            }
        )
    return {"found": found}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {"work": work, "refuse": refuse, "load": load}

if __name__ == "__main__":
    main()
