"""Addresses of power meters: `ppk2:///dev/ttyACM1?voltage=1800`, `joulescope://`, `sim://`."""

from __future__ import annotations

import math
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from hostrt.errors import UsageError
from hostrt.transport.url import BoardUrl

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "hostrt.power_meters"


def meters() -> list[str]:
    """Name every kind of meter that is registered."""
    return sorted(meter_points())


@cache
def meter_points() -> dict[str, EntryPoint]:
    """Look up what is installed once per process: reading its metadata takes milliseconds."""
    return {point.name: point for point in entry_points(group=GROUP)}


def parse_meter(text: str) -> BoardUrl:
    """Parse the address of a meter; it has the form of a board's, without wrappers and ports.

    Raises:
        UsageError: no such kind of meter, or not an address.
    """
    head, _, rest = text.partition("://")
    if "?" in head:  # options right behind the scheme, as in sim?idle_w=0.001
        head, _, query = text.partition("?")
        rest = f"?{query}"
    scheme = head.lower()
    if scheme not in meters():
        close = get_close_matches(scheme, meters(), 1)
        raise UsageError(
            f"power meter {text!r}: no kind of meter {scheme!r}",
            hint=f"did you mean {close[0]!r}?" if close else f"known: {', '.join(meters())}",
        )
    try:
        parts = urlsplit(f"x://{rest}")
    except ValueError as error:
        raise UsageError(
            f"power meter {text!r}: {str(error).lower()}",
            hint="expected KIND://SERIAL?OPTION=VALUE or KIND:///DEVICE?OPTION=VALUE",
        ) from error
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    return BoardUrl(scheme, unquote(parts.netloc), None, unquote(parts.path), options)


def number_option(url: BoardUrl, name: str, default: float, low: float, high: float) -> float:
    """Give a number from an address.

    Raises:
        UsageError: it is no number, or outside `low`..`high`.
    """
    text = url.options.get(name)
    if text is None:
        return float(default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise UsageError(f"{url}: option {name}={text!r}, expected a number {low:g}..{high:g}")
    return value
