"""The two commands of the README: `python tests/project/readme.py run|tests` prints one."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
FIRST_SCREEN_END = "\n---\n"


def commands() -> dict[str, str]:
    """Give the commands of the first screen: `run` and `tests`."""
    screen = README.read_text(encoding="utf-8").split(FIRST_SCREEN_END)[0]
    blocks = re.findall(r"```sh\n(.*?)```", screen, re.DOTALL)
    if len(blocks) != 2:
        raise ValueError(f"{README}: {len(blocks)} commands on the first screen, expected 2")
    return dict(zip(("run", "tests"), (block.strip() for block in blocks), strict=True))


if __name__ == "__main__":
    sys.stdout.write(commands()[sys.argv[1]] + "\n")
