"""Digest authentication (mod_auth_digest, RFC 7616); httpd 2.4 gave the same answers to the same requests."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Reply, Server
from support.waiting import wait_for

REALM, COUNT, CLIENT = "the realm", "00000001", "abc"


def md5(text: str) -> str:
    """The hash of a text."""
    return hashlib.md5(text.encode()).hexdigest()


DIGESTS = f"joe:{REALM}:{md5(f'joe:{REALM}:pw')}\nbob:{REALM}:{md5(f'bob:{REALM}:pw')}\n"

CONF = """
PythonPath "['${WWW}'] + sys.path"
<Directory "${WWW}/in">
    AuthType Digest
    AuthName "the realm"
    AuthUserFile "${WWW}/digests"
    AuthDigestProvider file
    AuthDigestDomain /in/ http://x/
    AuthDigestQop auth
    AuthDigestAlgorithm MD5
    Require user joe
</Directory>
<Directory "${WWW}/short">
    AuthType digest
    AuthName "the realm"
    AuthUserFile "${WWW}/digests"
    AuthDigestNonceLifetime 1
    Require valid-user
</Directory>
<Directory "${WWW}/py">
    AuthType Digest
    AuthName "the realm"
    AuthUserFile "${WWW}/digests"
    Require valid-user
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/ht">
    AllowOverride AuthConfig
</Directory>
<Directory "${WWW}/nofile">
    AuthType Digest
    AuthName "the realm"
    Require valid-user
</Directory>
<Directory "${WWW}/dbm">
    AuthType Digest
    AuthName "the realm"
    AuthDBMUserFile "${WWW}/digests.db"
    AuthDigestProvider socache dbm
    Require valid-user
</Directory>
<Location /noname>
    AuthType Digest
    Require valid-user
</Location>
"""

APP = """
from mod_python import apache

def handler(req):
    req.write(f"{req.user} {req.ap_auth_type} {req.get_basic_auth_pw()}")
    return apache.OK
"""

HTACCESS = """
AuthType Digest
AuthName "the realm"
AuthUserFile "{}/digests"
Require valid-user
"""

FILES = {
    "app.py": APP, "digests": DIGESTS,
    **{f"{place}/x": "the page" for place in ("in", "short", "py", "ht", "nofile", "dbm")},
}  # fmt: skip


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter, and one whose workers have threads."""
    backend, mpm = request.param
    server = start_module_server(CONF, FILES, backend=backend, mpm=mpm, workers=2)
    server.write("ht/.htaccess", HTACCESS.format(server.www))
    return server


def nonce_of(reply: Reply) -> str:
    """The nonce of a challenge."""
    assert reply.status == 401
    found = re.search('nonce="([^"]*)"', reply.header("WWW-Authenticate") or "")
    assert found is not None
    return found[1]


def response(secret: str, method: str, uri: str, nonce: str, qop: str) -> str:
    """What the owner of a password answers, and the server about itself (``method`` is "")."""
    return md5(f"{secret}:{nonce}:{COUNT}:{CLIENT}:{qop}:{md5(f'{method}:{uri}')}")


def answer(
    nonce: str, uri: str, user: str = "joe", password: str = "pw", realm: str = REALM, qop: str = "auth",
    method: str = "GET", more: str = "",
) -> dict[str, str]:  # fmt: skip
    """The header that answers a challenge."""
    said = response(md5(f"{user}:{realm}:{password}"), method, uri, nonce, qop)
    return {
        "Authorization": f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
        f'response="{said}", qop={qop}, nc={COUNT}, cnonce="{CLIENT}"{more}'
    }


def test_the_challenge(server: Server) -> None:
    told = server.get("/in/x").header("WWW-Authenticate") or ""
    assert re.sub('nonce="[0-9a-f]+"', "N", told) == (
        'Digest realm="the realm", N, algorithm=MD5, domain="/in/ http://x/", qop="auth"'
    )


