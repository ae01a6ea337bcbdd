"""Containers of the service, on a Docker engine of the test's own; the client is the real one."""

from __future__ import annotations

import base64
import gc
import json
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hostrt.compiler.base import CompileOptions
from hostrt.compiler.connection import TimeLimits
from hostrt.compiler.containers import ServiceContainer, cleanup, read_logs
from hostrt.compiler.docker_engine import LABEL, is_vendors, open_docker, repository_of
from hostrt.compiler.femtocrux import FemtocruxCompiler
from hostrt.errors import CompilerTimeout, CompilerUnavailable, UsageError
from tests.compiler.conftest import golden
from tests.compiler.service import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.compiler.fake_docker import FakeDocker
    from tests.compiler.service import Service

GITHUB = "ghcr.io/femtosense/femtocrux"
AMAZON = "123456789012.dkr.ecr.us-west-2.amazonaws.com/femtocrux"
OURS = "registry.lab:5000/femtocrux:ours"


@pytest.fixture
def ready(engine: FakeDocker, service: Callable[..., Service]) -> FakeDocker:
    """An engine with the vendor's image, whose containers lead to a service."""
    engine.images.add(f"{GITHUB}:3.11.6")
    engine.service_port = service().port
    return engine


# -- starting ---------------------------------------------------------------------------------


def test_a_container_compiles_and_is_gone_afterwards(ready: FakeDocker) -> None:
    with FemtocruxCompiler() as compiler:
        made = compiler.compile(golden("gru2"), CompileOptions())
        (container,) = ready.containers.values()
        assert container.state == "running"
        assert compiler.logs() == "ready\n"
    assert made.program.chip == "spu001"
    assert ready.containers == {}


@pytest.mark.parametrize(
    ("chip", "hardware"),
    [("spu001", "spu1p3v1.dat"), ("spu150tc1", "spu2p0v1.dat"), ("spu150", "spu2p1v1.dat")],
)
def test_what_docker_is_asked_for(ready: FakeDocker, chip: str, hardware: str) -> None:
    with ServiceContainer(chip) as container:
        assert (container.name, container.image) == ("femtocrux_server_0", f"{GITHUB}:3.11.6")
        assert container.address.is_loopback
        (made,) = ready.containers.values()
    assert made.labels == {LABEL: ""}
    assert made.body["Cmd"] == ["--port", "50051"]
    assert made.body["Env"] == [f"FS_HW_CFG={hardware}"]
    assert made.body["HostConfig"]["AutoRemove"] is True
    assert made.body["HostConfig"]["PortBindings"] == {
        "50051/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]
    }


def test_the_callers_hardware_file_is_kept(
    ready: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FS_HW_CFG", "spu1p3v1_lab.dat")
    with ServiceContainer("spu001"):
        (made,) = ready.containers.values()
    assert made.body["Env"] == ["FS_HW_CFG=spu1p3v1_lab.dat"]


def test_the_first_free_name_is_taken(ready: FakeDocker) -> None:
    for number in (0, 1, 3):
        ready.add(f"femtocrux_server_{number}", OURS)
    with ServiceContainer("spu001") as container:
        assert container.name == "femtocrux_server_2"


def test_a_model_for_another_chip_gets_another_container(
    engine: FakeDocker, service: Callable[..., Service]
) -> None:
    engine.images.add(f"{GITHUB}:3.11.6")
    engine.service_port = service(chip="spu001").port
    with FemtocruxCompiler() as compiler:
        compiler.compile(golden("gru2"), CompileOptions("spu001"))
        compiler.compile(golden("identity32"), CompileOptions("spu001"))
        starts = [path for method, path in engine.calls if path.endswith("/start")]
        assert len(starts) == 1
        engine.service_port = service(chip="spu150").port
        made = compiler.compile(golden("gru2"), CompileOptions("spu150"))
        (container,) = engine.containers.values()
    assert made.program.chip == "spu150"
    assert container.body["Env"] == ["FS_HW_CFG=spu2p1v1.dat"]


def test_a_forgotten_container_is_stopped(ready: FakeDocker) -> None:
    container = ServiceContainer("spu001")
    assert ready.containers
    del container
    gc.collect()
    assert ready.containers == {}


# -- which image ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "chosen"),
    [
        ([f"{GITHUB}:3.11.6", f"{GITHUB}:3.12.0"], f"{GITHUB}:3.11.6"),
        ([f"{GITHUB}:3.11.6", f"{AMAZON}:3.11.6"], f"{AMAZON}:3.11.6"),
        ([f"{AMAZON}:3.11.6", "evil.example/femtocrux:3.11.6"], f"{AMAZON}:3.11.6"),
    ],
)
def test_the_vendors_image_of_the_known_version_is_chosen(
    ready: FakeDocker, images: list[str], chosen: str
) -> None:
    ready.images = set(images)
    with ServiceContainer("spu001") as container:
        assert container.image == chosen


