"""Make hostrt/docs/chime.wav: three bell notes of a major chord, 2 s, 16 kHz, mono, 16-bit.

Run from the project's folder: `python tests/data/make_chime.py`.
"""

from __future__ import annotations

import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ = 16000
DURATION_S = 2.0
NOTES = ((0.00, 523.25), (0.18, 659.26), (0.36, 783.99))
"""Start in seconds and frequency in Hz: C5, E5, G5."""
PARTIALS = ((1.0, 1.0, 0.55), (2.0, 0.35, 0.32), (2.76, 0.22, 0.18), (5.40, 0.08, 0.08))
"""Frequency ratio, amplitude and decay time in seconds of a struck bar's partials."""
PEAK = 0.7


def chime() -> NDArray[np.int16]:
    """Synthesize the samples."""
    time_s = np.arange(round(RATE_HZ * DURATION_S)) / RATE_HZ
    total = np.zeros_like(time_s)
    for start_s, frequency in NOTES:
        since = np.maximum(time_s - start_s, 0.0)
        attack = np.minimum(since / 0.004, 1.0)
        for ratio, amplitude, decay_s in PARTIALS:
            tone = np.sin(2 * np.pi * frequency * ratio * since)
            total += attack * amplitude * np.exp(-since / decay_s) * tone
    fade = np.minimum((DURATION_S - time_s) / 0.05, 1.0)
    total *= fade * PEAK / np.abs(total).max()
    return np.rint(total * 32767).astype(np.int16)


def main() -> None:
    """Write the file."""
    target = Path(__file__).parents[2] / "hostrt" / "docs" / "chime.wav"
    with wave.open(str(target), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(RATE_HZ)
        stream.writeframes(chime().astype("<i2").tobytes())


if __name__ == "__main__":
    main()
