"""The publisher through a whole server, in every kind of interpreter (manual 6.1; api 3.5 1.13)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.server import BACKENDS, Reply, Server, receive_until

CONF = """
<Directory "${WWW}">
    AddHandler mod_python .py
    PythonHandler mod_python.publisher
</Directory>
<Directory "${WWW}/old">
    PythonAutoReload Off
</Directory>
<Directory "${WWW}/digest">
    AuthType Digest
    AuthName "those who know"
    PythonAuthenHandler digest
    PythonPath "sys.path + ['${WWW}/lib']"
    Require valid-user
</Directory>
"""

#: Digest authentication (RFC 7616) by an application's own handler, with one nonce.
DIGEST = """
import hashlib
import hmac
import re
from mod_python import apache

REALM, NONCE = "those who know", "0123456789abcdef"
PASSWORDS = {"Zoe": "s e s a m e"}


def md5(*parts):
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def authenhandler(req):
    kind, _, rest = req.headers_in.get("Authorization", "").partition(" ")
    if kind == "Digest":
        told = {name: quoted or plain for name, quoted, plain in re.findall(r'(\\w+)=(?:"([^"]*)"|([^\\s,]+))', rest)}
        user = told["username"]
        first = md5(user, REALM, PASSWORDS.get(user, ""))
        second = md5(req.method, told["uri"])
        wanted = md5(first, NONCE, told["nc"], told["cnonce"], told["qop"], second)
        if user in PASSWORDS and hmac.compare_digest(wanted, told["response"]):
            req.user = user
            return apache.OK
    asked = 'Digest realm="%s", nonce="%s", qop="auth", algorithm=MD5' % (REALM, NONCE)
    req.err_headers_out["WWW-Authenticate"] = asked
    return apache.HTTP_UNAUTHORIZED
"""

GUARDED = """
__auth_realm__ = "page"


def open_to_all(req):
    return "open"


def function(req):
    def __auth__(req, user, password):
        return user == "eggs" and password == "sp\\xe4m"

    def __access__(req, user):
        return 1

    __auth_realm__ = "function"
    return "function"


def listed(req):
    __auth__ = {"eggs": "spam", "joe": "eoj"}.get and {"eggs": "spam"} or None
    return "never"


class Area:
    __auth_realm__ = "class"

    def __auth__(self, req, user, password):
        return password == "class"

    __access__ = ["eggs", "joe"]

    def page(self, req):
        return "page of the class"

    def inner(self, req):
        __auth_realm__ = "method"
        __access__ = ("joe",)
        return "inner page"

    def __call__(self, req):
        return "the class"


