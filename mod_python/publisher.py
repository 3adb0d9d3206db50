"""The publisher (manual 6.1; api 3.5 1.13): URLs name the objects of a module.

    SetHandler mod_python
    PythonHandler mod_python.publisher

The road of a request: `locate` finds the module's file and the path of the object in it, `Pages`
loads the module, `traverse` walks to the object past its guards (`mod_python._guard`), and
`publish` sends it, or what calling it with the form's fields gives.
"""

from __future__ import annotations

import os
import re
import sys
from _thread import RLock
from collections.abc import Iterable, Iterator, MappingView
from stat import S_ISREG
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    GenericAlias,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
    TracebackType,
)

from mod_python._forms import call, storage
from mod_python._guard import Guard
from mod_python._public import lazily
from mpserver.api import constants
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.response_head import BODILESS, STATUSES
from mpserver.api.turns import Turn
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from mpserver.api.request import Request

__getattr__ = lazily(__name__, {"apache": "mod_python.apache", "util": "mod_python.util"})

METHODS = ("GET", "POST", "HEAD")
#: The same as the bits of ``req.allowed``.
ALLOWED = 1 << constants.M_GET | 1 << constants.M_POST
#: Extensions that are no part of the module's name where no AddHandler says which are.
PYTHON_EXTENSIONS = ".py"
#: Results whose text is sent, of which most are.
TEXTS = frozenset({str, bytes, int, list, tuple, dict})
#: Whoever returns such a number probably means the status of the response.
MISTAKABLE = frozenset(status for status in STATUSES if status >= 300)
#: A callable result is called in its turn, but not for ever.
MOST_CALLS = 100


class Rule(NamedTuple):
    """What may be done with objects of a type."""

    traverse: bool
    """Go on to an attribute of it."""
    publish: bool
    """Send it, or what calling it gives."""


NOTHING = Rule(False, False)

#: The rules by type; a type has the first rule among its bases, but for `OWN`. Everything else is an application's
#: own object, whose attributes without an underscore are there to be published.
RULES: dict[type, Rule] = {
    FunctionType: Rule(False, True),
    MethodType: Rule(False, True),
    GeneratorType: Rule(False, True),
    CellType: Rule(False, True),
    CoroutineType: Rule(False, True),
    GenericAlias: Rule(False, True),  # (it has the attributes of a class)
    SimpleNamespace: Rule(False, True),
    BuiltinFunctionType: NOTHING,
    MethodWrapperType: NOTHING,
    ModuleType: NOTHING,
    type: NOTHING,
    # these lead to everything else
    CodeType: NOTHING,
    FrameType: NOTHING,
    TracebackType: NOTHING,
    object: Rule(True, True),
}
#: What applications make classes of, whose objects are their own.
OWN = frozenset({SimpleNamespace})


def rule(found: object) -> Rule:
    """The rule for an object."""
    kind = type(found)
    return RULES.get(kind) or next(RULES[base] for base in kind.__mro__ if base in RULES and base not in OWN)


def handler(req: Request) -> int:
    """Publish the object that the request's path names.

    :raises SERVER_RETURN: 405, 404, 403, 401, 400 by the manual's rules.
    """
    if req.mp_allowed_methods:
        req.allow_methods(METHODS)
    else:  # (a page may answer with 405 itself; most don't, so this is to cost little)
        req.mp_allowed, req.mp_allowed_methods = ALLOWED, METHODS
    if req.method not in METHODS:
        raise SERVER_RETURN(constants.HTTP_METHOD_NOT_ALLOWED)
    file, found, path = locate(req)
    if file != req.filename:
        req.filename = file
    module = _pages.load(req, file, found)
    target = traverse(req, module, path)
    if not publish(req, target) and _is_on(req, "PythonDebug", False):
        req.log_error("mod_python.publisher: nothing to publish.", constants.APLOG_ERR)
    return constants.OK


def _is_on(req: Request, directive: str, default: bool) -> bool:
    value = req.get_config().get(directive)
    return default if value is None else value == "1"


# ---- the module's file


