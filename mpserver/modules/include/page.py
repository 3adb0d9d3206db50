"""The pages of server side includes (httpd's mod_include, and mod_python's element ``python``).

    Document    one page: text goes through, elements act; conditions say what shows
    Services    what elements ask of the server: other resources, programs, Python

A fault of an element is logged with file and reason; the page shows SSIErrorMsg in its place.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Mapping
from urllib.parse import quote

from mpserver.api.error_log import ERROR
from mpserver.config.settings import Conf
from mpserver.errors import ExpressionError, MpserverError
from mpserver.modules import expressions, include
from mpserver.modules.cgi.running import command
from mpserver.modules.core.options import Option, effective
from mpserver.modules.include.tags import (
    DECODINGS,
    ENCODINGS,
    Tag,
    abbreviated,
    decode,
    encode,
    overlap,
    scan,
    to_bytes,
)
from mpserver.modules.include.variables import Variables, log
from mpserver.typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: A longer tag is none.
LONGEST = 1 << 20
#: Elements that act where nothing shows, too.
CONDITIONS = frozenset({"if", "elif", "else", "endif"})


class Fault(MpserverError):
    """What is wrong with an element, and the number that httpd's message has."""

    def __init__(self, text: str, number: int | None = None) -> None:
        super().__init__(text)
        self.number = number


class Services(Protocol):
    """What the elements of one page ask of the server. ``uri``: relative to the page's, may have a query."""

    def include(self, uri: str, write: Callable[[bytes], None], *, script: bool) -> int:
        """Serve another resource into the page; ``script``: only by a CGI program. :returns: OK, or its status."""

    def find(self, uri: str) -> os.stat_result | None:
        """What stat says of the file of another resource that the client could get."""

    def python(self, kind: str, code: str, write: Callable[[bytes], None]) -> None:
        """Run the element ``python``, ``eval`` or ``exec``. :raises Fault: it failed."""


