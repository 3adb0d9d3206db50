"""What clients write comes into headers, file names and other servers' URLs as data, and is nothing else there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartServer
from support.backend import Asked, Backend, Talk, backend
from support.server import Server

REALM = "\u0141\u00f3d\u017a"

CONF = """
RewriteEngine On
RewriteRule ^/p/(.*)$ http://127.0.0.1:${BEHIND}/q/$1 [P]
RewriteRule ^/pb/(.*)$ http://127.0.0.1:${BEHIND}/q/$1 [P,B]
RewriteRule ^/pq/(.*)$ http://127.0.0.1:${BEHIND}/q?x=$1 [P]
RewriteRule ^/pc/(.*)$ http://127.0.0.1:${BEHIND}/q?x=$1 [P,BCTLS]
RewriteRule ^/guarded/(.*)$ http://127.0.0.1:${BEHIND}/guarded/$1 [P]
<Proxy http://127.0.0.1:${BEHIND}/guarded/>
    Require all denied
</Proxy>
<ProxyMatch "/guarded/open$">
    Require all granted
</ProxyMatch>
RewriteCond %{QUERY_STRING} f=(.*)
RewriteRule ^/get$ /no-such-folder/%1 [L]
RewriteCond %{QUERY_STRING} f=(.*)
RewriteRule ^/out$ ${ROOT}/%1 [L]
RewriteCond %{QUERY_STRING} f=(.*)
RewriteRule ^/in$ ${WWW}/%1 [L]
RewriteRule ^/type/(.*)$ /page.txt [T=$1]
RewriteRule ^/only-type/(.*)$ - [T=$1]
RewriteRule ^/cookie/(.*)$ /page.txt [CO=n:$1:.example.com]
RewriteRule ^/c/(.*)$ /x/?a=$1 [R,NE,BCTLS]
RewriteRule ^/cp/(.*)$ /x/?a=$1 [R,NE,BCTLS,BNP]
RewriteRule ^/cb/(.*)$ /x/?a=$1 [R,NE,BCTLS,B=b&]
RewriteRule ^/gone$ - [G]
ProxyPass /field http://127.0.0.1:${BEHIND}/field
ProxyPass /back http://127.0.0.1:${BEHIND}/moved
ProxyPassReverse /\u0142/ http://behind/
ProxyPassReverseCookiePath / /\u0142
ErrorDocument 410 http://h/\u0142
RedirectMatch ^/match/(.*)$ http://h/$1?a=$1
Redirect /plain http://h/\u0142
UserDir http://h/\u0142/*
<Location /basic>
    AuthType Basic
    AuthName "\u0141\u00f3d\u017a"
    AuthUserFile ${WWW}/users
    Require valid-user
</Location>
<Location /digest>
    AuthType Digest
    AuthName "\u0141\u00f3d\u017a"
    AuthUserFile ${WWW}/digests
    AuthDigestDomain /\u0142
    Require valid-user
</Location>
RequestHeader set X-Table made early
<Directory "${WWW}/dir">
    DirectoryIndex index.\u0142
    DirectoryIndexRedirect on
