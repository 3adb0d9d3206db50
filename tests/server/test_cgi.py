"""Real CGI: scripts as programs of their own, in every kind of interpreter (RFC 3875; httpd's mod_cgi)."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import threading
from pathlib import Path

import psutil
import pytest

from conftest import StartServer
from support.checking import untold
from support.processes import descendants, describe, has_ended
from support.server import BACKENDS, Reply, Server, receive_all, receive_until
from support.waiting import wait_for

FACTS = f"""#!{sys.executable} -S
import json, os, sys
print("Content-Type: application/json\\n")
fds = sorted(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name))
print(json.dumps({{
    "env": dict(os.environ), "cwd": os.getcwd(), "args": sys.argv[1:], "fds": fds,
    "leads": os.getpid() == os.getpgrp() == os.getsid(0), "stdin": sys.stdin.read(),
}}))
"""

SCRIPTS = {
    "facts": FACTS,
    "echo": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; exec cat\n",
    "status": "#!/bin/sh\nprintf 'Status: 404 Not Here\\r\\nSet-Cookie: a=1\\r\\nSet-Cookie: b=2\\r\\n'\n"
    "printf 'X-A: 1\\r\\nX-A: 2\\r\\nContent-Type: text/plain\\r\\n\\r\\nsorry'\n",
    "bare": "#!/bin/sh\nprintf 'Status: 299\\n\\nbare'\n",
    "bytes": "#!/bin/sh\nprintf 'X-Name: Zażółć ąę\\r\\nX-End: voilà \\nX-Note: a\\013b\\n\\nbody'\n",
    "away": "#!/bin/sh\nprintf 'Location: http://example.com/there\\nSet-Cookie: c=1\\n\\nbody'\n",
    "away307": "#!/bin/sh\nprintf 'Status: 307 Temp\\nLocation: http://example.com/\\n\\nbody'\n",
    "inside": "#!/bin/sh\nprintf 'Location: /cgi-bin/facts/p/i?x=1\\nX-B: 2\\n\\n'\n",
    "round": "#!/bin/sh\nprintf 'Location: /cgi-bin/round\\n\\n'\n",
    "nothing": "#!/bin/sh\n",
    "unfinished": "#!/bin/sh\necho Content-Type: text/plain\n",
    "garbage": "#!/bin/sh\nprintf 'this is no header at all, or is it?\\n\\nbody'\n",
    "split": "#!/bin/sh\nprintf 'X-A: a\\001b\\000c\\n\\nbody'\n",
    "endless": "#!/bin/sh\nexec yes X-Header: and no end\n",
    "says": "#!/bin/sh\necho one >&2\nprintf 'Content-Type: text/plain\\n\\nok'\nprintf 'two\\ttab\\nunended' >&2\n",
    "badstatus": "#!/bin/sh\nprintf 'Status: abc\\nContent-Type: text/plain\\n\\nx'\n",
    "cond": "#!/bin/sh\nprintf 'Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\\nETag: \"abc\"\\n\\ncond'\n",
    "length": "#!/bin/sh\nprintf 'Content-Length: 3\\nTransfer-Encoding: chunked\\nServer: me\\n\\nabcdef'\n",
    "nph-raw": "#!/bin/sh\nprintf 'HTTP/1.1 299 Mine\\r\\nX-N: 1\\r\\n\\r\\nraw body'\n",
    "utf8": "#!/bin/sh\nprintf 'Status: 299 voil\\303\\240!\\nX-A:\\t\\303\\205sa \\321\\205 voil\\303\\240 \\r\\n'\n"
    "printf 'Location: http://example.com/\\303\\205\\303\\240\\nSet-Cookie: a=\\302\\205\\n\\nbody'\n",
    "gone": "#!/bin/sh\nprintf 'Status: 204 No Content\\n\\n'\n",
    "badint": "#!/nonexistent/interpreter\n",
    "noshebang": "no program\n",
    # It, and what it started, tell their numbers; then they fall silent.
    "silent": "#!/bin/sh\nsleep 60 &\necho $$ $! >>../pids\ncat\nsleep 60\n",
    "begins": "#!/bin/sh\nsleep 60 &\necho $$ $! >>../pids\nprintf 'Content-Type: text/plain\\n\\nfirst'\nsleep 60\n",
    "stubborn": "#!/bin/sh\ntrap '' TERM\necho $$ >>../pids\nprintf '\\n\\nfirst'\nexec >&- 2>&-\nsleep 60 & wait\n",
    "leaves": "#!/bin/sh\nsleep 60 >/dev/null 2>&1 &\necho $! >>../pids\nprintf 'Content-Type: text/plain\\n\\nok'\n",
    "waits": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nfirst\\n'\ncat ../go\n",
}

CONF = """
Timeout 20
ScriptAlias /cgi-bin/ "${ROOT}/cgi/"
ScriptAlias /pass/ "${ROOT}/cgi/"
Alias /hidden "${ROOT}/cgi"
ScriptAlias /quick/ "${ROOT}/cgi/"
ScriptAlias /daemon/ "${ROOT}/cgi/"
<Location /cgi-bin>
    RequestBodyStreaming On
