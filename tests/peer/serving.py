"""Serving virtual boards from the command line, as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hostrt.transport.url import parse_url
from tests.peer.calls import Boards

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANYWHERE = "127.0.0.1:0"
STOP_SECONDS = 10


@contextmanager
def serve(program: Path, *options: str, chip: str = "spu001") -> Iterator[Boards]:
    """Serve boards that carry `chip` and echo frames as `program` declares them.

    Args:
        program: program file.
        options: further words for `hostrt sim serve`.
        chip: spoken chip name.
    """
    kinds = ["evk2", "zcu104"] if chip == "spu001" else ["evk2"]
    places = [word for kind in kinds for word in (f"--{kind}", ANYWHERE)]
    command = [sys.executable, "-m", "hostrt.cli.main", "sim", "serve", "--json", *places]
    command += ["--chip", chip, "--answer", "echo", "--program", str(program), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _listening(process)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _listening(process: subprocess.Popen[str]) -> Boards:
    """Read the addresses, printed once the boards can be reached; a dead server ends the wait."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"hostrt sim serve ended with {process.wait()} before it listened"
    urls = [parse_url(url) for url in json.loads(line)["urls"]]
    places = {url.scheme.partition("+")[0]: f"{url.host}:{url.port}" for url in urls}
    return Boards(**places)
