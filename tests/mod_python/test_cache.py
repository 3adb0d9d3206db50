"""`mod_python.cache`: values that are built when they are asked for. `mod_python.python22`: nothing."""

from __future__ import annotations

import gc
import http.server
import importlib
import os
import threading
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mod_python import cache


class Squares(cache.Cache):
    """Squares of numbers, stale where their name is among those that changed."""

    def __init__(self, max_size: int = 0) -> None:
        super().__init__(max_size)
        self.built: list[Any] = []
        self.changed: set[Any] = set()
        self.committed = 0

    def key(self, name: Any) -> Any:
        return abs(name)

    def check(self, key: Any, name: Any, entry: cache.Entry) -> Any:
        return "opened" if name in self.changed else None

    def build(self, key: Any, name: Any, opened: Any, entry: cache.Entry) -> Any:
        self.built.append((key, name, opened))
        return key * key

    def commit(self) -> None:
        self.committed += 1


def test_a_value_is_built_once_and_again_when_it_is_stale() -> None:
    squares = Squares()
    assert [squares[3], squares[-3], squares[4]] == [9, 9, 16]
    assert squares.built == [(3, 3, None), (4, 4, None)]
    squares.changed.add(-4)
    assert squares[-4] == 16
    assert squares.built[2:] == [(4, -4, "opened")]
    squares[3] = "set"
    assert squares[3] == "set"
    assert squares.committed == 4
    del squares[3]
    assert squares[3] == 9
    with pytest.raises(KeyError):
        del squares[5]
    squares.clear()
    assert squares[4] == 16
    assert len(squares.built) == 5
    with pytest.raises(NotImplementedError):
        cache.Cache()["x"]


def test_a_bounded_cache_forgets_what_was_used_least_recently() -> None:
    squares = Squares(2)
    assert (squares.mru(), squares.lru()) == (None, None)
    for number in (1, 2, 1, 3):
        squares[number]
    assert (squares.mru(), squares.lru()) == (3, 1)
    squares[2]
    assert [built[0] for built in squares.built] == [1, 2, 3, 2]
    assert (Squares().mru(), Squares().lru()) == (None, None)


def test_threads_that_want_one_value_build_it_once() -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Slow(Squares):
        def build(self, key: Any, name: Any, opened: Any, entry: cache.Entry) -> Any:
            if key == 1:
                entered.set()
                assert go_on.wait(30)
            return super().build(key, name, opened, entry)

    slow = Slow()
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(slow.__getitem__, 1) for _ in range(2)]
        assert entered.wait(30)
        assert pool.submit(slow.__getitem__, 2).result(30) == 4  # (others are built meanwhile)
        go_on.set()
        assert [one.result(30) for one in waiting] == [1, 1]
    assert sorted(built[0] for built in slow.built) == [1, 2]


def test_weak_values_go_with_their_users() -> None:
    class Thing:
        pass

    class Things(cache.WeakCache):
        def build(self, key: Any, name: Any, opened: Any, entry: cache.Entry) -> Any:
            return Thing()

    things = Things()
    kept = things["a"]
    assert things["a"] is kept
    number = id(kept)
    del kept
    gc.collect()
    other = [Thing() for _ in range(3)]  # (so that the next has another place in memory)
    assert id(things["a"]) != number or other
    assert cache.NOT_INITIALIZED is not None


def test_files_and_modules_are_read_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "a-b.py"
    file.write_text("x = 1\n")
    os.utime(file, (10**9, 10**9))
    files, texts, modules = cache.FileCache(), cache.FileCache(mode="r"), cache.ModuleCache()
    module = modules[str(file)]
    assert (files[str(file)], texts[str(file)], module.x) == (b"x = 1\n", "x = 1\n", 1)
    assert (module.__file__, modules[str(file)]) == (str(file), module)
    assert "-" not in module.__name__
    file.write_text("x = 2\n")
    os.utime(file, (10**9 + 1, 10**9 + 1))
    assert (files[str(file)], modules[str(file)].x) == (b"x = 2\n", 2)
    with pytest.raises(FileNotFoundError):
        files[str(tmp_path / "missing")]


def test_results_of_functions() -> None:
    calls = []

    def add(*numbers: int, more: int = 0) -> int:
        calls.append(numbers)
        return sum(numbers) + more

    cached = cache.FunctionCache(add)
    assert [cached(1, 2), cached(1, 2), cached(1, 2, more=3), cached(1, 2, more=3)] == [3, 3, 6, 6]
    assert calls == [(1, 2), (1, 2)]


class Pages(http.server.BaseHTTPRequestHandler):
    """Answers with headers by the path, and counts."""

    asked: list[tuple[str, str | None]]
    headers_of = {
        "/etag": {"ETag": '"1"'},
        "/age": {"Cache-Control": "public, max-age=3600"},
        "/expires": {"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Expires": "Thu, 01 Jan 2026 01:00:00 GMT"},
        "/module.py": {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"},
    }

    def do_GET(self) -> None:
        condition = self.headers.get("If-None-Match") or self.headers.get("If-Modified-Since")
        type(self).asked.append((self.path, condition))
        if self.path not in self.headers_of:
            self.send_error(404)
            return
        body = b"" if condition else b"x = 5\r\n"
        self.send_response_only(304 if condition else 200)
        for name, value in self.headers_of[self.path].items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def pages() -> Iterator[str]:
    """The address of a small server."""
    Pages.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_what_urls_give_is_asked_for_again_when_it_may_have_changed(pages: str) -> None:
    entities = cache.HTTPCache()
    for path in ("/etag", "/age", "/expires"):
        first = entities[pages + path]
        assert entities[pages + path] is first
        assert (first.entity, str(first)) == (b"x = 5\r\n", "x = 5\r\n")
        assert repr(first).startswith("HTTPEntity(b'x = 5")
    assert first.metadata["Expires"] == "Thu, 01 Jan 2026 01:00:00 GMT"
    modules = cache.HttpModuleCache()
    assert modules[f"{pages}/module.py"].x == 5
    assert modules[f"{pages}/module.py"].x == 5
    assert Pages.asked == [
        ("/etag", None), ("/etag", '"1"'), ("/age", None), ("/expires", None), ("/module.py", None),
        ("/module.py", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ]  # fmt: skip
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        entities[f"{pages}/missing"]
    caught.value.close()
    assert isinstance(first, cache.HTTPEntity)
    later, before = map(cache.parseRFC822Time, ("Thu, 01 Jan 2026 01:00:00 GMT", "Thu, 01 Jan 2026 00:00:00 GMT"))
    assert later - before == 3600


def test_programs_may_import_what_old_pythons_lacked() -> None:
    assert [name for name in vars(importlib.import_module("mod_python.python22")) if name[0] != "_"] == []


def test_modules_are_found_in_others_too() -> None:
    from mod_python import Cookie, Session, apache, psp, publisher, util

    assert (util.apache, publisher.apache, publisher.util) == (apache, apache, util)
    assert (psp.Session, Session.Cookie) == (Session, Cookie)
    for module in (util, psp, Session, apache):
        assert not hasattr(module, "_apache"), "there is a server only in a server"
    with pytest.raises(AttributeError, match=r"'mod_python\.util' has no attribute 'nothing'"):
        _ = util.nothing
