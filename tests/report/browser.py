"""A browser without a window, as tests use it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 30
READY = "return 'ready' in document.documentElement.dataset"


class Tab:
    """One tab of a browser without a window.

    Attributes:
        driver: the session.
        fetched: what the page that was opened last made the browser fetch.
    """

    def __init__(self, profile: Path, *, browser: str, driver: str) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in (
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
            "--window-size=1280,1000", f"--user-data-dir={profile}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ):  # fmt: skip
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # the driver is named, so that nothing is looked for on the network
        service = Service(driver, env={**os.environ, "HOME": str(profile)})
        self.driver: Any = webdriver.Chrome(options=options, service=service)
        self.fetched: list[str] = []
        self.driver.set_page_load_timeout(WAIT_S)
        self.driver.set_script_timeout(WAIT_S)

    def command(self, name: str, **values: object) -> Any:
        return self.driver.execute_cdp_cmd(name, values)

    def run(self, script: str, *values: object) -> Any:
        return self.driver.execute_script(script, *values)

    def size(self, width: int, height: int = 1000) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def scheme(self, name: str) -> None:
        self.command(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": name}],
        )
        self.settle()

    def open(self, path: Path) -> None:
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(path.as_uri())
        self.wait(READY)
        self.settle()
        self.fetched = [url for url in self._requests() if not url.startswith(("data:", "blob:"))]

    def settle(self) -> None:
        """Wait until everything asked for is painted."""
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "let left = 4; const step = () => left-- ? requestAnimationFrame(step) : done();"
            "step();"
        )

    def wait(self, script: str, *values: object) -> None:
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, WAIT_S, poll_frequency=0.05).until(
            lambda driver: driver.execute_script(script, *values)
        )

    def complaints(self) -> list[str]:
        return [
            entry["message"] for entry in self.driver.get_log("browser") if entry["level"] != "INFO"
        ]

    def _requests(self) -> list[str]:
        """Everything that was fetched, whether it came or not."""
        found = (json.loads(entry["message"]) for entry in self.driver.get_log("performance"))
        messages = (entry["message"] for entry in found)
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def place(self, title: str) -> tuple[float, float]:
        """Bring a plot into view and give its middle."""
        box = self.run(
            "const plot = [...document.querySelectorAll('.plot')].find((one) =>"
            "  one.getAttribute('aria-label').startsWith(arguments[0]));"
            "plot.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const { left, top, width, height } = plot.getBoundingClientRect();"
            "return [left + width / 2, top + height / 2];",
            title,
        )
        self.settle()
        return box[0], box[1]

    def mouse(self, kind: str, x: float, y: float, **values: object) -> None:
        self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, **values)


def luminance(colour: str) -> float:
    text = colour.strip()
    if text.startswith("#"):
        parts = [int(text[at : at + 2], 16) for at in (1, 3, 5)]
    else:
        parts = [int(float(one)) for one in text[text.index("(") + 1 : -1].split(",")[:3]]
    shares = [part / 255 for part in parts]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)
