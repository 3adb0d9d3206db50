"""What whole applications rely on: state on connections, text, framing, redirects, names of objects, places."""

from __future__ import annotations

from collections.abc import Iterator

from comparing.cases import Case, case, request
from comparing.moves import ALL, CONTENT, PARSER, phased, phases

PROBE = "/eval/a.txt"
#: Names that a request, a connection and a server of another making could have themselves.
NAMES = "finish _link _parts _started plain _log _plan _record head answer stream".split()
#: E with an acute accent as UTF-8, as the client's bytes have it; and one byte that is no UTF-8.
ACUTE, ALONE = "\xc3\xa9", "\xff"


def _connections() -> Iterator[Case]:
    def kept(name: str, *parts: tuple[str, str]) -> Case:
        requests = [
            request(path, code=code, close=number == len(parts)) for number, (path, code) in enumerate(parts, start=1)
        ]
        return Case("state of a connection", name, b"".join(requests))

    note, see = "req.connection.notes['login'] = 'joe'\nr = 1", "req.connection.notes.get('login')"
    yield kept("notes", (PROBE, note), (PROBE, see), (PROBE, see))
    yield kept("notes, in another interpreter", ("/interp/named/x", note), ("/interp/main/x", see))
    yield kept(
        "notes, there and back", ("/interp/named/x", note), ("/interp/main/x", "r = 1"), ("/interp/named/x", see)
    )
    yield kept("notes, after a 401", (PROBE, note.replace("r = 1", "result = 401")), (PROBE, see))
    yield kept("notes, past a file", (PROBE, note), ("/files/teapot.txt", ""), (PROBE, see))
    login, known = "os.logins = {req.connection.id: 'joe'}\nr = 1", "os.logins.get(req.connection.id)"
    yield kept("a dictionary by id", (PROBE, login), (PROBE, known), (PROBE, known))
    yield kept(
        "its id",
        ("/interp/named/x", "req.connection.notes['id'] = str(req.connection.id)\nr = 1"),
        ("/interp/named/x", "r = req.connection.notes['id'] == str(req.connection.id)"),
    )
    yield kept("its number of requests", *[(PROBE, "r = req.connection.keepalives, req.connection.keepalive")] * 3)


def _text() -> Iterator[Case]:
    for name, text in (
        ("UTF-8", ACUTE),
        ("not UTF-8", f"a{ALONE}b"),
        ("escaped", "%C3%A9"),
        ("escaped, not UTF-8", "%FF"),
    ):
        for what in (
            "ascii(req.headers_in['X-U'])", "r = [ascii(v) for n, v in req.headers_in.items() if n == 'X-U']",
            "r = ascii(req.args), ascii(req.unparsed_uri), ascii(req.the_request), ascii(req.uri), ascii(req.path_info)",
            "ascii([str(part) for part in req.parsed_uri])", "ascii(req.filename)",
            "req.add_cgi_vars()\nr = [ascii(req.subprocess_env.get(n)) for n in ('HTTP_X_U', 'QUERY_STRING', 'PATH_INFO')]",
            "from mod_python import Cookie\nr = ascii([c.value for c in Cookie.get_cookies(req).values()])",
        ):  # fmt: skip
            headers = (f"X-U: {text}", f"Cookie: a={text}")
            path = text if text.isascii() else ""
            yield case("text", f"{name}: {what!r}", f"{PROBE}/{path}?x={text}", headers=headers, code=what)
        yield case(
            "text",
            f"{name}: user",
            PROBE,
            headers=(f"X-U: {text}",),
            code="req.user = req.headers_in['X-U']\nr = ascii(req.user)",
        )
    for code in (
        "req.get_basic_auth_pw()\nr = ascii((req.user, req.ap_auth_type))", "req.headers_out['X-A'] = '\\xe9'",
        "req.headers_out['X-A'] = '\\u20ac'", "req.content_type = 'text/\\u20ac'", "req.status_line = '200 \\u20ac'",
        "req.status_line = '200 \\xe9'\nr = 1", "req.content_type = 'text/\\xe9'\nr = 1",
    ):  # fmt: skip
        yield case("text", repr(code), PROBE, auth="j\xc3\xa9:p", code=code)


