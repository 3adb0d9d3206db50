"""A request as handlers see it, without a server: the members that mod_python's own handlers use."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mod_python import Session
from mod_python._sessions import memorysession
from mpserver.api import runtime
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.table import HeaderTable, Table
from mpserver.locks import LockPool


class FakeRequest:
    """What it is given goes in, what a handler does to it can be looked at."""

    def __init__(self, url: str = "/", root: Path | None = None, **members: Any) -> None:
        path, question, query = url.partition("?")
        self.unparsed_uri = url
        self.uri = path
        self.args: str | None = query if question else None
        self.method = members.pop("method", "GET")
        self.headers_in = Table(members.pop("headers", {}))
        body = members.pop("body", None)
        if body is not None and "Content-Length" not in self.headers_in:
            self.headers_in["Content-Length"] = str(len(body))
        self._body = BytesIO(body or b"")
        user = members.pop("login", None)
        if user is not None:
            self.headers_in["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        self.headers_out, self.err_headers_out = HeaderTable(), HeaderTable()
        self.subprocess_env, self.notes = Table(), Table()
        self.options, self.config = Table(members.pop("options", {})), Table(members.pop("config", {}))
        self.user: str | None = members.pop("user", None)
        self.extension: str | None = None
        self.exts = members.pop("exts", "")
        self.status = 200
        self.sent_bodyct = 0
        self.mp_content_type: str | None = None
        self.mp_header_only = int(self.method == "HEAD")
        self.mp_input: Any = None
        self.mp_started = False
        self.mp_status, self.mp_waiting = 200, 0
        self.mp_content_type_set = 0
        self.mp_allowed = 0
        self.mp_allowed_methods: tuple[str, ...] = ()
        self.written: list[tuple[str | bytes, int]] = []
        self.logged: list[tuple[str, int]] = []
        self.filename: str | None = None
        self.mp_stat: os.stat_result | None = None
        self.path_info: str | None = None
        if root is not None:
            self.filename, self.path_info = self._map(root, path)
        for name, value in members.items():
            setattr(self, name, value)

    def is_https(self) -> int:
        """It came without TLS."""
        return 0

    @staticmethod
    def _map(root: Path, path: str) -> tuple[str, str]:
        """File and path_info as the server works them out: the first part that is no directory is the file."""
        parts = path.strip("/").split("/")
        here = root
        for place, part in enumerate(parts):
            if not (here / part).is_dir():
                rest = "/".join(parts[place + 1 :])
                return str(here / part), ("/" + rest if rest or path.endswith("/") else "")
            here = here / part
        return str(here) + "/", ""

    @property
    def content_type(self) -> str | None:
        return self.mp_content_type

    @content_type.setter
    def content_type(self, value: str) -> None:
        self.mp_content_type, self.mp_content_type_set = value, 1

    def read(self, size: int = -1) -> bytes:
        return self._body.read(size)

    def set_content_length(self, length: int) -> None:
        self.headers_out["Content-Length"] = str(length)

    def write(self, data: str | bytes, flush: int = 1) -> None:
        assert isinstance(data, str | bytes)
        self.written.append((data, flush))
        self.sent_bodyct |= flush

    @property
    def text(self) -> str:
        return "".join(data.decode() if isinstance(data, bytes) else data for data, _ in self.written)

    def log_error(self, message: str, level: int = 3) -> None:
        self.logged.append((message, level))

    def allow_methods(self, methods: tuple[str, ...]) -> None:
        self.mp_allowed_methods += methods

    @property
    def mp_options(self) -> Table:
        return self.options

    def get_options(self) -> Table:
        return self.options

    def get_config(self) -> Table:
        return self.config

    def get_addhandler_exts(self) -> str:
        return str(self.exts)

    def add_cgi_vars(self) -> None:
        self.subprocess_env["REQUEST_METHOD"] = self.method


@pytest.fixture
def make_request() -> Callable[..., Any]:
    """Makes a `FakeRequest`."""
    return FakeRequest


@pytest.fixture
def outcome() -> Callable[..., tuple[Any, ...]]:
    """Calls something and gives the arguments of the SERVER_RETURN that it raises, or () and the result."""

    def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        try:
            return (function(*args, **kwargs),)
        except SERVER_RETURN as end:
            return end.args

    return call


@pytest.fixture
def lent() -> Iterator[SimpleNamespace]:
    """A running server's services; taken back at the end."""
    services = SimpleNamespace(interpreter="www.example.com", kind="own", server_root="/srv", main_server=object())
    services.defines = frozenset({"FOREGROUND"})
    services.calls = []
    for name in ("log", "register_cleanup", "import_module"):
        setattr(services, name, lambda *args, name=name: services.calls.append((name, args)))
    services.config_tree = lambda: [("Listen", "80")]
    services.mpm_query = lambda code: code + 100
    runtime.lend(cast(Any, services))  # it has what the tests use
    yield services
    runtime._lent.clear()


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[LockPool]:
    """The server's locks."""
    (tmp_path / "locks").mkdir()
    locks = LockPool(str(tmp_path / "locks"), 8)
    yield locks
    locks.close()


@pytest.fixture
def ask(
    make_request: Callable[..., Any],
    lent: SimpleNamespace,
    pool: LockPool,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Any]]:
    """Makes requests with storage in a folder of the test; ``end`` runs their cleanups.

    Old sessions are cleaned up where a test wants it, not by chance. RedisSessions are in the Redis server
    ``redis_server``, under names that begin with the folder's.
    """
    lent.global_lock = lambda server, key, index=-1: pool.lock(key, index)
    lent.lock_domain = pool.domain
    directory = tmp_path / "sessions"
    directory.mkdir(mode=0o700)
    memorysession.MemorySession.sdict.clear()
    monkeypatch.setattr(Session, "CLEANUP_CHANCE", 10**12)
    made: list[Any] = []

    def make(sid: str | None = None, kind: str | None = None, **members: Any) -> Any:
        options = {"mod_python.session.database_directory": str(directory), **members.pop("options", {})}
        if kind:
            options["mod_python.session.session_type"] = kind
        if kind == "RedisSession":
            at = {"url": request.getfixturevalue("redis_server").url, "prefix": f"{tmp_path.name}:"}
            options = {f"mod_python.redis_session.{name}": value for name, value in at.items()} | options
        headers = {"Cookie": f"pysid={sid}"} if sid else {}
        cleanups: list[tuple[Callable[[Any], Any], Any]] = []
        given: dict[str, Any] = {
            "options": options,
            "headers": headers,
            "server": lent.main_server,
            "hlist": SimpleNamespace(directory="/www/"),
            "document_root": lambda: "/www",
            "register_cleanup": lambda function, data=None: cleanups.append((function, data)),
            "cleanups": cleanups,
            **members,
        }
        req = make_request(given.pop("url", "/"), **given)

        def end() -> None:
            while cleanups:
                function, data = cleanups.pop()
                function(data)

        req.end = end
        made.append(req)
        return req

    yield make
    for req in made:
        req.end()
    memorysession.MemorySession.sdict.clear()
    for name, args in lent.calls:
        if name == "register_cleanup":
            args[0](None)
