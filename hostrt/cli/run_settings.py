"""What `hostrt run` takes from the configuration where a flag leaves it open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.transport.url import chip_in, parse_url

if TYPE_CHECKING:
    import argparse

_WITH_DEFAULT = ("input_style", "seed", "tolerance", "warm_up", "timeout")
_ONLY_WHEN_SAID = (
    "chip",
    "input_period",
    "sample_rate",
    "channel",
    "n_frames",
    "output_dir",
)
"""Being left open has a meaning of its own: all frames, no folder, rate by length, ..."""

_NAMES = {"seed": "input_seed"}


def fill_from_settings(arguments: argparse.Namespace) -> None:
    """Set what no flag has set.

    Raises:
        UsageError: a file or a variable holds a value that cannot be used.
    """
    from hostrt.config import check_environment, resolve

    check_environment()
    address = arguments.board or resolve("board").value
    host = _host(str(address)) if address else None
    serial = arguments.hardware_address or host
    if arguments.chip is None and address:
        arguments.chip = chip_in(str(address))
    for flag in (*_WITH_DEFAULT, *_ONLY_WHEN_SAID):
        if getattr(arguments, flag, "") is not None:
            continue  # said, or no flag of this verb
        setting = resolve(_NAMES.get(flag, flag), serial=serial)
        if setting.origin != "default" or flag in _WITH_DEFAULT:
            # the channel `mono-mix` is what an open flag means
            value = None if setting.value == "mono-mix" else setting.value
            setattr(arguments, flag, value)


def _host(address: str) -> str | None:
    """Take from an address what names the board: serial number, host or chip."""
    if "://" not in address:
        return None
    return parse_url(address).host or None