</Directory>
"""


def md5(text: str) -> str:
    """The hash of a text."""
    return hashlib.md5(text.encode()).hexdigest()


USER = "J\u00f3zek \u0142"
FILES = {
    "page.txt": "the page", "dir/index.\u0142": "index", "users": "", "basic/x": "x", "digest/x": "x",
    "digests": f"{USER}:{REALM}:{md5(f'{USER}:{REALM}:pw')}\n",
}  # fmt: skip


def line_of(asked: Asked, _talk: Talk) -> bytes:
    """Answers with the request line, a field, or a redirect."""
    if asked.path == "/moved":
        head = b"HTTP/1.1 302 Found\r\nLocation: http://behind/x\r\nSet-Cookie: a=b; path=/\r\n"
        return head + b"Content-Length: 0\r\n\r\n"
    line = (asked.line if asked.path != "/field" else asked.field("X-Odd") or "").encode("latin-1")
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(line), line)


@pytest.fixture(scope="module")
def behind() -> Iterator[Backend]:
    """A server behind."""
    with backend(line_of) as made:
        yield made


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(request: pytest.FixtureRequest, start_module_server: StartServer, behind: Backend) -> Server:
    """One for each MPM."""
    return start_module_server(CONF, FILES, mpm=request.param, variables={"BEHIND": str(behind.port)})


def asked(server: Server, target: str, fields: str = "") -> tuple[int, list[str], str]:
    """The status, the lines of the head, and the body, all as latin-1."""
    told = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n"
    head, _, body = server.raw(told.encode()).decode("latin-1").partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    assert first, server.log()
    return int(first.split(" ")[1]), lines, body


def location(server: Server, target: str) -> str:
    """Where a redirect leads."""
    status, lines, _ = asked(server, target)
    assert status in (301, 302), (status, lines)
    return next(line.partition(": ")[2] for line in lines if line.startswith("Location: "))


@pytest.mark.parametrize(
    ("target", "behind_it"),
    [
        ("/p/a?b=1", "/q/a?b=1"),
        ("/p/a%20b", "/q/a%20b"),
        ("/p/%0d%0aX:y", "/q/%0D%0AX:y"),
        ("/p/%252e%252e/x%23y", "/q/%252e%252e/x%23y"),
        ("/p/%c5%82%C3%A9", "/q/%C5%82%C3%A9"),
        ("/p/x%253Fy", "/q/x%253Fy"),
        ("/pb/a%20b%2526", "/q/a+b%252526"),
        ("/pq/a%C5%82", "/q?x=a\u00c5\u0082"),
        ("/pc/a%20b%0d%0ac", "/q?x=a+b%0d%0ac"),
    ],
)
def test_what_rules_pass_on_is_one_url(server: Server, target: str, behind_it: str) -> None:
    # (httpd 2.4 asked the server behind for the same)
    status, _, body = asked(server, target)
    assert (status, body) == (200, f"GET {behind_it} HTTP/1.1")


def test_no_query_splits_a_request_to_another_server(server: Server, behind: Backend) -> None:
    before = len(behind.asked)
    for target in ("/pq/a%20HTTP/1.1%0d%0aX:y", "/pq/a%0a", "/pq/a%09HTTP/1.0", "/pq/a%01", "/pq/a%7f"):
        assert asked(server, target)[0] == 403
    assert len(behind.asked) == before


def test_sections_of_other_servers_hold_for_rules(server: Server, behind: Backend) -> None:
    before = len(behind.asked)
    assert asked(server, "/guarded/x")[0] == 403
    assert len(behind.asked) == before
    assert asked(server, "/guarded/open")[::2] == (200, "GET /guarded/open HTTP/1.1")


def test_dots_from_a_query_lead_nowhere(server: Server) -> None:
    (server.root / "secret").write_text("secret")
    outside = server.root / "secret"
    for target in (f"/get?f=..{outside}", f"/get?f=../../..{outside}", "/get?f=../etc/passwd"):
        assert asked(server, target)[0] == 404, target
    depth = len(Path(server.root).parts) - 1
    assert asked(server, f"/out?f={'../' * depth}etc/passwd")[0] == 404
    assert asked(server, "/in?f=dir/../page.txt")[::2] == (200, "the page")


@pytest.mark.parametrize("rule", ["type", "only-type"])
def test_no_type_splits_a_head(server: Server, rule: str) -> None:
    status, lines, _ = asked(server, f"/{rule}/text/x%0d%0aX-Evil:%20yes%0d%0a%0d%0abody")
    assert status == 500  # (as in httpd)
    assert not [line for line in lines if "evil" in line.lower()]
    assert "Content-Type: text/\u00c5\u0082" in asked(server, "/type/text/%C5%82")[1]


def test_cookies_have_the_bytes_that_came(server: Server) -> None:
    status, lines, _ = asked(server, "/cookie/a%C5%82%0d%0ab%C3%A9")
    assert status == 200
    assert "Set-Cookie: n=a\u00c5\u0082b\u00c3\u00a9; path=/; domain=.example.com" in lines


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/c/a%20b%0d%0ac%26%25%C5%82", "http://localhost/x/?a=a+b%0d%0ac&%%C5%82"),
        ("/cp/a%20b%0d%0ac%26%25", "http://localhost/x/?a=a%20b%0d%0ac&%"),
        ("/cb/ab%20c%26%0d", "http://localhost/x/?a=ab+c%26%0d"),
        ("/match/a%0d%0ab%C5%82", "http://h/a%0D%0Ab%C5%82?a=a%0D%0Ab%C5%82"),
        ("/plain/x", "http://h/%C5%82/x"),
        ("/~joe/x", "http://h/%C5%82/joe/x"),
        ("/gone", "http://h/%C5%82"),
        ("/dir/", "http://localhost/dir/index.%C5%82"),
    ],
)
def test_places_are_ascii(server: Server, target: str, place: str) -> None:
    assert location(server, target) == place


def test_realms_and_users_are_utf_8(server: Server) -> None:
    realm = REALM.encode().decode("latin-1")
    status, lines, _ = asked(server, "/basic/x", "Authorization: Basic \u0142\r\n")
    assert (status, f'WWW-Authenticate: Basic realm="{realm}"' in lines) == (401, True)
    status, lines, _ = asked(server, "/digest/x")
    found = re.search('Digest realm="([^"]*)", nonce="([^"]*)"', "\n".join(lines))
    assert (status, found is not None and found[1]) == (401, realm)
    assert found is not None
    for password, expected in (("pw", 200), ("wrong", 401)):
        proof = md5(f"{md5(f'{USER}:{REALM}:{password}')}:{found[2]}:00000001:c:auth:{md5('GET:/digest/x')}")
        fields = (
            f'Authorization: Digest username="{USER}", realm="{REALM}", nonce="{found[2]}", uri="/digest/x", '
            f'qop=auth, nc=00000001, cnonce="c", response="{proof}"\r\n'
        )
        assert asked(server, "/digest/x", fields)[0] == expected


def test_fields_go_on_as_they_came(server: Server) -> None:
    for odd in (b"\xe9 \xff", "\u0142".encode()):
        told = b"GET /field HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Odd: %b\r\n\r\n" % odd
        assert server.raw(told).endswith(b"\r\n\r\n" + odd)


def test_what_hides_the_server_behind_may_be_text(server: Server) -> None:
    status, lines, _ = asked(server, "/back")
    assert status == 302
    assert "Location: http://localhost/%C5%82/x" in lines
    assert "Set-Cookie: a=b; path=/\u00c5\u0082" in lines
