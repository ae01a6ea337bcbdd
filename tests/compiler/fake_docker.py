"""A Docker engine's HTTP interface on the loopback, as much of it as images and containers need.

Real clients talk to it. A container that is started is not a process: it claims that its port is
mapped to the one where a service of the test listens.
"""

from __future__ import annotations

import hashlib
import json
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

API_VERSION = "1.45"
_STOP_S = 5.0


@dataclass
class Container:
    """A container that somebody made."""

    identity: str
    name: str
    body: Mapping[str, Any]
    state: str = "created"

    @property
    def labels(self) -> dict[str, str]:
        """Labels as Docker stores them."""
        labels = self.body.get("Labels") or {}
        return dict.fromkeys(labels, "") if isinstance(labels, list) else dict(labels)


@dataclass
class FakeDocker:
    """The engine.

    Attributes:
        service_port: where the ports of its containers lead; 0 maps none.
        images: names of the images that it has.
        pullable: names of the images that it can pull.
        containers: by identity.
        calls: (method, path without version) in order, queries left out.
        logins: what came with pulls as registry authentication.
        start_error: text with which starting a container fails.
        dies: containers are dead at once.
        pull_error: text that a pull ends with, after it has begun well.
        stop_error: text with which stopping a container fails.
        vanishes: containers are gone when they are to be stopped.
        log: what containers have written.
    """

    service_port: int = 0
    images: set[str] = field(default_factory=set)
    pullable: set[str] = field(default_factory=set)
    containers: dict[str, Container] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    start_error: str = ""
    dies: bool = False
    pull_error: str = ""
    stop_error: str = ""
    vanishes: bool = False
    log: str = "ready\n"
    url: str = ""

    def add(
        self, name: str, image: str, labels: tuple[str, ...] = (), state: str = "running"
    ) -> str:
        """Have a container that somebody else made; give its identity."""
        identity = f"{len(self.containers) + 1:064x}"
        body = {"Image": image, "Labels": dict.fromkeys(labels, "")}
        self.containers[identity] = Container(identity, name, body, state)
        return identity

    # -- what the interface does --------------------------------------------------------------

    def answer(
        self, method: str, path: str, query: Mapping[str, list[str]], body: Any, login: str
    ) -> tuple[int, object]:
        """Answer one request."""
        words = path.strip("/").split("/")
        if words[0].startswith("v1."):
            del words[0]
        self.calls.append((method, "/".join(words)))
        match words:
            case ["version"]:
                return 200, {"ApiVersion": API_VERSION, "MinAPIVersion": "1.24", "Version": "27.0"}
            case ["images", "json"]:
                return 200, [self._image(name) for name in sorted(self.images)]
            case ["images", "create"]:
                return self._pull(f"{query['fromImage'][0]}:{query['tag'][0]}", login)
            case ["images", *name, "json"]:
                return self._inspect_image("/".join(name))
            case ["containers", "json"]:
                return 200, self._list(query)
            case ["containers", "create"]:
                return self._create(query.get("name", [""])[0], body)
            case ["containers", identity, *action]:
                return self._container(identity, action)
        return _exec(words)

    def _image(self, name: str) -> dict[str, object]:
        digest = hashlib.sha256(name.encode()).hexdigest()
        return {"Id": f"sha256:{digest}", "RepoTags": [name], "Labels": {}}

    def _inspect_image(self, name: str) -> tuple[int, object]:
        known = name in self.images or f"{name}:latest" in self.images
        by_id = [item for item in self.images if self._image(item)["Id"] == name]
        if known or by_id:
            return 200, self._image(by_id[0] if by_id else name)
        return 404, {"message": f"No such image: {name}"}

    def _pull(self, name: str, login: str) -> tuple[int, object]:
        self.logins.append(login)
        if self.pull_error:
            return 200, {"error": self.pull_error}
        if name not in self.pullable:
            return 404, {"message": f"pull access denied for {name}"}
        self.images.add(name)
        return 200, {"status": "Download complete"}

    def _list(self, query: Mapping[str, list[str]]) -> list[dict[str, object]]:
        filters = json.loads(query.get("filters", ["{}"])[0])
        wanted = filters.get("label", [])
        everything = query.get("all", ["0"])[0] in ("1", "true", "True")
        ancestors = filters.get("ancestor")
        return [
            {
                "Id": item.identity,
                "Names": [f"/{item.name}"],
                "Image": item.body["Image"],
                "ImageID": "sha256:00",
                "Labels": item.labels,
                "State": item.state,
                "Ports": [],
            }
            for item in self.containers.values()
            if set(wanted) <= set(item.labels)
            and (everything or item.state == "running")
            and (ancestors is None or item.body["Image"] in ancestors)
        ]

    def _create(self, name: str, body: Any) -> tuple[int, object]:
        if not self.images & {body["Image"], f"{body['Image']}:latest"}:
            return 404, {"message": f"No such image: {body['Image']}"}
        if any(item.name == name for item in self.containers.values()):
            return 409, {"message": f"Conflict. The container name {name!r} is already in use"}
        identity = f"{len(self.containers) + 1:064x}"
        self.containers[identity] = Container(identity, name, body)
        return 201, {"Id": identity, "Warnings": []}

    def _container(self, identity: str, action: list[str]) -> tuple[int, object]:
        for item in self.containers.values():
            if identity in (item.identity, item.name):
                return self._act(item, action)
        return 404, {"message": f"No such container: {identity}"}

    def _act(self, item: Container, action: list[str]) -> tuple[int, object]:
        match action:
            case ["json"]:
                return 200, self._inspect(item)
            case ["start"] if self.start_error:
                return 500, {"message": self.start_error}
            case ["start"]:
                item.state = "exited" if self.dies else "running"
                return 204, None
            case ["exec"]:
                return 201, {"Id": "0" * 64}
            case ["logs"]:
                return 200, self.log
            case ["stop"] if not self.vanishes:
                return self._stop(item)
            case []:
                del self.containers[item.identity]
                return 204, None
        return 404, {"message": f"not found: {action}"}

    def _stop(self, item: Container) -> tuple[int, object]:
        if self.stop_error:
            return 500, {"message": self.stop_error}
        item.state = "exited"
        if (item.body.get("HostConfig") or {}).get("AutoRemove"):
            del self.containers[item.identity]
        return 204, None

    def _inspect(self, item: Container) -> dict[str, object]:
        mapped = [{"HostIp": "127.0.0.1", "HostPort": str(self.service_port)}]
        ports = {"50051/tcp": mapped if self.service_port else None}
        return {
            "Id": item.identity,
            "Name": f"/{item.name}",
            "Image": "sha256:00",
            "Config": {**item.body, "Labels": item.labels, "Tty": True},
            "HostConfig": dict(item.body.get("HostConfig") or {}),
            "State": {"Status": item.state, "Running": item.state == "running"},
            "NetworkSettings": {"Ports": ports},
        }