def locate(req: Request) -> tuple[str, os.stat_result, tuple[str, ...]]:
    """The module's file, its stat, and the names on the way to the object.

    The file is ``req.filename`` without its extension and with ``.py``; where there is none, the
    last part of the name is an object of ``index.py`` in the same directory.

    :raises SERVER_RETURN: 404 where there is neither.
    """
    filename = req.filename
    if filename is None:
        req.log_error(
            "mod_python.publisher: the URL has no file (is the handler set in a Location?), nothing to publish."
        )
        raise SERVER_RETURN(constants.HTTP_NOT_FOUND)
    directory, _, base = filename.rpartition("/")
    inner = (req.path_info or "").strip("/")
    names = tuple(inner.replace("/", ".").split(".")) if inner else ()
    name = _without_extension(req, base)
    file = f"{directory}/{name or 'index'}.py"
    seen = req.mp_stat if file == filename else None  # by the server, a moment ago
    found = seen if seen is not None and S_ISREG(seen.st_mode) else _stat(file)
    if found is None and name:
        if os.path.isdir(filename):
            directory = filename
        else:
            names = (*name.split("."), *names)
        file = f"{directory}/index.py"
        found = _stat(file)
    if found is None:
        raise SERVER_RETURN(constants.HTTP_NOT_FOUND)
    return file, found, names or ("index",)


def _without_extension(req: Request, base: str) -> str:
    """The name without one of AddHandler's extensions, or else ``.py``; others belong to the name."""
    added = req.get_addhandler_exts()
    if not added and not req.extension and base.endswith(".py"):
        return base[:-3]
    extensions = (added or PYTHON_EXTENSIONS).split()
    if req.extension:
        extensions.append(req.extension)
    for extension in extensions:
        ending = "." + extension.lstrip(".")
        if base.endswith(ending):
            return base[: -len(ending)]
    return base


def _stat(file: str) -> os.stat_result | None:
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return None
    return found if S_ISREG(found.st_mode) else None


# ---- loading it


class LoadedPage(NamedTuple):
    """A published module, and the state of its file when it was loaded."""

    module: ModuleType
    mark: tuple[int, int, int]


def _mark(found: os.stat_result) -> tuple[int, int, int]:
    """What tells a file from what it is after a change."""
    return found.st_mtime_ns, found.st_size, found.st_ino


class Pages:
    """The published modules of an interpreter by the names of their files.

    So modules of one name in two directories are two modules. A file that changed is loaded anew,
    into a module of its own: requests that still run keep the old one. Threads that ask for a module at
    the same time get the same one, for what it holds is the application's state.
    """

    def __init__(self) -> None:
        self._pages: dict[str, LoadedPage] = {}
        #: By file: a module that takes long to load delays no other.
        self._gates: dict[str, RLock] = {}

    def load(self, req: Request, file: str, found: os.stat_result) -> ModuleType:
        """The module of a file; without PythonAutoReload it is never loaded a second time.

        :raises Exception: whatever the module raises; the next request tries again.
        """
        page = self._pages.get(file)
        if page is not None:
            module, mark = page
            if mark == _mark(found) or not _is_on(req, "PythonAutoReload", True):
                return module
        # (setdefault is atomic: threads that come here together get the same lock)
        with Turn(self._gates.setdefault(file, RLock())):
            # another thread may have loaded it meanwhile
            mark = _mark(os.stat(file))
            page = self._pages.get(file)
            if page is None or page.mark != mark:
                if _is_on(req, "PythonDebug", False):
                    verb = "loading" if page is None else "reloading"
                    req.log_error(f"Publisher {verb} page {file}", constants.APLOG_NOTICE)
                page = self._pages[file] = LoadedPage(self._execute(file), mark)
            return page.module

    @staticmethod
    def _execute(file: str) -> ModuleType:
        # A name of its own in sys.modules: pickle, dataclasses and annotations look modules up there.
        name = re.sub(r"[^0-9A-Za-z]", "_", file)
        with open(file, "rb") as source:
            code = compile(source.read(), file, "exec", dont_inherit=True)
        module = ModuleType(name)
        module.__file__ = file
        before = sys.modules.get(name)
        sys.modules[name] = module
        try:
            exec(code, module.__dict__)  # noqa: S102 - makes a signature of names that the application has
        except BaseException:
            if before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = before
            raise
        return module


#: The pages of this interpreter (each has its own copy of this module).
_pages = Pages()


