"""What httpd's modules are asked, from the file of cases: configurations, each in a virtual host of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from comparing.cases import Case, case
from comparing.servers import Ground, free_port

FOLDER = Path(__file__).resolve().parent.parent / "compare_modules"
#: What the configuration calls the ports for TLS, and for the PROXY protocol.
TLS, PROXIED = "TLS", "PROXIED"

#: In the order in which Debian loads them.
MODULES = tuple(
    """
    access_compat actions alias asis auth_basic auth_digest authn_anon authn_core authn_file authn_socache authz_core
    authz_groupfile authz_host authz_owner authz_user autoindex brotli cgi deflate dir env expires filter headers include
    lbmethod_byrequests macro mime negotiation proxy proxy_balancer proxy_fcgi proxy_http proxy_wstunnel remoteip rewrite setenvif
    slotmem_shm socache_shmcb ssl userdir vhost_alias wsgi
    """.split()
)


class Asked(NamedTuple):
    """A request of a case."""

    method: str
    path: str
    version: str
    headers: tuple[str, ...]
    body: str
    #: Over TLS, whose certificate the client has.
    client: str
    #: A line of the PROXY protocol before it.
    before: str

    @property
    def name(self) -> str:
        """What it is called."""
        version = f"HTTP/{self.version}" if self.version != "1.1" else ""
        client = f"(as {self.client})" if self.client else ""
        return " ".join(filter(None, (self.before, self.method, self.path, version, *self.headers, self.body, client)))


class Site(NamedTuple):
    """A configuration, and the requests to it."""

    name: str
    conf: str
    requests: tuple[Asked, ...]

    @property
    def host(self) -> str:
        """What its virtual host is called."""
        return re.sub(r"\W+", "-", self.name) + ".test"

    @property
    def is_tls(self) -> bool:
        """Whether it speaks TLS."""
        return "SSLEngine" in self.conf

    @property
    def needs_tls(self) -> bool:
        """Whether it has to do with TLS at all."""
        return "SSL" in self.conf

    @property
    def port(self) -> str:
        """What the configuration calls its port."""
        return TLS if self.is_tls else PROXIED if "RemoteIPProxyProtocol" in self.conf else "PORT"


def sites() -> Iterator[Site]:
    """All of the files, in their order."""
    for file in sorted(FOLDER.glob("cases*.txt")):
        for part in file.read_text().split("\n== ")[1:]:
            name, *lines = part.splitlines()
            conf = [line for line in lines if not line.startswith((">", "#"))]
            requests = [asked for line in lines if line.startswith("> ") for asked in _asked(line[2:])]
            yield Site(name, "\n".join(conf), tuple(requests))


def _asked(line: str) -> Iterator[Asked]:
    """The requests of a line: ``METHOD PATH... [HTTP/1.0] | NAME: VALUE | = BODY | as CLIENT | PROXY ...``."""
    asked, *others = line.split(" | ")
    method, *paths = asked.split()
    version = paths.pop().removeprefix("HTTP/") if paths[-1].startswith("HTTP/") else "1.1"
    body = "".join(text[2:] for text in others if text.startswith("= "))
    client = "".join(text[3:] for text in others if text.startswith("as "))
    before = "".join(text for text in others if text.startswith("PROXY "))
    headers = tuple(text for text in others if not text.startswith(("= ", "as ", "PROXY ")))
    for path in paths:
        yield Asked(method, path, version, headers, body, client, before)


def ground(behind: Mapping[str, int], files: Mapping[str, bytes]) -> Ground:
    """What both servers serve.

    :param behind: the ports of the servers behind them.
    :param files: certificates and their keys; without them nothing is served over TLS.
    """
    hosts = "".join(
        f"<VirtualHost *:${{{site.port}}}>\nServerName {site.host}\nDocumentRoot ${{ROOT}}/www\n"
        f"{site.conf}\n</VirtualHost>\n"
        for site in sites()
        if files or not site.needs_tls
    )
    listen = f"Listen 127.0.0.1:${{{PROXIED}}}\n" + (f"Listen 127.0.0.1:${{{TLS}}} https\n" if files else "")
    conf = (FOLDER / "site.conf").read_text() + listen + hosts
    return Ground(FOLDER, conf, MODULES, {**behind, TLS: free_port(), PROXIED: free_port()}, files)


def cases(*, with_tls: bool) -> list[Case]:
    """Every comparison; ``with_tls``: those too that need certificates."""
    return [_case(site, asked) for site in sites() if with_tls or not site.needs_tls for asked in site.requests]


def _case(site: Site, asked: Asked) -> Case:
    made = case(
        site.name,
        asked.name,
        asked.path,
        method=asked.method,
        host=site.host,
        headers=asked.headers,
        body=asked.body.encode("latin-1").decode("unicode_escape").encode("latin-1"),
        version=asked.version,
    )
    data = f"{asked.before}\r\n".encode() + made.data if asked.before else made.data
    port = "" if site.port == "PORT" else site.port
    return made._replace(data=data, tls=(site.host, asked.client) if site.is_tls else None, port=port)
