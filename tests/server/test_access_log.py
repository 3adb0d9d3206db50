"""Access and error log on a real server: lines of httpd for the same requests, clients behind proxies, ids, JSON."""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import StartServer
from support.certificates import Authority
from support.server import BACKENDS, EACH_AND_THREADS, Port, Server, listens, receive_all, receive_until
from support.waiting import wait_for

LINE = (
    "%a %{c}a %h|%l|%u|%r|%>s|%m|%U|%q|%v|%k|%X|%{X-Forwarded-For}i|%{remoteip-proxy-ip-list}n|%{X-Proxies}i|%{a}C"
    "|%404,403{User-Agent}i|%!404,403{User-Agent}i"
)
FIELDS = "path=%U status=%>s agent=%{User-Agent}i id=%L unique=%{UNIQUE_ID}e first=%^FB trailer=%{X-Late}^ti"

#: What 127.0.0.1 is called here.
LOCAL = socket.gethostbyaddr("127.0.0.1")[0]

CONF = r"""
LoadModule unique_id_module modules/mod_unique_id.so
Listen 127.0.0.1:${PROXIED}
LogFormat "${LINE}" golden
LogFormat "json: ${FIELDS}" own
CustomLog logs/golden.log golden "expr=%{HTTP_USER_AGENT} != 'no-log'"
CustomLog logs/own.json own
CustomLog /dev/full own
GlobalLog logs/global.log "%v %r" env=global
ErrorLogFormat "%{cu}t [%m:%l] [R:%L] [C:%{c}L] [client\ %a] [peer\ %{c}a] [E\ %E] [ref\ %{Referer}i] %M"
ErrorLogFormat request "first of %L: %{User-Agent}i%% ref '%-{Referer}i'"
LogIOTrackTTFB On
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.0/8 10.0.0.0/8
RemoteIPTrustedProxy 192.0.2.0/24
RemoteIPProxiesHeader X-Proxies
SetEnvIf User-Agent global global
RewriteEngine On
RewriteRule ^/peer - [E=PEER:%{CONN_REMOTE_ADDR}/%{REMOTE_ADDR}]
<Location /peer>
    Header always set X-Peer "expr=%{CONN_REMOTE_ADDR} %{REMOTE_ADDR}"
    Header always set X-Ruled %{PEER}e
</Location>
<Location /lock>
    Require ip 198.51.100.1
</Location>
<Location /named>
    HostnameLookups On
    Require host ${LOCAL}
</Location>
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/other">
    SetHandler mod_python
    PythonInterpreter another
    PythonHandler other
</Directory>
<VirtualHost *:${PROXIED}>
    ServerName behind
    RemoteIPProxyProtocol On
    RemoteIPProxyProtocolExceptions 127.0.0.2
    CustomLog logs/behind.log golden
</VirtualHost>
Listen 127.0.0.1:${SLOW}
<VirtualHost *:${SLOW}>
    ServerName behind
    RemoteIPProxyProtocol On
    Timeout 1
</VirtualHost>
Listen 127.0.0.1:${TLS} https
<VirtualHost *:${TLS}>
    ServerName behind
    RemoteIPProxyProtocol On
    CustomLog logs/behind.log golden
    SSLEngine on
    SSLCertificateFile ${CA}/behind.pem
    SSLCertificateKeyFile ${CA}/behind.key
</VirtualHost>
"""

APP = """
from mod_python import apache

def handler(req):
    if req.args == "on":
        req.log_error("before")
        req.internal_redirect("/other/")
        return apache.OK
    if req.args == "body":
        req.write(req.read())
        return apache.OK
    req.add_common_vars()
    env = req.subprocess_env
    req.log_error("one\\ntwo")
    connection = req.connection
    shown = (
        req.useragent_ip, req.useragent_addr[1], connection.client_ip, connection.remote_ip, env["REMOTE_ADDR"],
        env["UNIQUE_ID"],
    )
    text = " ".join(map(str, shown))
    req.set_content_length(len(text))
    req.write(text)
    return apache.OK
"""

OTHER = """
from mod_python import apache

def handler(req):
    req.log_error("after")
    text = f"{req.useragent_ip} {req.prev.subprocess_env['UNIQUE_ID']}"
    req.set_content_length(len(text))
    req.write(text)
    return apache.OK
"""