def _framing() -> Iterator[Case]:
    chunks = "req.headers_out['Transfer-Encoding'] = 'chunked'\nreq.write('5\\r\\nhello\\r\\n0\\r\\n\\r\\n'{})"
    for flush in ("", ", 0"):
        yield case("framing", f"a handler's own chunks{flush}", PROBE, code=chunks.format(flush))
        yield case(
            "framing", f"a handler's own chunks, HTTP/1.0{flush}", PROBE, code=chunks.format(flush), version="1.0"
        )
    own = request(PROBE, code=chunks.format(""), close=False)
    yield Case("framing", "a handler's own chunks, kept", own + request("/files/teapot.txt"))
    for code in (
        "req.headers_out['Content-Type'] = 'text/own'\nreq.write('x')", "req.err_headers_out['Content-Type'] = 'text/own'\nreq.write('x')",
        "req.headers_out['content-type'] = 'text/own'\nreq.content_type = None\nreq.write('x')",
        "req.write('x')\nreq.headers_out['Content-Type'] = 'text/own'", "req.write('')\nresult = 0", "req.write('', 0)\nresult = 0",
        "req.write('')\nreq.write('x')\nresult = 0", "result = 0",
    ):  # fmt: skip
        yield case("framing", repr(code), PROBE, code=code)


def _documents() -> Iterator[Case]:
    for code in (
        "r = req.read(), req.method, req.prev.method, req.prev.uri, req.method_number", "r = len(util.FieldStorage(req).list)",
        "r = req.headers_in.get('Content-Length'), req.headers_in.get('Content-Type'), req.clength, req.remaining",
    ):  # fmt: skip
        for method in ("POST", "PUT"):
            options: dict[str, object] = {
                "method": method,
                "body": b"a=b&c=d",
                "code": code,
                "do": "PythonHandler.a=404",
            }
            headers = ("Content-Type: application/x-www-form-urlencoded",)
            yield case("error documents after a body", f"{method} {code!r}", "/errors/x", headers=headers, **options)


def _redirects() -> Iterator[Case]:
    for name, code in {
        "twice": "if req.prev is None:\n    req.internal_redirect('/files/teapot.txt')\n    req.internal_redirect('/files/teapot.txt')\n",
        "to no file, by extension": "if req.prev is None: req.internal_redirect('/static/missing.py')",
        "prev writes first": "if req.prev is None: req.internal_redirect('/eval/a.txt')\nelse:\n    req.prev.write('prev;')\n    req.write('next')",
        "prev writes after": "if req.prev is None: req.internal_redirect('/eval/a.txt')\nelse:\n    req.write('next;')\n    req.prev.write('prev')",
        "to nothing": "if req.prev is None: req.internal_redirect('')\nelse: r = req.uri, req.args",
        "to a query": "if req.prev is None: req.internal_redirect('?q')\nelse: r = req.uri, req.args",
    }.items():
        yield case("redirects", name, PROBE, code=code)
    for path in ("/bytype/none.py", "/bytype/none.txt", "/bytype/there.py"):
        codes = {
            CONTENT: f"if req.prev is None: req.internal_redirect({path!r})\nelse: req.write(show((req.uri, req.filename)))\nresult = 0"
        }
        yield phased("redirects", f"by extension to {path}", ALL, codes)


