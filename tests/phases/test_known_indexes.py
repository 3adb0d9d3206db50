"""Indexes of directories that were found before: which need a request of their own each time, and what is seen."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from mpserver.api.connection import Connection
from mpserver.api.request import Request
from mpserver.api.stream import Link
from mpserver.config.configuration import load
from mpserver.http1.head import Limits, parse_head
from mpserver.modules.all import registry
from mpserver.phases.host import Host
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.subrequests import PageLink
from mpserver.phases.survey import finish

LOCAL = ("127.0.0.1", 80)
PLAIN = "DirectoryIndex no.html index.html more.txt\n"


class Counting(Pipeline):
    """Counts the requests that requests make."""

    made = 0

    def successor(self, req: Request, host: Host, link: Link | None = None) -> Request:
        """One more."""
        self.made += 1
        return super().successor(req, host, link)


class Site:
    """A folder of documents, and requests for it."""

    def __init__(self, root: Path, conf: str) -> None:
        self.root = root / "www"
        (self.root / "d").mkdir(parents=True)
        (root / "httpd.conf").write_text(f"DocumentRoot {self.root}\n{conf}".replace("WWW", str(self.root)))
        self.pipeline = Counting(finish(load("httpd.conf", registry(), root=str(root))), {}, 0, None, {})

    def write(self, name: str, text: str = "text") -> None:
        """A document, whose time of change is another one each time."""
        path = self.root / "d" / name
        path.write_text(text)
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000 * len(text)))

    def serve(self, target: str, method: str) -> tuple[int, bytes]:
        """Serve one request. :returns: its status, and all that is sent."""
        pipeline, sent = self.pipeline, list[bytes]()
        host = pipeline.planner.host_of(LOCAL, "a")
        address = ("127.0.0.1", 1000)
        connection = Connection(1, address, LOCAL, host.object, host.log)
        client = SimpleNamespace(
            fd=-1, timeout=1.0, tls=None, agent=None, client=address, connection=lambda: connection
        )
        link = PageLink(cast("Link", client), sent.append)
        head = parse_head(f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), Limits())
        assert head is not None
        req = Request(link, head, host, pipeline.clock, time.time())
        located = pipeline.planner.refined(req, host, pipeline.planner.locate(host, head.path))
        pipeline.serve(req, located)
        return req.mp_last.mp_status, b"".join(sent)

    def ask(self, target: str = "/d/", method: str = "GET") -> tuple[int, str, int]:
        """:returns: the status, the body, and how many requests were made for the request."""
        self.pipeline.made = 0
        status, sent = self.serve(target, method)
        return status, sent.partition(b"\r\n\r\n")[2].decode(), self.pipeline.made

    def head(self) -> dict[str, str]:
        """The headers of the directory's response."""
        lines = self.serve("/d/", "GET")[1].partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines if not line.startswith("Date"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One with nothing that could see a look-up."""
    return Site(tmp_path, PLAIN)


def test_what_was_found_needs_no_requests_any_more(site: Site) -> None:
    site.write("index.html", "hello")
    assert site.ask() == (200, "hello", 2)
    assert site.ask() == (200, "hello", 0)
    assert site.ask("/d/?a=b") == (200, "hello", 0)
    assert site.ask(method="HEAD") == (200, "", 0)
    assert site.ask() == (200, "hello", 0)


def test_what_changes_is_seen_at_once(site: Site) -> None:
    site.write("index.html", "hello")
    for _ in range(2):
        assert site.ask()[1] == "hello"
    site.write("index.html", "hello again")
    assert site.ask()[:2] == (200, "hello again")
    site.write("no.html", "now it is")
    assert site.ask()[:2] == site.ask()[:2] == (200, "now it is")
    (site.root / "d/no.html").unlink()
    assert site.ask()[:2] == site.ask()[:2] == (200, "hello again")
    (site.root / "d/index.html").unlink()
    site.write("more.txt")
    assert site.ask()[:2] == site.ask()[:2] == (200, "text")
    (site.root / "d/more.txt").unlink()
    assert site.ask()[0] == site.ask()[0] == 404


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_missing_file_counts_from_the_moment_that_it_is_there(site: Site, seconds: int) -> None:
    """Whatever the time of its directory says: that has a grain."""
    site.write("index.html", "hello")
    at = site.root / "d"
    for _ in range(2):
        assert site.ask()[1] == "hello"
    before = at.stat()
    site.write("no.html", "first")
    os.utime(at, ns=(before.st_atime_ns, before.st_mtime_ns + seconds))
    assert site.ask()[:2] == (200, "first")


def test_a_link_that_leads_nowhere_is_no_missing_file(site: Site) -> None:
    site.write("index.html", "hello")
    for _ in range(2):
        assert site.ask()[1] == "hello"
    (site.root / "d/index.html").unlink()
    (site.root / "d/no.html").symlink_to("nowhere")
    assert [site.ask()[0] for _ in range(3)] == [403, 403, 403]


def test_a_htaccess_file_counts_from_the_moment_that_it_is_there(tmp_path: Path) -> None:
    site = Site(tmp_path, f"{PLAIN}<Directory WWW>\nAllowOverride All\n</Directory>\n")
    site.write("index.html", "hello")
    site.write("more.txt", "more")
    assert [site.ask()[1:] for _ in range(2)] == [("hello", 2), ("hello", 0)]
    site.write(".htaccess", "DirectoryIndex more.txt\n")
    assert [site.ask()[1:] for _ in range(2)] == [("more", 1), ("more", 0)]
    site.write(".htaccess", "<Files more.txt>\nRequire all denied\n</Files>\nDirectoryIndex more.txt\n")
    assert [site.ask()[0] for _ in range(2)] == [403, 403]


@pytest.mark.parametrize(
    "conf",
    [
        "<Directory WWW>\nRequire all granted\n</Directory>\n",
        "<Directory WWW>\nRequire local\n</Directory>\nDirectoryIndex index.html\n",
        "<Directory WWW/other>\nOptions -FollowSymLinks\n</Directory>\n",
        "ExpiresActive On\nExpiresDefault A10\nAddDefaultCharset utf-8\n",
        "SetEnvIf Host . a=b\n<Directory WWW>\nSetEnvIf Host . b=c\n</Directory>\n",
        "Header set A b\n",
        "AcceptPathInfo On\n",
    ],
)
def test_what_cannot_see_a_look_up(tmp_path: Path, conf: str) -> None:
    site = Site(tmp_path, PLAIN + conf)
    site.write("index.html", "hello")
    made = [site.ask() for _ in range(3)]
    assert [reply[:2] for reply in made] == [(200, "hello")] * 3
    # (what is missing is asked about each time where it may be refused)
    assert made[0][2] > made[1][2] == made[2][2]


@pytest.mark.parametrize(
    "conf",
    [
        "<Directory WWW>\nPythonFixupHandler m\n</Directory>\n",
        "<Directory WWW>\nPythonCleanupHandler m\n</Directory>\n",
        "<If true>\nDirectorySlash On\n</If>\n",
        "RewriteEngine On\nRewriteRule ^/x /y\n",
        "<Directory WWW>\nRewriteEngine On\nRewriteRule x y\n</Directory>\n",
        "FallbackResource /f\n",
        "<Directory WWW>\nRequestHeader append A b\n</Directory>\n",
        "<Directory WWW>\nDirectoryIndex index.html\n</Directory>\n<Files index.html>\nAcceptPathInfo On\n</Files>\n",
        "SetEnv a b\n",
    ],
)
def test_what_may_see_a_look_up_has_it_each_time(tmp_path: Path, conf: str) -> None:
    site = Site(tmp_path, PLAIN + conf)
    site.write("index.html", "hello")
    made = [site.ask() for _ in range(3)]
    assert [reply[0] for reply in made] == [made[0][0]] * 3
    assert made[0][2] == made[1][2] == made[2][2] > 0


def test_a_gate_is_asked_each_time(tmp_path: Path) -> None:
    """The directory's own has let the client in; where the index has another one, it decides about each request."""
    site = Site(
        tmp_path,
        PLAIN + "<Files index.html>\nRequire method GET\n</Files>\n<Files more.txt>\nRequire all denied\n</Files>\n",
    )
    site.write("index.html", "hello")
    made = [site.ask() for _ in range(2)]
    assert [reply[:2] for reply in made] == [(200, "hello")] * 2
    assert made[1][2] == 1  # (no.html is known to be missing)
    (site.root / "d/index.html").unlink()
    site.write("more.txt")
    assert [site.ask()[0] for _ in range(3)] == [403, 403, 403]


def test_a_link_that_may_not_be_followed_is_refused_each_time(tmp_path: Path) -> None:
    site = Site(tmp_path, "<Directory WWW>\nOptions -FollowSymLinks\n</Directory>\n")
    site.write("index.html", "hello")
    assert [site.ask()[:2] for _ in range(2)] == [(200, "hello")] * 2
    (site.root / "d/index.html").rename(site.root / "d/other.html")
    (site.root / "d/index.html").symlink_to("other.html")
    assert [site.ask()[0] for _ in range(2)] == [403, 403]


def test_type_and_head_are_those_of_the_index(tmp_path: Path) -> None:
    """What the directory has of its own, does not show."""
    conf = "AddType text/css .css\nAddLanguage de .de\nAddEncoding own .enc\nDirectoryIndex style.de.css.enc\n"
    site = Site(tmp_path, conf + "<Files style.de.css.enc>\nHeader set A file\n</Files>\nHeader set B server\n")
    site.write("style.de.css.enc", "css")
    replies = [site.head() for _ in range(3)]
    assert replies[0] == replies[1] == replies[2]
    assert replies[0]["Content-Type"] == "text/css"
    assert (replies[0]["Content-Language"], replies[0]["Content-Encoding"]) == ("de", "own")
    assert (replies[0]["A"], replies[0]["B"]) == ("file", "server")
