"""Who may come in: by address, by method, by name and password; the statuses are those that httpd 2.4 answered."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Server

#: The users' passwords are "secret", those of joe and bob "pw"; made by httpd's htpasswd.
USERS = """\
# a remark
bcr:$2y$05$9g09Vpgt.KBnsfc/iFhq5u5Ti1HzT9hB/Jfu360UYcwKK7psZJozy
apr:$apr1$xOD.NzVU$qcQayyZb1//OZNX9q2MoV1

sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
cry:rhJQSMhb9GC56
s256:$5$rf3m04C1qdMBk7b9$mzjx4GOn2xCzfQTKRxQ8Fd8UOKPMu9nIhtWhGpGG4C/
s512:$6$Ts9.FA8s/68g5kV/$nv9VnzqzUrbJpk/PSpSKQlkx0ngPhkIf87YvpcrzU92UMoPQpj6Sd9p67M6ppF.5xijsWXGFTjUZm47ls81nk0
joe:$apr1$i/UxM.bR$I6SxQE0o0CrhcIh69I0hZ/
bob:$apr1$Gzysh.6v$TLn6CEj0dQViBgAmPMBpy0
joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
plain:secret
empty:
sa:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
Åsa:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
voilà:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
"""

CONF = """
PythonPath "['${WWW}'] + sys.path"
SetEnvIf X-Good yes good
SetEnvIf X-Bad yes bad
<Location /compat>
    Order deny,allow
    Deny from all
    Allow from 10.1 env=good
</Location>
<Location /lim>
    <Limit POST PUT>
        Order allow,deny
        Allow from 10.0.0.0/8
    </Limit>
    <LimitExcept GET POST>
        Require all denied
    </LimitExcept>
</Location>
<Directory "${WWW}/deny">
    Order allow,deny
    Allow from all
    Deny from 127
</Directory>
<Directory "${WWW}/deny/in">
    Require all granted
</Directory>
<Directory "${WWW}/sat">
    AuthType Basic
    AuthName sat
    AuthUserFile "${WWW}/users"
    Order allow,deny
    Allow from env=good
    Require valid-user
    Satisfy Any
</Directory>
<Directory "${WWW}/basic">
    AuthType Basic
    AuthName "b q"
    AuthUserFile "${WWW}/users"
    Require user bcr apr sha cry s256 s512 plain empty
</Directory>
<Directory "${WWW}/basic/in">
    Require user joe
</Directory>
<Directory "${WWW}/merge">
    AuthType Basic
    AuthName m
    AuthUserFile "${WWW}/users"
    Require user joe
</Directory>
<Directory "${WWW}/merge/in">
    AuthMerging And
    Require all granted
</Directory>
<Directory "${WWW}/all">
    AuthType Basic
    AuthName a
    AuthUserFile "${WWW}/users"
    <RequireAll>
        <RequireAny>
            Require user joe
            Require env good
        </RequireAny>
        Require not env bad
        <RequireNone>
            Require method POST
            Require ip 10.0.0.0/8
        </RequireNone>
    </RequireAll>
</Directory>
<Directory "${WWW}/none">
    AuthType Basic
    AuthName a
    AuthUserFile "${WWW}/users"
    <RequireAll>
        Require all granted
        <RequireNone>
            Require user bob
        </RequireNone>
    </RequireAll>
</Directory>
<Directory "${WWW}/nofile">
    AuthType Basic
    AuthName a
    Require valid-user
</Directory>
<Directory "${WWW}/free">
    Deny from all
    Satisfy Any
</Directory>
<Directory "${WWW}/sub">
    AuthType Basic
    AuthName a
    AuthUserFile "${WWW}/users"
    Require expr %{REMOTE_USER} == 'joe' && %{REQUEST_METHOD} == 'GET'
    AuthzSendForbiddenOnFailure On
</Directory>
<Location /onlytype>
    AuthType Basic
    Require valid-user
</Location>
<Location /onlyname>
    AuthName x
    Require valid-user
</Location>
<Location /othertype>
    AuthType Kerberos
    AuthName x
    Require valid-user
</Location>
<Location /local>
    Require local
</Location>
<Location /host>
    Require host localhost .example.com
</Location>
<Location /otherhost>
    Require host host .example.com
</Location>
<Location /fdns>
    Require forward-dns localhost
</Location>
<Location /methods>
    Require method GET OPTIONS
</Location>
<Location /ordhost>
    Order allow,deny
    Allow from localhost
</Location>
<Location /mutual>
    Order mutual-failure
    Allow from all
    Deny from env=bad
</Location>
<Location /qlim>
    <Limit QUERY>
        Require all denied
    </Limit>
