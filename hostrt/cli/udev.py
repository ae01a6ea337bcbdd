"""`hostrt udev`: the rules that let ordinary users open USB boards."""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.output import note, print_json
from hostrt.errors import StorageError

if TYPE_CHECKING:
    import argparse

RULES_NAME = "60-hostrt.rules"
RULES_FOLDER = Path("/etc/udev/rules.d")
_RELOAD = (("control", "--reload"), ("trigger", "--subsystem-match=usb"))


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--install", action="store_true", help="write the rules (needs root)")
    parser.add_argument(
        "--folder", type=Path, default=RULES_FOLDER, help=f"where to (default {RULES_FOLDER})"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the rules, or install them and tell udev."""
    text = rules()
    if not arguments.install:
        if arguments.json:
            print_json({"file": str(arguments.folder / RULES_NAME), "rules": text})
        else:
            print(text, end="")
            note(f"install them with: sudo hostrt udev --install  (to {arguments.folder})")
        return 0
    target = arguments.folder / RULES_NAME
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot write {target}: {error.strerror}",
            hint="run it as root: sudo hostrt udev --install",
        ) from error
    reloaded = arguments.folder == RULES_FOLDER and _reload()
    if arguments.json:
        print_json({"file": str(target), "reloaded": reloaded})
    else:
        print(f"wrote {target}")
        print(
            "udev reloaded: replug the board" if reloaded else "reload udev, then replug the board"
        )
    return 0


def rules() -> str:
    """Give the text of the rules file."""
    packaged = files("hostrt") / "udev" / RULES_NAME
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    # running from a source tree: the file lies at the top of it
    return (Path(__file__).parents[2] / "udev" / RULES_NAME).read_text(encoding="utf-8")


def _reload() -> bool:
    udevadm = shutil.which("udevadm")
    if udevadm is None:
        return False
    return all(
        subprocess.run([udevadm, *words], check=False, capture_output=True).returncode == 0
        for words in _RELOAD
    )
