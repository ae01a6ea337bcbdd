"""Which image is run, and pulling it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from hostrt.compiler import docker_images
from hostrt.compiler.containers import ServiceContainer
from hostrt.compiler.docker_images import is_vendors, repository_of
from hostrt.errors import CompilerTimeout, CompilerUnavailable, UsageError
from tests.compiler.conftest import AMAZON, GITHUB, OURS

if TYPE_CHECKING:
    from tests.compiler.fake_docker import FakeDocker


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


def test_a_pull_that_breaks_off_is_told(ready: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.images.clear()
    ready.pull_error = "layer is damaged\nno space left"
    monkeypatch.setenv("GH_PACKAGE_KEY", "ghp_secret")
    with pytest.raises(CompilerUnavailable, match=r"3\.11\.6: no space left"):
        ServiceContainer("spu001")


def test_a_pull_that_takes_too_long_is_given_up(
    ready: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.images.clear()
    ready.pullable.add(f"{GITHUB}:3.11.6")
    monkeypatch.setattr(docker_images, "_PULL_S", 0.0)
    monkeypatch.setenv("GH_PACKAGE_KEY", "ghp_secret")
    with pytest.raises(CompilerTimeout, match="took more than 0 s"):
        ServiceContainer("spu001")


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
