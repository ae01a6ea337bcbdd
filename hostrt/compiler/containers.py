"""Containers of the vendor's compile service: started for a chip, stopped, cleaned up.

Femtocrux service reference 4. The service unpickles what it is sent, which runs any code that the
sender likes: its port is mapped to the loopback of this machine and to nothing else.
"""

from __future__ import annotations

import logging
import os
import weakref
from dataclasses import dataclass
from typing import Any

from hostrt.closing import Closing
from hostrt.compiler.connection import Address, last_line
from hostrt.compiler.docker_engine import LABEL, docker_faults, open_docker, require_local
from hostrt.compiler.docker_images import IMAGE_VARIABLE, find_image, is_vendors
from hostrt.errors import CompilerUnavailable, UsageError

_log = logging.getLogger(__name__)

KNOWN_VERSION = "3.11.6"
"""Version of the service whose contract hostrt was written for."""

HARDWARE = {
    "spu001": "spu1p3v1.dat",
    "spu150tc1": "spu2p0v1.dat",
    "spu150": "spu2p1v1.dat",
}
"""The service's chip selection (`FS_HW_CFG`) per chip."""

_HARDWARE_VARIABLE = "FS_HW_CFG"
_PORT = 50051
_NAME = "femtocrux_server_{}"
_MOST_NAMES = 256
_CONFLICT = 409
_STOP_S = 10
_LOG_LINES = 200


def hardware_for(chip: str) -> str:
    """Give the service's name for a chip, after checking what the environment says.

    Raises:
        UsageError: `FS_HW_CFG` names another chip, or the service knows no such chip.
    """
    if chip not in HARDWARE:
        raise UsageError(
            f"the vendor's compiler knows no chip {chip!r}", hint=f"it knows {', '.join(HARDWARE)}"
        )
    said = os.environ.get(_HARDWARE_VARIABLE, "")
    if not said:
        return HARDWARE[chip]
    stem = HARDWARE[chip].removesuffix(".dat")
    if not said.startswith(stem):
        raise UsageError(
            f"{_HARDWARE_VARIABLE}={said!r} is not for the chip {chip}, expected {stem}...",
            hint=f"unset {_HARDWARE_VARIABLE}, or name its chip with --chip",
        )
    return said


