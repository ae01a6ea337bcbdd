"""SiMa contracts and statistics: what contradicts itself, and what is merely unknown."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import FormatError
from firmware_protocol.sima import Processor, parse_contract, parse_stats
from hostrt.program.bundle import load_bundle
from tests.archive.sima_material import BOX, CONTRACTS, TINY, WIDE, edited, members_of, packed

BAD_FIELDS: list[tuple[str, str, object]] = [
    (TINY, "name", ""),
    (TINY, "name", "a\x1b[2Jb"),
    (TINY, "name", "\ud800"),
    (TINY, "plugins", "a\nb"),
    (TINY, "model_path", "a\nb"),
    (TINY, "input_nodes", []),
    (TINY, "plugins", []),
    (TINY, "plugins", {}),
    (TINY, "plugins.0", 1),
    (TINY, "plugins.0.name", "MLA_0"),
    (TINY, "plugins.0.sequence", 2),
    (TINY, "plugins.5.sequence", 7),
    (TINY, "plugins.0.sequence", 0),
    (TINY, "plugins.0.sequence", True),
    (TINY, "plugins.0.sequence", 1.0),
    (TINY, "plugins.0.processor", "GPU"),
    (TINY, "plugins.2.processor", "EV74"),
    (TINY, "plugins.0.input_nodes", []),
    (TINY, "plugins.0.input_nodes.0.name", "nobody"),
    (TINY, "plugins.0.input_nodes.0.name", "quantize_0"),
    (TINY, "plugins.0.input_nodes.0.size", 9407),
    (TINY, "plugins.0.output_nodes.0.name", "input"),
    (TINY, "plugins.0.output_nodes.0.size", -1),
    (TINY, "plugins.0.output_nodes.0.size", 10**30),
    (TINY, "input_nodes.0.logical_shape", [1, 28, 28, 4]),
    (TINY, "input_nodes.0.logical_shape", [0]),
    (TINY, "input_nodes.0.logical_shape", [1] * 17),
    (TINY, "input_nodes.0.input_range", [1, 0]),
    (TINY, "input_nodes.0.input_range", [0, 10**400]),
    (TINY, "plugins.2.config_params.actual_batch_size", ...),
    (TINY, "plugins.2.config_params.number_of_quads_to_user", 0),
    (TINY, "plugins.2.resources", ...),
    (TINY, "plugins.2.resources.executable", "../tinynet_stage1_mla.lm"),
    (TINY, "plugins.2.resources.executable", "a/tinynet_stage1_mla.lm"),
    (TINY, "plugins.2.resources.executable", "a\\b.lm"),
    (TINY, "plugins.2.resources.executable", "c:b.lm"),
    (TINY, "plugins.2.resources.executable", "tinynet.so"),
    (TINY, "plugins.0.config_params.kernel", ...),
    (TINY, "plugins.0.config_params.params", []),
    (TINY, "plugins.0.config_params.params.channel_params", [[0, 0]]),
    (TINY, "plugins.0.config_params.params.channel_params", [[1, 128]]),
    (TINY, "plugins.0.config_params.params.channel_params", [[1, 0], [1, 0]]),
    (TINY, "plugins.0.config_params.params.num_bits", ...),
    (TINY, "plugins.0.config_params.params.output_shapes", [[1, 28, 28, 4]]),
    (TINY, "plugins.0.config_params.params.output_shapes", [[1, 28, 28, 3], [1]]),
    (TINY, "plugins.1.config_params.params.align_c16", "no"),
    (TINY, "plugins.1.config_params.params.slice_shape", [-1]),
    (TINY, "plugins.3.config_params.params.frame_shape", [1, 1, 11]),
    (TINY, "plugins.4.config_params.kernel", "pass_through"),
    (TINY, "plugins.5.config_params.kernel", "pack_transform"),
    (TINY, "plugins.5.output_nodes.0.size", 41),
    (WIDE, "plugins.0.output_nodes.0.size", 36865),
    (WIDE, "plugins.2.config_params.actual_batch_size", 7),
    (WIDE, "plugins.5.resources.executable", "widenet_stage2_a65.lm"),
    (WIDE, "plugins.5.config_params.input_names", []),
    (WIDE, "plugins.5.config_params.output_types.0.shape", [12, 11]),
    (BOX, "plugins.0.config_params.params.out_dtype", "float32"),
    (BOX, "plugins.2.config_params.params.tensor_types", ["bfloat16"]),
    (BOX, "plugins.2.config_params.params.tensor_shapes", [[1, 8, 8, 32], [1, 8, 8, 9]]),
    (BOX, "plugins.3.config_params.params.begin", [0, 0, 0, 1]),
    (BOX, "plugins.3.config_params.params.end", [1, 8, 8, 9]),
    (BOX, "plugins.3.config_params.params.begin", [0, 0, 0]),
    (BOX, "plugins.6.input_nodes", [{"name": "cast_1", "size": 8192}]),
    (BOX, "plugins.6.config_params.kernel", "publish_elsewhere"),
    (BOX, "input_nodes.0.size", 49156),
    (BOX, "plugins.3.config_params.params.output_shape", [1, 8, 8, 3]),
    (BOX, "plugins.4.output_nodes.0.size", 8190),
    (WIDE, "plugins.5.config_params.output_types", [{}, {}]),
    (WIDE, "plugins.5.config_params.input_types", [{"scalar": "float32", "shape": [12]}]),
]


@pytest.mark.parametrize(("name", "path", "value"), BAD_FIELDS)
def test_a_contract_that_contradicts_itself_is_refused(name: str, path: str, value: object) -> None:
    parse_contract(CONTRACTS[name], "c")
    with pytest.raises(FormatError) as caught:
        parse_contract(edited(name, path, value), "c.json")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("path", ["0.size", "0", "0.input_range.1"])
def test_numbers_too_long_to_be_shown_are_refused_all_the_same(path: str) -> None:
    with pytest.raises(FormatError, match="found input_nodes"):
        parse_contract(edited(TINY, f"input_nodes.{path}", 10**5000), "c")


def chained(name: str, *sizes: tuple[str, int], **params: object) -> dict[str, Any]:
    """The contract with buffers resized wherever they occur, and parameters `stage__key` set."""
    tree = copy.deepcopy(CONTRACTS[name])
    wanted = dict(sizes)
    for plugin in tree["plugins"]:
        for node in (*plugin["input_nodes"], *plugin["output_nodes"]):
            node["size"] = wanted.get(node["name"], node["size"])
        for key, value in params.items():
            stage, _, parameter = key.partition("__")
            if stage == plugin["name"]:
                plugin["config_params"]["params"][parameter] = value
    return tree


CONTRADICTIONS = {
    "a batch that does not divide": (
        chained(WIDE, ("MLA_0", 12289), detessellate_0__input_shapes=[[12289]]),
        "a multiple of batch 12",
    ),
    "tiles smaller than the frame": (
        chained(TINY, ("MLA_0", 9), detessellate_0__input_shapes=[[1, 9]]),
        "9 bytes tessellated, expected at least 10",
    ),
    "elements that vanish": (
        chained(TINY, quantize_0__input_shapes=[[1, 28, 28, 6]]),
        "equal elements",
    ),
    "a slice of another size": (
        chained(
            BOX,
            ("slice_1", 256),
            ("cast_2", 512),
            ("boxes", 512),
            cast_2__input_shapes=[[1, 8, 8, 2]],
            cast_2__output_shapes=[[1, 8, 8, 2]],
        ),
        "the ratio of",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_sizes_that_agree_with_their_neighbours_and_not_with_the_kernel_are_refused(
    case: str,
) -> None:
    tree, expected = CONTRADICTIONS[case]
    with pytest.raises(FormatError, match=expected):
        parse_contract(tree, "c")


def test_a_buffer_that_nobody_uses_is_refused_when_outputs_are_published() -> None:
    tree = copy.deepcopy(CONTRACTS[TINY])
    tree["plugins"][2]["output_nodes"].append({"name": "loose", "size": 16})
    with pytest.raises(FormatError, match="loose is never used"):
        parse_contract(tree, "c")
    tree = copy.deepcopy(CONTRACTS[TINY])
    tree["input_nodes"].append({"name": "idle", "size": 16})
    with pytest.raises(FormatError, match="idle is never used"):
        parse_contract(tree, "c")


ODD_FIELDS: list[tuple[str, str, object, str]] = [
    (TINY, "plugins.0.type", "other", "type 'other'"),
    (TINY, "plugins.0.config_params.kernel", "new_transform", "'new_transform' is not known"),
    (TINY, "plugins.0.config_params.params.extra", 1, "parameters not known"),
    (TINY, "plugins.0.config_params.params.num_bits", 16, "only 8 bits"),
    (TINY, "plugins.1.config_params.params.frame_type", "int16", "'int16' is not known"),
    (TINY, "plugins.0.config_params.actual_batch_size", 2, "unlike the MLA's"),
]


@pytest.mark.parametrize(("name", "path", "value", "warning"), ODD_FIELDS)
def test_what_is_merely_unknown_is_accepted_with_a_warning(
    name: str, path: str, value: object, warning: str
) -> None:
    warnings = parse_contract(edited(name, path, value), "c").warnings
    assert len(warnings) == 1
    assert warning in warnings[0]


def test_old_contracts_may_lack_batch_keys_off_the_mla() -> None:
    tree = copy.deepcopy(CONTRACTS[WIDE])
    for plugin in tree["plugins"]:
        if plugin["processor"] != "MLA":
            del plugin["config_params"]["desired_batch_size"]
            del plugin["config_params"]["actual_batch_size"]
    contract = parse_contract(tree, "c")
    assert contract.batch.actual == 12
    assert contract.stages[0].batch is None


def test_old_contracts_may_end_without_a_publishing_stage() -> None:
    tree = copy.deepcopy(CONTRACTS[TINY])
    del tree["plugins"][-1]
    assert [node.name for node in parse_contract(tree, "c").outputs] == ["dequantize_0"]
    tree["model_sdk_version"] = "2.0.0"
    with pytest.raises(FormatError, match="pass_through"):
        parse_contract(tree, "c")


def test_stages_are_sorted_and_cvu_is_the_ev74() -> None:
    tree = copy.deepcopy(CONTRACTS[BOX])
    tree["plugins"].reverse()
    tree["plugins"][-1]["processor"] = "CVU"
    assert parse_contract(tree, "c").stages == parse_contract(CONTRACTS[BOX], "c").stages


def test_programs_of_one_contract_share_one_batch_and_need_an_output() -> None:
    tree = copy.deepcopy(CONTRACTS[TINY])
    second = copy.deepcopy(tree["plugins"][2])
    second |= {"name": "MLA_1", "sequence": 6}
    second["input_nodes"] = [{"name": "dequantize_0", "size": 40}]
    second["output_nodes"] = [{"name": "MLA_1", "size": 20}]
    tree["plugins"][5] = second
    contract = parse_contract(tree, "c")
    assert [stage.name for stage in contract.on(Processor.MLA)] == ["MLA_0", "MLA_1"]
    assert [node.name for node in contract.outputs] == ["MLA_1"]
    second["config_params"]["actual_batch_size"] = 2
    with pytest.raises(FormatError, match="MLA batches"):
        parse_contract(tree, "c")


def test_a_network_split_over_two_programs_is_not_fully_on_the_mla() -> None:
    members = members_of(TINY)
    tree = copy.deepcopy(CONTRACTS[TINY])
    second = copy.deepcopy(tree["plugins"][2])
    second |= {"name": "MLA_1", "sequence": 6, "resources": {"executable": "two_mla.elf"}}
    second["input_nodes"] = [{"name": "dequantize_0", "size": 40}]
    second["output_nodes"] = [{"name": "MLA_1", "size": 20}]
    tree["plugins"][5] = second
    members |= {
        "tinynet_mpk.json": json.dumps(tree).encode(),
        "two_mla.elf": b"\x7fELF",
        "two_mla_stats.yaml": b"1: {name: MLA_1/a, start_cycle: 0, end_cycle: 9}\n",
    }
    bundle = load_bundle(packed(members))
    assert not bundle.fully_on_mla
    assert (bundle.mla_cycles, bundle.mla_span_cycles) == (6666, 6666)
    assert (bundle.mla_ifm_bytes_per_frame, bundle.mla_ofm_bytes_per_frame) == (2352, 20)
    assert bundle.executables(Processor.MLA) == ("tinynet_stage1_mla.lm", "two_mla.elf")


def test_packed_parts_are_rounded_up_to_16_bytes() -> None:
    tree = copy.deepcopy(CONTRACTS[BOX])
    unpack, piece = tree["plugins"][2], {"name": "MLA_0_ofm_unpack_transform_2", "size": 6}
    unpack["output_nodes"].append(piece)
    params = unpack["config_params"]["params"]
    params["tensor_types"].append("bfloat16")
    for key in ("tensor_shapes", "output_shapes"):
        params[key].append([1, 3])
    tree["plugins"][6]["input_nodes"].append(piece)
    tree["plugins"][6]["output_nodes"].append({"name": "extra", "size": 6})
    for size, fits in ((5120 + 16, True), (5120 + 6, True), (5120 + 8, False), (5120, False)):
        tree["plugins"][1]["output_nodes"][0]["size"] = size
        unpack["input_nodes"][0]["size"] = size
        if fits:
            assert len(parse_contract(tree, "c").outputs) == 3
        else:
            with pytest.raises(FormatError, match="as its parts"):
                parse_contract(tree, "c")


def paths(tree: object, at: tuple[str, ...] = ()) -> list[str]:
    inside = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    below = [path for key, value in inside for path in paths(value, (*at, str(key)))]
    return ([".".join(at)] if at else []) + below


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_change_of_a_contract_is_a_value_or_one_documented_error(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(CONTRACTS)))
    path = data.draw(st.sampled_from(paths(CONTRACTS[name])))
    junk: st.SearchStrategy[object] = st.sampled_from(
        [None, True, -1, 0, 1, 10**40, 0.5, "", "x" * 999, [], [[]], {}, [None]]
    )
    tree = edited(name, path, data.draw(junk | st.just(...)))
    try:
        contract = parse_contract(tree, "c")
    except FormatError:
        return
    assert contract.on(Processor.MLA)


ROW = {"name": "MLA_0/a", "start_cycle": 0, "end_cycle": 9}


def test_cycles_include_the_last_one_and_gaps_and_overlaps_show_in_the_span() -> None:
    stats = parse_stats(
        {
            3: {"name": "c", "start_cycle": 63615, "end_cycle": 71558},
            1: {"name": "a", "start_cycle": 71559, "end_cycle": 79502},
            2: {"name": "b", "start_cycle": 79500, "end_cycle": 79509},
        },
        "s",
    )
    assert [layer.index for layer in stats.layers] == [1, 2, 3]
    assert [layer.cycles for layer in stats.layers] == [7944, 10, 7944]
    assert (stats.cycles, stats.span_cycles) == (15898, 79509 - 63615 + 1)


@pytest.mark.parametrize(
    "tree",
    [
        None,
        [],
        {},
        {"1": ROW},
        {True: ROW},
        {-1: ROW},
        {10**5000: ROW},
        {"a\nb": ROW},
        {1: None},
        {1: {"name": "a"}},
        {1: ROW | {"name": ""}},
        {1: ROW | {"name": "a\nb"}},
        {1: ROW | {"start_cycle": 10}},
        {1: ROW | {"start_cycle": 1.0}},
        {1: ROW | {"end_cycle": -1}},
        {1: ROW | {"end_cycle": True}},
        {1: ROW | {"end_cycle": 10**5000}},
    ],
)
def test_faulty_statistics_are_refused(tree: object) -> None:
    with pytest.raises(FormatError) as caught:
        parse_stats(tree, "s")
    assert str(caught.value).isprintable()
