"""The test page: it shows what handlers see, and nothing that it should not."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mod_python import testhandler
from mpserver.api.table import Table

Make = Callable[..., Any]


class Checker(HTMLParser):
    """Complains of elements that are not closed in order."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.titles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "summary":
            self.titles.append(data)


@pytest.fixture
def req(make_request: Make, lent: SimpleNamespace) -> Any:
    lent.mpm_query = lambda code: {2: 0, 3: 2}.get(code, 8)
    lent.config_tree = lambda: [("Listen", "80"), ("<Directory", "/srv>"), [("Require", "all <granted>")]]
    server = SimpleNamespace(error_fname="error.log", get_config=Table, get_options=Table)
    return make_request(
        "/mpinfo",
        headers={"Authorization": "Basic c2VjcmV0", "X-Evil": "<script>"},
        options={"an option": "its value"},
        server=server,
        connection=SimpleNamespace(client_ip="1.2.3.4"),
        interpreter="www.example.com",
        mp_plan=SimpleNamespace(
            tell=lambda _req: iter([("PythonHandler", "testhandler in <Location>")]), refuses=lambda _req: False
        ),
        document_root=lambda: "/srv/www",
    )


def test_the_page(req: Any) -> None:
    assert testhandler.handler(req) == 0
    checker = Checker()
    checker.feed(req.text)
    assert checker.open == []
    assert checker.titles[:4] == ["Server", "Interpreter", "Plan of the request", "Request"]
    assert req.content_type == "text/html; charset=utf-8"
    for text in (
        "www.example.com", "<dt>kind</dt><dd>own</dd>", "yes, at most 8 processes", "1.2.3.4", "an option", "its value",
        "mod_python.testhandler", "    Require all &lt;granted&gt;", "name=viewport", "testhandler in &lt;Location&gt;",
    ):  # fmt: skip
        assert text in req.text


def test_it_gives_no_secrets_and_no_markup_away(req: Any, lent: SimpleNamespace) -> None:
    lent.config_tree = lambda: [
        ("<Directory", "/srv>"), [
            ("PythonOption", "mod_python.redis_session.password hush1"),
            ("PythonOption", '"my.secret" "hush2 hush3"'),
            ("PythonOption", "where redis://user:hush4@host/0"),
        ],
    ]  # fmt: skip
    req.options["app.password"] = "hush5"
    req.options["url"] = "unix://user:hush6@/path"
    testhandler.handler(req)
    assert "hush" not in req.text
    for text in (
        "mod_python.redis_session.password (not shown)",
        "redis://(not shown)@host/0",
        "app.password",
    ):
        assert text in req.text
    assert "c2VjcmV0" not in req.text
    assert "<script>" not in req.text


def test_the_end_of_the_log(req: Any, lent: SimpleNamespace, tmp_path: Path) -> None:
    lent.server_root = str(tmp_path)
    req.args = "log"
    (tmp_path / "error.log").write_text("".join(f"line {number}\n" for number in range(20_000)))
    testhandler.handler(req)
    lines = req.text.splitlines()
    assert lines[-1] == "line 19999"
    assert len(lines) == 100
    assert req.content_type == "text/plain; charset=utf-8"


def test_the_end_of_the_log_for_browsers(req: Any, lent: SimpleNamespace, tmp_path: Path) -> None:
    lent.server_root = str(tmp_path)
    req.args = "log"
    req.headers_in["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
    (tmp_path / "error.log").write_text("a <b> line\n")
    testhandler.handler(req)
    assert req.content_type == "text/html; charset=utf-8"
    assert "<pre class=log>a &lt;b&gt; line\n</pre>" in req.text
    assert "name=viewport" in req.text


def test_a_log_that_cannot_be_read(req: Any, lent: SimpleNamespace, tmp_path: Path) -> None:
    lent.server_root = str(tmp_path)
    req.args = "log"
    testhandler.handler(req)
    assert "No such file" in req.text
