"""The small examples do what their README says, each with its own configuration and nothing else."""

from __future__ import annotations

import re
import runpy
import socket
from collections.abc import Callable
from pathlib import Path

from mpserver.testing import Server
from support.backend import backend
from support.processes import PROJECT

EXAMPLES = PROJECT / "examples"
Start = Callable[..., Server]


def conf(name: str) -> Path:
    """The configuration of an example."""
    return EXAMPLES / name / "httpd.conf"


def test_the_guestbook_keeps_what_is_written(mpserver: Start) -> None:
    server = mpserver(conf("guestbook"))
    assert "<h1>Guestbook</h1>" in server.get("/").text
    signed = server.post("/sign", "name=Zo%C3%AB&text=%3Cb%3Efirst%3C%2Fb%3E")
    assert (signed.status, signed.header("Location")) == (302, "/")
    assert server.post("/sign", "name=Max&text=second").status == 302
    page = server.get("/").text
    assert page.index("second") < page.index("&lt;b&gt;first&lt;/b&gt;")
    assert "<b>Zoë</b>" in page
    refused = server.post("/sign", "name=&text=kept+here")
    assert refused.status == 400
    assert "A name and a text are needed" in refused.text
    assert "kept here</textarea>" in refused.text
    assert server.get("/sign?name=x&text=y").status == 302
    assert "<b>x</b>" not in server.get("/").text
    assert server.get("/_database").status in (403, 404)


def test_the_gateway_lets_users_through_and_names_them(mpserver: Start, tmp_path: Path) -> None:
    users = tmp_path / "users"
    entry = runpy.run_path(str(EXAMPLES / "gateway" / "app" / "gate.py"))["entry"]
    users.write_text(f"{entry('other', 'x')}\n{entry('spam', 'eggs')}\n")
    with backend() as behind:
        server = mpserver(conf("gateway"), defines={"BACKEND": f"http://127.0.0.1:{behind.port}", "USERS": str(users)})
        refused = server.get("/secret?a=1")
        assert (refused.status, refused.header("Location")) == (302, "/gate?to=/secret%3Fa%3D1")
        assert behind.asked == []
        for name, password in (("spam", "wrong"), ("nobody", "eggs"), ("", "")):
            assert server.post("/gate", f"name={name}&password={password}").status == 403
        entered = server.post("/gate?to=/secret", "name=spam&password=eggs&to=/secret")
        assert (entered.status, entered.header("Location")) == (302, "/secret")
        assert server.post("/gate", "name=spam&password=eggs&to=//evil.example/").header("Location") == "/"
        cookie = [value.partition(";")[0] for name, value in entered.headers if name == "Set-Cookie"][-1]
        assert server.get("/secret", {"Cookie": cookie, "X-User": "root"}).status == 200
        (asked,) = behind.asked
        assert (asked.path, [value for name, value in asked.fields if name.lower() == "x-user"]) == (
            "/secret",
            ["spam"],
        )


def test_the_filter_puts_a_footer_into_pages(mpserver: Start) -> None:
    server = mpserver(conf("filter"))
    for path in ("/", "/index.html"):
        page = server.get(path).text
        assert re.search(r"<footer>/index\.html, \d{4}</footer>\n</html>", page), page
        assert page.count("<footer>") == 1


def test_the_protocol_speaks_lines(mpserver: Start) -> None:
    server = mpserver(conf("protocol"))

    def talk(*lines: bytes) -> list[bytes]:
        with socket.create_connection(("127.0.0.1", server.port), 60) as client, client.makefile("rwb") as file:
            answers = [file.readline()]
            for line in lines:
                file.write(line + b"\n")
                file.flush()
                answers.append(file.readline())
            return answers

    assert talk(b"SET colour deep red\r", b"GET colour", b"quit") == [
        b"HELLO\r\n", b"OK\r\n", b"NOTE deep red\r\n", b"BYE\r\n",
    ]  # fmt: skip
    assert talk(b"GET colour", b"GET none", b"nonsense", b"SET") == [
        b"HELLO\r\n", b"NOTE deep red\r\n", b"NONE\r\n", b"ERROR write SET name text, GET name or QUIT\r\n",
        b"ERROR SET needs a name and a text\r\n",
    ]  # fmt: skip
    assert talk(b"x" * 2000)[1] == b"ERROR a line is too long\r\n"


def test_ten_sites_by_their_names(mpserver: Start) -> None:
    colours = sorted(path.name for path in (EXAMPLES / "sites" / "sites").iterdir())
    assert len(colours) == 10
    server = mpserver(conf("sites"), defines={"SITES": str(EXAMPLES / "sites" / "sites")})
    for visit in (1, 2):
        for colour in colours:
            page = server.get("/", {"Host": f"{colour}.localhost"}).text
            found = re.search(r"<h1>(\w+)</h1>\n<p>Interpreter (\S+), visit (\d+)\.</p>", page)
            assert found is not None, page
            assert (found[1], found[3]) == (colour, str(visit))
            assert colour in found[2]
    assert server.get("/", {"Host": "none.localhost"}).status == 404
