"""CGI scripts by mod_python.cgihandler (manual 6.3): surroundings of their own, nothing left behind."""

from __future__ import annotations

import http.client
import os
import threading

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server, receive_all, receive_until
from support.waiting import wait_for

SCRIPTS = {
    "cgi/hello.py": """
print("Content-Type: text/html; charset=utf-8")
print("X-Umlaut: \\xfc")
print()
print("Hello Zo\\xeb")
""",
    "cgi/env.py": """
import json, os, sys
body = {"env": dict(os.environ), "cwd": os.getcwd(), "name": __name__, "file": __file__,
        "path": os.getenv("PATH_INFO"), "or": (os.environ | {"MORE": "x"})["MORE"], "argv": "SCRIPT_NAME" in os.environ}
os.environ["LEFT_BEHIND"] = "1"
print("Content-Type: application/json\\r\\n\\r")
json.dump(body, sys.stdout)
""",
    "cgi/post.py": """
import sys
text = sys.stdin.readline() + "".join(line.upper() for line in sys.stdin)
sys.stdout.write("Content-Type: text/plain\\n\\n" + text)
""",
    "cgi/binary.py": """
import sys
data = sys.stdin.buffer.read()
print("Content-Type: application/octet-stream", end="\\n\\n")
sys.stdout.buffer.write(bytes(reversed(data)))
sys.stdout.write(b"+")
print("\\u20ac", end="")
""",
    "cgi/bytes.py": """
import sys
head = "Content-Type: text/plain\\nX-Name: Zażółć ąę\\r\\nX-End: voilà \\nX-Note: a\\x0bb\\n\\nbody"
sys.stdout.buffer.write(head.encode())
""",
    "cgi/status.py": """
print("Status: 404 Not Here\\nSet-Cookie: a=1\\nSet-Cookie: b=2")
print("Content-type: text/plain\\n\\nsorry")
""",
    "cgi/away.py": 'print("Location: http://example.com/there\\n")',
    "cgi/inside.py": 'print("Location: /cgi/hello.py\\n")',
    "cgi/leaves.py": """
import sys
print("Content-Type: text/plain\\n\\nbefore")
sys.exit("a last word")
""",
    "cgi/raises.py": 'print("Content-Type: text/plain\\n")\nraise LookupError("a fault of the script")',
    "cgi/nothing.py": "pass",
    "cgi/unfinished.py": 'print("Content-Type: text/plain")',
    "cgi/garbage.py": 'print("this is no header\\n\\nbody")',
    "cgi/wraps.py": """
import io, sys
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="latin-1")
print("Content-Type: text/plain; charset=latin-1\\n")
print("\\xfc", end="")
""",
    "cgi/utf8.py": 'print("X-A: \\xc5sa voil\\xe0\\nLocation: http://example.com/\\xc5\\xe0\\n\\nbody", end="")',
    "cgi/stderr.py": 'import sys\nprint("to the log", file=sys.stderr)\nprint("Content-Type: text/plain\\n")',
    "cgi/sibling.py": 'import helper\nprint("Content-Type: text/plain\\n")\nprint(helper.VALUE, end="")',
    "cgi/helper.py": 'VALUE = "old"',
    "cgi/main.py": """
import pickle, sys
class Thing: pass
if __name__ == "__main__":
    print("Content-Type: text/plain\\n")
    print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, end="")
""",
    "cgi/streams.py": """
import os, sys
print("Content-Type: text/plain\\n")
print("first", flush=True)
with open(os.path.join(os.path.dirname(__file__), "go")) as go:
    print(go.read(), end="")
""",
    "cgi/unknown.sh": "echo",
    "secret.py": 'print("Content-Type: text/plain\\n\\nsecret")',
    "cgi/cgi.txt": "text",
    "app.py": '''
import os, sys
from mod_python import apache

def handler(req):
    """What is there for everybody else."""
    req.content_type = "text/plain"
    req.write("%s %s %s %s" % (os.getcwd(), "LEFT_BEHIND" in os.environ or "SCRIPT_NAME" in os.environ,
              type(sys.stdout).__module__ == "mod_python.cgihandler", "helper" in sys.modules), 0)
    return apache.OK
''',
}

