"""Files that were sent as they are: which need none of their steps any more, and what is answered then."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mpserver.api.request import Request
from mpserver.config.configuration import load
from mpserver.http1.head import Limits, parse_head
from mpserver.modules.all import registry
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.running import run_steps
from mpserver.phases.survey import finish
from mpserver.testing.bench import Wire

LOCAL = ("127.0.0.1", 80)


class Site:
    """A folder with a document, and requests for it."""

    def __init__(self, root: Path, conf: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = root / "www/page.txt"
        self.file.parent.mkdir()
        self.write("hello")
        (root / "httpd.conf").write_text(f"DocumentRoot {root}/www\nAddType text/plain .txt\n{conf}")
        self.pipeline = Pipeline(finish(load("httpd.conf", registry(), root=str(root))), {}, 0, None, {})
        #: How many requests went through steps.
        self.stepped = 0

        def counted(req: Request, *more: object) -> int:
            self.stepped += 1
            return run_steps(req, *more)  # type: ignore[arg-type]

        monkeypatch.setattr("mpserver.phases.pipeline.run_steps", counted)

    def write(self, text: str) -> None:
        self.file.write_text(text)
        os.utime(self.file, (1, len(text)))

    def ask(self, method: str = "GET", more: str = "") -> tuple[int, str, bool]:
        """Ask, some time after the file was written. :returns: status, type and body, and whether steps were run."""
        host = self.pipeline.planner.host_of(LOCAL, "a")
        raw = f"{method} /page.txt HTTP/1.1\r\nHost: a\r\n{more}\r\n"
        head = parse_head(raw.encode(), Limits())
        assert head is not None
        link, before = Wire(host, b""), self.stepped
        req = Request(link, head, host, self.pipeline.clock, time.time() + 10)
        located = self.pipeline.planner.refined(req, host, self.pipeline.planner.locate(host, head.path))
        self.pipeline.serve(req, located)
        body = bytes(link.sent).partition(b"\r\n\r\n")[2].decode()
        return req.mp_status, f"{req.mp_content_type} {body}", self.stepped > before


def test_a_file_that_was_sent_as_it_is_needs_no_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path, "", monkeypatch)
    assert site.ask() == (200, "text/plain hello", True)
    assert site.ask() == site.ask(more="X: y\r\n") == (200, "text/plain hello", False)
    assert site.ask("HEAD") == (200, "text/plain ", True)
    assert site.ask(more="Range: bytes=1-2\r\n") == (206, "text/plain el", True)
    assert site.ask(more="Connection: close\r\n") == (200, "text/plain hello", True)
    assert site.ask(more="If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n") == (304, "text/plain ", False)
    assert site.ask("DELETE")[0] == 405
    site.write("hello again")
    assert site.ask() == (200, "text/plain hello again", True)
    assert site.ask() == (200, "text/plain hello again", False)
    site.file.unlink()
    assert site.ask()[0] == 404


@pytest.mark.parametrize(
    "conf",
    [
        "SetEnvIf X-Y . seen\n",
        "<Location />\nRequire local\n</Location>\n",
        "<Directory />\nOptions None\n</Directory>\n",
        'Header set X "%{A}e"\n',
        "AddDefaultCharset utf-8\n",
        "RewriteEngine on\nRewriteRule ^/other /page.txt\n",
        '<If "-n %{HTTP:X-Y}">\nForceType text/html\n</If>\n',
        "AddOutputFilterByType INCLUDES text/html\n",
        "Action text/x-other /cgi-bin/x\n",
        "ExpiresActive On\nExpiresDefault A10\n",
    ],
)
def test_whoever_may_look_at_requests_is_asked_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conf: str
) -> None:
    site = Site(tmp_path, conf, monkeypatch)
    for _ in range(3):
        status, told, stepped = site.ask()
        assert status == 200
        assert told.endswith(" hello")
        assert stepped


def test_headers_that_are_always_the_same_are_kept_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, "Header set X y\n", monkeypatch)
    assert site.ask() == (200, "text/plain hello", True)
    assert site.ask() == (200, "text/plain hello", False)


def test_a_condition_that_begins_to_hold_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path, '<If "-n %{HTTP:X-Y}">\nForceType text/html\n</If>\n', monkeypatch)
    for _ in range(2):
        assert site.ask()[1] == "text/plain hello"
        assert site.ask(more="X-Y: 1\r\n")[1] == "text/html hello"
