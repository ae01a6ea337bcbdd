"""SiMa bundles: the golden archives, and contracts that contradict themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from firmware_protocol.sima import Processor
from hostrt.errors import ProgramCorrupt, ProgramNotFound, ProgramUnsafe, UsageError
from hostrt.program.bundle import MemberClass, load_bundle
from hostrt.program.intake import Budgets
from tests.archive.sima_material import BOX, DATA, EXPECTED, TINY, WIDE, members_of, packed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", EXPECTED)
def test_a_golden_bundle_reads_as_expected(name: str) -> None:
    found = load_bundle(DATA / name).to_json()
    found.pop("warnings")
    assert found == EXPECTED[name]
    assert json.loads(json.dumps(found)) == found


def test_an_unmet_batch_is_used_as_built_and_warned_of() -> None:
    bundle = load_bundle(DATA / WIDE)
    assert (bundle.batch.desired, bundle.batch.actual, bundle.batch.met) == (16, 12, False)
    assert "batch 16 was asked for, 12 was built" in bundle.warnings[0]
    assert [bundle.invocations(n) for n in (0, 1, 12, 13, 24, 25)] == [0, 1, 1, 2, 2, 3]
    with pytest.raises(UsageError):
        bundle.invocations(-1)
    assert load_bundle(DATA / TINY).warnings == ()


def test_times_exist_only_at_a_clock() -> None:
    bundle = load_bundle(DATA / TINY)
    assert [time.time_s for time in bundle.layer_times(1e6)] == [2048e-6, 4096e-6, 512e-6]
    for clock in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError):
            bundle.layer_times(clock)
    assert not [key for key in bundle.to_json() if key.endswith(("_s", "_ms", "_us"))]


def test_members_know_what_they_are_for() -> None:
    classes = {m.name: m.member_class for m in load_bundle(DATA / BOX).members}
    assert classes["boxnet_stage1_mla.elf"] is MemberClass.MLA_PROGRAM
    assert classes["archived_compile_script.build_boxnet.py"] is MemberClass.SCRIPT
    assert classes["pipeline_sequence.json"] is MemberClass.CONFIGURATION
    wide = load_bundle(DATA / WIDE)
    assert {m.name: m.member_class for m in wide.members}["widenet_stage2_a65.so"] is (
        MemberClass.HOST_MODULE
    )
    assert wide.executables(Processor.A65) == ("widenet_stage2_a65.so",)
    assert wide.executables(Processor.EV74) == ()


def test_the_file_may_be_called_anything(tmp_path: Path) -> None:
    path = tmp_path / "renamed.bin"
    path.write_bytes((DATA / TINY).read_bytes())
    assert load_bundle(path).to_json() == load_bundle((DATA / TINY).read_bytes()).to_json()
    with pytest.raises(ProgramNotFound):
        load_bundle(tmp_path / "none")


def test_a_bundle_without_statistics_is_usable_with_a_warning() -> None:
    members = members_of(TINY)
    del members["tinynet_stage1_mla_stats.yaml"]
    bundle = load_bundle(packed(members))
    assert (bundle.layers, bundle.mla_cycles, bundle.mla_span_cycles) == ((), 0, 0)
    assert "no statistics" in bundle.warnings[0]


def test_members_in_folders_are_found_by_base_name() -> None:
    moved = {f"./share/{name}": data for name, data in members_of(TINY).items()}
    bundle = load_bundle(packed(moved))
    assert bundle.mla_cycles == 6656
    assert bundle.contract_name == "share/tinynet_mpk.json"
    moved["other/notes.txt"] = moved["notes.txt"] = b""
    assert "different folders" in load_bundle(packed(moved)).warnings[0]


def test_statistics_of_another_name_belong_to_the_only_program() -> None:
    members = members_of(TINY)
    members["other_mla_stats.yml"] = members.pop("tinynet_stage1_mla_stats.yaml")
    assert load_bundle(packed(members)).mla_cycles == 6656


def test_programs_that_no_stage_runs_are_warned_of() -> None:
    members = members_of(TINY) | {"left.so": b"\x7fELF"}
    assert "left.so: no stage" in load_bundle(packed(members)).warnings[0]


WITHOUT: dict[str, dict[str, bytes | None]] = {
    "no contract": {"tinynet_mpk.json": None},
    "two contracts": {"mpk.json": b"{}"},
    "no program": {"tinynet_stage1_mla.lm": None},
    "empty program": {"tinynet_stage1_mla.lm": b""},
    "program twice": {"a/tinynet_stage1_mla.lm": b"1"},
    "contract not json": {"tinynet_mpk.json": b"{"},
    "contract a list": {"tinynet_mpk.json": b"[]"},
    "statistics not yaml": {"tinynet_stage1_mla_stats.yaml": b"a: ["},
    "statistics twice a key": {"tinynet_stage1_mla_stats.yaml": b"1: {}\n1: {}\n"},
    "statistics flat": {"tinynet_stage1_mla_stats.yaml": b"1:\nname: a\n"},
}


@pytest.mark.parametrize("case", WITHOUT)
def test_a_bundle_with_a_faulty_member_is_refused(case: str) -> None:
    members = members_of(TINY)
    for name, data in WITHOUT[case].items():
        if data is None:
            del members[name]
        else:
            members[name] = data
    with pytest.raises(ProgramCorrupt) as caught:
        load_bundle(packed(members), name="tiny")
    assert str(caught.value).startswith("tiny")
    assert "\n" not in str(caught.value)


def test_json_of_all_members_together_has_a_budget() -> None:
    size = sum(len(d) for n, d in members_of(BOX).items() if n.endswith(".json"))
    assert load_bundle(DATA / BOX, Budgets(json_bytes=size)).batch.met
    with pytest.raises(ProgramUnsafe, match="bytes of JSON"):
        load_bundle(DATA / BOX, Budgets(json_bytes=size - 1))
