"""Generated inputs have the reference's values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hostrt.errors import FrameError, UsageError
from hostrt.frames.frames import VectorSpec
from hostrt.frames.generate import STYLES, generate_inputs

SPU = Path(__file__).parents[1] / "data" / "spu"
CASES: list[dict[str, Any]] = json.loads((SPU / "runner_rules.json").read_text())["stimulus"]


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['style']}{case['precision']}-{case['np_random_seed']}"
)
def test_values_are_those_of_the_reference(case: dict[str, Any]) -> None:
    spec = VectorSpec("x", case["length"], case["length"] + 3, case["precision"])
    frames = generate_inputs(
        [spec], case["frames"], style=case["style"], seed=case["np_random_seed"]
    )
    assert frames.logical("x").tolist() == case["values"]
    assert frames["x"].dtype == spec.dtype


@pytest.mark.parametrize("style", STYLES)
def test_no_frames_are_generated_without_complaint(style: str) -> None:
    specs = [VectorSpec("x", 4, 4, 16), VectorSpec("p", 4, 4, 16, is_latched=True)]
    assert generate_inputs(specs, 0, style=style).n_frames == 0


def test_the_sine_is_cut_towards_zero() -> None:
    frames = generate_inputs([VectorSpec("x", 1, 1, 16)], 7, style="sine")
    # 16384 * sin(2 pi / 7) = 12809.5..
    assert (frames["x"][1].item(), frames["x"][6].item()) == (12809, -12809)


def test_a_latched_input_gets_one_value_and_inputs_draw_in_turn() -> None:
    specs = [VectorSpec("x", 5, 5, 16), VectorSpec("p", 4, 4, 16, is_latched=True)]
    frames = generate_inputs(specs, 3, style="random")
    assert frames.is_sent_once("p")
    assert frames["p"].shape == (1, 4)
    again = generate_inputs(specs, 3, style="random")
    assert np.array_equal(frames["p"], again["p"])
    assert not np.array_equal(frames["p"][0], frames["x"][0, :4])


def test_negative_numbers_and_unknown_styles_are_refused() -> None:
    with pytest.raises(FrameError, match="-1 frames"):
        generate_inputs([VectorSpec("x", 4, 4, 16)], -1)
    with pytest.raises(UsageError, match="expected one of sawtooth, random, sine"):
        generate_inputs([VectorSpec("x", 4, 4, 16)], 1, style="square")
