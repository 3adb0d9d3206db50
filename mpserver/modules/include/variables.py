"""What the elements of a page know: its variables, for texts and conditions (httpd's mod_include)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from mpserver.api.error_log import ERROR
from mpserver.modules.cgi import variables as cgi_variables
from mpserver.modules.expression_facts import RequestFacts, server_variable
from mpserver.modules.include.tags import to_text
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: A variable in a text, and a character that is none.
_REFERENCE = re.compile(r"\\([\\$])|\$\{([^}]*)\}|\$([A-Za-z_0-9]+)")


class Variables(RequestFacts):
    """The variables of one page, and the facts of its conditions.

    A page inside another has the other's, but for its own query.
    """

    def __init__(self, req: Request, time_format: str, find: Callable[[str], os.stat_result | None]) -> None:
        """``find``: what stat says of another resource that the client could get."""
        super().__init__(req)
        self._req = req
        self._find = find
        #: As in ``strftime``.
        self.time_format = time_format
        #: The query of the page around this one, which has another.
        self._query: str | None = None
        main = req.mp_main
        outer: Variables | None = main.mp_page_variables if main is not None else None
        if main is not None and outer is not None:
            req.mp_env = main.subprocess_env
            self.names: dict[str, str] = outer.names
            if req.mp_args is not None:
                self._query = req.subprocess_env.get("QUERY_STRING")
                req.subprocess_env["QUERY_STRING"] = to_text(req.mp_args.encode("latin-1"))
        else:
            #: Those of the page itself.
            self.names = self._of_page()
        req.mp_page_variables = self

    def _of_page(self) -> dict[str, str]:
        """The variables of the page itself; those of CGI go into the request's environment."""
        req = self._req
        table = req.subprocess_env
        for name, value in cgi_variables.variables(req).items():
            table[name.decode()] = to_text(value)
        arguments = to_text((req.mp_args or "").encode("latin-1"))
        return {
            "DOCUMENT_NAME": os.path.basename(req.mp_filename or ""),
            "DOCUMENT_URI": req.mp_uri,
            "DOCUMENT_ARGS": arguments,
            "QUERY_STRING_UNESCAPED": re.sub(
                r"([^0-9A-Za-z_\s.,/=+:@%-])", r"\\\1", unquote(arguments, errors="surrogateescape")
            ),
        }

    def leave(self) -> None:
        """The page is over: the one around it has its own query again."""
        if self._query is not None:
            self._req.subprocess_env["QUERY_STRING"] = self._query

    def variable(self, name: str) -> str:
        """The value of a variable, "" where there is none."""
        return self.lookup(name) or ""

    def header(self, name: str) -> str:
        """A header of the request; pages are not kept, so no Vary has to name it."""
        return self.header_unsaid(name)

    def reachable(self, uri: str) -> bool:
        """Whether the client could get a resource."""
        return self._find(uri) is not None

    def lookup(self, name: str) -> str | None:
        """The value of a variable; None where there is none."""
        if len(name) == 1 and "0" <= name <= "9":
            return self._group(int(name))
        value: str | None = self._req.subprocess_env.get(name)
        if value is not None:
            return value
        value = self.names.get(name)
        if value is not None:
            return value
        made = _MADE.get(name)
        if made is not None:
            return made(self)
        if name.startswith("HTTP_"):
            return None
        return server_variable(self._req, name)

    def _group(self, number: int) -> str | None:
        match = self.match
        if match is None or number > match.re.groups:
            log(self._req, f"regex capture ${number} is out of range in", 1330)
            return None
        return match[number]

    def filled(self, text: str) -> str:
        """A text with ``$name`` and ``${name}`` replaced."""
        if "$" not in text and "\\" not in text:
            return text

        def put(match: re.Match[str]) -> str:
            plain, braced, bare = match.groups()
            return plain or self.variable(braced if braced is not None else bare)

        return _REFERENCE.sub(put, text)

    def date(self, seconds: float, *, local: bool) -> str:
        """A time in the page's format; ``seconds`` since the epoch."""
        when = time.localtime(seconds) if local else time.gmtime(seconds)
        try:
            return time.strftime(self.time_format, when)
        except ValueError:
            return ""

    def all(self) -> dict[str, str]:
        """All by their names: those of the request, then those of the page."""
        table = dict(self._req.subprocess_env.pairs())
        for name in (*self.names, *_MADE):
            table.setdefault(name, self.variable(name))
        return table

    def for_program(self) -> dict[bytes, bytes]:
        """All of them for a program."""
        table = self._req.subprocess_env
        for name in (*self.names, *_MADE):
            if name not in table:
                table[name] = self.variable(name)
        return {
            cgi_variables.UNSPEAKABLE.sub("_", name).encode(): cgi_variables.encoded(self._req, value)
            for name, value in table.pairs()
        }

    def date_local(self) -> str:
        """DATE_LOCAL."""
        return self.date(time.time(), local=True)

    def date_gmt(self) -> str:
        """DATE_GMT."""
        return self.date(time.time(), local=False)

    def last_modified(self) -> str:
        """LAST_MODIFIED, of the page that the client asked for."""
        page = self._req
        while page.mp_main is not None:
            page = page.mp_main
        return self.date(page.mp_stat.st_mtime if page.mp_stat is not None else time.time(), local=True)

    def user_name(self) -> str:
        """USER_NAME: whose file it is."""
        import pwd

        found = self._req.mp_stat
        try:
            return pwd.getpwuid(found.st_uid).pw_name if found is not None else "<unknown>"
        except KeyError:
            return "<unknown>"


#: Variables that are made when they are asked for.
_MADE: Mapping[str, Callable[[Variables], str]] = {
    "DATE_LOCAL": Variables.date_local,
    "DATE_GMT": Variables.date_gmt,
    "LAST_MODIFIED": Variables.last_modified,
    "USER_NAME": Variables.user_name,
}


def log(req: Request, text: str, number: int | None = None, level: int = ERROR) -> None:
    """Log something of a page; its name is put behind."""
    req.mp_log.log(level, f"{text} {req.mp_filename or req.mp_uri}", module="include", about=req, number=number)
