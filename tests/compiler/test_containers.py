"""Containers of the service, on a Docker engine of the test's own; the client is the real one."""

from __future__ import annotations

import gc
import logging
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hostrt.compiler import containers
from hostrt.compiler.base import CompileOptions
from hostrt.compiler.connection import TimeLimits
from hostrt.compiler.containers import ServiceContainer, cleanup
from hostrt.compiler.docker_engine import LABEL, open_docker
from hostrt.compiler.femtocrux import FemtocruxCompiler
from hostrt.errors import CompilerTimeout, CompilerUnavailable
from tests.compiler.conftest import GITHUB, OURS, golden
from tests.compiler.service import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.compiler.fake_docker import FakeDocker
    from tests.compiler.service import Service


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


def test_a_container_that_ends_at_once_is_told_with_its_last_line(ready: FakeDocker) -> None:
    ready.dies, ready.log = True, "starting\nno licence\n"
    with pytest.raises(CompilerUnavailable, match="is exited, expected it running: no licence"):
        ServiceContainer("spu001")


def test_a_container_that_is_gone_is_told(ready: FakeDocker) -> None:
    with ServiceContainer("spu001") as container:
        ready.containers.clear()
        with pytest.raises(CompilerUnavailable, match=r"is gone, expected it running$"):
            container.check_alive()


def test_a_container_without_a_port_is_stopped(ready: FakeDocker) -> None:
    ready.service_port = 0
    with pytest.raises(CompilerUnavailable, match="mapped no port to container"):
        ServiceContainer("spu001")
    assert ready.containers == {}


def test_names_may_run_out(ready: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_MOST_NAMES", 2)
    for number in range(2):
        ready.add(f"femtocrux_server_{number}", OURS)
    with pytest.raises(CompilerUnavailable, match="2 containers of the compile service exist"):
        ServiceContainer("spu001")


def test_a_container_that_cannot_be_stopped_is_a_warning(
    ready: FakeDocker, caplog: pytest.LogCaptureFixture
) -> None:
    with ServiceContainer("spu001"):
        ready.stop_error = "device is busy"
        caplog.set_level(logging.WARNING, "hostrt")
    assert "femtocrux_server_0 may be left running" in caplog.text
    assert "device is busy" in caplog.text


def test_a_container_that_cannot_start_is_removed(ready: FakeDocker) -> None:
    ready.start_error = "driver failed: port is taken"
    with pytest.raises(CompilerUnavailable, match="port is taken"):
        ServiceContainer("spu001")
    assert ready.containers == {}
    removed = [path for method, path in ready.calls if method == "DELETE"]
    assert len(removed) == 1
    assert not [path for _, path in ready.calls if path.endswith("/stop")]


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
