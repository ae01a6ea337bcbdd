"""The reference's cost counts and footprints, to the last bit."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from hostrt.errors import ProgramUnsupported, UsageError
from hostrt.fqir.counts import Counts, Footprint, count_operations, measure_footprint
from hostrt.fqir.sizes import bytes_of, nonzeros, stored_bits
from tests.fqir.inspected import (
    NAMES,
    golden,
    graph,
    meta_of,
    nested_model,
    node,
    one,
    product,
    tensor,
)


@pytest.mark.parametrize("name", NAMES)
def test_counts_of_golden_models_equal_the_references(name: str) -> None:
    meta = meta_of(name)

    for file in meta["files"]:
        arith = golden(name, file).arith
        if isinstance(meta["opcount"], str):
            with pytest.raises(ProgramUnsupported, match="the reference has no cost for"):
                count_operations(arith)
        else:
            assert asdict(count_operations(arith)) == meta["opcount"]


@pytest.mark.parametrize("name", NAMES)
def test_footprints_of_golden_models_equal_the_references(name: str) -> None:
    meta = meta_of(name)

    for file in meta["files"]:
        found = measure_footprint(golden(name, file).arith)
        sides = {side: getattr(found, side) for side in ("total", "parameters", "activations")}
        assert sides == meta["footprint_bytes"]


SPARSE_FOOTPRINTS = {
    "control_flow": (1965, 171),
    "gru2": (33368, 25772),
    "identity32": (160, 32),
    "mlp_int4": (1887, 1723),
    "mlp_sigmoid": (23369, 22358),
    "opzoo": (5427, 601),
    "tdnn_dw": (7734, 5861),
}
"""What the reference toolkit gave with `dense=False`."""


@pytest.mark.parametrize("name", SPARSE_FOOTPRINTS)
def test_footprints_of_non_zero_elements_equal_the_references(name: str) -> None:
    found = measure_footprint(golden(name).arith, dense=False)

    assert found == Footprint(*SPARSE_FOOTPRINTS[name])


def test_element_wise_operators_move_what_the_table_says() -> None:
    vv = Counts(1.5 * (20 + 2) / 2, 10, 15, 15, additions=10)
    v = Counts(10, 10, 15, 15)

    assert count_operations(graph(one("vvadd", 10, 1))) == vv
    assert count_operations(graph(one("vimul", 10))) == v + Counts(multiplies=10)
    assert count_operations(graph(one("vvmax", 10, 10))) == v + Counts(other_logic=10)
    assert count_operations(graph(one("lut", 10))) == v + Counts(table_read_bytes=20, luts=10)


def test_pessimism_is_the_share_that_is_stored_and_loaded() -> None:
    found = graph(one("vneg", 10))

    assert count_operations(found, 0) == Counts(0, 0, 10, 10, additions=10)
    assert count_operations(found, 1) == Counts(20, 20, 20, 20, additions=10)
    with pytest.raises(UsageError, match=r"pessimism 1\.5, expected 0 to 1"):
        count_operations(found, 1.5)


def test_relu_writes_only_what_is_expected_to_be_positive() -> None:
    relu = one("relu", 10)
    relu.outputs[0].avg_sparsity = 0.55

    # 4.5 elements of 2 bytes are 9 bytes
    assert count_operations(graph(relu)) == Counts(10, 4.5, 15, 15, other_logic=10)


def test_copies_share_the_pessimism_over_their_parts() -> None:
    chunk = node("chunk", [tensor("a", 6), tensor("b", 4)], x=tensor("x", 10))
    assign = node("assign", y=tensor("y", 10), x=tensor("x", 10))

    assert count_operations(graph(chunk)) == Counts(10, 20 * 0.75, 10 * 0.75, 5)
    assert count_operations(graph(assign)) == Counts(40 * 0.75, 0, 0, 20 * 0.75)


def test_shifts_by_nothing_cost_nothing() -> None:
    assert count_operations(graph(one("shift", 10, shamt=0))) == Counts()
    assert count_operations(graph(one("shift", 10, shamt=-1))) == Counts(10, 10, 5, 5)
    wider = one("shift", 10, shamt=0)
    wider.outputs[0].dtype = "fqint16"
    assert count_operations(graph(wider)) == Counts(10, 10, 5, 5)


def test_sums_read_all_and_write_one() -> None:
    assert count_operations(graph(one("sum", 10, out=1))) == Counts(20, 2, 10, 10, additions=10)


DENSE = tensor("w", 3, 4, dtype="int8", value=np.full(12, 2))
SPARSE = tensor("w", 3, 4, dtype="int8", value=[1, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0, 4])


def test_dense_products_count_the_matrix_once() -> None:
    plain = Counts(12 + 6, 4, 12 + 2, 12 + 4, macs=12, emacs=12)
    with_bias = Counts(12 + 6 + 8, 4, 14, 16, macs=12, emacs=12, additions=4)

    assert count_operations(graph(product(tensor("v", 3), DENSE))) == plain
    assert count_operations(graph(product(tensor("v", 3), DENSE, bias=4))) == with_bias


def test_a_sparse_vector_leaves_products_out() -> None:
    vector = tensor("v", 3, avg_sparsity=0.5)

    found = count_operations(graph(product(vector, SPARSE)))

    # half of the 4 products; of the matrix 2 of 12 bytes, of the vector 1.5 elements of 2 bytes
    assert found == Counts(2 + 3, 4, 2 + 2, 2 + 4, macs=2, emacs=12)


@pytest.mark.parametrize("is_left", [True, False])
def test_densities_of_single_elements_count_where_the_matrix_is_not_zero(is_left: bool) -> None:
    n = 3 if is_left else 4
    density = np.arange(1, n + 1) / 8
    vector = tensor("v", n, avg_sparsity=0.5, density_per_element=density)

    found = count_operations(graph(product(vector, SPARSE, is_left=is_left)))

    rows = {True: (1 + 2 + 2 + 3) / 8, False: (1 + 2 + 3 + 4) / 8}
    assert found.macs == rows[is_left]


def test_a_sparse_matrix_with_a_dense_vector_counts_as_two_products() -> None:
    found = count_operations(graph(product(tensor("v", 3), SPARSE, bias=4)))

    n, b, o, q, nz, beta, bytes_beta = 3, 6, 4, 8, 4, 4, 8
    assert found == Counts(
        0.5 * b + 2 * b + 4 + q + bytes_beta,
        b + q,
        5 * n + nz + o + q + 0.5 * q,
        0.5 * n + 4 * n + nz + q + o + beta,
        macs=nz,
        emacs=12,
        additions=4,
    )


def test_a_loop_counts_once_and_both_branches_count() -> None:
    body = graph(one("vneg", 10))
    loop = node("loop", constants={"n_iter": 7}, body=body)
    branches = node("conditional", condition=tensor("c", 1), true=body, false=graph(one("vneg", 5)))

    assert count_operations(graph(loop)).additions == 10
    assert count_operations(graph(branches)).additions == 15


def test_the_counter_that_a_file_names_decides() -> None:
    free, unknown = one("vneg", 10), one("vneg", 10)
    free.counter, unknown.counter = "NullCounter", "ConvCounter"

    assert count_operations(graph(free)) == Counts()
    with pytest.raises(ProgramUnsupported, match=r"cost of vneg \('ConvCounter'\)"):
        count_operations(graph(unknown))


def test_derived_figures_follow_the_reference() -> None:
    counts = Counts(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)

    assert counts.memory_bytes == 3
    assert counts.weight == 8 * (1 + 2 + 3 + 4 + 5)
    assert counts.total_ops == 6 + 8 + 9 + 10 + 11
    assert counts.total_eops == 7 + 8 + 9 + 10 + 11


@pytest.mark.parametrize("opname", ["gmac_v2", "temp_i24_bool_mul"])
def test_operators_whose_counter_fails_in_the_reference_have_no_count(opname: str) -> None:
    item = node(opname, [tensor("o", 4)], x_vi_0=tensor("a", 4))

    with pytest.raises(ProgramUnsupported, match=f"the reference has no cost for {opname}"):
        count_operations(graph(item))


def test_what_has_no_size_is_refused() -> None:
    real = node("relu", [tensor("o", 4)], x=tensor("a", 4, dtype="float"))
    tiny = product(tensor("v", 1), tensor("w", 1, 1, dtype="int4"))
    misfit = product(
        tensor("v", 3, avg_sparsity=0.5, density_per_element=np.ones(5)),
        tensor("w", 3, 4, value=np.ones(12)),
    )

    with pytest.raises(ProgramUnsupported, match="'a' holds 'float', expected int4, int8, int16"):
        count_operations(graph(real))
    with pytest.raises(ProgramUnsupported, match="its matrix 'w' takes 0 bytes"):
        count_operations(graph(tiny))
    with pytest.raises(ProgramUnsupported, match=r"shape \(5,\) at 'v' do not fit the matrix 'w'"):
        count_operations(graph(misfit))
    for shape in ((-1,), (1 << 30, 1 << 30)):
        with pytest.raises(ProgramUnsupported, match="declares an impossible shape"):
            measure_footprint(graph(inputs=[tensor("x", *shape)]))


def test_sizes_follow_the_name_of_the_type() -> None:
    names = ("int4", "fqint8", "int16", "fqint24", "fqint16_fp", "float", "int32", "int16 ", "")
    assert [stored_bits(name) for name in names] == [4, 8, 16, 24, 16, None, None, None, None]
    assert bytes_of(tensor("x", 5, dtype="int4")) == 2
    assert bytes_of(tensor("x", 5, dtype="int24")) == 15
    assert nonzeros(tensor("x", 8, avg_sparsity=0.25)) == 6
    assert nonzeros(tensor("x", 8, avg_sparsity=float("nan"))) == 8
    assert nonzeros(tensor("x", 2, 2, avg_sparsity=0.25, value=[0, 0, 0, 1])) == 1


def test_footprints_count_each_tensor_once_and_parameters_of_inner_graphs_too() -> None:
    shared, fixed = tensor("x", 10), tensor("p", 7, dtype="int8")
    body = graph(node("vvadd", [tensor("o", 10)], x=shared, y=fixed), parameters=[fixed])
    loops = [node("loop", body=body) for _ in range(2)]

    found = measure_footprint(graph(*loops, inputs=[shared], outputs=[tensor("unused", 3)]))

    assert found == Footprint(20 + 7 + 20 + 6, 7)


def test_a_graph_that_is_shared_along_endless_paths_is_counted_at_once() -> None:
    arith = nested_model(60).arith

    assert count_operations(arith).other_logic == 4 * 2**60
    assert measure_footprint(arith).total == 16
