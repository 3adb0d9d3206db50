"""Python Server Pages (manual 4.9 and 6.2; api 3.5 1.12).

    AddHandler mod_python .psp .psp_
    PythonHandler mod_python.psp

A page's code finds ``req``, ``psp``, ``form``, ``session``, and the names of this module. What it
writes leaves in one piece with the response's head unless the page flushes. Errors name the page's
own file and line.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from html import escape

from mod_python import apache, util
from mod_python._psp import cache as _cache
from mod_python._psp import collect as _collect
from mod_python._psp import files as _files
from mod_python._psp import parser as _parser
from mod_python._psp import trace as _trace
from mod_python._psp.compiler import Page, compile_page
from mpserver.api import runtime as _runtime
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mod_python._psp.generated import Generated
    from mpserver.api.request import Request

__all__ = ["PSP", "PSPInstance", "apache", "escape", "handler", "os", "parse", "parsestring", "sys", "util"]

#: What a page that is a string is called in messages.
STRING_NAME = "__psp__"
#: The options that name a dbm file for the cache: today's name, and that of mod_python 3.2.
CACHE_OPTIONS = ("mod_python.psp.cache_database_filename", "PSPDbmCache")
#: Results of SERVER_RETURN with which a page has done its work (a redirect).
SUCCESS = (apache.OK, apache.DONE)

#: The pages of this interpreter (each has its own copy of this module): files, and strings.
_pages = _cache.MemoryCache()
_strings = _cache.MemoryCache()


class PSP:
    """A page, parsed and compiled (manual 4.9).

    :param filename: its file; where it is relative, in the directory of ``req.filename``, which is also
        the default.
    :param string: its text instead; bytes are UTF-8.
    :param vars: global variables for its code.
    :raises ValueError: both are given.
    :raises SERVER_RETURN: 404, there is no such file.
    :raises SyntaxError: with the page's file and line.
    """

    def __init__(
        self,
        req: Request,
        filename: str | None = None,
        string: str | bytes | None = None,
        vars: dict[str, Any] | None = None,
    ) -> None:
        if filename and string is not None:
            raise ValueError("Must specify either filename or string")
        self.req = req
        self.vars = vars or {}
        self.string = string
        self.filename: str | None = None
        if string is None:
            if not filename:
                filename = req.filename
            if not filename:
                raise apache.SERVER_RETURN(apache.HTTP_NOT_FOUND)
            if not filename.startswith("/"):
                filename = os.path.join(os.path.dirname(req.filename or ""), filename)
            self.filename = filename
            self._page = self._from_file(filename)
        else:
            self._page = self._from_string(string)

    @property
    def code(self) -> Any:
        """The code object."""
        return self._page.code

    @property
    def _directory(self) -> str | None:
        """Where the relative names of files that it includes begin."""
        filename = self.filename or self.req.filename
        return os.path.dirname(filename) if filename else None

    # ---- running it

    def run(self, vars: dict[str, Any] | None = None, flush: int = 0) -> None:
        """Run the page.

        :param vars: global variables beside those of the constructor, which they override.
        :param flush: send the output at once when the page is done.
        :raises Exception: what the page raises, if it set no error page.
        """
        page = self._page
        req: Any = self.req  # form and session are attributes of the application's
        own_session = self._session() if "session" in page.names else None
        if "form" in page.names and not hasattr(req, "form"):
            req.form = util.FieldStorage(req, keep_blank_values=1)
        try:
            psp = PSPInstance(req, self.filename)
            scope = self._scope(psp, vars)
            finish = _collect.prepare(scope)
            try:
                try:
                    exec(page.code, scope)
                finally:
                    finish()
            except apache.SERVER_RETURN as end:
                if end.args and end.args[0] in SUCCESS:
                    self._save()
                raise
            except BaseException as error:
                self._locate(error)
                if psp.error_page is None or not isinstance(error, Exception):
                    raise
                psp.error_page.run({"exception": sys.exc_info()}, flush)
            else:
                if flush:
                    req.flush()
                # its access time changed at least
                self._save()
        finally:
            if own_session is not None:
                own_session.unlock()
                if getattr(req, "session", None) is own_session:
                    del req.session

    def __str__(self) -> str:
        """Run the page as HTML: a publisher's function may return it."""
        self.req.content_type = "text/html"
        self.run()
        return ""

    def _scope(self, psp: PSPInstance, vars: dict[str, Any] | None) -> dict[str, Any]:
        """The page's global variables."""
        req = self.req
        scope = globals().copy()
        if "Session" in self._page.names:
            scope["Session"] = _session_module()
        scope["req"] = req
        scope["psp"] = psp
        scope["form"] = getattr(req, "form", None) if "form" in self._page.names else None
        scope["session"] = getattr(req, "session", None)
        scope.update(self.vars)
        if vars:
            scope.update(vars)
        scope["__file__"] = req.filename
        scope["__mp_info__"] = _InstanceInfo(req.filename)
        scope["__mp_path__"] = []
        return scope

    def _session(self) -> Any:
        """A session made for this page and put on the request; None where there is one already."""
        req: Any = self.req
        if hasattr(req, "session"):
            return None
        session = req.session = _session_module().Session(req)
        return session

    def _save(self) -> None:
        session = getattr(self.req, "session", None)
        if session is not None:
            session.save()

    def _locate(self, error: BaseException) -> None:
        """Make the error's traceback tell the page's files."""
        _trace.relocate(error, self._page)
        if self.string is not None:
            import linecache

            text = _text(self.string, STRING_NAME)
            lines = [line + "\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
            linecache.cache[STRING_NAME] = (len(text), None, lines, STRING_NAME)

    # ---- showing it

    def display_code(self) -> str:
        """An HTML page: the source beside the Python that it becomes."""
        from mod_python._psp.listing import listing

        if self.string is not None:
            generated = _parser.parse(STRING_NAME, _text(self.string, STRING_NAME), self._directory)
        else:
            assert self.filename is not None
            generated = _parser.parse(self.filename, _files.read(self.filename), self._directory)
        return listing(generated)

    # ---- finding it

    def _from_string(self, string: str | bytes) -> Page:
        directory = self._directory
        key = (directory, string)
        page = _strings.get(key, None)
        if page is None:
            page = compile_page(_parser.parse(STRING_NAME, _text(string, STRING_NAME), directory))
            _strings.store(key, page, None)
        return page

    def _from_file(self, filename: str) -> Page:
        req = self.req
        seen = req._stat if filename == req.filename else None  # by the server, a moment ago
        state = _files.mark(filename) if seen is None else _files.state(seen)
        if state is None:
            raise apache.SERVER_RETURN(apache.HTTP_NOT_FOUND)
        page = _pages.get(filename, state)
        if page is not None:
            return page
        options = req.get_options()
        database = options.get(CACHE_OPTIONS[0]) or options.get(CACHE_OPTIONS[1])
        if database:
            return self._from_database(database, filename, state)
        page = _compiled(filename)
        _pages.store(filename, page, state)
        return page

    def _from_database(self, database: str, filename: str, state: _files.Mark) -> Page:
        """The page by way of the dbm file; by memory where that can't be used, which the log tells."""
        kept = _cache.FileCache(database, self._locked)
        failure: OSError | None = None
        page: Page | None = None
        try:
            page = kept.get(filename, state)
        except OSError as error:
            failure = error
        if page is not None:
            return page
        page = _compiled(filename)
        if failure is None:
            try:
                kept.store(filename, page, state)
            except OSError as error:
                failure = error
        if failure is not None:
            self.req.log_error(f"mod_python.psp: the cache of pages fails: {failure}", apache.APLOG_WARNING)
            _pages.store(filename, page, state)
        return page

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The pool's lock for dbm files (index 0, as sessions in dbm files take it)."""
        runtime = _runtime.current()
        if runtime is None:
            yield
            return
        runtime.global_lock(self.req.server, None, 0)
        try:
            yield
        finally:
            runtime.global_unlock(self.req.server, None, 0)


class PSPInstance:
    """What a page's code finds as ``psp`` (manual 4.9)."""

    def __init__(self, req: Request, filename: str | None) -> None:
        self.req = req
        self.filename = filename
        self.error_page: PSP | None = None

    def set_error_page(self, filename: str) -> None:
        """Run this page when the current one raises an exception; it finds ``exception``, as of ``sys.exc_info()``.

        :param filename: below DocumentRoot if it begins with a slash, else beside the current page.
        :raises SERVER_RETURN: 404, there is no such file.
        """
        if filename.startswith("/"):
            filename = self.req.document_root() + filename
        else:
            filename = os.path.join(os.path.dirname(self.filename or self.req.filename or ""), filename)
        self.error_page = PSP(self.req, filename)

    def apply_data(self, object: Any, **kw: Any) -> Any:
        """Call an object with the form's fields as arguments, and give its result."""
        req: Any = self.req
        if not hasattr(req, "form"):
            req.form = util.FieldStorage(req, keep_blank_values=1)
        return util.apply_fs_data(object, req.form, req=req, **kw)

    def redirect(self, location: str, permanent: int = 0) -> None:
        """Send the browser elsewhere; only possible before output was sent.

        :raises SERVER_RETURN: always.
        :raises IOError: output was sent.
        """
        util.redirect(self.req, location, permanent)


class _InstanceInfo:
    """``__mp_info__`` of a page, as mod_python 3.3's importer had it."""

    def __init__(self, file: str | None) -> None:
        self.label = None
        self.file = file
        self.cache = None
        self.children: dict[str, Any] = {}


def handler(req: Request) -> int:
    """Run the page that is the request's file (manual 6.2).

    With PythonDebug, and an underscore at the end of its name, show its source and code instead.
    """
    req.content_type = "text/html"
    filename = req.filename
    if filename is not None and filename.endswith("_") and req.get_config().get("PythonDebug") == "1":
        req.write(PSP(req, filename[:-1]).display_code(), 0)
    else:
        PSP(req).run()
    return apache.OK


# ---- the low level functions


def parse(filename: str, dir: str | None = None) -> str:
    """The Python of a page's file (manual 4.9).

    :param dir: goes before ``filename``, without a separator between them; relative names of included
        files begin there. Without it these must be absolute.
    :raises SyntaxError: with the page's file and line.
    """
    file = (dir or "") + filename
    return _parser.parse(file, _files.read(file), dir).text


def parsestring(string: str | bytes) -> str:
    """The Python of a page; bytes are UTF-8 (manual 4.9)."""
    return _parser.parse(STRING_NAME, _text(string, STRING_NAME), None).text


def _compiled(filename: str) -> Page:
    generated: Generated = _parser.parse(filename, _files.read(filename), os.path.dirname(filename))
    return compile_page(generated)


def _text(string: str | bytes, name: str) -> str:
    return _files.decode(string, name) if isinstance(string, bytes) else string


def _session_module() -> Any:
    """Sessions are loaded where a page has one."""
    import importlib

    return importlib.import_module("mod_python.Session")