class ServiceContainer(Closing):
    """A running container of the service. A context manager; it is stopped at exit too.

    Attributes:
        name: of the container.
        image: that it runs.
    """

    def __init__(self, chip: str, *, image: str = "", version: str = "") -> None:
        """Start a container; wait for its service with `Connection.wait_until_ready`.

        Args:
            chip: what the service compiles for, for as long as it runs.
            image: to run; "" takes `FEMTOCRUX_SERVER_IMAGE_NAME`, else the vendor's.
            version: of the vendor's image; "" takes the one that hostrt knows.

        Raises:
            ExtraMissing: the package `docker` is not installed.
            UsageError: an environment variable that makes no sense.
            CompilerUnavailable: no Docker, no image, or the container does not start.
            CompilerTimeout: Docker does not answer.
        """
        hardware = hardware_for(chip)
        require_local()
        self._docker = open_docker()
        self._container: Any = None
        try:
            self.image = find_image(self._docker, image, version or KNOWN_VERSION)
            with docker_faults(f"starting a container of {self.image}"):
                self._container = _create(self._docker, self.image, hardware)
                self.name = str(self._container.name)
                self._stop = weakref.finalize(self, _stop_and_close, self._docker, self._container)
                self._container.start()
            self._port = self._mapped_port()
        except BaseException:
            self.close()
            raise
        _log.info("started container %s of %s on port %d", self.name, self.image, self._port)

    @property
    def address(self) -> Address:
        """Where its service will listen."""
        return Address("127.0.0.1", self._port)

    def check_alive(self) -> None:
        """Make sure that the container runs.

        Raises:
            CompilerUnavailable: it has ended; the message has the last line that it wrote.
        """
        from docker.errors import NotFound

        status = "gone"
        with docker_faults(f"looking at container {self.name}"):
            try:
                self._container.reload()
                status = str(self._container.status)
            except NotFound:
                pass  # containers are removed when they end
        if status not in ("created", "running"):
            text = "" if status == "gone" else self.logs()
            said = f": {last_line(text)}" if text else ""
            raise CompilerUnavailable(
                f"container {self.name} of {self.image} is {status}, expected it running{said}",
                hint=f"try it by hand: docker run --rm {self.image} --port {_PORT}",
            )

    def logs(self) -> str:
        """Give the last lines that the container wrote."""
        return _logs(self._container)

    def close(self) -> None:
        """Stop the container. Idempotent."""
        if self._container is None:
            self._docker.close()
        else:
            self._stop()

    def _mapped_port(self) -> int:
        self.check_alive()
        for place in self._container.ports.get(f"{_PORT}/tcp") or ():
            return int(place["HostPort"])
        raise CompilerUnavailable(
            f"Docker mapped no port to container {self.name}, expected one for {_PORT}/tcp",
            hint="see `docker ps`",
        )


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container of the service that is running.

    Attributes:
        name: its name.
        image: what it runs.
        identity: Docker's number for it.
    """

    name: str
    image: str
    identity: str


def cleanup(image: str = "", *, dry_run: bool = False) -> list[FoundContainer]:
    """Stop the running containers of the service, whoever started them, and no others.

    A container is the service's if it has the label and runs the vendor's image, from either
    registry, or the image that is named.

    Args:
        image: a further image that is the service's; "" takes `FEMTOCRUX_SERVER_IMAGE_NAME`.
        dry_run: only say which.

    Returns:
        Those that were stopped.

    Raises:
        ExtraMissing, CompilerUnavailable, CompilerTimeout: as `ServiceContainer`.
    """
    docker = open_docker()
    try:
        running = _running(docker, image)
        return [_found(item) for item in running if dry_run or _stop_running(item)]
    finally:
        docker.close()


def read_logs(image: str = "") -> dict[str, str]:
    """Give the last lines that each running container of the service wrote, by name."""
    docker = open_docker()
    try:
        return {_found(item).name: _logs(item) for item in _running(docker, image)}
    finally:
        docker.close()


def _running(docker: Any, image: str) -> list[Any]:
    named = image or os.environ.get(IMAGE_VARIABLE, "")
    with docker_faults("listing containers"):
        labelled = docker.containers.list(filters={"label": LABEL}, ignore_removed=True)
    return [item for item in labelled if _is_service(_found(item).image, named)]


def _stop_running(container: Any) -> bool:
    """Stop a container; False if it ended by itself meanwhile."""
    from docker.errors import NotFound

    with docker_faults(f"stopping container {container.name}"):
        try:
            container.stop(timeout=_STOP_S)
        except NotFound:
            return False
    return True


def _is_service(image: str, named: str) -> bool:
    return is_vendors(image) or (named != "" and image in (named, f"{named}:latest"))


def _found(container: Any) -> FoundContainer:
    # the name that it was started by, also after the tag has moved to a newer image
    image = container.attrs["Config"]["Image"]
    return FoundContainer(str(container.name), str(image), str(container.id))


def _logs(container: Any) -> str:
    with docker_faults(f"reading the log of container {container.name}"):
        data: bytes = container.logs(tail=_LOG_LINES)
    return data.decode("utf-8", "replace")


def _create(docker: Any, image: str, hardware: str) -> Any:
    """Make a container under the first free name."""
    from docker.errors import APIError

    for number in range(_MOST_NAMES):
        try:
            made: Any = docker.containers.create(
                image,
                ["--port", str(_PORT)],
                name=_NAME.format(number),
                labels=[LABEL],
                auto_remove=True,
                environment={_HARDWARE_VARIABLE: hardware},
                ports={f"{_PORT}/tcp": ("127.0.0.1", None)},
            )
        except APIError as error:
            if error.status_code != _CONFLICT:
                raise
        else:
            return made
    raise CompilerUnavailable(
        f"{_MOST_NAMES} containers of the compile service exist, expected a free name",
        hint="hostrt docker cleanup",
    )


def _stop_and_close(docker: Any, container: Any) -> None:
    """Stop a container whatever has become of it; what goes wrong here only leaves it running."""
    from docker.errors import DockerException, NotFound
    from requests.exceptions import RequestException

    try:
        container.reload()
        if container.status == "created":
            container.remove()
        else:
            container.stop(timeout=_STOP_S)
    except NotFound:
        pass  # it ended by itself
    except (DockerException, RequestException) as error:
        _log.warning("container %s may be left running: %s", container.name, error)
    finally:
        docker.close()
