"""Clean-ups of sessions: beside the requests, one at a time, and a small part of all time."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mod_python import Session
from mod_python._sessions import beside, dbms, files, records
from support.waiting import wait_for

Ask = Callable[..., Any]

OLD = records.dump({"_accessed": 1.0, "_timeout": 1, "_created": 0, "_data": {}})
MANY = 300


@pytest.fixture
def sweeps(lent: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[beside.Sweeps]:
    """What goes on beside the requests, from the first moment on, in steps of one session."""
    made = beside.Sweeps()
    monkeypatch.setattr(beside, "sweeps", lambda: made)
    for name in ("AT_ONCE", "STEP", "REST"):
        monkeypatch.setattr(beside, name, 0.0)
    yield made
    made.end()


def of_thread() -> list[str]:
    """The clean-ups that go on."""
    return [thread.name for thread in threading.enumerate() if thread.name == "clean-up of sessions"]


def store_of(tmp_path: Path, count: int = MANY) -> files.FileStore:
    """That of the requests, with some old sessions."""
    store = files.file_store(str(tmp_path / "sessions/mp_sess"))
    for number in range(count):
        sid = f"{number:032x}"
        store.save(sid, OLD)
        os.utime(f"{store.directory}/{sid[:2]}/{sid}", (1, 1))
    return store


def left(store: files.FileStore) -> int:
    """How many there are."""
    return sum(1 for _ in Path(store.directory).glob("??/*"))


def told(lent: SimpleNamespace) -> str:
    """What the server's log got, but from requests."""
    return "\n".join(args[1] for name, args in lent.calls if name == "log")


def test_a_long_one_goes_on_beside_the_requests(
    ask: Ask, lent: SimpleNamespace, sweeps: beside.Sweeps, tmp_path: Path
) -> None:
    store = store_of(tmp_path)
    req = ask(kind="FileSession")
    session = Session.FileSession(req)
    session.save()
    session.delete_expired()
    wait_for(lambda: not of_thread(), "the clean-up to end")
    assert left(store) == 1
    assert [text for text, _ in req.logged if "deleted" in text] == []  # (the request may be over by then)
    assert f"FileSession cleanup: deleted {MANY} of {MANY + 1} in" in told(lent)
    assert ("register_cleanup", (sweeps.end,)) in lent.calls


def test_a_short_one_is_over_with_its_request(ask: Ask, tmp_path: Path) -> None:
    store = store_of(tmp_path, 3)
    req = ask(kind="FileSession")
    Session.FileSession(req).delete_expired()
    assert left(store) == 0
    assert any("deleted 3 of 3" in text for text, _ in req.logged)


def test_an_interpreter_that_ends_waits_for_no_clean_up(
    ask: Ask, sweeps: beside.Sweeps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "REST", 3600.0)
    store = store_of(tmp_path)
    Session.FileSession(ask(kind="FileSession")).delete_expired()
    assert of_thread()
    sweeps.end()
    assert not of_thread()
    assert left(store) > 0
    # its lock is free, and its work is left to the next one
    said: list[str] = []
    store.clean(files.CleanupRules(1, 1, True, True, 0), said.append)
    assert left(store) == 0
    assert "already running" not in "".join(said)


def test_what_goes_wrong_is_told(lent: SimpleNamespace, sweeps: beside.Sweeps, ask: Ask) -> None:
    def steps() -> Iterator[None]:
        yield
        raise sqlite3.OperationalError("disk I/O error")

    beside.run(steps(), beside.Notes(ask()))
    wait_for(lambda: "Session cleanup error: OperationalError: disk I/O error" in told(lent), "it to be told")


@pytest.mark.parametrize(
    ("status", "age", "due"),
    [
        ("MPFS_3.2 0 1 1 0.4000\n", 7, False),
        ("MPFS_3.2 0 1 1 0.4000\n", 9, True),
        ("MPFS_3.2 0 1 1 0.0400\n", 0, True),  # (a short one may come at any time)
        ("MPFS_3.2 0 1 1 0.4000\n", -100, True),  # (the clock was set back)
        ("MPFS_3.2 0 1 1 many\n", 0, True),
        ("MPFS_3.2 0 1\n", 0, True),
        ("MPFS_9 0 1 1 0.4000\n", 0, True),
        ("", 0, True),
    ],
)
def test_when_files_may_be_looked_at_again(ask: Ask, tmp_path: Path, status: str, age: float, due: bool) -> None:
    store = store_of(tmp_path, 2)
    path = Path(store.directory, "fs_status.txt")
    path.write_text(status)
    os.utime(path, (time.time() - age,) * 2)
    assert store.is_due() is due
    req = ask(kind="FileSession", options={"mod_python.file_session.cleanup_time_limit": "60"})
    Session.FileSession(req).delete_expired()
    assert left(store) == (0 if due else 2)
    assert any("not yet" in text for text, _ in req.logged) is not due


def test_one_clean_up_of_a_database_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has it open sees that: another interpreter, and another process."""
    path = str(tmp_path / "x")
    one, other = dbms.SqliteDatabase(path), dbms.SqliteDatabase(path)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    try:
        assert one.is_due(nullcontext)
        assert not one.is_due(nullcontext)
        assert not other.is_due(nullcontext)
        now += 61  # (its process was killed meanwhile)
        assert other.is_due(nullcontext)
        other.clean(0, nullcontext)
        assert one.is_due(nullcontext)  # (that was a short one)
        monkeypatch.setattr(beside.Watch, "worked", lambda _self: 0.4)
        one.clean(0, nullcontext)
        assert not other.is_due(nullcontext)
        now += 9
        assert other.is_due(nullcontext)
        now -= 10**6  # (the clock was set back)
        assert one.is_due(nullcontext)
    finally:
        one.close()
        other.close()


def test_a_database_goes_on_beside_the_requests(
    ask: Ask, lent: SimpleNamespace, sweeps: beside.Sweeps, tmp_path: Path
) -> None:
    database = dbms.database(str(tmp_path / "sessions/mp_sess.dbm"))
    for number in range(MANY):
        database.save(f"{number:032x}", OLD, nullcontext)
    req = ask(kind="DbmSession")
    session = Session.DbmSession(req)
    session.delete_expired()
    session.save()  # (what is saved meanwhile stays)
    wait_for(lambda: not of_thread(), "the clean-up to end")
    assert f"DbmSession cleanup: deleted {MANY} of" in told(lent)
    assert database.load(session.id(), nullcontext) is not None
    req = ask(kind="DbmSession")
    Session.DbmSession(req).delete_expired()
    wait_for(lambda: not of_thread(), "the clean-up to end")