class Document:
    """One page on its way through the filter."""

    def __init__(self, req: Request, conf: Conf, write: Callable[[bytes], None], services: Services) -> None:
        self._req = req
        self._write = write
        self._services = services
        self._may_exec = bool(effective(conf) & Option.EXEC)
        self._start, self._end = conf[include.START_TAG].encode(), conf[include.END_TAG].encode()
        self._error = conf[include.ERROR_MESSAGE]
        self._undefined = conf[include.UNDEFINED_ECHO]
        self._size_in_bytes = False
        self._data = b""
        #: Whether text shows; whether a branch of the innermost condition was taken; conditions inside hidden text.
        self._shows = True
        self._taken = True
        self._hidden = 0
        self._open = 0
        self._variables = Variables(req, conf[include.TIME_FORMAT], services.find)

    # ---- the stream

    def feed(self, data: bytes) -> None:
        """Take a piece of the page."""
        self._data += data
        self._advance(False)

    def close(self) -> None:
        """The page is over."""
        self._advance(True)
        if self._data:
            log(self._req, "SSI directive was not properly finished at the end of parsed document", 1372)
            self._data = b""
        self._variables.leave()
        if self._open:
            log(self._req, "missing closing endif directive in parsed document", 1373)

    def _advance(self, last: bool) -> None:
        data, at = self._data, 0
        start, end = self._start, self._end
        while True:
            found = data.find(start, at)
            if found < 0:
                keep = 0 if last else overlap(data, at, start)
                self._show(data[at : len(data) - keep])
                self._data = data[len(data) - keep :]
                return
            self._show(data[at:found])
            tag = scan(data, found + len(start), end, last=last)
            if tag is None:
                if not last and len(data) - found > LONGEST:
                    log(self._req, f"a directive of more than {LONGEST} bytes")
                    self._show(to_bytes(self._error))
                    at = found + len(start)
                    continue
                self._data = data[found:]
                return
            self._act(tag)
            at = tag.end

    def _show(self, data: bytes) -> None:
        if data and self._shows:
            self._write(data)

    def _act(self, tag: Tag) -> None:
        element = _ELEMENTS.get(tag.element)
        try:
            if element is None:
                self._fail(f'unknown directive "{tag.element}" in parsed doc {self._name()}', 1371)
            if self._shows or tag.element in CONDITIONS:
                element(self, tag.arguments)
        except Fault as fault:
            self._req.mp_log.log(
                ERROR,
                str(fault),
                module="include",
                about=self._req,
                number=fault.number,
            )
            self._show(to_bytes(self._error))
            if tag.element in ("if", "elif"):
                self._shows, self._taken = False, True  # a condition that can't be read has no branch

    def _fail(self, text: str, number: int | None = None) -> NoReturn:
        raise Fault(text, number)

    def _name(self) -> str:
        return self._req.mp_filename or self._req.mp_uri

    # ---- elements

    def echo(self, arguments: Arguments) -> None:
        """``echo [encoding="..."] [decoding="..."] var="..."``."""
        encoding, decoding = "entity", "none"
        done = False
        for name, value in arguments:
            if name == "var":
                done = True
                found = self._variables.lookup(self._variables.filled(value or ""))
                shown = self._undefined if found is None else encode(decode(found, decoding), encoding)
                self._write(to_bytes(shown))
            elif name == "encoding":
                encoding = self._coding("encoding", value, ENCODINGS, 1345)
            elif name == "decoding":
                decoding = self._coding("decoding", value, DECODINGS, 1345)
            else:
                self._fail(f'unknown parameter "{name}" in tag echo of {self._name()}', 1346)
        if not done:
            self._fail(f"missing argument for echo element in {self._name()}", 1343)

    def _coding(self, what: str, value: str | None, known: Mapping[str, Any], number: int) -> str:
        wanted = (value or "").lower()
        for one in wanted.split(","):
            if one.strip() not in known:
                text = f'unknown value "{value}" to parameter "{what}" of tag echo in {self._name()}'
                self._fail(text, number)
        return wanted

    def set(self, arguments: Arguments) -> None:
        """``set [encoding="..."] [decoding="..."] var="..." value="..."``."""
        encoding, decoding, variable = "none", "none", None
        done = False
        for name, value in arguments:
            if name == "var":
                variable = value
            elif name == "encoding":
                encoding = self._coding("encoding", value, ENCODINGS, 1345)
            elif name == "decoding":
                decoding = self._coding("decoding", value, DECODINGS, 1345)
            elif name == "value":
                if variable is None or value is None:
                    break
                text = encode(decode(self._variables.filled(value), decoding), encoding)
                self._req.subprocess_env[self._variables.filled(variable)] = text
                done = True
            else:
                self._fail(f"Invalid tag for set directive in {self._name()}", 1365)
        if not done:
            self._fail(f"missing argument for set element in {self._name()}", 1362)

    def config(self, arguments: Arguments) -> None:
        """``config errmsg|echomsg|timefmt|sizefmt="..."``."""
        if not arguments:
            self._fail(f"missing argument for config element in {self._name()}", 1347)
        for name, value in arguments:
            text = self._variables.filled(value or "")
            if name == "errmsg":
                self._error = text
            elif name == "echomsg":
                self._undefined = text
            elif name == "timefmt":
                self._variables.time_format = text
            elif name == "sizefmt" and text.lower() in ("bytes", "abbrev"):
                self._size_in_bytes = text.lower() == "bytes"
            elif name == "sizefmt":
                self._fail(f'unknown value "{text}" to parameter "sizefmt" of tag config in {self._name()}', 1348)
            else:
                self._fail(f'unknown parameter "{name}" to tag config in {self._name()}', 1349)

    def include(self, arguments: Arguments) -> None:
        """``include virtual|file="..."``."""
        if not arguments:
            self._fail(f"missing argument for include element in {self._name()}", 1341)
        for name, value in arguments:
            if name == "onerror":
                continue
            if name not in ("virtual", "file"):
                self._fail(f'unknown parameter "{name}" to tag include in {self._name()}', 1342)
            target = self._variables.filled(value or "")
            if name == "file":
                uri = self._file(target, "unable to include file")
            else:
                uri = target
            status = self._services.include(uri, self._write, script=False)
            if status:
                text = f'unable to include "{target}" in parsed file {self._name()}, subrequest returned {status}'
                self._fail(text)

    def _file(self, path: str, what: str) -> str:
        """A file below the page's folder, as a relative URI."""
        if path.startswith("/") or ".." in path.split("/") or "\0" in path:
            self._fail(f'{what} "{path}" in parsed file {self._name()}: it is not below the page\'s folder')
        return "./" + quote(path, safe="/", errors="surrogateescape")

    def _sizes(self, tag: str, arguments: Arguments) -> list[os.stat_result]:
        if not arguments:
            self._fail(f"missing argument for {tag} element in {self._name()}", 1350)
        found = []
        for name, value in arguments:
            if name not in ("virtual", "file"):
                self._fail(f'unknown parameter "{name}" to tag {tag} in {self._name()}', 1349)
            target = self._variables.filled(value or "")
            uri = self._file(target, "unable to access file") if name == "file" else target
            facts = self._services.find(uri)
            if facts is None:
                self._fail(f'unable to lookup information about "{target}" in parsed file {self._name()}', 2670)
            found.append(facts)
        return found

    def fsize(self, arguments: Arguments) -> None:
        """``fsize virtual|file="..."``."""
        for facts in self._sizes("fsize", arguments):
            size = facts.st_size
            self._write((f"{size:,}" if self._size_in_bytes else abbreviated(size)).encode())

    def flastmod(self, arguments: Arguments) -> None:
        """``flastmod virtual|file="..."``."""
        for facts in self._sizes("flastmod", arguments):
            self._write(to_bytes(self._variables.date(facts.st_mtime, local=True)))

    def printenv(self, arguments: Arguments) -> None:
        """``printenv``."""
        if arguments:
            self._fail(f"printenv directive does not take tags in {self._name()}", 1367)
        for name, value in self._variables.all().items():
            self._write(to_bytes(html.escape(f"{name}={value}", quote=False)) + b"\n")

    def exec(self, arguments: Arguments) -> None:
        """``exec cmd|cgi="..."``, under Options Includes."""
        if not self._may_exec:
            self._fail(f"exec used but not allowed in {self._name()}", 1228)
        if not arguments:
            self._fail(f"missing argument for exec element in {self._name()}", 1229)
        for name, value in arguments:
            text = self._variables.filled(value or "")
            if name == "cmd":
                status = command(self._req, text, self._variables.for_program(), self._write)
            elif name == "cgi":
                status = self._services.include(text, self._write, script=True)
            else:
                self._fail(f'unknown parameter "{name}" to tag exec in {self._name()}', 1231)
            if status:
                self._fail(f'execution failure for parameter "{name}" to tag exec in file {self._name()}', 1232)

    def python(self, arguments: Arguments) -> None:
        """``python eval|exec="..."``, under Options Includes."""
        if not self._may_exec:
            self._fail(f"#python used but not allowed in {self._name()}")
        chosen: tuple[str, str] | None = None
        for name, value in arguments:
            if not value:
                self._fail(f"empty value for '{name}' parameter to tag 'python' in {self._name()}")
            if name not in ("eval", "exec"):
                self._fail(f"unexpected '{name}' parameter to tag 'python' in {self._name()}")
            if chosen is not None:
                self._fail(f"multiple 'eval/exec' parameters to tag 'python' in {self._name()}")
            chosen = name, html.unescape(value).replace("\r\n", "\n").rstrip()
        if chosen is None:
            self._fail(f"missing 'eval/exec' parameter to tag 'python' in {self._name()}")
        self._services.python(*chosen, self._write)

    # ---- conditions

    def _condition(self, tag: str, arguments: Arguments) -> bool:
        if len(arguments) > 1:
            self._fail(f"too many arguments for {tag} element in {self._name()}", 1352)
        if not arguments:
            self._fail(f"missing expr argument for {tag} element in {self._name()}", 1353)
        ((name, expression),) = arguments
        if name != "expr":
            self._fail(f'unknown parameter "{name}" to tag {tag} in {self._name()}', 1354)
        if expression is None:
            self._fail(f"missing expr value for {tag} element in {self._name()}", 1355)
        try:
            return expressions.parse(expression)(self._variables)
        except ExpressionError as error:
            text = f'Could not parse expr "{expression}" in {self._name()}: {error}'
            self._fail(text, 1337)

    def _branch(self, taken: bool) -> None:
        self._shows = taken
        self._taken = self._taken or taken

    def if_(self, arguments: Arguments) -> None:
        """``if expr="..."``."""
        self._open += 1
        if not self._shows:
            self._hidden += 1
            return
        self._taken = False
        self._branch(self._condition("if", arguments))

    def elif_(self, arguments: Arguments) -> None:
        """``elif expr="..."``."""
        if self._hidden:
            return
        if self._taken:
            self._shows = False
            return
        self._shows = True  # (for the error's text)
        self._branch(self._condition("elif", arguments))

    def else_(self, arguments: Arguments) -> None:
        """``else``."""
        if not self._hidden:
            self._branch(not self._taken)

    def endif(self, arguments: Arguments) -> None:
        """``endif``."""
        self._open = max(0, self._open - 1)
        if self._hidden:
            self._hidden -= 1
        else:
            self._shows = self._taken = True


Arguments = tuple[tuple[str, str | None], ...]

_ELEMENTS: Mapping[str, Callable[[Document, Arguments], None]] = {
    "echo": Document.echo,
    "set": Document.set,
    "config": Document.config,
    "include": Document.include,
    "fsize": Document.fsize,
    "flastmod": Document.flastmod,
    "printenv": Document.printenv,
    "exec": Document.exec,
    "python": Document.python,
    "if": Document.if_,
    "elif": Document.elif_,
    "else": Document.else_,
    "endif": Document.endif,
}
