"""Boards that exist only inside this process.

`sim://spu001` hands Steps straight to a simulated chip, `evk2+sim://spu001` goes through the whole
USB transport to a virtual EVK2.

Options of both: `answer` (execute, echo or a `.npy`/`.npz` file of prepared outputs), `program`
(program file that declares inputs and outputs for echo), `pll` (locks or never). `sim` also knows
`platform` (evk2, zcu104, rtl); `evk2+sim` knows `usb_speed`, `window`, `serial`, `manufacturer`,
`product`, `faults`, `seed`, `stale` and `in_buffer` (answers the board holds, 0 any number).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.requests import (
    ExecTime,
    FrameIn,
    FrameOut,
    HostAction,
    Read,
    Request,
    Write,
)
from hostrt.chip import get_chip
from hostrt.chip.platform import EVK2, PLATFORMS
from hostrt.errors import LinkLost, UsageError
from hostrt.sim.build import SimOptions, build_spu, fault_plan
from hostrt.sim.evk2 import PRODUCTS, Identity, VirtualEvk2
from hostrt.sim.pacing import SLOTS_S
from hostrt.sim.port import Port, PortOptions
from hostrt.transport.base import Transport, TransportInfo
from hostrt.transport.rules import USB_SLOTS_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.words import Words
    from hostrt.chip.step import Poll, Wait
    from hostrt.sim.spu import SimulatedSpu
    from hostrt.transport.url import BoardUrl

DEFAULT_CHIP = "spu001"
_POLL_STEPS = 4
_OPTIONS = frozenset({"answer", "program", "pll", "platform", "engine"})


class SimTransport(Transport):
    """Steps carried out by a simulated chip in this process. Waiting costs no time.

    Attributes:
        spu: the simulated chip.
        now_s: simulated seconds since the transport was opened.
    """

    def __init__(self, spu: SimulatedSpu, info: TransportInfo) -> None:
        self.spu = spu
        self.info = info
        self.now_s = 0.0
        self._least_wait_s = 0.0
        self._closed = False

    def close(self) -> None:
        """Let go of the chip; its state is lost."""
        self._closed = True

    def _exchange(self, requests: Sequence[Request]) -> list[Words | None]:
        if self._closed:
            raise LinkLost(f"{self.info.url} was closed", board=self.info.url)
        return [self._do(request) for request in requests]

    def _do(self, request: Request) -> Words | None:
        match request:
            case Write(space=space, address=address, words=words, stride=stride):
                self.spu.write(space, address, words, stride)
            case Read(space=space, address=address, n_words=n_words, stride=stride):
                return self.spu.read(space, address, n_words, stride)
            case FrameOut(words=words):
                self.spu.send(words)
            case FrameIn(n_words=n_words):
                return self.spu.receive(n_words)
            case ExecTime():
                return self.spu.exec_time()
            case HostAction(register=register, value=value):
                self.spu.host_write(register, value)
        return None

    def _poll(self, step: Poll, first: Words | None) -> Words:
        # The chip has already done everything it will ever do, so a poll that fails once fails
        # until its deadline: a few looks are as good as a hundred thousand.
        self._least_wait_s = step.timeout_s / _POLL_STEPS
        try:
            return super()._poll(step, first)
        finally:
            self._least_wait_s = 0.0

    def _wait(self, wait: Wait) -> None:
        self.now_s += max(wait.seconds, self._least_wait_s)

    def _now(self) -> float:
        return self.now_s


def open_url(url: BoardUrl) -> Transport:
    """Open `sim://CHIP`.

    Raises:
        UsageError: unknown chip or option value.
    """
    unknown = sorted(set(url.options) - _OPTIONS)
    if unknown:
        raise UsageError(
            f"{url}: no option {', '.join(unknown)}", hint=f"known: {', '.join(sorted(_OPTIONS))}"
        )
    chip = url.host or DEFAULT_CHIP
    default = "rtl" if chip == "spu150" else "evk2"
    platform = PLATFORMS[url.option("platform", default, tuple(PLATFORMS))]
    spu = build_spu(chip, SimOptions.from_url(url), platform)
    spu.chip.check_platform(platform, pll=False)
    info = TransportInfo(
        url=str(url),
        platform=platform.name,
        simulated=True,
        reads_exec_time=True,
        chip=spu.chip.name,
        product=spu.chip.map.title,
        firmware="simulated",
    )
    return SimTransport(spu, info)


def open_virtual_usb(url: BoardUrl) -> Transport:
    """Open `evk2+sim://CHIP`: the USB transport on a virtual board on a virtual bus.

    Raises:
        UsageError: unknown chip or option value.
    """
    from hostrt.sim.usb_backend import SimBackend
    from hostrt.transport.evk2_usb import open_usb

    spu = build_spu(url.host or DEFAULT_CHIP, SimOptions.from_url(url))
    spu.chip.check_platform(EVK2, pll=True)
    options = _port_options(url)
    backend = SimBackend([Port(VirtualEvk2(spu, _identity(url)), options)])
    is_paced = options.usb_speed in USB_SLOTS_S
    return open_usb(url, backend, simulated=True, lock=False, is_paced=is_paced)


def _identity(url: BoardUrl) -> Identity:
    usual = Identity(product=PRODUCTS[get_chip(url.host or DEFAULT_CHIP).name])
    return Identity(
        manufacturer=url.option("manufacturer", usual.manufacturer),
        product=url.option("product", usual.product),
        serial=url.option("serial", usual.serial),
    )


def _port_options(url: BoardUrl) -> PortOptions:
    return PortOptions(
        usb_speed=url.option("usb_speed", "unlimited", tuple(SLOTS_S)),
        faults=fault_plan(url.option("faults", ""), whole_number(url, "seed", 0)),
        in_buffer=whole_number(url, "in_buffer", 0) or None,
        stale=whole_number(url, "stale", 0),
    )


def whole_number(url: BoardUrl, name: str, default: int) -> int:
    """Give an option that counts something.

    Raises:
        UsageError: not a whole number, or negative.
    """
    text = url.option(name, str(default))
    if not text.isdecimal():
        raise UsageError(f"{url}: option {name}={text!r}, expected a whole number")
    return int(text)
