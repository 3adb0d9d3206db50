"""Symbolic links are looked for where a section says so, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from mpserver.api.request import Request
from mpserver.config.configuration import load
from mpserver.modules.all import registry
from mpserver.modules.core import symlinks
from mpserver.modules.core.hooks import map_to_storage
from mpserver.modules.hooks import Planning
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.survey import finish

LOCAL = ("127.0.0.1", 80)


class Plans:
    """The plans of a configuration, and the files that were looked at for links by the steps of one."""

    def __init__(self, root: Path, conf: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("a/b", "c"):
            (root / "www" / name).mkdir(parents=True)
            (root / "www" / name / "page.txt").write_text("")
        (root / "www/a/page.txt").write_text("")
        text = f"DocumentRoot {root}/www\n" + conf.replace("WWW", f"{root}/www")
        (root / "httpd.conf").write_text(text)
        self._planner = Pipeline(finish(load("httpd.conf", registry(), root=str(root))), {}, 0, None, {}).planner
        self.seen: list[str] = []
        self._root = str(root / "www")
        real: Callable[..., str | None] = symlinks.first_refused

        def noted(server: object, uri: str, filename: str, htaccess: object) -> str | None:
            self.seen.append(filename.removeprefix(self._root))
            return real(server, uri, filename, htaccess)

        monkeypatch.setattr(symlinks, "first_refused", noted)

    def look(self, path: str) -> list[int]:
        """What the step says of a request's file; empty: there is none."""
        host = self._planner.host_of(LOCAL, "a")
        located = self._planner.locate(host, path)
        req = object.__new__(Request)
        req.mp_filename, req.mp_uri, req.mp_host = located.resource.filename, path, host
        engine = SimpleNamespace(htaccess=self._planner.htaccess)
        planning = SimpleNamespace(server=host.server, conf=located.plan.conf, engine=engine)
        step = map_to_storage(cast("Planning", planning))
        return [] if step is None else [step(req)]


@pytest.mark.parametrize(
    ("conf", "looked"),
    [
        ("<Directory WWW/a>\nOptions -FollowSymLinks\n</Directory>\n", ["/a/page.txt", "/a/b/page.txt"]),
        ("<Directory WWW/a/b>\nOptions SymLinksIfOwnerMatch\n</Directory>\n", ["/a/b/page.txt"]),
        # what lies behind such a directory passes it, whatever it says itself
        (
            "<Directory WWW/a>\nOptions None\n</Directory>\n<Directory WWW/a/b>\nOptions All\n</Directory>\n",
            ["/a/page.txt", "/a/b/page.txt"],
        ),
        ("<Directory WWW/other>\nOptions None\n</Directory>\n", []),
        ("<Directory />\nOptions None\n</Directory>\n", ["/a/page.txt", "/a/b/page.txt", "/c/page.txt"]),
        ("<Location /c>\nOptions None\n</Location>\n", ["/c/page.txt"]),
        # where the path alone does not tell
        ("<Directory WWW/*/b>\nOptions None\n</Directory>\n", ["/a/page.txt", "/a/b/page.txt", "/c/page.txt"]),
        ("<DirectoryMatch x>\nOptions None\n</DirectoryMatch>\n", ["/a/page.txt", "/a/b/page.txt", "/c/page.txt"]),
        (
            "<Directory WWW/other>\nOptions None\n</Directory>\n<Directory WWW>\nAllowOverride Options\n</Directory>\n",
            ["/a/page.txt", "/a/b/page.txt", "/c/page.txt"],
        ),
        ("", []),
    ],
)
def test_what_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conf: str, looked: list[str]) -> None:
    plans = Plans(tmp_path, conf, monkeypatch)
    for path in ("/a/page.txt", "/a/b/page.txt", "/c/page.txt"):
        assert set(plans.look(path)) <= {0}
    assert plans.seen == looked


def test_a_link_is_refused_where_the_directory_that_it_lies_in_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = Plans(tmp_path, "<Directory WWW/a>\nOptions -FollowSymLinks\n</Directory>\n", monkeypatch)
    (tmp_path / "www/a/link.txt").symlink_to("page.txt")
    (tmp_path / "www/c/link.txt").symlink_to("page.txt")
    (tmp_path / "www/a/folder").symlink_to("b")
    assert plans.look("/c/link.txt") == [0]
    monkeypatch.setattr(Request, "mp_log", type("Log", (), {"log": lambda *_, **__: None})())
    assert plans.look("/a/link.txt") == plans.look("/a/folder/page.txt") == [403]


def test_names_are_looked_at_one_by_one_only_where_there_is_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = Plans(tmp_path, "<Directory />\nOptions None\n</Directory>\n", monkeypatch)
    names: list[str] = []

    def follow(name: str, *, owned: bool) -> bool:
        names.append(name)
        return True

    monkeypatch.setattr(symlinks, "_may_follow", follow)
    assert plans.look("/a/b/page.txt") == [0]
    assert plans.look("/a/b") == [0]
    assert names == []
    (tmp_path / "www/folder").symlink_to("a")
    assert plans.look("/folder/b/page.txt") == [0]
    assert names[-3:] == [f"{tmp_path}/www/{name}" for name in ("folder", "folder/b", "folder/b/page.txt")]
    names.clear()
    assert plans.look("/a/missing.txt") == [0]
    assert names[-1] == f"{tmp_path}/www/a/missing.txt"
