"""A bit that flips on the way to the chip: hostrt run says where results part, and fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hostrt.chip.step import Space
from hostrt.sim.spu import SimulatedSpu
from tests.cli.conftest import DATA

if TYPE_CHECKING:
    from firmware_protocol.words import Words

MODEL = DATA / "fqir" / "gru2" / "model.pt"
DM0 = 0x0010_0000


@pytest.mark.parametrize("runners", ["hw,fasmir,fqir", "fqir,hw"])
def test_a_flipped_bit_is_found_and_placed(
    hostrt: Any, monkeypatch: pytest.MonkeyPatch, runners: str
) -> None:
    write = SimulatedSpu.write

    def flip(self: Any, space: Space, address: int, words: Words, stride: int = 4) -> None:
        if space is Space.APB and address == DM0:
            words = words.copy()
            words[80] ^= 0x80
        write(self, space, address, words, stride)

    command = ("run", MODEL, "--board", "sim", "--n-frames", 30, "--input-style", "random")
    assert hostrt(*command, "--runners", runners).code == 0
    monkeypatch.setattr(SimulatedSpu, "write", flip)

    done = hostrt(*command, "--runners", runners)

    assert done.code == 1, done.out
    assert "output.0" in done.out
    assert "frame " in done.out
    assert "values differ" in done.out
    tree = hostrt(*command, "--runners", runners, "--json").json
    assert not tree["equal"]
    assert hostrt(*command, "--runners", "hw", "--verify").code == 6
