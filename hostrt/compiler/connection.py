"""One gRPC channel to the vendor's service: every call has a deadline, every fault one wording.

Femtocrux service reference 1 and 3. The channel is neither encrypted nor authenticated, and the
service unpickles what it is sent: its port belongs on the loopback, or at the end of a tunnel.
"""

from __future__ import annotations

import logging
import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hostrt.compiler.messages import SERVICE, extra_missing, message_types
from hostrt.errors import (
    CompilerError,
    CompilerTimeout,
    CompilerUnavailable,
    ProgramUnsupported,
    UsageError,
)
from hostrt.fqir.spelling import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = logging.getLogger(__name__)

MESSAGE_LIMIT = 32 << 20
"""Largest message in bytes, in either direction."""
_PING = b"01234"
_RETRY_S = 0.1
_LONGEST_LINE = 300
LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Longest waits in seconds.

    Attributes:
        ready_s: for a service that was just started.
        short_s: for one answer that needs no work.
        work_s: for compiling a model, or for one simulated run.
    """

    ready_s: float = 30.0
    short_s: float = 10.0
    work_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `HOST:PORT`, with IPv6 hosts in brackets.

        Raises:
            UsageError: anything else.
        """
        host, _, port = text.rpartition(":")
        is_number = port.isascii() and port.isdigit() and len(port) <= 5
        bracketed = host.startswith("[") and host.endswith("]")
        bare = host[1:-1] if bracketed else host
        plain = re.fullmatch(r"[0-9A-Za-z.:%-]+" if bracketed else r"[0-9A-Za-z._-]+", bare)
        if not plain or not is_number or not 0 < int(port) < 1 << 16:
            raise UsageError(
                f"compiler address {text!r}, expected HOST:PORT",
                hint="for example 127.0.0.1:50051; IPv6 hosts in brackets",
            )
        return cls(bare, int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return LOOPBACK.fullmatch(self.host) is not None


class Connection:
    """A channel to one service. Use it from one thread.

    Attributes:
        address: of the service.
        limits: longest waits.
        version: of the service, "" before `check`.
    """

    def __init__(self, address: Address, limits: TimeLimits) -> None:
        """Make the channel; nothing is sent yet.

        Raises:
            ExtraMissing: a package of the extra is not installed.
        """
        try:
            import grpc
        except ImportError as error:
            raise extra_missing(error) from error
        self._grpc = grpc
        self._types = message_types()
        self.address, self.limits, self.version = address, limits, ""
        self._was_reached = False
        options = [
            ("grpc.max_send_message_length", MESSAGE_LIMIT),
            ("grpc.max_receive_message_length", MESSAGE_LIMIT),
            ("grpc.enable_http_proxy", 0),
            # without it, channels to one address share how long they wait after a failure
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        self._channel = grpc.insecure_channel(str(address), options=options)

    def close(self) -> None:
        """Close the channel. Idempotent."""
        self._channel.close()

    # -- whether it is the service ----------------------------------------------------------------

    def check(self, wanted: str = "") -> None:
        """Ask for a sign of life and for the version.

        Args:
            wanted: version that the service must have, "" for any.

        Raises:
            CompilerUnavailable: it cannot be reached.
            CompilerTimeout: it does not answer.
            CompilerError: it is something else, or of another version.
        """
        self._ping(self.limits.short_s)
        from google.protobuf.empty_pb2 import Empty

        reply = self._unary("version", Empty(), "version_info", "its version", self.limits.short_s)
        self.version = one_line(reply.version)
        if wanted and self.version != wanted:
            raise CompilerError(
                f"the service at {self.address} is version {self.version}, expected {wanted}",
                hint="start the image of that version, or leave --compiler-version away",
            )

    def wait_until_ready(self, check_alive: Callable[[], None]) -> None:
        """Wait for a service that was just started.

        Args:
            check_alive: called before each try; raises when the service has ended.

        Raises:
            CompilerTimeout: it did not become ready.
            HostrtError: what `check_alive` raises.
        """
        stop = time.monotonic() + self.limits.ready_s
        while (left := stop - time.monotonic()) > 0:
            check_alive()
            try:
                self._ping(min(left, self.limits.short_s))
            except (CompilerUnavailable, CompilerTimeout) as error:
                _log.debug("not ready: %s", error)
                time.sleep(min(_RETRY_S, left))
            else:
                return
        raise CompilerTimeout(
            f"the service at {self.address} was not ready within {self.limits.ready_s:g} s"
        )

    def _ping(self, limit_s: float) -> None:
        request = self._types["data"](data=_PING)
        reply = self._unary("ping", request, "data", "a ping", limit_s)
        if reply.data != _PING:
            raise CompilerError(
                f"the service at {self.address} answered a ping with {reply.data[:20]!r}, "
                f"expected {_PING!r}",
                hint="is it the vendor's compile service that listens there?",
            )
        self._was_reached = True

    # -- work -------------------------------------------------------------------------------------

    def compile(self, request: Any, name: str) -> Any:
        """Compile the model called `name`; gives `compiled_artifacts`, whatever its status."""
        self.check_size(request, name)
        what = f"the compilation of {name}"
        return self._unary("compile", request, "compiled_artifacts", what, self.limits.work_s)

    def open_simulation(self, requests: Iterator[Any]) -> Any:
        """Open the stream of a simulation; gives a gRPC call, an iterator of replies."""
        open_stream = self._channel.stream_stream(
            f"/{SERVICE}/simulate",
            request_serializer=self._types["simulation_input"].SerializeToString,
            response_deserializer=self._types["simulation_output"].FromString,
        )
        return open_stream(requests)

    def check_size(self, message: Any, name: str) -> None:
        """Refuse a message that the service would not take.

        Raises:
            ProgramUnsupported: it is too large.
        """
        size = message.ByteSize()
        if size > MESSAGE_LIMIT:
            raise ProgramUnsupported(
                f"{name}: the message to the compile service has {size} bytes, "
                f"expected at most {MESSAGE_LIMIT}",
                hint="the service takes no larger model; simulate fewer frames at once",
            )

    def _unary(self, method: str, request: Any, reply: str, what: str, limit_s: float) -> Any:
        call = self._channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=self._types[reply].FromString,
        )
        with self.faults(what, limit_s):
            return call(request, timeout=limit_s)

    @contextmanager
    def faults(self, what: str, limit_s: float) -> Iterator[None]:
        """Turn gRPC's errors into hostrt's.

        Args:
            what: what is waited for, for messages.
            limit_s: how long.
        """
        try:
            yield
        except self._grpc.RpcError as error:
            raise self._fault(error, what, limit_s) from error

    def ignored_faults(self) -> suppress:
        """Say nothing about gRPC's errors, for calls that are being given up."""
        return suppress(self._grpc.RpcError)

    def _fault(self, error: Any, what: str, limit_s: float) -> CompilerError:
        code, details = error.code(), str(error.details() or "")
        _log.debug("%s: %s: %s", what, code.name, details)
        codes = self._grpc.StatusCode
        place = f"the compile service at {self.address}"
        if code is codes.DEADLINE_EXCEEDED:
            return CompilerTimeout(
                f"{place} did not answer {what} within {limit_s:g} s",
                hint="raise --compiler-timeout, or see whether the service still works",
            )
        if code is codes.UNAVAILABLE and not self._was_reached:
            return CompilerUnavailable(
                f"{place} cannot be reached ({what}): {one_line(details)}",
                hint="check the address and whether the service runs",
            )
        if code is codes.UNIMPLEMENTED:
            return CompilerError(
                f"{place} does not know {what}, expected the vendor's compile service",
                hint="check the address",
            )
        return CompilerError(
            f"{place} failed at {what}: {code.name.lower().replace('_', ' ')}: "
            f"{last_line(details)}",
            hint="-vv logs what it said",
        )


def last_line(text: str) -> str:
    """Give the last line of a text that has any characters, cut to what fits an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else "no reason given"


def one_line(text: str) -> str:
    """Make a text fit into an error's line: printable, and not long."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    shown = " ".join(plain.split())
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[: _LONGEST_LINE - 3]}..."


def refused(what: str, text: str) -> ProgramUnsupported:
    """Make the error for something that the service reports it cannot do; logs the whole text."""
    _log.debug("%s: the compile service says:\n%s", what, "\n".join(map(escape, text.splitlines())))
    return ProgramUnsupported(
        f"{what}: the compile service refused it: {last_line(text)}",
        hint="-vv logs the whole text of the service",
    )
