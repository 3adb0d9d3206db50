"""Sessions in Redis: what they keep there, for how long, and what happens when Redis or a lock is gone."""

from __future__ import annotations

import datetime
import itertools
import os
import pickle
import socket
import sys
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mod_python import Session, apache
from mod_python._sessions import base, options, sealed
from mod_python._sessions.redisstore import RedisStore
from support.redis import Redis
from support.waiting import PATIENCE, quickest, wait_for

SID = "ab" * 16
PREFIX = "mod_python.redis_session."

Ask = Callable[..., Any]


def begin(ask: Ask, **data: Any) -> str:
    """A stored session with some data. :returns: its id."""
    req = ask(kind="RedisSession")
    session = Session.Session(req)
    session.update(data)
    session.save()
    req.end()
    return session.id()


def said(req: Any) -> list[str]:
    """The lines that a request wrote to the error log."""
    return [text for text, _ in req.logged]


def told(**settings: str) -> dict[str, Any]:
    """Options of Redis for `ask`."""
    return {"options": {PREFIX + name: value for name, value in settings.items()}}


def places(order: list[str], name: str) -> list[int]:
    """Where a name is in a list."""
    return [number for number, found in enumerate(order) if found == name]


@pytest.fixture
def elsewhere(redis_server: Redis, tmp_path: Path) -> Iterator[RedisStore]:
    """The same sessions as another server has them."""
    store = RedisStore(options.Redis(url=redis_server.url, prefix=f"{tmp_path.name}:"), "other/server")
    yield store
    store.close()


class TestInRedis:
    def test_it_ends_with_its_time_out(self, ask: Ask, redis_server: Redis, tmp_path: Path) -> None:
        sid = begin(ask)
        key = f"{tmp_path.name}:{sid}"
        assert 1_795_000 < redis_server.number("PTTL", key) <= 1_800_000
        session = Session.Session(ask(sid, "RedisSession"))
        session.set_timeout(2.5)
        session.save()
        assert 1000 < redis_server.number("PTTL", key) <= 2500
        session.set_timeout(float("inf"))
        session.save()
        assert redis_server.number("PTTL", key) == -1
        session.set_timeout(0)
        session.save()
        assert redis_server.number("EXISTS", key) == 0

    def test_it_is_gone_then(self, ask: Ask, redis_server: Redis, tmp_path: Path) -> None:
        req = ask(kind="RedisSession")
        session = Session.Session(req, timeout=0.05)
        session.save()
        req.end()
        wait_for(lambda: not redis_server.names(f"{tmp_path.name}:{session.id()}"), "the session to expire")
        assert Session.Session(ask(session.id(), "RedisSession")).is_new()

    def test_nothing_else_stays(self, ask: Ask, redis_server: Redis, tmp_path: Path) -> None:
        kept, ended = begin(ask), begin(ask)
        Session.Session(ask(ended, "RedisSession"), lock=0).invalidate()

        def names() -> bool:
            return redis_server.names(f"{tmp_path.name}:*") == [f"{tmp_path.name}:{kept}"]

        wait_for(names, "all but the session to be gone")

    def test_the_lock(self, ask: Ask, redis_server: Redis, tmp_path: Path) -> None:
        sid = begin(ask)
        lock = f"{tmp_path.name}:{sid}:lock"
        req = ask(sid, "RedisSession", **told(lock_timeout="7"))
        session = Session.Session(req)
        assert 5000 < redis_server.number("PTTL", lock) <= 7000
        assert redis_server.ask("SET", lock, "x", "XX", "KEEPTTL", "GET").count(b"/") == 4
        session.unlock()
        assert redis_server.names(lock), "given back what is somebody else's"
        req.end()

    def test_a_save_renews_the_lock(self, ask: Ask, redis_server: Redis, tmp_path: Path) -> None:
        sid = begin(ask)
        session = Session.Session(ask(sid, "RedisSession"))
        lock = f"{tmp_path.name}:{sid}:lock"
        redis_server.ask("PEXPIRE", lock, "5000")
        session.save()
        assert redis_server.number("PTTL", lock) > 50_000

    def test_a_request_asks_three_times(self, ask: Ask, tmp_path: Path) -> None:
        with Redis(tmp_path / "counted") as server:
            sid = ""
            for _ in range(2):
                server.ask("CONFIG", "RESETSTAT")
                req = ask(sid, "RedisSession", **told(url=server.url))
                session = Session.Session(req)
                session["hits"] = session.get("hits", 0) + 1
                session.save()
                req.end()
                sid = session.id()
            assert session["hits"] == 2
            # for lock and session, to save, to unlock
            stats = server.ask("INFO", "commandstats").decode()
            assert "cmdstat_evalsha:calls=3," in stats, stats

    def test_loading_again_asks_again(self, ask: Ask, elsewhere: RedisStore) -> None:
        sid = begin(ask, a=1)
        session = Session.Session(ask(sid, "RedisSession"))
        session["a"] = 2
        session.save()
        assert session.load()
        assert session["a"] == 2
        session.delete()
        assert not session.load()
        new = Session.Session(ask(kind="RedisSession"))
        new["b"] = 1
        new.save()
        assert new.load()

    def test_password_and_database(self, ask: Ask, tmp_path: Path) -> None:
        with Redis(tmp_path / "closed", "--requirepass", "open, sesame") as server:
            url = f"{server.url}?db=3"
            req = ask(kind="RedisSession", **told(url=url, password="open, sesame"))
            session = Session.Session(req)
            session.save()
            for password in ("", "wrong"):
                req = ask(session.id(), "RedisSession", **told(url=url, password=password))
                with pytest.raises(base.SessionUnavailable) as refused:
                    Session.Session(req)
                assert "open, sesame" not in str(refused.value)
                assert len(said(req)) == 1
                req.end()


