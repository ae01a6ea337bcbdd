"""The vendor's compiler: a client of its compile-and-simulate service.

The service listens at an address that is given, or runs in a container that is started here. What
it compiles comes back as memory images and becomes a `Program`; what it simulates, as arrays.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from firmware_protocol.iospec import format_iospec
from hostrt.closing import Closing
from hostrt.compiler.base import CompiledModel
from hostrt.compiler.connection import Address, Connection, TimeLimits, refused
from hostrt.compiler.containers import (
    HARDWARE,
    KNOWN_VERSION,
    ServiceContainer,
    hardware_for,
)
from hostrt.compiler.messages import message_types
from hostrt.compiler.model_bytes import pickle_of, with_whole_inputs
from hostrt.compiler.session import ServiceSimulation
from hostrt.errors import CompilerError, UsageError, WrongTarget
from hostrt.fqir.iospec import infer_iospec
from hostrt.program.archive import read_zip
from hostrt.program.images_file import IOSPEC_MEMBER, program_from_members
from hostrt.program.load import LoadOptions
from hostrt.program.model import Identity, InstructionSet, ProgramSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.iospec import IOSpec
    from hostrt.compiler.base import CompileOptions
    from hostrt.fqir.graph import Model
    from hostrt.program.model import Program

NAME = "femtocrux"
_BATCH_AXIS, _TIME_AXIS = 0, 1
_KEY_INDEX = 0
"""Key of what the service compiles; others exist only inside the vendor's house."""
_ALIKE = ("spu150", "spu150tc1")
_EXACT = 1 << 53
"""Whole numbers below it pass through a double unchanged."""


class FemtocruxCompiler(Closing):
    """Compiles and simulates on the vendor's service. Use it from one thread.

    The service is reached or started with the first model. A started one compiles for one chip: a
    model for another chip stops it and starts another.
    """

    name: ClassVar[str] = NAME
    instruction_set: ClassVar[InstructionSet] = InstructionSet.VENDOR

    def __init__(
        self,
        *,
        address: str | None = None,
        image: str | None = None,
        version: str | None = None,
        timeout_s: float | None = None,
        limits: TimeLimits | None = None,
    ) -> None:
        """Say where the service is; nothing is contacted yet.

        Args:
            address: `HOST:PORT` of a running service; None starts a container.
            image: image of the container; None chooses the vendor's.
            version: version that the service must have; None accepts any that runs, and chooses
                the image of the version that hostrt knows.
            timeout_s: longest wait for a compilation or a simulated run, in seconds.
            limits: all of the longest waits; `timeout_s` beats its `work_s`.

        Raises:
            UsageError: an address that is none, or one together with an image.
            ExtraMissing: a package of the extra is not installed.
        """
        if address and image:
            raise UsageError(
                "an address of a running service and an image to start were given, expected one",
                hint="leave one of them away",
            )
        message_types()
        limits = limits or TimeLimits()
        self._limits = limits if timeout_s is None else replace(limits, work_s=timeout_s)
        self._address = Address.parse(address) if address else None
        self._image, self._version = image or "", version or ""
        self._chip = ""
        self._container: ServiceContainer | None = None
        self._connection: Connection | None = None
        self._session: ServiceSimulation | None = None

    def compile(self, model: Model, options: CompileOptions) -> CompiledModel:
        """Compile a model; see `Compiler.compile`.

        Raises:
            ProgramNotFound: the model's file is gone or has changed.
            ProgramUnsupported: the service refuses the model, or it is too large for a message.
            WrongTarget: the service compiles for another chip.
            ProgramCorrupt: the service's answer cannot be read.
            CompilerError: the service cannot be reached or started, does not answer in time, is of
                another version, or answered something else.
        """
        self._require_no_session()
        request, iospec = _request(model, options)
        connection = self._connect(options.chip)
        reply = connection.compile(request, _name(model))
        if not reply.status.success:
            raise refused(_name(model), reply.status.msg)
        compiler = f"{NAME} {connection.version}"
        program = _program(reply, model, iospec, options.chip, compiler)
        notes = (*self._notes(connection, options.chip), *program.notes)
        return CompiledModel(program, compiler, notes, reservations=_reservations(reply))

    def simulate(self, model: Model, options: CompileOptions) -> ServiceSimulation:
        """Open a simulation of a model.

        The service compiles it once more, with the same options as `compile` sends; the
        quantisation exponents of its inputs are set to 0, so that integers arrive as they are. The
        service can hold one simulation at a time without mixing them up.

        Raises:
            UsageError: the simulation before it is still open.
            HostrtError: as `compile`.
        """
        self._require_no_session()
        request, _ = _request(model, options)
        request.fqir.model = with_whole_inputs(request.fqir.model, _name(model))
        connection = self._connect(options.chip)
        self._session = ServiceSimulation(connection, request, _name(model))
        return self._session

    def logs(self) -> str:
        """Give what a container that was started here has written, "" for none."""
        return "" if self._container is None else self._container.logs()

    def close(self) -> None:
        """End the simulation, the connection and the container. Idempotent."""
        session, self._session = self._session, None
        connection, self._connection = self._connection, None
        container, self._container = self._container, None
        for held in (session, connection, container):
            if held is not None:
                held.close()

    def _notes(self, connection: Connection, chip: str) -> list[str]:
        notes = [f"compiled by {NAME} {connection.version} at {connection.address}"]
        if connection.version != KNOWN_VERSION:
            notes.append(f"hostrt was written for version {KNOWN_VERSION} of the service")
        if not connection.address.is_loopback:
            notes.append("the model travelled unencrypted to another machine")
        if self._container is None and chip in _ALIKE:
            alike = " and ".join(_ALIKE)
            notes.append(
                f"images for {alike} look alike: the service must have been started with "
                f"FS_HW_CFG={HARDWARE[chip]}"
            )
        return notes

    def _require_no_session(self) -> None:
        if self._session is not None and self._session.is_open:
            raise UsageError(
                "a simulation is open, and the service mixes them up with what comes next",
                hint="close it first",
            )

    def _connect(self, chip: str) -> Connection:
        """Give a connection to a service that compiles for `chip`."""
        hardware_for(chip)
        if self._connection is not None and self._chip in ("", chip):
            return self._connection
        self.close()
        try:
            if self._address is None:
                self._container = ServiceContainer(chip, image=self._image, version=self._version)
                self._chip = chip
                self._connection = Connection(self._container.address, self._limits)
                self._connection.wait_until_ready(self._container.check_alive)
            else:
                self._connection = Connection(self._address, self._limits)
            self._connection.check(self._version)
        except BaseException:
            self.close()
            raise
        return self._connection


