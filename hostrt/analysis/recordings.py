"""What a recording holds to compare: the words of every frame that was read.

Reads of registers and execution times are left out: how often a register is polled and how long a
frame takes differ from one session to the next.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.requests import FrameIn, FrameOut, Write
from hostrt.analysis.artifacts import Artifact
from hostrt.transport.replay import read_recording

if TYPE_CHECKING:
    from pathlib import Path

    from firmware_protocol.words import Words
    from hostrt.transport.recording import Recording

WORDS_READ = "words read"


def recording_artifact(path: Path) -> Artifact:
    """Read a recording.

    Raises:
        UsageError: the file cannot be read.
        ProgramCorrupt: it is no recording.
    """
    recording = read_recording(path)
    rows: defaultdict[int, list[Words]] = defaultdict(list)
    steps: defaultdict[int, list[int]] = defaultdict(list)
    unanswered = 0
    for number, entry in enumerate(recording.entries, 1):
        if not isinstance(entry.request, FrameIn):
            continue
        if entry.answer is None:
            unanswered += 1
            continue
        rows[entry.answer.size].append(entry.answer)
        steps[entry.answer.size].append(number)
    names = {size: _name(size, alone=len(rows) == 1) for size in rows}
    return Artifact(
        str(path),
        "recording",
        {names[size]: np.stack(words) for size, words in rows.items()},
        inputs=_inputs(recording),
        about=f"{len(recording.entries)} requests",
        steps={names[size]: tuple(numbers) for size, numbers in steps.items()},
        notes=_notes(recording, unanswered),
    )


def _name(size: int, *, alone: bool) -> str:
    return WORDS_READ if alone else f"{WORDS_READ}, {size} at a time"


def _inputs(recording: Recording) -> dict[str, str]:
    """Hash what went to the board: the frames, and everything that was written into it."""
    frames, writes = hashlib.sha256(), hashlib.sha256()
    for entry in recording.entries:
        request = entry.request
        if isinstance(request, FrameOut):
            frames.update(request.words.astype("<u4", copy=False).tobytes())
        elif isinstance(request, Write):
            writes.update(f"{request.space} {request.address} {request.stride}:".encode())
            writes.update(request.words.astype("<u4", copy=False).tobytes())
    return {"frames sent": frames.hexdigest(), "words written": writes.hexdigest()}


def _notes(recording: Recording, unanswered: int) -> tuple[str, ...]:
    notes = []
    if not recording.complete:
        notes.append("the last entry is cut off")
    if unanswered:
        notes.append(f"{unanswered} reads of frames were not answered and are left out")
    return tuple(notes)
