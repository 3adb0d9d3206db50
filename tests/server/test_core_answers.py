"""The core's directives about answers, on a real server: TRACE, entity tags, ranges, signatures, limits of scripts."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
from pathlib import Path

import pytest

from conftest import StartServer
from support.checking import refused
from support.server import BACKENDS, Reply, Server
from support.waiting import wait_for

APP = """
from mod_python import apache

def handler(req):
    req.content_type = "text/plain"
    if req.args == "tag":
        req.set_etag()
    if req.args == "stack":
        import threading
        req.write(str(threading.stack_size()))
        return apache.OK
    if req.args == "file":
        import os
        def refuse(*_):
            raise OSError(22, "the kernel does not send this file")
        whole, os.sendfile = os.sendfile, refuse
        try:
            req.sendfile(req.filename.rpartition("/")[0] + "/big", 1)
            req.flush()
        finally:
            os.sendfile = whole
        return apache.OK
    if req.args == "fail":
        return apache.HTTP_NOT_FOUND
    req.add_common_vars()
    req.write(req.subprocess_env["SERVER_SIGNATURE"])
    return apache.OK
"""

LIMITS = """#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
until [ "$(ulimit -t)" = 7 ]; do :; done  # (the limits come a moment after the start)
ulimit -S -t; ulimit -H -t; ulimit -S -v; ulimit -H -v
"""

CONF = """
ThreadStackSize 1048576
ProtocolsHonorOrder On
Protocols h2 http/1.1
NameVirtualHost *
ExtendedStatus On
EnableMMAP Off
<Directory "${WWW}/size">
    FileETag Size
</Directory>
<Directory "${WWW}/size/more">
    FileETag +INode -MTime
</Directory>
<Directory "${WWW}/none">
    FileETag None
    AllowOverride FileInfo
</Directory>
<Directory "${WWW}/digest">
    FileETag Digest
</Directory>
<Directory "${WWW}/two">
    MaxRanges 2
</Directory>
<Directory "${WWW}/one-way">
    MaxRangeReversals none
</Directory>
<Directory "${WWW}/whole">
    MaxRanges none
</Directory>
<Directory "${WWW}/touching">
    MaxRangeOverlaps 1
</Directory>
<Directory "${WWW}/any">
    MaxRanges unlimited
</Directory>
<Directory "${WWW}/handled">
    SetHandler mod_python
    PythonHandler app
    PythonPath "['${WWW}'] + sys.path"
    FileETag Size
    EnableSendfile Off
</Directory>
<Directory "${WWW}/sent">
    SetHandler mod_python
    PythonHandler app
    PythonPath "['${WWW}'] + sys.path"
</Directory>
<Location /app>
    SetHandler mod_python
    PythonHandler app
    PythonPath "['${WWW}'] + sys.path"
</Location>
<Location /app/signed>
    ServerSignature On
</Location>
<Location /app/mail>
    ServerSignature EMail
</Location>
ScriptAlias /cgi "${WWW}/limits.sh"
<Location /cgi>
    RLimitCPU 7 9
    RLimitMEM 1073741824 max
