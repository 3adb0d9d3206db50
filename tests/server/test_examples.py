"""The examples do what their README says: in Chromium, as people meet them."""

from __future__ import annotations

import getpass
import os
import runpy
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from support.browser import Browser, browser
from support.processes import nothing_outlives
from support.server import Port, Server

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "visits"


class Example(Server):
    """A server with the example's configuration and nothing else."""

    def __init__(self, root: Path, accounts: str) -> None:
        super().__init__(root, "")
        variables = {
            "VISITS": str(EXAMPLE),
            "VISITS_PORT": str(self.port),
            "VISITS_RUN": str(self.logs),
            "VISITS_USER": "root" if os.geteuid() == 0 else getpass.getuser(),
            "VISITS_ACCOUNTS": accounts,
        }
        lines = [f'Define {name} "{value}"' for name, value in variables.items()]
        lines.append(f'PythonOption mod_python.session.database_directory "{root}"')
        self.conf.write_text("\n".join([*lines, f'Include "{EXAMPLE / "httpd.conf"}"', ""]))


@pytest.fixture(scope="module")
def accounts() -> Iterator[str]:
    """The service that knows the members; its address."""
    handler = runpy.run_path(str(EXAMPLE / "service.py"))["Handler"]
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{service.server_address[1]}/account"
        service.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def example(accounts: str, tmp_path_factory: pytest.TempPathFactory, orphanage: None) -> Iterator[Server]:
    """The example's server."""
    with nothing_outlives(), Example(tmp_path_factory.mktemp("visits"), accounts) as server:
        yield server


@pytest.fixture(scope="module")
def window(example: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser."""
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def address(server: Server, user: str = "") -> str:
    """Where the server is, with credentials if they are given."""
    return f"http://{user}{'@' if user else ''}127.0.0.1:{server.port}"


def test_login_by_session(example: Server, window: Browser) -> None:
    window.open(address(example) + "/visits")
    assert window.text("h1") == "Who are you?"
    window.click("#enter")
    assert window.text(".error") == "A name is needed."
    window.write("#name", "Zoë <b>")
    window.click("#enter")
    assert window.url() == address(example) + "/visits"
    assert window.text("h1") == "Hello, Zoë <b>"
    assert window.text("#visits") == "1"
    window.open(address(example) + "/visits")
    assert window.text("#visits") == "2"
    assert "You came 2 times since" in window.text("p")
    assert window.run("return document.styleSheets[0].cssRules.length") > 5
    window.click("#leave")
    assert window.text("h1") == "Who are you?"
    window.open(address(example) + "/visits")
    assert window.text("h1") == "Who are you?"


def test_members_of_the_service(example: Server, window: Browser) -> None:
    window.open(address(example, "spam:eggs") + "/visits/members")
    assert window.text("h1") == "Welcome, spam"


def test_strangers(example: Server) -> None:
    for auth in (None, ("spam", "wrong"), ("x", "eggs")):
        refused = example.get("/visits/members", auth=auth)
        assert refused.status == 401
        assert refused.header("WWW-Authenticate") == 'Basic realm="Members of the service"'
    example.wait_for_log("does not know 'x', or not with that password")
    assert example.get("/visits/members", auth=("spam", "eggs")).status == 200


def test_a_service_that_is_away(tmp_path: Path, orphanage: None) -> None:
    nobody = Port()
    with nothing_outlives(), Example(tmp_path, f"http://127.0.0.1:{nobody.number}/account") as server:
        assert server.get("/visits/members", auth=("spam", "eggs")).status == 503
        server.wait_for_log("can't be asked about 'spam'")
        assert server.get("/visits").status == 200
    nobody.release()


def test_the_id_changes_with_the_login(example: Server) -> None:
    first = example.get("/visits")
    cookie = (first.header("Set-Cookie") or "").partition(";")[0]
    assert "path=/visits" in (first.header("Set-Cookie") or "").lower()
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    entered = example.request("POST", "/visits", "name=Zoe", headers)
    assert entered.status == 302
    cookies = [value.partition(";")[0] for name, value in entered.headers if name == "Set-Cookie"]
    assert cookies
    assert cookies[-1] != cookie
    assert "Hello, Zoe" in example.get("/visits", {"Cookie": cookies[-1]}).text
    assert "Who are you?" in example.get("/visits", {"Cookie": cookie}).text
