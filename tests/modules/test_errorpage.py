"""The pages for errors and redirects."""

from __future__ import annotations

from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.http1.response import REASONS
from mpserver.modules import core
from mpserver.modules.core.errorpage import ErrorDocument, allow, build, document, encode, page, sendable

EVIL = "<script>alert('x')</script>&\""


class Facts:
    """What a page asks a request for."""

    def __init__(self, method: str = "GET", location: str | None = None, admin: str = "root@example.org") -> None:
        self.method = method
        self.server_admin = admin
        self._location = location

    @property
    def headers_out(self) -> Facts:
        return self

    @property
    def server(self) -> Facts:
        return self

    def get(self, key: str) -> str | None:
        return self._location if key == "Location" else None


class Page(HTMLParser):
    """The elements of a page and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: dict[str, str] = {}
        self.links: list[str] = []
        self._stack: list[str] = []
        self.feed(text)
        self.close()
        assert not self._stack, "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "br":
            self._stack.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._stack:
            self.texts[self._stack[-1]] = self.texts.get(self._stack[-1], "") + data


@pytest.mark.parametrize("status", [status for status in REASONS if status >= 300 and status != 304])
def test_every_status_has_a_page(status: int) -> None:
    page = Page(build(status, Facts(location="http://example.org/")))
    assert page.texts["title"] == f"{status} {REASONS[status]}"
    assert page.texts["h1"] == REASONS[status]
    assert len(page.texts["p"]) > 10
    assert page.tags[:7] == ["html", "head", "title", "meta", "style", "body", "h1"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_has_a_link(status: int) -> None:
    assert Page(build(status, Facts(location="http://example.org/?a=1&b=2"))).links == ["http://example.org/?a=1&b=2"]


def test_only_a_redirect_has_a_link() -> None:
    assert "example.org/x" not in build(404, Facts(location="http://example.org/x"))


@pytest.mark.parametrize("status", [400, 403, 405, 411, 413, 501])
def test_what_comes_from_the_client_is_escaped(status: int) -> None:
    page = Page(build(status, Facts(EVIL, EVIL, EVIL), note=EVIL))
    assert "script" not in page.tags


def test_the_method_is_named() -> None:
    assert "BREW" in build(405, Facts("BREW"))
    assert "BREW" in build(501, Facts("BREW"))


def test_the_administrator_is_named() -> None:
    assert "root@example.org" in build(500, Facts())
    assert "root@example.org" in build(505, Facts())
    assert "root@example.org" not in build(404, Facts())


def test_the_failure_of_an_error_document_is_told() -> None:
    page = build(404, Facts(), failed=403)
    assert "<title>404 Not Found</title>" in page
    assert "403 Forbidden" in page


@given(st.sampled_from(sorted(s for s in REASONS if s >= 300)), st.text(), st.text(), st.text())
def test_any_text_becomes_a_page_that_can_be_sent(status: int, method: str, location: str, note: str) -> None:
    page = build(status, Facts(method, location, note), note=note, failed=404)
    data = encode(page)
    assert data.startswith(b"<!DOCTYPE HTML")
    if "\r" not in method + location + note and "\0" not in method + location + note:
        tags = Page(data.decode("latin-1")).tags
        assert (tags.count("meta"), tags.count("style")) == (1, 1)  # (those of the page itself)
        assert set(tags) <= {"html", "head", "title", "meta", "style", "body", "h1", "p", "a", "br", "pre"}


@pytest.mark.parametrize(
    ("status", "sent"),
    [(404, 404), (308, 308), (418, 418), (299, 500), (600, 500), (99, 500), (0, 500), (-5, 500), (306, 500)],
)
def test_only_registered_statuses_are_sent(status: int, sent: int) -> None:
    assert sendable(status) == sent


@pytest.mark.parametrize(
    ("methods", "value"),
    [
        ((), "TRACE"),
        (("GET",), "GET,HEAD,TRACE"),
        (("PUT", "GET", "FOO"), "PUT,GET,HEAD,FOO,TRACE"),
        (("OPTIONS", "HEAD", "GET", "POST"), "OPTIONS,HEAD,GET,POST,TRACE"),
        (("GET", "HEAD", "TRACE"), "GET,HEAD,TRACE"),
    ],
)
def test_allow(methods: tuple[str, ...], value: str) -> None:
    assert allow(methods) == value


@pytest.mark.parametrize(
    ("target", "meaning"),
    [
        ('"not <b>here</b>', ErrorDocument("text", "not <b>here</b>")),
        ('"/looks/like/a/path', ErrorDocument("text", "/looks/like/a/path")),
        ("/errors/404.html", ErrorDocument("path", "/errors/404.html")),
        ("http://e.example/x", ErrorDocument("url", "http://e.example/x")),
        ("https://e.example/x?a=/b", ErrorDocument("url", "https://e.example/x?a=/b")),
        ("see http://e.example/", ErrorDocument("text", "see http://e.example/")),
    ],
)
def test_what_an_error_document_means(target: str, meaning: ErrorDocument) -> None:
    assert document(target) == meaning


def test_the_directive_of_no_error_document_is_empty() -> None:
    assert core.ERROR_DOCUMENT.default == {}
    assert document("") == ErrorDocument("canned", "")


@pytest.mark.parametrize("note", ["", "a <reason>"])
@pytest.mark.parametrize("status", sorted(REASONS))
def test_pages_that_are_kept_are_those_that_would_be_made(status: int, note: str) -> None:
    """Twice, with requests that differ in all that a page may tell of one."""
    for method, location, admin in (("GET", "/one", "one@example.org"), ("PUT", "/two", "two@example.org")):
        facts = Facts(method, location, admin)
        req: Any = SimpleNamespace(
            method=method, headers_out=facts, server=facts, mp_plan=SimpleNamespace(signature="off"), mp_notes=None
        )
        for failed in (0, 404):
            assert page(req, status, note, failed) == encode(build(status, facts, note, failed))
