"""Other parsers' reading of the same bytes: llhttp (through httptools) and h11."""

from __future__ import annotations

from typing import NamedTuple

import h11
import httptools

Fields = list[tuple[str, str]]


class Reading(NamedTuple):
    """What a parser made of a request; names in lower case, since h11 tells them so."""

    method: str
    target: str
    fields: Fields
    body: bytes
    trailers: Fields


class Refused(Exception):
    """The oracle does not take these bytes, or is not done with them."""


def _text(value: bytes) -> str:
    return bytes(value).decode("latin-1")


class _Llhttp:
    def __init__(self) -> None:
        self.target = b""
        self.fields: Fields = []
        self.trailers: Fields = []
        self.body = b""
        self.method = b""
        self.version = ""
        self.in_trailers = False
        self.done = False
        self.parser = httptools.HttpRequestParser(self)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        to = self.trailers if self.in_trailers else self.fields
        to.append((_text(name).lower(), _text(value).strip(" \t")))

    def on_headers_complete(self) -> None:
        self.in_trailers = True
        self.method = self.parser.get_method()

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.done = True


def llhttp(data: bytes) -> Reading:
    """One request as llhttp reads it; raises Refused."""
    seen = _Llhttp()
    try:
        seen.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise Refused(repr(error)) from None
    if not seen.done:
        raise Refused("not complete")
    return Reading(_text(seen.method), _text(seen.target), seen.fields, seen.body, seen.trailers)


def by_h11(data: bytes) -> Reading:
    """One request as h11 reads it; raises Refused."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    body = b""
    try:
        connection.receive_data(data)
        request = connection.next_event()
        if not isinstance(request, h11.Request):
            raise Refused(repr(request))
        while isinstance(event := connection.next_event(), h11.Data):
            body += event.data
        if not isinstance(event, h11.EndOfMessage):
            raise Refused(repr(event))
    except h11.RemoteProtocolError as error:
        raise Refused(repr(error)) from None
    fields = [(_text(name), _text(value)) for name, value in request.headers]
    trailers = [(_text(name), _text(value)) for name, value in event.headers]
    return Reading(_text(request.method), _text(request.target), fields, body, trailers)
