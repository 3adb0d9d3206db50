"""The test page: whether mod_python works, and all that a handler can see (``mod_python.testhandler``).

    <Location /mpinfo>
      SetHandler mod_python
      PythonHandler mod_python.testhandler
    </Location>

It tells a lot about the server, so it is for clients on this machine, unless a ``Require`` in its Location says more.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator

from mod_python import apache
from mpserver.api import runtime, secrets
from mpserver.api.html_pages import END, beginning, escaped
from mpserver.api.page_style import BASE
from mpserver.typing import TYPE_CHECKING, Any
from mpserver.version import MOD_PYTHON_VERSION, VERSION

if TYPE_CHECKING:
    from types import ModuleType

    from mpserver.api.request import Request

Rows = Iterable[tuple[str, object]]

#: The queries that ask for the end of the error log, and how much of it is shown, in lines and in bytes at most.
LOG_QUERY = "log"
LOG_QUERIES = (LOG_QUERY, "view_log=1")  # the second as in mod_python
LOG_LINES = 100
LOG_BYTES = 64 << 10

#: Headers whose values are secrets: a page that is shown to somebody must not give them away.
SECRET = frozenset({"authorization", "proxy-authorization", "http_authorization"})

#: The members of the objects that handlers get, as the manual lists them (4.5.3 to 4.5.6; api 3.5 2).
REQUEST = (
    "the_request", "method", "method_number", "unparsed_uri", "uri", "args", "parsed_uri", "hostname",
    "protocol", "proto_num", "request_time", "header_only", "assbackwards", "proxyreq", "filename",
    "canonical_filename", "path_info", "used_path_info", "finfo", "handler", "extension", "phase",
    "interpreter", "content_type", "content_encoding", "content_languages", "vlist_validator", "user",
    "ap_auth_type", "status", "status_line", "no_cache", "no_local_copy", "mtime", "range", "clength",
    "remaining", "read_length", "read_body", "read_chunked", "expecting_100", "allowed", "allowed_methods",
    "allowed_xmethods", "chunked", "bytes_sent", "sent_bodyct", "eos_sent", "useragent_ip", "useragent_addr",
    "main", "prev", "next",
)  # fmt: skip
CONNECTION = (
    "client_addr", "client_ip", "local_addr", "local_ip", "remote_host", "remote_logname", "local_host",
    "aborted", "keepalive", "keepalives", "double_reverse", "id",
)  # fmt: skip
SERVER = (
    "defn_name", "defn_line_number", "server_admin", "server_hostname", "names", "wild_names", "port", "path",
    "pathlen", "error_fname", "loglevel", "is_virtual", "timeout", "keep_alive", "keep_alive_timeout",
    "keep_alive_max", "limit_req_line", "limit_req_fields", "limit_req_fieldsize", "my_generation", "restart_time",
)  # fmt: skip

#: What an application would like to have, and whether it is there.
HANDLERS = ("publisher", "psp", "cgihandler", "wsgi")

STYLE = (
    BASE
    + """\
