"""Sessions in a DBM file (manual 4.8, DbmSession)."""

from __future__ import annotations

import time
from functools import partial

from mod_python._public import current_value
from mod_python._sessions import beside, options, records
from mod_python._sessions.base import DFT_LOCK, PUBLIC, StoredSession, server
from mod_python._sessions.private import named, unshared
from mod_python._sessions.records import SessionRecord
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mod_python._sessions.dbms import Database, Guard
    from mpserver.api.request import Request


DFT_CLEANUP_TIME_LIMIT = 2


class DbmSession(StoredSession):
    """Sessions in a database file (manual 4.8.1).

    It is PythonOption mod_python.dbm_session.database_filename, or ``mp_sess.dbm`` in
    mod_python.dbm_session.database_directory or mod_python.session.database_directory; where none is set, in a
    private folder in that for temporary files. Where others can write to the folder, it is in a private one in
    that. It is an SQLite database as that of `dbm.sqlite3`, unless ``dbmtype`` says otherwise or another dbm
    module has made it.
    """

    __module__ = "mod_python.Session"  # (where applications find it: its name in pickles and messages)

    def __init__(
        self,
        req: Request,
        dbm: str | None = None,
        sid: str | int | None = 0,
        secret: str | bytes | None = None,
        dbmtype: Any = None,
        timeout: float = 0,
        lock: bool | int = DFT_LOCK,
    ) -> None:
        """Find the request's session, or begin a new one.

        :param dbm: the database's file.
        :param dbmtype: a module that opens it instead, such as `dbm.gnu`.
        :raises OSError: its folder is not there, or can't be trusted.
        """
        from mod_python._sessions import dbms  # (its SQLite costs others nothing)

        settings = options.settings(req)
        given = dbm or settings.dbm_file
        file = named(given) if given else unshared(settings.dbm_directory) + "/mp_sess.dbm"
        self._database: Database = dbms.database(file, dbmtype)
        self._guard: Guard = partial(server().global_lock, req.server, None, 0)
        super().__init__(req, sid, secret, timeout, lock)

    def _fetch(self) -> bytes | None:
        return self._database.load(self._sid, self._guard)

    def do_save(self, dict: SessionRecord) -> None:
        """Store a record."""
        self._database.save(self._sid, records.dump(dict), self._guard)

    def do_delete(self) -> None:
        """Remove the record."""
        self._database.delete(self._sid, self._guard)

    def do_cleanup(self) -> None:
        """Register the deletion of expired sessions."""
        self._req.register_cleanup(current_value(PUBLIC, "dbm_cleanup", dbm_cleanup), self)
        self._note("DbmSession: registered database cleanup.")

    def delete_expired(self) -> None:
        """Delete expired sessions from the database, for at most `DFT_CLEANUP_TIME_LIMIT` seconds, if it is time."""
        notes = beside.Notes(self._req)
        if self._database.is_due(self._guard):
            beside.run(self._clean(notes), notes)
        else:
            notes("DbmSession cleanup: not yet, another one is under way, or the last one took too long for that.")

    def _clean(self, notes: beside.Notes) -> Iterator[None]:
        began = time.monotonic()
        limit = current_value(PUBLIC, "DFT_CLEANUP_TIME_LIMIT", DFT_CLEANUP_TIME_LIMIT)
        deleted, total, complete = yield from self._database.steps(limit, self._guard)
        notes(f"DbmSession cleanup: deleted {deleted} of {total} in {time.monotonic() - began:.4f} seconds")
        if not complete:
            notes("DbmSession cleanup incomplete: the next cleanup goes on from there")


def dbm_cleanup(session: DbmSession) -> None:
    """Delete expired sessions from the database, for as long as a clean-up may take."""
    session.delete_expired()
