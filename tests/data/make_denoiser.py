"""Make hostrt/docs/denoiser.pt, which takes hiss out of sound, and noisy.wav to try it on.

Run from the project's folder: `python -m tests.data.make_denoiser`. It makes the same bytes each
time.

The model hears 128 samples per frame. A lapped transform (MDCT) over this frame and the one before
splits the sound into 128 bands; a band whose smoothed magnitude stays near that of the noise is
turned down by a look-up table; the inverse transform, overlapped with that of the frame before,
gives the sound back, 128 samples later.
"""

from __future__ import annotations

import random
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.graph import Graph, Node, Table, Tensor
from hostrt.fqir.operators import OPERATORS
from tests.fqir.write_model import model_bytes, wrap

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

DOCS = Path(__file__).parents[2] / "hostrt" / "docs"
RATE_HZ = 16000
N = 128
"""Samples per frame, and bands."""
LEAD_S = 1.0
"""Noise alone before the chime begins."""
HISS = 1500
"""Standard deviation of the noise."""
SEED = 16
BANDS_SHIFT = -13
"""From the product of 8-bit weights (1 is 2^10) to bands, an eighth of the sound's scale."""
SOUND_SHIFT = -7
"""From the product of bands and weights back to the sound's scale."""
OVER_NOISE = 2.5
"""Mean magnitude of noise times this is half way between noise and sound."""
FLOOR = 0.05
"""Gain of a band that holds noise only."""
ADDRESS_SHIFT = -3
"""From the distance to the threshold to an address in the table."""


def transform() -> NDArray[np.int8]:
    """Give the lapped transform's (128, 256) weights; rows are nearly orthonormal, 1 is 2^10."""
    time = np.arange(2 * N) + 0.5
    band = np.arange(N)[:, None] + 0.5
    window = np.sin(np.pi * time / (2 * N))
    rows = np.sqrt(2 / N) * window * np.cos(np.pi / N * (time + N / 2) * band)
    return np.clip(np.rint(rows * 1024), -127, 127).astype(np.int8)


def hiss(n_samples: int) -> NDArray[np.int64]:
    """Give white noise: sums of four uniform numbers, the same on every computer."""
    source = random.Random(SEED)
    # a uniform number of width 2 h has the variance h^2 / 3
    half = HISS * (3 / 4) ** 0.5
    values = [sum(source.uniform(-half, half) for _ in range(4)) for _ in range(n_samples)]
    return np.rint(values).astype(np.int64)


def chime() -> NDArray[np.int64]:
    """Give the clean sound: silence, then the guide's chime."""
    with wave.open(str(DOCS / "chime.wav")) as stream:
        samples = np.frombuffer(stream.readframes(stream.getnframes()), "<i2")
    return np.concatenate([np.zeros(round(LEAD_S * RATE_HZ), np.int64), samples.astype(np.int64)])


def noisy() -> NDArray[np.int16]:
    """Give the chime in noise."""
    clean = chime()
    return np.clip(clean + hiss(clean.size), -32768, 32767).astype(np.int16)