def _request(model: Model, options: CompileOptions) -> tuple[Any, IOSpec]:
    """Make `model_and_metadata`, and give the I/O specification in it."""
    iospec = options.iospec or infer_iospec(model, options.latched)
    request = message_types()["model_and_metadata"]()
    request.fqir.model = pickle_of(model)
    request.fqir.batch_dim, request.fqir.sequence_dim = _BATCH_AXIS, _TIME_AXIS
    request.iospec = format_iospec(iospec)
    if options.profile:
        request.opt_profile = options.profile
    if options.settings:
        _fill_settings(request.user_configuration, options.settings)
    return request, iospec


def _fill_settings(target: Any, settings: Mapping[str, object]) -> None:
    for name, value in settings.items():
        if isinstance(value, int) and abs(value) >= _EXACT:
            raise UsageError(f"compiler setting {name} = {value}, expected a number below 2**53")
    try:
        target.update(dict(settings))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"compiler settings: {error}",
            hint="they are text, numbers, true, false, null, lists and maps",
        ) from error


def _program(reply: Any, model: Model, asked: IOSpec, chip: str, compiler: str) -> Program:
    """Make a program of the images and the I/O specification that came back."""
    path = Path(model.path)
    name = f"compiled {_name(model)}"
    members = dict(read_zip(reply.bitfile, name=name))
    if not reply.iospec:
        raise CompilerError("the compile service answered without an I/O specification")
    members[IOSPEC_MEMBER] = reply.iospec.encode()
    options = LoadOptions(chip=chip, key_index=_KEY_INDEX)
    try:
        loaded = program_from_members(members, Path(name), "zip", options)
    except WrongTarget as error:
        raise WrongTarget(
            error.message, hint=f"start the service with FS_HW_CFG={HARDWARE[chip]}, or use --chip"
        ) from error
    _require_same(loaded.iospec, asked)
    return replace(
        loaded,
        identity=Identity(name=path.stem, tool_version=compiler),
        source=ProgramSource(model.path, NAME, {path.name: model.sha256}),
    )


def _require_same(found: IOSpec | None, asked: IOSpec) -> None:
    """Make sure that the answer is about the vectors that were sent, and says where they go."""
    for kind in ("inputs", "outputs"):
        theirs = getattr(found, kind, {})
        ours = getattr(asked, kind)
        shapes = [
            {key: (vector.varname, vector.length, vector.precision) for key, vector in side.items()}
            for side in (theirs, ours)
        ]
        if shapes[0] != shapes[1]:
            raise CompilerError(
                f"the compile service answered with {kind} {_spell(shapes[0])}, "
                f"expected {_spell(shapes[1])}"
            )
        place = "pc" if kind == "inputs" else "mailbox_id"
        for key, vector in theirs.items():
            if getattr(vector, place) is None or vector.length_64b_words is None:
                raise CompilerError(
                    f"the compile service answered without {place} and length_64b_words of {key!r}"
                )


def _spell(shapes: dict[str, tuple[str, int, int]]) -> str:
    return ", ".join(f"{name} ({n} x {bits} bits)" for name, n, bits in shapes.values()) or "none"


def _reservations(reply: Any) -> dict[str, object]:
    from google.protobuf.json_format import MessageToDict

    if not reply.HasField("memory_reservations"):
        return {}
    tree: dict[str, object] = MessageToDict(reply.memory_reservations)
    return tree


def _name(model: Model) -> str:
    return Path(model.path).name or "the model"
