"""The pages that answer errors and redirects where nothing else does, and what ErrorDocument means.

Structure and Content-Type are httpd's; the sentences are ours. All that comes from the client is
escaped. The text holds no byte order or charset questions: what latin-1 can't say becomes a
character reference (see `encode`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from mpserver.api import cgi_variables
from mpserver.api.page_style import NOTE
from mpserver.http1.html import escape
from mpserver.http1.response import REASONS
from mpserver.modules import core
from mpserver.typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: What the pages are, whatever was to be sent instead.
CONTENT_TYPE = "text/html; charset=iso-8859-1"

_CREDENTIALS = (
    "<p>The server could not make sure that you may see this document. The user name or the\n"
    "password is missing or wrong, or your browser can't send them in the way that is asked for.</p>\n"
)
_MOVED = '<p>This document is now <a href="{location}">here</a>.</p>\n'

#: What is wrong, by status: HTML with {method}, {location}, {admin} and {note}, all escaped.
PAGES: Mapping[int, str] = {
    300: "<p>There is more than one document for this address: choose one of them.</p>\n",
    301: _MOVED,
    302: _MOVED,
    303: '<p>The answer to your request is <a href="{location}">over there</a>.</p>\n',
    305: "<p>This document is given out through a proxy only:<br />\n{location}<br />\nSet it up in your client.</p>\n",
    307: _MOVED,
    308: _MOVED,
    400: "<p>This is no request that the server understands.<br />\n{note}</p>\n",
    401: _CREDENTIALS,
    403: "<p>You have no permission for this document.{note}</p>\n",
    404: "<p>There is nothing at this address on this server.</p>\n",
    405: "<p>The method {method} can't be used at this address.</p>\n",
    406: "<p>The server has no form of this document that your client accepts.</p>\n",
    407: _CREDENTIALS,
    408: "<p>The request took too long to arrive.</p>\n",
    410: (
        "<p>The document was here, is gone for good, and has no other address.\nLinks to it should be removed.</p>\n"
    ),
    411: "<p>A {method} request with a body must say its length (Content-Length).<br />\n{note}</p>\n",
    412: "<p>The document is not in the state that the request makes its condition.</p>\n",
    413: ("<p>A {method} request can't have a body here, or this one is larger than\nthe server takes.</p>\n"),
    414: "<p>The address is longer than the server takes.<br />\n{note}</p>\n",
    415: "<p>The data sent is of a kind that can't be used here.</p>\n",
    416: "<p>The document has none of the bytes that the request asks for (Range).</p>\n",
    417: (
        "<p>The server can't do what the request expects (Expect).</p>\n"
        "<p>It knows one expectation: 100-continue.</p>\n"
    ),
    418: "<p>Coffee is not made here.</p>\n",
    421: ("<p>The host named in the request is not one of this connection's;\nit needs a connection of its own.</p>\n"),
    422: "<p>The data sent has the right form, but what it says can't be carried out.</p>\n",
    423: "<p>The document is locked. It can be changed once the lock is released or shown.</p>\n",
    424: "<p>This was not done because something else failed that it depends on.</p>\n",
    425: "<p>The request came before the connection was safe from replays; send it again.</p>\n",
    426: (
        "<p>This document is given out over an encrypted connection only.\n"
        "Try an address that begins with https://.</p>\n"
    ),
    428: "<p>Here a request must make a condition, so that no change of others is lost.</p>\n",
    429: "<p>Too many requests came from you lately. Wait a little.</p>\n",
    431: "<p>The request's header fields are larger than the server takes.<br />\n{note}</p>\n",
    451: "<p>The law forbids to give this document out.</p>\n",
    501: "<p>The server does not know how to do {method} at this address.<br />\n{note}</p>\n",
    502: "<p>The server behind this one gave an answer that makes no sense.<br />\n{note}</p>\n",
    503: ("<p>The server can't answer now: it has too much to do, or it is being worked on.\nTry again later.</p>\n"),
    504: "<p>The server behind this one gave no answer in time.</p>\n",
    506: "<p>A form of this document has forms itself:\n<pre>\n{note}\n</pre>\nThe server is set up wrongly.</p>\n",
    507: "<p>The server has no room to store what this would need.</p>\n",
    508: "<p>The server gave up, for it was going round in circles.</p>\n",
    510: "<p>The request lacks an extension that is needed here.</p>\n",
    511: "<p>Sign on to the network first.</p>\n",
}

#: The page of 500, and of statuses without one of their own.
OTHER = (
    "<p>The server met an error of its own, or is set up wrongly, and could not\n"
    "do what you asked for.</p>\n"
    "<p>If it lasts, tell the administrator{admin}\n"
    "when it happened and what you did just before.</p>\n"
    "<p>The server's error log may say more.</p>\n"
)


#: Those that tell nothing of their request but what is wrong with it.
ALIKE = frozenset(
    status
    for status, text in PAGES.items()
    if status >= 400 and status != 406 and "{" not in text.replace("{note}", "")
)


class PageSubject(Protocol):
    """What a page tells of its request (`mpserver.api.request.Request` is one)."""

    @property
    def method(self) -> str:
        """GET..."""

    @property
    def headers_out(self) -> Location:
        """Holds the Location of a redirect."""

    @property
    def server(self) -> Admin:
        """Knows its administrator."""


class Location(Protocol):
    """A table of headers."""

    def get(self, key: str) -> str | None:
        """A header by its name in any case."""


class Admin(Protocol):
    """A server."""

    @property
    def server_admin(self) -> str:
        """ServerAdmin."""


def sendable(status: int) -> int:
    """The status itself where it is a registered one, else 500: what a handler returned may be any number."""
    return status if status in REASONS else 500


def title(status: int) -> str:
    """The number and name of a status, as ``404 Not Found``."""
    return f"{status} {REASONS.get(status, 'Status ' + str(status))}"


def build(
    status: int, req: Request | PageSubject, note: str = "", failed: int = 0, signature: str = "", more: str = ""
) -> str:
    """A page as text.

    :param status: what it is about; a registered one (see `sendable`).
    :param note: a sentence more about the cause, for the statuses that have room for one.
    :param failed: the status of the ErrorDocument that should have been shown instead.
    :param signature: what it ends with (ServerSignature).
    :param more: HTML that stands before that.
    """
    template = PAGES.get(status, OTHER)
    location = (req.headers_out.get("Location") or "") if 300 <= status < 400 else ""
    admin = req.server.server_admin
    text = template.format(
        method=escape(req.method),
        location=escape(location),
        admin="" if admin == cgi_variables.NOBODY else f", {escape(admin)},",
        note=escape(note),
    )
    text += more
    if failed:
        text += f"<p>The page set up for this error could not be shown either: {escape(title(failed))}.</p>\n"
    if signature:
        text += "<hr>\n" + signature
    return _document(status, text)


def _document(status: int, text: str) -> str:
    """A page about a status, with this HTML in it."""
    heading = escape(REASONS.get(status, f"Status {status}"))
    return (
        "<!DOCTYPE HTML>\n"
        f'<html lang="en"><head>\n<title>{escape(title(status))}</title>\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1" />\n'
        f"<style>\n{NOTE}</style>\n</head><body>\n"
        f"<h1>{heading}</h1>\n{text}</body></html>\n"
    )


def encode(text: str) -> bytes:
    """A page as it is sent."""
    return text.encode("latin-1", "xmlcharrefreplace")


def page(req: Request, status: int, note: str = "", failed: int = 0) -> bytes:
    """The server's own page for a status, as it is sent; see `build`."""
    if status in ALIKE and not note and not failed and req.mp_plan.signature == "off":
        return _alike(status)
    return encode(build(status, req, note, failed, cgi_variables.signature(req), _variants(status, req)))