def thresholds(noise: NDArray[np.integer]) -> NDArray[np.int64]:
    """Listen to noise alone and say, per band, where sound begins."""
    frames = noise[: noise.size // N * N].reshape(-1, N).astype(np.int64)
    bands = np.hstack([frames[:-1], frames[1:]]) @ transform().astype(np.int64).T
    mean = np.abs(bands).mean(axis=0) * 2.0**BANDS_SHIFT
    return np.rint(OVER_NOISE * mean).astype(np.int64)


def gains(middle: float) -> Table:
    """Give the table of gains (1 is 2^15) by distance to the threshold."""
    address = np.arange(-128, 128)
    rise = 1 / (1 + np.exp(-4 * address * 2.0**-ADDRESS_SHIFT / middle))
    values = np.rint((FLOOR + (1 - FLOOR) * rise) * 32767).astype(np.int64)
    return Table("gate", address.astype(np.int64), values)


@dataclass(slots=True)
class Draft:
    """A model in the making."""

    arith: Graph = field(default_factory=lambda: Graph("ARITH"))
    init: Graph = field(default_factory=lambda: Graph("INIT"))

    def parameter(self, name: str, value: ArrayLike, bits: int, quanta: int) -> Tensor:
        """Add a parameter."""
        array = np.asarray(value)
        made = Tensor(name, f"fqint{bits}", array.shape, quanta, array)
        self.arith.parameters.append(made)
        return made

    def state(self, name: str, quanta: int) -> Tensor:
        """Add zeros that live from frame to frame."""
        made = Tensor(name, "fqint16", (N,), quanta)
        self.init.nodes.append(Node(name, OPERATORS["zeros"], {}, [made], {"shape": (N,)}))
        return made

    def add(
        self,
        opname: str,
        out: str,
        inputs: dict[str, Tensor],
        constants: dict[str, Any],
        quanta: int = -12,
        length: int = N,
    ) -> Tensor:
        """Add an operation with one output of 16 bits."""
        made = Tensor(out, "fqint16", (length,), quanta)
        self.arith.nodes.append(Node(out, OPERATORS[opname], inputs, [made], constants))
        return made

    def assign(self, state: Tensor, value: Tensor) -> None:
        """Let a state hold a value until the next frame."""
        inputs = {"y": state, "x": value}
        self.arith.nodes.append(Node(f"{state.name}=", OPERATORS["assign"], inputs, [state]))


def sums(shamt_x: int = 0, shamt_bwred: int = 0) -> dict[str, Any]:
    """Give the constants of a sum or difference of 16 bits."""
    return {
        "shamt_x": shamt_x, "shamt_y": 0, "shamt_bwred": shamt_bwred,
        "bw": 16, "bw_x": 16, "bw_y": 16, "rounded": shamt_bwred < 0,
    }  # fmt: skip


def denoiser(limits: NDArray[np.int64]) -> Graph:
    """Give the model.

    Args:
        limits: (128,) magnitudes at which sound begins.
    """
    draft = Draft()
    x = Tensor("noisy", "fqint16", (N,), -15)
    draft.arith.inputs.append(x)
    weights = draft.parameter("transform", transform(), 8, -10)
    limit = draft.parameter("limit", limits.astype(np.int16), 16, -12)
    before, level, rest = (
        draft.state("before", -15),
        draft.state("level", -12),
        draft.state("rest", -15),
    )

    pair = draft.add("cat", "pair", {"x0": before, "x1": x}, {"dim": 0}, -15, 2 * N)
    draft.assign(before, x)
    product = {"shamt_bwred": BANDS_SHIFT, "bw_out": 16, "rounded": True}
    bands = draft.add("matmul", "bands", {"x": weights, "y": pair}, product)

    negative = draft.add("vneg", "negative", {"x": bands}, {"bw": 16})
    size = draft.add("vvmax", "magnitude", {"x": bands, "y": negative}, {})
    change = draft.add("vvsub", "change", {"x": size, "y": level}, sums())
    now = draft.add("vvadd", "level_now", {"x": level, "y": change}, sums(2, -2))
    draft.assign(level, now)

    over = draft.add("vvsub", "over", {"x": now, "y": limit}, sums())
    address: dict[str, Any] = {"shamt_address": ADDRESS_SHIFT, "bw_address": 8}
    gate = address | {"table": gains(float(limits.mean())), "function": "gate"}
    gain = draft.add("lut", "gain", {"x": over}, gate, -15)
    scale = {"shamt_bwred": -15, "bw": 16, "rounded": True}
    kept = draft.add("vvmul", "kept", {"x": bands, "y": gain}, scale)

    back = {"shamt_bwred": SOUND_SHIFT, "bw_out": 16, "rounded": True}
    sound = draft.add("matmul", "sound", {"x": kept, "y": weights}, back, -15, 2 * N)
    halves = [Tensor(name, "fqint16", (N,), -15) for name in ("first", "second")]
    draft.arith.nodes.append(
        Node("halves", OPERATORS["chunk"], {"x": sound}, halves, {"chunks": 2, "dim": 0})
    )
    clean = draft.add("vvadd", "clean", {"x": halves[0], "y": rest}, sums(), -15)
    draft.assign(rest, halves[1])
    draft.arith.outputs.append(clean)
    return wrap(draft.arith, draft.init)


def model_file() -> bytes:
    """Give the content of denoiser.pt."""
    lead = noisy()[: round(LEAD_S * RATE_HZ)]
    return model_bytes(denoiser(thresholds(lead)), root="denoiser")


def main() -> None:
    """Write both files."""
    (DOCS / "denoiser.pt").write_bytes(model_file())
    with wave.open(str(DOCS / "noisy.wav"), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(RATE_HZ)
        stream.writeframes(noisy().astype("<i2").tobytes())


if __name__ == "__main__":
    main()
