"""inspect, convert, diff, export, explain, devices, udev: the verbs without a board."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hostrt.program import Program
from tests.cli.conftest import DATA, PROGRAMS

SIMA = DATA / "sima"
NAMES = ("p001_a", "p001_b", "pmp_a", "ptc1_a", "ptc1_b")


def test_inspect_shows_every_format_the_same(hostrt: Any, p001_a: Path) -> None:
    """D11; B5: a zip is taken; B27: path and suffix as they come."""
    folder = p001_a.parent
    sources: list[list[object]] = [
        [p001_a],
        [folder / "images.zip", "--key-index", "3"],
        [folder / "prog" / "program_network_A"],
        [folder / "prog" / "program_network_D", folder / "prog" / "program_network_A"],
        [folder / "prog"],
    ]
    trees = []
    for source in sources:
        done = hostrt("inspect", *source, "--json")
        assert (done.code, done.err) == (0, "")
        trees.append(done.json)
        text = hostrt("inspect", *source)
        assert text.code == 0
        assert "key 3, salt 0x0123456789abcdef" in text.out
        assert "DM0" in text.out
    assert len({tree["sha256"] for tree in trees}) == 1
    assert len({json.dumps(tree["memories"]) for tree in trees}) == 1
    assert [item["name"] for item in trees[0]["inputs"]] == ["x"]


@pytest.mark.parametrize("name", NAMES)
def test_inspect_names_chip_vectors_and_files(hostrt: Any, name: str) -> None:
    """B2, B3: any chip, encrypted or not."""
    path = PROGRAMS / name / f"{name}.femto"
    done = hostrt("inspect", path)
    spec = json.loads((PROGRAMS / name / "program.json").read_text())["spec"]
    assert done.code == 0
    for vector in (*spec["inputs"], *spec["outputs"]):
        assert vector["name"] in done.out
    facts = json.loads((PROGRAMS / name / "femto.json").read_text())
    assert f"sha256 {facts['sha256']}  {name}.femto" in done.out


EXPECTED = json.loads((SIMA / "expected.json").read_text())


@pytest.mark.parametrize("path", sorted(SIMA.glob("*.tar.gz")), ids=lambda path: path.name)
def test_inspect_shows_bundles_with_batch_and_cycles(hostrt: Any, path: Path) -> None:
    tree = hostrt("inspect", path, "--json").json
    text = hostrt("inspect", path)
    assert text.code == 0
    batch = tree["batch"]
    assert f"batch: {batch['desired']} desired, {batch['actual']} actual" in text.out
    assert f"total: {tree['mla_cycles']} cycles" in text.out
    for stage in tree["stages"]:
        assert stage[1] in text.out
    if "widenet" in path.name:
        assert (batch["desired"], batch["actual"]) == (16, 12)
        assert "warning: batch 16 was asked for, 12 was built" in text.out


def test_inspect_gives_times_of_a_bundle_at_a_clock_only(hostrt: Any) -> None:
    path = SIMA / "tinynet_mpk.tar.gz"
    assert "layer_times" not in hostrt("inspect", path, "--json").json
    tree = hostrt("inspect", path, "--json", "--clock-mhz", "1").json
    first = tree["layer_times"][0]
    assert first["time_s"] == pytest.approx(first["cycles"] / 1e6)
    assert hostrt("inspect", path, "--clock-mhz", "0").code == 2


def test_inspect_does_not_wait_on_a_fifo(hostrt: Any, away: Path) -> None:
    os.mkfifo(away / "pipe")
    done = hostrt("inspect", "pipe")
    assert done.code == 3
    assert "not a regular file" in done.err


def test_bundles_are_neither_run_nor_flashed(hostrt: Any) -> None:
    for verb in ("run", "flash"):
        done = hostrt(verb, SIMA / "tinynet_mpk.tar.gz", "--board", "sim")
        assert done.code == 3
        assert "compiled bundle for another accelerator" in done.err
        assert "hint: look into it with: hostrt inspect" in done.err


def test_convert_says_what_is_lost_on_standard_error(hostrt: Any, p001_a: Path) -> None:
    done = hostrt("convert", p001_a.parent / "images.zip", "out.femto", "--key-index", "3")
    assert (done.code, done.out) == (0, "wrote out.femto (femto)\n")
    assert "warning: a femto cannot hold encryption salt 0x0123456789abcdef\n" in done.err
    assert "warning: a femto cannot hold variable names (x, y): they become numbers" in done.err
    done = hostrt("convert", p001_a, "new/0PROG_A", "--json")
    assert done.err == ""
    assert done.json["format"] == "prog"
    assert len(done.json["lost"]) == 4
    pair = p001_a.parent / "prog"
    assert Path("new/0PROG_A").read_bytes() == (pair / "program_network_A").read_bytes()
    assert Path("new/0PROG_D").read_bytes() == (pair / "program_network_D").read_bytes()
    assert hostrt("convert", p001_a, "images").code == 0
    assert hostrt("diff", p001_a, "images").code == 0


def test_convert_refuses_what_it_cannot_name_or_write(hostrt: Any, p001_a: Path) -> None:
    assert hostrt("convert", p001_a, "model.elf").code == 2
    Path("file").write_text("")
    done = hostrt("convert", p001_a, "file/model.femto")
    assert done.code == 8
    assert "cannot make folder" in done.err


def test_diff_names_core_bank_and_word(hostrt: Any, p001_a: Path) -> None:
    """D11."""
    data = bytearray(p001_a.read_bytes())
    data[512 + 256 + 8 + 4] ^= 0xFF
    Path("other.femto").write_bytes(data)
    done = hostrt("diff", p001_a, "other.femto", "--salt", "123456789abcdef")
    assert done.code == 1
    row = done.out.splitlines()[-1].split()
    assert row[:2] == ["0", "DM0"]
    tree = hostrt("diff", p001_a, "other.femto", "--salt", "123456789abcdef", "--json").json
    (bank,) = tree["banks"]
    assert (bank["core"], bank["bank"], bank["first"], bank["n_words"]) == (0, "DM0", 31, 1)
    assert bank["values"][0] != bank["values"][1]
    same = hostrt("diff", p001_a, p001_a.parent / "prog" / "program_network_A")
    assert (same.code, same.out) == (0, "the programs are the same\n")


def test_export_names_folders_and_files_as_the_reference_tool_does(hostrt: Any) -> None:
    """B17: the key index is written out; D1: SD card names; B28: plain metadata."""
    folders = {
        "p001_a": "p001_a_spu001_key3",
        "p001_b": "two-core_plain_spu001_noenc",
        "pmp_a": "pmp_a_spu150_key31",
        "ptc1_a": "ptc1_a_spu150tc1",
        "ptc1_b": "ptc1_b_spu150tc1_noenc",
    }
    for name, folder in folders.items():
        done = hostrt("export", PROGRAMS / name / f"{name}.femto", "-o", "out", "--json")
        assert done.code == 0
        assert done.json["folder"] == f"out/{folder}"
        stem = f"out/{folder}/{folder.split('_key')[0].removesuffix('_noenc')}"
        records = f"out/{folder}/io_records/apb_records"
        has_init = (PROGRAMS / name / "prog" / "init_spu_A").exists()
        init = [f"{records}/init_spu_{side}" for side in "AD"] if has_init else []
        assert sorted(done.json["files"]) == sorted(
            [f"{stem}.femto", f"{stem}_metadata.yaml", f"{stem}_iospec.yaml", *init]
            + [f"{records}/{kind}_{side}" for kind in ("0PROG", "program_network") for side in "AD"]
        )
        again = Program.load(f"{records}/0PROG_A")
        start = Program.load(PROGRAMS / name / f"{name}.femto")
        assert again.sha256 == start.sha256
        assert again.iospec == start.iospec


def test_export_checks_the_slot_before_anything_is_written(hostrt: Any) -> None:
    done = hostrt("export", "LOOPBACK", "--slot", "10", "-o", "out")
    assert done.code == 2
    assert not list(Path("out").rglob("*.femto"))
    assert hostrt("export", "LOOPBACK", "--slot", "3", "-o", "out").code == 0
    assert list(Path("out").rglob("3PROG_A"))


def test_explain_has_a_page_for_every_error_and_every_hint(hostrt: Any) -> None:
    from hostrt.cli.explain import codes

    tree = hostrt("explain", "--json").json
    assert set(tree["errors"]) == set(codes())
    for name in ("usage", "exit-codes", "4"):
        assert hostrt("explain", name).out.startswith("# ")
    done = hostrt("explain", "usag")
    assert done.code == 2
    assert "did you mean usage" in done.err


def test_devices_is_quick_and_finds_nothing_where_nothing_is(cli: Any) -> None:
    """C10, B25: no board is opened and no board's package is needed."""
    started = time.perf_counter()
    done = cli("devices", "--json")
    took = time.perf_counter() - started
    assert done.code == 0
    assert all(board["kind"] in ("evk2", "serial") for board in done.json)
    assert took < 2


