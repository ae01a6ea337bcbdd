"""The vendor's image: its names, which one to run, pulling it (femtocrux service reference 4)."""

from __future__ import annotations

import logging
import os
import re
import time
from typing import Any

from hostrt.compiler.connection import last_line
from hostrt.compiler.docker_engine import docker_faults
from hostrt.errors import CompilerTimeout, CompilerUnavailable, UsageError

_log = logging.getLogger(__name__)

IMAGE_VARIABLE = "FEMTOCRUX_SERVER_IMAGE_NAME"
PULL_VARIABLE = "FS_ALLOW_DOCKER_PULL"
KEY_VARIABLE = "GH_PACKAGE_KEY"
GITHUB = "ghcr.io/femtosense/femtocrux"
_AMAZON = re.compile(r"\d{12}\.dkr\.ecr\.us-west-2\.amazonaws\.com/femtocrux")
_GITHUB_USER, _AMAZON_USER = "femtodaemon", "AWS"
_GITHUB_KEY = "ghp"
_YES, _NO = ("yes", "1", "true"), ("no", "0", "false")
_PULL_S = 1800.0


def find_image(docker: Any, named: str, version: str) -> str:
    """Choose the image: the named one, else the vendor's with the tag, which is pulled if need be.

    Args:
        docker: a `docker.DockerClient`.
        named: "" takes what `FEMTOCRUX_SERVER_IMAGE_NAME` says.
        version: tag of the vendor's image.

    Raises:
        CompilerUnavailable: it is not there and cannot be pulled.
        UsageError: the variable that permits pulling makes no sense.
    """
    named = named or os.environ.get(IMAGE_VARIABLE, "")
    with docker_faults("listing images"):
        tags: list[str] = sorted(tag for item in docker.images.list() for tag in item.tags)
    if named:
        if {named, f"{named}:latest"} & set(tags):
            return named
        raise CompilerUnavailable(
            f"there is no image {named} on this machine",
            hint=f"pull it yourself, or unset {IMAGE_VARIABLE}",
        )
    vendors = [tag for tag in tags if is_vendors(tag)]
    # Amazon's registry first, as the vendor's client does
    wanted = [tag for tag in vendors if tag == f"{repository_of(tag)}:{version}"]
    if wanted:
        return min(wanted, key=lambda tag: tag.startswith(GITHUB))
    image = f"{GITHUB}:{version}"
    if not may_pull():
        others = f"; there are {', '.join(vendors)}" if vendors else ""
        raise CompilerUnavailable(
            f"image {image} is not on this machine and {PULL_VARIABLE} forbids to pull it{others}",
            hint="pull it yourself, or choose a version with --compiler-version",
        )
    _pull(docker, image)
    return image


def _pull(docker: Any, image: str) -> None:
    login = login_for(image)
    repository, _, tag = image.rpartition(":")
    _log.info("pulling %s", image)
    stop = time.monotonic() + _PULL_S
    with docker_faults(f"pulling {image}"):
        pieces = docker.api.pull(repository, tag, stream=True, decode=True, auth_config=login)
        for piece in pieces:
            if "error" in piece:
                raise CompilerUnavailable(
                    f"pulling {image}: {last_line(str(piece['error']))}",
                    hint="check the key and your connection",
                )
            if time.monotonic() > stop:
                raise CompilerTimeout(f"pulling {image} took more than {_PULL_S:g} s")


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