FILES: dict[str, str | bytes] = {"x.txt": "text\n", "app/app.py": APP, "other/other.py": OTHER}

#: Requests, and httpd's lines for them with the same format.
GOLDEN = [
    line.split("\t") for line in Path(__file__).with_name("access_lines.txt").read_text().splitlines()
    if line and not line.startswith("#")
]  # fmt: skip


class Servers(NamedTuple):
    """A server, and its ports for proxies: of HTTP, of HTTPS, and one that waits for their headers a second."""

    server: Server
    proxied: int
    encrypted: int
    slow: int


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the host behind a proxy."""
    found = Authority(tmp_path_factory.mktemp("certificates") / "ca")
    found.issue("behind", ["DNS:behind"])
    return found


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def servers(
    request: pytest.FixtureRequest, start_module_server: StartServer, authority: Authority
) -> Iterator[Servers]:
    """One for each kind of interpreter, and one with threads."""
    backend, mpm = request.param
    ports = Port(), Port(), Port()
    words = {
        "PROXIED": str(ports[0].number), "TLS": str(ports[1].number), "SLOW": str(ports[2].number),
        "CA": str(authority.folder), "LINE": LINE, "FIELDS": FIELDS, "LOCAL": LOCAL,
    }  # fmt: skip
    started = start_module_server(CONF, FILES, backend=backend, mpm=mpm, variables=words)
    for port in ports:  # (the first one is that which the start waits for)
        wait_for(partial(listens, port.number), "the ports for proxies")
    yield Servers(started, *(port.number for port in ports))
    for port in ports:
        port.release()


@pytest.fixture
def server(servers: Servers) -> tuple[Server, int]:
    """The server, and its port for proxies."""
    return servers.server, servers.proxied


def ask(port: int, data: bytes, source: str = "127.0.0.1") -> bytes:
    """What is answered to a client that sends no more after this."""
    with socket.create_connection(("127.0.0.1", port), 20, (source, 0)) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return receive_all(sock)


def get(path: str, *headers: str) -> bytes:
    """A request for a path."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def lines(server: Server, text: str, name: str) -> list[str]:
    """The lines of a log with a text, as soon as there are some."""

    def found() -> list[str]:
        return [line for line in server.log(name).splitlines() if text in line]

    return wait_for(found, f"{text} in {name}")


def test_expressions_know_the_peer_beside_the_client(server: tuple[Server, int]) -> None:
    reply = server[0].get("/peer", {"X-Forwarded-For": "198.51.100.7"})
    assert reply.header("X-Peer") == "127.0.0.1 198.51.100.7"
    assert reply.header("X-Ruled") == "127.0.0.1/198.51.100.7"


@pytest.mark.parametrize(("written", "expected"), GOLDEN, ids=range(len(GOLDEN)))
def test_lines_are_those_of_httpd(server: tuple[Server, int], written: str, expected: str) -> None:
    started, _ = server
    before = len(started.log("golden.log").splitlines()) if (started.logs / "golden.log").exists() else 0
    ask(started.port, written.encode("latin-1").decode("unicode_escape").encode("latin-1"))

    def line() -> str | None:
        found = started.log("golden.log").splitlines()[before:]
        return next((one for one in found if one == expected), None)

    wait_for(line, f"the line {expected} in\n{started.log('golden.log')}")


def test_what_is_not_logged(server: tuple[Server, int]) -> None:
    started, _ = server
    for data in (b"", b"GET /half", get("/x.txt?not-logged", "User-Agent: no-log")):
        ask(started.port, data)
    ask(started.port, get("/x.txt?mark-of-the-end", "User-Agent: global"))
    lines(started, "mark-of-the-end", "golden.log")
    assert "half" not in started.log("golden.log")
    assert "not-logged" not in started.log("golden.log")
    assert "GET /x.txt?mark-of-the-end HTTP/1.1" in lines(started, "mark-of-the-end", "global.log")[0]
    assert "not-logged" not in started.log("global.log")


def test_all_hosts_write_the_global_log(server: tuple[Server, int]) -> None:
    started, proxied = server
    ask(proxied, get("/x.txt?of-a-host", "User-Agent: global"), "127.0.0.2")
    assert lines(started, "of-a-host", "global.log") == ["behind GET /x.txt?of-a-host HTTP/1.1"]
    assert "of-a-host" not in started.log("golden.log")


