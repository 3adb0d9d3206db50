"""What the threads of one interpreter share of mod_python: stores, caches, pages and modules, by 20 threads at once."""

from __future__ import annotations

import contextlib
import dbm.dumb
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mod_python import Cookie, Session, psp, publisher, wsgi
from mod_python._psp import cache, pages
from mod_python._psp.compiler import compile_page
from mod_python._psp.parser import parse
from mod_python._sessions import dbms, files, options, records, redisstore
from mod_python._wsgi import errors as errors_module
from mod_python._wsgi import mount as mount_module
from mpserver.locks import LockPool
from support.threads import THREADS, together

Make = Callable[..., Any]
Ask = Callable[..., Any]

KINDS = ("FileSession", "DbmSession", "MemorySession", "RedisSession")


def sid_of(number: int) -> str:
    """A session's id."""
    return f"{number:032x}"


def record(text: str, timeout: float = 1000) -> bytes:
    """A stored session."""
    now = time.time()
    return records.dump({"_data": {"text": text}, "_created": now, "_accessed": now, "_timeout": timeout})


# ---- stores


@pytest.mark.parametrize("made", [
    lambda path, turn: files.file_store(f"{path}/{turn}"),
    lambda path, turn: dbms.database(f"{path}/{turn}.db"),
    lambda _path, turn: redisstore.store(options.Redis(prefix=f"{turn}:"), "here"),
], ids=["files", "dbms", "redis"])  # fmt: skip
def test_a_store_is_one_for_all_threads(tmp_path: Path, made: Callable[[Path, int], object]) -> None:
    tmp_path.chmod(0o700)
    for turn in range(5):
        found = together(lambda _: made(tmp_path, turn), seed=turn)  # noqa: B023  # called in the loop
        assert len({id(store) for store in found}) == 1


class Stored:
    """One way to all stores."""

    def __init__(self, kind: str, folder: Path, pool: LockPool) -> None:
        guard: dbms.Guard = partial(pool.lock, None, 0)
        if kind == "files":
            store = files.FileStore(str(folder / "x"))
            self.load, self.delete = store.load, store.delete
            self.save: Callable[[str, bytes], None] = store.save
            self.close: Callable[[], object] = lambda: None
            rules = files.CleanupRules(1000, 0, fast=False, verify=True, limit=0)
            self.clean: Callable[[], object] = lambda: store.clean(rules, lambda _: None)
            return
        sqlite = dbms.SqliteDatabase(str(folder / "x"))
        database: dbms.Database = sqlite if kind == "sqlite" else dbms.ModuleDatabase(sqlite.path, dbm.dumb)
        self.close = sqlite.close
        self.load = lambda sid: database.load(sid, guard)
        self.save = lambda sid, data: database.save(sid, data, guard)
        self.delete = lambda sid: database.delete(sid, guard)
        self.clean = lambda: database.clean(0, guard)


@pytest.mark.parametrize(("kind", "turns"), [("files", 20), ("sqlite", 20), ("dumb", 2)])
def test_every_thread_finds_in_a_store_what_it_has_put_there(
    tmp_path: Path, pool: LockPool, kind: str, turns: int
) -> None:
    tmp_path.chmod(0o700)
    store = Stored(kind, tmp_path, pool)
    for number in range(300, 310):
        store.save(sid_of(number), record("expired", timeout=-1))

    def work(number: int) -> None:
        sid = sid_of(number)
        for turn in range(turns):
            data = record(f"{number} {turn}")
            store.save(sid, data)
            assert store.load(sid) == data
            if number % 7 == turn % 7:
                store.clean()
            assert store.load(sid) == data
            if turn % 5 == 4:
                store.delete(sid)
                assert store.load(sid) is None

    together(work, often=0.01)
    store.clean()
    assert [store.load(sid_of(number)) for number in range(300, 310)] == [None] * 10
    store.close()