# ---- the way to the object


def traverse(req: Request, module: ModuleType, path: tuple[str, ...]) -> Any:
    """Walk the names from the module to the object; each object on the way may have guards.

    :raises SERVER_RETURN: 403 for what must not be traversed or published, 404 for what is not there.
    """
    guard = Guard(req)
    guard.check(module)
    found: Any = module
    its = NOTHING  # (the module itself is not to be published)
    for step, name in enumerate(path):
        if name.startswith("_"):
            _forbid(req, f"Cannot traverse {name} in {req.unparsed_uri} because it starts with an underscore")
        if step and not its.traverse:
            _forbid(
                req,
                f"Cannot traverse {name} in {req.unparsed_uri} because {found!r} is not a traversable object",
            )
        try:
            found = getattr(found, name)
        except AttributeError:
            raise SERVER_RETURN(constants.HTTP_NOT_FOUND) from None
        its = rule(found)
        if its is not NOTHING:
            guard.check(found)
    if not its.publish:
        _forbid(req, f"Cannot publish {path[-1]} in {req.unparsed_uri} because {found!r} is not publishable")
    return found


def _forbid(req: Request, reason: str) -> NoReturn:
    req.log_error(reason, constants.APLOG_WARNING)
    raise SERVER_RETURN(constants.HTTP_FORBIDDEN)


# ---- sending it


def publish(req: Request, found: Any) -> bool:
    """Send an object; a callable one is called with the form's fields first, and so is its result.

    :returns: False if there was nothing to send (None).
    """
    form: storage.FieldStorage | None = None
    calls = 0
    while callable(found):
        calls += 1
        if calls > MOST_CALLS:
            raise RecursionError("every call gives another callable object, never a result")
        if form is None:
            form = storage.FieldStorage(req, keep_blank_values=1)
            req.form = form  # type: ignore[attr-defined]  # an attribute of the application's (manual 6.1.3)
        found = call.apply_fs_data(found, form, req=req)
    if found is None:
        return False
    if type(found) not in TEXTS and _is_stream(found):
        _stream(req, iter(found))
        return True
    if calls and type(found) is int and found in MISTAKABLE:
        req.log_error(
            f"mod_python.publisher: {req.unparsed_uri} returned {found}, which is sent as text: for the status "
            f"{found} {STATUSES[found]} raise apache.SERVER_RETURN({found})",
            constants.APLOG_WARNING,
        )
    text = str(found)
    if not req.mp_content_type_set:
        req.content_type = "text/html" if _is_page(text[-100:].rstrip()) else "text/plain"
    if req.mp_header_only:
        _tell_length(req, len(text.encode()))
    req.write(text, 0)
    return True


def _is_page(end: str) -> bool:
    """Whether a text that ends so is a page of HTML; there may be blanks within its last tag."""
    return end[-1:] == ">" and end[:-1].rstrip()[-6:].lower() == "</html"


def _tell_length(req: Request, size: int) -> None:
    """The answer to HEAD tells the length that GET's would have (RFC 9110 8.6): ``size`` bytes are still to come."""
    if not req.mp_started and req.mp_status not in BODILESS and "Content-Length" not in req.headers_out:
        req.set_content_length(req.mp_waiting + size)


def _is_stream(found: object) -> bool:
    """Whether it is gone through: iterators, views of mappings, and iterables that have no text of their own."""
    if isinstance(found, Iterator | MappingView):
        return True
    kind = type(found)
    return kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__ and isinstance(found, Iterable)


def _stream(req: Request, pieces: Iterator[Any]) -> None:
    """Send what an iterator yields as it comes; its first piece tells whether it is a page of HTML."""
    try:
        for piece in pieces:
            data = piece if isinstance(piece, bytes) else str(piece)
            if not data:
                continue
            if not req.mp_content_type_set:
                start = data.decode("latin-1") if isinstance(data, bytes) else data
                is_html = start.lstrip()[:14].lower().startswith(("<!doctype html", "<html"))
                req.content_type = "text/html" if is_html else "text/plain"
            req.write(data)
            if req.mp_header_only:
                return  # the head is out, and nothing would tell that its client has left while this goes on
    finally:
        close = getattr(pieces, "close", None)
        if callable(close):
            close()
