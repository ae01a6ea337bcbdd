"""Golden files, changed at random: the result is a model or one of our errors, and nothing else."""

from __future__ import annotations

import contextlib
import pickletools
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostrt.errors import ProgramError
from hostrt.fqir.build import build_model
from hostrt.fqir.limits import Limits
from hostrt.fqir.load import parse_model
from hostrt.fqir.reading import read_root
from hostrt.fqir.standins import Global, PickledArray, PickledDtype, PickledSet, Role, StandIn
from tests.fqir.resave import resaved
from tests.fqir.write_container import zip_container

GOLDEN = Path(__file__).parents[1] / "data" / "fqir"
SMALL = ["identity32/model.pt", "control_flow/model.pt", "int32_edges/model.pt"]
PIECES = [b"\0", b"\xff", b"(", b".", b"b", b"R", b"\x81", b"N", b"}", b"]", b")", b"t", b"\x85"]

pytestmark = pytest.mark.fault


@cache
def instructions(name: str, protocol: int) -> tuple[bytes, ...]:
    """Give the pickle of a golden model, cut into its instructions."""
    data = resaved(GOLDEN / name, protocol)
    starts = [at for _, _, at in pickletools.genops(data)]
    return tuple(data[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True))


def load(data: bytes) -> None:
    """Load and walk a model, or not."""
    with contextlib.suppress(ProgramError):
        model = parse_model(data, "model.pt")
        assert model.arith in model.root.subgraphs.values()
        assert all(node.outputs is not None for node in model.root.walk())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\x80\2", b"\x80\4", b"PK\3\4"]))
def test_random_bytes(data: bytes, start: bytes) -> None:
    load(start + data)
    load(zip_container(start + data, "a", early=True))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_golden_files_with_some_bytes_changed(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*SMALL, "mlp_int4/model_legacy.pt"]))
    changed = bytearray((GOLDEN / name).read_bytes())
    if data.draw(st.booleans()):
        changed = bytearray(b"".join(instructions(name, data.draw(st.integers(2, 5)))))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(changed) - 1))
        piece = data.draw(st.binary(max_size=4) | st.sampled_from(PIECES))
        changed[at : at + data.draw(st.integers(0, 4))] = piece
    load(bytes(changed))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_golden_files_with_instructions_changed(data: st.DataObject) -> None:
    """Instructions left out, doubled, exchanged, and taken from elsewhere in the file."""
    # protocol 4 and 5 put all of it into one frame of a length that would no longer be right
    parts = list(instructions(data.draw(st.sampled_from(SMALL)), data.draw(st.integers(2, 3))))
    for _ in range(data.draw(st.integers(1, 4))):
        at, other = (data.draw(st.integers(1, len(parts) - 2)) for _ in range(2))
        match data.draw(st.integers(0, 3)):
            case 0:
                del parts[at]
            case 1:
                parts.insert(at, parts[other])
            case 2:
                parts[at], parts[other] = parts[other], parts[at]
            case _:
                parts[at:at] = parts[other : other + data.draw(st.integers(1, 9))]
    load(b"".join(parts))


def endless() -> list[object]:
    """Give a list that contains itself."""
    items: list[object] = []
    items.append(items)
    return items


GRAPH = Global("fmot.fqir.graph_proto.graph_proto", "GraphProto", Role.OBJECT)
ODD: list[object] = [
    None, True, 0, -1, (1 << 127) - 1, 1.5, -7.0, 1e308, float("nan"), float("inf"), "", "\n\x1b",
    "x" * 5000, b"", b"ab", (), [], {}, (1,), ["a"], [None], {"a": 1}, [[[[]]]], endless(),
    np.int32(3), np.float64(2.5), np.bool_(True), np.uint64(1 << 63), PickledSet([]),
    StandIn(GRAPH), GRAPH, PickledDtype("i4"), PickledArray(), PickledArray(np.zeros(0, np.int32)),
    PickledArray(np.ones((2, 2), np.float32)),
]  # fmt: skip


def reachable(root: object) -> list[object]:
    """Give everything in a value that has parts, each once."""
    found: dict[int, object] = {}
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if id(value) in found or not isinstance(value, StandIn | list | tuple | dict):
            continue
        found[id(value)] = value
        parts = (value.state or {}) if isinstance(value, StandIn) else value
        waiting.extend(parts.values() if isinstance(parts, dict) else parts)
    return [value for value in found.values() if not isinstance(value, tuple)]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_golden_files_with_objects_in_the_wrong_places(data: st.DataObject) -> None:
    """Attributes, list items and dict entries replaced by odd values or by other objects."""
    name = data.draw(st.sampled_from([*SMALL, "mlp_int4/model.pt"]))
    root, left = read_root((GOLDEN / name).read_bytes(), name, Limits())
    objects = reachable(root)
    for _ in range(data.draw(st.integers(1, 4))):
        target = data.draw(st.sampled_from(objects))
        value = data.draw(st.sampled_from(ODD) | st.sampled_from(objects))
        if isinstance(target, StandIn):
            target.state = target.state if data.draw(st.integers(0, 9)) else None
        parts = target.state if isinstance(target, StandIn) else target
        if isinstance(parts, dict) and parts:
            parts[data.draw(st.sampled_from(list(parts)))] = value
        elif isinstance(parts, list) and parts:
            parts[data.draw(st.integers(0, len(parts) - 1))] = value
    assert isinstance(root, StandIn)
    with contextlib.suppress(ProgramError):
        model = build_model(root, "model.pt", Limits(), left)
        assert all(note.isprintable() for note in model.notes)
        assert sum(1 for _ in model.root.walk()) <= Limits().nodes
