"""`run --shrink` and `hostrt reproduce`."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt.chip.step import Space
from hostrt.runner.dummy import DummyRunner
from hostrt.runner.store import load_manifest
from hostrt.sim.spu import SimulatedSpu
from tests.cli.conftest import DATA, echo

if TYPE_CHECKING:
    from firmware_protocol.words import Words

pytestmark = pytest.mark.slow

MODEL = DATA / "fqir" / "gru2" / "model.pt"
GRU = Path("out/model_spu001_noenc")
LOOPBACK = Path("out/loopback_spu001_noenc")
DM0 = 0x0010_0000


def flip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one bit of a weight flip on its way to the chip."""
    write = SimulatedSpu.write

    def flipped(self: Any, space: Space, address: int, words: Words, stride: int = 4) -> None:
        if space is Space.APB and address == DM0:
            words = words.copy()
            words[80] ^= 0x80
        write(self, space, address, words, stride)

    monkeypatch.setattr(SimulatedSpu, "write", flipped)


def loopback(hostrt: Any, *words: object) -> None:
    done = hostrt("run", "LOOPBACK", "--board", "sim", "--n-frames", 4, "-o", "out", *words)
    assert done.code == 0, done.err


def change(folder: Path, find: str, put: str) -> None:
    """Write something else into a manifest."""
    path = folder / "manifest.json"
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, put))


# -- a run again ----------------------------------------------------------------------------------


