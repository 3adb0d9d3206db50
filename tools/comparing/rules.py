"""The phases: what runs after which result, and what the client gets of it."""

from __future__ import annotations

from collections.abc import Iterator

from comparing.cases import Case, case, request

RESULTS = (
    "OK", "DECLINED", "DONE", "200", "403", "None", "True", "text", "raise", "return:OK", "return:403", "return:DECLINED",
    "return:OK,404", "return:", "return:text", "status:404+OK", "exit",
)  # fmt: skip

PHASES = (
    "PythonHeaderParserHandler", "PythonAccessHandler", "PythonAuthenHandler", "PythonAuthzHandler", "PythonTypeHandler",
    "PythonFixupHandler", "PythonHandler", "PythonLogHandler", "PythonCleanupHandler",
)  # fmt: skip

EARLY = ("PythonPostReadRequestHandler", "PythonTransHandler", "PythonInitHandler")

#: More things that handlers do: name, path, X-Do.
DEEDS = (
    ("no user after authentication", "/rules/x", "PythonAuthenHandler.a=user:+OK"),
    ("401", "/rules/x", "PythonAuthenHandler.a=401"),
    ("401 by SERVER_RETURN", "/rules/x", "PythonAuthenHandler.a=return:401"),
    ("401 with a challenge", "/rules/x", "PythonAuthenHandler.a=errheader:WWW-Authenticate~Own+401"),
    (
        "user, then declined",
        "/rules/x",
        "PythonAuthenHandler.a=user:ann+DECLINED;PythonAuthenHandler.b=DECLINED",
    ),
    (
        "both decline authentication",
        "/rules/x",
        "PythonAuthenHandler.a=DECLINED;PythonAuthenHandler.b=DECLINED",
    ),
    ("both decline authorisation", "/rules/x", "PythonAuthzHandler.a=DECLINED;PythonAuthzHandler.b=DECLINED"),
    ("authorisation 401", "/rules/x", "PythonAuthzHandler.a=401"),
    ("second handler 404", "/rules/x", "PythonHandler.b=404"),
    ("second handler declines", "/rules/x", "PythonHandler.b=DECLINED"),
    ("an index", "/rules/idx/", ""),
    ("an index, of a folder without its slash", "/rules/idx", ""),
    ("an index, access denied", "/rules/idx/", "PythonAccessHandler.a=403"),
    ("an index, fixup denies", "/rules/idx/", "PythonFixupHandler.a=403"),
    ("an internal redirect", "/rules/x", "PythonHandler.a=redirect:/rules/page.html+DONE"),
    ("an internal redirect to an index", "/rules/x", "PythonHandler.a=redirect:/rules/idx/+DONE"),
    ("content declined at once", "/rules/x", "PythonHandler.a=DECLINED"),
    ("content declined, html", "/rules/page.html", "PythonHandler.a=DECLINED"),
    ("content DONE", "/rules/x", "PythonHandler.a=write:one+DONE"),
    ("type sets handler", "/rules/x", "PythonTypeHandler.a=handler:mod_python+OK"),
    ("type takes handler away", "/rules/x", "PythonTypeHandler.a=handler:+OK"),
    ("fixup takes handler away", "/rules/x", "PythonFixupHandler.a=handler:+OK"),
    ("fixup sets another handler", "/rules/x", "PythonFixupHandler.a=handler:other+OK"),
    ("fixup makes it Python", "/static/plain.txt", "PythonFixupHandler.a=handler:mod_python+OK"),
    ("type sets type", "/rules/x", "PythonTypeHandler.a=type:text/x-own+OK;PythonHandler.a=write:1+DONE"),
    ("header parser writes", "/open/x", "PythonHeaderParserHandler.a=write:early+OK"),
    ("header parser writes, DONE", "/open/x", "PythonHeaderParserHandler.a=write:early+DONE"),
    ("header parser DONE", "/open/x", "PythonHeaderParserHandler.a=DONE"),
    (
        "fixup changes the file",
        "/open/x",
        "PythonFixupHandler.a=file:/files/teapot.txt+OK;PythonHandler.a=DECLINED",
    ),
    ("fixup sets headers, 404", "/open/x", "PythonFixupHandler.a=header:X-A~1+errheader:X-B~2+404"),
    ("adds in the same phase", "/open/x", "PythonFixupHandler.a=add:PythonFixupHandler~rules::c+OK"),
    ("adds for content", "/open/x", "PythonFixupHandler.a=add:PythonHandler~rules::c+OK"),
    ("adds for an empty phase", "/open/x", "PythonHeaderParserHandler.a=add:PythonTypeHandler~rules::c+OK"),
    ("adds access", "/open/x", "PythonHeaderParserHandler.a=add:PythonAccessHandler~rules::c+OK"),
    ("adds authentication", "/open/x", "PythonHeaderParserHandler.a=add:PythonAuthenHandler~rules::c+OK"),
    ("adds a fixup", "/open/x", "PythonHeaderParserHandler.a=add:PythonFixupHandler~rules::c+OK"),
    (
        "adds for an earlier phase",
        "/open/x",
        "PythonFixupHandler.a=add:PythonHeaderParserHandler~rules::c+OK",
    ),
    ("adds a log handler", "/open/x", "PythonHandler.a=add:PythonLogHandler~rules::c+OK"),
    ("adds a log handler in the log", "/open/x", "PythonLogHandler.a=add:PythonLogHandler~rules::c+OK"),
    ("adds content to a file", "/static/plain.txt", "PythonHandler.a=OK"),
    ("adds init", "/open/x", "PythonHeaderParserHandler.a=add:PythonInitHandler~rules::c+OK"),
    ("adds trans", "/open/x", "PythonHeaderParserHandler.a=add:PythonTransHandler~rules::c+OK"),
    ("adds two", "/open/x", "PythonHandler.a=add:PythonHandler~rules::c+add:PythonHandler~rules::old+OK"),
    ("log handler writes", "/open/x", "PythonLogHandler.a=write:late+OK"),
    ("debug page", "/shown/x", "PythonHandler.a=raise"),
    ("debug page after output", "/shown/x", "PythonHandler.b=raise"),
    ("debug page, wrong result", "/shown/x", "PythonHandler.a=None"),
    ("debug page, headers", "/shown/x", "PythonHandler.a=header:X-A~1+errheader:X-B~2+type:text/x+raise"),
    ("debug page, status", "/shown/x", "PythonHandler.a=status:404+raise"),
    ("debug page, exit", "/shown/x", "PythonHandler.a=exit"),
    ("500 after output", "/open/x", "PythonHandler.b=raise"),
    ("404 after output", "/open/x", "PythonHandler.b=404"),
    ("gate: user", "/authed/page.txt", ""),
    ("gate: wrong user", "/authed/page.txt", "PythonAuthenHandler.a=user:bob+OK"),
    ("gate: none", "/authed/page.txt", "PythonAuthenHandler.a=OK"),
    ("gate: declined", "/authed/page.txt", "PythonAuthenHandler.a=DECLINED"),
    ("gate: declined with user", "/authed/page.txt", "PythonAuthenHandler.a=user:joe+DECLINED"),
    ("gate: 401", "/authed/page.txt", "PythonAuthenHandler.a=401"),
    ("gate: 403", "/authed/page.txt", "PythonAuthenHandler.a=403"),
    ("gate: DONE", "/authed/page.txt", "PythonAuthenHandler.a=DONE"),
    ("nobody asks", "/nogate/x", ""),
    ("denied", "/denied/x", ""),
    ("handlers of a static folder", "/static/page.html", ""),
    ("handlers by AddHandler", "/static/app.py", ""),
    ("AddHandler, a missing file", "/static/missing.py", ""),
    ("AddHandler, path info", "/static/app.py/more", ""),
    ("AddHandler, declines", "/static/app.py", "PythonHandler.a=DECLINED"),
    ("AddHandler, declines missing", "/static/missing.py", "PythonHandler.a=DECLINED"),
    ("ErrorDocument text", "/errors/x", "PythonHandler.a=403"),
    ("ErrorDocument path", "/errors/x?q=1", "PythonHandler.a=404"),
    ("ErrorDocument URL", "/errors/x", "PythonHandler.a=410"),
    ("ErrorDocument file", "/errors/x", "PythonHandler.a=409"),
    ("ErrorDocument of the same handler", "/errors/x", "PythonHandler.a=raise"),
    ("ErrorDocument missing", "/errors/x", "PythonHandler.a=503"),
    ("ErrorDocument 401", "/errors/x", "PythonHandler.a=401"),
    ("ErrorDocument with headers", "/errors/x", "PythonHandler.a=header:X-A~1+errheader:X-B~2+409"),
    ("ErrorDocument after output", "/errors/x", "PythonHandler.a=write:x+404"),
    ("ErrorDocument, status set", "/errors/x", "PythonHandler.a=status:404+OK"),
)

