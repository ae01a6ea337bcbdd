"""Boards in a process of their own: the contract, and everything stays what it was."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.memory import MemoryKind
from hostrt import Program, Runner
from hostrt.chip import get_chip
from hostrt.chip.base import Power
from hostrt.chip.platform import EVK2
from hostrt.chip.step import Expect, Poll, Read, Space, Wait, Write
from hostrt.errors import HostrtError, LinkError, OutputNeverCame, UsageError, WrongVersion
from hostrt.log import TRACE
from hostrt.testing.transport_contract import TransportContract
from hostrt.transport.apart import ApartTransport
from hostrt.transport.record import RecordTransport
from hostrt.transport.url import open_transport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.chip.step import Step
    from hostrt.transport.base import Transport

pytestmark = pytest.mark.slow

CHIP = get_chip("spu001")
BASE = CHIP.map.region(0, MemoryKind.DM, 0).base
PROGRAM = Path(__file__).parents[1] / "data" / "spu" / "programs" / "p001_a" / "p001_a.femto"


def boot(transport: Transport) -> None:
    steps = [step for step in CHIP.boot(EVK2, pll=False) if not isinstance(step, Wait)]
    transport.execute([*steps, *CHIP.set_power("C0_DM_CONF0", Power.ON)])


class TestSimulatedChipApart(TransportContract):
    memory_base = BASE
    address = "apart+sim://spu001"

    def open_transport(self) -> Transport:
        return open_transport(self.address)

    def prepare(self, transport: Transport) -> None:
        boot(transport)

    @pytest.fixture(scope="class")
    @classmethod
    def child(cls) -> Iterator[Transport]:
        """Give one child to all tests that do not end it: starting them takes its time."""
        with open_transport(cls.address) as transport:
            yield transport

    @pytest.fixture
    def transport(self, child: Transport) -> Transport:
        self.prepare(child)
        return child


class TestVirtualUsbApart(TestSimulatedChipApart):
    address = "apart+evk2+sim://spu001"


@pytest.fixture(scope="module")
def apart() -> Iterator[ApartTransport]:
    with open_apart("apart+evk2+sim://spu001") as transport:
        yield transport


def open_apart(address: str) -> ApartTransport:
    transport = open_transport(address)
    assert isinstance(transport, ApartTransport)
    return transport


def test_the_board_is_in_another_process(apart: ApartTransport) -> None:
    assert apart.process_id != os.getpid()
    os.kill(apart.process_id, 0)


def test_the_board_tells_about_itself_what_it_always_tells(apart: ApartTransport) -> None:
    with open_transport("evk2+sim://spu001") as here:
        assert apart.info == replace(here.info, url=f"apart+{here.info.url}")


FAILING: dict[str, Step] = {
    "poll": Poll(
        *(Space.APB, BASE, 1, Wait(1, 0.001), 0.01, "the bit", OutputNeverCame, "A", "turn it on")
    ),
    "expect": Expect(Space.APB, BASE, 7, 0xFF, "the word", WrongVersion, "B", "turn it off"),
    "nowhere": Read(Space.HOST, 0x7FFF_FFF0),
}


@pytest.mark.fault
@pytest.mark.parametrize("name", FAILING)
def test_what_fails_in_the_child_fails_here_in_the_same_way(
    apart: ApartTransport, name: str
) -> None:
    with open_transport("evk2+sim://spu001") as here:
        expected = failure(here, name)
    found = failure(apart, name)

    assert type(found) is type(expected)
    assert found.message == expected.message.replace("evk2+sim:", "apart+evk2+sim:")
    assert found.hint == expected.hint
    assert found.context.keys() == expected.context.keys()
    assert apart.execute([]) == []


def failure(transport: Transport, name: str) -> HostrtError:
    boot(transport)
    with pytest.raises(HostrtError) as caught:
        transport.execute([Write(Space.APB, BASE, np.zeros(1, np.uint32)), FAILING[name]])
    return caught.value


@pytest.mark.parametrize("address", ["sim://spu002", "evk2+sim://spu001?usb_speed=hihg"])
def test_an_address_that_cannot_be_opened_says_what_it_says_without_the_child(
    address: str,
) -> None:
    with pytest.raises(HostrtError) as here:
        open_transport(address)
    with pytest.raises(type(here.value)) as there:
        open_transport(f"apart+{address}")

    assert str(there.value) == str(here.value)
    assert there.value.hint == here.value.hint


def test_the_simulated_clock_goes_on_in_the_child() -> None:
    with open_transport("apart+sim://spu001") as transport:
        before = transport._now()
        transport.execute([Wait(1, 7.0)])
        assert transport._now() - before == pytest.approx(7.0)


def test_what_is_logged_in_the_child_is_logged_here(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(TRACE, "hostrt"), open_transport("apart+sim://spu001") as transport:
        transport.execute([Read(Space.TOP, 0, register="FIRST")])

    (record,) = [record for record in caplog.records if "FIRST" in record.message]
    assert (record.name, record.levelno) == ("hostrt.transport.base", TRACE)
    assert record.message.startswith("apart+sim://spu001: read")


def test_the_window_is_the_one_of_the_board() -> None:
    with (
        open_transport("evk2+sim://spu001?window=5") as here,
        open_transport("apart+evk2+sim://spu001?window=5") as there,
    ):
        assert there.window == here.window
    with open_transport("fakezynq") as here, open_transport("apart+fakezynq") as there:
        assert there.window == here.window


def test_a_recording_is_made_on_either_side(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside.yaml", tmp_path / "inside.yaml"
    with open_transport(f"record+apart+sim://spu001?to={outside}") as transport:
        assert isinstance(transport, RecordTransport)
        boot(transport)
    with open_transport(f"apart+record+sim://spu001?to={inside}") as transport:
        boot(transport)

    assert outside.read_text() == inside.read_text() != ""


def test_a_model_computes_the_same_apart() -> None:
    address = f"sim://spu001?answer=echo&program={PROGRAM}"
    program = Program.load(PROGRAM)
    assert program.iospec is not None
    (vector,) = program.iospec.inputs.values()
    frames = np.random.default_rng(3).integers(-99, 99, (7, vector.length), np.int16)
    with Runner("hw", program, board=address) as here:
        expected = here.run(frames).outputs
    with Runner("hw", program, board=f"apart+{address}") as there:
        found = there.run(frames).outputs

    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_patience_stays_in_the_address() -> None:
    with open_transport("apart+sim://spu001?patience=7&engine=c") as transport:
        assert transport.info.url == "apart+sim://spu001?engine=c&patience=7"


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_patience_is_a_time(text: str) -> None:
    with pytest.raises(UsageError, match="expected seconds"):
        open_transport(f"apart+sim://spu001?patience={text}")


def test_landmarks_reach_the_child(apart: ApartTransport) -> None:
    apart.set_landmark(Read(Space.APB, CHIP.map.address("VERSION"), register="VERSION"))

    assert apart.execute([Read(Space.APB, CHIP.map.address("VERSION"))])[0] is not None


def test_a_closed_child_takes_no_landmark() -> None:
    transport = open_transport("apart+sim://spu001")
    transport.close()

    with pytest.raises(LinkError, match="closed"):
        transport.set_landmark(Read(Space.APB, 0))