def test_a_database_that_is_closed_meanwhile_is_no_harm(tmp_path: Path, pool: LockPool) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "x"
    database = dbms.SqliteDatabase(str(path))
    guard: dbms.Guard = partial(pool.lock, None, 0)

    def work(number: int) -> None:
        for _ in range(10):
            if number == 0:
                database.close()
            else:
                database.save(sid_of(number), b"x" * number, guard)
                assert database.load(sid_of(number), guard) == b"x" * number

    together(work, often=0.01)
    database.save(sid_of(0), b"after", guard)
    assert database.load(sid_of(0), guard) == b"after"
    database.close()
    # (SQLite may have the files of a database open as long as anybody has; now nobody has)
    fds = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    assert not [fd for fd in fds if os.path.lexists(fd) and os.readlink(fd).startswith(str(path))]


@pytest.mark.parametrize("kind", KINDS)
def test_every_thread_has_its_own_session(ask: Ask, kind: str) -> None:
    def work(number: int) -> list[tuple[int, int, bool]]:
        sid: str | None = None
        found: list[tuple[int, int, bool]] = []
        for turn in range(5):
            req = ask(sid, kind)
            session = Session.Session(req)
            found.append((session.get("owner", number), session.get("turn", -1), bool(session.is_new())))
            session["owner"], session["turn"] = number, turn
            session.save()
            sid = session.id()
            req.end()
        return found

    ask(kind=kind)  # (pytest gives a server of Redis to one thread at a time only)
    found = together(work, often=0.005)
    assert found == [[(number, turn - 1, not turn) for turn in range(5)] for number in range(THREADS)]


# ---- what is remembered of requests


def test_cookies_are_those_of_the_header(make_request: Make) -> None:
    def work(number: int) -> None:
        for turn in range(40):
            req = make_request(headers={"Cookie": f"a={number}; pysid={number}.{turn % 20}"})
            assert Cookie.received(req, "pysid") == f"{number}.{turn % 20}"

    together(work)


def test_options_are_those_of_the_request(make_request: Make) -> None:
    def work(number: int) -> None:
        for turn in range(20):
            req = make_request(options={"mod_python.session.cookie_name": f"n{number}.{turn}"})
            assert options.settings(req).cookie_name == f"n{number}.{turn}"

    together(work)


# ---- pages


def page_of(text: str) -> Any:
    """A compiled page."""
    return compile_page(parse("x", text, None))


def test_kept_pages_are_those_of_their_names_and_not_too_many() -> None:
    made = {name: page_of(str(name)) for name in range(40)}
    kept = cache.MemoryCache(8)

    def work(number: int) -> None:
        for turn in range(30):
            name = (number * 7 + turn) % 40
            page = kept.get(name, None)
            assert page is None or page is made[name]
            if page is None:
                kept.store(name, made[name], None)
            assert len(kept) <= 8

    together(work)
    assert len(kept) == 8