KINDS = tuple(
    "method inner called instance none number missing nomodule broken default program other nohandler twice".split()
)

FILES = (
    "/files/teapot.txt", "/files/", "/files", "/files/sub", "/files/none", "/files/teapot.txt/more", "/indexed/", "/indexed", "/pyindex/",
    "/empty/", "/late.txt", "/silent/x", "/ext/x.html", "/ext/x.htm", "/ext/x.txt", "/ext/x.tar.gz", "/ext/x.HTML", "/ext/x", "/ext/", "/ht/sub/y",
    "/aliased/teapot.txt", "/aliased/", "/aliased", "/ht/.htaccess", "/%2e%2e/", "/a%2fb", "/files/%00", "/%zz", "/files//teapot.txt",
)  # fmt: skip

CODE = "evaluated"


def _documents() -> Iterator[Case]:
    code = (
        "r = req.args, req.uri, req.method, req.status, req.prev.uri, req.prev.args, req.prev.status, req.main, "
        "req.the_request, req.unparsed_uri, req.prev.next is req, sorted(i for i in req.subprocess_env.items() if "
        "i[0].startswith('REDIRECT')), req.phase, req.user, req.prev.user, req.headers_out, req.prev.headers_out, req.finfo.filetype"
    )
    for method in ("GET", "POST", "HEAD", "PUT"):
        yield case(
            "error documents",
            f"{method} to a handler",
            "/errors/x?q=1",
            method=method,
            code=code,
            do="PythonHandler.a=404",
        )
    yield case(
        "error documents",
        "its CGI variables",
        "/errors/x?q=1",
        code="req.add_cgi_vars()\nr = sorted(i for i in req.subprocess_env.items() if i[0].startswith('RE'))",
        do="PythonHandler.a=404",
    )
    yield case(
        "error documents",
        "sets a status",
        "/errors/x",
        code="req.status = 200\nr = 1",
        do="PythonHandler.a=404",
    )
    yield case("error documents", "answers a status", "/errors/x", code="result = 403", do="PythonHandler.a=404")
    yield case("error documents", "declines", "/errors/x", code="result = -1", do="PythonHandler.a=404")
    redirect = "if req.prev is None:\n    req.mine = 5\n    req.notes['n'] = 'm'\n    req.subprocess_env['E'] = 'f'\n    req.user = 'joe'\n    req.headers_out['X-H'] = 'h'\n    req.content_type = 'text/first'\n    req.internal_redirect('/eval/deeper/x?y=2')\n    trace(show((req.next.uri, req.next.prev is req, req.status)))\n"
    see = "else: r = req.uri, req.args, req.method, req.user, req.content_type, req.prev.mine, req.prev.uri, req.prev.notes, req.notes, sorted(i for i in req.subprocess_env.items() if i[0][:2] in ('RE', 'E')), req.headers_out, req.unparsed_uri, req.the_request, req.status, req.prev.next is req, req.finfo.filetype, req.phase, req.filename"
    for method in ("GET", "POST", "HEAD"):
        yield case(
            "internal redirects",
            f"{method} what the second sees",
            "/eval/a.txt?x=1",
            method=method,
            code=redirect + see,
        )
    yield case(
        "internal redirects",
        "second fails",
        "/eval/a.txt",
        code="if req.prev is None: req.internal_redirect('/eval/a.txt')\nelse: result = 404",
    )
    yield case(
        "internal redirects",
        "second raises",
        "/eval/a.txt",
        code="pass_on = 1\nif req.prev is None: req.internal_redirect('/eval/a.txt')\nelse: raise ValueError",
    )
    yield case("internal redirects", "for ever", "/eval/a.txt", code="req.internal_redirect('/eval/a.txt')")
    yield case(
        "internal redirects",
        "body",
        "/eval/a.txt",
        method="POST",
        body=b"some body",
        code="if req.prev is None: req.internal_redirect('/eval/a.txt')\nelse: r = req.read()",
    )
    yield case(
        "internal redirects",
        "body begun",
        "/eval/a.txt",
        method="POST",
        body=b"some body",
        code="if req.prev is None:\n    req.read(4)\n    req.internal_redirect('/eval/a.txt')\nelse: r = req.read()",
    )
    yield case(
        "internal redirects",
        "result after it",
        "/eval/a.txt",
        code="if req.prev is None:\n    req.internal_redirect('/eval/a.txt')\n    result = 404\nelse: r = 1",
    )
    yield case(
        "internal redirects",
        "writes after it",
        "/eval/a.txt",
        code="if req.prev is None:\n    req.internal_redirect('/eval/a.txt')\n    r = 'after'\nelse: r = 1",
    )
    yield case(
        "internal redirects",
        "cleanups",
        "/eval/a.txt",
        code="req.register_cleanup(trace, 'c%s' % (req.prev is None))\nif req.prev is None:\n    req.internal_redirect('/eval/a.txt')\n    trace('back')\nelse: r = 1",
    )
    yield case(
        "internal redirects",
        "to guarded",
        "/eval/a.txt",
        code="if req.prev is None: req.internal_redirect('/basic/x')\nelse: r = req.user",
        auth="joe:x",
    )
    yield case("internal redirects", "to a folder", "/eval/a.txt", code="req.internal_redirect('/files')")


