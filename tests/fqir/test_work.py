"""What a frame really computes: loops, strides, branches, convolutions."""

from __future__ import annotations

import numpy as np
import pytest

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.counts import count_operations
from hostrt.fqir.graph import Node
from hostrt.fqir.operators import OPERATORS
from hostrt.fqir.work import Work, estimate_work
from tests.fqir.inspected import (
    golden,
    graph,
    nested_model,
    node,
    one,
    product,
    small_model,
    tensor,
)

MATRIX = tensor("w", 3, 4, dtype="int8")


def test_what_a_frame_computes_follows_loops_strides_and_branches() -> None:
    def times(n: int) -> Node:
        return one("vneg", n)

    loop = node("loop", constants={"n_iter": 5}, body=graph(times(3)))
    strided = node(
        "strided_subgraph", constants={"n": 4, "k": 1}, counter=tensor("c", 1), body=graph(times(8))
    )
    either = node("conditional", true=graph(times(6)), false=graph(one("vimul", 9)))

    assert estimate_work(graph(loop)).additions == 15
    assert estimate_work(graph(strided)).additions == 2
    assert estimate_work(graph(strided), at_most=True).additions == 8
    assert estimate_work(graph(either)) == Work(additions=6, multiplies=9)
    assert estimate_work(graph(*[strided] * 49)).additions == 98


CONV = {
    "kernel_size_band": 3, "dilation_band": 2, "stride_band": 2, "padding_band": 1, "n_band_in": 16
}  # fmt: skip


def test_what_a_frame_computes_knows_products_and_convolutions() -> None:
    weight, out = tensor("w", 8, 4, 3, 2), tensor("o", 8 * 7)
    bias = tensor("b", 8)
    conv = node(
        "temporal_conv2d", [out], constants=CONV, input=tensor("i", 64), weight=weight, bias=bias
    )
    gmac = node("gmac_v2", [tensor("o", 5)] * 2, x_vv_0=out, y_vv_0=out, x_vi_0=out, x_vi_1=out)
    matrices = node("matmul", [tensor("o", 3, 5)], x=tensor("x", 3, 4), y=tensor("y", 4, 5))

    # 7 bands: 16 and 2 of padding, less a reach of 5, in steps of 2
    assert estimate_work(graph(conv)) == Work(macs=8 * 4 * 3 * 2 * 7, additions=56)
    assert estimate_work(graph(gmac)).macs == 15
    assert estimate_work(graph(matrices)).macs == 60
    assert estimate_work(graph(product(tensor("v", 3), MATRIX, bias=4))) == Work(12, 4)
    assert estimate_work(graph(product(tensor("v", 4), MATRIX, is_left=False))).macs == 12
    assert estimate_work(graph(one("sum", 10, out=1))).additions == 10


def test_what_a_frame_computes_is_the_references_count_where_that_sees_everything() -> None:
    for name in ("gru2", "latched_gain", "mlp_int4", "mlp_sigmoid", "norm_softmax", "identity32"):
        ours, theirs = estimate_work(golden(name).arith), count_operations(golden(name).arith)
        assert ours.macs == theirs.emacs
        for kind in ("additions", "multiplies", "luts", "other_logic"):
            assert getattr(ours, kind) == getattr(theirs, kind)
    assert estimate_work(golden("tdnn_dw").arith).macs == 5408
    assert estimate_work(golden("control_flow").arith, at_most=True).macs == 64 + 18 * 8


@pytest.mark.parametrize("value", [None, 0, -1, "4", np.arange(3), 2.5, 1 << 60])
def test_a_count_that_cannot_be_is_refused(value: object) -> None:
    loop = node("loop", constants={"n_iter": value}, body=graph(one("vneg", 3)))

    with pytest.raises(ProgramUnsupported, match="loop has no usable constant n_iter"):
        estimate_work(graph(loop))


def test_a_node_without_its_inputs_is_refused() -> None:
    for opname in ("matmul", "sum", "gmac_v2"):
        bare = Node("", OPERATORS[opname], {}, [])
        with pytest.raises(ProgramUnsupported, match=f"{opname} has fewer inputs or outputs"):
            estimate_work(graph(bare))


def test_a_graph_that_is_shared_along_endless_paths_is_counted_at_once() -> None:
    assert estimate_work(nested_model(60).arith).other_logic == 4 * 2**60


def test_a_small_model_is_counted() -> None:
    found = estimate_work(small_model().arith)

    assert found == Work(additions=4, multiplies=4, other_logic=4)
