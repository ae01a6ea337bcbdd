"""Coefficients of energy: the shipped files, a user's own, and the formula."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hostrt.fasmir
from firmware_protocol.open_isa_cost import EVENT_NAMES, Events
from hostrt.errors import ProgramCorrupt, ProgramNotFound
from hostrt.fasmir.spu_model import POWERS, load_spu_model

SHIPPED = Path(hostrt.fasmir.__file__).parent
COUNTS = st.integers(0, 10**9)


@pytest.mark.parametrize("chip", ["spu001", "spu150tc1", "spu150"])
def test_every_chip_has_coefficients_and_each_has_a_source(chip: str) -> None:
    model = load_spu_model(chip)
    assert chip.startswith(model.name)
    figures = [*model.energy_per_event_j.values(), *model.power_w.values()]
    assert len(figures) == len(EVENT_NAMES) + len(POWERS)
    assert all(item.value > 0 for item in figures)
    assert all(item.source.startswith(("assumed: ", "Horowitz: ")) for item in figures)


def test_a_users_file_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    text = (SHIPPED / "spu001.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("value: 0.1e-12", "value: 7"))
    model = load_spu_model("spu001", tmp_path / "mine.yaml")
    assert model.energy_per_event_j["lane_ops"].value == 7


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("  tm_reads:", "  tm_raeds:", "tm_raeds"),
        ("value: 0.1e-12", "value: -1", "lane_ops.value"),
        ("value: 0.1e-12", "value: .nan", "lane_ops.value"),
        ("value: 0.1e-12", "value: true", "lane_ops.value"),
        ('source: "Horowitz: 32-bit addition"', 'source: ""', "without a source"),
        ("power_w:", "power:", "active_core"),
        ("name: spu001", "name: 3", "name"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    text = (SHIPPED / "spu001.yaml").read_text()
    assert old in text
    (tmp_path / "x.yaml").write_text(text.replace(old, new))
    with pytest.raises(ProgramCorrupt, match=what):
        load_spu_model("spu001", tmp_path / "x.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotFound, match=r"x\.yaml"):
        load_spu_model("spu001", tmp_path / "x.yaml")


@given(st.builds(Events, *[COUNTS] * len(EVENT_NAMES)), st.builds(Events, *[COUNTS] * 8))
def test_energies_of_events_add_up(a: Events, b: Events) -> None:
    model = load_spu_model("spu001")
    total = model.event_energy_j(a + b)
    assert total == pytest.approx(model.event_energy_j(a) + model.event_energy_j(b))
    by_hand = sum(count * model.energy_per_event_j[name].value for name, count in asdict(a).items())
    assert model.event_energy_j(a) == pytest.approx(by_hand)


def test_the_energy_of_a_frame_is_the_formula_of_the_documentation() -> None:
    model = load_spu_model("spu001")
    energy = model.frame_energy_j(
        Events(dm_reads=1000), busy_s=0.004, seconds=0.016, n_cores=2, n_banks=5
    )
    by_hand = (
        1000 * 26e-12 + 0.004 * 0.3e-3 + (2 * 0.016 - 0.004) * 0.02e-3 + (5 * 2e-6 + 20e-6) * 0.016
    )
    assert energy == pytest.approx(by_hand)
