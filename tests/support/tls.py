"""A client of HTTPS for tests."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.certificates import Authority, Issued
from support.server import Port, Reply
from support.waiting import PATIENCE

#: What a server has that speaks HTTPS at the port of `at_port`, with a certificate of the name "a".
HTTPS = """
LoadModule ssl_module modules/mod_ssl.so
Listen 127.0.0.1:${TLS} https
<VirtualHost 127.0.0.1:${TLS}>
    ServerName a.example
    SSLCertificateFile ${CA}/a.pem
    SSLCertificateKeyFile ${CA}/a.key
</VirtualHost>
"""


class Connection:
    """One connection over TLS, for several requests."""

    def __init__(self, sock: ssl.SSLSocket, host: str) -> None:
        self.sock, self.host = sock, host

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None,
        *, host: str | None = None,
    ) -> Reply:  # fmt: skip
        """One request; ``host``: for the header Host, where it is not the connection's."""
        connection = http.client.HTTPConnection("127.0.0.1", timeout=PATIENCE)
        connection.sock = self.sock
        connection.request(method, path, body, {"Host": host or self.host, **(headers or {})})
        response = connection.getresponse()
        reply = Reply(response.status, response.reason, response.getheaders(), response.read())
        connection.sock = None
        return reply

    def get(self, path: str, headers: Mapping[str, str] | None = None, *, host: str | None = None) -> Reply:
        """One GET."""
        return self.request("GET", path, None, headers, host=host)


class Client:
    """Connects to a port, trusting an authority, maybe with a certificate of its own."""

    def __init__(
        self, port: int, authority: Path, issued: Issued | None = None, *, newest: ssl.TLSVersion | None = None
    ) -> None:
        self.port = port
        self.context = ssl.create_default_context(cafile=str(authority))
        if newest is not None:
            self.context.maximum_version = newest
        if issued is not None:
            self.context.load_cert_chain(issued.certificate, issued.key)

    @contextlib.contextmanager
    def connect(self, host: str, *, sni: bool = True, session: ssl.SSLSession | None = None) -> Iterator[Connection]:
        """A connection for a host; ``sni``: whether it is named in the handshake."""
        self.context.check_hostname = sni
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as plain,
            self.context.wrap_socket(plain, server_hostname=host if sni else None, session=session) as sock,
        ):
            yield Connection(sock, host)

    def get(self, host: str, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """One GET on a connection of its own."""
        with self.connect(host) as connection:
            return connection.get(path, headers)


@contextlib.contextmanager
def at_port(authority: Authority) -> Iterator[tuple[Client, dict[str, str]]]:
    """A port for TLS that is kept until the block ends: its client, and a server's ``${TLS}`` and ``${CA}``."""
    port = Port()
    try:
        yield Client(port.number, authority.file), {"TLS": str(port.number), "CA": str(authority.folder)}
    finally:
        port.release()
