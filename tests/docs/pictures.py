"""Make the guide's pictures, from real runs of the guide's denoiser.

`python -m tests.docs.pictures` writes all of them into hostrt/docs/pictures, with names only those.
It needs `hostrt[test]`, Chromium with its driver for screenshots, and tmux for the terminal. On a
computer that is busy with other things the latencies in the pictures are those of a busy computer.
"""

from __future__ import annotations

import base64
import io
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.docs.pages import DOCS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FOLDER = DOCS / "pictures"
MODEL, SOUND = "denoiser.pt", "noisy.wav"
PERIOD = ("--input-period", "0.008")
STREAM = ("stream", SOUND, MODEL, *PERIOD, "--board", "sim", "-o", "clean.wav")
LATE = "faulty+evk2+sim://spu001?plan=late@3000&late=0.06"
WIDTH = 1250
COLUMNS, ROWS = 92, 12
LOOK_S = 1.6
"""Where in the stream the terminal is looked at: the chime is sounding."""

_HOSTRT = "import sys; from hostrt.cli.main import entry; sys.argv[0] = 'hostrt'; entry()"
_SECONDS = 120
_SETTLED_S = 2.0

_PAGE = """<!DOCTYPE html><meta charset="utf-8"><style>
body {{ margin: 0; background: #11151b; }}
pre {{ margin: 0; padding: 14px 18px; display: inline-block; color: #d5dae2; background: #11151b;
  font: 15px/1.16 "DejaVu Sans Mono", monospace; }}
</style><pre>{code}</pre>"""
"""A terminal as a page; rich fills it in."""

_COLOURS: Any = (
    (0x11, 0x15, 0x1B),
    (0xD5, 0xDA, 0xE2),
    [
        (0x2A, 0x30, 0x3A), (0xE0, 0x5A, 0x5A), (0x4F, 0xB3, 0x6B), (0xD9, 0xB4, 0x4A),
        (0x5A, 0x93, 0xE0), (0xB3, 0x7A, 0xD6), (0x3F, 0xB3, 0xBD), (0xD5, 0xDA, 0xE2),
    ],
)  # fmt: skip
"""Background, foreground and the eight colours of that terminal."""


class Workshop:
    """A folder in which the runs behind the pictures are made, each when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (MODEL, SOUND):
            shutil.copy(DOCS / name, folder)

    @cached_property
    def stream(self) -> Path:
        """Report of a stream in real time, and its pictures in the folder of the same name."""
        reports = ("--report", "stream.html", "--report", "stream.png")
        self._hostrt(*STREAM, "--power-meter", "sim", *reports)
        return self.folder / "stream.html"

    @cached_property
    def runs(self) -> Path:
        """Report of three runners that are compared."""
        runners = ("--runners", "fqir,fasmir,hw", "--board", "sim")
        self._hostrt("run", MODEL, *runners, "--input-file", SOUND, *PERIOD, "--report", "run.html")
        return self.folder / "run.html"

    @cached_property
    def late(self) -> Path:
        """Pictures of a stream with an answer that comes much too late."""
        self._hostrt("stream", SOUND, MODEL, *PERIOD, "--board", LATE, "--report", "late.png")
        return self.folder / "late"

    @cached_property
    def terminal(self) -> Path:
        """A page that shows the terminal while a stream runs."""
        from rich.console import Console
        from rich.terminal_theme import TerminalTheme
        from rich.text import Text

        console = Console(file=io.StringIO(), record=True, width=COLUMNS, highlight=False)
        console.print(Text(f"$ hostrt {shlex.join(STREAM)}", style="bold"))
        console.print(Text.from_ansi(self._seen(STREAM)))
        page = self.folder / "terminal.html"
        theme = TerminalTheme(*_COLOURS)
        html = console.export_html(code_format=_PAGE, inline_styles=True, theme=theme)
        page.write_text(html, encoding="utf-8")
        return page

    def _seen(self, words: Sequence[str]) -> str:
        """Give what a terminal shows some seconds into a stream, colours as escape sequences."""
        tmux = ["tmux", "-f", os.devnull, "-S", str(self.folder / "tmux")]
        command = shlex.join([sys.executable, "-c", _HOSTRT, *words])
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._call([*tmux, "new-session", "-d", *size, command], TERM="xterm-256color")
        try:
            until = time.monotonic() + _SECONDS
            while "latency" not in self._call([*tmux, "capture-pane", "-p"]):
                if time.monotonic() > until:
                    raise TimeoutError("the stream did not begin")
                time.sleep(0.25)
            time.sleep(LOOK_S)
            return self._call([*tmux, "capture-pane", "-p", "-e"]).rstrip()
        finally:
            self._call([*tmux, "kill-server"])

    def _hostrt(self, *words: str) -> None:
        self._call([sys.executable, "-c", _HOSTRT, *words])

    def _call(self, command: Sequence[str], **variables: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(DOCS.parents[1]), **variables},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout


@contextmanager
def browser(*, is_dark: bool, width: int) -> Iterator[Any]:
    """Open a Chromium without a window."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for name in ("headless=new", "no-sandbox", "hide-scrollbars", "disable-dev-shm-usage"):
        options.add_argument(f"--{name}")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found:
        options.binary_location = found
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_page_load_timeout(_SECONDS)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        yield driver
    finally:
        driver.quit()


def photograph(page: Path, first: str, last: str, *, is_dark: bool = False) -> bytes:
    """Give a picture of a page as it looks in a browser.

    Args:
        page: HTML file.
        first: selector of the element at whose top the picture begins.
        last: selector of the element at whose bottom it ends.
        is_dark: for a reader who prefers dark pages.
    """
    box = "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()"
    with browser(is_dark=is_dark, width=WIDTH) as driver:
        driver.get(page.as_uri())
        time.sleep(_SETTLED_S)
        top, bottom = driver.execute_script(box, first), driver.execute_script(box, last)
        clip = {
            "x": top["left"], "y": top["top"], "width": top["width"],
            "height": bottom["bottom"] - top["top"], "scale": 1,
        }  # fmt: skip
        shot = driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {"format": "png", "captureBeyondViewport": True, "clip": clip},
        )
    return base64.b64decode(shot["data"])


def smaller(png: bytes) -> bytes:
    """Give a picture with at most 256 colours."""
    from PIL import Image

    with closing(Image.open(io.BytesIO(png))) as image:
        reduced = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    reduced.save(stream, "PNG", optimize=True)
    return stream.getvalue()


PICTURES: dict[str, Callable[[Workshop], bytes]] = {
    "stream-view.png": lambda shop: photograph(shop.terminal, "pre", "pre"),
    "stream-late.png": lambda shop: (shop.late / "latency_timeline_hw.png").read_bytes(),
    "sound-noisy.png": lambda shop: _drawn(shop, "audio_input_noisy.png"),
    "sound-clean.png": lambda shop: _drawn(shop, "audio_output_hw_clean.png"),
    "report-top.png": lambda shop: photograph(shop.runs, "header.top", "#agreement"),
    "report-latency.png": lambda shop: photograph(shop.stream, "#time", "#time"),
    "report-sound-dark.png": lambda shop: photograph(
        shop.stream, "#signals", "#signals", is_dark=True
    ),
}
"""What each picture is made of."""


def _drawn(shop: Workshop, name: str) -> bytes:
    return (shop.stream.with_suffix("") / name).read_bytes()


def main(names: Sequence[str]) -> None:
    """Make pictures, all if none is named."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder))
        for name in names or PICTURES:
            (FOLDER / name).write_bytes(smaller(PICTURES[name](shop)))


if __name__ == "__main__":
    main(sys.argv[1:])
