"""Python Server Pages (manual 4.9 and 6.2; api 3.5 1.12).

    AddHandler mod_python .psp .psp_
    PythonHandler mod_python.psp

A page's code finds ``req``, ``psp``, ``form``, ``session``, and the names of this module. What it
writes leaves in one piece with the response's head unless the page flushes. Errors name the page's
own file and line.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from html import escape

from mod_python import apache, util
from mod_python._forms import call, storage
from mod_python._psp import collect as _collect
from mod_python._psp import pages as _pages
from mod_python._psp import trace as _trace
from mod_python._public import lazily
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mod_python._psp.compiler import CompiledPage
    from mpserver.api.request import Request

__getattr__ = lazily(__name__, {"Session": "mod_python.Session", "_apache": "_apache"})

__all__ = ["PSP", "PSPInstance", "apache", "escape", "handler", "os", "parse", "parsestring", "sys", "util"]

#: Results of SERVER_RETURN with which a page has done its work (a redirect).
SUCCESS = (apache.OK, apache.DONE)
#: What ends a page so that its error page is run.
ENDS = (Exception, SystemExit)
#: Modules that pages find as their globals, where they name them.
MODULES = {
    "Session": "mod_python.Session", "_apache": "_apache", "dbm": "dbm", "marshal": "marshal", "tempfile": "tempfile",
    "types": "types",
}  # fmt: skip
MODULE_NAMES = frozenset(MODULES)


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
        self._page: CompiledPage
        if string is None:
            if not filename:
                filename = req.filename
            if not filename:
                raise apache.SERVER_RETURN(apache.HTTP_NOT_FOUND)
            if not filename.startswith("/"):
                filename = os.path.join(os.path.dirname(req.filename or ""), filename)
            self.filename = filename
            self._page = _pages.from_file(req, filename)
        else:
            self._page = _pages.from_string(string, self._directory)

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
        own = page.own
        req: Any = self.req  # form and session are attributes of the application's
        own_session = self._session() if "session" in own else None
        if "form" in own and not hasattr(req, "form"):
            req.form = storage.FieldStorage(req, keep_blank_values=1)
        try:
            psp = PSPInstance(req, self.filename, req.form if "form" in own else None)
            scope = self._scope(psp, vars)
            collected = _collect.Collected(scope, page.names)
            try:
                try:
                    exec(page.code, scope)  # noqa: S102 - the page is what is to run
                finally:
                    collected.end()
            except BaseException as error:
                if isinstance(error, apache.SERVER_RETURN):
                    if error.args and error.args[0] in SUCCESS:
                        self._save()
                else:
                    self._locate(error)
                if psp.error_page is None or not isinstance(error, ENDS):
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
        req, names = self.req, self._page.names
        filename = req.filename
        scope = globals().copy()
        if not names.isdisjoint(MODULE_NAMES):
            for name in names & MODULE_NAMES:
                with contextlib.suppress(ImportError):  # (it may be an attribute that is called like it)
                    scope[name] = importlib.import_module(MODULES[name])
        scope["req"] = req
        scope["psp"] = psp
        scope["form"] = getattr(req, "form", None) if "form" in names else None
        scope["session"] = getattr(req, "session", None)
        if self.vars:
            scope.update(self.vars)
        if vars:
            scope.update(vars)
        scope["__file__"] = filename
        if "__mp_info__" in names:
            scope["__mp_info__"] = _InstanceInfo(filename)
        if "__mp_path__" in names:
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

            name = _pages.STRING_NAME
            text = _pages.text(self.string)
            lines = [line + "\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
            linecache.cache[name] = (len(text), None, lines, name)

    # ---- showing it

    def display_code(self) -> str:
        """An HTML page: the source beside the Python that it becomes."""
        from mod_python._psp.listing import listing

        if self.string is not None:
            generated = _pages.parse_string(self.string, self._directory)
        else:
            assert self.filename is not None
            generated = _pages.parse_file(self.filename, self._directory)
        return listing(generated)


class PSPInstance:
    """What a page's code finds as ``psp`` (manual 4.9)."""

    error_page: PSP | None = None

    def __init__(self, req: Request, filename: str | None, form: storage.FieldStorage | None = None) -> None:
        self.req = req
        self.filename = filename
        self.form = form

    def set_error_page(self, filename: str) -> None:
        """Run this page when the current one raises an exception; it finds ``exception``, as of ``sys.exc_info()``.

        Ends that are no failures, ``sys.exit()`` and SERVER_RETURN (a redirect), are exceptions as well.

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
            req.form = storage.FieldStorage(req, keep_blank_values=1)
        self.form = req.form
        return call.apply_fs_data(object, req.form, req=req, **kw)

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
    return _pages.parse_file((dir or "") + filename, dir).text


def parsestring(string: str | bytes) -> str:
    """The Python of a page; bytes are UTF-8 (manual 4.9)."""
    return _pages.parse_string(string, None).text


def _session_module() -> Any:
    """Sessions are loaded where a page has one."""
    return importlib.import_module(MODULES["Session"])
