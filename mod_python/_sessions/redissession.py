"""RedisSession, which `mod_python.Session` gives to those who ask for it."""

from __future__ import annotations

from collections.abc import Callable

from mod_python._sessions import options, sealed
from mod_python._sessions.base import DFT_LOCK, SessionUnavailable, StoredSession, server
from mod_python._sessions.records import SessionRecord
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mod_python._sessions.redisstore import Hold, RedisStore
    from mpserver.api.request import Request


class RedisSession(StoredSession):
    """Sessions in a Redis server, for several mpservers that serve the same site.

    PythonOption mod_python.redis_session.url (``redis://``, ``rediss://`` or ``unix://``), or ``host``,
    ``port`` and ``db``, say where it is; ``username`` and ``password`` open it, ``prefix`` is what the names of
    its keys begin with. With ``secret``, the same on all servers, sessions are signed and can hold whatever
    pickle can store; else values of plain types only. ``timeout`` (2) is for how many seconds an answer is waited
    for, ``lock_timeout`` (60) how long a lock lasts at most.

    Where Redis can't be had, this raises SessionUnavailable, which answers 503, with a line in the log.
    """

    __module__ = "mod_python.Session"  # (where applications find it: its name in pickles and messages)

    def __init__(
        self,
        req: Request,
        sid: str | int | None = 0,
        secret: str | bytes | None = None,
        timeout: float = 0,
        lock: bool | int = DFT_LOCK,
    ) -> None:
        """Find the request's session, or begin a new one.

        :raises ValueError: an option says something that it can't.
        :raises ModuleNotFoundError: the library redis is not there.
        """
        from mod_python._sessions import redisstore  # (the library takes half a second and 20 MB)

        self._asked = options.redis(req)
        self._store: RedisStore = redisstore.store(self._asked, server().lock_domain())
        self._hold: Hold | None = None
        #: What came with the lock, until it is used or changed.
        self._came: tuple[bytes | None] | None = None
        super().__init__(req, sid, secret, timeout, lock)

    def _told(self, function: Callable[..., Any], *args: Any) -> Any:
        """Ask Redis; tell the log if it can't be asked."""
        try:
            return function(*args)
        except SessionUnavailable as error:
            self._req.log_error(f"RedisSession: {error}")
            raise

    def _fetch(self) -> bytes | None:
        came, self._came = self._came, None
        found: bytes | None = came[0] if came is not None else self._told(self._store.load, self._sid)
        return found

    def _read(self, data: bytes) -> Any:
        return sealed.load(data, self._sid, self._asked.secret)

    def do_save(self, dict: SessionRecord) -> None:
        """Store a record. Its lock, if it has one, lasts its full time again."""
        self._came = None
        data = sealed.dump(dict, self._sid, self._asked.secret)
        self._store.save(self._sid, data, dict["_timeout"], self._hold)

    def do_delete(self) -> None:
        """Remove the record."""
        self._came = None
        self._told(self._store.delete, self._sid)

    def lock(self) -> None:
        """Wait until nobody on any server has this session, and keep others out until the request ended."""
        if not self._lock or self._locked:
            return
        super().lock()
        self._hold = hold = self._store.hold(self._sid)
        hold.owners.add(id(self))
        try:
            self._came = (self._told(self._store.acquire, hold),)
        except SessionUnavailable:
            self.unlock()
            raise

    def unlock(self) -> None:
        """Let others have this session."""
        hold = self._hold
        if hold is not None:
            # Each step can be done twice: if this is interrupted, the end of the request does it again.
            self._came = None
            hold.owners.discard(id(self))
            if not hold.owners:
                self._store.release(hold)
            self._hold = None
        super().unlock()
