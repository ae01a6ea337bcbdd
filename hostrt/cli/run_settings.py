"""What `hostrt run` takes from the configuration where a flag leaves it open."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
"""For these, being left open has a meaning of its own: all frames, no folder, rate by length, ..."""

_NAMES = {"seed": "input_seed"}


def fill_from_settings(arguments: argparse.Namespace) -> None:
    """Set what no flag has set.

    Raises:
        UsageError: a file or a variable holds a value that cannot be used.
    """
    from hostrt.config import check_environment, resolve

    check_environment()
    serial = _serial(arguments)
    for flag in (*_WITH_DEFAULT, *_ONLY_WHEN_SAID):
        if getattr(arguments, flag) is not None:
            continue
        setting = resolve(_NAMES.get(flag, flag), serial=serial)
        is_said = setting.origin != "default"
        if is_said or flag in _WITH_DEFAULT:
            # the channel `mono-mix` is what an open flag means
            value = None if setting.value == "mono-mix" else setting.value
            setattr(arguments, flag, value)


def _serial(arguments: argparse.Namespace) -> str | None:
    """Name the board for its own sections of the files: serial number or host."""
    if arguments.hardware_address is not None:
        return str(arguments.hardware_address)
    if arguments.board is None or "://" not in arguments.board:
        return None
    from hostrt.transport.url import parse_url

    return parse_url(arguments.board).host or None
