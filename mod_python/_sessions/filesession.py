"""Sessions in files, one each (manual 4.8, FileSession)."""

from __future__ import annotations

from functools import cached_property

from mod_python._public import current_value
from mod_python._sessions import beside, options, records
from mod_python._sessions.base import DFT_LOCK, PUBLIC, StoredSession
from mod_python._sessions.dbmsession import DFT_CLEANUP_TIME_LIMIT
from mod_python._sessions.files import CleanupRules, FileStore, Opened, file_store
from mod_python._sessions.private import temporary
from mod_python._sessions.records import SessionRecord
from mpserver.typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mpserver.api.request import Request

T = TypeVar("T")


#: FileSession's clean-up: see the class.
DFT_FAST_CLEANUP = True


DFT_VERIFY_CLEANUP = True


DFT_GRACE_PERIOD = 240


class FileSession(StoredSession):
    """Sessions in files, one each (manual 4.8.1).

    They are in the folder ``mp_sess`` of PythonOption mod_python.file_session.database_directory, or
    mod_python.session.database_directory; where none is set, in a private folder in that for
    temporary files.

    The clean-up goes by the files' times where ``fast_cleanup``, and looks into those that seem expired
    where ``verify_cleanup``, or without ``fast_cleanup`` into all. It stops after
    mod_python.file_session.cleanup_time_limit seconds (2; 0 is no limit), the next goes on there.
    mod_python.file_session.cleanup_grace_period (240 seconds) is added to each time-out.
    """

    __module__ = "mod_python.Session"  # (where applications find it: its name in pickles and messages)

    #: The session's file from its reading to its saving, if this holds the lock.
    _opened: Opened | None = None

    def __init__(
        self,
        req: Request,
        sid: str | int | None = 0,
        secret: str | bytes | None = None,
        timeout: float = 0,
        lock: bool | int = DFT_LOCK,
        fast_cleanup: bool | int = -1,
        verify_cleanup: bool | int = -1,
    ) -> None:
        """Find the request's session, or begin a new one.

        :param fast_cleanup: -1 for what PythonOption enable_fast_cleanup says.
        :param verify_cleanup: -1 for what PythonOption verify_session_timeout says.
        :raises ValueError: an option says something that it can't.
        :raises OSError: the folder is not there, or can't be trusted.
        """
        self._options = options.cleanup(req)  # (what is wrong there is told at once)
        self._given = fast_cleanup, verify_cleanup
        directory = options.settings(req).file_directory or temporary()
        self._store: FileStore = file_store(directory + "/mp_sess")
        super().__init__(req, sid, secret, timeout, lock)

    def _fetch(self) -> bytes | None:
        if not self._locked:
            return self._store.load(self._sid)
        self._close()
        data, self._opened = self._store.open(self._sid)
        return data

    def do_save(self, dict: SessionRecord) -> None:
        """Store a record."""
        data = records.dump(dict)
        try:
            self._store.save(self._sid, data, self._opened)
        finally:
            self._close()

    def _close(self) -> None:
        """Close the session's file."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def unlock(self) -> None:
        """Let others have this session."""
        self._close()
        super().unlock()

    def do_delete(self) -> None:
        """Remove the record."""
        self._store.delete(self._sid)

    def do_cleanup(self) -> None:
        """Register the deletion of expired sessions."""
        self._req.register_cleanup(current_value(PUBLIC, "filesession_cleanup", filesession_cleanup), self)
        self._note("FileSession: registered filesession cleanup.")

    def delete_expired(self) -> None:
        """Delete expired files, for as long as the session's options allow, if it is time for that."""
        notes = beside.Notes(self._req)
        if not self._store.is_due():
            notes("FileSession cleanup: not yet, the last one took too long for that.")
            return
        rules = CleanupRules(
            self._timeout, self._grace_period, self._fast_cleanup, self._verify_cleanup, self._cleanup_time_limit
        )
        beside.run(self._store.steps(rules, notes), notes)

    # What few requests ask for: the argument, the option, or what the application has set.

    @cached_property
    def _fast_cleanup(self) -> bool:
        asked = _either(self._options.fast, "DFT_FAST_CLEANUP", DFT_FAST_CLEANUP)
        return bool(asked if self._given[0] == -1 else self._given[0])

    @cached_property
    def _verify_cleanup(self) -> bool:
        asked = _either(self._options.verify, "DFT_VERIFY_CLEANUP", DFT_VERIFY_CLEANUP)
        return bool(asked if self._given[1] == -1 else self._given[1]) or not self._fast_cleanup

    @cached_property
    def _grace_period(self) -> int:
        return _either(self._options.grace, "DFT_GRACE_PERIOD", DFT_GRACE_PERIOD)

    @cached_property
    def _cleanup_time_limit(self) -> int:
        return _either(self._options.limit, "DFT_CLEANUP_TIME_LIMIT", DFT_CLEANUP_TIME_LIMIT)


def _either(asked: T | None, name: str, default: T) -> T:
    """What an option says, else a constant as the application may have set it."""
    return current_value(PUBLIC, name, default) if asked is None else asked


def filesession_cleanup(session: FileSession) -> None:
    """Delete expired files, for as long as the session's options allow."""
    session.delete_expired()