def test_a_run_is_the_same_again_anywhere(cli: Any, hostrt: Any) -> None:
    np.save("x.npy", np.random.default_rng(1).integers(-999, 999, (9, 32)).astype(np.int16))
    done = hostrt("run", "LOOPBACK", "--board", "sim", "--input-file", "x.npy", "-o", "out")
    assert done.code == 0
    shutil.move("out", "elsewhere")
    Path("x.npy").unlink()
    done = cli("reproduce", "elsewhere/loopback_spu001_noenc")
    assert done.code == 0, done.err
    assert "hw: same outputs as recorded" in done.out
    assert "ms recorded" in done.out


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("gru2", ["--runners", "hw,fasmir,fqir", "--engine", "reference"]),
        ("latched_gain", ["--runners", "fqir,hw"]),
        ("mlp_int4", ["--runners", "fqir"]),
    ],
)
def test_models_are_run_again_from_their_copy(
    hostrt: Any, model: str, options: list[str], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(DATA / "fqir" / model, source)
    words = ["--input-style", "random", "--n-frames", 7, "--board", "sim", "-o", "out"]
    assert hostrt("run", source / "model.pt", *options, *words).code == 0
    shutil.rmtree(source)
    (folder,) = Path("out").iterdir()
    done = hostrt("reproduce", folder, "--json")
    assert done.code == 0, done.err
    tree = done.json
    assert tree["same"]
    assert list(tree["runners"]) == options[1].split(",")
    assert all(one["same"] for one in tree["runners"].values())


def test_one_runner_of_several_is_run_again(hostrt: Any) -> None:
    assert hostrt("run", MODEL, "--runners", "fasmir,fqir", "--n-frames", 3, "-o", "out").code == 0
    for words in ([GRU / "fqir"], [GRU / "fqir" / "manifest.json"], [GRU, "--runners", "fqir"]):
        done = hostrt("reproduce", *words, "--json")
        assert done.code == 0, done.err
        assert list(done.json["runners"]) == ["fqir"]
    assert hostrt("reproduce", GRU / "manifest.json").code == 0
    done = hostrt("reproduce", GRU, "--runners", "hw")
    assert done.code == 2
    assert "there are fasmir, fqir" in done.err


def test_outputs_that_differ_are_placed(hostrt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--runners", "hw", "--board", "sim", "--input-style", "random", "--n-frames", 9]
    assert hostrt("run", MODEL, *words, "-o", "out").code == 0
    flip(monkeypatch)
    done = hostrt("reproduce", GRU)
    assert done.code == 1
    assert "output.0: frame " in done.out
    assert "not reproduced" in done.out


def test_an_encrypted_program_is_run_again_with_its_salt(hostrt: Any) -> None:
    program, board = echo("p001_a")
    assert hostrt("run", program, "--board", board, "--n-frames", 3, "-o", "out").code == 0
    (folder,) = Path("out").iterdir()
    manifest = load_manifest(folder)
    assert manifest.recipe is not None
    assert manifest.recipe.salt
    done = hostrt("reproduce", folder)
    assert done.code == 0, done.err


# -- what is not trusted --------------------------------------------------------------------------


def test_a_run_without_its_frames_says_how_it_was_started(hostrt: Any) -> None:
    loopback(hostrt)
    path = LOOPBACK / "manifest.json"
    tree = json.loads(path.read_text())
    del tree["recipe"], tree["latency_s"]
    tree["command_line"] = ["hostrt", "run", "a b; touch bad"]
    path.write_text(json.dumps(tree))
    done = hostrt("reproduce", LOOPBACK)
    assert done.code == 2
    assert "does not hold its input frames" in done.err
    assert "hostrt run 'a b; touch bad'" in done.err
    assert not Path("bad").exists()
    assert hostrt("compare", LOOPBACK, LOOPBACK).code == 0


def test_changed_files_are_refused(hostrt: Any) -> None:
    loopback(hostrt)
    for name in ("inputs.npz", "loopback_spu001.femto", "output_output.npy"):
        path = LOOPBACK / name
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        done = hostrt("reproduce", LOOPBACK)
        assert done.code == 2
        assert name in done.err
        path.write_bytes(data)
    assert hostrt("reproduce", LOOPBACK).code == 0


def test_another_program_is_refused_even_when_the_manifest_agrees(hostrt: Any) -> None:
    loopback(hostrt)
    tree = json.loads((LOOPBACK / "manifest.json").read_text())
    change(LOOPBACK, tree["recipe"]["program"]["sha256"], "0" * 64)
    done = hostrt("reproduce", LOOPBACK)
    assert done.code == 3
    assert "not the one that ran" in done.err
    shutil.rmtree("out")
    assert hostrt("run", MODEL, "--runners", "fqir", "--n-frames", 2, "-o", "out").code == 0
    tree = json.loads(Path("out/model/manifest.json").read_text())
    tree["recipe"]["model"]["sha256"] = "0" * 64
    Path("out/model/manifest.json").write_text(json.dumps(tree))
    done = hostrt("reproduce", "out/model")
    assert done.code == 3
    assert "not the one that ran" in done.err


@pytest.mark.parametrize("name", ["../../x.npz", "/x.npz", "..", "", "a/../../x.npz"])
def test_paths_do_not_lead_out_of_the_folder(hostrt: Any, name: str) -> None:
    loopback(hostrt)
    change(LOOPBACK, '"inputs": "inputs.npz"', f'"inputs": "{name}"')
    done = hostrt("reproduce", LOOPBACK)
    assert done.code == 2
    assert "outside the folder" in done.err


def test_links_do_not_lead_out_of_the_folder(hostrt: Any) -> None:
    loopback(hostrt)
    shutil.move(LOOPBACK / "inputs.npz", "x.npz")
    (LOOPBACK / "inputs.npz").symlink_to(Path("x.npz").resolve())
    done = hostrt("reproduce", LOOPBACK)
    assert done.code == 2
    assert "leads out of the folder" in done.err


@pytest.mark.parametrize(
    "board",
    [
        "evk2://0123",
        "zcu104://127.0.0.1:9?simulated=yes",
        "evk2+tcp://127.0.0.1:9",
        "replay:///x.hrec",
        "sim://spu001?answer=/etc/passwd",
        "record+evk2?to=x",
    ],
)
def test_only_a_simulated_board_is_taken_from_a_file(hostrt: Any, board: str) -> None:
    loopback(hostrt)
    change(LOOPBACK, '"board": "sim://spu001",\n    "verify"', f'"board": "{board}",\n    "verify"')
    done = hostrt("reproduce", LOOPBACK)
    assert done.code == 2
    assert "does not choose a board" in done.err
    assert hostrt("reproduce", LOOPBACK, "--board", "evk2+sim://spu001").code == 0


def test_a_recording_is_not_written_over(hostrt: Any) -> None:
    done = hostrt(
        "run", "LOOPBACK", "--board", "record+sim?to=x.hrec", "--runners", "hw,dummy",
        "-o", "out", "--shrink",
    )  # fmt: skip
    assert done.code == 1, done.err
    data = Path("x.hrec").read_bytes()
    Path("x.hrec").write_bytes(b"mine")
    assert hostrt("reproduce", LOOPBACK).code == 0
    assert hostrt("reproduce", LOOPBACK / "reproducer").code == 0
    assert Path("x.hrec").read_bytes() == b"mine"
    assert len(data) > 100


# -- shrinking ------------------------------------------------------------------------------------


def test_a_failure_is_shrunk_and_comes_again(hostrt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = GRU / "reproducer"
    words = ["--board", "sim", "--input-style", "random", "--n-frames", 40]
    with monkeypatch.context() as patch:
        flip(patch)
        done = hostrt("run", MODEL, "--runners", "fqir,hw", *words, "-o", "out", "--shrink")
        assert done.code == 1, done.err
        assert f"reproducer in {folder}" in done.out
        again = hostrt("reproduce", folder)
    assert again.code == 0, again.out
    assert "reproduced: the same difference: fqir,hw: output.0: frame " in again.out
    assert hostrt("compare", folder).code == 1

    done = hostrt("reproduce", folder)
    assert done.code == 1
    assert "not reproduced: fqir and hw agree now" in done.out
    tree = hostrt("reproduce", folder, "--json").json
    assert not tree["same"]
    assert tree["found"] is None
    assert tree["runners"]["fqir"]["same"]
    assert not tree["runners"]["hw"]["same"]


def test_a_reproducer_holds_all_that_it_takes(hostrt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    flip(monkeypatch)
    words = ["--board", "sim", "--input-style", "random", "--n-frames", 40, "-o", "out"]
    assert hostrt("run", MODEL, "--runners", "fqir,hw", *words, "--shrink").code == 1
    folder = GRU / "reproducer"
    manifest = load_manifest(folder, verify=True)
    assert {"README.txt", "model.pt", "model_spu001.femto", "reproduce.json"} <= set(manifest.files)
    assert "hostrt reproduce ." in (folder / "README.txt").read_text()
    frames = json.loads((folder / "reproduce.json").read_text())["frames"]
    assert 1 <= len(frames) < 40
    with np.load(folder / "inputs.npz") as arrays, np.load(GRU / "inputs.npz") as whole:
        assert np.array_equal(arrays["x"], whole["x"][frames])


def test_another_difference_is_not_the_same(hostrt: Any) -> None:
    words = ["--runners", "hw,dummy", "--input-style", "random", "--board", "sim", "-o", "out"]
    assert hostrt("run", "LOOPBACK", *words, "--shrink").code == 1
    folder = LOOPBACK / "reproducer"
    path = folder / "reproduce.json"
    tree = json.loads(path.read_text())
    old = path.read_bytes()
    tree["expected"]["a"] += 1
    path.write_text(json.dumps(tree))
    assert "reproduce.json" in hostrt("reproduce", folder).err
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["reproduce.json"]
    path.write_bytes(old)
    assert hostrt("reproduce", folder).code == 0

    data = json.dumps(tree).encode()
    path.write_bytes(data)
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    manifest["files"]["reproduce.json"] = facts
    (folder / "manifest.json").write_text(json.dumps(manifest))
    done = hostrt("reproduce", folder)
    assert done.code == 1
    assert "another difference: hw,dummy" in done.out


def test_frames_before_the_cause_are_dropped(hostrt: Any) -> None:
    """LOOPBACK against zeros: only the one frame that is not zero shows anything."""
    frames = np.zeros((50, 32), np.int16)
    frames[33, 7] = 5
    np.save("x.npy", frames)
    words = ["--runners", "dummy,hw", "--input-file", "x.npy", "--board", "sim", "-o", "out"]
    done = hostrt("run", "LOOPBACK", *words, "--shrink", "--json")
    assert done.code == 1
    folder = Path(done.json["reproducer"])
    tree = json.loads((folder / "reproduce.json").read_text())
    assert tree["frames"] == [33]
    assert tree["expected"] == {
        "runner_a": "dummy", "runner_b": "hw", "output": "output", "reason": "values",
        "frame": 0, "element": 7, "a": 0, "b": 5,
    }  # fmt: skip
    with np.load(folder / "inputs.npz") as arrays:
        assert arrays["input"].tolist() == [frames[33].tolist()]


def test_a_difference_that_does_not_come_again_leaves_no_reproducer(
    hostrt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = iter(range(100))
    zeros = DummyRunner._zeros

    def once(self: Any, name: str, n_frames: int) -> Any:
        return zeros(self, name, n_frames) + (next(runs) == 1)

    monkeypatch.setattr(DummyRunner, "_zeros", once)
    np.save("x.npy", np.zeros((4, 32), np.int16))
    words = ["--input-file", "x.npy", "--runners", "hw,dummy", "--board", "sim", "-o", "out"]
    assert hostrt("run", "LOOPBACK", *words).code == 0
    done = hostrt("run", "LOOPBACK", *words, "--shrink")
    assert done.code == 1
    assert "did not come again" in done.err
    assert not (LOOPBACK / "reproducer" / "manifest.json").exists()


def test_runners_that_agree_leave_no_old_reproducer(hostrt: Any) -> None:
    words = ["run", "LOOPBACK", "--board", "sim", "-o", "out", "--shrink"]
    assert hostrt(*words, "--runners", "hw,dummy").code == 1
    assert (LOOPBACK / "reproducer" / "manifest.json").exists()
    assert hostrt(*words, "--runners", "hw,fasmir").code == 0
    assert not (LOOPBACK / "reproducer" / "manifest.json").exists()


@pytest.mark.parametrize(
    "words", [["--runners", "hw,dummy"], ["--runners", "hw", "-o", "out"], ["-o", "out"]]
)
def test_shrinking_needs_runners_and_a_folder(hostrt: Any, words: list[str]) -> None:
    done = hostrt("run", "LOOPBACK", "--board", "sim", "--shrink", *words)
    assert done.code == 2
    assert "--shrink" in done.err
    assert not Path("out").exists()


# -- shrinking what was recorded ------------------------------------------------------------------


def test_recorded_runs_that_differ_are_shrunk(hostrt: Any) -> None:
    frames = np.zeros((30, 32), np.int16)
    frames[12, 3] = 4
    np.save("x.npy", frames)
    words = ["run", "LOOPBACK", "--input-file", "x.npy", "--board", "sim"]
    assert hostrt(*words, "--runners", "hw", "-o", "a").code == 0
    assert hostrt(*words, "--runners", "dummy", "-o", "b").code == 0
    assert hostrt(*words, "--runners", "dummy,hw", "-o", "c").code == 1
    for places in (["a", "b"], ["c"]):
        done = hostrt("compare", *places, "--shrink", "-o", "small", "--json")
        assert done.code == 1, done.err
        assert done.json["reproducer"] == "small/reproducer"
        tree = json.loads(Path("small/reproducer/reproduce.json").read_text())
        assert tree["frames"] == [12]
        assert hostrt("reproduce", "small/reproducer").code == 0
        shutil.rmtree("small")
    assert hostrt("compare", "a", "a", "--shrink", "-o", "small", "--json").json["equal"]
    assert not Path("small").exists()


def test_models_are_shrunk_from_whichever_side_holds_what_both_run(
    hostrt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["run", MODEL, "--input-style", "random", "--n-frames", 12, "--board", "sim"]
    assert hostrt(*words, "--runners", "fqir", "-o", "a").code == 0
    flip(monkeypatch)
    assert hostrt(*words, "--runners", "hw", "-o", "b").code == 0
    done = hostrt("compare", "a", "b", "--shrink", "-o", "small")
    assert done.code == 1, done.err
    assert "reproducer in small/reproducer" in done.out
    assert hostrt("reproduce", "small/reproducer").code == 0


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (["a", "b"], "both sides are results of the runner 'hw'"),
        (["a", "c"], "different frames"),
        (["a", "d"], "different programs"),
        (["a", "x.npy"], "another kind: array"),
    ],
)
def test_what_cannot_be_run_side_by_side_is_not_shrunk(
    hostrt: Any, places: list[str], said: str
) -> None:
    np.save("x.npy", np.ones((4, 32), np.int16))
    words = ["--input-file", "x.npy", "--board", "sim"]
    assert hostrt("run", "LOOPBACK", *words, "-o", "a").code == 0
    assert hostrt("run", "LOOPBACK", "--board", "sim", "-o", "b").code == 0
    assert hostrt("run", "LOOPBACK", "--runners", "dummy", "-o", "c").code == 0
    words = ["--chip", "spu150tc1", "--runners", "dummy", "--input-file", "x.npy"]
    assert hostrt("run", "LOOPBACK", *words, "-o", "d").code == 0
    done = hostrt("compare", *places, "--shrink", "-o", "small")
    assert done.code == 2
    assert said in done.err
    assert hostrt("compare", "a", "c", "--shrink").code == 2
