"""The servers behind the two that are compared: for HTTP, HTTPS and FastCGI. They tell what they are asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

#: What tells nothing: the number of a comparison.
UNTOLD = frozenset({"x-case"})
#: What FastCGI programs look at.
TOLD = (
    "AUTH_TYPE", "COLOR", "CONTENT_LENGTH", "CONTENT_TYPE", "CONTEXT_PREFIX", "DOCUMENT_ROOT", "GATEWAY_INTERFACE",
    "HTTPS", "HTTP_TRANSFER_ENCODING", "HTTP_X_A", "MADE", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING", "REMOTE_ADDR",
    "REMOTE_USER", "REQUEST_METHOD", "REQUEST_SCHEME", "REQUEST_URI", "SCRIPT_FILENAME", "SCRIPT_NAME", "SERVER_NAME",
    "SERVER_PROTOCOL",
)  # fmt: skip
#: Answers by the last part of the path; BACK is the server's own address.
ANSWERS = {
    "hop": "HTTP/1.1 200 OK|Connection: X-Mine, keep-alive|X-Mine: 1|Keep-Alive: timeout=9|TE: x|Trailer: X-T|Upgrade: x"
    "|Proxy-Authenticate: Basic realm=x|Proxy-Authentication-Info: x|X-Other: 1|Content-Length: 2||ok",
    "cookies": "HTTP/1.1 200 OK|Set-Cookie: a=1; path=/back/deep; Domain=back.test; HttpOnly|Set-Cookie: b=2; Path=/other"
    "|Set-Cookie: c=3; domain=.back.test; path=/back|Set-Cookie: d=4; path=/|Content-Length: 2||ok",
    "early": "HTTP/1.1 103 Early Hints|Link: </style.css>; rel=preload||HTTP/1.1 200 OK|Content-Length: 2||ok",
    "processing": "HTTP/1.1 102 Processing||HTTP/1.1 103 Early Hints|Link: <a>||HTTP/1.1 200 OK|Content-Length: 2||ok",
    "continue": "HTTP/1.1 100 Continue||HTTP/1.1 200 OK|Content-Length: 2||ok",
    "old": "HTTP/1.0 200 Fine|Content-Type: text/x-old||all of it",
    "chunks": "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Trailer: X-T||3|abc|2|de|0|X-T: 1||",
    "phrase": "HTTP/1.1 200 It is so|Content-Length: 2||ok",
    "wordless": "HTTP/1.1 200|Content-Length: 2||ok",
    "unknown": "HTTP/1.1 299 Own|Content-Length: 2||ok",
    "empty": "HTTP/1.1 204 No Content|X-A: 1||",
    "same": 'HTTP/1.1 304 Not Modified|ETag: "a"||',
    "untyped": "HTTP/1.1 200 OK|Content-Length: 2||ok",
    "twice": "HTTP/1.1 200 OK|X-A: 1|X-A: 2|Vary: A|Vary: B|Content-Length: 2||ok",
    "folded": "HTTP/1.1 200 OK|X-A: 1| and more|Content-Length: 2||ok",
    "garbage": "this is no answer||",
    "badline": "HTTP/1.1 200 OK|no header|X-A: 1|Content-Length: 2||ok",
    "nothing": "",
    "gzip": "HTTP/1.1 200 OK|Content-Encoding: gzip|Content-Length: 2||ok",
    "location": "HTTP/1.1 302 Found|Location: http://BACK/back/new?x=1|Content-Location: http://BACK/back/c|URI: http://BACK/back/u"
    "|Content-Length: 0||",
    "elsewhere": "HTTP/1.1 302 Found|Location: http://other.test/back/new|Content-Length: 0||",
    "relative": "HTTP/1.1 302 Found|Location: /back/new|Content-Length: 0||",
    "created": "HTTP/1.1 201 Created|Location: http://BACK/back/made|Content-Length: 0||",
    "refresh": "HTTP/1.1 200 OK|Refresh: 0; url=http://BACK/back/|Link: <http://BACK/back/>|Content-Length: 2||ok",
}


def _told(line: str, fields: list[tuple[str, str]], body: bytes, framing: str, address: str) -> str:
    """An answer that has all of a request, but for the order of its fields."""
    shown = sorted(f"{name.lower()}: {value}" for name, value in fields if name.lower() not in UNTOLD)
    text = "\n".join([line, *shown, f"({framing}) {body.decode('latin-1')}", ""]).replace(address, "BACK")
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n{text}"


def _serve_http(sock: socket.socket, file: BinaryIO) -> None:
    address = "{}:{}".format(*sock.getsockname())
    while line := file.readline().decode("latin-1").strip():
        fields = _fields(file)
        told = {name.lower(): value for name, value in fields}
        body, framing = b"", "none"
        if told.get("transfer-encoding", "").lower() == "chunked":
            framing = "chunked"
            while size := int(file.readline().split(b";")[0], 16):
                body += file.read(size)
                file.readline()
            _fields(file)
        elif "content-length" in told:
            framing = "length"
            body = file.read(int(told["content-length"]))
        name = line.split(" ")[1].partition("?")[0].rpartition("/")[2]
        if name.startswith("status"):
            status = name.removeprefix("status")
            answer = (
                f'HTTP/1.1 {status} As told\r\nX-Theirs: 1\r\nWWW-Authenticate: Basic realm="theirs"\r\nRetry-After: 7\r\n'
                f"Content-Type: text/x-theirs\r\nContent-Length: 6\r\n\r\ntheirs"
            )
        elif name in ANSWERS:
            answer = ANSWERS[name].replace("|", "\r\n").replace("BACK", address)
        else:
            answer = _told(line, fields, body, framing, address)
        if line.startswith("HEAD "):
            answer = answer[: answer.find("\r\n\r\n") + 4]
        sock.sendall(answer.encode("latin-1"))
        if name in ("old", "nothing", "garbage") or told.get("connection", "").lower() == "close" or "HTTP/1.0" in line:
            return


def _fields(file: BinaryIO) -> list[tuple[str, str]]:
    fields = []
    while (line := file.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        fields.append((name, value.strip()))
    return fields


def _serve_fcgi(sock: socket.socket, file: BinaryIO) -> None:
    env, body = b"", b""
    while len(head := file.read(8)) == 8:
        _, kind, _, length, padding = struct.unpack(">BBHHBx", head)
        content = file.read(length)
        file.read(padding)
        if kind == 4:
            env += content
        elif kind == 5 and content:
            body += content
        elif kind == 5:
            break
    told = _pairs(env)
    lines = [f"{name}={told[name]}" for name in TOLD if name in told]
    text = "\n".join([*lines, f"({len(body)}) {body[:100].decode('latin-1')}", ""])
    says = {
        "status": "Status: 404 Nowhere\r\nX-A: 1\r\nContent-Type: text/plain\r\n\r\nnot here",
        "away": "Location: http://other.test/\n\n",
        "untyped": "X-A: 1\r\n\r\nno type",
        "cookies": "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Type: text/plain\r\n\r\nok",
        "inside": "Location: /page.txt\r\n\r\n",
        "broken": "no header at all\r\n\r\n",
        "nothing": "",
    }.get(told.get("REQUEST_URI", "").rpartition("/")[2], f"Content-Type: text/plain\r\n\r\n{text}").encode("latin-1")
    records = ((6, says), (6, b""), (3, b"\0" * 8))
    # (at once: whether an answer is over with its head decides on its framing)
    sock.sendall(b"".join(struct.pack(">BBHHBx", 1, kind, 1, len(data), 0) + data for kind, data in records))


def _pairs(data: bytes) -> dict[str, str]:
    found, at = {}, 0
    while at < len(data):
        sizes = []
        for _ in range(2):
            wide = data[at] >> 7
            sizes.append(struct.unpack_from(">I", data, at)[0] & 0x7FFFFFFF if wide else data[at])
            at += 4 if wide else 1
        name, value = data[at : at + sizes[0]], data[at + sizes[0] : at + sum(sizes)]
        found[name.decode("latin-1")] = value.decode("latin-1")
        at += sum(sizes)
    return found


@contextlib.contextmanager
def servers(tls: Mapping[str, ssl.SSLContext]) -> Iterator[dict[str, int]]:
    """Start them. Gives their ports, by the names that configurations have for them.

    :param tls: the names of those that speak TLS, and how.
    """
    with contextlib.ExitStack() as stack:
        yield {
            "BACK": stack.enter_context(_listener(_serve_http)),
            "FCGI": stack.enter_context(_listener(_serve_fcgi)),
            **{name: stack.enter_context(_listener(_serve_http, context)) for name, context in tls.items()},
        }


@contextlib.contextmanager
def _listener(serve: Callable[[socket.socket, BinaryIO], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(sock: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.suppress(OSError, ValueError))
            stack.enter_context(sock)
            if tls is not None:
                sock = stack.enter_context(tls.wrap_socket(sock, server_side=True))
            serve(sock, stack.enter_context(sock.makefile("rb")))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=talk, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
