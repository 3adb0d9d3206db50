"""The page of PythonDebug: an uncaught error as developers read it, in the form that the client takes.

A browser (``Accept`` names text/html) gets a page: the exception first, then its frames, those of the application open,
and the request. Who takes anything or plain text (curl) gets the text alone. All forms have what mod_python shows
(manual 5.4.2): programs find ``Mod_python error: "PythonHandler app"`` and the traceback in each.
"""

from __future__ import annotations

import linecache
import os
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType, TracebackType

from mpserver.api import secrets
from mpserver.api.page_style import BASE
from mpserver.api.table import Table
from mpserver.http1.html import escape
from mpserver.system import own_imports
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: Lines of source before and behind the one that ran; frames of one exception, and exceptions, that are shown at most.
AROUND, FRAMES, CHAIN = 4, 60, 8
#: How long a value may be on the page, in characters, and what is shown in place of secrets.
LONGEST, HIDDEN = 400, "(not shown)"

STYLE = (
    BASE
    + """\
.where{color:var(--faint);margin:0 0 .5rem}
h1{color:var(--bad);white-space:pre-wrap}
h1 b{display:block;font-size:.95rem;color:var(--faint)}
.place{margin:-.4rem 0 1rem;overflow-wrap:anywhere}
details{background:var(--card);border:1px solid var(--line);border-radius:.5rem;margin:.4rem 0}
summary{padding:.45rem .75rem;cursor:pointer;color:var(--faint)}
details details{border:0;border-top:1px solid var(--line);border-radius:0;margin:0}
.own>summary{color:var(--text);font-weight:600}
.own{border-left:.25rem solid var(--mark)}
.source{margin:0;padding:.4rem 0;border-top:1px solid var(--line);overflow-x:auto}
.source span{display:block;padding:0 .75rem;width:max-content;min-width:100%}
.source .at{background:color-mix(in srgb,var(--bad) 16%,transparent)}
.source i{display:inline-block;width:3rem;margin-right:.75rem;text-align:right;color:var(--faint);font-style:normal;
user-select:none}
table{border-collapse:collapse;width:100%;border-top:1px solid var(--line)}
th,td{padding:.25rem .75rem;text-align:left;vertical-align:top;font:.875rem/1.5 ui-monospace,Menlo,monospace}
th{width:14rem;color:var(--faint);font-weight:400}
td{white-space:pre-wrap}
.text{padding:0 .75rem;overflow-x:auto}
@media(max-width:40rem){tr,th,td{display:block;width:auto}td{padding-top:0}}
"""
)


class Failure(NamedTuple):
    """What the page is about: the handler, the exception, the parts of its traceback, and where it came."""

    prefix: str
    error: BaseException
    headline: str
    parts: list[str]
    place: str


def form(accept: str | None) -> str:
    """The form that suits an Accept header: ``html``, ``text``, or "" where nothing is said."""
    if accept is None:
        return ""
    likes: dict[str, float] = {}
    for item in accept.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        likes[name] = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    likes[name] = float(value)
                except ValueError:
                    likes[name] = 0.0
    html, plain = likes.get("text/html", 0.0), likes.get("text/plain", 0.0)
    return "html" if html and html >= plain else "text"


def text(failure: Failure) -> bytes:
    """The text that mod_python shows, for who reads no HTML."""
    shown = "".join(part if part.endswith("\n") else part + "\n" for part in failure.parts)
    return f'Mod_python error: "{failure.prefix}"\n\n{shown}'.encode("utf-8", "backslashreplace")


def page(req: Request, failure: Failure, classic: bytes) -> bytes:
    """The page for a browser; ``classic``: what mod_python shows, as HTML."""
    body = "".join(_pieces(req, failure)).encode("ascii", "xmlcharrefreplace")
    fold = b"<details><summary>The same as text</summary><div class=text>%s</div></details>\n</body>\n</html>\n"
    return body + fold % classic


def _pieces(req: Request, failure: Failure) -> Iterator[str]:
    kind, colon, what = failure.headline.partition(": ")
    yield (
        "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        '<meta name=viewport content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(_short(failure.headline))}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        f"<p class=where>{escape(f'{failure.prefix} in the interpreter {req.interpreter}')}</p>\n"
    )
    yield f"<h1><b>{escape(kind)}</b>{escape(what)}</h1>\n" if colon else f"<h1>{escape(kind)}</h1>\n"
    if failure.place:
        yield f"<p class=place>{escape(failure.place)}</p>\n"
    for number, (error, link) in enumerate(_chain(failure.error)):
        if number:
            yield f"<h2>{escape(link)} {escape(_short(_told(error)))}</h2>\n"
        frames = [*_frames(error.__traceback__), *_written(error)]
        if not any(frame.is_own for frame in frames) and frames:
            frames[-1] = frames[-1]._replace(is_open=True)
        for frame in frames[-FRAMES:]:
            yield from _frame(frame)
    yield "<h2>Request</h2>\n<details open><summary>"
    yield f"{escape(req.the_request or '')}</summary>\n{_table(_masked(req.headers_in.items()))}</details>\n"
    yield from _fold("Variables (req.subprocess_env)", _masked(req.subprocess_env.items()))
    yield from _fold("Options (PythonOption)", _masked(req.get_options().items()))