def test_udev_prints_or_writes_the_rules(hostrt: Any) -> None:
    """D17."""
    shown = hostrt("udev")
    assert "16c0" in shown.out
    done = hostrt("udev", "--install", "--folder", ".", "--json")
    assert done.json["reloaded"] is False
    assert Path(done.json["file"]).read_text() == shown.out
    missing = hostrt("udev", "--install", "--folder", "absent")
    assert missing.code == 8
    assert "sudo hostrt udev --install" in missing.err


def test_recordings_can_be_replayed(hostrt: Any) -> None:
    """B22: the vendor's record loader and replay do not work."""
    address = "record+sim://spu001?to=trace.yaml"
    assert hostrt("run", "LOOPBACK", "--board", address, "--n-frames", "1").code == 0
    done = hostrt("replay", "trace.yaml", "--board", "sim", "--json")
    assert done.code == 0
    assert done.json["differences"] == []
    other = hostrt("replay", "trace.yaml", "--board", "sim://spu150tc1")
    assert other.code != 0
    assert hostrt("replay", "trace.yaml").code == 2
    assert hostrt("replay", "absent.yaml", "--board", "sim").code != 0


def test_numbers_of_keys_and_salts_are_checked(hostrt: Any, p001_a: Path) -> None:
    for flag, text in (("--key-index", "33"), ("--key-index", "x"), ("--salt", "1" * 17)):
        done = hostrt("inspect", p001_a, flag, text)
        assert done.code == 2, (flag, text)


def test_what_a_run_reads_it_also_inspects(hostrt: Any) -> None:
    np.save("x.npy", np.zeros((1, 32), np.int16))
    assert hostrt("inspect", "LOOPBACK", "--json").json["instruction_set"] == "open"
    assert hostrt("inspect", "x.npy").code == 3
