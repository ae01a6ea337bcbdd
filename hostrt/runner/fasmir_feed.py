"""Frames through simulated assembly one at a time, each with its simulated time and energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.runner.feed import PlainFeed
from hostrt.runner.result import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostrt.runner.fasmir import FasmirRunner
    from hostrt.runner.feed import Block, Upcoming


class FasmirFeed(PlainFeed):
    """Frames through the `fasmir` runner."""

    def __init__(self, runner: FasmirRunner) -> None:
        super().__init__(runner)
        self._simulator = runner.simulator
        self._account = runner.account(None)

    def step(
        self, block: Block, index: int, upcoming: Callable[[], Upcoming | None] | None = None
    ) -> StepResult:
        """See `Feed.step`."""
        self._simulator.begin_frame()
        found = super().step(block, index, upcoming)
        account = self._account
        account.add(self._simulator.cost())
        return StepResult(
            found.outputs,
            device_s=account.cycles[-1] / account.clock_hz,
            energy_j=account.energy_j[-1],
        )

    def simulation(self) -> Mapping[str, object]:
        """See `Feed.simulation`."""
        return self._account.tree()