def _fold(title: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    table = _table(rows)
    if table:
        yield f"<details><summary>{escape(title)}</summary>\n{table}</details>\n"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    shown = "".join(f"<tr><th>{escape(name)}</th><td>{escape(_short(value))}</td></tr>\n" for name, value in rows)
    return f"<table>\n{shown}</table>\n" if shown else ""


def _masked(items: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Headers, variables or options without what must not be on a page."""
    for name, value in items:
        yield name, HIDDEN if secrets.is_secret(name) else secrets.without_userinfo(str(value))


# ---- exceptions and their frames


class Frame(NamedTuple):
    """A frame: its place, whether it is the application's, and whether it is shown unfolded."""

    file: str
    line: int
    function: str
    is_own: bool
    is_open: bool
    variables: Mapping[str, object]
    namespace: Mapping[str, object]


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """The exception, and those that led to it, each with how it did."""
    seen: set[int] = set()
    found: BaseException | None = error
    link = ""
    while found is not None and id(found) not in seen and len(seen) < CHAIN:
        seen.add(id(found))
        yield found, link
        if found.__cause__ is not None:
            found, link = found.__cause__, "It was raised because of"
        else:
            found, link = None if found.__suppress_context__ else found.__context__, "It came up while handling"


def _frames(trace: TracebackType | None) -> Iterator[Frame]:
    own = own_imports.OWN_FILES
    while trace is not None:
        frame: FrameType = trace.tb_frame
        file = frame.f_code.co_filename
        is_application = not (
            file.startswith(own) or own_imports.is_library(file) or own_imports.PACKAGES + os.sep in file
        )
        if is_application or not file.startswith(own):
            variables = dict(frame.f_locals) if is_application and frame.f_code.co_name != "<module>" else {}
            name = frame.f_code.co_qualname
            yield Frame(file, trace.tb_lineno, name, is_application, is_application, variables, frame.f_globals)
        trace = trace.tb_next


def _written(error: BaseException) -> Iterator[Frame]:
    """Where the text is that can't be compiled: no frame is there, for nothing of it has run."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        yield Frame(error.filename, error.lineno, "", True, True, {}, {})


def _frame(frame: Frame) -> Iterator[str]:
    own = " class=own" if frame.is_own else ""
    is_open = " open" if frame.is_open else ""
    place = escape(f"{frame.file} line {frame.line}{f', in {frame.function}' if frame.function else ''}")
    yield f"<details{own}{is_open}><summary>{place}</summary>\n"
    linecache.checkcache(frame.file)
    lines = linecache.getlines(frame.file, dict(frame.namespace))
    first = max(frame.line - AROUND, 1)
    shown = lines[first - 1 : frame.line + AROUND]
    if shown:
        yield "<pre class=source>"
        for number, line in enumerate(shown, first):
            at = " class=at" if number == frame.line else ""
            yield f"<span{at}><i>{number}</i>{escape(line.rstrip())}</span>"
        yield "</pre>\n"
    rows = ((name, HIDDEN if secrets.is_secret(name) else _value(value)) for name, value in frame.variables.items())
    table = _table(rows)
    if table:
        yield f"<details><summary>Variables</summary>\n{table}</details>\n"
    yield "</details>\n"


class _Masking(reprlib.Repr):
    """Values in short, and those of mappings without the secret ones. Nothing that a value's type does goes further."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = LONGEST // 2
        self.maxlevel = 3

    def repr_dict(self, x: dict[object, object], level: int) -> str:
        """Without the values of secret names."""
        hidden = {
            key: _Hidden() if isinstance(key, str) and secrets.is_secret(key) else value for key, value in x.items()
        }
        return super().repr_dict(hidden, level)

    def repr_instance(self, x: object, level: int) -> str:
        """An object of the application may raise anything as it is shown."""
        try:
            if isinstance(x, dict | Table | type(os.environ)):
                return self.repr_dict(dict(x.items()), level)
            return _short(repr(x))
        except BaseException as error:
            return f"<{type(x).__name__}: its repr raised {type(error).__name__}>"


class _Hidden:
    """Stands for a secret."""

    def __repr__(self) -> str:
        return HIDDEN


def _value(value: object) -> str:
    try:
        return secrets.without_userinfo(_Masking().repr(value))
    except BaseException as error:  # (a type of the application's own may raise anything)
        return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"


def _told(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # its __str__ may raise, too
        return type(error).__name__


def _short(value: str) -> str:
    return value if len(value) <= LONGEST else value[:LONGEST] + " ..."
