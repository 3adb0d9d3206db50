"""Sessions in the memory of one interpreter (manual 4.8, MemorySession)."""

from __future__ import annotations

import time

from mod_python import apache
from mod_python._public import current_value
from mod_python._sessions.base import DFT_LOCK, PUBLIC, BaseSession
from mod_python._sessions.records import SessionRecord
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


class MemorySession(BaseSession):
    """Sessions in the memory of this interpreter (manual 4.8.1): for a server with one process."""

    __module__ = "mod_python.Session"  # (where applications find it: its name in pickles and messages)

    #: The records by id.
    sdict: dict[str, SessionRecord] = {}

    def __init__(
        self,
        req: Request,
        sid: str | int | None = 0,
        secret: str | bytes | None = None,
        timeout: float = 0,
        lock: bool | int = DFT_LOCK,
    ) -> None:
        super().__init__(req, sid, secret, timeout, lock)

    def do_load(self) -> SessionRecord | None:
        """The kept record; None if there is none."""
        return self.sdict.get(self._sid)

    def do_save(self, dict: SessionRecord) -> None:
        """Keep a record."""
        self.sdict[self._sid] = dict

    def do_delete(self) -> None:
        """Forget the record."""
        self.sdict.pop(self._sid, None)

    def do_cleanup(self) -> None:
        """Register the deletion of expired sessions."""
        self._req.register_cleanup(current_value(PUBLIC, "mem_cleanup", mem_cleanup), self.sdict)
        self._req.log_error("MemorySession: registered session cleanup.", apache.APLOG_NOTICE)


def mem_cleanup(sdict: dict[str, SessionRecord]) -> None:
    """Delete expired sessions from memory."""
    now = time.time()
    for sid, record in list(sdict.items()):
        if now - record["_accessed"] > record["_timeout"]:
            sdict.pop(sid, None)
