"""tools/raw-http: what it makes of a server's bytes, and docs/http.md."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator

import pytest
from rawhttp import main, page
from rawhttp.asking import Malformed, answers, ask, fault
from rawhttp.case import Case, get
from rawhttp.cases import CASES

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

#: An argument of the command that it answers without a server.
RAW_HTTP = "raw-http"


@contextlib.contextmanager
def saying(said: bytes, closes: bool) -> Iterator[tuple[str, int]]:
    """A server of one connection that says these bytes, whatever comes, and closes or waits for the client to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as sock:
                sock.recv(65536)
                sock.sendall(said)
                if not closes:
                    sock.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()
        thread.join()


@pytest.mark.parametrize(
    ("said", "closes", "name"),
    [
        (OK, True, "200"),
        (OK * 2, True, "200 200"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, True, "100 200"),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + OK, True, "204 200"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + OK, True, "200 200"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end " + OK, True, "200"),
        (b"HTTP/1.1 400 Bad Request\r\n\n", True, "400"),
        (OK, False, "200 kept"),
        (b"", True, "none"),
        (b"", False, "waits"),
        (b"hello", True, "0.9"),
        (OK + b"more", True, "malformed: no head: b'more'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", True, "malformed: the answer 200 ends before its length"),
    ],
)
def test_what_a_server_says_has_a_name(said: bytes, closes: bool, name: str) -> None:
    with saying(said, closes) as address:
        assert ask(address, Case("x", "y", get(), ("200",)), 20 if closes else 0.1).name == name


def test_what_does_not_end_is_no_answer() -> None:
    with pytest.raises(Malformed):
        list(answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", False))
    assert [answer.status for answer in answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" * 2, True)] == [
        200,
        200,
    ]


def test_what_is_wrong_is_told() -> None:
    case = Case("x", "y", get(), ("200", "400"), echo=b"hi", shows=b"Length: 2")
    with saying(OK, True) as address:
        outcome = ask(address, case)
    assert fault(case, outcome, case.accepted) is None
    assert fault(case, outcome, ("400",)) == "200, not 400"
    assert fault(case._replace(echo=b"ho"), outcome, ("200",)) == "the application got b'hi', not b'ho'"
    assert fault(case._replace(echo=b"ho"), outcome, ("200",), echoes=False) is None
    assert fault(case._replace(shows=b"Date"), outcome, ("200",)) == "the answer lacks b'Date'"


def test_the_command_asks_a_server(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for said, status, told in ((OK, 0, "1 of 1"), (b"", 1, "RFC 9112 2.1, a plain request: none, not 200\n0 of 1")):
        with saying(said, True) as (host, port):
            monkeypatch.setattr(sys, "argv", [RAW_HTTP, f"{host}:{port}", "--only", "a plain request"])
            assert main.main() == status
        assert told in capsys.readouterr().out


def test_the_page_is_what_the_table_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [RAW_HTTP, "--check"])
    assert main.main() == 0, "run tools/raw-http --page"
    monkeypatch.setattr(main, "page", lambda: page.page() + "more")
    assert main.main() == 1
    assert "is not what tools/raw-http --page writes" in capsys.readouterr().out


def test_others_were_asked_all_cases() -> None:
    files = {case.name for cases in CASES.values() for case in cases if case.files}
    names = {case.name for cases in CASES.values() for case in cases}
    for server, said in page.read().items():
        assert said.keys() in (names, names - files), server