CONF = """
<Directory "${WWW}/cgi">
    SetHandler mod_python
    PythonHandler mod_python.cgihandler
</Directory>
<Location /in-location>
    SetHandler mod_python
    PythonHandler mod_python.cgihandler
</Location>
<Location /others>
    SetHandler mod_python
    PythonHandler app
    PythonPath "sys.path + ['${WWW}']"
</Location>
"""


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The scripts in one kind of interpreter."""
    return start_module_server(CONF, SCRIPTS, backend=str(request.param))


def test_headers_and_body_are_told_apart(server: Server) -> None:
    reply = server.get("/cgi/hello.py")
    assert (reply.status, reply.text) == (200, "Hello Zoë\n")
    assert reply.header("Content-Type") == "text/html; charset=utf-8"
    assert reply.header("Content-Length") == "11"


def test_environment_is_the_requests(server: Server) -> None:
    import json

    reply = server.get("/cgi/env.py/more/Zo%C3%AB?a=%C3%AB", {"X-Name": "Zo\xc3\xab", "Authorization": "Basic abc"})
    found = json.loads(reply.body)
    script = str(server.www / "cgi" / "env.py")
    assert (found["cwd"], found["name"], found["file"]) == (os.path.dirname(script), "__main__", script)
    expected = {
        "GATEWAY_INTERFACE": "Python-CGI/1.1", "SCRIPT_NAME": "/cgi/env.py", "PATH_INFO": "/more/Zoë",
        "QUERY_STRING": "a=%C3%AB", "HTTP_X_NAME": "Zoë", "HTTP_AUTHORIZATION": "Basic abc",
        "SCRIPT_FILENAME": script, "REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1",
    }  # fmt: skip
    assert {name: found["env"].get(name) for name in expected} == expected
    assert (found["path"], found["or"], found["argv"]) == ("/more/Zoë", "x", True)


def test_nothing_is_left_for_others(server: Server) -> None:
    before = server.get("/others").text
    for name in ("env", "wraps", "raises", "leaves", "sibling"):
        server.get(f"/cgi/{name}.py")
    assert server.get("/others").text == before
    assert before.endswith(" False False False")


def test_text_is_read_and_written(server: Server) -> None:
    reply = server.request("POST", "/cgi/post.py", "Zoë\nzoë\n".encode())
    assert reply.text == "Zoë\nZOË\n"


def test_bytes_are_read_and_written_in_their_order(server: Server) -> None:
    body = bytes(range(256)) * 1000
    assert server.request("POST", "/cgi/binary.py", body).body == body[::-1] + b"+" + "€".encode()


def test_bodies_come_while_the_script_reads(server: Server) -> None:
    """A body that is longer than what is read before the handler, in chunks, and asked for."""
    body = bytes(range(256)) * 8000
    pieces = [body[at : at + 9999] for at in range(0, len(body), 9999)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    head = (
        b"POST /cgi/binary.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    )
    with server.dial() as sock:
        sock.sendall(head)
        assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
        sock.sendall(chunks + b"0\r\n\r\n")
        response = http.client.HTTPResponse(sock, method="POST")
        response.begin()
        assert response.read() == body[::-1] + b"+" + "€".encode()


def test_status_and_repeated_headers(server: Server) -> None:
    reply = server.get("/cgi/status.py")
    assert (reply.status, reply.reason, reply.text) == (404, "Not Here", "sorry\n")
    assert [value for name, value in reply.headers if name == "Set-Cookie"] == ["a=1", "b=2"]


def test_headers_are_bytes(server: Server) -> None:
    """Not all of what text has its lines end with, and takes for blanks, means that in a header."""
    reply = server.get("/cgi/bytes.py")
    assert (reply.status, reply.text) == (200, "body")
    told = {name: value.encode("latin-1").decode() for name, value in reply.headers if name.startswith("X-")}
    assert told == {"X-Name": "Zażółć ąę", "X-End": "voilà", "X-Note": "a\x0bb"}


def test_headers_in_utf8(server: Server) -> None:
    """In latin-1 some bytes of UTF-8 are line ends and blanks (U+0085, U+00A0)."""
    reply = server.get("/cgi/utf8.py")
    told = [(reply.header(name) or "").encode("latin-1").decode() for name in ("X-A", "Location")]
    assert (reply.status, *told) == (302, "Åsa voilà", "http://example.com/Åà")


def test_redirects(server: Server) -> None:
    reply = server.get("/cgi/away.py")
    assert (reply.status, reply.header("Location")) == (302, "http://example.com/there")
    assert server.get("/cgi/inside.py").text == "Hello Zoë\n"


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("leaves", 200, "a last word"),
        ("raises", 500, "LookupError: a fault of the script"),
        ("nothing", 500, "premature end of script headers: nothing.py"),
        ("unfinished", 500, "premature end of script headers: unfinished.py"),
        ("garbage", 500, "bad header: 'this is no header'"),
        ("stderr", 200, "to the log"),
    ],
)
def test_how_scripts_end(server: Server, name: str, status: int, said: str) -> None:
    assert server.get(f"/cgi/{name}.py").status == status
    server.wait_for_log(said)


def test_a_wrapper_around_the_output_is_flushed(server: Server) -> None:
    assert server.get("/cgi/wraps.py").body == b"\xfc"


def test_a_script_is_the_main_program(server: Server) -> None:
    assert server.get("/cgi/main.py").text == "True"


def test_a_flush_sends(server: Server) -> None:
    fifo = server.www / "cgi" / "go"
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    with server.dial() as sock:
        sock.sendall(b"GET /cgi/streams.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = receive_until(sock, b"first")
        fifo.write_text("last")
        while part := sock.recv(65536):
            got += part
    assert b"last" in got


@pytest.mark.parametrize("path", ["/cgi/missing.py", "/cgi/unknown.sh", "/cgi/cgi.txt", "/cgi/", "/in-location/x.py"])
def test_what_is_no_script_is_not_found(server: Server, path: str) -> None:
    assert server.get(path).status == 404


def test_links_out_of_the_folder_are_not_followed(server: Server) -> None:
    link = server.www / "cgi" / "link.py"
    link.unlink(missing_ok=True)
    link.symlink_to(server.www / "secret.py")
    assert server.get("/cgi/link.py").status == 404


def test_others_see_nothing_of_a_script_that_runs(start_server: StartServer) -> None:
    """Another interpreter of the same process serves meanwhile, with its own streams, environment and folder."""
    if "own" not in BACKENDS:
        pytest.skip("needs subinterpreters")
    waits = """
