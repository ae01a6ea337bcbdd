"""The golden models load, in every encoding, and always as the same model."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hostrt.errors import ProgramNotFound
from hostrt.fqir.graph import Array, Model, Table
from hostrt.fqir.load import is_fqir_file, load_model, parse_model
from tests.fqir.resave import deep_recursion, resaved
from tests.fqir.same_model import assert_same, difference
from tests.fqir.write_container import legacy_container, zip_container
from tests.fqir.write_model import model_bytes

GOLDEN = Path(__file__).parents[1] / "data" / "fqir"
FILES = sorted(path.relative_to(GOLDEN).as_posix() for path in GOLDEN.glob("*/model*.pt"))
MODELS = sorted({name.partition("/")[0] for name in FILES})


def parameters(model: Model) -> list[Array]:
    """Give the values of the distinct parameters of all graphs."""
    graphs = [*model.root.subgraphs.values()]
    for node in model.root.walk():
        graphs += node.subgraphs.values()
    found = {id(tensor): tensor.value for graph in graphs for tensor in graph.parameters}
    values = [value for value in found.values() if value is not None]
    assert len(values) == len(found)
    return values


def forget_booleans(model: Model) -> None:
    """Make a model what it is when the file does not say which tensors are booleans."""
    for node in model.root.walk():
        for tensor in (*node.inputs.values(), *node.outputs):
            tensor.is_bool = False


@pytest.mark.parametrize("name", FILES)
def test_every_golden_file_has_the_operators_and_parameters_it_is_known_for(name: str) -> None:
    path = GOLDEN / name
    model = load_model(path)
    meta = json.loads((path.parent / "meta.json").read_text())

    operators = Counter(node.opname for node in model.arith.walk() if node.operator)
    assert dict(operators) == meta["ops"]
    assert sum(value.size for value in parameters(model)) == meta["n_params"]
    for side, tensors in (("inputs", model.arith.inputs), ("outputs", model.arith.outputs)):
        for tensor, known in zip(tensors, meta[side], strict=True):
            assert (tensor.name, tensor.dtype, list(tensor.shape), tensor.quanta) == (
                known["name"], known["dtype"], known["shape"], known["quanta"],
            )  # fmt: skip
    assert sorted(model.root.subgraphs) == sorted(meta["subgraphs"])
    assert model.path == str(path)
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.notes == ()
    assert is_fqir_file(path)


@pytest.mark.parametrize("name", ["gru2/model_old.pt", "mlp_int4/model_legacy.pt"])
def test_other_encodings_of_a_golden_model_give_the_same_model(name: str) -> None:
    other, model = load_model(GOLDEN / name), load_model((GOLDEN / name).with_name("model.pt"))
    if "old" in name:
        forget_booleans(model)
    assert_same(model, other)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", FILES)
def test_a_golden_model_pickled_again_by_python_is_the_same(name: str, protocol: int) -> None:
    pickle = resaved(GOLDEN / name, protocol)
    match protocol:
        case 3:
            data = legacy_container(pickle, protocol)
        case 4:
            data = zip_container(pickle, "a b")
        case _:
            data = pickle
    assert_same(load_model(GOLDEN / name), parse_model(data, "again"))


@pytest.mark.parametrize("numpy", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_a_golden_model_in_other_dialects_is_the_same(name: str, numpy: int) -> None:
    model = load_model(GOLDEN / name / "model.pt")
    for protocol in (2, 5):
        assert_same(model, parse_model(model_bytes(model, numpy=numpy, protocol=protocol), "again"))

    # early files have no conditional and do not say which tensors are booleans
    if not any(node.opname == "conditional" for node in model.root.walk()):
        forget_booleans(model)
        with deep_recursion():
            data = model_bytes(model, numpy=numpy, early=True)
        assert_same(model, parse_model(data, "early"))


def test_numpy_1_names_are_read_as_those_of_numpy_2() -> None:
    path = GOLDEN / "control_flow" / "model.pt"
    data = resaved(path, 2)
    names = [b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"]
    [written] = [name for name in names if name in data]
    for name in names:
        assert_same(load_model(path), parse_model(data.replace(written, name), "again"))


@pytest.mark.parametrize("name", ["gru2/model.pt", "gru2/model_old.pt", "latched_gain/model.pt"])
def test_the_state_that_init_creates_is_the_tensor_that_arith_reads(name: str) -> None:
    model = load_model(GOLDEN / name)
    assert model.init is not None
    made = {id(tensor): tensor for node in model.init.walk() for tensor in node.outputs}
    read = {id(tensor) for node in model.arith.walk() for tensor in node.inputs.values()}
    assert made
    assert set(made) <= read


def test_the_graphs_of_inline_nodes_are_those_of_the_main_graph() -> None:
    model = load_model(GOLDEN / "gru2" / "model.pt")
    inline = {node.subgraphs["body"].name: node.subgraphs["body"] for node in model.root.nodes}
    assert all(inline[graph.name] is graph for graph in model.root.subgraphs.values())


@pytest.mark.parametrize("name", FILES)
def test_arrays_cannot_be_written_to_and_have_the_machine_s_byte_order(name: str) -> None:
    model = load_model(GOLDEN / name)
    arrays = parameters(model)
    for node in model.root.walk():
        for value in node.constants.values():
            assert not isinstance(value, list | dict)
            arrays += [value.x, value.y] if isinstance(value, Table) else []
    for array in arrays:
        assert not array.flags.writeable
        assert array.dtype.isnative


def test_constants_keep_the_storage_type_of_numpy_scalars() -> None:
    model = load_model(GOLDEN / "control_flow" / "model.pt")
    immediates = [
        node.constants["y"] for node in model.arith.walk() if node.opname in {"viadd", "vimul"}
    ]
    assert any(type(value) is np.int32 for value in immediates)


def test_a_table_used_twice_stays_one_table() -> None:
    model = load_model(GOLDEN / "gru2" / "model.pt")
    again = parse_model(model_bytes(model), "again")
    tables = [
        [node.constants["table"] for node in one.arith.walk() if node.opname == "lut"]
        for one in (model, again)
    ]
    shared = [len({id(table) for table in side}) for side in tables]
    assert shared[0] == shared[1] <= len(tables[0])


def test_the_comparison_of_these_tests_sees_a_difference() -> None:
    path = GOLDEN / "mlp_sigmoid" / "model.pt"
    for field in ("shape", "quanta", "value", "is_bool", "avg_sparsity", "dtype"):
        a, b = load_model(path), load_model(path)
        setattr(b.arith.parameters[0], field, None)
        assert difference(a.root, b.root, "root", {}, {})
    a, b = load_model(path), load_model(path)
    b.arith.inputs[0] = b.arith.outputs[0]
    assert difference(a.root, b.root, "root", {}, {})


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotFound, match="no such file"):
        load_model(tmp_path / "none.pt")
    with pytest.raises(ProgramNotFound, match="not a regular file"):
        load_model(tmp_path)
    assert not is_fqir_file(tmp_path / "none.pt")
    assert not is_fqir_file(tmp_path)
