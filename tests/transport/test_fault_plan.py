from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.faults import Fault, FaultPlan, FaultRule

rules = st.one_of(
    st.builds(FaultRule, st.sampled_from(Fault), at=st.integers(1, 10_000)),
    st.builds(FaultRule, st.sampled_from(Fault), rate=st.floats(0, 1)),
)


@given(st.lists(rules, max_size=5), st.integers(0, 1 << 40))
@settings(max_examples=60, deadline=None)
def test_a_plan_survives_being_written_and_parsed(items: list[FaultRule], seed: int) -> None:
    plan = FaultPlan(tuple(items), seed)
    assert FaultPlan.parse(str(plan), seed) == plan


@given(st.lists(rules, max_size=4), st.integers(1, 10_000), st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_deciding_many_equals_deciding_one_by_one(
    items: list[FaultRule], first: int, count: int
) -> None:
    plan = FaultPlan(tuple(items), 3)
    one_by_one = {n: plan.decide(n) for n in range(first, first + count)}
    assert plan.decide_many(first, count) == {n: f for n, f in one_by_one.items() if f}


def test_a_counter_hits_exactly_once() -> None:
    plan = FaultPlan.parse("lose@500, unplug@7")
    assert plan.decide_many(1, 1000) == {7: Fault.UNPLUG, 500: Fault.LOSE}


def test_a_rate_hits_about_as_often_as_it_says_and_depends_on_the_seed() -> None:
    hits = [set(FaultPlan.parse("corrupt~0.1", seed).decide_many(1, 10_000)) for seed in (1, 2)]
    assert 850 < len(hits[0]) < 1150
    assert hits[0] != hits[1]


def test_choose_stays_in_bounds_and_repeats() -> None:
    plan = FaultPlan.parse("corrupt~1")
    values = [plan.choose(n, 512) for n in range(1, 2000)]
    assert values == [plan.choose(n, 512) for n in range(1, 2000)]
    assert 0 <= min(values) < 20
    assert 490 < max(values) < 512


@pytest.mark.parametrize("text", ["lose", "lose@0", "boom@3", "lose@x", "late~2", "late~-1", "@"])
def test_a_malformed_plan_names_the_item(text: str) -> None:
    with pytest.raises(LocalMisuseError, match="fault"):
        FaultPlan.parse(text)


def test_design_notation_for_a_lost_acknowledgement_is_understood() -> None:
    assert FaultPlan.parse("lose_ack@500").decide(500) is Fault.LOSE
