"""How requests move on: interpreters of phases, redirects between them, users, look-ups, what late phases see."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from comparing.cases import Case, case

ALL = "/all/a.txt"
POST_READ, TRANS, PARSER = "PythonPostReadRequestHandler", "PythonTransHandler", "PythonHeaderParserHandler"
ACCESS, AUTHEN, FIXUP = "PythonAccessHandler", "PythonAuthenHandler", "PythonFixupHandler"
CONTENT, LOG, CLEANUP = "PythonHandler", "PythonLogHandler", "PythonCleanupHandler"


def phases(**codes: str) -> tuple[str, ...]:
    """Headers with the code of each phase."""
    return tuple(f"X-{phase}: {quote(code, safe=' ()[]=.,:')}" for phase, code in codes.items())


def phased(
    group: str, name: str, path: str, codes: dict[str, str], host: str = "phased.test", **options: object
) -> Case:
    """A comparison of one request that brings along what its phases do."""
    return case(group, name, path, host=host, headers=phases(**codes), **options)


def _interpreters() -> Iterator[Case]:
    names = "trace(req.interpreter, apache.interpreter)"
    every = {
        POST_READ: names,
        TRANS: names,
        ACCESS: names,
        FIXUP: names,
        CONTENT: names + "\nreq.write('done')\nresult = 0",
        LOG: names,
    }
    for path in ("/d/x", "/g/x", "/g/sub/x", "/dd1/x", "/dd2/", "/dd2/x", "/err1/x", "/a"):
        yield phased("interpreters of phases", path, path, every, "moved.test", code="apache.interpreter")
    go = "if req.prev is None:\n    req.internal_redirect({!r})\n    trace('back', req.next.uri, req.next.prev is req)\nresult = 0"
    for path in ("/d/x", "/dd1/x", "/g/sub/x"):
        for target in ("/err1/x", "/all/a.txt", "/dd2/", "/nothing"):
            codes = {CONTENT: go.format(target), LOG: names, FIXUP: names}
            yield phased(
                "redirects between interpreters",
                f"{path} to {target}",
                path,
                codes,
                "moved.test",
                code="r = apache.interpreter, req.prev.uri",
            )
        codes = {CONTENT: "req.register_cleanup(trace, 'cleaned')\nresult = 409", LOG: names}
        yield phased(
            "redirects between interpreters",
            f"{path}, its error document",
            path,
            codes,
            "moved.test",
            code="r = apache.interpreter, req.prev.uri, req.prev.status",
        )
        codes = {CONTENT: "req.register_cleanup(trace, 'cleaned')\nresult = 410", LOG: names}
        yield phased(
            "redirects between interpreters", f"{path}, its error document is a file", path, codes, "moved.test"
        )
    clean = "req.register_cleanup(trace, 'cleaned')"
    for name, codes in {
        "a cleanup of post-read": {POST_READ: clean, CONTENT: names + "\nreq.write('done')\nresult = 0", LOG: names},
        "a cleanup of translation": {TRANS: clean, CONTENT: names + "\nreq.write('done')\nresult = 0", LOG: names},
        "post-read writes": {POST_READ: "req.write('early;', 0)", CONTENT: "req.write('done')\nresult = 0"},
        "translation writes and flushes": {TRANS: "req.write('early;')", CONTENT: "req.write('done')\nresult = 0"},
        "post-read sets headers": {POST_READ: "req.headers_out['X-A'] = 'a'\nreq.mine = 5\nreq.notes['n'] = 'm'", CONTENT: "req.write(show((req.notes.get('n'), req.headers_out.get('X-A'))))\nresult = 0"},
        "post-read sets an attribute": {POST_READ: "req.mine = 5", CONTENT: "req.write(show(getattr(req, 'mine', None)))\nresult = 0"},
    }.items():  # fmt: skip
        for path in ("/d/x", "/dd1/x"):
            yield phased("early phases elsewhere", f"{path}: {name}", path, codes, "moved.test")
    large = {POST_READ: "trace(len(req.read()))", CONTENT: "req.write(show(len(req.read())))\nresult = 0"}
    for size in (10, 150_000):
        yield phased(
            "early phases elsewhere",
            f"reads {size} bytes",
            "/d/x",
            large,
            "moved.test",
            method="POST",
            body=b"x" * size,
        )
    for directory in ("a", "b"):
        code = (
            "import sys\nroot = req.document_root()[:-9]\nr = [p[len(root):] for p in sys.path if p.startswith(root)]"
        )
        yield case("search paths", directory, f"/paths/{directory}/x", host="path.test", code=code)
    for code in (
        "import sys\nr = [p for p in sys.path if not p.startswith(req.document_root()[:-9])]",
        "r = util.FieldStorage(req).getfirst('a') in ('1', b'1')", "util.redirect(req, '/there')", "import json",
        "import wave", "req.add_cgi_vars()\nr = req.subprocess_env['QUERY_STRING']",
        "from mod_python import Cookie\nCookie.add_cookie(req, 'a', 'b')\nr = 1",
        "if req.prev is None: req.internal_redirect('/x?again')\nelse: r = req.args",
    ):  # fmt: skip
        yield case("a path without the standard library", repr(code), "/x?a=1", host="path.test", code=code)
    yield phased(
        "a path without the standard library",
        "an early handler",
        "/x",
        {POST_READ: "trace(1)"},
        "path.test",
        code="r = 1",
    )


def _users() -> Iterator[Case]:
    for path in ("/user/x", "/nobody/x"):
        for user in ("joe", "ann", ""):
            for phase in (PARSER, ACCESS):
                codes = {phase: f"req.user = {user or None!r}", AUTHEN: "trace('asked', req.user)\nresult = 401"}
                yield phased("a user of an earlier phase", f"{path} {user!r} {phase}", path, codes)
    codes = {
        ACCESS: "req.user = 'joe'\nreq.ap_auth_type = 'Own'",
        CONTENT: "req.write(show((req.user, req.ap_auth_type)))\nresult = 0",
    }
    yield phased("a user of an earlier phase", "/user/x with a type", "/user/x", codes)


def _look_ups() -> Iterator[Case]:
    told = "trace(req.uri, req.main is None, req.main is not None and req.main.uri, req.args)"
    marks = (
        told
        + "\nif req.uri.endswith('.html'): req.headers_out['X-Page'] = req.uri\nreq.register_cleanup(lambda d: None)"
    )
    for path in ("/all/lookups/", "/all/lookups/?q=1", "/all/lookups/index", "/all/lookups/none"):
        yield phased("look-ups", path, path, {FIXUP: marks, LOG: told})
        yield phased("look-ups", f"{path}: main requests only", path, {FIXUP: "if req.main is None: trace(req.uri)"})
    for path in (
        "/ssi/page.shtml",
        "/ssi/python.shtml",
        "/ssi/missing.shtml",
        "/views/page",
        "/views/one",
        "/views/page.en",
        "/views/none",
    ):
        yield phased("look-ups", path, path, {FIXUP: marks}, "parts.test")
    yield phased(
        "look-ups",
        "/views/page in English",
        "/views/page",
        {FIXUP: "trace(req.uri, req.main is None, req.content_languages)"},
        "parts.test",
    )


def _phases() -> Iterator[Case]:
    place = "trace(req.get_options().get('place'), req.interpreter, req.get_config().get('PythonDebug'))"
    for path in ("/all/place/x", "/all/a.txt"):
        yield phased(
            "a Location's settings",
            path,
            path,
            {POST_READ: place, TRANS: place, FIXUP: place, CONTENT: place + "\nresult = 0"},
        )
    ran, add = "trace(req.hlist.handler)", "req.add_handler({!r}, 'phased::run')"
    for name, over in (("access", ACCESS), ("header parser", PARSER), ("post-read", POST_READ), ("translation", TRANS)):
        codes = {over: ran, FIXUP: add.format(over), CONTENT: "result = 0"}
        yield phased("handlers of phases that are over", name, ALL, codes)
    codes = {
        FIXUP: "req.handler = 'mod_python'\n" + add.format(CONTENT),
        CONTENT: "trace('ran')\nreq.write('ran;')\nresult = 0",
    }
    for path in ("/bytype/a.txt", "/bytype/there.py", ALL):
        yield phased("content added in a fixup", path, path, codes)
    yield phased(
        "content added in a fixup",
        "another one",
        ALL,
        {**codes, FIXUP: "req.handler = 'mod_python'\nreq.add_handler('PythonHandler', 'rules::c')"},
    )
    env = "req.add_common_vars()\ntrace('SCRIPT_FILENAME' in req.subprocess_env.keys(), req.subprocess_env.get('SCRIPT_FILENAME'), len(list(req.subprocess_env.items())) > 5)"
    for phase in (POST_READ, TRANS, FIXUP):
        yield phased("early variables", phase, ALL, {phase: env, CONTENT: "result = 0"})
    shown = ("trace(req.status, req.status_line, req.clength, req.content_type, req.connection.keepalive, req._bytes_queued, req.bytes_sent, "
             "sorted(i for i in req.headers_out.items() if i[0] not in ('Date', 'Server')))")  # fmt: skip
    for name, code in {
        "a flushed answer": "req.write('abc')\nresult = 0", "an unflushed answer": "req.write('abc', 0)\nresult = 0",
        "a length": "req.set_content_length(3)\nreq.write('abc')\nresult = 0", "a status": "req.status = 404\nreq.write('x')\nresult = 0",
        "an error": "result = 404", "a type and a header": "req.content_type = 'text/x'\nreq.headers_out['X-A'] = 'a'\nreq.write('x')\nresult = 0",
        "a file": "result = -1", "a failure": "pass_on = 1\n1/0",
    }.items():  # fmt: skip
        yield phased("what was sent", name, ALL, {CONTENT: code, LOG: shown, CLEANUP: shown})
    first = "if req.prev is None:\n    req.headers_out['X-A'] = 'a'\n    req.content_type = 'text/first'\n    req.internal_redirect('/all/page.html')\n    trace('back', req.status, req.content_type, req.headers_out.get('X-A'))\nelse:\n    req.content_type = 'text/second'\n    req.write('second')\nresult = 0"
    yield phased(
        "what was sent",
        "after a redirect",
        ALL,
        {
            CONTENT: first,
            LOG: "trace(req.uri, req.status, req.content_type, req.next is not None, req.headers_out.get('X-A'))",
        },
    )
    yield phased(
        "what was sent",
        "an error document",
        ALL,
        {
            CONTENT: "if req.prev is None: result = 410\nelse:\n    req.write('page')\n    result = 0",
            LOG: "trace(req.uri, req.status, req.next is not None)",
        },
    )


def cases() -> Iterator[Case]:
    """One comparison for each."""
    yield from _interpreters()
    yield from _users()
    yield from _look_ups()
    yield from _phases()
