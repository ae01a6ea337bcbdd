"""Talking to Docker: the client, and its faults in one wording."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hostrt.compiler.connection import LOOPBACK, one_line
from hostrt.compiler.messages import extra_missing
from hostrt.errors import CompilerTimeout, CompilerUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LABEL = "femtocrux_server"
"""Label that the vendor's client and hostrt put on their containers."""

_CALL_S = 60
"""Longest wait for one answer of Docker; starting a container on a slow disk takes seconds."""


def open_docker(call_s: float = _CALL_S) -> Any:
    """Connect to Docker as its environment variables say; gives a `docker.DockerClient`.

    Args:
        call_s: longest wait for one answer.

    Raises:
        ExtraMissing: the package is not installed.
        CompilerUnavailable: Docker is not there, or does not let this user in.
    """
    try:
        import docker
    except ImportError as error:
        raise extra_missing(error) from error
    with docker_faults("connecting to Docker"):
        return docker.from_env(timeout=call_s)


def require_local() -> None:
    """Refuse a Docker on another machine, whose ports on its loopback nobody here can reach.

    Raises:
        CompilerUnavailable: `DOCKER_HOST` names another machine.
    """
    host = os.environ.get("DOCKER_HOST", "")
    parts = urlsplit(host)
    if parts.scheme in ("", "unix", "npipe") or LOOPBACK.fullmatch(parts.hostname or ""):
        return
    raise CompilerUnavailable(
        f"DOCKER_HOST={host} is another machine, and the service must not be reachable from "
        "outside of it",
        hint="start it there with its port on 127.0.0.1, make a tunnel (ssh -L), and give "
        "--compiler-address",
    )


@contextmanager
def docker_faults(doing: str) -> Iterator[None]:
    """Turn faults of Docker and of the way to it into hostrt's errors.

    Raises:
        CompilerTimeout: no answer in time.
        CompilerUnavailable: anything else.
    """
    import docker
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        causes = list(_chain(error))
        if any(isinstance(cause, requests.exceptions.Timeout) for cause in causes):
            raise CompilerTimeout(f"{doing}: Docker did not answer", hint="is it busy?") from error
        raise _unavailable(doing, error, causes) from error


def _unavailable(
    doing: str, error: Exception, causes: Sequence[BaseException]
) -> CompilerUnavailable:
    if any(isinstance(cause, PermissionError) for cause in causes):
        return CompilerUnavailable(
            f"{doing}: Docker does not let this user in",
            hint="be in the group docker and log in again, or name a running service with "
            "--compiler-address",
        )
    if any(isinstance(cause, FileNotFoundError | ConnectionRefusedError) for cause in causes):
        return CompilerUnavailable(
            f"{doing}: Docker is not running",
            hint="start it, or name a running service with --compiler-address",
        )
    text = str(getattr(error, "explanation", None) or error)
    return CompilerUnavailable(f"{doing}: {one_line(text)}", hint="see `docker ps` and its log")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and what caused it; the packages in between wrap it several times."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