def test_json_holds_whatever_a_client_sends(server: tuple[Server, int]) -> None:
    started, _ = server
    agent = 'caf\xc3\xa9 "x" \\ \xe9 %s'
    ask(started.port, get("/x.txt/json%22%C3%A9", f"User-Agent: {agent}"))
    (line,) = lines(started, "/x.txt/json", "own.json")
    found = json.loads(line)
    assert (found["path"], found["status"], found["agent"]) == ('/x.txt/json"\xe9', 404, 'caf\xe9 "x" \\ \\xe9 %s')
    assert found["trailer"] is None
    assert 0 <= found["first"] < 60_000_000


def test_trailers(server: tuple[Server, int]) -> None:
    started, _ = server
    head = b"POST /app/?body HTTP/1.1\r\nHost: localhost\r\nUser-Agent: trailing\r\nTransfer-Encoding: chunked\r\n"
    ask(started.port, head + b"Connection: close\r\n\r\n3\r\nabc\r\n0\r\nX-Late: value\r\n\r\n")
    (line,) = lines(started, "trailing", "own.json")
    assert json.loads(line)["trailer"] == "value"


def test_applications_see_who_asks(server: tuple[Server, int]) -> None:
    started, proxied = server
    shown = ask(started.port, get("/app/", "X-Forwarded-For: 198.51.100.7, 10.0.0.1")).split(b"\r\n\r\n")[1].split()
    assert shown[:5] == [b"198.51.100.7", b"0", b"127.0.0.1", b"127.0.0.1", b"198.51.100.7"]
    assert re.fullmatch(rb"[A-Za-z0-9@-]{27}", shown[5])
    behind = ask(proxied, b"PROXY TCP4 192.0.2.55 198.51.100.1 1234 80\r\n" + get("/app/")).split(b"\r\n\r\n")[1]
    assert behind.split()[:5] == [b"192.0.2.55", b"1234", b"127.0.0.1", b"127.0.0.1", b"192.0.2.55"]


def test_the_name_of_a_client_is_not_that_of_its_proxy(server: tuple[Server, int]) -> None:
    """Require host and %h go by the client's; the connection's is that of the proxy, which nobody has asked for."""
    started, _ = server
    answer = ask(started.port, get("/named?it", "X-Forwarded-For: 127.0.0.1"), "127.0.0.2")
    assert answer.startswith(b"HTTP/1.1 404 ")
    (line,) = lines(started, "/named?it", "golden.log")
    assert line.startswith(f"127.0.0.1 127.0.0.2 {LOCAL}|")
    assert ask(started.port, get("/named?none", "X-Forwarded-For: 127.0.0.66"), "127.0.0.1").startswith(
        b"HTTP/1.1 403 "
    )


def test_one_id_ties_the_lines_of_a_request(server: tuple[Server, int]) -> None:
    started, _ = server
    answer = ask(started.port, get("/app/?on", "X-Forwarded-For: 198.51.100.8", "User-Agent: tied"))
    agent, unique = answer.split(b"\r\n\r\n")[1].decode().split()
    assert agent == "198.51.100.8"
    (line,) = lines(started, "tied", "own.json")
    found = json.loads(line)
    assert (found["id"], found["unique"] or unique) == (unique, unique)
    told = [line for line in started.log().splitlines() if f"[R:{unique}]" in line]
    assert [line.rpartition(" ")[2] for line in told if "python" in line] == ["before", "after"]
    assert all("[client 198.51.100.8:0] [peer 127.0.0.1:" in line for line in told)
    assert started.log().count(f"first of {unique}: tied% ref '-'") == 1


def test_a_message_of_several_lines_has_its_form_on_each(server: tuple[Server, int]) -> None:
    started, _ = server
    ask(started.port, get("/app/", "User-Agent: twice", "Referer: http://several/"))
    one, two = lines(started, "[ref http://several/]", "error.log")
    form = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \[python:error\] \[R:[\w@-]{27}\] \[C:[\w+/]{11}\] \[client \S+\]"
    assert re.match(form, one)
    assert one.removesuffix("one") == two.removesuffix("two")