p{margin:.5rem 0}
details{border-top:1px solid var(--line);padding:.5rem 0}
summary{font-weight:600;cursor:pointer}
dl{display:grid;grid-template-columns:minmax(8rem,16rem) 1fr;gap:.2rem 1rem;margin:.5rem 0}
dt{color:var(--faint)}
dd{margin:0;white-space:pre-wrap;font:.875rem/1.5 ui-monospace,monospace}
pre{overflow-x:auto}
.log{white-space:pre-wrap;background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.75rem 1rem}
@media(max-width:40rem){dl{display:block}dd{margin:0 0 .5rem}}
"""
)


def handler(req: Request) -> int:
    """Show the page, or the end of the error log where that is asked for."""
    if req.mp_plan.refuses(req):
        return apache.HTTP_FORBIDDEN
    apache_log = req.server.error_fname
    if req.args in LOG_QUERIES and apache_log:
        path = os.path.join(apache.server_root(), apache_log)
        if (
            "text/html" in (req.headers_in.get("Accept") or "").lower()
        ):  # (browsers show text in tiny letters on phones)
            req.content_type = "text/html; charset=utf-8"
            req.write("".join(log_page(path)), 0)
        else:
            req.content_type = "text/plain; charset=utf-8"
            req.write(log_end(path), 0)
        return apache.OK
    req.content_type = "text/html; charset=utf-8"
    req.add_cgi_vars()
    req.write("".join(page(req)), 0)
    return apache.OK


def page(req: Request) -> Iterator[str]:
    """The page, piece by piece."""
    yield beginning("mod_python works", STYLE)
    yield (
        f"<p>mpserver {VERSION} with Python {platform.python_version()} serves this page in the interpreter"
        f" <b>{_escaped(req.interpreter)}</b> of process {os.getpid()}."
        f" The <a href='?{LOG_QUERY}'>last {LOG_LINES} lines of the error log</a> may tell more.</p>\n"
    )
    # Sections are made here, not in a table at module level: they look at this request.
    sections: tuple[tuple[str, Callable[[], Rows]], ...] = (
        ("Server", lambda: _server(req)),
        ("Interpreter", lambda: _interpreter(req)),
        ("Plan of the request", lambda: req.mp_plan.tell(req)),
        ("Request", lambda: _members(req, REQUEST)),
        ("Request headers", lambda: _hidden(req.headers_in.items())),
        ("Environment", lambda: _hidden(sorted(req.subprocess_env.items()))),
        ("Configuration", lambda: req.get_config().items()),
        ("Options", lambda: _hidden(req.get_options().items())),
        ("Notes", lambda: req.notes.items()),
        ("Connection", lambda: _members(req.connection, CONNECTION)),
        ("Virtual host", lambda: _members(req.server, SERVER)),
        ("Configuration of the server", lambda: req.server.get_config().items()),
        ("Options of the server", lambda: _hidden(req.server.get_options().items())),
        ("Modules", lambda: _modules(list(sys.modules.items()))),
    )
    for number, (title, rows) in enumerate(sections):
        yield _section(title, rows(), opened=number < 2)
    tree = _escaped(_tree(apache.config_tree()))
    yield f"<details>\n<summary>Configuration tree</summary>\n<pre>{tree}</pre>\n</details>\n"
    yield END


def _escaped(value: object) -> str:
    return escaped(value if isinstance(value, str) else repr(value))


def _section(title: str, rows: Rows, opened: bool) -> str:
    """A part of the page that can be folded away."""
    lines = [f"<dt>{_escaped(name)}</dt><dd>{_escaped(value)}</dd>" for name, value in rows]
    content = "<dl>\n" + "\n".join(lines) + "\n</dl>" if lines else "<p>None.</p>"
    return f"<details{' open' if opened else ''}>\n<summary>{title}</summary>\n{content}\n</details>\n"


def _server(req: Request) -> Rows:
    """What the server is and how it runs."""
    yield "mpserver", VERSION
    yield "Server header", req.subprocess_env.get("SERVER_SOFTWARE", "")
    yield "mod_python interface", MOD_PYTHON_VERSION
    yield "threaded", _process_model(apache.AP_MPMQ_IS_THREADED, apache.AP_MPMQ_MAX_THREADS, "threads")
    yield "forked", _process_model(apache.AP_MPMQ_IS_FORKED, apache.AP_MPMQ_MAX_DAEMONS, "processes")
    yield "server root", apache.server_root()
    yield "document root", req.document_root()
    yield "error log", req.server.error_fname or "none"
    yield "process", os.getpid()
    yield "system", platform.platform()


def _process_model(question: int, number: int, what: str) -> str:
    if apache.mpm_query(question) == apache.AP_MPMQ_NOT_SUPPORTED:
        return "no"
    return f"yes, at most {apache.mpm_query(number)} {what}"


def _interpreter(req: Request) -> Rows:
    """The interpreter that runs this, and what it has to work with."""
    lent = runtime.current()
    yield "name", req.interpreter
    yield "kind", lent.kind if lent is not None else "none"
    yield "Python", sys.version
    yield "executable", sys.executable
    yield "prefix", sys.prefix
    yield "sys.path", "\n".join(sys.path)
    for name in HANDLERS:
        yield f"mod_python.{name}", "yes" if _is_there(f"mod_python.{name}") else "no"


def _is_there(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _members(owner: object, names: Iterable[str]) -> Rows:
    """An object's members; one that can't be read shows why."""
    for name in names:
        try:
            value = _finfo(owner) if name == "finfo" else getattr(owner, name)
        except (AttributeError, OSError, ValueError) as error:
            value = f"({type(error).__name__}: {error})"
        yield name, value


def _finfo(req: Any) -> str:
    """File information as a list of its fields."""
    found = req.finfo
    if found is None or found.filetype == apache.APR_NOFILE:
        return "no file"
    names = ("filetype", "size", "protection", "user", "group", "mtime", "inode", "device", "nlink")
    return "\n".join(f"{name} {getattr(found, name)}" for name in names)


def _hidden(rows: Rows) -> Rows:
    """The rows, without secrets."""
    for name, value in rows:
        lower = name.lower()
        if lower in SECRET or lower.rpartition(".")[2] in secrets.SECRET_OPTIONS:
            value = "(not shown)"
        yield name, secrets.without_userinfo(value) if isinstance(value, str) else value


def _modules(modules: list[tuple[str, ModuleType]]) -> Rows:
    """What was imported: each module that is not Python's own, with its version and file, and the others by name."""
    own, standard = [], []
    for name, module in sorted(modules):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top == "__main__":
            standard.append(name)
        else:
            version = vars(module).get("__version__")  # (some warn where they are asked for it)
            file = getattr(module, "__file__", None) or "built in"
            own.append((name, f"{version} {file}" if isinstance(version, str) else file))
    yield from own
    yield f"standard library ({len(standard)})", " ".join(standard)


def _tree(tree: Iterable[Any], depth: int = 0) -> str:
    """The configuration as it would be written: directives start with their name, the rest is in sections."""
    lines = []
    for entry in tree:
        inside = entry
        if entry and isinstance(entry[0], str):
            line = "    " * depth + " ".join(word for word in entry if isinstance(word, str))
            lines.append(secrets.shown(line) + "\n")
            inside = [part for part in entry if isinstance(part, list)]
            inside = inside[0] if inside else ()
        lines.append(_tree(inside, depth + 1))
    return "".join(lines)


def log_page(path: str) -> Iterator[str]:
    """The end of the error log, for browsers."""
    yield beginning("The error log", STYLE)
    yield f"<p>The last {LOG_LINES} lines of <code>{_escaped(path)}</code>; <a href='?'>back to the page</a>.</p>\n"
    yield f"<pre class=log>{_escaped(log_end(path))}</pre>\n{END}"


def log_end(path: str) -> str:
    """The last lines of the error log, or why they can't be shown."""
    try:
        with open(path, "rb") as log:
            size = log.seek(0, os.SEEK_END)
            start = log.seek(max(0, size - LOG_BYTES))
            lines = log.read(LOG_BYTES).decode("utf-8", "replace").splitlines(keepends=True)
    except OSError as error:
        return f"{path}: {error.strerror}\n"
    return "".join(lines[1 if start else 0 :][-LOG_LINES:])