def _objects() -> Iterator[Case]:
    for name in NAMES:
        yield case(
            "names of applications", f"req.{name}", PROBE, code=f"req.{name} = 1\nreq.write('x')\nr = req.{name}"
        )
        code = f"req.server.{name} = 1\nreq.server.log_error('x')\nr = req.server.{name}"
        yield case("names of applications", f"server.{name}", PROBE, code=code)
    for code in (
        "r = [str(type(x)) for x in (req, req.connection, req.server, req.headers_in, req.hlist, req.finfo)]",
        "str(type(apache.table()))", "req.server.error_fname", "apache.main_server.error_fname", "req.hlist is req.hlist",
        "r, n = [], 0\nwhile req.hlist.handler and n < 9:\n    r.append(req.hlist.handler)\n    req.hlist.next()\n    n += 1",
        "req.filename = req.document_root() + '/files/teapot.txt'\nr = req.finfo.size, req.finfo.fname", "req.filename = '/none'\nr = req.finfo.filetype",
        ("import _apache\nr = [n for n in ('_global_lock', '_global_unlock', '_global_trylock', 'config_tree', 'mpm_query', 'server_root', "
        "'table', 'parse_qs', 'parse_qsl', 'SERVER_RETURN', 'log_error', 'register_cleanup', 'stat') if not hasattr(_apache, n)]"),
        "import _apache\nr = apache._apache is _apache, _apache.table is apache.table, _apache.SERVER_RETURN is apache.SERVER_RETURN",
        "import _apache\nr = _apache.parse_qsl('a=1&b=2;c'), _apache.parse_qs('a=1&a=2')",
        "import _apache\n_apache._global_lock(req.server, 'key')\n_apache._global_unlock(req.server, 'key')\nr = 1",
        "import _apache\nr = _apache._global_trylock(req.server, 'key')\n_apache._global_unlock(req.server, 'key')",
        "import _apache\n_apache._global_lock(req.server, None, 1)\n_apache._global_unlock(req.server, None, 1)\nr = 1",
        "import _apache\n_apache._global_lock(req.server, 'key', 99)", "import _apache\n_apache._global_lock(5, 'key')",
        "import _apache\n_apache._global_lock(req.server)", "type(apache.config_tree()).__name__", "n = [e[0] for e in apache.config_tree()]\nr = n[n.index('PidFile'):][:12]",
        "r = [e for e in apache.config_tree() if e[0] == 'ServerRoot']",
        "from mod_python import python22\nr = sorted(n for n in dir(python22) if n[0] != '_' and n != 'sys')",
        "from mod_python import cache\nr = sorted(n for n in dir(cache) if n.endswith(('Cache', 'Entry', 'Entity')))",
        "from mod_python import cache\nc = cache.Cache(2)\nr = c.key('x')", "class K:\n    def keys(self): return ['a']\n    def __getitem__(self, k): return 'b'\nr = apache.table(K())",
        "class K:\n    def keys(self): return ['a']\n    def __getitem__(self, k): return 'b'\nt = apache.table()\nt.update(K())\nr = t",
        "req.register_cleanup(callable=trace, data=1)", "req.write(string='x')", "req.set_content_length(len=3)", "req.ssl_var_lookup(var_name='HTTPS')",
        "t = apache.table()\nt.add(key='a', val='b')\nr = t", "util.parse_qsl(qs='a=1', keep_blank_values=1)", "req.add_handler(htype='PythonLogHandler', handler='rules::a')",
        "req.internal_redirect(new_uri='/files/teapot.txt')", "req.construct_url(uri='/x')", "req.log_error(message='x', level=apache.APLOG_NOTICE)",
    ):  # fmt: skip
        yield case("objects", repr(code), PROBE, code=code)
    codes = {
        "construct_url": "req.construct_url('/x')",
        "ports": "req.add_cgi_vars()\nr = req.subprocess_env['SERVER_PORT'], req.subprocess_env['SERVER_NAME']",
    }
    for name, code in codes.items():
        for host in (
            "other.test",
            "other.test:77",
            "OTHER.test.",
            "plain.test",
            "plain.test.",
            "plain.test:77",
            "alias.test",
        ):
            path = "/x" if host.lower().startswith("other") else PROBE
            yield case("hosts and ports", f"{name}, {host}", path, host=host, code=code)
    for host in ("parts.test", "parts.test:99", "parts.test:77"):
        yield case("hosts and ports", f"a folder's redirect, {host}", "/views", host=host)
    sent = {"method": "POST", "body": b"x" * 150_000, "headers": ("Content-Length: 300000",)}
    yield case(
        "a body that stops", "read", PROBE, code="try: req.read()\nexcept Exception as e: r = type(e).__name__", **sent
    )


