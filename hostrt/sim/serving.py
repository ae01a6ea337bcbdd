"""Board servers from what a user asked for."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from firmware_protocol.evk2 import supports_exec_time
from hostrt.chip import get_chip
from hostrt.chip.platform import EVK2, ZCU104
from hostrt.sim.build import ECHO, EXECUTE, SimOptions, build_spu, fault_plan
from hostrt.sim.evk2 import PRODUCTS, Identity, VirtualEvk2
from hostrt.sim.port import Port, PortOptions
from hostrt.sim.serve import BoardServer, parse_address
from hostrt.sim.sessions import Evk2Session, ZynqSession
from hostrt.sim.zcu104 import VirtualZcu104


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What a user can choose about served boards; "" stands for the usual value.

    Attributes:
        chip: spoken chip name.
        answer: "execute", "echo" or a file of prepared outputs.
        program: program file that declares inputs and outputs for echo.
        usb_speed: pacing of the EVK2: "full", "high" or "unlimited".
        faults: fault plan.
        seed: seed of random faults.
        serial: serial number of the EVK2.
        manufacturer: manufacturer string of the EVK2.
        product: product string of the EVK2.
    """

    chip: str = "spu001"
    answer: str = EXECUTE
    program: str = ""
    usb_speed: str = "unlimited"
    faults: str = ""
    seed: int = 0
    serial: str = ""
    manufacturer: str = ""
    product: str = ""

    def identity(self) -> Identity:
        """Give the EVK2's strings."""
        usual = Identity()
        return Identity(
            manufacturer=self.manufacturer or usual.manufacturer,
            product=self.product or PRODUCTS[get_chip(self.chip).name],
            serial=self.serial or usual.serial,
        )

    def marks(self) -> dict[str, str]:
        """Give the options by which an address says what is behind it."""
        kind = {EXECUTE: "", ECHO: ECHO}.get(self.answer, "file")
        return {"simulated": "yes", **({"answer": kind} if kind else {})}

    def sim(self) -> SimOptions:
        """Give what concerns the chip."""
        return SimOptions(answer=self.answer, program=self.program)


def evk2_server(address: str, options: ServeOptions) -> tuple[str, BoardServer]:
    """Make a virtual EVK2 that listens on `HOST:PORT`.

    Returns:
        The address that opens it, and the server, not started.

    Raises:
        UsageError: bad address or option, or a chip that no EVK2 carries.
        BoardUnavailable: the port cannot be used.
    """
    host, port = parse_address(address)
    spu = build_spu(options.chip, options.sim(), EVK2)
    spu.chip.check_platform(EVK2, pll=True)
    identity = options.identity()
    board = Port(
        VirtualEvk2(spu, identity),
        PortOptions(
            usb_speed=options.usb_speed,
            faults=fault_plan(options.faults, options.seed),
            is_stream=True,
        ),
    )
    server = BoardServer(host, port, Evk2Session(board), "virtual EVK2")
    query = {
        "chip": spu.chip.name,
        "exec_time": "yes" if supports_exec_time(identity.manufacturer) else "no",
        **options.marks(),
        **({"usb_speed": options.usb_speed} if options.usb_speed != "unlimited" else {}),
    }
    return f"evk2+tcp://{_place(server)}?{urlencode(query)}", server


def zcu104_server(address: str, options: ServeOptions) -> tuple[str, BoardServer]:
    """Make a virtual ZCU104 that listens on `HOST:PORT`; see `evk2_server`."""
    host, port = parse_address(address)
    board = VirtualZcu104(build_spu(options.chip, options.sim(), ZCU104))
    session = ZynqSession(board, fault_plan(options.faults, options.seed))
    server = BoardServer(host, port, session, "virtual ZCU104")
    return f"zcu104://{_place(server)}?{urlencode(options.marks())}", server


def _place(server: BoardServer) -> str:
    host, port = server.address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
