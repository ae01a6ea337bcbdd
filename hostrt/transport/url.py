"""Addresses of boards, and how they open links.

`evk2`, `evk2://SERIAL`, `evk2+tcp://host:port`, `zcu104://host:port`, `fakezynq`, `sim`,
`sim://spu001?answer=echo`, `replay:///path`. Wrappers stack in front with `+`:
`record+zcu104://10.0.0.8?to=trace.yaml`, `faulty+sim://spu001?plan=lose_ack@500`. Each scheme is
an entry point of the group `hostrt.transports`; the built-in ones are registered the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from hostrt.chip import CHIP_NAMES
from hostrt.errors import ExtraMissing, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.metadata import EntryPoint

    from hostrt.transport.base import Transport

GROUP = "hostrt.transports"

ALIASES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "zynq": ("zcu104", {}),
    "fpgazynq": ("zcu104", {"pll": "no"}),
}
"""The reference tool's names for boards: scheme, and options that the name implies."""


@dataclass(frozen=True, slots=True)
class BoardUrl:
    """A parsed address.

    Attributes:
        wrappers: names in front of the scheme, outermost first.
        scheme: what opens the link ("evk2", "evk2+tcp", "zcu104", ...).
        host: host, serial number or chip name, "" when none was given.
        port: TCP port or None.
        path: path part, "" when none.
        options: query part.
    """

    scheme: str
    host: str = ""
    port: int | None = None
    path: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    wrappers: tuple[str, ...] = ()

    def __str__(self) -> str:
        scheme = "+".join((*self.wrappers, self.scheme))
        place = self.host + (f":{self.port}" if self.port is not None else "") + self.path
        query = f"?{urlencode(dict(self.options))}" if self.options else ""
        return f"{scheme}://{place}{query}" if place or query else scheme

    def option(self, name: str, default: str, allowed: tuple[str, ...] = ()) -> str:
        """Give one option, checked against `allowed` when that is given."""
        value = self.options.get(name, default)
        if allowed and value not in allowed:
            raise UsageError(
                f"{self}: option {name}={value!r}, expected one of {', '.join(allowed)}"
            )
        return value

    def allow(self, *names: str) -> None:
        """Insist that every option is one of `names`.

        Raises:
            UsageError: an option that this board type does not have, such as a misspelt one.
        """
        for name in self.options:
            if name not in names:
                close = get_close_matches(name, names, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
                raise UsageError(f"{self}: no option {name!r} for {self.scheme}", hint=hint)


def parse_url(text: str) -> BoardUrl:
    """Parse a board address.

    Raises:
        UsageError: no known scheme, or a port that is not a number.
    """
    head, _, rest = text.partition("://")
    if "?" in head:  # options right behind the scheme, as in record+sim?to=FILE
        head, _, query = text.partition("?")
        rest = f"?{query}"
    scheme, wrappers, implied = _split_scheme(head, text)
    try:
        parts = urlsplit(f"x://{rest}")
        port = parts.port
    except ValueError as error:
        raise UsageError(
            f"board address {text!r}: {str(error).lower()}",
            hint="expected SCHEME://HOST:PORT?OPTION=VALUE, IPv6 hosts in brackets",
        ) from error
    host = (parts.netloc.rpartition(":")[0] if port is not None else parts.netloc).strip("[]")
    options = {**implied, **dict(parse_qsl(parts.query, keep_blank_values=True))}
    return BoardUrl(scheme, unquote(host), port, unquote(parts.path), options, wrappers)


def chip_in(address: str) -> str | None:
    """Give the chip that an address names, as `sim://spu150tc1` does; None when it names none."""
    host = parse_url(address).host if "://" in address else ""
    return host if host in CHIP_NAMES else None


def open_transport(url: str | BoardUrl) -> Transport:
    """Open the link an address names, wrappers included.

    Raises:
        UsageError: the address or an option of it makes no sense.
        BoardUnavailable: no such board, in use, not allowed, or a package is missing.
        LinkError: the board was found and the link could not be set up.
    """
    parsed = parse_url(url) if isinstance(url, str) else url
    if not parsed.wrappers:
        return _opener(parsed.scheme)(parsed)
    outer, *inner = parsed.wrappers
    return _opener(f"{outer}+")(replace(parsed, wrappers=tuple(inner)))


def with_settings(url: BoardUrl) -> BoardUrl:
    """Add what the configuration says of this board and its address leaves open."""
    from hostrt.config import resolve

    if not url.scheme.startswith("evk2") or "window" in url.options:
        return url
    window = resolve("window", serial=url.host or None).value
    return url if window is None else replace(url, options={**url.options, "window": str(window)})


def schemes() -> list[str]:
    """Name every scheme and wrapper (with a trailing `+`) that is registered."""
    return sorted(_points())


@cache
def _points() -> dict[str, EntryPoint]:
    """Look up what is installed once per process: reading its metadata takes milliseconds."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _split_scheme(head: str, text: str) -> tuple[str, tuple[str, ...], Mapping[str, str]]:
    known = set(schemes())
    parts = head.lower().split("+")
    wrappers: list[str] = []
    while parts and f"{parts[0]}+" in known:
        wrappers.append(parts.pop(0))
    scheme = "+".join(parts)
    scheme, implied = ALIASES.get(scheme, (scheme, {}))
    if scheme not in known:
        names = ", ".join(sorted(name for name in known if not name.endswith("+")))
        raise UsageError(
            f"board address {text!r}: no board type {scheme!r}", hint=f"known: {names}"
        )
    return scheme, tuple(wrappers), implied


def _opener(name: str) -> Callable[[BoardUrl], Transport]:
    point = _points()[name]
    try:
        opener: Callable[[BoardUrl], Transport] = point.load()
    except ImportError as error:
        raise ExtraMissing(
            f"board type {name!r} cannot be used: {error}",
            hint="install the package it needs, for USB: pip install 'hostrt[usb]'",
        ) from error
    return opener
