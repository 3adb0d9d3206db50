"""Finding the compiled page of a request: in memory, in the dbm file that the configuration names, or by compiling."""

from __future__ import annotations

import contextlib
import os
from functools import partial

from mod_python import apache
from mod_python._psp import cache, files, parser
from mod_python._psp.compiler import CompiledPage, compile_page
from mod_python._psp.generated import Generated
from mpserver.api import runtime
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: What a page that is a string is called in messages.
STRING_NAME = "__psp__"
#: The options that name a dbm file for the cache: today's name, and that of mod_python 3.2.
CACHE_OPTIONS = ("mod_python.psp.cache_database_filename", "PSPDbmCache")

#: The pages of this interpreter (each has its own copy of this module): files, and strings.
_files = cache.MemoryCache()
_strings = cache.MemoryCache()


def from_string(string: str | bytes, directory: str | None) -> CompiledPage:
    """The page of a text; files that it includes are relative to ``directory``.

    :raises SyntaxError: with the page's line.
    """
    key = (directory, string)
    page = _strings.get(key, None)
    if page is None:
        page = compile_page(parse_string(string, directory))
        _strings.store(key, page, None)
    return page


def from_file(req: Request, filename: str) -> CompiledPage:
    """The page of a file.

    :raises SERVER_RETURN: 404, there is no such file.
    :raises SyntaxError: with the page's file and line.
    """
    seen = req.mp_stat if filename == req.filename else None  # by the server, a moment ago
    state = files.mark(filename) if seen is None else files.state(seen)
    if state is None:
        raise apache.SERVER_RETURN(apache.HTTP_NOT_FOUND)
    page = _files.get(filename, state)
    if page is not None:
        return page
    options = req.get_options()
    database = options.get(CACHE_OPTIONS[0]) or options.get(CACHE_OPTIONS[1])
    if database:
        return _from_database(req, database, filename, state)
    page = compiled(filename)
    _files.store(filename, page, state)
    return page


def compiled(filename: str) -> CompiledPage:
    """The page of a file, compiled. :raises SyntaxError: with the page's file and line."""
    return compile_page(parse_file(filename, os.path.dirname(filename)))


def parse_file(filename: str, directory: str | None) -> Generated:
    """The Python of a file; what it includes is relative to ``directory``. :raises SyntaxError: with file and line."""
    return parser.parse(filename, files.read(filename), directory)


def parse_string(string: str | bytes, directory: str | None) -> Generated:
    """The Python of a page's text; bytes are UTF-8."""
    return parser.parse(STRING_NAME, text(string), directory)


def text(string: str | bytes) -> str:
    """The text of a page that is a string; bytes are UTF-8."""
    return files.decode(string, STRING_NAME) if isinstance(string, bytes) else string


def _from_database(req: Request, database: str, filename: str, state: files.Mark) -> CompiledPage:
    """The page by way of the dbm file; by memory where that can't be used, which the log tells."""
    lent = runtime.current()
    # (index 0, as sessions in dbm files take it)
    locked = contextlib.nullcontext if lent is None else partial(lent.global_lock, req.server, None, 0)
    kept = cache.FileCache(database, locked)
    failure: OSError | None = None
    page: CompiledPage | None = None
    try:
        page = kept.get(filename, state)
    except OSError as error:
        failure = error
    if page is not None:
        return page
    page = compiled(filename)
    if failure is None:
        try:
            kept.store(filename, page, state)
        except OSError as error:
            failure = error
    if failure is not None:
        req.log_error(f"mod_python.psp: the cache of pages fails: {failure}", apache.APLOG_WARNING)
        _files.store(filename, page, state)
    return page
