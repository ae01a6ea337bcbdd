"""Cleaning up: exactly the containers of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.main import main
from hostrt.compiler.containers import cleanup, read_logs
from hostrt.compiler.docker_engine import LABEL
from tests.compiler.conftest import AMAZON, GITHUB, OURS

if TYPE_CHECKING:
    import pytest

    from tests.compiler.fake_docker import FakeDocker


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


def test_run_cleans_up_without_a_model(
    engine: FakeDocker, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reference tool's flag, which there needs a model argument to work at all."""
    mine = engine.add("femtocrux_server_0", f"{GITHUB}:3.11.6", (LABEL,))
    assert main(["run", "--cleanup-docker"]) == 0
    assert "stopped 1 container" in capsys.readouterr().err
    assert engine.containers[mine].state != "running"
    assert main(["run"]) == 2
    assert "no model is named" in capsys.readouterr().err