@lru_cache(maxsize=len(PAGES))
def _alike(status: int) -> bytes:
    """The page for a status that is the same for all requests."""
    return encode(_document(status, PAGES[status].format(note="")))


def _variants(status: int, req: Request) -> str:
    """The forms of a document that a client may choose from, as HTML."""
    if status not in (300, 406) or req.mp_notes is None:
        return ""
    return req.mp_notes.get("variant-list") or ""


def allow(methods: Iterable[str], *, trace: bool = True) -> str:
    """The value of Allow (RFC 9110 10.2.1) for a 405, a 501 or OPTIONS.

    HEAD comes with GET; TRACE is answered everywhere, or nowhere (TraceEnable).
    """
    names: list[str] = []
    for name in methods:
        names.append(name)
        if name == "GET":
            names.append("HEAD")
    return ",".join(dict.fromkeys((*names, "TRACE") if trace else names))


def tell_methods(req: Request, methods: Iterable[str]) -> None:
    """Set Allow to these methods, and to what its server answers beside them."""
    req.headers_out["Allow"] = allow(methods, trace=core.traces(req.mp_host.server.conf))


class ErrorDocument(NamedTuple):
    """An ErrorDocument: its kind and what goes with it.

    ``text`` to send, a ``url`` to redirect to, a ``path`` of this server to serve in place of the
    request, or ``canned`` for the built-in page.
    """

    kind: str
    value: str


def document(target: str) -> ErrorDocument:
    """What the target of an ErrorDocument directive is.

    A leading double quote marks text; all that is neither a URL nor a path is text, too.
    """
    if not target:
        return ErrorDocument("canned", "")
    if target.startswith('"'):
        return ErrorDocument("text", target[1:])
    if target.startswith("/"):
        return ErrorDocument("path", target)
    scheme, found, _ = target.partition("://")
    if found and scheme.isalnum():
        return ErrorDocument("url", target)
    return ErrorDocument("text", target)
