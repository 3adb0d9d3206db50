"""Chromium without a window, driven over WebDriver (W3C), as people meet pages."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.processes import descendants, end
from support.server import Port
from support.waiting import PATIENCE, wait_for

#: How WebDriver calls the reference to an element.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
#: What is on a phone: CSS pixels.
PHONE = (360, 740)
DESK = (1200, 900)


class Browser:
    """One window. Every fault of WebDriver is an AssertionError."""

    def __init__(self, port: int, size: tuple[int, int], profile: Path, trusting: bool = False) -> None:
        self.port = port
        width, height = size
        arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            f"--user-data-dir={profile}", f"--window-size={width},{height}",
        ]  # fmt: skip
        options: dict[str, Any] = {"args": arguments, "binary": shutil.which("chromium")}
        if size == PHONE:
            options["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2}}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "acceptInsecureCerts": trusting}
        # an element may belong to a page that is still on its way
        capabilities = {"alwaysMatch": {**wanted, "timeouts": {"implicit": int(PATIENCE * 1000)}}}
        self.session = ""
        self.session = self._call("POST", "/session", {"capabilities": capabilities})["sessionId"]

    def _call(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2 * PATIENCE)
        try:
            body = None if content is None else json.dumps(content)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            value = json.loads(reply.read())["value"]
        finally:
            connection.close()
        assert reply.status == 200, f"{method} {path}: {value}"
        return value

    def _do(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        return self._call(method, f"/session/{self.session}{path}", content)

    def open(self, url: str) -> None:
        """Go to a page and wait until it is there."""
        self._do("POST", "/url", {"url": url})

    def url(self) -> str:
        """Where it is."""
        return str(self._do("GET", "/url"))

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self._do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def _element(self, selector: str) -> str:
        found = self._do("POST", "/element", {"using": "css selector", "value": selector})
        return f"/element/{found[ELEMENT]}"

    def click(self, selector: str) -> None:
        """Click on what leads to another page, or to this one anew, and wait until that is there."""
        self.run("window.clicked = true")
        self._do("POST", self._element(selector) + "/click", {})
        wait_for(self._has_arrived, f"the page behind {selector}")

    def _has_arrived(self) -> bool:
        try:
            return bool(self.run("return !window.clicked && document.readyState === 'complete'"))
        except AssertionError:
            return False  # between two pages a script has no place to run in

    def write(self, selector: str, text: str) -> None:
        """Write into a field in place of what it holds."""
        element = self._element(selector)
        self._do("POST", element + "/clear", {})
        self._do("POST", element + "/value", {"text": text})

    def text(self, selector: str = "body") -> str:
        """What can be read of an element."""
        return str(self._do("GET", self._element(selector) + "/text"))

    def close(self) -> None:
        """End Chromium."""
        if self.session:
            self._do("DELETE", "")


@contextlib.contextmanager
def browser(folder: Path, size: tuple[int, int] = DESK, *, trusting: bool = False) -> Iterator[Browser]:
    """Chromium while the block lasts; the test is skipped where it isn't installed.

    ``trusting``: it takes any certificate.
    """
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("chromium and chromedriver are not installed")
    reserved = Port()
    with (folder / "chromedriver.log").open("wb") as log:
        driver = subprocess.Popen(
            ["chromedriver", f"--port={reserved.number}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "HOME": str(folder)}, start_new_session=True,
        )  # fmt: skip
    window = None
    try:
        wait_for(lambda: _listens(reserved.number), "chromedriver to listen")
        window = Browser(reserved.number, size, folder / "profile", trusting)
        yield window
    finally:
        if window is not None:
            with contextlib.suppress(OSError, AssertionError):
                window.close()
        process = psutil.Process(driver.pid)
        end({process, *descendants(process)})
        driver.wait(PATIENCE)
        reserved.release()


def _listens(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/status")
        return bool(json.loads(connection.getresponse().read())["value"]["ready"])
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