def _keepalive() -> Iterator[Case]:
    def several(name: str, *parts: bytes, heads: int = 0) -> Case:
        return Case("keep-alive", name, b"".join(parts), heads)

    file, probe = "/files/teapot.txt", "/eval/a.txt"
    last = request(file)
    yield several("HTTP/1.1", request(file, close=False), last)
    yield several("asked for", request(file, close=False, headers=("Connection: keep-alive",)), last)
    yield several(
        "asked for, twice",
        request(file, close=False, headers=("Connection: Keep-Alive",)),
        request(file, close=False, headers=("Connection: Keep-Alive",)),
        last,
    )
    yield several(
        "HTTP/1.0 asked for",
        request(file, close=False, version="1.0", headers=("Connection: Keep-Alive",)),
        last,
    )
    yield several("HTTP/1.0", request(file, close=False, version="1.0"), last)
    yield several(
        "HTTP/1.0 handler asked for",
        request(probe, close=False, version="1.0", headers=("Connection: Keep-Alive",), code="req.write('x')"),
        last,
    )
    yield several(
        "HTTP/1.0 handler, length",
        request(
            probe,
            close=False,
            version="1.0",
            headers=("Connection: Keep-Alive",),
            code="req.set_content_length(1)\nreq.write('x')",
        ),
        last,
    )
    yield several(
        "HTTP/1.0 handler, no flush",
        request(probe, close=False, version="1.0", headers=("Connection: Keep-Alive",), code="req.write('x', 0)"),
        last,
    )
    yield several(
        "connection object",
        request(probe, close=False, code="r = req.connection.keepalives, req.connection.keepalive"),
        request(probe, close=False, code="r = req.connection.keepalives, req.connection.keepalive"),
        last,
    )
    yield several(
        "notes of a connection",
        request(probe, close=False, code="req.connection.notes['a'] = 'b'"),
        request(probe, code="req.connection.notes"),
    )
    yield several(
        "closed by the handler",
        request(probe, close=False, code="req.connection.keepalive = apache.AP_CONN_CLOSE\nr = 1"),
        last,
    )
    yield several(
        "header closes",
        request(probe, close=False, code="req.headers_out['Connection'] = 'close'\nr = 1"),
        last,
    )
    for status in (204, 304, 400, 403, 404, 408, 411, 413, 414, 500, 501, 503):
        yield several(f"after {status}", request(probe, close=False, code=f"result = {status}"), last)
    yield several("unread body", request(probe, method="POST", close=False, body=b"x" * 100, code="r = 1"), last)
    yield several(
        "unread chunked body",
        request(
            probe,
            method="POST",
            close=False,
            headers=("Transfer-Encoding: chunked",),
            body=b"3\r\nabc\r\n0\r\n\r\n",
            code="r = 1",
        ),
        last,
    )
    yield several("debug page", request("/shown/x", close=False, do="PythonHandler.a=raise"), last)
    yield several("HEAD, then GET", request(file, method="HEAD", close=False), last, heads=1)
    yield several(
        "other server",
        request(probe, close=False, code="req.server.server_hostname"),
        request(probe, close=False, host="nopath.test", code="req.server.server_hostname"),
        last,
    )
    yield several("KeepAlive Off", request(probe, close=False, host="early.test", code="1"), last)
    yield several(
        "limit",
        request("/x", close=False, host="other.test", code="1"),
        request("/x", close=False, host="other.test", code="2"),
        last,
    )
    yield several(
        "limit, asked for",
        request("/x", close=False, host="other.test", code="1", headers=("Connection: keep-alive",)),
        request("/x", close=False, host="other.test", code="2", headers=("Connection: keep-alive",)),
        last,
    )
    yield several(
        "Expect",
        request(probe, method="POST", body=b"body", headers=("Expect: 100-continue",), code="req.read()"),
    )
    yield several(
        "Expect, not read",
        request(probe, method="POST", body=b"body", headers=("Expect: 100-continue",), code="req.expecting_100"),
    )
    yield several(
        "Expect, unknown",
        request(probe, method="POST", body=b"body", headers=("Expect: nonsense",), code="1"),
    )
    yield several(
        "after short writing",
        request(probe, close=False, code="req.set_content_length(9)\nreq.write('12345')"),
    )