</Location>
<Location /pass>
    CGIPassAuth On
</Location>
<Location /quick>
    CGIScriptTimeout 1s
</Location>
<Location /daemon>
    CGIDScriptTimeout 1s
</Location>
<Directory "${WWW}/ex">
    Options +ExecCGI
    AddHandler cgi-script .cgi
    DirectoryIndex index.cgi
</Directory>
<Directory "${WWW}/no">
    AddHandler cgi-script .cgi
    AllowOverride Options=ExecCGI,Includes
</Directory>
<Directory "${WWW}/nolinks">
    Options -FollowSymLinks
</Directory>
<Directory "${WWW}/owned">
    Options SymLinksIfOwnerMatch
</Directory>
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
</Directory>
ErrorDocument 410 /cgi-bin/facts
"""

FILES: dict[str, str | bytes] = {
    "app/app.py": "import os\ndef handler(req):\n    if req.uri == '/app/gone': return 410\n"
    "    req.write('python %d' % os.getpid(), 0)\n    return 0\n",
    "ex/index.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nindex'\n",
    "no/.htaccess": "",
    "no/a.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nran'\n",
    "no/sub/.htaccess": "Options +ExecCGI\n",
    "no/sub/b.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nran'\n",
    "no/worse/.htaccess": "Options +FollowSymLinks\n",
    "nolinks/file.txt": "file",
    "owned/file.txt": "file",
}


def lay_out(server: Server) -> Server:
    """Write the scripts of a server."""
    folder = server.root / "cgi"
    folder.mkdir(exist_ok=True)
    for name, text in SCRIPTS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "notexecutable").write_text(SCRIPTS["echo"])
    (folder / "dir").mkdir(exist_ok=True)
    return server


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The scripts, run from one kind of interpreter."""
    return lay_out(start_module_server(CONF, FILES, backend=str(request.param), mode="foreground"))


@pytest.fixture(autouse=True)
def _nothing_told(request: pytest.FixtureRequest) -> None:
    if "server" in request.fixturenames:
        (request.getfixturevalue("server").root / "pids").unlink(missing_ok=True)


