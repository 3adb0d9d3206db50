"""Filters: what they are given, what becomes of their output, and how they fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from comparing.cases import Case, case, request

HOST = "filters.test"

#: What the handler does while the filters run.
FLUSHED = "req.write('first ')\nreq.write('second')"
WAITING = "req.write('first ', 0)\nreq.write('second', 0)"
LENGTH = "req.set_content_length(12)\nreq.write('first second', 0)"
HANDLERS = (
    FLUSHED, WAITING, LENGTH, "", "req.write('', 0)", "req.flush()", "req.write('one')\nreq.write('two', 0)", "result = 404", "result = 403", "1/0",
    "req.write('before')\nresult = 404", "req.write('before', 0)\nresult = 404", "req.status = 204", "req.status = 204\nreq.write('x', 0)", "req.status = 404\nreq.write('own page', 0)",
    "result = 304", "raise apache.SERVER_RETURN(apache.DONE)", "req.write('x', 0)\nresult = apache.DONE", "req.sendfile(req.document_root() + '/static/page.txt')",
    "req.sendfile(req.document_root() + '/static/page.txt', 4, 3)", "req.write('x' * 20000, 0)", "req.write('a' * 9000, 0)\nreq.write('b', 0)", "req.internal_redirect('/static/page.txt')",
    "req.internal_redirect('/dyn/page.txt')", "req.headers_out['ETag'] = '\"x\"'\nreq.write('abc', 0)", "req.content_type = 'text/html'\nreq.write('abc', 0)", "r = req._bytes_queued, req.bytes_sent",
    "req.write('12345')\nr = req.bytes_sent, req._bytes_queued, req.sent_bodyct, req.eos_sent",
)  # fmt: skip

#: What a filter does, each time that it is called.
OUTPUT = (
    "d = filter.read()\ntrace(d)\nwhile d: filter.write(d); d = filter.read(); trace(d)\nif d is None: filter.close()",
    "d = filter.read(4)\nwhile d: trace(d); filter.write(d); d = filter.read(4)\nif d is None: filter.close()",
    "d = filter.readline()\nwhile d: trace(d); filter.write(d); d = filter.readline()\nif d is None: filter.close()",
    "d = filter.readline(2)\nwhile d: trace(d); filter.write(d); d = filter.readline(2)\nif d is None: filter.close()",
    "filter.pass_on()", "filter.pass_on()\nfilter.pass_on()", "filter.disable()\nfilter.pass_on()", "filter.disable()", "filter.write('instead')\nfilter.close()",
    "trace([filter.name, filter.handler, filter.dir, filter.is_input, filter.closed, filter.softspace])\npipe(filter)", "trace(filter.req is req)\npipe(filter)",
    "pipe(filter)\ntrace(filter.closed)", "filter.close()\nfilter.close()", "filter.close()\nfilter.write('x')", "filter.close()\nfilter.read()", "filter.close()\nfilter.readline()", "filter.close()\nfilter.flush()",
    "filter.close()\nfilter.pass_on()", "d = filter.read()\ntrace(type(d).__name__)\nif d is None: filter.close()", "d = filter.read(0)\ntrace(d)\npipe(filter)", "d = filter.read(-1)\ntrace(d)\npipe(filter)",
    "d = filter.read(-5)\ntrace(d)\npipe(filter)", "d = filter.readline(0)\ntrace(d)\npipe(filter)",
    "filter.write('\\xe4')\npipe(filter)", "filter.write(b'\\xff')\npipe(filter)", "filter.write('')\npipe(filter)", "filter.write(b'')\npipe(filter)",
    "try: filter.write(5)\nexcept Exception as e: trace(failure(e))\npipe(filter)", "try: filter.write(None)\nexcept Exception as e: trace(failure(e))\npipe(filter)", "try: filter.write()\nexcept Exception as e: trace(failure(e))\npipe(filter)",
    "try: filter.write(bytearray(b'x'))\nexcept Exception as e: trace(failure(e))\npipe(filter)", "try: filter.read('x')\nexcept Exception as e: trace(failure(e))\npipe(filter)",
    "try: filter.own = 1\nexcept Exception as e: trace(failure(e))\npipe(filter)", "try: filter.name = 'x'\nexcept Exception as e: trace(failure(e))\npipe(filter)", "filter.softspace = 3\ntrace(filter.softspace)\npipe(filter)",
    "trace(req.phase)\npipe(filter)", "trace(req.interpreter, apache.interpreter)\npipe(filter)", "req.headers_out['X-Filter'] = 'yes'\npipe(filter)", "req.status = 201\npipe(filter)", "req.content_type = 'text/x-own'\npipe(filter)",
    "d = filter.read()\nif d: filter.write(d)", "d = filter.read()\nif d is None: filter.close()\nelse: filter.write(d)", "pass", "filter.flush()\npipe(filter)", "d = filter.read()\nif d: filter.write(d); filter.flush(); filter.write('+')\nd = filter.read()\nif d is None: filter.close()",
    "raise ValueError('asked to')", "filter.write('begun')\nraise ValueError('asked to')", "filter.write('begun')\nfilter.flush()\nraise ValueError('asked to')", "pipe(filter)\nraise ValueError('at the end')",
    "d = filter.read()\nif d is None: raise ValueError('at eos')\nfilter.write(d)", "raise apache.SERVER_RETURN(apache.OK)", "raise apache.SERVER_RETURN(404)", "raise apache.SERVER_RETURN(apache.OK, 404)", "raise apache.SERVER_RETURN('x')",
    "filter.write('x')\nraise apache.SERVER_RETURN(apache.OK, 404)", "pipe(filter)\nraise apache.SERVER_RETURN(apache.OK, 404)", "raise SystemExit(3)", "pipe(filter)",
)  # fmt: skip

INPUT = (
    "d = filter.read()\ntrace(d)\nwhile d: filter.write(d); d = filter.read(); trace(d)\nif d is None: filter.close()",
    "d = filter.read(4)\nwhile d: filter.write(d.upper()); d = filter.read(4)\nif d is None: filter.close()",
    "d = filter.readline()\nwhile d: filter.write(b'>' + d); d = filter.readline()\nif d is None: filter.close()",
    "filter.pass_on()", "filter.disable()\nfilter.pass_on()", "filter.write('instead')\nfilter.close()", "pass", "filter.close()", "filter.write('a longer body than the one that came from the client, by far')\nfilter.close()",
    "d = filter.read()\nwhile d: d = filter.read()\nfilter.close()", "d = filter.read()\nif d: filter.write(d)\nelse: filter.close()", "d = filter.read()\nif d: filter.write(d.upper())\nif d is None: filter.close()",
    "parts = []\nwhile True:\n  d = filter.read()\n  if d is None: break\n  parts.append(d)\nfilter.write(b''.join(parts)[::-1])\nfilter.close()",
    "trace([filter.name, filter.handler, filter.dir, filter.is_input, filter.closed, filter.softspace])\npipe(filter)", "trace(req.phase)\npipe(filter)", "raise ValueError('asked to')", "filter.write('begun')\nraise ValueError('asked to')",
    "raise apache.SERVER_RETURN(apache.OK)", "raise apache.SERVER_RETURN(apache.OK, 404)", "pipe(filter)\nraise ValueError('at the end')", "filter.flush()\npipe(filter)", "filter.close()\nfilter.read()", "filter.close()\nfilter.write('x')", "filter.write(5)",
    "filter.write('\\xe4')\npipe(filter)",
)  # fmt: skip

READERS = (
    "req.read()", "req.read(4)", "req.readline()", "req.readlines()", "r = [req.read(4), req.read(4), req.read()]", "r = [req.readline(), req.read()]", "r = req.discard_request_body()", "r = 1",
    "r = [req.read(), req.read_length, req.remaining, req.clength]", "r = util.FieldStorage(req).items() and sorted(map(str, util.FieldStorage(req).keys()))", "r = [req.read(100), req.read(100)]",
)  # fmt: skip

FIELDS = "Content-Type: application/x-www-form-urlencoded"
BODY = b"first line\nsecond=1&third\n"

DYNAMIC = (
    "req.register_output_filter('DYN', 'streams::dynamic')\nreq.add_output_filter('DYN')\nreq.write('abc', 0)", "req.register_output_filter('DYN', 'streams::dynamic', '/tmp')\nreq.add_output_filter('DYN')\nreq.write('abc', 0)",
    "req.register_output_filter('DYN', 'streams')\nreq.add_output_filter('DYN')\nreq.write('abc', 0)", "req.register_output_filter('DYN', 'streams::dynamic')\nreq.add_output_filter('dyn')\nreq.write('abc', 0)",
    "req.add_output_filter('STAR')\nreq.write('abc', 0)", "req.add_output_filter('star')\nreq.write('abc', 0)", "req.add_output_filter('NOBODY')\nreq.write('abc', 0)", "req.add_output_filter('CONTENT_LENGTH')\nreq.write('abc')",
    "req.add_output_filter('STAR')\nreq.add_output_filter('DASH')\nreq.write('abc', 0)", "req.write('abc')\nreq.add_output_filter('STAR')\nreq.write('def')", "req.write('abc', 0)\nreq.add_output_filter('STAR')\nreq.write('def', 0)",
    "req.register_output_filter('STAR', 'streams::dynamic')\nreq.add_output_filter('STAR')\nreq.write('abc', 0)", "req.register_output_filter('DYN', 'streams::dynamic')\nreq.register_output_filter('DYN', 'streams::dash')\nreq.add_output_filter('DYN')\nreq.write('abc', 0)",
    "r = req.register_output_filter('DYN', 'streams::dynamic')", "r = req.add_output_filter('STAR')", "r = req.add_output_filter('NOBODY')", "req.register_output_filter('DYN')", "req.register_output_filter('DYN', 5)", "req.register_output_filter(5, 'x')",
    "req.add_output_filter(5)", "req.add_output_filter()", "req.add_output_filter(b'STAR')", "req.register_output_filter('DYN', 'no_such_module')\nreq.add_output_filter('DYN')\nreq.write('abc', 0)",
    "req.add_output_filter('STAR')\nreq.internal_redirect('/dyn/page.txt')", "req.add_output_filter('STAR')\nresult = 404", "req.add_output_filter('STAR')\nreq.sendfile(req.filename[:-2] + 'txt')", "req.add_output_filter('INSTAR')\nreq.write('abc', 0)",
)  # fmt: skip
DYNAMIC_IN = (
    "req.register_input_filter('DYN', 'streams::dynamic')\nreq.add_input_filter('DYN')\nr = req.read()", "req.register_input_filter('DYN', 'streams')\nreq.add_input_filter('DYN')\nr = req.read()", "req.add_input_filter('INSTAR')\nr = req.read()",
    "req.add_input_filter('INSTAR')\nreq.add_input_filter('INDASH')\nr = req.read()", "req.add_input_filter('NOBODY')\nr = req.read()", "a = req.read(5)\nreq.add_input_filter('INSTAR')\nr = a, req.read()", "req.add_input_filter('STAR')\nr = req.read()",
    "r = req.register_input_filter('DYN', 'streams::dynamic')", "r = req.add_input_filter('INSTAR')", "req.add_input_filter(5)", "req.register_input_filter('DYN', 5)", "req.register_input_filter('DYN', 'streams::fails')\nreq.add_input_filter('DYN')\nr = req.read()",
)  # fmt: skip


def _case(
    group: str,
    path: str,
    code: str = "",
    first: str = "",
    second: str = "",
    headers: tuple[str, ...] = (),
    **options: Any,
) -> Case:
    """A comparison; ``first`` and ``second`` are what the filters of these names run."""
    sent = headers + tuple(
        f"{name}: {quote(text, safe=' ()[]=.,:')}" for name, text in (("X-First", first), ("X-Second", second)) if text
    )
    shown = " | ".join(repr(part) for part in (code, first, second) if part)
    told = " ".join(str(value) for value in options.values())
    return case(
        f"filters, {group}",
        f"{path} {shown} {' '.join(headers)} {told}".strip(),
        path,
        code=code,
        host=HOST,
        headers=sent,
        **options,
    )


def cases() -> Iterator[Case]:
    """All comparisons of filters."""
    for handler in HANDLERS:
        yield _case("handlers", "/first/page.py", handler)
        if "write" in handler:
            yield _case("handlers, HEAD", "/first/page.py", handler, method="HEAD")
    for deed in OUTPUT:
        yield _case("output", "/first/page.py", WAITING, deed)
        if "except" in deed:
            continue
        yield _case("output, flushed", "/first/page.py", FLUSHED, deed)
        yield _case("output, file", "/first/page.txt", "", deed)
        if "raise" in deed or "close()\n" in deed:
            yield _case("output, debug", "/debug/page.py", WAITING, deed)
            yield _case("output, debug, flushed", "/debug/page.py", FLUSHED, deed)
    yield from _files()
    for name in "kind missing nomodule fails fails-star star-fails silent twice named".split():
        yield _case("kinds", f"/chain/{name}.py", WAITING)
    for path in "/chain/page.txt /chain/page.html /ext/a.one.txt /ext/a.one.two /ext/a.two.one /ext/gone.rem /ext/a.both /bytype/page.txt /bytype/page.html /ht/page.txt /ht/page.html /unknown/page.txt /elsewhere/page.txt".split():
        yield _case("which", path)
    for handler in (
        "req.content_type = 'text/html; charset=utf-8'\nreq.write('abc', 0)",
        "req.content_type = 'text/plain'\nreq.write('abc')",
        "req.write('abc', 0)",
        "req.content_type = 'image/png'\nreq.write('abc', 0)",
        "req.content_type = 'TEXT/html'\nreq.write('abc', 0)",
    ):
        yield _case("by type", "/bytype/page.py", handler)
    for handler in (WAITING, "result = 404", "result = 403", "result = 410", "result = 500", "1/0"):
        yield _case("error documents", "/errors/page.py", handler)
    yield _case("error documents", "/errors/nothing.txt")
    seen = "d = filter.read()\ntrace('first', d)\nwhile d: filter.write(b'(' + d + b')'); d = filter.read()\nif d is None: filter.close()"
    for handler in (WAITING, FLUSHED, "", "req.write('x' * 9000, 0)"):
        yield _case("two", "/both/page.py", handler, seen, seen.replace("first", "second"))
    yield _case("two", "/both/page.txt", "", seen, seen.replace("first", "second"))
    yield _case(
        "two",
        "/both/page.py",
        FLUSHED,
        "d = filter.read()\nif d: filter.write(d); filter.flush(); filter.write('+')\nd = filter.read()\nif d is None: filter.close()",
        seen,
    )
    for handler in DYNAMIC:
        yield _case("dynamic", "/dyn/page.py", handler)
    for handler in DYNAMIC_IN:
        yield _case("dynamic input", "/dyn/page.py", handler, method="POST", body=BODY)
    yield from _input()


def _files() -> Iterator[Case]:
    for path in ("/static/page.txt", "/static/long.txt", "/static/", "/static", "/static/nothing.txt"):
        yield _case("files", path)
        yield _case("files", path, method="HEAD")
    for field in (
        "Range: bytes=0-2",
        "Range: bytes=-3",
        "Range: bytes=4-",
        "Range: bytes=0-0,2-2",
        "Range: bytes=900-",
        "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT",
        "If-None-Match: *",
        'If-Match: "x"',
    ):
        yield _case("files", "/static/page.txt", headers=(field,))
        yield _case("handlers", "/static/page.py", WAITING, headers=(field,))
        yield _case("handlers", "/static/page.py", FLUSHED, headers=(field,))
        yield _case("handlers, no filter", "/dyn/page.py", WAITING, headers=(field,))
    for version in ("1.0", "1.1"):
        for path, code in (
            ("/static/page.txt", ""),
            ("/static/page.py", WAITING),
            ("/static/page.py", FLUSHED),
        ):
            yield _case("versions", path, code, version=version)
    for method in ("POST", "OPTIONS", "PUT", "DELETE"):
        yield _case("files", "/static/page.txt", method=method, body=b"abc" if method == "POST" else b"")
    ask: dict[str, Any] = {"host": HOST, "code": FLUSHED}
    for path in ("/static/page.py", "/first/page.py", "/static/page.txt"):
        yield Case("filters, keep-alive", path, request(path, close=False, **ask) + request(path, **ask))


def _input() -> Iterator[Case]:
    sent: dict[str, Any] = {"method": "POST", "body": BODY}
    for deed in INPUT:
        yield _case("input", "/input/page.py", "", deed, **sent)
        yield _case("input, in parts", "/input/probe.py", "r = [req.read(4), req.read(4), req.read()]", deed, **sent)
    for reader in READERS:
        yield _case("input, readers", "/input/probe.py", reader, headers=(FIELDS,), **sent)
        yield _case("input, readers, no body", "/input/probe.py", reader, headers=(FIELDS,))
    for name in "both chain bracket fails debug silent".split():
        yield _case("input, kinds", f"/input/{name}.py", **sent)
    for path in ("/ext/page.py", "/ext/plain.py", "/unknown/page.py"):
        yield _case("input, which", path, "req.read()", **sent)
    yield _case("input, file", "/ext/a.one.txt", **sent)