def _merging() -> Iterator[Case]:
    code = (
        "r = sorted(req.get_config().items()), sorted(req.get_options().items()), req.interpreter, req.hlist.handler, "
        "req.hlist.directory, req.hlist.is_location, sorted(req.server.get_options().items()), sorted(req.server.get_config().items())"
    )
    for (
        path
    ) in "/x /sub/x /sub/file /sub/ /sub /ht/x /ht/file /ht/deep/x /ht/none /loc/x /handled /handled/x /none".split():
        yield case("merging", path, f"/merge{path}", host="merge.test", code=code)
    yield case("merging", "outside", "/files/teapot.txt", host="merge.test", code=code)


def _too_late() -> Iterator[Case]:
    begun = "req.write('begun;')\n"
    for late in (
        "req.headers_out['X-Late'] = '1'",
        "req.err_headers_out['X-Late'] = '1'",
        "req.content_type = 'text/late'",
        "req.status = 404",
        "req.set_content_length(3)",
        "req.set_content_length(100)",
        "req.no_cache = 1",
        "req.assbackwards = 1",
        "req.status_line = '404 Late'",
        "del req.headers_out['Content-Length']",
        "req.chunked = 0",
        "req.sendfile(req.filename)",
        "req.meets_conditions()",
        "util.redirect(req, '/x')",
        "raise apache.SERVER_RETURN(404)",
        "req.set_etag()",
        "req.headers_out.clear()",
    ):
        yield case("after the body began", late, "/eval/a.txt", code=begun + late + "\nr = ' end'")