</Location>
<VirtualHost *>
ServerName traced
ServerAdmin webmaster@example.com
</VirtualHost>
<VirtualHost *>
ServerName untraced
TraceEnable Off
</VirtualHost>
<VirtualHost *>
ServerName extended
ServerAdmin https://example.com/help
TraceEnable Extended
</VirtualHost>
"""

TEXT = "0123456789" * 10
BIG = bytes(range(256)) * 8192
FOLDERS = (
    "size",
    "size/more",
    "none",
    "none/again",
    "digest",
    "two",
    "one-way",
    "whole",
    "touching",
    "any",
    "handled",
    "sent",
)


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """All that is told here, in one server; under worker with applications in processes."""
    return start_module_server(
        CONF,
        {
            "app.py": APP,
            "limits.sh": LIMITS,
            "none/again/.htaccess": "FileETag INode Size\n",
            "handled/big": BIG,
            "sent/big": BIG,
            **{f"{folder}/x.txt": TEXT for folder in FOLDERS},
        },
        mpm=request.param,
        backend="auto" if request.param == "prefork" else BACKENDS[-1],
    )


def tag(server: Server, folder: str) -> str | None:
    """The entity tag of a file in a folder, as a strong one."""
    found = server.get(f"/{folder}/x.txt").header("ETag")
    return found and found.removeprefix("W/")


def test_an_entity_tag_is_made_of_what_file_etag_says(server: Server) -> None:
    inode = {folder: (server.www / folder / "x.txt").stat().st_ino for folder in FOLDERS}
    assert tag(server, "size") == f'"{len(TEXT):x}"'
    assert tag(server, "size/more") == f'"{inode["size/more"]:x}-{len(TEXT):x}"'
    assert tag(server, "none") is None
    assert tag(server, "none/again") == f'"{inode["none/again"]:x}-{len(TEXT):x}"'
    assert re.fullmatch(f'"{len(TEXT):x}-[0-9a-f]+"', tag(server, "any") or "")


def test_a_digest_is_of_the_contents(server: Server) -> None:
    digest = base64.b64encode(hashlib.sha1(TEXT.encode()).digest()).decode()
    reply = server.get("/digest/x.txt")
    assert reply.header("ETag") == f'"{digest}"'
    assert server.get("/digest/x.txt", {"If-None-Match": f'"{digest}"'}).status == 304


def test_a_file_without_a_tag_is_compared_by_its_time(server: Server) -> None:
    since = server.get("/none/x.txt").header("Last-Modified") or ""
    assert server.get("/none/x.txt", {"If-Modified-Since": since}).status == 304
    assert server.get("/none/x.txt", {"If-None-Match": '"64"'}).status == 200
    assert server.get("/none/x.txt", {"If-None-Match": "*"}).status in (200, 304)


def test_what_a_handler_asks_for_is_the_same(server: Server) -> None:
    assert server.get("/handled/x.txt?tag").header("ETag") == f'"{len(TEXT):x}"'


def test_a_file_system_need_not_be_one_that_the_kernel_sends_files_of(server: Server) -> None:
    reply = server.get("/handled/x.txt?file")
    assert reply.body == BIG[1:]
    with pytest.raises((OSError, http.client.HTTPException)):
        server.get("/sent/x.txt?file")


@pytest.mark.parametrize(
    ("folder", "wanted", "status"),
    [
        ("two", "0-1,4-5", 206),
        ("two", "0-1,4-5,8-9", 200),
        ("any", ",".join(f"{n * 3}-{n * 3}" for n in range(30)), 206),
        ("one-way", "0-1,4-5", 206),
        ("one-way", "4-5,0-1", 200),
        ("touching", "0-5,4-9,20-21", 206),
        ("touching", "0-5,4-9,8-12", 200),
        ("whole", "0-1", 200),
        ("size", "4-5,0-1", 206),
    ],
)
def test_a_range_header_may_ask_for_so_much(server: Server, folder: str, wanted: str, status: int) -> None:
    reply = server.get(f"/{folder}/x.txt", {"Range": f"bytes={wanted}"})
    assert (reply.status, reply.header("Accept-Ranges")) == (status, "none" if folder == "whole" else "bytes")
    if status == 200:
        assert reply.text == TEXT


def trace(server: Server, host: str, body: bytes = b"") -> Reply:
    """A TRACE to a virtual host."""
    return server.request("TRACE", "/x", body or None, {"X-Seen": "yes"}, host=host)


def test_trace(server: Server) -> None:
    for host in ("traced", "extended"):
        reply = trace(server, host)
        assert reply.status == 200
        assert "X-Seen: yes" in reply.text
        assert reply.header("Content-Type") == "message/http"
    refused = trace(server, "untraced")
    assert (refused.status, refused.header("Allow")) == (405, "")
    assert trace(server, "traced", b"body").status == 413
    assert trace(server, "untraced", b"body").status == 405
    assert trace(server, "extended", b"body").text.endswith("\r\n\r\nbody")
    assert trace(server, "extended", b"x" * 65537).status == 413


def test_trace_is_among_the_methods_where_it_is_allowed(server: Server) -> None:
    methods = {
        host: server.request("OPTIONS", "/size/x.txt", host=host).header("Allow") for host in ("traced", "untraced")
    }
    assert "TRACE" in (methods["traced"] or "")
    assert methods["untraced"] == (methods["traced"] or "").removesuffix(",TRACE")
    assert "TRACE" not in (server.request("PUT", "/size/x.txt", host="untraced").header("Allow") or "TRACE")


def test_pages_end_with_the_servers_name(server: Server) -> None:
    assert "<address>" not in server.get("/app?fail").text
    signed = server.get("/app/signed?fail").text
    where = f"Server at 127.0.0.1 Port {server.port}</address>"
    assert "<hr>\n<address>mpserver/" in signed
    assert where in signed
    assert server.get("/app/signed").text.endswith(where + "\n")
    assert server.get("/app").text == ""
    mail = server.get("/app/mail").text
    assert f'Server at <a href="mailto:webmaster@example.com">127.0.0.1</a> Port {server.port}</address>' in mail


def test_a_signature_has_the_address_that_there_is(server: Server) -> None:
    assert (
        'Server at <a href="https://example.com/help">extended</a> Port '
        in server.get("/app/mail", host="extended").text
    )
    assert "Server at untraced Port " in server.get("/app/mail", host="untraced").text


def test_scripts_have_their_limits(server: Server) -> None:
    assert server.get("/cgi").text.split() == ["7", "9", str(1 << 20), "unlimited"]


def test_threads_have_their_stack(server: Server) -> None:
    assert server.get("/app?stack").text == str(1 << 20)


def test_what_has_no_effect_is_told(server: Server) -> None:
    said = server.command("-t").stderr
    assert "Protocols: h2 is not spoken here, its clients are served with http/1.1" in said
    assert "NameVirtualHost has no effect" in said
    assert "ExtendedStatus" not in said


def test_the_pid_file_is_in_the_runtime_directory(tmp_path: Path) -> None:
    server = Server(tmp_path, "PidFile p\nDefaultRuntimeDir run\n", mode="foreground")
    server.pid_file = tmp_path / "run" / "p"
    with server:
        wait_for(server.pid_file.exists, "the pid file")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("FileETag Sizes", "FileETag 'Sizes' must be one of: INode, MTime, Size, Digest, All, None"),
        ("FileETag None Size", "None stands alone"),
        ("FileETag -None", "None can't have a sign"),
        ("MaxRanges 0", 'MaxRanges "0" must be a whole number from 1 on, or default, unlimited or none'),
        ("TraceEnable maybe", 'TraceEnable "maybe" must be one of: on, off, extended'),
        ("ServerSignature Mail", 'ServerSignature "Mail" must be one of: on, off, email'),
        ("Protocols h2 h2c", "this server speaks http/1.1 only, which is not among them: add http/1.1"),
        ("Protocols http/1.1 gopher", "there is no protocol 'gopher'"),
        ("ContentDigest On", "RFC 7231 withdrew Content-MD5"),
        ("ThreadStackSize 1000", "too small for Python: write 32768 or more"),
        ("LoadFile libxml2.so", "LoadFile is not supported"),
        ("Suexec On", "use PythonInterpUser"),
        ("RLimitCPU 9 7", "the soft limit, is more than the second, the hard one"),
        ("RLimitMEM much", 'RLimitMEM "much" must be a whole number from 0 to'),
        ("LoadModule security2_module x.so", "the requests that its rules stop would come in"),
        ("LoadModule php_module x.so", "the sources of its programs would be sent to whoever asks for them"),
        ("MimeMagicFile conf/magic", "Put it into <IfModule mod_mime_magic.c>, or name types with AddType, ForceType"),
        ("LoadModule nobody_module x.so", "Can't locate API module structure `nobody_module'"),
    ],
)
def test_faults(tmp_path: Path, line: str, fault: str) -> None:
    said = refused(tmp_path, line)
    assert fault in said
    assert f"{tmp_path / 'httpd.conf'}" in said


def test_modules_that_need_not_be_there(tmp_path: Path) -> None:
    lines = "LoadModule cache_module x.so\nLoadModule mime_magic_module x.so\nContentDigest Off\nSuexec Off\n"
    guarded = "<IfModule mod_mime_magic.c>\nMimeMagicFile conf/magic\n</IfModule>\n"
    server = Server(tmp_path, lines + guarded)
    said = server.command("-t").stderr
    assert "module cache_module is not part of this server: nothing is cached" in said
    assert "module mime_magic_module is not part of this server: its directives are not there" in said
    server.reserved.release()
