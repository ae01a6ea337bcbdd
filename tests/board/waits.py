"""Virtual boards are ready at once: the pauses that real ones need would only make tests slow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hostrt.transport.base import Transport

if TYPE_CHECKING:
    import pytest

    from hostrt.chip.step import Wait

LONGEST_S = 0.0005


def shorten_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_self: Transport, step: Wait) -> None:
        time.sleep(min(step.seconds, LONGEST_S))

    monkeypatch.setattr(Transport, "_wait", wait)
