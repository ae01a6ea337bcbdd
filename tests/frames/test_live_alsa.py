"""Microphone and loudspeaker through PortAudio itself, on ALSA devices that are files.

They have no clock: they give and take as fast as they are asked, so input is lost and silence is
played in between. What does come must be what the file holds, in order.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
pcm.recorder {{ type plug slave {{
    pcm {{ type file slave.pcm {{ type null }} file "/dev/null" infile "{folder}/in" format "raw" }}
    format S16_LE rate 16000 channels 1 }} }}
pcm.player {{ type plug slave {{
    pcm {{ type file slave.pcm {{ type null }} file "{folder}/out" format "raw" }}
    format S16_LE rate 16000 channels 1 }} }}
"""

LIST = """
import sounddevice
print(*(device["name"] for device in sounddevice.query_devices()), sep="\\n")
"""

RECORD = """
import sys
import numpy as np
from hostrt.frames.frames import VectorSpec
from hostrt.frames.stream_source import SourceOptions, open_source
options = SourceOptions(n_frames=100, block_frames=2)
with open_source("mic:recorder", [VectorSpec("x", 160, 160, 16)], options) as source:
    np.save(sys.argv[1], np.concatenate([frames["x"] for frames in source.blocks()]))
"""

PLAY = """
import sys
import numpy as np
from hostrt.frames.frames import VectorSpec
from hostrt.frames.stream_sink import open_sink
with open_sink("speaker:player", {"y": VectorSpec("y", 160, 160, 16)}, 16000) as sink:
    for row in np.load(sys.argv[1]):
        sink.write({"y": row[None]})
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder whose ALSA devices are files; the test is skipped where there is no ALSA."""
    (tmp_path / ".asoundrc").write_text(CONFIG.format(folder=tmp_path))
    (tmp_path / "in").write_bytes(b"")
    if "recorder" not in run(tmp_path, LIST, is_checked=False).splitlines():
        pytest.skip("no sounddevice, or a PortAudio without ALSA")
    return tmp_path


def run(home: Path, script: str, *arguments: Path, is_checked: bool = True) -> str:
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert not is_checked or done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_what_is_recorded_is_what_the_device_holds(home: Path) -> None:
    rng = np.random.default_rng(0)
    held = rng.integers(-32768, 32767, 20_000_000, dtype=np.int16, endpoint=True)
    held.tofile(home / "in")

    run(home, RECORD, home / "heard.npy")

    heard, data, place = np.load(home / "heard.npy"), held.tobytes(), 0
    assert heard.shape == (100, 160)
    for row in heard:
        place = data.find(row.tobytes(), place)
        assert place >= 0


@pytest.mark.slow
def test_what_is_played_is_what_was_written(home: Path) -> None:
    written = np.random.default_rng(0).integers(1, 32767, (100, 160), dtype=np.int16)
    np.save(home / "written.npy", written)

    run(home, PLAY, home / "written.npy")

    played = np.fromfile(home / "out", np.int16)
    assert np.array_equal(played[played != 0], written.ravel())