def cases() -> Iterator[Case]:
    """One comparison for each phase and result, deed, kind of handler, file."""
    for phase in PHASES:
        for result in RESULTS:
            yield case("phases", f"{phase} {result}", "/rules/x", do=f"{phase}.a={result}")
    for phase in EARLY:
        for result in RESULTS:
            yield case("early phases", f"{phase} {result}", "/rules/x", host="early.test", do=f"{phase}.a={result}")
    for name, path, do in (
        ("translated", "/some/where", "PythonTransHandler.a=file:/files/teapot.txt+OK"),
        ("translated, with path info", "/some/where", "PythonTransHandler.a=file:/files/teapot.txt/more+OK"),
        ("translated to a handler", "/some/where", "PythonTransHandler.a=file:/rules/x+OK"),
        ("translated to nothing", "/some/where", "PythonTransHandler.a=file:/nothing+OK"),
        ("URI changed", "/some/where", "PythonTransHandler.a=uri:/files/teapot.txt+DECLINED"),
        (
            "URI changed in post-read",
            "/some/where",
            "PythonPostReadRequestHandler.a=uri:/files/teapot.txt+OK",
        ),
        ("nothing changed", "/files/teapot.txt", ""),
        ("nothing there", "/nothing", ""),
        ("a folder", "/files", ""),
        ("an index", "/indexed/", ""),
        ("an index that is there", "/rules/idx/", ""),
        ("an index, declined", "/rules/idx/", "PythonTransHandler.a=403"),
        ("an internal redirect", "/rules/x", "PythonHandler.a=redirect:/rules/page.html+DONE"),
        ("an internal redirect to a file", "/rules/x", "PythonHandler.a=redirect:/files/teapot.txt+DONE"),
        ("an internal redirect to a folder", "/rules/x", "PythonHandler.a=redirect:/rules/idx/+DONE"),
        ("an error document", "/rules/x", "PythonHandler.a=410"),
        ("an error document that is a file", "/rules/x", "PythonHandler.a=409"),
        ("an error document, early", "/rules/x", "PythonPostReadRequestHandler.a=409"),
        ("adds content early", "/rules/x", "PythonPostReadRequestHandler.a=add:PythonHandler~rules::c+OK"),
        (
            "adds log early",
            "/files/teapot.txt",
            "PythonPostReadRequestHandler.a=add:PythonLogHandler~rules::c+OK",
        ),
        ("writes early", "/files/teapot.txt", "PythonPostReadRequestHandler.a=write:early+DONE"),
    ):
        yield case("early phases", name, path, host="early.test", do=do)
    yield case("early phases", "OPTIONS *", "*", method="OPTIONS", host="early.test")
    for name, path, do in DEEDS:
        yield case("deeds", name, path, do=do)
    for name in ("joe:x", "x:y", ""):
        yield case("deeds", f"credentials {name}", "/rules/x", auth=name)
    for kind in KINDS:
        yield case("kinds of handlers", kind, f"/kinds/{kind}.x")
    for path in FILES:
        yield case("files and folders", path, path)
    for path in ("/files/teapot.txt", "/rules/page.html", "/denied/x", "/files/", "/open/x"):
        for method in ("HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE", "BREW"):
            yield case("methods", f"{method} {path}", path, method=method)
    yield case("methods", "OPTIONS *", "*", method="OPTIONS")
    for value in (
        "bytes=0-3",
        "bytes=-3",
        "bytes=5-",
        "bytes=900-",
        "bytes=3-1",
        "bytes=0-1,4-5",
        "chars=0-1",
    ):
        yield case("ranges", value, "/files/teapot.txt", headers=(f"Range: {value}",))
        yield case(
            "ranges",
            f"of a handler {value}",
            "/eval/a.txt",
            headers=(f"Range: {value}",),
            code="req.write('0123456789', 0)",
        )
    yield from _merging()
    yield from _too_late()
    yield from _documents()
    yield from _keepalive()