import os
print("Content-Type: text/plain\\n", flush=True)
os.environ["LEFT_BEHIND"] = "1"
with open("go") as go:
    go.read()
print(os.environ["SCRIPT_NAME"], end="")
"""
    conf = (
        CONF
        + """
<Directory "${WWW}/cgi">
    PythonInterpreter scripts
</Directory>
"""
    )
    server = start_server(conf, {**SCRIPTS, "cgi/waits.py": waits}, backend="own")
    before = server.get("/others").text
    os.mkfifo(server.www / "cgi" / "go")
    with server.dial() as sock:
        sock.sendall(b"GET /cgi/waits.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        receive_until(sock, b"\r\n\r\n")
        with (server.www / "cgi" / "go").open("w"):  # opens when the script has it open
            assert server.get("/others").text == before
        assert b"/cgi/waits.py" in receive_all(sock)


def test_changed_scripts_and_their_modules_are_seen(server: Server) -> None:
    server.write("cgi/helper.py", 'VALUE = "old"')
    wait_for(lambda: server.get("/cgi/sibling.py").text == "old", "the module as it was")
    server.write("cgi/helper.py", 'VALUE = "newer"')
    wait_for(lambda: server.get("/cgi/sibling.py").text == "newer", "the changed module")
    server.write("cgi/again.py", 'print("Content-Type: text/plain\\n\\none", end="")')
    assert server.get("/cgi/again.py").text == "one"
    server.write("cgi/again.py", 'print("Content-Type: text/plain\\n\\ntwo!", end="")')
    assert server.get("/cgi/again.py").text == "two!"


def test_scripts_of_two_interpreters_have_folders_of_their_own(start_server: StartServer) -> None:
    """Own interpreters share a process, but not its current directory."""
    if "own" not in BACKENDS:
        pytest.skip("needs subinterpreters")
    script = """
import os
here = os.path.dirname(__file__)
print("Content-Type: text/plain\\n", flush=True)
with open("go") as go:
    go.read()
print(os.getcwd() == here, end="")
"""
    conf = "".join(
        f"""
<Directory "${{WWW}}/{name}">
    SetHandler mod_python
    PythonHandler mod_python.cgihandler
    PythonInterpreter {name}
</Directory>"""
        for name in ("a", "b")
    )
    server = start_server(conf, {"a/wait.py": script, "b/wait.py": script}, backend="own")
    for name in ("a", "b"):
        os.mkfifo(server.www / name / "go")
    answers: dict[str, str] = {}
    asking = [
        threading.Thread(target=lambda name=name: answers.update({name: server.get(f"/{name}/wait.py").text}))
        for name in ("a", "b")
    ]
    for thread in asking:
        thread.start()
    for name in ("a", "b"):  # opens when the script has it open: both are in their folders
        (server.www / name / "go").write_text("")
    for thread in asking:
        thread.join()
    assert answers == {"a": "True", "b": "True"}