class TestOtherServers:
    @pytest.mark.alone
    def test_one_waits_for_the_other(self, ask: Ask, elsewhere: RedisStore) -> None:
        sid = begin(ask, hits=1)
        hold = elsewhere.hold(sid)
        elsewhere.acquire(hold)
        came: list[float] = []

        def other() -> None:
            req = ask(sid, "RedisSession")
            Session.Session(req)
            came.append(time.perf_counter())
            req.end()

        medians: list[float] = []
        while len(medians) < 10 and not (medians and medians[-1] < 0.01):  # (others may use the machine)
            gaps = []
            for _ in range(7):
                thread = threading.Thread(target=other)
                thread.start()
                thread.join(0.03)
                assert came == []
                gave = time.perf_counter()
                elsewhere.release(hold)
                thread.join(PATIENCE)
                gaps.append(came.pop() - gave)
                elsewhere.acquire(hold)
            medians.append(sorted(gaps)[3])
        elsewhere.release(hold)
        assert medians[-1] < 0.01, medians

    def test_the_lock_of_a_machine_that_is_gone_ends(
        self, ask: Ask, elsewhere: RedisStore, redis_server: Redis, tmp_path: Path
    ) -> None:
        sid = begin(ask)
        elsewhere.acquire(elsewhere.hold(sid))
        began = time.monotonic()
        redis_server.ask("PEXPIRE", f"{tmp_path.name}:{sid}:lock", "200")
        assert not Session.Session(ask(sid, "RedisSession")).is_new()
        assert 0.1 < time.monotonic() - began < 10

    def test_what_a_killed_process_of_this_server_held_is_free(
        self, ask: Ask, redis_server: Redis, tmp_path: Path, lent: SimpleNamespace
    ) -> None:
        def load() -> None:
            sid = begin(ask)
            redis_server.ask("SET", f"{tmp_path.name}:{sid}:lock", lent.lock_domain() + "/0123456789abcdef")
            Session.Session(ask(sid, "RedisSession")).save()

        assert quickest(load, 0.5)[-1] < 0.5

    def test_servers_have_different_names(self, lent: SimpleNamespace, ask: Ask, tmp_path: Path) -> None:
        from mpserver.locks import LockPool

        names = {LockPool(str(tmp_path), 8, owner).domain() for owner in ("one", "two", "one")}
        assert len(names | {lent.lock_domain()}) == 3

    def test_who_lost_the_lock_can_not_save(
        self, ask: Ask, elsewhere: RedisStore, redis_server: Redis, tmp_path: Path
    ) -> None:
        sid = begin(ask, hits=1)
        req = ask(sid, "RedisSession")
        slow = Session.Session(req)
        slow["hits"] = 99
        redis_server.ask("DEL", f"{tmp_path.name}:{sid}:lock")  # as if its time were over
        hold = elsewhere.hold(sid)
        elsewhere.acquire(hold)
        with pytest.raises(base.SessionUnavailable, match="lock_timeout"):
            slow.save()
        assert len(said(req)) == 1
        req.end()
        assert redis_server.names(f"{tmp_path.name}:{sid}:lock"), "given back what is somebody else's"
        elsewhere.release(hold)
        assert Session.Session(ask(sid, "RedisSession"))["hits"] == 1

    def test_two_of_a_request_share_the_lock(self, ask: Ask, redis_server: Redis, tmp_path: Path) -> None:
        sid = begin(ask)
        req = ask(sid, "RedisSession")
        first, second = Session.Session(req), Session.Session(req)
        first.save()
        second.save()
        first.unlock()
        assert redis_server.names(f"{tmp_path.name}:{sid}:lock")
        second.save()
        second.unlock()
        assert not redis_server.names(f"{tmp_path.name}:{sid}:lock")

    def test_an_interruption_while_waiting(
        self, ask: Ask, elsewhere: RedisStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        acquire = RedisStore.acquire

        def late(self: RedisStore, hold: Any) -> None:
            acquire(self, hold)
            raise KeyboardInterrupt

        def take_over() -> None:
            sid = begin(ask)
            with monkeypatch.context() as patch:
                patch.setattr(RedisStore, "acquire", late)
                req = ask(sid, "RedisSession")
                with pytest.raises(KeyboardInterrupt):
                    Session.Session(req)
            req.end()
            hold = elsewhere.hold(sid)
            elsewhere.acquire(hold)
            elsewhere.release(hold)

        assert quickest(take_over, 0.9)[-1] < 0.9

    def test_servers_take_turns(self, redis_server: Redis, tmp_path: Path) -> None:
        asked = options.Redis(url=redis_server.url, prefix=f"{tmp_path.name}:")
        gates = {name: threading.Lock() for name in "abc"}  # the locks that each server has for itself

        def holder(name: str, order: list[str]) -> None:
            store = RedisStore(asked, name)
            for _ in range(10):
                with gates[name]:
                    hold = store.hold(SID)
                    store.acquire(hold)
                    order.append(name)
                    time.sleep(0.002)
                    store.release(hold)
            store.close()

        def longest() -> int:
            order: list[str] = []
            threads = [threading.Thread(target=holder, args=(name, order)) for name in "aaabc"]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            assert len(order) == 50
            return max(later - earlier for name in "bc" for earlier, later in itertools.pairwise(places(order, name)))

        waits = [longest()]
        while waits[-1] > 6 and len(waits) < 10:  # (on a busy machine one may come late to ask)
            waits.append(longest())
        assert waits[-1] <= 6, waits
        assert redis_server.names(f"{tmp_path.name}:*:lock") == []

    def test_a_server_that_died_in_the_queue(
        self, ask: Ask, elsewhere: RedisStore, redis_server: Redis, tmp_path: Path
    ) -> None:
        sid = begin(ask)
        hold = elsewhere.hold(sid)
        elsewhere.acquire(hold)
        redis_server.ask("RPUSH", f"{tmp_path.name}:{sid}:queue", "dead/")
        elsewhere.release(hold)
        began = time.monotonic()
        assert not Session.Session(ask(sid, "RedisSession")).is_new()
        assert 1 < time.monotonic() - began < 10


class TestRedisIsAway:
    def test_nothing_listens(self, ask: Ask, tmp_path: Path) -> None:
        def fail(sid: str | None) -> None:
            req = ask(sid, "RedisSession", **told(url=f"unix://{tmp_path}/none.sock"))
            with pytest.raises(base.SessionUnavailable) as away:
                Session.Session(req)
            req.end()
            assert isinstance(away.value, apache.SERVER_RETURN)
            assert away.value.args == (503,)
            assert len(said(req)) == 1
            assert "none.sock" in said(req)[0]
            assert "mod_python.redis_session.url" in said(req)[0]

        for sid in (None, SID):
            assert quickest(partial(fail, sid), 1)[-1] < 1

    def test_also_without_a_lock(self, ask: Ask, tmp_path: Path) -> None:
        req = ask(SID, "RedisSession", **told(url=f"unix://{tmp_path}/none.sock"))
        with pytest.raises(base.SessionUnavailable):
            Session.Session(req, lock=0)
        assert len(said(req)) == 1

    def test_it_goes_away_and_comes_back(self, ask: Ask, tmp_path: Path) -> None:
        with Redis(tmp_path / "away") as server:
            req = ask(kind="RedisSession", **told(url=server.url))
            session = Session.Session(req)
            session.save()
            server.stop()
            for attempt in (session.save, session.load, session.delete, session.invalidate):
                req.logged.clear()
                with pytest.raises(base.SessionUnavailable):
                    attempt()
                assert len(said(req)) == 1
            req.logged.clear()
            req.end()
            assert said(req) == []
            server.start()
            req = ask(session.id(), "RedisSession", **told(url=server.url))
            assert Session.Session(req).is_new()  # this Redis keeps nothing on disk
            assert said(req) == []

    def test_it_does_not_answer(self, ask: Ask, tmp_path: Path) -> None:
        times: list[float] = []
        for number in range(8):  # (others may use the machine: a store each, for one rests after it failed)
            path = tmp_path / f"silent{number}"
            with socket.socket(socket.AF_UNIX) as silent:
                silent.bind(str(path))
                silent.listen()
                times = []
                for _ in range(3):
                    req = ask(SID, "RedisSession", **told(url=f"unix://{path}", timeout="1"))
                    began = time.monotonic()
                    with pytest.raises(base.SessionUnavailable):
                        Session.Session(req)
                    req.end()
                    times.append(time.monotonic() - began)
                    assert len(said(req)) == 1
            if times[0] < 3 and max(times[1:]) < 0.5:
                break
        assert 0.9 < times[0] < 3
        assert max(times[1:]) < 0.5, "the next ones did wait, too"

    def test_it_refuses_to_write(self, ask: Ask, tmp_path: Path) -> None:
        with Redis(tmp_path / "full", "--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:
            req = ask(kind="RedisSession", **told(url=server.url))
            session = Session.Session(req)
            with pytest.raises(base.SessionUnavailable, match="maxmemory"):
                session.save()
            assert len(said(req)) == 1

    def test_the_library_is_not_there(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "mod_python._sessions.redisstore")
        monkeypatch.delattr("mod_python._sessions.redisstore")
        for name in [name for name in sys.modules if name.partition(".")[0] == "redis"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "redis", None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'mpserver\[redis\]'"):
            Session.Session(ask(kind="RedisSession"))


class TestOptions:
    @pytest.mark.parametrize(
        ("settings", "fault"),
        [
            ({"url": "http://x"}, "mod_python.redis_session.url"),
            ({"url": "redis://x", "host": "y"}, "leave those out"),
            ({"url": "redis://x", "db": "1"}, "leave those out"),
            ({"port": "0"}, "redis_session.port 0: write the number of a port, 1 or more"),
            ({"port": "x"}, "redis_session.port x"),
            ({"db": "-1"}, "redis_session.db -1"),
            ({"timeout": "0"}, "redis_session.timeout 0: write a number of seconds, 1 or more"),
            ({"lock_timeout": "1.5"}, "lock_timeout 1.5"),
            ({"hots": "x"}, "mod_python.redis_session.hots: there is none of this name, but url, host"),
        ],
    )
    def test_faults(self, ask: Ask, settings: dict[str, str], fault: str) -> None:
        req = ask(**told(**settings))
        with pytest.raises(ValueError, match=fault):
            Session.RedisSession(req)

    def test_where_it_is(self) -> None:
        def of(**given: Any) -> dict[str, Any]:
            store = RedisStore(options.Redis(**given), "x")
            found: dict[str, Any] = store._client.connection_pool.connection_kwargs
            store.close()
            names = ("host", "port", "db", "path", "username", "password")
            return {name: found[name] for name in names if found.get(name)}

        assert of() == {"host": "127.0.0.1", "port": 6379}
        assert of(host="x", port=1, db=2, username="u", password="p") == {
            "host": "x", "port": 1, "db": 2, "username": "u", "password": "p"
        }  # fmt: skip
        assert of(url="redis://h:5/3", password="p") == {"host": "h", "port": 5, "db": 3, "password": "p"}
        assert of(url="rediss://u:p@h") == {"host": "h", "username": "u", "password": "p"}
        assert of(url="unix:///run/x.sock?db=1") == {"path": "/run/x.sock", "db": 1}


class Own:
    """A class of an application."""

    def __eq__(self, other: object) -> bool:
        return type(other) is Own

    def __hash__(self) -> int:
        return 1


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/mpserver-test-was-here",)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.datetimes(timezones=st.sampled_from([None, datetime.UTC])) | st.dates() | st.times()
    | st.timedeltas() | st.decimals(allow_nan=False) | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)  # fmt: skip


class TestSealed:
    @given(plain)
    def test_plain_values(self, value: Any) -> None:
        for secret in (None, "s"):
            found = sealed.load(sealed.dump({"_data": value}, SID, secret), SID, secret)
            assert found == {"_data": value}
            assert type(found["_data"]) is type(value)

    @pytest.mark.parametrize("value", [{1}, frozenset({1}), bytearray(b"x"), OrderedDict(a=1), Decimal("1.0")])
    def test_more_plain_values(self, value: Any) -> None:
        assert sealed.load(sealed.dump({"x": value}, SID, None), SID, None) == {"x": value}

    @pytest.mark.parametrize("value", [Own(), Own, len, defaultdict(list), [Evil()], type])
    def test_what_needs_a_secret(self, ask: Ask, value: Any) -> None:
        req = ask(kind="RedisSession")
        session = Session.Session(req)
        session["x"] = value
        with pytest.raises(TypeError, match=r"mod_python\.redis_session\.secret"):
            session.save()
        assert len(said(req)) == 1

    def test_with_a_secret(self, ask: Ask) -> None:
        req = ask(kind="RedisSession", **told(secret="s e c"))
        session = Session.Session(req)
        session["own"] = Own()
        session.save()
        req.end()
        req = ask(session.id(), "RedisSession", **told(secret="s e c"))
        assert Session.Session(req)["own"] == Own()
        for settings in ({"secret": "other"}, {}):
            req = ask(session.id(), "RedisSession", **told(**settings))
            assert Session.Session(req, lock=0).is_new()
            assert len(said(req)) == 1
            assert "mod_python.redis_session.secret" in said(req)[0]

    def test_an_unsigned_one_where_they_are_signed(self, ask: Ask) -> None:
        sid = begin(ask)
        req = ask(sid, "RedisSession", **told(secret="s"))
        assert Session.Session(req).is_new()
        assert "isn't signed" in said(req)[0]

    @pytest.mark.parametrize("secret", [None, "s"])
    @pytest.mark.parametrize(
        "stored",
        [
            b"", b"p", b"s", b"x", b"s" + bytes(32), b"p" + pickle.dumps(Evil()), pickle.dumps(Evil()),
            b"s" + bytes(32) + pickle.dumps(Evil()), b"p" + pickle.dumps({"_data": Evil(), "_accessed": 9e9}),
            b"pcos\nsystem\n(S'touch /tmp/mpserver-test-was-here'\ntR.", b"pcbuiltins\neval\n.",
            b"p\x80\x04\x8c\x08datetime\x8c\x11datetime.__class__\x93.",
        ],
    )  # fmt: skip
    def test_what_others_wrote_runs_nothing(self, stored: bytes, secret: str | None) -> None:
        with pytest.raises(Exception):  # noqa: B017 - any: what matters is that nothing ran
            sealed.load(stored, SID, secret)
        assert not Path("/tmp/mpserver-test-was-here").exists()

    def test_a_signature_is_for_one_session(self) -> None:
        data = sealed.dump({"x": Own()}, SID, "s")
        assert sealed.load(data, SID, "s") == {"x": Own()}
        for changed in (
            data[:-1],
            data + b"x",
            data[:5] + bytes([data[5] ^ 1]) + data[6:],
            data[:1] + data[2:],
        ):
            with pytest.raises(ValueError, match="isn't signed"):
                sealed.load(changed, SID, "s")
        for sid in ("cd" * 16, ""):
            with pytest.raises(ValueError, match="isn't signed"):
                sealed.load(data, sid, "s")
