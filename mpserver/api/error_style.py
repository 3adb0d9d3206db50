"""What lines of an error log look like where they are not the usual ones: ErrorLogFormat, and the system's log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mpserver.api import syslog
from mpserver.api.error_format import CONNECTION, DEFAULT, MAIN, REQUEST, SYSLOG, compile_any
from mpserver.api.error_items import Event
from mpserver.api.error_log import first_of
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mpserver.api.error_log import About
    from mpserver.api.syslog import Syslog


class Lines:
    """A `mpserver.api.error_log.Style`."""

    __slots__ = ("_connection", "_form", "_patience", "_request", "_server", "_syslog", "_whole", "is_strict")

    def __init__(self, target: str, formats: Mapping[str, Sequence[str]], server: str) -> None:
        """:param target: the log's.

        :param formats: those of `mpserver.api.error_format.MAIN` and the other kinds.
        :param server: the name of the server whose log it is.
        """
        self._syslog: Syslog | None = syslog.parse(target) if syslog.is_syslog(target) else None
        self._patience = syslog.Patience()
        self.is_strict = self._syslog is not None
        default = DEFAULT if self._syslog is None else SYSLOG
        self._form, self._whole = compile_any(formats[MAIN][-1] if formats.get(MAIN) else default)
        self._connection = [compile_any(text)[0] for text in formats.get(CONNECTION, ())]
        self._request = [compile_any(text)[0] for text in formats.get(REQUEST, ())]
        self._server = server

    def lines(
        self, level: int, module: str, text: str, error: OSError | None, client: tuple[str, int] | None,
        about: About | None,
    ) -> Sequence[str]:  # fmt: skip
        """See `Style`; before the first about a request or connection there may be more lines."""
        req, connection = (None, None) if about is None else about.mp_whose()
        now = time.time()
        found: list[str | None] = []
        # (hosts of equal settings share the log)
        server = self._server if req is None else req.mp_host.name
        event = Event(level, module or "", "", now, server, error, client, req, connection)
        if self._connection and connection is not None and not connection.mp_is_logged:
            connection.mp_is_logged = True
            found += [form(event) for form in self._connection]
        if self._request and req is not None:
            first = first_of(req)
            if not first.mp_is_logged:
                first.mp_is_logged = True
                found += [form(event) for form in self._request]
        whole = text.rstrip("\n")
        for part in (whole,) if self._whole else whole.split("\n"):
            found.append(self._form(event._replace(text=part)))
        made = [line for line in found if line is not None]
        return made if self._syslog is None else [self._syslog.message(level, line, now) for line in made]

    def mend(self, fd: int, error: OSError) -> bool:
        """See `Style`: the system's log may have been started anew, or be behind."""
        if self._syslog is None:
            return False
        return self._patience.wait(fd) if isinstance(error, BlockingIOError) else syslog.connect_again(fd)