</Location>
<Location /limreq>
    AuthType Basic
    AuthName a
    AuthUserFile "${WWW}/users"
    <Limit GET>
        Require user joe
    </Limit>
    <Limit POST>
        Require user bob
    </Limit>
</Location>
<Location /nonauth>
    AuthType Basic
    AuthName a
    AuthBasicAuthoritative Off
    AuthUserFile "${WWW}/users"
    Require valid-user
</Location>
ErrorDocument 401 http://elsewhere.example/
<FilesMatch "^hidden">
    Require all denied
</FilesMatch>
<Location /open>
    Require all granted
</Location>
<Directory "${WWW}/page">
    AuthType Basic
    AuthName a
    AuthUserFile "${WWW}/users"
    Require valid-user
    ErrorDocument 401 /page/why
</Directory>
<Directory "${WWW}/onlylimit">
    AllowOverride Limit
</Directory>
<Location /both>
    AuthType Basic
    AuthName a
    AuthUserFile "${WWW}/users"
    <RequireAll>
        Require user joe bob
        <Limit POST>
            Require user bob
        </Limit>
    </RequireAll>
</Location>
<Directory "${WWW}/groups">
    AuthType Basic
    AuthName a
    AuthUserFile "${WWW}/users"
    AuthGroupFile "${WWW}/group-file"
    Require group staff
</Directory>
<Directory "${WWW}/nogroups">
    AuthType Basic
    AuthName a
    AuthUserFile "${WWW}/users"
    AuthGroupFile "${WWW}/not-there"
    Require group staff
</Directory>
<Directory "${WWW}/guests">
    AuthType Basic
    AuthName a
    AuthBasicProvider anon file
    AuthUserFile "${WWW}/users"
    Anonymous guest Anonymous
    Anonymous_VerifyEmail On
    Require valid-user
</Directory>
<Directory "${WWW}/anybody">
    AuthType Basic
    AuthName a
    AuthBasicProvider anon
    Anonymous *
    Anonymous_MustGiveEmail Off
    Anonymous_NoUserID On
    Require valid-user
</Directory>
<Directory "${WWW}/py">
    AuthType basic
    AuthName a
    AuthUserFile "${WWW}/users"
    AuthBasicFake %{REMOTE_USER}-at-work
    Require user bcr eve
    SetHandler mod_python
    PythonHandler app
    PythonAuthenHandler app
</Directory>
<Directory "${WWW}/access">
    SetHandler mod_python
    PythonAccessHandler app
    PythonHandler app
    AuthType Basic
    AuthName a
    AuthUserFile "${WWW}/users"
    Require valid-user
    Satisfy Any
</Directory>
<Directory "${WWW}/ht">
    AllowOverride Limit
</Directory>
<Directory "${WWW}/change">
    AuthType Basic
    AuthName a
    AuthUserFile "${WWW}/changing"
    Require valid-user
</Directory>
LogFormat "%u %s %U" users
CustomLog logs/users.log users
"""

APP = """
from mod_python import apache

def authenhandler(req):
    if req.headers_in.get("X-Eve"):
        req.user = "eve"
        return apache.OK
    return apache.DECLINED

def accesshandler(req):
    return apache.HTTP_FORBIDDEN if req.args == "no" else apache.OK

def handler(req):
    req.content_type = "text/plain"
    req.write(f"{req.user} {req.ap_auth_type} {req.get_basic_auth_pw() and req.user}")
    return apache.OK
