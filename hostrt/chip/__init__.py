"""Chips: register maps and sequences. No I/O happens here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.chip.base import Chip

CHIP_NAMES = ("spu001", "spu150tc1", "spu150")
"""Spoken names of the chips hostrt knows."""


def get_chip(name: str) -> Chip:
    """Give the chip with a spoken name.

    Raises:
        UsageError: no chip has that name.
    """
    from hostrt.chip.spu001 import Spu001
    from hostrt.chip.spu150 import Spu150Mp, Spu150Tc1

    chips: dict[str, Callable[[], Chip]] = {
        "spu001": Spu001,
        "spu150tc1": Spu150Tc1,
        "spu150": Spu150Mp,
    }
    key = name.lower().replace("-", "").replace("_", "")
    if key not in chips:
        raise UsageError(
            f"no chip named {name!r}", hint=f"known chips: {', '.join(CHIP_NAMES)}", found=name
        )
    return chips[key]()
