"""Recipes and reproducers: what goes in comes out, and nothing else is believed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from hostrt.errors import UsageError
from hostrt.frames.npz import npz_bytes
from hostrt.frames.sources import read_npz
from hostrt.runner.recipe import Recipe, StoredFile, parse_recipe
from hostrt.runner.reproducer import Failure, Reproducer, load_reproducer
from hostrt.runner.result import Provenance, RunMetrics, RunResult
from hostrt.runner.store import OutputFolder, load_manifest

PLACE = Path("folder/manifest.json")
names = st.from_regex(r"[a-z][a-z0-9_.]{0,8}(/[a-z]{1,4})?", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
seconds = st.floats(1e-6, 1e6)
files = st.builds(StoredFile, names, texts, texts)
recipes = st.builds(
    Recipe,
    runners=st.lists(texts, max_size=3).map(tuple),
    inputs=names,
    period_s=seconds,
    timeout_s=seconds,
    program=st.none() | files,
    model=st.none() | files,
    iospec=st.just("") | names,
    chip=texts,
    key_index=st.none() | st.integers(0, 31),
    salt=st.none() | st.integers(0, 2**64 - 1),
    board=texts,
    verify=st.booleans(),
    force=st.booleans(),
    engine=texts.filter(bool),
    compiler=texts.filter(bool),
    tolerance=st.integers(0, 99),
    warm_up=st.integers(0, 99),
    origin=st.dictionaries(texts, st.none() | st.integers() | texts, max_size=2),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(recipes)
def test_a_recipe_survives_its_file(recipe: Recipe) -> None:
    tree = json.loads(json.dumps(recipe.to_tree()))
    assert parse_recipe(PLACE, tree) == recipe


@given(recipes, st.sampled_from(sorted(Recipe.__dataclass_fields__)), JSON)
def test_any_value_is_refused_or_read(recipe: Recipe, key: str, value: object) -> None:
    tree = recipe.to_tree() | {key: value}
    try:
        parsed = parse_recipe(PLACE, tree)
    except UsageError as error:
        message = str(error)
    else:
        assert isinstance(parsed, Recipe)
        return
    assert str(PLACE) in message


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..", "", "a\0b"])
@pytest.mark.parametrize("key", ["inputs", "iospec", "program", "model"])
def test_files_outside_the_folder_are_not_believed(key: str, name: str) -> None:
    recipe = Recipe(("hw",), "inputs.npz", 0.016, 3.0)
    value: object = {"file": name, "sha256": ""} if key in ("program", "model") else name
    tree = recipe.to_tree() | {key: value}
    if key == "iospec" and not name:
        assert parse_recipe(PLACE, tree) == recipe
        return
    with pytest.raises(UsageError, match="outside the folder"):
        parse_recipe(PLACE, tree)


def test_a_manifest_without_a_recipe_is_read(tmp_path: Path) -> None:
    result = RunResult({}, RunMetrics(1), Provenance("hw", simulated=True))
    OutputFolder(tmp_path).finish(result)
    tree = json.loads((tmp_path / "manifest.json").read_text())
    for key in ("recipe", "latency_s"):
        del tree[key]
    (tmp_path / "manifest.json").write_text(json.dumps(tree))
    manifest = load_manifest(tmp_path, verify=True)
    assert (manifest.recipe, manifest.latency_s, manifest.runners) == (None, None, ())


def test_a_run_of_several_names_them_and_keeps_the_frames(tmp_path: Path) -> None:
    frames: dict[str, np.ndarray[Any, Any]] = {"x": np.arange(6, dtype=np.int16).reshape(2, 3)}
    frames["file"] = np.zeros((2, 1), np.int8)
    recipe = Recipe(("hw", "fqir"), "inputs.npz", 0.016, 3.0)
    folder = OutputFolder(tmp_path)
    folder.write_inputs(frames)
    folder.finish_several(["hw", "fqir"], inputs=frames, recipe=recipe)
    manifest = load_manifest(tmp_path, verify=True)
    assert manifest.runners == ("hw", "fqir")
    assert manifest.recipe == recipe
    with np.load(tmp_path / "inputs.npz") as arrays:
        assert {name: arrays[name].tolist() for name in arrays} == {
            name: array.tolist() for name, array in frames.items()
        }


def test_what_lies_in_the_folder_is_named_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "program.femto").write_bytes(b"abc")
    folder = OutputFolder(tmp_path)
    folder.adopt("program.femto")
    folder.finish_several([], inputs={})
    load_manifest(tmp_path, verify=True)
    (tmp_path / "program.femto").write_bytes(b"abd")
    with pytest.raises(UsageError, match=r"program\.femto: hash"):
        load_manifest(tmp_path, verify=True)
    with pytest.raises(UsageError, match="leads out"):
        folder.adopt("../x")


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path)
    folder.write_file("x", b"abc")
    folder.finish_several([], inputs={})
    (tmp_path / "x").unlink()
    os.mkfifo(tmp_path / "x")
    with pytest.raises(UsageError, match="not a file"):
        load_manifest(tmp_path, verify=True)


# -- reproducers ----------------------------------------------------------------------------------

FAILURE = Failure("hw", "fqir", "y", "values", 3, 4, -5, 6)
REPRODUCER = Reproducer(FAILURE, 1, (7, 9), 40, 12, is_complete=True)


@pytest.mark.parametrize(
    "reproducer",
    [REPRODUCER, replace(REPRODUCER, expected=Failure("a", "b", "y", "shape"), is_complete=False)],
)
def test_a_reproducer_survives_its_file(tmp_path: Path, reproducer: Reproducer) -> None:
    (tmp_path / "reproduce.json").write_bytes(reproducer.to_bytes())
    assert load_reproducer(tmp_path) == reproducer


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["format", "expected", "frames", "tolerance", "n_frames"]), JSON)
def test_any_reproducer_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    folder = tmp_path_factory.mktemp("any")
    tree = json.loads(REPRODUCER.to_bytes()) | {key: value}
    (folder / "reproduce.json").write_text(json.dumps(tree))
    try:
        found = load_reproducer(folder)
    except UsageError as error:
        message = str(error)
    else:
        assert isinstance(found, Reproducer)
        return
    assert "reproduce.json" in message


# -- arrays ---------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
        npst.arrays(
            st.sampled_from(["<i1", "<i2", ">i4", "<u8"]),
            npst.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
        ),
        max_size=3,
    )
)
def test_arrays_of_any_name_come_back_and_make_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, np.ndarray[Any, Any]]
) -> None:
    data = bytes(npz_bytes(arrays))
    assert data == bytes(npz_bytes(arrays))
    path = tmp_path_factory.mktemp("any") / "x.npz"
    path.write_bytes(data)
    found = read_npz(path)
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    assert all(found[name].shape == arrays[name].shape for name in arrays)
