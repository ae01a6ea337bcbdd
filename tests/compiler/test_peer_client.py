"""The vendor's own client library talks to our service and our Docker engine, as a black box.

What it sends for the same model must be what we send; what we answer must satisfy it. That makes
the service of these tests one that the vendor's contract is measured by.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from hostrt.compiler.base import CompileOptions
from hostrt.compiler.containers import cleanup
from hostrt.compiler.femtocrux import FemtocruxCompiler
from hostrt.compiler.model_bytes import pickle_of, with_whole_inputs
from hostrt.fqir.iospec import infer_iospec
from tests.compiler.conftest import GOLDEN, PEER_PYTHON, golden
from tests.compiler.service import TRACEBACK, Faults, Service
from tests.peer.calls import VARIABLE, find_peer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.compiler.fake_docker import FakeDocker

pytestmark = [pytest.mark.peer, pytest.mark.slow]

DRIVER = Path(__file__).with_name("peer_client.py")
IMAGE = "ghcr.io/femtosense/femtocrux:3.11.6"
JOB_SECONDS = 55
SETTINGS = {"a": 1, "b": True, "c": "x", "d": [1, 2.5]}
FOLDER = GOLDEN / "gru2"
FILES = {"model": str(FOLDER / "model.pt"), "iospec": str(FOLDER / "iospec.yaml")}


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Call one job of `peer_client.py`."""
    if PEER_PYTHON:
        monkeypatch.setenv(VARIABLE, PEER_PYTHON)
    python, reason = find_peer()
    if not python:
        pytest.skip(reason)

    def call(**job: Any) -> dict[str, Any]:
        done = subprocess.run(
            [python, str(DRIVER)],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "FS_HW_CFG": "spu1p3v1.dat", "FS_ALLOW_DOCKER_PULL": "no"},
            timeout=JOB_SECONDS,
            check=False,
        )
        assert done.stdout, done.stderr[-600:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return call


@pytest.fixture
def vendors(engine: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """An engine with an image that the vendor's client accepts."""
    engine.images.add(IMAGE)
    monkeypatch.setenv("FEMTOCRUX_SERVER_IMAGE_NAME", IMAGE)
    return engine


def test_the_vendors_client_sends_what_we_send_and_takes_what_we_answer(
    peer: Callable[..., dict[str, Any]],
    vendors: FakeDocker,
    service: Callable[..., Service],
    tmp_path: Path,
) -> None:
    served = service()
    vendors.service_port = served.port
    with np.load(FOLDER / "inputs.npz") as file:
        frames = {"x": file["i0"][:6].astype(np.int16)}
    np.savez(tmp_path / "frames.npz", **frames)
    options = CompileOptions(iospec=infer_iospec(golden("gru2")), profile="fast", settings=SETTINGS)

    answer = peer(
        do="work", folder=str(tmp_path), settings=SETTINGS, profile="fast",
        frames=str(tmp_path / "frames.npz"), **FILES,
    )  # fmt: skip
    with FemtocruxCompiler(address=served.address) as compiler:
        made = compiler.compile(golden("gru2"), options)
        result = compiler.simulate(golden("gru2"), options).run(frames, input_period_s=0.016)

    assert answer["error"] == ""
    theirs, ours = served.seen("compile")
    _assert_same_request(theirs, ours)
    first, second = served.seen("model")
    _assert_same_request(first.model, second.model)
    first, second = served.seen("data")
    assert first == second
    # images follow from the bytes of the model, whose pickles are of different protocols
    assert theirs.fqir.model[:2] == b"\x80\x04"
    assert ours.fqir.model[:2] == b"\x80\x02"
    assert (tmp_path / "peer.zip").stat().st_size > 1000
    assert made.program.iospec is not None
    completed = yaml.safe_load(answer["iospec"])
    assert completed["inputs"]["x"]["pc"] == made.program.iospec.inputs["x"].pc
    with np.load(tmp_path / "peer.npz") as file:
        assert np.array_equal(file["output.0"], result.outputs["output.0"])
    assert json.loads(answer["report"]) == result.report


def _assert_same_request(theirs: Any, ours: Any) -> None:
    """Compare two `model_and_metadata`; the pickle and the YAML by what they say."""
    assert yaml.safe_load(theirs.iospec) == yaml.safe_load(ours.iospec)
    for message in (theirs, ours):
        assert message.fqir.model[:1] == b"\x80"
    copies = [type(theirs).FromString(one.SerializeToString()) for one in (theirs, ours)]
    for copy in copies:
        copy.fqir.model, copy.iospec = b"", ""
    assert copies[0] == copies[1]


def test_containers_of_the_vendors_client_are_cleaned_up(
    peer: Callable[..., dict[str, Any]],
    vendors: FakeDocker,
    service: Callable[..., Service],
) -> None:
    vendors.service_port = service(version="0.0.1").port
    answer = peer(do="refuse", **FILES)
    assert answer["error"].startswith("AssertionError")
    (left,) = vendors.containers.values()
    assert (left.name, left.state) == ("femtocrux_server_0", "running")
    assert [item.name for item in cleanup()] == ["femtocrux_server_0"]
    assert vendors.containers == {}


def test_a_refusal_is_understood_by_the_vendors_client(
    peer: Callable[..., dict[str, Any]],
    vendors: FakeDocker,
    service: Callable[..., Service],
) -> None:
    vendors.service_port = service(faults=Faults(refuse=TRACEBACK)).port
    assert "cannot place 3 tables in 2 banks" in peer(do="refuse", **FILES)["error"]


def test_what_we_send_is_the_model_to_the_vendors_toolkit(
    peer: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    plain = pickle_of(golden("gru2"))
    (tmp_path / "plain.pkl").write_bytes(plain)
    (tmp_path / "whole.pkl").write_bytes(with_whole_inputs(plain, "gru2"))
    answer = peer(do="load", model=FILES["model"], pickles=["plain.pkl", "whole.pkl"])
    assert answer["error"] == ""
    original, sent, whole = answer["found"]
    assert original == sent
    assert original["quanta"] == [-13]
    assert whole == {**original, "quanta": [0]}
