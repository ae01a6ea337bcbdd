"""hostrt inspect with FQIR models."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from hostrt.fqir.export import format_dot
from hostrt.fqir.graph import Model
from hostrt.fqir.load import load_model
from hostrt.fqir.onnx import onnx_bytes
from hostrt.fqir.text import format_model
from tests.cli.conftest import DATA
from tests.fqir.inspected import graph, model, node, tensor
from tests.fqir.write_model import wrap, write_model

MODELS = DATA / "fqir"
NAMES = sorted(path.parent.name for path in MODELS.glob("*/meta.json"))
HOSTILE = "a\x1b[2Jb\r\n\x07\u202ec"


@pytest.mark.parametrize("name", NAMES)
def test_inspect_shows_what_is_in_a_model(hostrt: Any, name: str) -> None:
    meta = json.loads((MODELS / name / "meta.json").read_text())
    for file in meta["files"]:
        path = MODELS / name / file
        tree = hostrt("inspect", path, "--json").json
        done = hostrt("inspect", path)

        assert (done.code, done.err) == (0, "")
        assert f"{path} (FQIR model)" in done.out
        assert tree["sha256"] in done.out
        assert tree["operators"] == meta["ops"]
        assert tree["footprint"] == meta["footprint_bytes"]
        assert f"{meta['footprint_bytes']['total']} bytes: parameters" in done.out
        for vector in (*meta["inputs"], *meta["outputs"]):
            assert vector["name"] in done.out
        for operator, count in meta["ops"].items():
            assert f"  {operator} " in done.out
            assert any(line.split() == [operator, str(count)] for line in done.out.splitlines())


def test_inspect_sets_its_own_count_beside_the_references(hostrt: Any) -> None:
    lines = hostrt("inspect", MODELS / "gru2" / "model.pt").out.splitlines()

    assert "  multiply-accumulates      24768              24596" in lines
    assert "  look-ups                    600                600" in lines
    assert "state:      192 bytes in 2 tensors" in lines


def test_inspect_says_why_the_reference_has_no_count(hostrt: Any) -> None:
    done = hostrt("inspect", MODELS / "control_flow" / "model.pt")

    assert "  multiply-accumulates     165.33  -" in done.out.splitlines()
    assert "at most 208 multiply-accumulates in one frame" in done.out
    assert "the reference's count does not exist: the reference has no cost for gmac_v2" in done.out
    assert "%loop_body.1" in done.out


def test_inspect_lists_a_model_as_text(hostrt: Any) -> None:
    path = MODELS / "control_flow" / "model.pt"

    done = hostrt("inspect", path, "--text")

    assert (done.code, done.err) == (0, "")
    assert done.out == format_model(load_model(path))
    assert "    .input %x_slice_curr.0.4 int16[8] 2^-14" in done.out


def test_inspect_shows_sources_on_request_only(hostrt: Any) -> None:
    marked = model(node("relu", [tensor("y", 2)], x=tensor("x", 2)), inputs=[tensor("x", 2)])
    marked.arith.nodes[0].sourceref = f"secret {HOSTILE}"
    path = write_model(marked, Path("marked.pt"))

    plain, full = hostrt("inspect", path, "--text"), hostrt("inspect", path, "--text", "--sources")

    assert "secret" not in plain.out + hostrt("inspect", path).out
    assert '"secret a\\x1b[2Jb"' in full.out
    alone = hostrt("inspect", path, "--sources")
    assert (alone.code, alone.out) == (2, "")
    assert "--sources without --text" in alone.err


def test_inspect_writes_drawings(hostrt: Any) -> None:
    path = MODELS / "tdnn_dw" / "model.pt"

    done = hostrt("inspect", path, "--dot", "a.dot", "--onnx", "a.onnx")

    assert (done.code, done.out) == (0, "wrote a.dot\nwrote a.onnx\n")
    assert Path("a.dot").read_text() == format_dot(load_model(path))
    assert Path("a.onnx").read_bytes() == onnx_bytes(load_model(path))
    both = hostrt("inspect", path, "--dot", "a.dot", "--json")
    assert both.json["nodes"] == 18
    missing = hostrt("inspect", path, "--dot", "no/such/folder.dot")
    assert missing.code == 8
    assert "cannot write" in missing.err


def test_inspect_keeps_options_of_models_and_programs_apart(hostrt: Any) -> None:
    for words in (["--text"], ["--dot", "x"], ["--onnx", "x"], ["--sources"]):
        done = hostrt("inspect", "LOOPBACK", *words)
        assert done.code == 2
        assert f"{words[0]} is for an FQIR model, and LOOPBACK is none" in done.err
    for words in (["--chip", "spu001"], ["--clock-mhz", "1"], ["--key-index", "3"]):
        done = hostrt("inspect", MODELS / "gru2" / "model.pt", *words)
        assert done.code == 2
        assert f"{words[0]} is for a program or bundle" in done.err
    done = hostrt("inspect", MODELS / "gru2" / "model.pt", "--text", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")


def test_the_contents_decide_and_not_the_name(hostrt: Any) -> None:
    shutil.copy(MODELS / "mlp_int4" / "model_legacy.pt", "program.femto")

    assert "(FQIR model)" in hostrt("inspect", "program.femto").out


def test_a_damaged_model_is_refused_in_one_line(hostrt: Any) -> None:
    data = (MODELS / "gru2" / "model.pt").read_bytes()
    Path("hole.pt").write_bytes(data[:5000] + bytes(50) + data[5050:])

    for words in ((), ("--text",), ("--dot", "x.dot")):
        done = hostrt("inspect", "hole.pt", *words)
        assert (done.code, done.out) == (3, "")
        assert done.err.startswith("hostrt: error: hole.pt")
        assert done.err.count("\n") == 3
    assert not Path("x.dot").exists()


def test_a_fifo_is_not_waited_on(hostrt: Any) -> None:
    os.mkfifo("pipe.pt")

    done = hostrt("inspect", "pipe.pt", "--text")

    assert done.code != 0
    assert "pipe.pt" in done.err


def test_hostile_names_do_not_reach_the_terminal(hostrt: Any) -> None:
    x, y = tensor(HOSTILE, 2), tensor(f"{HOSTILE}y", 2, quanta=-1)
    body = graph(node("relu", [y], x=x), name=HOSTILE, inputs=[tensor(HOSTILE, 2)], outputs=[y])
    loop = node(
        "loop",
        [y],
        constants={
            **dict.fromkeys(("n_recurse", "n_sliced", "n_concat"), 0),
            **dict.fromkeys(("n_iter", "n_scope", "n_final"), 1),
            **dict.fromkeys(("block_size_sliced", "reverse_sliced", "reverse_concat"), ()),
        },
        x_scope_0=x,
        body=body,
    )
    arith = graph(loop, inputs=[x], outputs=[y], name=HOSTILE)
    path = write_model(Model(wrap(arith)), Path("evil.pt"))

    for words in ((), ("--text",), ("--json",)):
        done = hostrt("inspect", path, *words)
        assert done.code == 0, done.err
        assert all(char.isprintable() or char == "\n" for char in done.out)
    rows = [line for line in hostrt("inspect", path).out.splitlines() if "int16" in line]
    assert [line.split()[0] for line in rows] == [
        '"a\\x1b[2Jb\\r\\n\\x07\\u202ec"',
        '"a\\x1b[2Jb\\r\\n\\x07\\u202ecy"',
    ]


def test_inspect_names_operators_that_cannot_be_run(hostrt: Any) -> None:
    x, y = tensor("x", 2), tensor("y", 2)
    path = write_model(model(node("lstm", [y], x=x), inputs=[x], outputs=[y]), Path("raw.pt"))

    done = hostrt("inspect", path)

    assert done.code == 0
    assert "can be run: no, because of lstm" in done.out
    assert "  lstm          1  cannot be run" in done.out.splitlines()
    assert "; cannot be executed" in hostrt("inspect", path, "--text").out


def test_a_model_in_place_of_a_program_is_named(hostrt: Any) -> None:
    for verb in ("flash", "convert"):
        words = ["out.femto"] if verb == "convert" else ["--board", "sim"]
        done = hostrt(verb, MODELS / "gru2" / "model.pt", *words)
        assert done.code == 3
        assert "model.pt is an FQIR model, expected a compiled program" in done.err
        assert "hint: run it with --runners fqir" in done.err


def test_the_model_of_the_guide_is_a_golden_one() -> None:
    guide = Path(__file__).parents[2] / "hostrt" / "docs" / "tdnn.pt"

    assert guide.read_bytes() == (MODELS / "tdnn_dw" / "model.pt").read_bytes()


def test_inspect_says_what_it_cannot_say_and_what_was_repaired(hostrt: Any) -> None:
    x, y = tensor("x", 2, dtype="float", quanta=None), tensor("y", 2)
    copy = node("copy", [y], x=x)
    made = model(copy, inputs=[x], outputs=[y])
    outputs: Any = made.arith.outputs
    outputs[0] = copy
    path = write_model(made, Path("odd.pt"))

    done = hostrt("inspect", path)

    assert done.code == 0, done.err
    assert "memory:     not known: tensor 'x' holds 'float', expected int4" in done.out
    assert "note: " in done.out
    assert hostrt("inspect", path, path).code == 3