def test_what_a_proxy_says_comes_before_tls(servers: Servers, authority: Authority) -> None:
    """And stays with the connection, wherever its requests go."""
    context = ssl.create_default_context(cafile=str(authority.file))
    with socket.create_connection(("127.0.0.1", servers.encrypted), 20) as plain:
        plain.sendall(b"PROXY TCP4 192.0.2.57 198.51.100.1 1234 443\r\n")
        with context.wrap_socket(plain, server_hostname="behind") as sock:
            sock.sendall(b"GET /app/ HTTP/1.1\r\nHost: behind\r\n\r\n")
            receive_until(sock, b"192.0.2.57 1234 127.0.0.1")
            sock.sendall(b"GET /x.txt?after-tls HTTP/1.1\r\nHost: behind\r\nConnection: close\r\n\r\n")
            while sock.recv(65536):
                pass
    (line,) = lines(servers.server, "after-tls", "behind.log")
    assert line.startswith("192.0.2.57 127.0.0.1 192.0.2.57|")


V2 = b"\r\n\r\n\0\r\nQUIT\n"
ADDRESSES = socket.inet_aton("192.0.2.77") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 99, 80)


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"PROXY TCP4 192.0.2.55 198.51.100.1 1234 80\r\n", "192.0.2.55"),
        (b"PROXY TCP6 2001:db8::5 2001:db8::6 1234 80\r\n", "2001:db8::5"),
        (b"PROXY UNKNOWN a b c d\r\n", "127.0.0.1"),
        (V2 + b"\x21\x11\0\x0c" + ADDRESSES, "192.0.2.77"),
        (V2 + b"\x21\x11\0\x0f" + ADDRESSES + b"\x04\0\0", "192.0.2.77"),
        (V2 + b"\x20\0\0\0", "127.0.0.1"),
    ],
)
def test_proxy_protocol(server: tuple[Server, int], header: bytes, client: str) -> None:
    started, proxied = server
    path = f"/x.txt?{header.hex()}"
    answer = ask(proxied, header + get(path, "X-Forwarded-For: 9.9.9.9"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    (line,) = lines(started, path, "behind.log")
    assert line.split("|")[0] == f"{client} 127.0.0.1 {client}"  # (what the header says does not count, as in httpd)


def test_a_connection_keeps_what_its_proxy_has_said(server: tuple[Server, int]) -> None:
    started, proxied = server
    with socket.create_connection(("127.0.0.1", proxied), 20) as sock:
        for piece in (
            b"PROX",
            b"Y TCP4 192.0.2.56 198.51.100.1 1",
            b"234 80\r",
            b"\nGET /app/ HTTP/1.1\r\nHost: a\r\n\r\n",
        ):
            sock.sendall(piece)
        receive_until(sock, b"192.0.2.56 1234 127.0.0.1")
        sock.sendall(get("/other/?second"))
        assert receive_all(sock).startswith(b"HTTP/1.1 500 ")  # (it has no request before it)
    (line,) = lines(started, "/other/?second", "behind.log")
    assert line.startswith("192.0.2.56 127.0.0.1 192.0.2.56|")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"PROXY TCP4 nonsense 198.51.100.1 1234 80\r\n", "'nonsense' is no address of TCP4"),
        (get("/x.txt?none"), "it does not begin with a header of the PROXY protocol"),
        (V2 + b"\x31\x11\0\x0c" + ADDRESSES, "its version is 3, not 2"),
    ],
)
def test_bad_headers_of_proxies(server: tuple[Server, int], data: bytes, why: str) -> None:
    started, proxied = server
    assert ask(proxied, data + get("/x.txt?behind-bad")) == b""
    assert lines(started, why, "error.log")
    assert "behind-bad" not in started.log("behind.log")


def test_headers_of_proxies_that_do_not_come_in_time(servers: Servers) -> None:
    said = b"", b"PROXY TCP4 192.0.2.1 "
    socks = [socket.create_connection(("127.0.0.1", servers.slow), 20) for _ in said]
    for sock, data in zip(socks, said, strict=True):
        sock.sendall(data)
    for sock in socks:
        with sock:
            assert receive_all(sock) == b""
    for data in said:
        why = f"RemoteIPProxyProtocol: the connection is closed, for its header did not come in time ({len(data)} bytes"
        assert lines(servers.server, why, "error.log")


def test_ids_are_unique(server: tuple[Server, int]) -> None:
    started, _ = server
    for number in range(20):
        ask(started.port, get(f"/x.txt?{number}", "User-Agent: many"))
    wait_for(lambda: started.log("own.json").count('"many"') == 20, "20 lines")
    ids = [json.loads(line)["unique"] for line in started.log("own.json").splitlines()]
    known = [one for one in ids if one is not None]
    assert len(known) >= 20
    assert len(set(known)) == len(known)


