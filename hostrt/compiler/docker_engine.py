"""Talking to Docker: the client, its faults in one wording, the names of the vendor's image.

Femtocrux service reference 4. The package `docker` belongs to the extra; it is imported here only.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hostrt.compiler.connection import LOOPBACK, one_line
from hostrt.compiler.messages import extra_missing
from hostrt.errors import CompilerTimeout, CompilerUnavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IMAGE_VARIABLE = "FEMTOCRUX_SERVER_IMAGE_NAME"
PULL_VARIABLE = "FS_ALLOW_DOCKER_PULL"
KEY_VARIABLE = "GH_PACKAGE_KEY"
LABEL = "femtocrux_server"
"""Label that the vendor's client and hostrt put on their containers."""

GITHUB = "ghcr.io/femtosense/femtocrux"
_AMAZON = re.compile(r"\d{12}\.dkr\.ecr\.us-west-2\.amazonaws\.com/femtocrux")
_GITHUB_USER, _AMAZON_USER = "femtodaemon", "AWS"
_GITHUB_KEY = "ghp"
_YES, _NO = ("yes", "1", "true"), ("no", "0", "false")
_CALL_S = 60
"""Longest wait for one answer of Docker; starting a container on a slow disk takes seconds."""


def repository_of(image: str) -> str:
    """Give the name of an image without its tag or digest."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def is_vendors(image: str) -> bool:
    """Say whether an image is the vendor's service, from either of its registries."""
    name = repository_of(image)
    return name == GITHUB or _AMAZON.fullmatch(name) is not None


def may_pull() -> bool:
    """Say whether images may be pulled; yes unless the variable forbids it.

    Raises:
        UsageError: the variable says neither yes nor no.
    """
    text = os.environ.get(PULL_VARIABLE, "yes")
    if text.lower() in (*_YES, *_NO):
        return text.lower() in _YES
    raise UsageError(
        f"{PULL_VARIABLE}={text!r}, expected one of {', '.join((*_YES, *_NO))}",
        hint=f"unset it, or write {PULL_VARIABLE}=no",
    )


def login_for(image: str) -> dict[str, str]:
    """Give the credentials with which to pull an image.

    Raises:
        CompilerUnavailable: there is no key.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        raise CompilerUnavailable(
            f"pulling {image} needs the vendor's key, and {KEY_VARIABLE} is not set",
            hint=f"set {KEY_VARIABLE}, or pull the image yourself with docker login and docker "
            "pull",
        )
    user = _GITHUB_USER if key.startswith(_GITHUB_KEY) else _AMAZON_USER
    return {"username": user, "password": key}


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
