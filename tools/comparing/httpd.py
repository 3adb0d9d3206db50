"""What httpd's modules are asked, from the file of cases: configurations, each in a virtual host of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from comparing.cases import Case, case
from comparing.servers import Ground

FOLDER = Path(__file__).resolve().parent.parent / "compare_modules"


#: In the order in which Debian loads them.
MODULES = tuple(
    """
    access_compat actions alias asis auth_basic authn_core authn_file authz_core authz_groupfile authz_host authz_user
    autoindex cgi deflate dir env expires filter headers include macro mime negotiation remoteip rewrite setenvif
    userdir vhost_alias
    """.split()
)


class Site(NamedTuple):
    """A configuration, and the requests to it."""

    name: str
    conf: str
    requests: tuple[tuple[str, str, tuple[str, ...]], ...]

    @property
    def host(self) -> str:
        """What its virtual host is called."""
        return re.sub(r"\W+", "-", self.name) + ".test"


def sites() -> Iterator[Site]:
    """All of the file, in its order."""
    for part in (FOLDER / "cases.txt").read_text().split("\n== ")[1:]:
        name, *lines = part.splitlines()
        conf = [line for line in lines if not line.startswith((">", "#"))]
        requests = []
        for line in lines:
            if line.startswith("> "):
                asked, *headers = line[2:].split(" | ")
                method, *paths = asked.split()
                requests += [(method, path, tuple(headers)) for path in paths]
        yield Site(name, "\n".join(conf), tuple(requests))


def ground() -> Ground:
    """What both servers serve."""
    hosts = "".join(
        f"<VirtualHost *:${{PORT}}>\nServerName {site.host}\nDocumentRoot ${{ROOT}}/www\n{site.conf}\n</VirtualHost>\n"
        for site in sites()
    )
    return Ground(FOLDER, (FOLDER / "site.conf").read_text() + hosts, MODULES)


def cases() -> list[Case]:
    """Every comparison."""
    return [
        case(
            site.name,
            " ".join((method, path, *headers)),
            path,
            method=method,
            host=site.host,
            headers=headers,
        )
        for site in sites()
        for method, path, headers in site.requests
    ]
