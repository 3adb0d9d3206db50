"""Sessions and where they are kept: manual 4.8, api 3.5 1.11 and 3.3."""

from __future__ import annotations

import importlib
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mod_python import Cookie, Session
from mod_python._sessions import (
    base,
    dbms,
    dbmsession,
    files,
    filesession,
    memorysession,
    private,
    records,
    slots,
)
from support.waiting import PATIENCE, wait_for

UNKNOWN = "ab" * 16
KINDS = ("FileSession", "DbmSession", "MemorySession", "RedisSession")
STORED = ("FileSession", "DbmSession")

Ask = Callable[..., Any]


def begin(ask: Ask, kind: str, **data: Any) -> str:
    """A stored session with some data. :returns: its id."""
    req = ask(kind=kind)
    session = Session.Session(req)
    session.update(data)
    session.save()
    req.end()
    return session.id()


def logged(req: Any) -> str:
    """What a request wrote to the error log."""
    return "\n".join(text for text, _ in req.logged)


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_a_session_stays(self, ask: Ask, kind: str) -> None:
        req = ask(kind=kind)
        session = Session.Session(req)
        assert type(session) is getattr(Session, kind)
        assert (session.is_new(), session.timeout(), dict(session)) == (True, 1800, {})
        assert session.created() == pytest.approx(time.time(), abs=5)
        assert req.headers_out["Set-Cookie"] == f"pysid={session.id()}; path=/; samesite=Lax; httponly"
        session["hits"] = [1]
        session.save()
        req.end()

        req = ask(session.id(), kind)
        again = Session.Session(req)
        assert (again.is_new(), again.id(), dict(again)) == (False, session.id(), {"hits": [1]})
        assert again.created() == session.created()
        assert again.last_accessed() >= session.last_accessed()
        assert "Set-Cookie" not in req.headers_out

    def test_what_is_not_saved_is_lost(self, ask: Ask, kind: str) -> None:
        sid = begin(ask, kind, a=1)
        req = ask(sid, kind)
        session = Session.Session(req)
        session["a"] = 2
        session.set_timeout(5)
        req.end()
        session = Session.Session(ask(sid, kind))
        assert (session["a"], session.timeout()) == (1, 1800)

    def test_ids_are_128_random_bits(self, ask: Ask, kind: str) -> None:
        ids = set()
        for _ in range(20):
            req = ask(kind=kind)
            ids.add(Session.Session(req).id())
            req.end()
        assert len(ids) == 20
        assert all(len(sid) == 32 and int(sid, 16) >= 0 and sid == sid.lower() for sid in ids)

    @pytest.mark.parametrize("sid", [UNKNOWN, "zz", "A" * 32, "ab" * 16 + "\n", "../" * 8, "é" * 32, "0" * 33])
    def test_an_id_that_is_none_is_replaced(self, ask: Ask, kind: str, sid: str) -> None:
        req = ask(sid, kind)
        session = Session.Session(req)
        assert session.is_new()
        assert session.id() != sid
        assert session.id() in req.headers_out["Set-Cookie"]

    def test_sid_as_argument(self, ask: Ask, kind: str) -> None:
        sid = begin(ask, kind, a=1)
        req = ask(UNKNOWN, kind)
        session = Session.Session(req, sid=sid)
        assert (session.is_new(), session.id(), session["a"]) == (False, sid, 1)
        assert "Set-Cookie" not in req.headers_out
        req.end()
        session = Session.Session(ask(sid, kind), sid=UNKNOWN)
        assert session.is_new()
        assert session.id() not in (sid, UNKNOWN)

    @pytest.mark.parametrize("sid", ["zz", "A" * 32, "../../../../etc/passwd"])
    def test_a_wrong_sid_as_argument(self, ask: Ask, kind: str, sid: str) -> None:
        with pytest.raises(ValueError, match=f"Invalid Session ID: sid={sid}"):
            Session.Session(ask(kind=kind), sid=sid)
        with pytest.raises(TypeError):
            Session.Session(ask(kind=kind), sid=5)

    def test_time_out(self, ask: Ask, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        req = ask(kind=kind)
        session = Session.Session(req, timeout=7)
        session.save()
        req.end()
        now = time.time()
        # the stored time-out counts, whatever is asked for
        monkeypatch.setattr(time, "time", lambda: now + 6)
        req = ask(session.id(), kind)
        again = Session.Session(req, timeout=1)
        assert (again.is_new(), again.timeout()) == (False, 7)
        again.save()
        req.end()
        # and the last access that was saved
        monkeypatch.setattr(time, "time", lambda: now + 12)
        req = ask(session.id(), kind)
        assert not Session.Session(req).is_new()
        req.end()
        monkeypatch.setattr(time, "time", lambda: now + 14)
        late = Session.Session(ask(session.id(), kind), timeout=9)
        assert (late.is_new(), late.timeout(), dict(late)) == (True, 9, {})
        assert late.id() != session.id()

    def test_invalidate(self, ask: Ask, kind: str) -> None:
        sid = begin(ask, kind, a=1)
        req = ask(sid, kind)
        session = Session.Session(req)
        session.invalidate()
        ends = "expires=Thu, 01-Jan-1970 00:00:00 GMT"
        assert req.headers_out["Set-Cookie"] == f"pysid={sid}; path=/; {ends}; samesite=Lax; httponly"
        assert dict(session) == {}
        session["a"] = 2
        session.save()
        req.end()
        assert Session.Session(ask(sid, kind)).is_new()

    def test_delete(self, ask: Ask, kind: str) -> None:
        sid = begin(ask, kind, a=1)
        req = ask(sid, kind)
        session = Session.Session(req)
        session.delete()
        session.delete()
        assert not session.load()
        req.end()
        assert Session.Session(ask(sid, kind)).is_new()

    def test_load(self, ask: Ask, kind: str) -> None:
        session = Session.Session(ask(begin(ask, kind, a=1), kind))
        session["a"] = 2
        assert session.load()
        assert session["a"] == 1

    def test_secret(self, ask: Ask, kind: str) -> None:
        req = ask(kind=kind)
        session = Session.Session(req, secret="s")
        session.save()
        cookie = req.headers_out["Set-Cookie"].partition(";")[0]
        assert cookie == str(Cookie.SignedCookie("pysid", session.id(), "s"))
        req.end()
        req = ask(kind=kind, headers={"Cookie": cookie})
        assert Session.Session(req, secret="s").id() == session.id()
        req.end()
        for header, secret in ((f"pysid={session.id()}", "s"), (cookie, "other"), (cookie, None)):
            req = ask(kind=kind, headers={"Cookie": header})
            assert Session.Session(req, secret=secret).is_new()
            req.end()

    def test_large_and_growing(self, ask: Ask, kind: str) -> None:
        sid = begin(ask, kind)
        for size in (10, 3000, 1000, 70_000, 5, 300_000, 2, 1 << 21):
            req = ask(sid, kind)
            session = Session.Session(req)
            session["x"] = "é" * size
            session.save()
            req.end()
            req = ask(sid, kind)
            assert Session.Session(req)["x"] == "é" * size
            req.end()

    def test_one_holder(self, ask: Ask, kind: str) -> None:
        sid = begin(ask, kind)
        first = ask(sid, kind)
        session = Session.Session(first)
        came: list[float] = []

        def other() -> None:
            req = ask(sid, kind)
            Session.Session(req)
            came.append(time.perf_counter())
            req.end()

        for give_back in (session.unlock, first.end):
            thread = threading.Thread(target=other)
            thread.start()
            thread.join(0.05)
            assert came == []
            gave = time.perf_counter()
            give_back()
            thread.join(PATIENCE)
            assert came.pop() >= gave
            session.lock()

    def test_without_a_lock(self, ask: Ask, kind: str) -> None:
        sid = begin(ask, kind)
        Session.Session(ask(sid, kind))
        done = threading.Event()

        def other() -> None:
            session = Session.Session(ask(sid, kind), lock=0)
            session.lock()
            session.unlock()
            done.set()

        threading.Thread(target=other).start()
        assert done.wait(PATIENCE)

    def test_twice_in_a_request(self, ask: Ask, kind: str) -> None:
        sid = begin(ask, kind, a=1)
        req = ask(sid, kind)
        assert Session.Session(req)["a"] == Session.Session(req)["a"] == 1
        req.end()
        assert not Session.Session(ask(sid, kind)).is_new()

    def test_the_lock_is_given_back_also_where_it_never_came(self, ask: Ask, kind: str, lent: SimpleNamespace) -> None:
        sid = begin(ask, kind)
        lock = lent.global_lock

        def interrupted(*args: Any) -> Any:
            def acquire() -> None:
                raise TimeoutError

            return SimpleNamespace(acquire=acquire, release=lock(*args).release)

        lent.global_lock = interrupted
        req = ask(sid, kind)
        with pytest.raises(TimeoutError):
            Session.Session(req)
        req.end()

        def late(*args: Any) -> Any:
            def acquire() -> None:
                lock(*args).acquire()
                raise TimeoutError

            return SimpleNamespace(acquire=acquire, release=lock(*args).release)

        lent.global_lock = late
        req = ask(sid, kind)
        with pytest.raises(TimeoutError):
            Session.Session(req)
        lent.global_lock = lock
        req.end()
        thread = threading.Thread(target=lambda: Session.Session(ask(sid, kind)), daemon=True)
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive()

    def test_cleanup_comes_by_chance(self, ask: Ask, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Session, "CLEANUP_CHANCE", 1)
        old, mine = begin(ask, kind, a=1), begin(ask, kind)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 10_000)
        req = ask(kind=kind)
        new = Session.Session(req)
        new.save()
        assert ("cleanup" in logged(req)) is (kind != "RedisSession")  # Redis does it by itself
        assert all(level == 5 for _, level in req.logged)
        monkeypatch.setattr(time, "time", lambda: now)
        # nothing happened yet, and old files look old only where time went by: see below
        assert not Session.Session(ask(old, kind, options={}), lock=0).is_new()
        assert not Session.Session(ask(mine, kind), lock=0).is_new()


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "cookie"),
        [
            ({"mod_python.session.cookie_name": "my"}, "my=%s; path=/"),
            ({"session_cookie_name": "old"}, "old=%s; path=/"),
            ({"session_cookie_name": "old", "mod_python.session.cookie_name": "new"}, "new=%s; path=/"),
            ({"mod_python.session.application_path": "/app"}, "pysid=%s; path=/app"),
            ({"ApplicationPath": "/old"}, "pysid=%s; path=/old"),
            ({"applicationpath": "/old"}, "pysid=%s; path=/old"),
            ({"mod_python.session.application_domain": ".x.y"}, "pysid=%s; path=/; domain=.x.y"),
        ],
    )
    def test_the_cookie(self, ask: Ask, options: dict[str, str], cookie: str) -> None:
        req = ask(kind="MemorySession", options=options)
        session = Session.Session(req)
        wanted = cookie % session.id() + "; samesite=Lax; httponly"
        assert req.headers_out["Set-Cookie"] == wanted
        assert str(session.make_cookie()) == wanted

    @pytest.mark.parametrize(
        ("options", "https", "attributes"),
        [
            ({}, 1, "; secure; samesite=Lax; httponly"),
            ({"cookie_secure": "no"}, 1, "; samesite=Lax; httponly"),
            ({"cookie_secure": "yes"}, 0, "; secure; samesite=Lax; httponly"),
            ({"cookie_httponly": "no"}, 0, "; samesite=Lax"),
            ({"cookie_httponly": "yes", "cookie_samesite": "strict"}, 0, "; samesite=Strict; httponly"),
            ({"cookie_samesite": "none"}, 0, "; secure; samesite=None; httponly"),
            ({"cookie_samesite": "None", "cookie_secure": "No"}, 1, "; samesite=None; httponly"),
            ({"cookie_samesite": "off", "cookie_httponly": "0", "cookie_secure": "false"}, 1, ""),
        ],
    )
    def test_what_browsers_do_with_it(self, ask: Ask, options: dict[str, str], https: int, attributes: str) -> None:
        named = {f"mod_python.session.{name}": value for name, value in options.items()}
        session = Session.Session(ask(kind="MemorySession", options=named, is_https=lambda: https))
        assert str(session.make_cookie()) == f"pysid={session.id()}; path=/{attributes}"

    @pytest.mark.parametrize("name", ["cookie_httponly", "cookie_samesite", "cookie_secure"])
    def test_what_they_can_t_do(self, ask: Ask, name: str) -> None:
        with pytest.raises(ValueError, match=f"PythonOption mod_python.session.{name} perhaps: write "):
            Session.Session(ask(kind="MemorySession", options={f"mod_python.session.{name}": "perhaps"}))

    @pytest.mark.parametrize(
        ("directory", "url", "path"),
        [
            ("/www/", "/x", "/"),
            ("/www", "/x", "/"),
            ("/www/d/e/", "/d/e/page", "/d/e/"),
            ("/www/d/e", "/d/e", "/d/e/"),
            ("/www/d/", "/alias/page", "/"),
            ("/wwwd/", "/d/page", "/"),
            ("/location/", "/location/x", "/"),
            (None, "/x", "/"),
        ],
    )
    def test_the_path_of_the_handler(self, ask: Ask, directory: str | None, url: str, path: str) -> None:
        for root in ("/www", "/www/"):
            req = ask(url=url, hlist=SimpleNamespace(directory=directory), document_root=lambda root=root: root)
            assert memorysession.MemorySession(req).make_cookie().path == path
            req.end()

    def test_outside_of_phases(self, ask: Ask) -> None:
        assert memorysession.MemorySession(ask(hlist=None)).make_cookie().path == "/"

    @pytest.mark.parametrize("name", ["mod_python.session.session_type", "session"])
    def test_session_type(self, ask: Ask, name: str) -> None:
        assert type(Session.Session(ask(options={name: "MemorySession"}))) is memorysession.MemorySession
        with pytest.raises(ValueError, match=r"Unknown session type memorysession.*FileSession"):
            Session.Session(ask(options={name: "memorysession"}))

    def test_the_new_name_of_the_type_counts(self, ask: Ask) -> None:
        req = ask(kind="FileSession", options={"session": "MemorySession"})
        assert type(Session.Session(req)) is filesession.FileSession

    @pytest.mark.parametrize(
        ("threaded", "forked", "daemons", "kind"),
        [(0, 2, 5, "DbmSession"), (0, 2, 1, "DbmSession"), (1, 0, 1, "MemorySession"),
         (1, 1, 1, "MemorySession"), (2, 2, 5, "DbmSession")],
    )  # fmt: skip
    def test_by_mpm(self, ask: Ask, lent: SimpleNamespace, threaded: int, forked: int, daemons: int, kind: str) -> None:
        lent.mpm_query = {2: threaded, 3: forked, 12: daemons}.__getitem__
        assert type(Session.Session(ask())).__name__ == kind

    @pytest.mark.parametrize("word", ["yes", "true", "1", "True", "no", "FALSE", "0", "maybe", "2"])
    @pytest.mark.parametrize(
        ("name", "attribute"),
        [
            ("mod_python.file_session.enable_fast_cleanup", "_fast_cleanup"),
            ("session_fast_cleanup", "_fast_cleanup"),
            ("mod_python.file_session.verify_session_timeout", "_verify_cleanup"),
            ("session_verify_cleanup", "_verify_cleanup"),
        ],
    )
    def test_booleans(self, ask: Ask, name: str, attribute: str, word: str) -> None:
        req = ask(options={name: word})
        if word in ("maybe", "2"):
            with pytest.raises(ValueError, match=f"{word}: write yes"):
                filesession.FileSession(req)
        else:
            assert getattr(filesession.FileSession(req), attribute) is (word.lower() in ("yes", "true", "1"))

    def test_cleanup_arguments_beat_options(self, ask: Ask) -> None:
        options = {"session_fast_cleanup": "yes", "session_verify_cleanup": "no"}
        session = filesession.FileSession(ask(options=options), fast_cleanup=False)
        assert (session._fast_cleanup, session._verify_cleanup) == (False, True)
        session = filesession.FileSession(ask(options={}), verify_cleanup=False)
        assert (session._fast_cleanup, session._verify_cleanup) == (True, False)

    @pytest.mark.parametrize(
        ("name", "attribute"),
        [
            ("mod_python.file_session.cleanup_grace_period", "_grace_period"),
            ("session_grace_period", "_grace_period"),
            ("mod_python.file_session.cleanup_time_limit", "_cleanup_time_limit"),
            ("session_cleanup_time_limit", "_cleanup_time_limit"),
        ],
    )
    def test_numbers(self, ask: Ask, name: str, attribute: str) -> None:
        assert getattr(filesession.FileSession(ask(options={name: "11"})), attribute) == 11
        for word in ("x", "-1", "1.5"):
            with pytest.raises(ValueError, match="number of seconds"):
                filesession.FileSession(ask(options={name: word}))

    def test_defaults(self, ask: Ask) -> None:
        session = filesession.FileSession(ask())
        found = (
            session._fast_cleanup,
            session._verify_cleanup,
            session._grace_period,
            session._cleanup_time_limit,
        )
        assert found == (True, True, 240, 2)
        assert (Session.COOKIE_NAME, Session.DFT_TIMEOUT) == ("pysid", 1800)

    def test_an_application_sets_other_defaults(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in (
            ("COOKIE_NAME", "mine"), ("DFT_TIMEOUT", 60), ("DFT_FAST_CLEANUP", False), ("DFT_VERIFY_CLEANUP", False),
            ("DFT_GRACE_PERIOD", 7), ("DFT_CLEANUP_TIME_LIMIT", 1),
        ):  # fmt: skip
            monkeypatch.setattr(Session, name, value)
        req = ask()
        session = filesession.FileSession(req)
        found = session._fast_cleanup, session._verify_cleanup, session._grace_period, session._cleanup_time_limit
        assert found == (False, True, 7, 1)  # (without the one, the other is always on)
        assert (session.timeout(), req.headers_out["Set-Cookie"][:5]) == (60, "mine=")

    def test_one_in_a_thousand_requests_cleans_up(self) -> None:
        assert Session.CLEANUP_CHANCE == 1000

    @pytest.mark.parametrize(
        ("kind", "names", "file"),
        [
            ("FileSession", ["mod_python.file_session.database_directory"], "mp_sess"),
            ("FileSession", ["mod_python.session.database_directory"], "mp_sess"),
            ("FileSession", ["session_directory"], "mp_sess"),
            ("FileSession", ["mod_python.file_session.database_directory", "session_directory"], "mp_sess"),
            ("DbmSession", ["mod_python.dbm_session.database_directory"], "mp_sess.dbm"),
            ("DbmSession", ["mod_python.session.database_directory"], "mp_sess.dbm"),
            ("DbmSession", ["session_directory"], "mp_sess.dbm"),
            ("DbmSession", ["mod_python.dbm_session.database_directory",
                            "mod_python.session.database_directory"], "mp_sess.dbm"),
        ],
    )  # fmt: skip
    def test_directories(self, ask: Ask, tmp_path: Path, kind: str, names: list[str], file: str) -> None:
        options = {"mod_python.session.database_directory": ""}
        for number, name in enumerate(names):
            folder = tmp_path / f"dir{number}"
            folder.mkdir(mode=0o700)
            options[name] = str(folder)
        Session.Session(ask(kind=kind, options=options)).save()
        assert [(path.parent.name, path.name) for path in tmp_path.glob(f"dir*/{file}")] == [("dir0", file)]

    @pytest.mark.parametrize("name", ["mod_python.dbm_session.database_filename", "session_dbm", None])
    def test_database_filename(self, ask: Ask, tmp_path: Path, name: str | None) -> None:
        (tmp_path / "own").mkdir(mode=0o700)
        file = tmp_path / "own" / "my.db"
        if name:
            dbmsession.DbmSession(ask(options={name: str(file)})).save()
        else:
            dbmsession.DbmSession(ask(), str(file)).save()
        assert file.exists()


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A process that doesn't care who reads its files."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("open_umask")
class TestPrivacy:
    @pytest.mark.parametrize("kind", STORED)
    def test_modes(self, ask: Ask, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Session, "CLEANUP_CHANCE", 1)
        sid = begin(ask, kind)
        begin(ask, kind)
        below = list((tmp_path / "sessions").rglob("*"))
        assert any(sid == path.name for path in below) or kind == "DbmSession"
        assert {mode(path) for path in below if path.is_dir()} <= {0o700}
        assert {mode(path) for path in below if path.is_file()} == {0o600}

    @pytest.mark.parametrize("kind", STORED)
    def test_where_nothing_is_configured(
        self, ask: Ask, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shared = tmp_path / "tmp"
        shared.mkdir()
        shared.chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", str(shared))
        private.temporary.cache_clear()
        try:
            req = ask(kind=kind, options={"mod_python.session.database_directory": ""})
            Session.Session(req).save()
            req.end()
        finally:
            private.temporary.cache_clear()
        (folder,) = shared.iterdir()
        assert mode(folder) == 0o700
        assert str(os.geteuid()) in folder.name

    def test_a_folder_that_is_there_is_closed(self, ask: Ask, tmp_path: Path) -> None:
        folder = tmp_path / "sessions" / "mp_sess"
        folder.mkdir()
        folder.chmod(0o755)
        filesession.FileSession(ask())
        assert mode(folder) == 0o700

    @pytest.mark.parametrize("how", ["writable", "link", "file"])
    def test_a_folder_that_cannot_be_trusted(self, ask: Ask, tmp_path: Path, how: str) -> None:
        folder = tmp_path / "sessions" / "mp_sess"
        if how == "writable":
            folder.mkdir()
            folder.chmod(0o777)
        elif how == "link":
            (tmp_path / "elsewhere").mkdir(mode=0o700)
            folder.symlink_to(tmp_path / "elsewhere")
        else:
            folder.write_text("")
        with pytest.raises(PermissionError, match="can't be trusted"):
            filesession.FileSession(ask())

    @pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
    def test_files_of_others_are_not_read(self, ask: Ask, tmp_path: Path) -> None:
        sid = begin(ask, "FileSession", a=1)
        os.chown(tmp_path / "sessions" / "mp_sess" / sid[:2] / sid, 12345, -1)
        req = ask(sid, "FileSession")
        assert Session.Session(req).is_new()
        assert "belongs to somebody else" in logged(req)
        os.chown(tmp_path / "sessions" / "mp_sess", 12345, -1)
        files.file_store.cache_clear()
        with pytest.raises(PermissionError):
            filesession.FileSession(ask())

    def test_a_missing_folder_is_told(self, ask: Ask, tmp_path: Path) -> None:
        options = {"mod_python.session.database_directory": str(tmp_path / "missing")}
        with pytest.raises(OSError, match=r"must be there.*missing"):
            filesession.FileSession(ask(options=options))
        with pytest.raises(OSError, match="missing"):
            dbmsession.DbmSession(ask(options=options))

    def test_a_database_in_a_shared_folder(self, ask: Ask, tmp_path: Path) -> None:
        (tmp_path / "sessions").chmod(0o777)
        dbmsession.DbmSession(ask()).save()
        (folder,) = (tmp_path / "sessions").iterdir()
        assert mode(folder) == 0o700
        assert (folder / "mp_sess.dbm").exists()
        named = ask(options={"session_dbm": str(tmp_path / "sessions" / "named.dbm")})
        with pytest.raises(PermissionError, match="Others can write"):
            dbmsession.DbmSession(named).save()

    @pytest.mark.parametrize("module", [None, "dbm.dumb"])
    def test_a_named_database_in_a_shared_folder_with_a_sticky_bit(
        self, ask: Ask, tmp_path: Path, module: str | None
    ) -> None:
        dbmtype = importlib.import_module(module) if module else None
        shared = tmp_path / "tmp"
        shared.mkdir()
        shared.chmod(0o1777)
        file = str(shared / "x.dbm")
        session = dbmsession.DbmSession(ask(), file, dbmtype=dbmtype)
        session["a"] = 1
        session.save()
        session.unlock()
        (folder,) = shared.iterdir()
        assert mode(folder) == 0o700
        assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"x"}
        assert dbmsession.DbmSession(ask(session.id()), file, dbmtype=dbmtype)["a"] == 1


class TestFiles:
    def test_layout(self, ask: Ask, tmp_path: Path) -> None:
        sid = begin(ask, "FileSession", a=1)
        assert (tmp_path / "sessions" / "mp_sess" / sid[:2] / sid).is_file()

    @pytest.mark.parametrize("protocol", [2, 4])
    def test_sessions_of_the_published_mod_python_go_on(self, ask: Ask, tmp_path: Path, protocol: int) -> None:
        record = {"_data": {"a": 1}, "_created": 5.0, "_accessed": time.time(), "_timeout": 60}
        folder = tmp_path / "sessions" / "mp_sess" / UNKNOWN[:2]
        folder.mkdir(parents=True, mode=0o700)
        folder.parent.chmod(0o755)
        (folder / UNKNOWN).write_bytes(pickle.dumps(record, protocol))
        for hits in (1, 2, 3):
            req = ask(UNKNOWN, "FileSession")
            session = Session.Session(req)
            assert (session["a"], session.created(), session.timeout()) == (hits, 5.0, 60)
            session["a"] += 1
            session.save()
            req.end()

    @pytest.mark.parametrize("content", [b"", b"junk", b"MPS1", b"MPS1" + bytes(100), pickle.dumps([1])])
    def test_what_is_no_session(self, ask: Ask, tmp_path: Path, content: bytes) -> None:
        sid = begin(ask, "FileSession", a=1)
        file = tmp_path / "sessions" / "mp_sess" / sid[:2] / sid
        file.write_bytes(content)
        req = ask(sid, "FileSession")
        assert Session.Session(req).is_new()
        assert ("Error while loading a session" in logged(req)) == (content in (b"junk", pickle.dumps([1])))

    def test_what_cannot_be_stored(self, ask: Ask) -> None:
        sid = begin(ask, "FileSession", a=1)
        req = ask(sid, "FileSession")
        session = Session.Session(req)
        session["a"] = lambda: None
        with pytest.raises(Exception, match=r"pickle|local object"):
            session.save()
        assert "Error while saving a session" in logged(req)
        req.end()
        assert Session.Session(ask(sid, "FileSession"))["a"] == 1

    def test_the_folder_comes_back(self, ask: Ask, tmp_path: Path) -> None:
        begin(ask, "FileSession")
        for path in sorted((tmp_path / "sessions").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        sid = begin(ask, "FileSession", a=1)
        assert Session.Session(ask(sid, "FileSession"))["a"] == 1
        assert mode(tmp_path / "sessions" / "mp_sess") == 0o700

    @pytest.mark.parametrize("how", ["nothing", "saved", "saved twice", "grown", "deleted", "replaced"])
    def test_the_last_save_counts_whoever_came_between(self, ask: Ask, tmp_path: Path, how: str) -> None:
        sid = begin(ask, "FileSession", a=1)
        before = len(os.listdir("/proc/self/fd"))
        req = ask(sid, "FileSession")
        session = Session.Session(req)
        session["a"] = 2
        other = Session.Session(ask(sid, "FileSession"), lock=0)
        match how:
            case "saved" | "saved twice":
                other["a"] = 3
                other.save()
                other["b"] = 4
                if how == "saved twice":
                    other.save()
            case "grown":
                other["a"] = "x" * 9000
                other.save()
            case "deleted":
                other.delete()
            case "replaced":
                file = tmp_path / "sessions" / "mp_sess" / sid[:2] / sid
                file.with_suffix(".new").write_bytes(file.read_bytes())
                file.with_suffix(".new").rename(file)
        session.save()
        req.end()
        assert len(os.listdir("/proc/self/fd")) == before
        req = ask(sid, "FileSession")
        assert dict(Session.Session(req)) == {"a": 2}
        req.end()
        assert len(os.listdir("/proc/self/fd")) == before

    def test_a_broken_write_leaves_the_old_session(self) -> None:
        content = bytearray(slots.file(b"old"))
        for data in (b"new", b"newer", b"the newest"):
            place = slots.place(slots.find(bytes(content)), len(data))
            assert place is not None
            entry = slots.slot(place.number, data)
            before = slots.find(bytes(content)).data
            for cut in range(len(entry)):
                torn = content.ljust(place.offset + len(entry), b"\0")
                torn[place.offset : place.offset + cut] = entry[:cut]
                assert slots.find(bytes(torn)).data in (before, data)
                if place.offset >= len(content):
                    assert slots.find(bytes(torn[: place.offset + cut])).data == before
            content = content.ljust(place.offset + len(entry), b"\0")
            content[place.offset : place.offset + len(entry)] = entry
            assert slots.find(bytes(content)).data == data


def rules(fast: bool = True, verify: bool = True, limit: float = 2) -> files.CleanupRules:
    """The rules of a clean-up."""
    return files.CleanupRules(100, 10, fast, verify, limit)


class TestFileCleanup:
    """Ages in seconds: time-out 100, grace 10."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> files.FileStore:
        return files.FileStore(str(tmp_path / "mp_sess"))

    def put(self, store: files.FileStore, number: int, written: float, accessed: float, timeout: float = 100) -> str:
        """A session that was written and accessed so many seconds ago."""
        sid = f"{number:02x}" * 16
        now = time.time()
        store.save(sid, records.dump({"_accessed": now - accessed, "_timeout": timeout, "_created": 0, "_data": {}}))
        os.utime(store._path(sid), (now - written, now - written))
        return sid

    @pytest.mark.parametrize(
        ("written", "accessed", "timeout", "fast", "verify", "goes"),
        [
            (50, 50, 100, True, True, False),
            (105, 105, 100, True, True, False),
            (120, 120, 100, True, True, True),
            (120, 120, 500, True, True, False),
            (120, 120, 500, True, False, True),
            (50, 120, 100, True, True, False),
            (50, 120, 100, False, True, True),
            (50, 105, 100, False, True, False),
            (50, 30, 5, False, True, True),
            (50, 30, 5, False, False, True),
            (50, 50, 5, True, False, False),
        ],
    )
    def test_what_goes(
        self,
        store: files.FileStore,
        written: float,
        accessed: float,
        timeout: float,
        fast: bool,
        verify: bool,
        goes: bool,
    ) -> None:
        sid = self.put(store, 7, written, accessed, timeout)
        said: list[str] = []
        store.clean(rules(fast=fast, verify=verify), said.append)
        assert (store.load(sid) is None) == goes
        assert said[0] == f"FileSession cleanup: (fast={fast}, verify={verify}) ..."
        assert said[1].startswith(f"FileSession cleanup: deleted {int(goes)} of 1 in 0.")
        status = Path(store.directory, "fs_status.txt").read_text().split()
        assert status[:4] == ["MPFS_3.2", "0", str(int(goes)), "1"]

    def test_slices(self, store: files.FileStore) -> None:
        for number in range(256):
            self.put(store, number, 500, 500)
        left, slices = 256, 0
        while left:
            assert slices < 5000
            said: list[str] = []
            store.clean(rules(limit=0.002), said.append)
            now_left = sum(1 for path in Path(store.directory).glob("??/*"))
            if now_left:
                assert any("cleanup incomplete: next cleanup will start at index" in text for text in said)
            assert now_left <= left  # (a slice may end before its first file on a busy machine)
            left, slices = now_left, slices + 1
        assert slices > 1

    def test_a_slice_goes_on_in_a_folder_of_many(self, store: files.FileStore) -> None:
        sids = [f"07{number:030x}" for number in range(400)]
        for sid in sids:
            store.save(sid, records.dump({"_accessed": time.time(), "_timeout": 9999}))
        store.save(self.put(store, 8, 500, 500), b"expired and no session")
        os.utime(store._path("08" * 16), (1, 1))
        for _ in range(400):
            store.clean(rules(fast=False, limit=0.001), lambda text: None)
            if store.load("08" * 16) is None:
                break
        else:
            pytest.fail("never came to the next folder")

    def test_rubbish(self, store: files.FileStore) -> None:
        junk, draft, fresh = self.put(store, 1, 0, 0), self.put(store, 2, 0, 0), self.put(store, 3, 0, 0)
        paths = [store._path(junk), store._path(draft) + ".0123", store._path(fresh) + ".0123"]
        for path, age in zip(paths, (500, 500, 0), strict=True):
            Path(path).write_bytes(b"junk")
            os.utime(path, (time.time() - age,) * 2)
        said: list[str] = []
        store.clean(rules(), said.append)
        assert [os.path.exists(path) for path in paths] == [False, False, True]
        assert any("FileSession cleanup error" in text for text in said)

    def test_classes_of_others_are_left_alone(self, store: files.FileStore, tmp_path: Path) -> None:
        trap = tmp_path / "sprung"
        data = pickle.dumps({"_data": {"x": _Trap(str(trap)), "y": time.gmtime()}, "_accessed": 1, "_timeout": 1})
        store.save(UNKNOWN, data)
        os.utime(store._path(UNKNOWN), (1, 1))
        store.clean(rules(), lambda text: None)
        assert store.load(UNKNOWN) is None
        assert not trap.exists()

    def test_one_at_a_time(self, store: files.FileStore) -> None:
        import fcntl

        said: list[str] = []
        self.put(store, 7, 500, 500)
        with Path(store.directory, ".mp_sess.lck").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            store.clean(rules(), said.append)
        assert said[-1] == "FileSession cleanup: another process is already running."
        store.clean(rules(), said.append)
        assert "deleted 1 of 1" in said[-1]

    def test_after_the_request(self, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Session, "CLEANUP_CHANCE", 1)
        old = begin(ask, "FileSession")
        store = files.file_store(str(tmp_path / "sessions" / "mp_sess"))
        store.save(old, records.dump({"_accessed": 1, "_timeout": 1, "_created": 0, "_data": {}}))
        os.utime(store._path(old), (1, 1))
        req = ask(kind="FileSession")
        session = Session.Session(req)
        assert [text for text, _ in req.logged] == ["FileSession: registered filesession cleanup."]
        # the session is free again before anybody has to wait for the clean-up
        last = [function.__name__ for function, _ in req.cleanups[-2:]]
        assert last == ["filesession_cleanup", "unlock_session_cleanup"]  # (they run backwards)
        session.save()
        assert store.load(old) is not None
        req.end()
        assert store.load(old) is None
        assert store.load(session.id()) is not None


class _Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


class TestDbm:
    def test_it_is_what_dbm_sqlite3_makes(self, ask: Ask, tmp_path: Path) -> None:
        sid = begin(ask, "DbmSession", a=1)
        file = tmp_path / "sessions" / "mp_sess.dbm"
        connection = sqlite3.connect(file)
        try:
            ((key, value),) = connection.execute("SELECT key, value FROM Dict").fetchall()
        finally:
            connection.close()
        record = pickle.loads(value)
        assert (key, record["_data"], sorted(record)) == (
            sid.encode(),
            {"a": 1},
            ["_accessed", "_created", "_data", "_timeout"],
        )
        database = pytest.importorskip("dbm.sqlite3").open(str(file), "w")
        with database:
            assert pickle.loads(database[sid.encode()]) == record

    def test_dbmtype(self, ask: Ask, tmp_path: Path) -> None:
        import dbm.dumb

        file = str(tmp_path / "sessions" / "dumb")
        session = dbmsession.DbmSession(ask(), file, dbmtype=dbm.dumb)
        session["a"] = 1
        session.save()
        sid = session.id()
        session.unlock()
        session = dbmsession.DbmSession(ask(sid), file, dbmtype=dbm.dumb)
        assert session["a"] == 1
        session.delete()
        session.delete()
        session.unlock()
        assert dbmsession.DbmSession(ask(sid), file, dbmtype=dbm.dumb).is_new()
        assert Path(file + ".dat").exists()

    def test_a_file_of_another_dbm_is_found(self, ask: Ask, tmp_path: Path) -> None:
        import dbm.dumb

        file = str(tmp_path / "sessions" / "mp_sess.dbm")
        record = {"_data": {"a": 1}, "_created": 1.0, "_accessed": time.time(), "_timeout": 1800}
        with dbm.dumb.open(file, "c", 0o600) as database:
            database[UNKNOWN.encode()] = pickle.dumps(record)
        session = dbmsession.DbmSession(ask(UNKNOWN))
        assert (session.is_new(), session["a"]) == (False, 1)
        session["a"] = 2
        session.save()
        session.unlock()
        with dbm.dumb.open(file) as database:
            assert pickle.loads(database[UNKNOWN.encode()])["_data"] == {"a": 2}
        assert not Path(file).exists()

    def test_a_file_of_another_dbm_that_others_can_write_to(self, ask: Ask, tmp_path: Path) -> None:
        import dbm.dumb

        file = str(tmp_path / "sessions" / "mp_sess.dbm")
        dbm.dumb.open(file, "c", 0o600).close()
        os.chmod(file + ".dat", 0o666)
        with pytest.raises(PermissionError, match=r"only it can write to.*mp_sess\.dbm\.dat"):
            dbmsession.DbmSession(ask())

    def test_another_dbm_is_told(self, ask: Ask, tmp_path: Path) -> None:
        (tmp_path / "sessions" / "mp_sess.dbm").write_bytes(b"\x13\x57\x9a\xce" * 100)
        (tmp_path / "sessions" / "mp_sess.dbm").chmod(0o600)
        session = dbmsession.DbmSession(ask())
        with pytest.raises(OSError, match=r"not a database.*another dbm module"):
            session.save()

    def test_a_database_that_was_removed_comes_back(self, ask: Ask, tmp_path: Path) -> None:
        begin(ask, "DbmSession")
        for path in (tmp_path / "sessions").iterdir():
            path.unlink()
        sid = begin(ask, "DbmSession", a=1)
        assert Session.Session(ask(sid, "DbmSession"))["a"] == 1
        assert (tmp_path / "sessions" / "mp_sess.dbm").exists()

    @pytest.mark.parametrize("module", [None, "dbm.dumb"])
    def test_cleanup(self, ask: Ask, tmp_path: Path, module: str | None) -> None:
        import importlib
        from contextlib import nullcontext

        database = dbms.database(str(tmp_path / "sessions" / "x"), importlib.import_module(module) if module else None)
        for number in range(250):
            accessed = time.time() if number % 2 else 1.0
            data = records.dump({"_accessed": accessed, "_timeout": 100, "_data": {}, "_created": 0})
            database.save(f"{number:032x}", data, nullcontext)
        database.save("0" * 31 + "z", b"somebody else's", nullcontext)
        assert database.clean(0, nullcontext) == (125, 251, True)
        assert database.clean(0, nullcontext) == (0, 126, True)
        assert database.load(f"{1:032x}", nullcontext) is not None
        assert database.load(f"{2:032x}", nullcontext) is None

    def test_slices(self, tmp_path: Path) -> None:
        from contextlib import nullcontext

        database = dbms.SqliteDatabase(str(tmp_path / "x"))
        for number in range(250):
            data = records.dump({"_accessed": 1.0, "_timeout": 1, "_data": {}, "_created": 0})
            database.save(f"{number:032x}", data, nullcontext)
        found = [database.clean(1e-6, nullcontext) for _ in range(4)]
        database.close()
        assert [complete for _, _, complete in found][:2] == [False, False]
        assert sum(deleted for deleted, _, _ in found) == 250

    def test_after_the_request(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        sid = begin(ask, "DbmSession")
        monkeypatch.setattr(Session, "CLEANUP_CHANCE", 1)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 9999)
        req = ask(kind="DbmSession")
        session = Session.Session(req)
        session.save()
        req.end()
        assert "DbmSession: registered database cleanup." in logged(req)
        assert "deleted 1 of 2" in logged(req)
        monkeypatch.setattr(time, "time", lambda: now)
        assert Session.Session(ask(sid, "DbmSession")).is_new()


class TestMemory:
    def test_cleanup(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        begin(ask, "MemorySession")
        monkeypatch.setattr(Session, "CLEANUP_CHANCE", 1)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 9999)
        req = ask(kind="MemorySession")
        session = Session.Session(req)
        session.save()
        req.end()
        assert list(memorysession.MemorySession.sdict) == [session.id()]


class TestOwnClasses:
    def test_a_subclass_stores(self, ask: Ask) -> None:
        kept: dict[str, Any] = {}

        class Mine(base.BaseSession):
            def do_load(self) -> Any:
                return kept.get(self._sid)

            def do_save(self, dict: Any) -> None:
                kept[self._sid] = dict

            def do_delete(self) -> None:
                kept.pop(self._sid, None)

        session = Mine(ask(), None, None, 60, 1)
        assert (session.timeout(), session.is_new()) == (60, True)
        session["a"] = 1
        session.save()
        assert sorted(kept[session.id()]) == ["_accessed", "_created", "_data", "_timeout"]
        assert type(kept[session.id()]["_data"]) is dict
        session.unlock()
        again = Mine(ask(session.id()))
        assert again["a"] == 1
        again.invalidate()
        assert kept == {}

    def test_cleanup_finds_the_session_set_up(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Session, "CLEANUP_CHANCE", 1)
        seen: list[Any] = []
        holds: list[int] = []

        class Mine(memorysession.MemorySession):
            def cleanup(self) -> None:
                seen.append((self.id(), self.is_new(), self.timeout(), self.created() > 0, dict(self), self._locked))
                self._req.register_cleanup(lambda _: holds.append(self._locked))

        req = ask()
        session = Mine(req, timeout=77)
        assert seen == [(session.id(), True, 77, True, {}, 1)]
        session["a"] = 1
        session.save()
        req.end()
        Mine(ask(session.id()))
        assert seen[1] == (session.id(), False, 77, True, {"a": 1}, 1)
        assert holds == [0], "what is cleaned up keeps others waiting"

    def test_outside_a_server(self, make_request: Callable[..., Any]) -> None:
        req = make_request(server=None, hlist=None, document_root=lambda: "/", register_cleanup=lambda *_: None)
        with pytest.raises(RuntimeError, match="running server"):
            memorysession.MemorySession(req)
        assert memorysession.MemorySession(req, lock=0).is_new()


#: A program that stores sessions for ever, whose data is one letter many times, of changing length.
WRITER = """
import sys
from contextlib import nullcontext
from mod_python._sessions import dbms, files

kind, path, sid = sys.argv[1:]
store = files.FileStore(path) if kind == "FileSession" else dbms.SqliteDatabase(path)
extra = () if kind == "FileSession" else (nullcontext,)
number = 0
while True:
    number += 1
    size = (10, 900, 1500, 5000, 30_000, 200_000)[number % 6] if number % 50 < 6 else 900 + number % 7
    store.save(sid, bytes([65 + number % 26]) * size, *extra)
"""


def _changed(load: Callable[[], bytes | None], path: str, before: bytes | None) -> bool:
    return os.path.exists(path) and load() not in (None, before)


@pytest.mark.parametrize("kind", STORED)
def test_a_killed_process_leaves_a_whole_session(tmp_path: Path, kind: str) -> None:
    from contextlib import nullcontext

    path = str(tmp_path / "x")
    seen = set()
    for turn in range(12):
        process = subprocess.Popen([sys.executable, "-c", WRITER, kind, path, UNKNOWN])
        try:

            def load() -> bytes | None:
                if kind == "FileSession":
                    return files.FileStore(path).load(UNKNOWN)
                database = dbms.SqliteDatabase(path)
                try:
                    return database.load(UNKNOWN, nullcontext)
                finally:
                    database.close()

            before = load() if turn else None
            wait_for(partial(_changed, load, path, before), "a session to be written")
            time.sleep(turn * 0.0007)
        finally:
            process.kill()
            process.wait()
        data = load()
        assert data
        assert data == data[:1] * len(data), "half of one session"
        seen.add(data)
    assert len(seen) > 1


# ---- classes of an application's own


class Own(base.BaseSession):
    """Keeps its record in a dictionary, and locks by writing it down."""

    kept: dict[str, Any] = {}

    def __init__(self, req: Any, sid: str | None = None) -> None:
        self.said: list[str] = []
        super().__init__(req, sid)

    def init_lock(self) -> None:
        self.said.append("init_lock")

    def lock(self) -> None:
        self.said.append("lock")

    def unlock(self) -> None:
        self.said.append("unlock")

    def do_load(self) -> Any:
        return self.kept.get(self.id())

    def do_save(self, dict: Any) -> None:
        self.kept[self.id()] = dict

    def do_delete(self) -> None:
        del self.kept[self.id()]

    def do_cleanup(self) -> None:
        self.said.append("do_cleanup")


def test_a_class_of_an_application(ask: Ask) -> None:
    session = Own(ask())
    assert (session.said, session.is_new(), base.DFT_LOCK) == (["init_lock", "unlock", "lock"], True, True)
    session["a"] = 1
    session.save()
    again = Own(ask(), session.id())
    assert (again.is_new(), dict(again), again.said) == (False, {"a": 1}, ["init_lock", "lock"])
    again.delete()
    assert Own.kept == {}
    session.said.clear()
    session.cleanup()
    assert session.said == ["do_cleanup"]