def _exec(words: list[str]) -> tuple[int, object]:
    """Answer for a command inside a container; all of them succeed."""
    match words:
        case ["exec", _, "start"]:
            return 200, _framed(b"healthy\n")
        case ["exec", identity, "json"]:
            return 200, {"ID": identity, "Running": False, "ExitCode": 0}
    return 404, {"message": f"page not found: {'/'.join(words)}"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece is not held up
    engine: FakeDocker

    def do(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        login = self.headers.get("X-Registry-Auth", "")
        status, tree = self.engine.answer(
            self.command, parts.path, parse_qs(parts.query), body, login
        )
        data = _encoded(tree)
        self.send_response(status)
        kind = "text/plain" if isinstance(tree, str) else "application/json"
        self.send_header("Content-Type", kind)
        if isinstance(tree, bytes):  # a raw stream ends with its connection
            self.close_connection = True
        elif status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


for _verb in ("GET", "POST", "DELETE"):
    setattr(_Handler, f"do_{_verb}", _Handler.do)


def _encoded(tree: object) -> bytes:
    match tree:
        case None:
            return b""
        case bytes():
            return tree
        case str():
            return tree.encode()
        case _:
            return json.dumps(tree).encode() + b"\n"


def _framed(data: bytes) -> bytes:
    """Give one frame of standard output as raw streams carry it."""
    return struct.pack(">BxxxI", 1, len(data)) + data


@contextmanager
def serve_docker(engine: FakeDocker) -> Iterator[FakeDocker]:
    """Serve an engine on a free port of the loopback."""
    handler = type("Handler", (_Handler,), {"engine": engine})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        engine.url = f"tcp://127.0.0.1:{server.server_address[1]}"
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join(_STOP_S)
