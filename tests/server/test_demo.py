"""The demo site: every address that tools/run prints answers."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.browser import PHONE, Browser, browser
from support.processes import adopt_orphans, nothing_outlives
from support.server import Port, listens
from support.waiting import PATIENCE, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent

#: The paths that tools/run prints, as it prints them.
ADDRESSES = re.findall(r"^ {2}.*\$site(/\S*)", (ROOT / "tools" / "run").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The running demo's address, without a slash at its end."""
    adopt_orphans()
    run = tmp_path_factory.mktemp("demo")
    (run / "data").mkdir()
    (run / "data" / "release.py").touch()
    port = Port()
    variables = {
        "MPSERVER_PORT": str(port.number),
        "MPSERVER_RUN": str(run),
        "MPSERVER_DEMO": str(ROOT / "conf" / "demo"),
        "MPSERVER_USER": "root",  # without effect but for root
    }
    with nothing_outlives(), (run / "console").open("wb") as console:
        process = subprocess.Popen(
            [sys.executable, "-m", "mpserver", "-DFOREGROUND", "-f", str(ROOT / "conf" / "demo.conf")],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
        try:
            control = run / "mpserver.control"  # (it is there when all else is)
            wait_for(lambda: process.poll() is not None or control.exists(), "the demo to start")
            assert process.poll() is None, (run / "console").read_text()
            assert listens(port.number)
            yield f"http://127.0.0.1:{port.number}"
        finally:
            process.send_signal(signal.SIGINT)  # Ctrl-C
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()
                process.wait()
                port.release()


def fetch(url: str, login: str = "") -> tuple[int, str]:
    """The status and the body of a GET."""
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_all_kinds_of_applications_are_there() -> None:
    assert len(ADDRESSES) == 11


@pytest.mark.parametrize("path", ADDRESSES)
def test_every_printed_address_answers(demo: str, path: str) -> None:
    status, body = fetch(demo + path, "spam:eggs" if "login" in path else "")
    assert (status, bool(body)) == (200, True)


def test_the_login_is_needed(demo: str) -> None:
    assert fetch(f"{demo}/login/")[0] == 401
    assert fetch(f"{demo}/login/", "spam:spam")[0] == 401


def test_every_link_of_the_start_page_leads_somewhere(demo: str) -> None:
    _, page = fetch(f"{demo}/")
    links = re.findall(r'href="(/[^"]*)"', page)
    assert len(links) >= 11
    for link in links:
        assert fetch(demo + link, "spam:eggs" if "login" in link else "")[0] == 200, link


def test_the_server_has_a_favicon(demo: str) -> None:
    for path in ("/favicon.ico", "/favicon.svg"):
        assert fetch(demo + path)[1].startswith("<svg")


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser as narrow as a phone."""
    with browser(tmp_path_factory.mktemp("chromium"), PHONE) as window:
        yield window


def test_a_button_replaces_one_application_while_another_answers(demo: str, phone: Browser) -> None:
    def figure(selector: str) -> str:
        return str(phone.run("return document.querySelector(arguments[0]).textContent", selector))

    phone.open(f"{demo}/side.html")
    wait_for(lambda: "counter" in figure("#interpreters tbody"), "the table to have both")
    wait_for(lambda: int(figure("#counter .good")) > 0 and int(figure("#hello .good")) > 0, "both to answer")
    phone.run("document.querySelector('form button').click()")
    wait_for(lambda: int(figure("#counter .replaced")) > 0, "the interpreter to be replaced")
    before = int(figure("#counter .good"))
    wait_for(lambda: int(figure("#counter .good")) > before, "the new one to answer")
    assert (figure("#hello .bad"), figure("#counter .bad")) == ("0", "0")


def test_no_page_is_wider_than_a_phone(demo: str, phone: Browser) -> None:
    for path in ADDRESSES:
        if "login" not in path:
            phone.open(demo + path)
            assert phone.run("return document.documentElement.scrollWidth") <= PHONE[0], path
