"""A compile-and-simulate service on the loopback that keeps the vendor's contract.

It compiles to images that follow from the model's bytes (`tests.compiler.images`) and simulates
with hostrt's own executor of FQIR graphs, so that what arrives decides what comes back. `Faults`
makes it break the contract in one way each.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import yaml

from firmware_protocol.iospec import format_iospec, iospec_from_tree
from hostrt.compiler.messages import SERVICE, message_types
from hostrt.fqir.executor import Executor
from hostrt.fqir.load import parse_model
from tests.compiler.images import complete, images_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION = "3.11.6"
LIMIT = 32 << 20
TRACEBACK = """Traceback (most recent call last):
  File "service.py", line 12, in compile
ValueError: cannot place 3 tables in 2 banks
"""
_THREADS = 4
_STOP_S = 5.0


@dataclass
class Faults:
    """How the service breaks its contract.

    Attributes:
        refuse: text of a failure that compile and simulate report.
        hang_in: method that never answers; "model", "data" and "end" are parts of a simulation.
        abort_in: method that ends with a gRPC error of its own.
        reply: changes a reply before it is sent: (method, message) -> message.
        skip_reply: simulate ends the stream instead of answering the run of this number.
    """

    refuse: str = ""
    hang_in: str = ""
    abort_in: str = ""
    reply: Callable[[str, Any], Any] = field(default=lambda _, message: message)
    skip_reply: int | None = None


@dataclass
class Service:
    """The service, listening.

    Attributes:
        port: TCP port on the loopback.
        requests: (method, message) in the order of arrival.
        sessions_ended: number of simulation streams that have ended.
    """

    chip: str
    version: str
    faults: Faults
    port: int = 0
    requests: list[tuple[str, Any]] = field(default_factory=list)
    sessions_ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def seen(self, method: str) -> list[Any]:
        """Give the messages of one method."""
        return [message for name, message in self.requests if name == method]

    def note(self, method: str, message: Any, context: grpc.ServicerContext) -> None:
        """Keep a request; obey the faults that come before an answer."""
        self.requests.append((method, message))
        if self.faults.hang_in == method:
            self.released.wait()
        if self.faults.abort_in == method:
            context.abort(grpc.StatusCode.UNKNOWN, "the service stumbled\nover itself")

    def ping(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Give back what came."""
        self.note("ping", message, context)
        return self.faults.reply("ping", message)

    def tell_version(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Give the version."""
        self.note("version", message, context)
        return self.faults.reply("version", message_types()["version_info"](version=self.version))

    def compile(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Compile a model."""
        self.note("compile", message, context)
        reply = message_types()["compiled_artifacts"]()
        reply.status.success = not self.faults.refuse
        reply.status.msg = self.faults.refuse
        if not self.faults.refuse:
            tree = yaml.safe_load(message.iospec)
            iospec = complete(iospec_from_tree(tree))
            reply.bitfile = images_of(message.fqir.model, iospec, self.chip)
            reply.iospec = format_iospec(iospec)
        return self.faults.reply("compile", reply)

    def simulate(self, stream: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """Run a session."""
        try:
            yield from self._simulate(stream, context)
        finally:
            self.sessions_ended.release()

    def _simulate(self, stream: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        first = next(stream)
        self.note("model", first, context)
        answer = message_types()["simulation_output"]()
        answer.status.success = not self.faults.refuse
        answer.status.msg = self.faults.refuse
        yield self.faults.reply("model", answer)
        model = parse_model(first.model.fqir.model, "what was sent")
        for number, message in enumerate(stream):
            self.note("data", message, context)
            if self.faults.skip_reply == number:
                return
            yield self.faults.reply(
                "data", run_frames(Executor(model, engine="numpy"), message.data)
            )
        if self.faults.hang_in == "end":
            self.released.wait()


def run_frames(executor: Executor, data: Any) -> Any:
    """Run the frames of one message from the initial state."""
    inputs = {name: to_array(item) for name, item in data.inputs.data.items()}
    outputs = executor.run(inputs)
    reply = message_types()["simulation_output"]()
    reply.status.success = True
    for name, array in outputs.items():
        fill(reply.outputs.data[name], array)
    n_frames = len(next(iter(inputs.values())))
    report = {"Frames Simulated": n_frames, "Input Period (s)": data.input_period}
    reply.report = json.dumps(report)
    return reply


def to_array(message: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """Read an array."""
    return np.frombuffer(message.data, message.dtype).reshape(tuple(message.shape))


def fill(message: Any, array: np.ndarray[Any, np.dtype[Any]]) -> None:
    """Write an array."""
    message.data, message.dtype = array.tobytes(), array.dtype.name
    message.shape.extend(array.shape)


@contextmanager
def serve(
    *,
    chip: str = "spu001",
    version: str = VERSION,
    faults: Faults | None = None,
    port: int = 0,
    delay_s: float = 0.0,
) -> Iterator[Service]:
    """Serve on the loopback.

    Args:
        chip: what it compiles for.
        version: what it says of itself.
        faults: how it breaks its contract.
        port: where; 0 takes a free one.
        delay_s: time until it begins to listen.
    """
    service = Service(chip, version, faults or Faults())
    # a service that sends more than it may is a fault too
    options = [("grpc.max_receive_message_length", LIMIT), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=options)
    server.add_generic_rpc_handlers((_handlers(service),))

    def listen() -> None:
        service.port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()

    late = threading.Timer(delay_s, listen)
    if delay_s:
        late.start()
    else:
        listen()
    try:
        yield service
    finally:
        if delay_s:
            late.join()
        service.released.set()
        assert server.stop(0).wait(_STOP_S)


def _handlers(service: Service) -> grpc.GenericRpcHandler:
    types = message_types()
    from google.protobuf.empty_pb2 import Empty

    def unary(method: Callable[..., Any], request: Any) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(
            method, request.FromString, lambda reply: reply.SerializeToString()
        )

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "ping": unary(service.ping, types["data"]),
            "version": unary(service.tell_version, Empty),
            "compile": unary(service.compile, types["model_and_metadata"]),
            "simulate": grpc.stream_stream_rpc_method_handler(
                service.simulate,
                types["simulation_input"].FromString,
                lambda reply: reply.SerializeToString(),
            ),
        },
    )