def _below() -> Iterator[Case]:
    """Reading and writing below HTTP."""
    tail = b"one line\r\ntwo lines\r\n"
    for name, code in {
        "reads a line": "req.connection.write(req.connection.readline())\nresult = apache.DONE",
        "reads": "req.connection.write(req.connection.read(4))\nresult = apache.DONE",
        "reads two lines": "c = req.connection\nc.write(c.readline() + c.readline())\nresult = apache.DONE",
        "reads to the end": "c = req.connection\nc.write(c.read(20))\nresult = apache.DONE",
        "writes a response": "req.connection.write('HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')\nresult = apache.DONE",
        "writes bytes": "req.connection.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')\nresult = apache.DONE",
    }.items():
        for close in (True, False):
            data = request(ALL, host="phased.test", headers=phases(**{PARSER: code}), close=close)
            yield Case("below HTTP", f"{name}{'' if close else ', kept'}", data + tail)


def _places() -> Iterator[Case]:
    for name in "keys values generator listed mapped forbidden raised echo?what=%FF echo?what=%C3%A9 echo everything?b=1&a=2 none written kinds?what=1 index text number nothing thing/method thing/_hidden thing/value none_such".split():
        yield case("publisher", name, f"/publisher/m/{name}", host="parts.test")
    for path in (
        "/publisher/m.py",
        "/publisher/m.PY",
        "/publisher/m",
        "/publisher/m/",
        "/publisher/m.py/keys",
        "/publisher/none",
        "/publisher/",
    ):
        yield case("publisher", path, path, host="parts.test")
    names = "PATH_INFO QUERY_STRING HTTP_X_U SCRIPT_NAME SERVER_PORT SERVER_NAME REQUEST_METHOD wsgi.url_scheme wsgi.multithread"
    for path in (
        "/wsgi/x/more?q=1",
        "/wsgi",
        "/wsgi/",
        f"/wsgi/x/{ACUTE}?q={ACUTE}",
        "/wsgi/x/%C3%A9",
        "/wsgi/nothing",
        "/wsgi/missing",
    ):
        yield case("WSGI", path, path, host="parts.test", headers=(f"X-Names: {names}", f"X-U: {ACUTE}"))
    code = "r = req.uri, req.path_info, req.filename, req.unparsed_uri"
    for host in ("slashes.test", "undecoded.test"):
        for path in (
            "/slashes/a%2Fb",
            "/slashes/x//y",
            "/slashes//x",
            "//slashes/x/y",
            "/slashes/x/%2f/",
            "/slashes/..%2f..%2f",
        ):
            yield case("slashes", f"{host} {path}", path, host=host, code=code)
    for path in (
        "/eval/a.txt/x%2Fy",
        "/eval/a.txt/x//y",
        "/eval//a.txt",
        "//eval/a.txt",
        "/files%2Fteapot.txt",
        "/where//a///b",
        "/where/a%2fb",
    ):
        yield case("slashes", path, path, code=code)
    for path in ("/never/x.py", "/never/x", "/conditions/x?yes", "/conditions/x?no"):
        yield case("conditions of handlers", path, path, host="parts.test", code="r = 1")
    yield case(
        "conditions of handlers",
        "a host's settings",
        "/conditions/x?yes",
        host="parts.test",
        code="sorted(req.get_config().items())",
    )
    yield case(
        "conditions of handlers",
        "its server's settings",
        "/conditions/x?yes",
        host="parts.test",
        code="req.server.get_config()",
    )


def cases() -> Iterator[Case]:
    """One comparison for each."""
    yield from _connections()
    yield from _text()
    yield from _framing()
    yield from _documents()
    yield from _redirects()
    yield from _objects()
    yield from _below()
    yield from _places()
