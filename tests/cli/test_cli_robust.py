"""Whatever is typed, and whatever a file holds, ends in an answer or in one of our errors."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostrt.cli.main import main
from hostrt.program import Identity, Program
from tests.cli.conftest import DATA, PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

VERBS = ("run", "flash", "inspect", "convert", "diff", "export", "replay", "reset", "selftest")
GOLDEN = (
    PROGRAMS / "p001_a" / "p001_a.femto", PROGRAMS / "ptc1_b" / "images.zip",
    PROGRAMS / "pmp_a" / "prog" / "program_network_A",
    PROGRAMS / "pmp_a" / "prog" / "program_network_D", PROGRAMS / "p001_b" / "frames.json",
    PROGRAMS / "p001_a" / "prog" / "setup.yaml", DATA / "sima" / "tinynet_mpk.tar.gz",
    DATA / "spu" / "wav" / "stereo16.wav",
)  # fmt: skip
# names in the test's own folder: what is typed here may well overwrite them
FILES = (
    "LOOPBACK", "LOOPBACK:7", "LOOPBACK:-1", "", ".", "absent", "/dev/null", "junk", "0PROG_A",
    *(file.name for file in GOLDEN),
)  # fmt: skip
NUMBERS = ("0", "-1", "1", "3", "1e400", "nan", "x", "", "99999999999999999999", "0,1", "1,2")
BOARDS = (
    "sim", "sim://spu150", "sim://", "sim://z80", "fakezynq", "fakezynq://?values=junk", "", "://",
    "sim://spu001?pll=never", "sim://spu001?answer=junk", "sim://spu001?answer=echo", "replay://",
    "replay:///junk", "record+sim", "faulty+sim://spu001?plan=x", "evk2", "redis", "sim?x=y", "[",
    "sim://spu001:x",
)  # fmt: skip
FLAGS = st.one_of(
    st.tuples(st.just("--board"), st.sampled_from(BOARDS)),
    st.tuples(
        st.sampled_from(("--input-file", "--iospec", "--metadata", "-o", "--sd", "--runners")),
        st.sampled_from(FILES),
    ),
    st.tuples(
        st.sampled_from((
            "--n-frames", "--seed", "--warm-up", "--tolerance", "--channel", "--input-period",
            "--sample-rate", "--key-index", "--salt", "--slot", "--chip", "--clock-mhz", "--core",
            "--input-sample-indices", "--hardware-address", "--dummy-output-file",
        )),
        st.sampled_from(NUMBERS),
    ),
    st.tuples(st.sampled_from(("--json", "--force", "--verify", "--dry-run", "--quiet", "-vvv"))),
)  # fmt: skip
COMMANDS = st.tuples(
    st.sampled_from(VERBS),
    st.lists(st.sampled_from(FILES), max_size=2),
    st.lists(FLAGS, max_size=4),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(COMMANDS)
def test_no_command_line_ends_in_a_bug(
    away: Path, command: tuple[str, list[str], list[tuple[str, ...]]]
) -> None:
    (away / "junk").write_bytes(b"\x00\xffjunk")
    for file in GOLDEN:
        shutil.copy(file, away)
    verb, files, flags = command
    # a simulated board, so that nothing is sent anywhere, unless the flags name another
    words = [verb, *files, *(word for flag in flags for word in flag)]
    if verb in ("run", "flash", "reset", "selftest", "replay") and "--board" not in words:
        words += ["--board", "sim"]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    assert code != 70, (words, err.getvalue())
    assert "Traceback" not in err.getvalue()
    assert code == 0 or err.getvalue() or out.getvalue()


def test_control_characters_of_a_file_do_not_reach_the_terminal(hostrt: Any) -> None:
    evil = replace(Program.loopback(), identity=Identity(name="a\x1b[2J\x07b", version="1"))
    evil.save("evil.femto")
    for words in (["inspect"], ["run", "--board", "sim"], ["diff", "LOOPBACK"]):
        done = hostrt(*words, "evil.femto")
        assert done.out, words
        assert not set(done.out + done.err) & {"\x1b", "\x07"}, words
    assert "a\\x1b[2J\\x07b" in hostrt("inspect", "evil.femto").out
    assert hostrt("inspect", "evil.femto", "--json").json["name"] == "a\x1b[2J\x07b"
    done = hostrt("inspect", "evil\x1b[2J")
    assert "evil\\x1b[2J: no such file" in done.err


def test_file_names_that_are_no_text_are_shown_somehow(hostrt: Any, away: Path) -> None:
    name = os.fsdecode(b"\xff.femto")
    try:
        Program.loopback().save(away / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    done = hostrt("inspect", name)
    assert done.code == 0
    assert "\\udcff.femto" in done.out
    assert hostrt("inspect", name, "--json").json["source"] == name
