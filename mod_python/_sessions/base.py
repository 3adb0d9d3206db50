"""What all sessions have in common: their id, cookie, lock and time-out (manual 4.8)."""

from __future__ import annotations

import random
import re
import secrets
import time

from mod_python import Cookie, apache
from mod_python._public import current_value
from mod_python._sessions import options, records
from mod_python._sessions.records import SessionRecord
from mpserver.api import runtime
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request


#: The module that has these constants for applications, which may set them there.
PUBLIC = "mod_python.Session"


#: The name of the cookie that holds the id.
COOKIE_NAME = "pysid"


#: After how many seconds without access a session ends.
DFT_TIMEOUT = 1800


#: Whether sessions are locked.
DFT_LOCK = True


#: One in so many requests with a session cleans up after itself.
CLEANUP_CHANCE = 1000


_is_sid = re.compile(r"[0-9a-f]{32}").fullmatch


class SessionUnavailable(apache.SERVER_RETURN):
    """The server that keeps sessions doesn't do what one needs. Who doesn't catch it answers 503 (Service Unavailable).

    ``reason`` says for the log what happened, and what to do.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(apache.HTTP_SERVICE_UNAVAILABLE)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class BaseSession(dict[Any, Any]):
    """What all sessions have in common (manual 4.8.1); a subclass stores them.

    A subclass implements `do_load`, `do_save`, `do_delete` and, where expired sessions must be looked
    for, `do_cleanup`; to lock by other means than the server's locks, also `init_lock`, `lock` and
    `unlock`.
    """

    __module__ = "mod_python.Session"  # (where applications find it: its name in pickles and messages)

    _new = 1
    _created = 0.0
    _accessed = 0.0
    _timeout: float = 0
    _locked = 0
    _held: runtime.Lock
    _invalid = 0

    def __init__(
        self,
        req: Request,
        sid: str | int | None = None,
        secret: str | bytes | None = None,
        timeout: float = 0,
        lock: bool | int = DFT_LOCK,
    ) -> None:
        """Find the request's session, or begin a new one.

        :param sid: its id; the one in the request's cookie if it isn't given.
        :param secret: sign the cookie, and take no other than signed ones.
        :param timeout: seconds for a new session; `DFT_TIMEOUT` if 0.
        :param lock: keep others from this session until the request ended, or `unlock`.
        :raises ValueError: the sid is none.
        """
        super().__init__()
        self._req = req
        self._secret = secret
        self._lock = lock
        self._sid = self._check(sid) if sid else self._received()

        self.init_lock()
        if self._sid:
            self.lock()
            if self.load():
                self._new = 0
        if self._new:
            self.unlock()
            self._begin(timeout)
        self._accessed = time.time()
        if random.random() * current_value(PUBLIC, "CLEANUP_CHANCE", CLEANUP_CHANCE) < 1:  # noqa: S311 - when to clean up is no secret
            self.cleanup()
            if self._locked:
                # cleanups go backwards: what was registered now runs after the lock is given back
                req.register_cleanup(unlock_session_cleanup, self)

    def _begin(self, timeout: float) -> None:
        """Make this a new session, and tell the client its id."""
        self._sid = secrets.token_hex(16)
        self.lock()
        self._created = time.time()
        self._timeout = timeout or current_value(PUBLIC, "DFT_TIMEOUT", DFT_TIMEOUT)
        Cookie.add_cookie(self._req, self.make_cookie())

    @staticmethod
    def _check(sid: object) -> str:
        if not isinstance(sid, str):
            raise TypeError(f"a session id is a string, not {type(sid).__name__}")
        if not _is_sid(sid):
            raise ValueError(f"Invalid Session ID: sid={sid}")
        return sid

    def _received(self) -> str:
        """The id in the request's cookie; empty if there is none that could be one of ours."""
        name = self._cookie_name()
        if self._secret:
            cookie = Cookie.get_cookie(
                self._req, name, Cookie.SignedCookie, secret=self._secret, mismatch=Cookie.Cookie.IGNORE
            )
            found = None if cookie is None else str(cookie.value)
        else:
            found = Cookie.received(self._req, name)
        return found if found is not None and _is_sid(found) else ""

    def _cookie_name(self) -> str:
        return options.settings(self._req).cookie_name or current_value(PUBLIC, "COOKIE_NAME", COOKIE_NAME)

    def make_cookie(self) -> Cookie.Cookie:
        """The cookie that tells the client the id. A subclass may make another, or add to it."""
        settings = options.settings(self._req)
        name = settings.cookie_name or current_value(PUBLIC, "COOKIE_NAME", COOKIE_NAME)
        if self._secret:
            made: Cookie.Cookie = Cookie.SignedCookie(name, self._sid, self._secret)
        else:
            made = Cookie.Cookie(name, self._sid)
        made.path = settings.application_path or options.application_path(self._req)
        if settings.application_domain:
            made.domain = settings.application_domain
        if settings.cookie_httponly:
            made.httponly = True
        if settings.cookie_samesite:
            made.samesite = settings.cookie_samesite
        if self._is_secure(settings):
            made.secure = True
        return made

    def _is_secure(self, settings: options.Settings) -> bool:
        """Whether the client is to send the cookie over TLS alone."""
        if settings.cookie_secure is not None:
            return settings.cookie_secure
        # (what is sent with requests of other sites is taken with this alone, RFC 6265bis 5.7)
        return settings.cookie_samesite == "None" or bool(self._req.is_https())

    # ---- its facts

    def is_new(self) -> bool:
        """Whether this session began with this request: also when one was asked for that is not there."""
        return bool(self._new)

    def id(self) -> str:
        """The session's id."""
        return self._sid

    def created(self) -> float:
        """When it was created, in seconds since the epoch."""
        return self._created

    def last_accessed(self) -> float:
        """When it was last used, in seconds since the epoch; `save` stores it."""
        return self._accessed

    def timeout(self) -> float:
        """After how many seconds without access it ends."""
        return self._timeout

    def set_timeout(self, secs: float) -> None:
        """Set that; `save` stores it."""
        self._timeout = secs

    # ---- storage

    def load(self) -> bool:
        """Take over what is stored (manual 4.8.1). :returns: whether there is a session that didn't expire."""
        record = self.do_load()
        if record is None:
            return False
        try:
            accessed, timeout = record["_accessed"], record["_timeout"]
            if time.time() - accessed > timeout:
                return False
            created, data = record["_created"], record["_data"]
            self.update(data)
        except (KeyError, TypeError, ValueError):
            self._req.log_error(f"Error while loading a session : {self._sid} has no session's record")
            return False
        self._created, self._accessed, self._timeout = created, accessed, timeout
        return True

    def save(self) -> None:
        """Store the session's values, its time-out and the time of this access.

        :raises Exception: they can't be stored; the log says why, and what was stored is as it was.
        """
        if self._invalid:
            return
        record: SessionRecord = {
            "_data": self.copy(),
            "_created": self._created,
            "_accessed": self._accessed,
            "_timeout": self._timeout,
        }
        try:
            self.do_save(record)
        except Exception as error:
            self._req.log_error(f"Error while saving a session : {type(error).__name__}: {error}")
            raise

    def delete(self) -> None:
        """Remove the session from storage."""
        self.do_delete()
        self.clear()

    def invalidate(self) -> None:
        """End the session: remove it from storage and from the client. It can't be saved any more."""
        ending = self.make_cookie()
        ending.expires = 0
        Cookie.add_cookie(self._req, ending)
        self.delete()
        self._invalid = 1

    def cleanup(self) -> None:
        """Called once in `CLEANUP_CHANCE` requests. A subclass registers with req what it has to clean up."""
        self.do_cleanup()

    def do_load(self) -> SessionRecord | None:
        """The stored record; None if there is none. A subclass implements it."""
        return None

    def do_save(self, dict: SessionRecord) -> None:
        """Store a record. A subclass implements it."""

    def do_delete(self) -> None:
        """Remove the record from storage. A subclass implements it."""

    def do_cleanup(self) -> None:
        """Register the deletion of expired sessions. A subclass implements it."""

    # ---- the lock

    def init_lock(self) -> None:
        """For subclasses that lock by other means."""

    def lock(self) -> None:
        """Wait until nobody else has this session, and keep others out until the request ended.

        The lock is the request's, whichever of its threads asks for it. Nothing for a session that was made with
        ``lock=0``, or has its lock.

        :raises RuntimeError: the request has ended, so that nothing would unlock it.
        """
        if not self._lock or self._locked:
            return
        # First what gives it back: from there on it is, whatever happens in between.
        self._req.register_cleanup(unlock_session_cleanup, self)
        self._held = server().global_lock(self._req, self._sid)
        self._locked = 1
        self._held.acquire()

    def unlock(self) -> None:
        """Let others have this session."""
        if not self._locked:
            return
        try:
            self._held.release()
        except RuntimeError:
            pass  # it was interrupted before it had the lock, or the request's end has freed it
        # Last: if this is interrupted, the end of the request gives the lock back.
        self._locked = 0


def unlock_session_cleanup(session: BaseSession) -> None:
    """The end of a request: give its session's lock back."""
    session.unlock()


def server() -> runtime.Runtime:
    """The running server. :raises RuntimeError: there is none."""
    found = runtime.current()
    if found is None:
        raise RuntimeError("sessions need a running server: this code was imported outside of mpserver")
    return found


class StoredSession(BaseSession):
    """A session that is stored as bytes."""

    def _note(self, text: str) -> None:
        """Write a notice to the log of its request."""
        self._req.log_error(text, apache.APLOG_NOTICE)

    def _fetch(self) -> bytes | None:
        raise NotImplementedError

    def _read(self, data: bytes) -> Any:
        return records.load(data)

    def do_load(self) -> SessionRecord | None:
        """The stored record; None if there is none, or (the log says why) it can't be read."""
        try:
            data = self._fetch()
            if data is None:
                return None
            record: SessionRecord = self._read(data)
        except SessionUnavailable:
            raise  # the storage is away: that is no reason to begin a new session
        except Exception as error:  # unpickling runs the application's classes
            if isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError):
                raise  # a module refuses this interpreter: the server moves the application then
            self._req.log_error(f"Error while loading a session : {type(error).__name__}: {error}")
            return None
        return record
