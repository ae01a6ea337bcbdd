"""A simulation on the vendor's service: one stream, the model first, then a message per run."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from hostrt.closing import Closing
from hostrt.compiler.arrays import fill_inputs, read_outputs
from hostrt.compiler.base import SimulationResult
from hostrt.compiler.connection import refused
from hostrt.compiler.messages import message_types
from hostrt.compiler.report import ReportFault, parse_report
from hostrt.errors import CompilerError, CompilerTimeout, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike

    from hostrt.compiler.connection import Connection

_AT_ONCE = 2
"""Messages on the way: one, and the end of the stream."""
_CLOSE_S = 2.0


class ServiceSimulation(Closing):
    """A model on the service's simulator; use it from one thread.

    Whether the model's state lasts from one `run` to the next is the service's business. After a
    failure of the stream it is closed.
    """

    def __init__(self, connection: Connection, request: Any, name: str) -> None:
        """Open the stream and have the model compiled.

        Args:
            connection: to the service.
            request: `model_and_metadata`.
            name: of the model, for messages.

        Raises:
            ProgramUnsupported: the service refuses the model, or it is too large.
            CompilerError: the service failed.
        """
        self._connection, self._name = connection, name
        self._types = message_types()
        self._queue: queue.Queue[Any] = queue.Queue(_AT_ONCE)
        self._call: Any = None
        try:
            first = self._types["simulation_input"](model=request)
            connection.check_size(first, name)
            self._call = connection.open_simulation(iter(self._queue.get, None))
            status = self._exchange(first, f"the compilation of {name} for simulation").status
            if not status.success:
                raise refused(name, status.msg)
        except BaseException:
            self.close()
            raise

    def run(self, inputs: Mapping[str, ArrayLike], *, input_period_s: float) -> SimulationResult:
        """Run frames.

        Args:
            inputs: {name: (T, L)} integers, all with the same T.
            input_period_s: time from one frame to the next, for power; single precision on the
                way, so the report may show it rounded.

        Raises:
            FrameError: wrong type, shape or range.
            ProgramUnsupported: the service refuses the frames.
            CompilerError: the service failed; the session is closed then.
            UsageError: the session is closed.
        """
        if self._call is None:
            raise UsageError("the simulation is closed", hint="open another one")
        message = self._types["simulation_input"]()
        n_frames = fill_inputs(message.data.inputs, inputs)
        message.data.input_period = input_period_s
        self._connection.check_size(message, f"{n_frames} frames for {self._name}")
        try:
            reply = self._exchange(message, f"the simulation of {n_frames} frames")
        except CompilerError:
            self.close()
            raise
        if reply.HasField("status") and not reply.status.success:
            raise refused(f"{n_frames} frames for {self._name}", reply.status.msg)
        outputs = read_outputs(reply)
        try:
            return SimulationResult(outputs, parse_report(reply.report))
        except ReportFault as fault:
            note = f"the simulator's report cannot be read: found {fault}"
            return SimulationResult(outputs, {}, (note,))

    @property
    def is_open(self) -> bool:
        """Whether frames can be run."""
        return self._call is not None

    def close(self) -> None:
        """End the stream, and cancel it when the service does not. Idempotent."""
        call, self._call = self._call, None
        if call is None:
            return
        # what is still in the queue will not be sent; this ends the thread that waits for more
        with suppress(queue.Full):
            self._queue.put_nowait(None)
        limit_s = min(_CLOSE_S, self._connection.limits.short_s)
        with self._connection.ignored_faults(), _cancelled_after(call, limit_s):
            for _ in call:
                pass
        call.cancel()

    def _exchange(self, message: Any, what: str) -> Any:
        """Send one message and wait for its reply."""
        limit_s = self._connection.limits.work_s
        place = f"the compile service at {self._connection.address}"
        self._queue.put_nowait(message)
        with _cancelled_after(self._call, limit_s) as expired:
            try:
                with self._connection.faults(what, limit_s):
                    return next(self._call)
            except StopIteration:
                raise CompilerError(
                    f"{place} ended the stream, expected an answer to {what}",
                    hint="-vv logs what it said",
                ) from None
            except CompilerError as error:
                if expired.is_set():
                    raise CompilerTimeout(
                        f"{place} did not answer {what} within {limit_s:g} s",
                        hint="raise --compiler-timeout, or simulate fewer frames",
                    ) from error
                raise


@contextmanager
def _cancelled_after(call: Any, limit_s: float) -> Iterator[threading.Event]:
    """Cancel a call that is waited for too long; gives an event that tells so."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        call.cancel()

    watch = threading.Timer(limit_s, expire)
    watch.daemon = True
    watch.start()
    try:
        yield expired
    finally:
        watch.cancel()
        watch.join()