def ask(server: Server, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
    """A request on a connection that a Python handler has served first: the interpreter of that one runs the script."""
    with server.connection() as connection:
        connection.request("GET", "/app/")
        assert connection.getresponse().read().startswith(b"python ")
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Reply(response.status, response.reason, response.getheaders(), response.read())


def pids(server: Server, count: int) -> list[int]:
    """The processes that a script told of."""
    path = server.root / "pids"
    found: list[int] = []

    def told() -> bool:
        found[:] = map(int, path.read_text().split()) if path.exists() else []
        return len(found) >= count

    wait_for(told, f"{count} pids of a script")
    path.unlink()
    return found


def are_gone(numbers: list[int]) -> None:
    """Wait until processes have ended, and nobody's zombie is left of them."""
    wait_for(lambda: all(map(has_ended, numbers)), f"the end of {numbers}")


def test_environment(server: Server) -> None:
    reply = ask(
        server, "/cgi-bin/facts/a/b%20c/Zo%C3%AB?q=%C3%AB", "POST", b"Zo\xc3\xab",
        X_Name="Zo\xc3\xab", Proxy="evil", Authorization="Basic abc", Content_Type="text/x",
    )  # fmt: skip
    found = json.loads(reply.body)
    script = str(server.root / "cgi" / "facts")
    expected = {
        "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/cgi-bin/facts", "SCRIPT_FILENAME": script, "PATH_INFO": "/a/b c/Zoë",
        "PATH_TRANSLATED": f"{server.www}/a/b c/Zoë", "QUERY_STRING": "q=%C3%AB",
        "REQUEST_URI": "/cgi-bin/facts/a/b%20c/Zo%C3%AB?q=%C3%AB", "CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "4",
        "HTTP_X_NAME": "Zoë", "REMOTE_ADDR": "127.0.0.1", "SERVER_PORT": str(server.port),
        "DOCUMENT_ROOT": str(server.www), "CONTEXT_PREFIX": "/cgi-bin/",
        "CONTEXT_DOCUMENT_ROOT": f"{server.root}/cgi/", "PATH": os.environ["PATH"],
    }  # fmt: skip
    assert {name: found["env"].get(name) for name in expected} == expected
    left = {"HTTP_PROXY", "HTTP_AUTHORIZATION", "HOME", "PYTEST_CURRENT_TEST", "REDIRECT_STATUS"} & set(found["env"])
    assert not left, "the client's secrets, and the server's own surroundings, are not for scripts"
    assert (found["cwd"], found["args"], found["stdin"]) == (os.path.dirname(script), [], "Zoë")


def test_the_program_has_a_session_and_no_descriptors_of_ours(server: Server) -> None:
    found = json.loads(ask(server, "/cgi-bin/facts").body)
    assert (found["leads"], found["fds"][:3], len(found["fds"]), found["stdin"]) == (True, [0, 1, 2], 3, "")


def test_a_query_without_an_equals_sign_gives_arguments(server: Server) -> None:
    assert json.loads(ask(server, "/cgi-bin/facts?one+two%21+%3B").body)["args"] == ["one", "two!", ";"]
    assert json.loads(ask(server, "/cgi-bin/facts?one=two+three").body)["args"] == []


def test_authorization_goes_along_where_cgipassauth_says_so(server: Server) -> None:
    found = json.loads(ask(server, "/pass/facts", Authorization="Basic abc").body)
    assert found["env"]["HTTP_AUTHORIZATION"] == "Basic abc"


@pytest.mark.parametrize(
    ("path", "status", "reason", "body"),
    [
        ("status", 404, "Not Here", "sorry"),
        ("bare", 299, "", "bare"),
        ("away307", 307, "Temp", "body"),
        ("badstatus", 500, "Internal Server Error", "x"),
        ("cond", 200, "OK", "cond"),
        ("length", 200, "OK", "abcdef"),
        ("gone", 204, "No Content", ""),
        ("says", 200, "OK", "ok"),
    ],
)
def test_responses(server: Server, path: str, status: int, reason: str, body: str) -> None:
    reply = ask(server, f"/cgi-bin/{path}")
    assert (reply.status, reply.reason, reply.text) == (status, reason, body)


def test_headers(server: Server) -> None:
    reply = ask(server, "/cgi-bin/status")
    assert [value for name, value in reply.headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert reply.header("X-A") == "1, 2"
    assert (ask(server, "/cgi-bin/length").header("Server") or "").startswith("mpserver")
    unmodified = ask(server, "/cgi-bin/cond", If_None_Match='"abc"')
    assert (unmodified.status, unmodified.body) == (304, b"")
    head = ask(server, "/cgi-bin/status", "HEAD")
    assert (head.status, head.body, head.header("X-A")) == (404, b"", "1, 2")


def test_headers_are_bytes(server: Server) -> None:
    """Not all of what text has its lines end with, and takes for blanks, means that in a header."""
    reply = ask(server, "/cgi-bin/bytes")
    assert (reply.status, reply.text) == (200, "body")
    told = {name: value.encode("latin-1").decode() for name, value in reply.headers if name.startswith("X-")}
    assert told == {"X-Name": "Zażółć ąę", "X-End": "voilà", "X-Note": "a\x0bb"}


def test_headers_in_utf8(server: Server) -> None:
    """In latin-1 some bytes of UTF-8 are line ends and blanks (U+0085, U+00A0)."""
    reply = ask(server, "/cgi-bin/utf8")
    assert (reply.status, reply.reason.encode("latin-1").decode(), reply.text) == (299, "voilà!", "body")
    told = {name: value.encode("latin-1").decode() for name, value in reply.headers}
    assert (told["X-A"], told["Location"]) == ("Åsa \u0445 voilà", "http://example.com/Åà")
    assert told["Set-Cookie"] == "a=\x85"


def test_redirects(server: Server) -> None:
    reply = ask(server, "/cgi-bin/away")
    assert (reply.status, reply.header("Location")) == (302, "http://example.com/there")
    assert reply.header("Set-Cookie") == "c=1"
    assert "body" not in re.sub("</?body>|<style>.*?</style>", "", reply.text, flags=re.DOTALL)
    reply = ask(server, "/cgi-bin/inside", "POST", b"hello")
    env = json.loads(reply.body)["env"]
    assert reply.header("X-B") == "2"
    expected = {
        "REQUEST_METHOD": "GET", "QUERY_STRING": "x=1", "PATH_INFO": "/p/i", "REDIRECT_URL": "/cgi-bin/inside",
        "REDIRECT_STATUS": "200", "REDIRECT_REQUEST_METHOD": "POST", "REQUEST_URI": "/cgi-bin/inside",
        "REDIRECT_CONTENT_LENGTH": "5",
    }  # fmt: skip
    assert {name: env.get(name) for name in expected} == expected
    assert "CONTENT_LENGTH" not in env
    assert ask(server, "/cgi-bin/round").status == 500
    server.wait_for_log("AH00124: request exceeded the limit of 10 internal redirects")


def test_an_error_document_may_be_a_script(server: Server) -> None:
    reply = ask(server, "/app/gone", "POST", b"body")
    env = json.loads(reply.body)["env"]
    assert reply.status == 410
    expected = {
        "REQUEST_METHOD": "GET", "REDIRECT_STATUS": "410", "REDIRECT_URL": "/app/gone", "REQUEST_URI": "/app/gone",
        "REDIRECT_REQUEST_METHOD": "POST",
    }  # fmt: skip
    assert {name: env.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("cgi-bin/nothing", 500, "End of script output before headers: nothing"),
        ("cgi-bin/unfinished", 500, "Premature end of script headers: unfinished"),
        (
            "cgi-bin/garbage",
            500,
            "malformed header from script 'garbage': Bad header: this is no header at all, or i",
        ),
        ("cgi-bin/split", 500, "malformed header from script 'split'"),
        ("cgi-bin/badint", 500, "exec of '{cgi}/badint' failed"),
        ("cgi-bin/noshebang", 500, "(8)Exec format error: exec of '{cgi}/noshebang' failed"),
        ("cgi-bin/notexecutable", 500, "(13)Permission denied: exec of '{cgi}/notexecutable' failed"),
        ("cgi-bin/missing", 404, "AH02811: stderr from {cgi}/missing: script not found or unable to stat"),
        ("cgi-bin/dir/", 403, "AH02812: stderr from {cgi}/dir/: attempt to invoke directory as script"),
        ("no/a.cgi", 403, "AH02809: stderr from {www}/no/a.cgi: Options ExecCGI is off in this directory"),
        ("cgi-bin/badstatus", 500, "Invalid status line from script 'badstatus': abc"),
        ("cgi-bin/says", 200, "AH01215: stderr from {cgi}/says: two\\ttab"),
        ("cgi-bin/says", 200, "AH01215: stderr from {cgi}/says: unended"),
        ("quick/silent", 504, "Script timed out before returning headers: silent"),
        ("daemon/silent", 504, "Script timed out before returning headers: silent"),
    ],
)
def test_faults(server: Server, path: str, status: int, said: str) -> None:
    assert server.get(f"/{path}").status == status
    server.wait_for_log(said.format(cgi=server.root / "cgi", www=server.www))


def test_headers_without_end_are_refused_in_bounded_memory(server: Server) -> None:
    with server.dial() as sock:
        sock.sendall(b"GET /quick/endless HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_log("malformed header from script 'endless': Bad header: headers without an end")


def test_nph_scripts_write_their_response_themselves(server: Server) -> None:
    assert server.raw(b"GET /cgi-bin/nph-raw HTTP/1.1\r\nHost: x\r\n\r\n") == (
        b"HTTP/1.1 299 Mine\r\nX-N: 1\r\n\r\nraw body"
    )


def test_files_with_the_handler_run_where_the_options_allow_it(server: Server) -> None:
    assert ask(server, "/ex/").text == "index"
    assert ask(server, "/no/sub/b.cgi").text == "ran"
    assert server.get("/no/worse/").status == 500
    server.wait_for_log("Option FollowSymLinks not allowed here")
    assert "exec cat" in server.get("/hidden/echo").text, "an Alias to the scripts shows them as files"


def test_links_are_followed_as_the_options_say(server: Server) -> None:
    for folder in ("nolinks", "owned"):
        link = server.www / folder / "link.txt"
        link.unlink(missing_ok=True)
        link.symlink_to("file.txt")
    assert [server.get(f"/{path}").status for path in ("nolinks/file.txt", "nolinks/link.txt", "owned/link.txt")] == [
        200, 403, 200,
    ]  # fmt: skip
    server.wait_for_log(f"AH00037: Symbolic link not allowed or link target not accessible: {server.www}/nolinks/link")


def test_bodies_stream_both_ways(server: Server) -> None:
    """A script that answers while it reads: neither side has to wait for the other's end."""
    body = os.urandom(1 << 20) * 8
    with server.dial() as sock:
        sock.sendall(b"POST /cgi-bin/echo HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer = threading.Thread(target=sock.sendall, args=(body,))
        writer.start()
        answer = receive_all(sock)
        writer.join()
    assert answer.partition(b"\r\n\r\n")[2] == body
    chunks = b"5\r\nhello\r\n0\r\n\r\n"
    head = b"POST /cgi-bin/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    assert b"hello" in server.raw(head + b"\r\n" + chunks)
    with server.dial() as sock:  # the script sees what came before the rest is there
        sock.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"3\r\nabc\r\n")
        receive_until(sock, b"abc")
        sock.sendall(b"3\r\ndef\r\n0\r\n\r\n")
        assert b"def" in receive_all(sock)


def test_broken_bodies_end_the_script(server: Server) -> None:
    head = b"POST /cgi-bin/silent HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    with server.dial() as sock:
        sock.sendall(head)
        assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
        running = pids(server, 2)
        sock.sendall(b"nonsense\r\n")
        assert b" 400 Bad Request" in receive_all(sock)
    are_gone(running)


def test_output_leaves_when_the_script_pauses(server: Server) -> None:
    fifo = server.root / "go"
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    with server.dial() as sock:
        sock.sendall(b"GET /cgi-bin/waits HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        receive_until(sock, b"first")
        fifo.write_text("last")
        assert b"last" in receive_all(sock)


def test_a_silent_script_ends_with_all_that_it_started(server: Server) -> None:
    assert server.get("/quick/silent").status == 504
    are_gone(pids(server, 2))
    answer = server.raw(b"GET /quick/begins HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"first" in answer and not answer.endswith(b"0\r\n\r\n"), "a cut response is seen to be cut"
    are_gone(pids(server, 2))


def test_a_script_ends_when_its_client_leaves(server: Server) -> None:
    with server.dial() as sock:
        sock.sendall(b"GET /cgi-bin/silent HTTP/1.1\r\nHost: x\r\n\r\n")
        running = pids(server, 2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    are_gone(running)
    with server.dial() as sock:
        sock.sendall(b"GET /cgi-bin/begins HTTP/1.1\r\nHost: x\r\n\r\n")
        running = pids(server, 2)
    are_gone(running)


def test_what_a_script_leaves_in_the_background_goes_on(server: Server) -> None:
    assert server.get("/cgi-bin/leaves").text == "ok"
    (left,) = pids(server, 1)
    assert psutil.Process(left).is_running()
    os.kill(left, signal.SIGKILL)


def test_nothing_is_left_of_scripts(server: Server) -> None:
    assert server.master is not None
    master = server.master
    for name in ("echo", "nothing", "status"):
        server.get(f"/cgi-bin/{name}")
    # (the server's own have titles; a script that nobody has awaited has no command any more)
    wait_for(
        lambda: all(describe(process).partition(" ")[2].startswith("mpserver:") for process in descendants(master)),
        "the end of the scripts",
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", ["stop", "crash"])
def test_scripts_end_with_the_server(start_server: StartServer, backend: str, how: str) -> None:
    """A stop ends them at once, with the worker; the death of a process that runs them is seen by others."""
    server = lay_out(start_server(CONF, FILES, backend=backend, mode="foreground"))
    with server.connection() as connection:
        connection.request("GET", "/app/")
        number = int(connection.getresponse().read().split()[1])  # the process of the interpreter
        assert connection.sock is not None
        connection.sock.sendall(b"GET /cgi-bin/begins HTTP/1.1\r\nHost: x\r\n\r\n")
        receive_until(connection.sock, b"first")
        running = pids(server, 2)
        if how == "crash":
            os.kill(number, signal.SIGKILL)
        else:
            server.stop()
        are_gone(running)


def test_what_is_not_supported_is_refused(tmp_path: Path) -> None:
    faults = {
        "SuexecUserGroup www www": "SuexecUserGroup is not supported: scripts run as the server's own User",
        "Options ExecCGI -Indexes": "Either all Options must start with + or -, or no Option may.",
        "Options Nonsense": "Illegal option Nonsense",
        "CGIScriptTimeout soon": "CGIScriptTimeout has wrong format",
        "ScriptLogLength much": 'ScriptLogLength "much" must be a whole number',
    }
    assert untold(tmp_path, faults) == []
