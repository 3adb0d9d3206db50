"""tools/compare: what counts as a difference that is meant, and what is compared of a listing."""

from __future__ import annotations

from pathlib import Path

import pytest
from comparing.cases import case
from comparing.client import Response
from comparing.deliberate_httpd import OF_HTTPD
from comparing.main import reason, shown_body
from comparing.servers import Peer

FRAME = [("framing", "length", "chunked"), ("transfer-encoding", None, "chunked"), ("content-length", "47", None)]


@pytest.mark.parametrize(
    ("title", "found", "meant"),
    [
        ("env: variables: GET /cgi/env.sh", FRAME, True),
        ("env: variables: GET /cgi/env.sh", [(name, theirs, ours) for name, ours, theirs in FRAME], True),
        ("env: variables: GET /cgi/env.sh", [*FRAME, ("body", "one", "other")], False),
        ("env: variables: GET /cgi/env.sh", [("content-length", "47", "46")], False),
        ("env: variables: GET /cgi/env.sh", [("framing", "close", "length")], False),
        ("autoindex: plain: GET /list/", FRAME, True),
        ("autoindex: plain: GET /list/", [("body", "a listing: a", "a listing: b")], False),
        ("autoindex: plain: GET /list/", [("status", "HTTP/1.1 403 Forbidden", "HTTP/1.1 200 OK")], False),
        ("autoindex: plain: GET /list/", [("content-type", "text/html", "text/html;charset=ISO-8859-1")], False),
        (
            "access: requirements: POST /vhosts/one.test/",
            [("status", "HTTP/1.1 404 Not Found", "HTTP/1.1 200 OK")],
            False,
        ),
    ],
)
def test_an_exception_names_the_exact_difference(
    title: str, found: list[tuple[str, str | None, str | None]], meant: bool
) -> None:
    group, _, name = title.rpartition(": ")
    assert (reason(case(group, name, "/"), found) is not None) is meant


def test_each_exception_is_for_known_aspects() -> None:
    known = {
        "status", "framing", "transfer-encoding", "content-length", "content-type", "content-encoding", "content-range",
        "accept-ranges", "etag", "last-modified", "location", "vary", "body", "x-from", "allow", "connection",
        "expires", "responses", "trace", "via", "x-a",
    }  # fmt: skip
    assert {name.removeprefix("2: ") for _, exactly, _ in OF_HTTPD for name in exactly} == known


def test_of_a_listing_its_links_and_words_are_compared() -> None:
    peer = Peer("x", 1234, Path("/x"), "/srv/site")
    style = "<style>a {}</style><svg><title>x</title></svg>"
    head = f"<html><head><title>Index of /a</title>{style}</head><h1 id=x>Index of <a href='/'>/a</a></h1>{style}"
    row = '<tr><td><a class="x" href="b%26c">b&amp;c</a></td><td> 5 </td></tr>'
    page = f'{head}<table><tr><th><a href="?C=N;O=D">Name</a></th></tr>{row}</table></html>'
    shown = shown_body(Response("HTTP/1.1 200 OK", (), "length", page.encode()), peer)
    assert shown == "a listing: Index of /a / ?C=N;O=D b%26c / Name b&c 5"