"""

PLACES = (
    "compat", "lim", "deny", "deny/in", "sat", "basic", "basic/in", "merge", "merge/in", "all", "none", "nofile",
    "free", "sub", "local", "host", "otherhost", "fdns", "methods", "ordhost", "mutual", "qlim", "limreq", "nonauth",
    "ht", "change", "py", "access", "groups", "nogroups", "guests", "anybody", "page", "onlylimit", "both",
)  # fmt: skip
FILES = {
    "app.py": APP, "users": USERS, "changing": "joe:{SHA}1IPUMmdTOlYHkYNOZ9GiWvZlBO0=\n",
    **{f"{place}/x": f"the page in {place}" for place in PLACES},
    "group-file": "staff: joe bcr\n# remark: bob\nother: apr\nstaff: bob\n  staff: sha\tÅsa voilà\n",
    "open/hidden": "open", "hidden": "hidden", "page/why": "why", "onlylimit/.htaccess": "Require all granted\n",
    "ht/.htaccess": "<Limit PUT POST>\nDeny from all\n</Limit>\n",
}  # fmt: skip


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter, and one whose workers have threads."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


A, B_Q, GOOD, BAD = 'Basic realm="a"', 'Basic realm="b q"', "X-Good: yes", "X-Bad: yes"

#: Method, place, who asks (a user and password, or a header); the status, and the challenge.
CASES: tuple[tuple[str, str, str, int, str | None], ...] = (
    ("GET", "compat", "", 403, None),
    ("GET", "compat", GOOD, 200, None),
    ("GET", "lim", "", 200, None),
    ("HEAD", "lim", "", 200, None),
    ("POST", "lim", "", 403, None),
    ("OPTIONS", "lim", "", 403, None),
    ("PUT", "lim", "", 403, None),
    ("GET", "deny", "", 403, None),
    ("GET", "deny/in", "", 403, None),
    ("GET", "sat", "", 401, 'Basic realm="sat"'),
    ("GET", "sat", GOOD, 200, None),
    ("GET", "sat", "joe:pw", 200, None),
    ("GET", "sat", "joe:no", 401, 'Basic realm="sat"'),
    ("GET", "basic", "", 401, B_Q),
    *(("GET", "basic", f"{user}:secret", 200, None) for user in ("bcr", "apr", "sha", "cry", "s256", "s512")),
    *(("GET", "basic", f"{user}:Secret", 401, B_Q) for user in ("bcr", "apr", "sha", "cry", "s256", "s512")),
    ("GET", "basic", "bcr:secret", 200, None),
    ("GET", "basic", "bcr:secret\0x", 401, B_Q),
    ("GET", "basic", "plain:secret", 401, B_Q),
    ("GET", "basic", "empty:", 401, B_Q),
    ("GET", "basic", "joe:pw", 401, B_Q),
    ("GET", "basic", "nobody:pw", 401, B_Q),
    ("GET", "basic", "# a remark:", 401, B_Q),
    ("GET", "basic", "joe", 401, B_Q),
    ("GET", "basic", "Authorization: Digest x", 401, B_Q),
    ("GET", "basic", "Authorization: Basic", 401, B_Q),
    ("GET", "basic", "Authorization: Basic !!!", 401, B_Q),
    ("GET", "basic/in", "", 401, B_Q),
    ("GET", "basic/in", "joe:pw", 200, None),
    ("GET", "basic/in", "joe:secret", 401, B_Q),
    ("GET", "basic/in", "bcr:secret", 401, B_Q),
    ("GET", "merge", "", 401, 'Basic realm="m"'),
    ("GET", "merge", "joe:pw", 200, None),
    ("GET", "merge/in", "", 401, 'Basic realm="m"'),
    ("GET", "merge/in", "joe:pw", 200, None),
    ("GET", "merge/in", "bob:pw", 401, 'Basic realm="m"'),
    ("GET", "all", "", 401, A),
    ("GET", "all", "joe:pw", 200, None),
    ("GET", "all", "bob:pw", 401, A),
    ("GET", "all", GOOD, 200, None),
    ("GET", "all", f"{GOOD}|{BAD}", 403, None),
    ("GET", "all", f"joe:pw|{BAD}", 403, None),
    ("POST", "all", "joe:pw", 403, None),
    ("GET", "none", "", 200, None),
    ("GET", "none", "bob:pw", 200, None),
    ("GET", "nofile", "", 401, A),
    ("GET", "nofile", "joe:pw", 500, None),
    ("GET", "free", "", 200, None),
    ("GET", "sub", "", 401, A),
    ("GET", "sub", "joe:pw", 200, None),
    ("GET", "sub", "bob:pw", 401, A),
    ("POST", "sub", "joe:pw", 401, A),
    ("GET", "onlytype", "", 500, None),
    ("GET", "onlytype", "joe:pw", 500, None),
    ("GET", "onlyname", "", 500, None),
    ("GET", "othertype", "joe:pw", 500, None),
    ("GET", "local", "", 200, None),
    ("GET", "host", "", 200, None),
    ("GET", "otherhost", "", 403, None),
    ("GET", "fdns", "", 200, None),
    ("GET", "methods", "", 200, None),
    ("HEAD", "methods", "", 200, None),
    ("POST", "methods", "", 403, None),
    ("OPTIONS", "methods", "", 200, None),
    ("GET", "ordhost", "", 200, None),
    ("GET", "mutual", "", 200, None),
    ("GET", "mutual", BAD, 403, None),
    ("GET", "qlim", "", 200, None),
    ("QUERY", "qlim", "", 403, None),
    ("GET", "limreq", "", 401, A),
    ("GET", "limreq", "joe:pw", 200, None),
    ("HEAD", "limreq", "", 401, A),
    ("GET", "limreq", "bob:pw", 401, A),
    ("POST", "limreq", "", 401, A),
    ("POST", "limreq", "joe:pw", 401, A),
    ("PUT", "limreq", "", 405, None),
    ("GET", "nonauth", "", 401, A),
    ("GET", "nonauth", "nobody:x", 500, None),
    ("GET", "nonauth", "joe:x", 401, A),
    ("GET", "nonauth", "joe:pw", 200, None),
    ("GET", "ht", "", 200, None),
    ("POST", "ht", "", 403, None),
    ("GET", "onlylimit", "", 500, None),
    ("GET", "both", "", 401, A),
    ("GET", "both", "joe:pw", 200, None),
    ("POST", "both", "joe:pw", 401, A),
    ("POST", "both", "bob:pw", 200, None),
    ("GET", "groups", "", 401, A),
    ("GET", "groups", "joe:pw", 200, None),
    ("GET", "groups", "bob:pw", 200, None),
    ("GET", "groups", "sha:secret", 200, None),
    ("GET", "groups", "apr:secret", 401, A),
    # (in latin-1 some bytes of UTF-8 are blanks: those of Åsa have a blank before "sa")
    ("GET", "groups", "Åsa:secret", 200, None),
    ("GET", "groups", "voilà:secret", 200, None),
    ("GET", "groups", "sa:secret", 401, A),
    ("GET", "nogroups", "joe:pw", 401, A),
    ("GET", "guests", "joe:pw", 200, None),
    ("GET", "guests", "guest:a@b.c", 200, None),
    ("GET", "guests", "GUEST:a@b.c", 200, None),
    ("GET", "guests", "guest:a@b", 401, A),
    ("GET", "guests", "guest:", 401, A),
    ("GET", "guests", "other:a@b.c", 401, A),
    ("GET", "anybody", "", 401, A),
    ("GET", "anybody", "x:", 200, None),
    ("GET", "anybody", ":a", 200, None),
)


def ask(server: Server, method: str, path: str, who: str) -> tuple[int, str | None, bytes]:
    """What a request comes to that says who it is by some words."""
    auth, headers = None, {}
    for word in filter(None, who.split("|")):
        name, colon, value = word.partition(": ")
        if colon:
            headers[name] = value
        else:
            user, _, password = word.partition(":")
            auth = user, password
    reply = server.request(method, path, headers=headers, auth=auth)
    return reply.status, reply.header("WWW-Authenticate"), reply.body


def test_who_may(server: Server) -> None:
    found = [(method, place, who, *ask(server, method, f"/{place}/x", who)[:2]) for method, place, who, *_ in CASES]
    assert found == list(CASES)


@pytest.mark.parametrize(
    ("path", "who", "status", "text"),
    [
        ("/py/x", "", 401, ""),
        ("/py/x", "bcr:secret", 200, "bcr basic bcr-at-work"),
        ("/py/x", "joe:pw", 401, ""),
        ("/py/x", "X-Eve: 1", 200, "eve None eve-at-work"),
        ("/access/x", "", 200, "None None None"),
        ("/access/x?no", "", 401, ""),
        ("/access/x?no", "joe:pw", 200, "joe Basic joe"),
    ],
)
def test_with_handlers_of_an_application(server: Server, path: str, who: str, status: int, text: str) -> None:
    for _ in range(2):  # (the second time the password is known)
        found, _challenge, body = ask(server, "GET", path, who)
        assert found == status
        assert status != 200 or body.decode() == text


def test_a_file_of_users_is_read_anew_when_it_changes(server: Server) -> None:
    assert ask(server, "GET", "/change/x", "joe:pw")[0] == 401
    server.write("changing", USERS)
    assert [ask(server, "GET", "/change/x", f"joe:{word}")[0] for word in ("pw", "secret")] == [200, 401]
    server.write("changing", USERS.replace("joe:$apr1$i", "eve:$apr1$i"))
    assert [ask(server, "GET", "/change/x", f"joe:{word}")[0] for word in ("pw", "secret")] == [401, 200]
    server.write("changing", FILES["changing"])


def test_the_log_names_the_user_of_a_wrong_password(server: Server) -> None:
    ask(server, "GET", "/basic/x", "bcr:wrong")
    server.wait_for_log("bcr 401 /basic/x", "users.log")
    assert 'AH01617: user bcr: authentication failure for "/basic/x": Password Mismatch' in server.log()


def test_documents_of_errors_and_files_of_a_name(server: Server) -> None:
    assert [server.get(path).status for path in ("/hidden", "/open/hidden")] == [403, 200]
    # the document for who is refused lies behind the same door, and is shown; one elsewhere would hide the challenge
    assert ask(server, "GET", "/page/x", "") == (401, A, b"why")
    assert ask(server, "GET", "/basic/x", "")[:2] == (401, B_Q)
    assert "cannot use a full URL in a 401 ErrorDocument directive" in server.said()
