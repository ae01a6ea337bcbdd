"""The guide's denoiser: what it is made of, that it denoises, that all runners agree on it."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt import Runner, compare
from hostrt.fasmir.compile import compile_model
from hostrt.fqir.load import load_model
from tests.data import make_denoiser
from tests.docs.pages import DOCS

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL, SOUND = DOCS / "denoiser.pt", DOCS / "noisy.wav"
N = make_denoiser.N
PERIOD_S = N / make_denoiser.RATE_HZ


def samples() -> NDArray[np.int16]:
    with wave.open(str(SOUND)) as stream:
        assert (stream.getframerate(), stream.getnchannels()) == (make_denoiser.RATE_HZ, 1)
        return np.frombuffer(stream.readframes(stream.getnframes()), "<i2").astype(np.int16)


def frames() -> NDArray[np.int16]:
    return samples()[: samples().size // N * N].reshape(-1, N)


def denoised() -> NDArray[np.float64]:
    with Runner("fqir", MODEL) as fqir:
        return fqir.run(frames()).outputs["clean"].reshape(-1).astype(np.float64)


def snr_db(clean: NDArray[np.float64], heard: NDArray[np.float64]) -> float:
    return float(10 * np.log10(np.sum(clean**2) / np.sum((heard - clean) ** 2)))


def test_the_model_in_the_guide_is_the_one_that_is_made() -> None:
    assert make_denoiser.model_file() == MODEL.read_bytes()


def test_the_sound_in_the_guide_is_the_one_that_is_made() -> None:
    assert np.array_equal(make_denoiser.noisy(), samples())


def test_both_files_are_small() -> None:
    assert MODEL.stat().st_size < 150_000
    assert SOUND.stat().st_size < 150_000


def test_the_transform_and_its_inverse_give_the_sound_back() -> None:
    weights = make_denoiser.transform().astype(np.float64) / 1024
    sound = samples().astype(np.float64)[: 20 * N]
    pairs = np.hstack([sound[:-N].reshape(-1, N), sound[N:].reshape(-1, N)])

    halves = (pairs @ weights.T @ weights).reshape(-1, 2, N)
    again = (halves[:-1, 1] + halves[1:, 0]).reshape(-1)

    assert snr_db(sound[N : N + again.size], again) > 30


def test_it_takes_most_of_the_noise_away() -> None:
    clean = make_denoiser.chime().astype(np.float64)[: frames().size]
    heard = samples().astype(np.float64)[: frames().size]

    before, after = snr_db(clean, heard), snr_db(clean[:-N], denoised()[N:])

    assert before == pytest.approx(7.0, abs=0.5)
    assert after > before + 9


def test_noise_alone_becomes_quiet() -> None:
    lead = int(make_denoiser.LEAD_S * make_denoiser.RATE_HZ)
    quiet = denoised()[2 * N : lead]
    assert 20 * np.log10(quiet.std() / samples()[:lead].std()) < -12


@pytest.mark.slow
def test_all_runners_agree_and_are_far_faster_than_sound_comes() -> None:
    part = frames()[100:180]
    with Runner("fqir", MODEL) as fqir:
        expected = fqir.run(part)
    program = compile_model(load_model(MODEL)).program
    with Runner("fasmir", MODEL) as fasmir:
        counted = fasmir.run(part)
    with Runner("hw", program, board="sim") as hw:
        measured = hw.run(part)

    compare(expected, counted).raise_if_different()
    compare(expected, measured).raise_if_different()
    assert counted.metrics.latency_s is not None
    assert measured.metrics.latencies_s["device"].max() < PERIOD_S / 50
