"""Random models give the same integers here and in the reference toolkit, bit for bit.

One process runs all models of this file there. A failing model is drawn again by its name:
`single("vvadd", 7)`, `mixture(7)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hostrt.fqir.operators import OPERATORS
from tests.peer.fqir_calls import serve_fqir
from tests.peer.fqir_cases import DRAWS, Answer, ask, mixture, nested_alike, single
from tests.peer.fqir_compare import differences, engines, internal_differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.peer.fqir_calls import FqirPeer
    from tests.peer.fqir_sketch import Case

    Ask = Callable[[list[Case]], list[Answer]]

pytestmark = [pytest.mark.peer, pytest.mark.slow]

N_SINGLE = 16
N_MIXTURES = 40
BATCHES = range(4)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FqirPeer]:
    """The toolkit, started once."""
    with serve_fqir(tmp_path_factory.mktemp("fqir_peer")) as started:
        yield started


@pytest.fixture
def ask_peer(peer: FqirPeer, tmp_path: Path) -> Ask:
    """Let the toolkit run cases."""
    return lambda cases: ask(peer, cases, tmp_path)


def assert_same(answers: list[Answer]) -> None:
    assert any(not answer.error for answer in answers)
    found = [text for engine in engines() for text in differences(answers, engine)]
    assert not found, "\n".join(found)


def test_every_executable_operator_is_drawn() -> None:
    wanted = {name for name, operator in OPERATORS.items() if operator.executable}
    assert wanted - {"dequantize"} <= set(DRAWS)  # gives real numbers, which no ARITH graph does


@pytest.mark.parametrize("opname", DRAWS)
def test_models_of_one_operator(opname: str, ask_peer: Ask) -> None:
    assert_same(ask_peer([single(opname, seed) for seed in range(N_SINGLE)]))


@pytest.mark.parametrize("batch", BATCHES)
def test_models_of_several_operators(batch: int, ask_peer: Ask) -> None:
    first = batch * N_MIXTURES
    assert_same(ask_peer([mixture(seed) for seed in range(first, first + N_MIXTURES)]))


@pytest.mark.parametrize("opname", ["assign", "temporal_unfold", "loop", "conditional", "", None])
def test_all_tensors_of_a_model(opname: str | None, ask_peer: Ask) -> None:
    seeds = range(100, 100 + N_SINGLE)
    answers = ask_peer([mixture(k) if opname is None else single(opname, k) for k in seeds])

    found = [text for e in engines() for a in answers for text in internal_differences(a, e)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("kind", ["strided_subgraph", "conditional"])
def test_what_the_reference_cannot_nest_means_the_obvious(kind: str, ask_peer: Ask) -> None:
    answers = ask_peer([nested_alike(kind, seed) for seed in range(N_SINGLE)])

    assert any(answer.error for answer in answers)
    found = [text for engine in engines() for text in differences(answers, engine)]
    assert not found, "\n".join(found)
