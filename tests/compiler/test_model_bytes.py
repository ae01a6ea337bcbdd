"""The pickle that is sent: cut out of the file; for simulation with whole inputs."""

from __future__ import annotations

import dataclasses
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.compiler.model_bytes import pickle_of, with_whole_inputs
from hostrt.errors import ProgramNotFound, ProgramUnsupported
from hostrt.fqir.load import load_model, parse_model
from tests.compiler.conftest import GOLDEN, golden
from tests.fqir.resave import resaved
from tests.fqir.tiny_model import with_tensor

if TYPE_CHECKING:
    from pathlib import Path

    from hostrt.fqir.graph import Tensor

NAMES = sorted(path.parent.name for path in GOLDEN.glob("*/model.pt"))
FILES = [(path.parent.name, path.name) for path in sorted(GOLDEN.glob("*/*.pt"))]


@pytest.mark.parametrize("name", NAMES)
def test_of_a_zip_the_pickle_is_sent_as_it_stands(name: str) -> None:
    with zipfile.ZipFile(GOLDEN / name / "model.pt") as archive:
        (member,) = [item for item in archive.namelist() if item.endswith("/data.pkl")]
        assert pickle_of(golden(name)) == archive.read(member)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_what_is_sent_is_the_same_model(name: str, file: str) -> None:
    model = golden(name, file)
    sent = parse_model(pickle_of(model), "sent")
    for ours, theirs in zip(model.arith.inputs, sent.arith.inputs, strict=True):
        assert _facts(ours) == _facts(theirs)
    assert [node.opname for node in model.root.walk()] == [node.opname for node in sent.root.walk()]


def _facts(tensor: Tensor) -> tuple[object, ...]:
    return tensor.name, tensor.dtype, tensor.shape, tensor.quanta


def test_of_a_legacy_container_only_the_graph_is_sent() -> None:
    data = (GOLDEN / "mlp_int4" / "model_legacy.pt").read_bytes()
    sent = pickle_of(golden("mlp_int4", "model_legacy.pt"))
    assert data.count(sent) == 1
    assert len(sent) < len(data)


def test_a_file_that_has_changed_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    data = (GOLDEN / "identity32" / "model.pt").read_bytes()
    path.write_bytes(data)
    model = load_model(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(ProgramNotFound, match="has changed since it was read"):
        pickle_of(model)


def test_a_model_made_in_memory_is_not_sent() -> None:
    model = dataclasses.replace(golden("identity32"), path="", sha256="")
    with pytest.raises(ProgramNotFound, match="made in memory"):
        pickle_of(model)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_inputs_become_whole_and_nothing_else_changes(name: str, file: str) -> None:
    data = pickle_of(golden(name, file))
    _check_whole(data, with_whole_inputs(data, name))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["gru2", "latched_gain"])
def test_inputs_become_whole_in_every_pickle_protocol(name: str, protocol: int) -> None:
    data = resaved(GOLDEN / name / "model.pt", protocol)
    _check_whole(data, with_whole_inputs(data, name))


def _check_whole(data: bytes, changed: bytes) -> None:
    before, after = parse_model(data, "before"), parse_model(changed, "after")
    assert len(changed) == len(data)
    assert all(tensor.quanta == 0 for tensor in after.arith.inputs)
    inputs = {tensor.name for tensor in before.arith.inputs}
    for one, other in zip(before.root.walk(), after.root.walk(), strict=True):
        for ours, theirs in zip(one.outputs, other.outputs, strict=True):
            assert ours.name in inputs or _facts(ours) == _facts(theirs)
    differing = np.flatnonzero(np.frombuffer(data, np.uint8) != np.frombuffer(changed, np.uint8))
    assert differing.size <= 8 * len(inputs)


@pytest.mark.parametrize("quanta", [-7, 0, 5, 300, -7.0])
def test_every_plain_number_can_be_overwritten(quanta: float) -> None:
    data = with_tensor(quanta=quanta)
    _check_whole(data, with_whole_inputs(data, "made"))


def test_an_unknown_exponent_stays_unknown() -> None:
    data = with_tensor(quanta=None)
    assert with_whole_inputs(data, "made") == data


def test_an_exponent_that_is_no_plain_number_is_refused() -> None:
    with pytest.raises(ProgramUnsupported, match="is a int64 in the file, expected a plain number"):
        with_whole_inputs(with_tensor(quanta=np.int64(3)), "made")


def test_what_is_no_pickle_is_refused() -> None:
    with pytest.raises(ProgramUnsupported, match="made, byte 0x0: found"):
        with_whole_inputs(b"PK", "made")