def test_another_version_can_be_wanted(ready: FakeDocker) -> None:
    ready.images.add(f"{GITHUB}:3.12.0")
    with ServiceContainer("spu001", version="3.12.0") as container:
        assert container.image == f"{GITHUB}:3.12.0"


def test_a_named_image_is_used_exactly(ready: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.images |= {OURS, "plain:latest"}
    with ServiceContainer("spu001", image=OURS) as container:
        assert container.image == OURS
    monkeypatch.setenv("FEMTOCRUX_SERVER_IMAGE_NAME", "plain")
    with ServiceContainer("spu001") as container:
        assert container.image == "plain"


def test_a_named_image_that_is_not_there_is_not_pulled(ready: FakeDocker) -> None:
    ready.pullable.add(OURS)
    with pytest.raises(CompilerUnavailable, match=f"no image {OURS} on this machine"):
        ServiceContainer("spu001", image=OURS)
    assert ("POST", "images/create") not in ready.calls


def test_a_missing_image_is_pulled_with_the_key(
    ready: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.images.clear()
    ready.pullable.add(f"{GITHUB}:3.11.6")
    monkeypatch.setenv("GH_PACKAGE_KEY", "ghp_secret")
    with ServiceContainer("spu001") as container:
        assert container.image == f"{GITHUB}:3.11.6"
    (login,) = ready.logins
    assert json.loads(base64.urlsafe_b64decode(login)) == {
        "username": "femtodaemon",
        "password": "ghp_secret",
    }


def test_without_a_key_nothing_is_pulled(ready: FakeDocker) -> None:
    ready.images.clear()
    with pytest.raises(CompilerUnavailable, match="GH_PACKAGE_KEY is not set"):
        ServiceContainer("spu001")
    assert ready.logins == []


def test_a_key_that_is_refused_is_told(ready: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.images.clear()
    monkeypatch.setenv("GH_PACKAGE_KEY", "other_secret")
    with pytest.raises(CompilerUnavailable, match="pull access denied") as caught:
        ServiceContainer("spu001")
    assert "secret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("word", ["no", "0", "FALSE"])
def test_pulling_can_be_forbidden(
    ready: FakeDocker, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    ready.images = {f"{GITHUB}:3.10.0"}
    monkeypatch.setenv("FS_ALLOW_DOCKER_PULL", word)
    monkeypatch.setenv("GH_PACKAGE_KEY", "ghp_secret")
    words = f"FS_ALLOW_DOCKER_PULL forbids to pull it; there are {GITHUB}:3.10.0"
    with pytest.raises(CompilerUnavailable, match=words):
        ServiceContainer("spu001")
    assert ready.logins == []


def test_a_permission_that_is_neither_yes_nor_no_is_refused(
    ready: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.images.clear()
    monkeypatch.setenv("FS_ALLOW_DOCKER_PULL", "perhaps")
    with pytest.raises(UsageError, match="FS_ALLOW_DOCKER_PULL='perhaps', expected one of yes"):
        ServiceContainer("spu001")


@pytest.mark.parametrize(
    ("image", "repository", "vendors"),
    [
        (f"{GITHUB}:3.11.6", GITHUB, True),
        (f"{GITHUB}@sha256:00", GITHUB, True),
        (f"{GITHUB}:1@sha256:00", GITHUB, True),
        (AMAZON, AMAZON, True),
        ("registry.lab:5000/femtocrux", "registry.lab:5000/femtocrux", False),
        (f"{GITHUB}2:3", f"{GITHUB}2", False),
        (f"mirror/{GITHUB}:3", f"mirror/{GITHUB}", False),
    ],
)
def test_names_of_images_are_understood(image: str, repository: str, vendors: bool) -> None:
    assert repository_of(image) == repository
    assert is_vendors(image) is vendors


# -- what goes wrong --------------------------------------------------------------------------


def test_a_container_that_ends_at_once_is_told_with_its_last_line(ready: FakeDocker) -> None:
    ready.dies, ready.log = True, "starting\nno licence\n"
    with pytest.raises(CompilerUnavailable, match="is exited, expected it running: no licence"):
        ServiceContainer("spu001")


def test_a_container_that_cannot_start_is_removed(ready: FakeDocker) -> None:
    ready.start_error = "driver failed: port is taken"
    with pytest.raises(CompilerUnavailable, match="port is taken"):
        ServiceContainer("spu001")
    assert ready.containers == {}


def test_a_service_that_never_gets_ready_is_given_up(engine: FakeDocker) -> None:
    engine.images.add(f"{GITHUB}:3.11.6")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        engine.service_port = probe.getsockname()[1]
        with (
            FemtocruxCompiler(limits=TimeLimits(ready_s=0.4)) as compiler,
            pytest.raises(CompilerTimeout, match=r"was not ready within 0\.4 s"),
        ):
            compiler.compile(golden("gru2"), CompileOptions())
    assert engine.containers == {}


def test_a_service_that_gets_ready_late_is_waited_for(engine: FakeDocker) -> None:
    engine.images.add(f"{GITHUB}:3.11.6")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        engine.service_port = probe.getsockname()[1]
    with serve(port=engine.service_port, delay_s=0.3), FemtocruxCompiler() as compiler:
        assert compiler.compile(golden("gru2"), CompileOptions()).program.n_words


@pytest.fixture
def _leaks() -> Iterator[None]:
    """Let sockets be found that the package `docker` leaves open when nobody answers."""
    yield
    gc.collect()


LEAKS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@LEAKS
@pytest.mark.usefixtures("_leaks")
def test_no_docker_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(CompilerUnavailable, match="Docker is not running") as caught:
        ServiceContainer("spu001")
    assert "--compiler-address" in caught.value.hint
    with closing(socket.socket(socket.AF_UNIX)) as nobody:
        nobody.bind(f"{tmp_path}/dead.sock")
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead.sock")
        with pytest.raises(CompilerUnavailable, match="Docker is not running"):
            cleanup()


@LEAKS
@pytest.mark.usefixtures("_leaks")
def test_no_permission_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(CompilerUnavailable, match="does not let this user in") as caught:
        ServiceContainer("spu001")
    assert "group docker" in caught.value.hint


def test_a_docker_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(CompilerTimeout, match="Docker did not answer"):
            open_docker(0.2)


@pytest.mark.parametrize("host", ["tcp://10.0.0.8:2375", "ssh://lab"])
def test_a_docker_elsewhere_is_not_used(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(CompilerUnavailable, match=f"DOCKER_HOST={host} is another machine"):
        ServiceContainer("spu001")


# -- cleaning up ------------------------------------------------------------------------------


def _strangers(engine: FakeDocker) -> set[str]:
    """Have containers that are not the service's; give their identities."""
    return {
        engine.add("no-label", f"{GITHUB}:3.11.6"),
        engine.add("other-image", "postgres:16", (LABEL,)),
        engine.add("lookalike", f"evil.example/{GITHUB}:3.11.6", (LABEL,)),
        engine.add("other-label", f"{GITHUB}:3.11.6", ("femtocrux_server_x",)),
        engine.add("ended", f"{GITHUB}:3.11.6", (LABEL,), "exited"),
    }


def test_exactly_the_containers_of_the_service_are_stopped(engine: FakeDocker) -> None:
    strangers = _strangers(engine)
    mine = {
        engine.add("femtocrux_server_0", f"{GITHUB}:3.11.6", (LABEL,)),
        engine.add("femtocrux_server_1", f"{AMAZON}:3.9.1", (LABEL,)),
    }
    found = cleanup()
    assert {item.identity for item in found} == mine
    assert {item.name for item in found} == {"femtocrux_server_0", "femtocrux_server_1"}
    stopped = [path.split("/")[1] for method, path in engine.calls if path.endswith("/stop")]
    assert set(stopped) == mine
    assert all(engine.containers[item].state != "running" for item in mine)
    running = {engine.containers[item].name for item in strangers} - {"ended"}
    assert {item.name for item in engine.containers.values() if item.state == "running"} == running


def test_a_named_image_is_the_services_too(
    engine: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    _strangers(engine)
    mine = engine.add("ours", OURS, (LABEL,))
    assert cleanup() == []
    assert [item.identity for item in cleanup(OURS, dry_run=True)] == [mine]
    monkeypatch.setenv("FEMTOCRUX_SERVER_IMAGE_NAME", OURS)
    assert [item.identity for item in cleanup()] == [mine]


def test_nothing_is_stopped_when_only_asked(engine: FakeDocker) -> None:
    mine = engine.add("femtocrux_server_0", f"{GITHUB}:3.11.6", (LABEL,))
    assert [item.identity for item in cleanup(dry_run=True)] == [mine]
    assert engine.containers[mine].state == "running"


def test_a_container_that_ends_meanwhile_is_no_failure(engine: FakeDocker) -> None:
    engine.add("femtocrux_server_0", f"{GITHUB}:3.11.6", (LABEL,))
    engine.vanishes = True
    assert cleanup() == []


def test_logs_are_of_the_services_containers_only(engine: FakeDocker) -> None:
    _strangers(engine)
    engine.add("femtocrux_server_0", f"{GITHUB}:3.11.6", (LABEL,))
    assert read_logs() == {"femtocrux_server_0": "ready\n"}