ROTATION = Path(__file__).parents[2] / "conf" / "mpserver.logrotate"


def test_rotation(start_server: StartServer) -> None:
    """What conf/mpserver.logrotate does after it has moved the files: no line is lost, new ones go to new files."""
    script = re.search(r"postrotate\n(.*?)endscript", ROTATION.read_text(), re.DOTALL)
    assert script is not None
    conf = "ErrorLogFormat json\nCustomLog logs/access.json json\n"
    started = start_server(conf, FILES, mode="daemon", backend="main")
    started.get("/x.txt?before")
    lines(started, "before", "access.json")
    for name in ("access.json", "error.log"):
        (started.logs / name).rename(started.logs / f"{name}.1")
    command = script[1].replace("mpserver ", f"{sys.executable} -m mpserver ", 1)
    subprocess.run(["sh", "-ec", command.replace("/etc/mpserver/httpd.conf", str(started.conf))], check=True)
    wait_for(lambda: (started.logs / "access.json").exists(), "a new access log")

    def is_new() -> bool:
        started.get("/x.txt?after")
        return "after" in started.log("access.json")

    wait_for(is_new, "lines in the new log")
    told = [json.loads(line) for name in ("error.log", "error.log.1") for line in started.log(name).splitlines()]
    assert {"time", "level", "module", "pid", "message"} <= set(told[0])
    assert any("configured -- resuming normal operations" in line["message"] for line in told)


DYING = """
import os
import signal
import threading

def handler(req):
    os.kill(os.getpid(), signal.SIGSEGV)
    threading.Event().wait()  # (the signal may be another thread's)
"""


def dies(started: Server) -> bytes:
    """Ask for what ends its process; what is answered, if anything is."""
    try:
        return ask(started.port, get("/dying/", "User-Agent: last"))
    except ConnectionError:
        return b""


@pytest.mark.parametrize("backend", BACKENDS)
def test_requests_that_die_with_their_process_are_told(start_server: StartServer, backend: str) -> None:
    """With a process of its own it is answered, and in the access log; with the worker, the master tells of it."""
    conf = """
        CustomLog logs/access.log "%r|%>s|%m|%U|%{User-Agent}i"
        <Directory "${WWW}/dying">
            SetHandler mod_python
            PythonHandler dying
        </Directory>
    """
    started = start_server(conf, {"dying/dying.py": DYING}, mode="foreground", backend=backend)
    answer = dies(started)
    if backend == "process":
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert lines(started, "dying", "access.log") == ["GET /dying/ HTTP/1.1|500|GET|/dying/|last"]
    else:
        assert answer == b""
        (line,) = lines(started, "GET /dying/ HTTP/1.1", "error.log")
        assert "with it ended the request in interpreter '" in line


@pytest.mark.parametrize(("backend", "mpm"), EACH_AND_THREADS)
def test_hosts_in_turns_have_their_own_lines(start_server: StartServer, backend: str, mpm: str) -> None:
    """Heads that differ in their host alone share what was read of the other fields, and what logs show of these."""
    conf = """
        CustomLog logs/access.log "%V %{X-Name}i %{Referer}i %>s"
        <VirtualHost *>
            ServerName first.test
        </VirtualHost>
        <Directory "${WWW}">
            SetHandler mod_python
            PythonHandler app
        </Directory>
    """
    app = "def handler(req):\n    req.write('served', 0)\n    return 0\n"
    server = start_server(conf, {"app.py": app}, backend=backend, mpm=mpm)
    wanted = []
    with server.dial() as sock:
        for sent, shown in ((b"caf\xc3\xa9", r"caf\xc3\xa9"), (b"x", "x")):
            for host in ("first.test", "second.test", "third.test", "first.test"):
                sock.sendall(b"GET / HTTP/1.1\r\nHost: %b\r\nX-Name: %b\r\n\r\n" % (host.encode(), sent))
                assert receive_until(sock, b"served").startswith(b"HTTP/1.1 200 ")
                wanted.append(f"{host} {shown} - 200")
    wait_for(lambda: server.log("access.log").splitlines() == wanted, "the lines of all")