def test_pages_say_what_is_theirs(tmp_path: Path, make_request: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_files", cache.MemoryCache(4))
    monkeypatch.setattr(pages, "_strings", cache.MemoryCache(4))
    for number in range(8):
        (tmp_path / f"{number}.psp").write_text(f"<%= name %> of {number}")

    def work(number: int) -> None:
        for turn in range(6):
            page = (number + turn) % 8
            req = make_request(filename=str(tmp_path / f"{page}.psp"), server=None)
            psp.PSP(req, vars={"name": number}).run()
            assert req.text == f"{number} of {page}"
            req = make_request(filename=str(tmp_path / "x"), server=None)
            psp.PSP(req, string=f"<%= name %> in {page}", vars={"name": number}).run()
            assert req.text == f"{number} in {page}"

    together(work, often=0.005)


def test_pages_in_a_dbm_file(tmp_path: Path, make_request: Make, lent: SimpleNamespace, pool: LockPool) -> None:
    lent.global_lock = lambda server, key, index=-1: pool.lock(key, index)
    for number in range(4):
        (tmp_path / f"{number}.psp").write_text(f"page <%= {number} %>")
    option = {"mod_python.psp.cache_database_filename": str(tmp_path / "pages")}

    def work(number: int) -> None:
        for turn in range(3):
            page = (number + turn) % 4
            req = make_request(filename=str(tmp_path / f"{page}.psp"), server=None, options=option)
            psp.PSP(req).run()
            assert req.text == f"page {page}"
            assert not req.logged

    together(work, often=0.002)


def test_compiling_pages_leaves_the_handling_of_warnings_as_it_was() -> None:
    before = (warnings.showwarning, warnings.filters, warnings._showwarnmsg_impl)  # type: ignore[attr-defined]
    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always")
        inside = (warnings.showwarning, warnings.filters, warnings._showwarnmsg_impl)  # type: ignore[attr-defined]

        def work(number: int) -> None:
            for turn in range(5):
                compile_page(parse(f"{number}.{turn}", "<%= 1 is 1 %>", None))

        together(work, often=0.02)
        assert (warnings.showwarning, warnings.filters, warnings._showwarnmsg_impl) == inside  # type: ignore[attr-defined]
    assert (warnings.showwarning, warnings.filters, warnings._showwarnmsg_impl) == before  # type: ignore[attr-defined]
    assert Counter(warning.filename for warning in noticed) == {
        f"{number}.{turn}": 1 for number in range(THREADS) for turn in range(5)
    }


# ---- the publisher


def test_a_published_module_is_loaded_once_for_all_threads(
    tmp_path: Path, make_request: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "_pages", publisher.Pages())
    loaded: list[int] = []
    monkeypatch.setattr(sys, "loaded_by_published_modules", loaded, raising=False)
    file = tmp_path / "counts.py"
    for version in range(4):
        file.write_text(f"import sys\nsys.loaded_by_published_modules.append({version})\n"
                        f"seen = set()\ndef see(name):\n    seen.add(name)\n    return {version}\n")  # fmt: skip
        os.utime(file, ns=(version * 10**9, version * 10**9))

        def work(number: int) -> tuple[str, int]:
            req = make_request(f"/counts/see?name={number}", tmp_path)
            assert publisher.handler(req) == 0
            module = publisher._pages.load(req, str(file), os.stat(file))
            return req.text, id(module)

        found = together(work, seed=version)
        assert set(found) == {(str(version), found[0][1])}
        module = sys.modules[publisher._pages.load(make_request(), str(file), os.stat(file)).__name__]
        assert module.seen == {str(number) for number in range(THREADS)}
    assert loaded == [0, 1, 2, 3]


# ---- WSGI


def test_lines_for_the_log_are_those_of_one_thread() -> None:
    lines: list[str] = []
    errors = errors_module.Errors(cast(Any, SimpleNamespace(log_error=lines.append)))

    def work(number: int) -> None:
        for turn in range(20):
            print("thread", number, turn, file=cast(Any, errors))  # in pieces
        errors.write(f"end of {number}")
        errors.flush()

    together(work)
    expected = [f"thread {number} {turn}" for number in range(THREADS) for turn in range(20)]
    assert sorted(lines) == sorted([*expected, *(f"end of {number}" for number in range(THREADS))])


def test_an_application_is_there_for_all_once_one_thread_has_loaded_it(
    make_request: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        return [environ["n"]]

    loaded = SimpleNamespace(module=SimpleNamespace(application=application), version=1)
    loader = SimpleNamespace(load=lambda *_: loaded, in_turn=contextlib.nullcontext)
    plan = SimpleNamespace(loader=loader, python_path=None)
    monkeypatch.setattr(wsgi, "WsgiExchange", lambda req: SimpleNamespace(
        start_response=None, send_all=req.given.extend, fail=lambda: None
    ))  # fmt: skip
    for turn in range(20):
        mount = mount_module.Mount()
        mount._name, mount._directory, mount._reload, mount.ready = "x", None, False, True
        mount.environment = cast(Any, SimpleNamespace(make=lambda req, path: {"n": req.n}))
        mount.errors = cast(Any, SimpleNamespace(partial={}))
        monkeypatch.setattr(wsgi, "mounted", lambda req: mount)  # noqa: B023  # called in the loop

        def work(number: int) -> tuple[int, list[bytes]]:
            req = make_request(mp_uri="/", mp_request_time=1000.0, mp_plan=plan, n=str(number).encode(), given=[])
            return wsgi.handler(req), req.given

        assert together(work, seed=turn) == [(0, [str(number).encode()]) for number in range(THREADS)]