area = Area()
"""

FILES: dict[str, str | bytes] = {
    "index.py": "def index(req):\n    return 'home'\n\ndef about(req):\n    return 'about'\n",
    "form.py": (
        "def send(req, name, times='1', **rest):\n"
        "    return '%s|%s|%s' % (name, times, sorted(rest.items()))\n"
        "def upload(req, file):\n"
        "    return '%s %d %s' % (file.filename, len(file.file.read()), file.type)\n"
        "def strict(req, name):\n"
        "    return name\n"
        "def empty(req):\n"
        "    return ''\n"
        "def nothing(req):\n"
        "    pass\n"
        "text = 'plain \\u2603'\n"
        "class Tree:\n"
        "    leaf = 'leaf'\n"
        "    def branch(self, req, x):\n"
        "        return 'branch ' + x\n"
        "    _hidden = 'no'\n"
        "tree = Tree()\n"
        "import os\n"
    ),
    "pages.py": (
        "def html(req):\n    return '<html><b>\\u2603</b></html>\\n'\n"
        "def post(req):\n    from mod_python import apache\n    raise apache.SERVER_RETURN(405)\n"
        "def allowed(req):\n    return repr(req.allowed_methods)\n"
        "def own(req):\n    req.content_type = 'text/csv; charset=utf-8'\n    return 'a;\\xe9'\n"
        "def big(req):\n    return '\\xe9' * 100000\n"
        "def steps(req):\n"
        "    yield '<html>'\n"
        "    for number in range(3):\n"
        "        req.headers_in.get('x')\n"
        "        yield number\n"
        "    yield b'\\xe2\\x98\\x83'\n"
        "def endless(req):\n"
        "    try:\n"
        "        while True:\n"
        "            yield 'more'\n"
        "    finally:\n"
        "        req.log_error('the end of it')\n"
        "def waits(req):\n"
        "    import os\n"
        "    yield 'first'\n"
        "    with open(req.document_root() + '/go') as file:\n"
        "        file.read()\n"
        "    yield 'last'\n"
        "def breaks(req):\n    yield 'some'\n    raise ValueError('on purpose')\n"
    ),
    "guarded.py": GUARDED,
    "zoë.py": "def naïve(req):\n    return 'zoë'\n",
    "one/same.py": "def index(req):\n    return 'one'\n",
    "two/same.py": "def index(req):\n    return 'two'\n",
    "count.py": "import os\nhits = 0\ndef index(req):\n    global hits\n    hits += 1\n    return '%d' % hits\n",
    "old/page.py": "def index(req):\n    return 'old'\n",
    "lib/digest.py": DIGEST,
    "digest/page.py": "def index(req):\n    return 'hello, ' + req.user\n\ndef mine(req):\n    __access__ = ('Zoe',)\n"
    "    return 'for ' + req.user\n\ndef basic(req):\n    __auth__ = 1\n    return 'never'\n",
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    """The pages, in one kind of interpreter."""
    server = start_module_server(CONF, FILES, backend=request.param, mode="foreground")
    yield server
    server.close()


def facts(reply: Reply) -> tuple[int, str | None, str]:
    """Status, type and text."""
    return reply.status, reply.header("Content-Type"), reply.text


def test_the_way_to_an_object(server: Server) -> None:
    for path, text in {
        "/index.py": "home",
        "/index.py/about": "about",
        "/form.py/tree/leaf": "leaf",
        "/form.py/tree.leaf": "leaf",
        "/form.py/tree/branch?x=1": "branch 1",
    }.items():
        assert facts(server.get(path)) == (200, "text/plain", text), path
    for path, status in {
        "/form.py/none": 404,
        "/form.py/tree/none": 404,
        "/form.py/tree/_hidden": 403,
        "/form.py/__name__": 403,
        "/form.py/os": 403,
        "/form.py/os/environ": 403,
        "/form.py/Tree": 403,
        "/form.py/Tree/leaf": 403,
        "/form.py/send/__globals__": 403,
        "/form.py/text/upper": 403,
    }.items():
        assert server.get(path).status == status, path
    reply = server.request("PUT", "/form.py/text", "x")
    assert reply.status == 405
    assert {"GET", "HEAD", "POST"} <= set((reply.header("Allow") or "").replace(",", " ").split())


def test_a_page_that_refuses_the_method_tells_the_others(server: Server) -> None:
    for _ in range(2):
        reply = server.get("/pages.py/post")
        assert (reply.status, reply.header("Allow")) == (405, "GET,HEAD,POST,TRACE")
        assert server.get("/pages.py/allowed").text == "('GET', 'POST', 'HEAD')"


def test_arguments(server: Server) -> None:
    assert server.get("/form.py/send?name=Zo%C3%AB&b=2&a=&a=%E2%98%83").text == "Zoë|1|[('a', ['', '☃']), ('b', '2')]"
    post = {"Content-Type": "application/x-www-form-urlencoded"}
    assert server.request("POST", "/form.py/send?times=3", "name=a+b", post).text == "a b|3|[]"
    assert server.get("/form.py/strict?name=x&surplus=1").text == "x"
    assert server.get("/form.py/send").status == 500
    body = (
        '--x\r\nContent-Disposition: form-data; name="file"; filename="naïve.txt"\r\nContent-Type: text/x\r\n\r\n'
        "a\r\nb\r\n--x--\r\n"
    )
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    reply = server.request("POST", "/form.py/upload", body.encode(), multipart)
    assert reply.text == "naïve.txt 4 text/x"


def test_types_and_lengths(server: Server) -> None:
    assert facts(server.get("/form.py/text")) == (200, "text/plain", "plain ☃")
    assert facts(server.get("/pages.py/html")) == (200, "text/html", "<html><b>☃</b></html>\n")
    assert facts(server.get("/pages.py/own")) == (200, "text/csv; charset=utf-8", "a;é")
    big = server.get("/pages.py/big")
    assert big.text == "é" * 100000
    head = server.request("HEAD", "/pages.py/html")
    assert (head.status, head.header("Content-Type"), head.body) == (200, "text/html", b"")
    assert facts(server.get("/form.py/nothing"))[::2] == (200, "")


@pytest.mark.parametrize(
    "path", ["/form.py/text", "/pages.py/html", "/pages.py/own", "/pages.py/big", "/form.py/empty"]
)
def test_head_tells_the_length_of_what_get_sends(server: Server, path: str) -> None:
    with server.connection() as connection:
        connection.request("GET", path)
        size = len(connection.getresponse().read())
        connection.request("HEAD", path)
        reply = connection.getresponse()
        assert (reply.status, reply.getheader("Content-Length"), reply.read()) == (200, str(size), b"")


def test_head_of_what_has_no_end(server: Server) -> None:
    reply = server.request("HEAD", "/pages.py/endless")
    assert (reply.status, reply.header("Content-Type"), reply.body) == (200, "text/plain", b"")
    server.wait_for_log("the end of it")
    assert server.get("/pages.py/html").status == 200


def test_utf_8_in_names(server: Server) -> None:
    assert facts(server.get("/zo%C3%AB.py/na%C3%AFve")) == (200, "text/plain", "zoë")
    assert server.get("/zo%C3%AB.py/%FF").status == 404


def test_generators_are_streamed(server: Server) -> None:
    reply = server.get("/pages.py/steps")
    assert facts(reply) == (200, "text/html", "<html>012☃")
    assert reply.header("Transfer-Encoding") == "chunked"
    # a piece reaches the client before the next one is made
    gate = server.www / "go"
    gate.unlink(missing_ok=True)
    os.mkfifo(gate)
    with server.dial() as sock:
        sock.sendall(b"GET /pages.py/waits HTTP/1.0\r\n\r\n")
        seen = receive_until(sock, b"first")
        assert b"last" not in seen
        gate.write_bytes(b"x")  # opens when the generator does
        while part := sock.recv(1000):
            seen += part
    assert seen.endswith(b"firstlast")
    assert server.get("/pages.py/breaks").text.startswith("some")
    assert "ValueError: on purpose" in server.wait_for_log("ValueError: on purpose")


def challenge(reply: Reply) -> tuple[int, str | None]:
    """Status and challenge."""
    return reply.status, reply.header("WWW-Authenticate")


def test_guards(server: Server) -> None:
    assert server.get("/guarded.py/open_to_all").text == "open"
    path = "/guarded.py/function"
    assert challenge(server.get(path)) == (401, 'Basic realm="function"')
    assert challenge(server.get(path, auth=("eggs", "wrong"))) == (401, 'Basic realm = "function"')
    assert server.get(path, auth=("eggs", "späm")).text == "function"
    # of a class, for the object and its methods; a method's own come on top
    for path in ("/guarded.py/area", "/guarded.py/area/page", "/guarded.py/area/inner"):
        assert challenge(server.get(path)) == (401, 'Basic realm="class"')
        assert challenge(server.get(path, auth=("eggs", "spam"))) == (401, 'Basic realm = "class"')
        assert server.get(path, auth=("spam", "class")).status == 403
    assert server.get("/guarded.py/area/page", auth=("eggs", "class")).text == "page of the class"
    assert server.get("/guarded.py/area", auth=("joe", "class")).text == "the class"
    assert server.get("/guarded.py/area/inner", auth=("eggs", "class")).status == 403
    assert server.get("/guarded.py/area/inner", auth=("joe", "class")).text == "inner page"
    # one that can't be worked out closes the door
    assert server.get("/guarded.py/listed", auth=("eggs", "spam")).status == 500


def test_digest_authentication_beside_the_publisher(server: Server) -> None:
    def get(path: str, password: str) -> Reply:
        """As a browser does: ask, and answer the challenge."""
        asked = server.get(path)
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', asked.header("WWW-Authenticate") or ""))
        first = md5("Zoe", challenge["realm"], password)
        response = md5(first, challenge["nonce"], "00000001", "c0ffee", "auth", md5("GET", path))
        answer = (
            f'Digest username="Zoe", realm="{challenge["realm"]}", nonce="{challenge["nonce"]}", uri="{path}", '
            f'qop=auth, nc=00000001, cnonce="c0ffee", response="{response}"'
        )
        return server.get(path, {"Authorization": answer})

    assert server.get("/digest/page.py").status == 401
    assert get("/digest/page.py", "s e s a m e").text == "hello, Zoe"
    assert get("/digest/page.py/index?x=1", "s e s a m e").text == "hello, Zoe"
    assert get("/digest/page.py/mine", "s e s a m e").text == "for Zoe"
    assert get("/digest/page.py", "wrong").status == 401
    # __auth__ is about Basic credentials: others are none that it could understand
    assert get("/digest/page.py/basic", "s e s a m e").status == 400


def md5(*parts: str) -> str:
    """The hash that digest authentication has most (RFC 7616)."""
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def test_modules_are_kept_until_they_change(server: Server) -> None:
    assert (server.get("/one/same.py").text, server.get("/two/same.py").text) == ("one", "two")
    assert [server.get("/count.py").text for _ in range(3)] == ["1", "2", "3"]
    server.write("count.py", "def index(req):\n    return 'changed'\n")
    assert server.get("/count.py").text == "changed"
    server.write("count.py", "def index(req)\n    return 'broken'\n")
    assert server.get("/count.py").status == 500
    assert "SyntaxError" in server.wait_for_log("SyntaxError")
    server.write("count.py", "def index(req):\n    return 'mended, again'\n")
    assert server.get("/count.py").text == "mended, again"
    # without PythonAutoReload they stay
    assert server.get("/old/page.py").text == "old"
    server.write("old/page.py", "def index(req):\n    return 'new, not seen'\n")
    assert server.get("/old/page.py").text == "old"
    server.write("old/page.py", "def index(req):\n    return 'old'\n")
    server.write("count.py", FILES["count.py"])