def test_what_clients_answer(server: Server) -> None:
    nonce = nonce_of(server.get("/in/x"))
    uri = "/in/x"
    found = {
        "right": server.get(uri, answer(nonce, uri)),
        "a query": server.get(f"{uri}?a=b", answer(nonce, f"{uri}?a=b")),
        "without the query": server.get(f"{uri}?a=b", answer(nonce, uri)),
        "encoded": server.get("/in/%78", answer(nonce, uri)),
        "another path": server.get(uri, answer(nonce, "/in/y")),
        "a URL": server.get(uri, answer(nonce, f"http://localhost{uri}")),
        "a wrong password": server.get(uri, answer(nonce, uri, password="no")),
        "not required": server.get(uri, answer(nonce, uri, user="bob")),
        "nobody": server.get(uri, answer(nonce, uri, user="nobody")),
        "another realm": server.get(uri, answer(nonce, uri, realm="other")),
        "another nonce": server.get(uri, answer("0" * len(nonce), uri)),
        "no nonce": server.get(uri, answer("x", uri)),
        "auth-int": server.get(uri, answer(nonce, uri, qop="auth-int")),
        "md5": server.get(uri, answer(nonce, uri, more=', algorithm="md5"')),
        "sha": server.get(uri, answer(nonce, uri, more=", algorithm=SHA-256")),
        "twice": server.get(uri, answer(nonce, uri, more=', username="bob"')),
        "garbage": server.get(uri, {"Authorization": 'Digest "foo'}),
        "no qop": server.get(uri, {"Authorization": answer(nonce, uri)["Authorization"].replace("qop=auth,", "")}),
        "basic": server.request("GET", uri, auth=("joe", "pw")),
        "head": server.request("HEAD", uri, headers=answer(nonce, uri, method="HEAD")),
    }
    assert {name: reply.status for name, reply in found.items()} == {
        "right": 200, "a query": 200, "without the query": 400, "encoded": 200, "another path": 400, "a URL": 400,
        "a wrong password": 401, "not required": 401, "nobody": 401, "another realm": 401, "another nonce": 401,
        "no nonce": 401, "auth-int": 401, "md5": 200, "sha": 401, "twice": 401, "garbage": 401, "no qop": 401,
        "basic": 401, "head": 200,
    }  # fmt: skip
    proof = response(md5(f"joe:{REALM}:pw"), "", uri, nonce, "auth")
    assert found["right"].header("Authentication-Info") == (
        f'rspauth="{proof}", cnonce="{CLIENT}", nc={COUNT}, qop=auth'
    )
    assert all("stale" not in (reply.header("WWW-Authenticate") or "") for reply in found.values())


def test_an_old_nonce_is_stale(server: Server) -> None:
    nonce = nonce_of(server.get("/short/x"))
    wait_for(lambda: server.get("/short/x", answer(nonce, "/short/x")).status == 401, "the end of a nonce")
    refused = server.get("/short/x", answer(nonce, "/short/x"))
    assert "stale=true" in (refused.header("WWW-Authenticate") or "")
    assert "stale" not in (
        server.get("/short/x", answer(nonce, "/short/x", password="no")).header("WWW-Authenticate") or ""
    )


def test_an_application_knows_the_user(server: Server) -> None:
    nonce = nonce_of(server.get("/py/x"))
    reply = server.get("/py/x", answer(nonce, "/py/x", user="bob"))
    assert (reply.status, reply.text) == (200, "bob Digest None")


def test_all_processes_know_each_others_nonces(server: Server) -> None:
    for path in ("/in/x", "/ht/x"):
        nonces = [nonce_of(server.get(path)) for _ in range(4)]
        assert [server.get(path, answer(nonce, path)).status for nonce in nonces] == [200] * 4


def test_hashes_in_a_database(server: Server) -> None:
    made = server.www / "digests.db"
    with closing(sqlite3.connect(made)) as file, file:
        file.execute("CREATE TABLE Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)")
        file.execute("INSERT INTO Dict VALUES (?, ?)", (f"joe:{REALM}".encode(), md5(f"joe:{REALM}:pw").encode()))
    nonce = nonce_of(server.get("/dbm/x"))
    found = [
        server.get("/dbm/x", answer(nonce, "/dbm/x", user=user, password=password)).status
        for user, password in (("joe", "pw"), ("joe", "x"), ("bob", "pw"))
    ]
    made.unlink()
    assert found == [200, 401, 401]


def test_what_is_missing(server: Server) -> None:
    assert server.get("/noname").status == 500
    nonce = nonce_of(server.get("/nofile/x"))
    assert server.get("/nofile/x", answer(nonce, "/nofile/x")).status == 500
