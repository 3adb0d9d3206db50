"""CGI scripts inside the server: ``PythonHandler mod_python.cgihandler`` (manual 6.3; api 3.5 1.14, 3.5).

The script that the URL names is run in the interpreter, with ``sys.stdin``, ``sys.stdout`` and
``os.environ`` of its request. For everything else that runs there these stay what they are: what is
put in their place looks who asks. Programs that a script starts see nothing of all that.

One script runs at a time in an interpreter, since each has its folder as current directory.
"""

from __future__ import annotations

import io
import os
import re
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from types import CodeType, ModuleType

from mod_python import apache
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: What follows the headers (RFC 3875 6.2 wants NL; scripts write what they like).
BLANK = re.compile(rb"\r?\n\r?\n|\A\r?\n")
#: Longer headers are a body whose headers were forgotten.
MOST_HEADERS = 1 << 20
#: CGI's ``Status: 404 Not Found`` (RFC 3875 6.3.3).
STATUS = re.compile(r"([1-5][0-9]{2})(?: +(.*))?")
#: Variables with what the client sent; all others are text of the server's.
SENT = re.compile(r"HTTP_|QUERY_STRING\Z|CONTENT_TYPE\Z|REDIRECT_QUERY_STRING\Z")

#: Packages that scripts share with the server, whoever loaded them first.
SHARED = frozenset({"mpserver", "mod_python"})

#: Where the standard library is, and what in there is not of it.
LIBRARY = tuple({os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib")})
INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

#: A script has the current directory, and the names of sys and os, to itself.
_one_script = threading.Lock()


def handler(req: Request) -> int:
    """Run the script that the request's path names.

    :returns: 404 where there is none, 500 where it gave no headers, else OK.
    :raises BaseException: what the script raises, but SystemExit.
    """
    script = find(req)
    if script is None:
        return apache.HTTP_NOT_FOUND
    sink = Sink(req)
    stage = Stage(stdin(req), stdout(sink), variables(req))
    with _one_script, _own_directory(os.path.dirname(script)), _fresh_modules(), _acting(stage):
        try:
            run(script)
        except SystemExit as end:
            if end.code is not None and not isinstance(end.code, int):
                req.log_error(f"{script}: {end.code}")
        except BaseException:
            sink.ended = True  # or the end of the stream would send what there is as if it were all
            raise
        _flush(sys.stdout)
        _collect(stage.stdout)
    return sink.end(script)


# ---- which script


def find(req: Request) -> str | None:
    """The path of the script; None where there is none, or not in the folder that the URL names."""
    if req.filename is None:
        req.log_error("mod_python.cgihandler needs a file: use it in a <Directory> or with Alias, not in a <Location>")
        return None
    path = os.path.realpath(req.filename)
    if os.path.islink(req.filename) and os.path.dirname(path) != os.path.realpath(os.path.dirname(req.filename)):
        return None
    return path if path.endswith((*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)) and os.path.isfile(path) else None


def run(path: str) -> None:
    """Execute a script as the main program."""
    found = os.stat(path)
    code = _compiled(path, found.st_mtime_ns, found.st_size, found.st_ino)
    module = ModuleType("__main__")
    module.__file__ = path
    before = sys.modules.get("__main__")
    sys.modules["__main__"] = module
    try:
        exec(code, module.__dict__)
    finally:
        if before is not None:
            sys.modules["__main__"] = before


@lru_cache(maxsize=128)
def _compiled(path: str, *_state: int) -> CodeType:
    """A script's code; the state of its file tells a changed one."""
    if path.endswith(tuple(BYTECODE_SUFFIXES)):
        from importlib.machinery import SourcelessFileLoader

        code = SourcelessFileLoader("__main__", path).get_code("__main__")
        assert code is not None
        return code
    with io.open_code(path) as file:
        return compile(file.read(), path, "exec", dont_inherit=True)


def variables(req: Request) -> dict[str, str]:
    """The request's CGI variables, as a process would find them: bytes as UTF-8, others as surrogate escapes."""
    env = dict(apache.build_cgi_env(req).items())
    for name, value in env.items():
        if not value.isascii() and SENT.match(name):
            env[name] = value.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    return env


# ---- what the script finds around it


class Stage(NamedTuple):
    """What a script has of its own."""

    stdin: io.TextIOWrapper
    stdout: io.TextIOWrapper
    environ: dict[str, str]


#: Set where a script runs, and in nothing else that runs at that time.
_stage: ContextVar[Stage | None] = ContextVar("mod_python.cgihandler", default=None)


class _Stream:
    """Stands for ``sys.stdin`` or ``sys.stdout``: the script's own one, for others the one before."""

    def __init__(self, name: str, before: Any) -> None:
        self.__dict__.update(_name=name, _before=before)

    def _target(self) -> Any:
        stage = _stage.get()
        return self._before if stage is None else getattr(stage, self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._target(), name, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._target())

    def __next__(self) -> Any:
        return next(self._target())

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._target().flush()

    def __repr__(self) -> str:
        return repr(self._target())


class _Environ(MutableMapping[str, str]):
    """Stands for ``os.environ``, in the same way."""

    def __init__(self, before: MutableMapping[str, str]) -> None:
        self._before = before

    def _target(self) -> MutableMapping[str, str]:
        stage = _stage.get()
        return self._before if stage is None else stage.environ

    def __getitem__(self, name: str) -> str:
        return self._target()[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._target()[name] = value

    def __delitem__(self, name: str) -> None:
        del self._target()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._target()))

    def __len__(self) -> int:
        return len(self._target())

    def __contains__(self, name: object) -> bool:
        return name in self._target()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._before, name)  # what os itself uses: encodekey...

    def __repr__(self) -> str:
        return repr(self._target())

    def copy(self) -> dict[str, str]:
        """A plain dict."""
        return dict(self._target())

    def __or__(self, other: Mapping[str, str]) -> dict[str, str]:
        return {**self, **other}

    def __ror__(self, other: Mapping[str, str]) -> dict[str, str]:
        return {**other, **self}


@contextmanager
def _acting(stage: Stage) -> Iterator[None]:
    """Put what looks who asks in the place of sys.stdin, sys.stdout, os.environ, and these back at the end."""
    before = sys.stdin, sys.stdout, os.environ
    sys.stdin, sys.stdout = _Stream("stdin", sys.stdin), _Stream("stdout", sys.stdout)
    os.environ = _Environ(os.environ)  # type: ignore[assignment]  # noqa: B003 - children are not to see it
    token = _stage.set(stage)
    try:
        yield
    finally:
        _stage.reset(token)
        sys.stdin, sys.stdout, os.environ = before  # whatever the script has put there


@contextmanager
def _own_directory(directory: str) -> Iterator[None]:
    """The script's folder as current directory, of this thread alone where that can be, and first to import from."""
    if not getattr(_thread, "alone", False):
        unshare = getattr(os, "unshare", None)  # Linux, Python 3.12
        if unshare is not None:
            try:
                unshare(getattr(os, "CLONE_FS", 0))
            except OSError:
                pass  # forbidden here: then the lock has to do
        _thread.alone = True
    before = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    added = directory not in sys.path
    try:
        os.chdir(directory)
        if added:
            sys.path.insert(0, directory)
        yield
    finally:
        if added and directory in sys.path:
            sys.path.remove(directory)
        try:
            os.fchdir(before)
        finally:
            os.close(before)


#: Whether this thread's current directory is its own.
_thread = threading.local()


@contextmanager
def _fresh_modules() -> Iterator[None]:
    """Forget the modules that the script has loaded, so that the next one gets them as their files are then."""
    count, last = len(sys.modules), next(reversed(sys.modules))
    asked = _Asked() if apache.mpm_query(apache.AP_MPMQ_IS_THREADED) else None
    if asked is not None:
        sys.meta_path.insert(0, asked)
    try:
        yield
    finally:
        if asked is not None:
            sys.meta_path.remove(asked)
        # what is new comes last; most scripts load nothing that was not there
        if len(sys.modules) != count or next(reversed(sys.modules)) != last:
            names = list(sys.modules)[count if last in sys.modules else count - 1 :]
            _forget(names if asked is None else [name for name in names if name in asked.names])


class _Asked:
    """Notes what a script imports, where other threads import at the same time; finds nothing."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """What the import system asks first."""
        if _stage.get() is not None:
            self.names.add(name)


def _forget(names: list[str]) -> None:
    """Remove modules that a script has loaded, but those that are shared or can't be loaded again."""
    new = {name: sys.modules[name] for name in names if name in sys.modules}
    # an extension module can't be loaded twice, nor can the package around it
    suffixes = tuple(EXTENSION_SUFFIXES)
    binary = {name.partition(".")[0] for name, module in new.items() if _file(module).endswith(suffixes)}
    for name, module in new.items():
        top = name.partition(".")[0]
        if top not in SHARED and top not in binary and not _is_library(_file(module)):
            sys.modules.pop(name, None)


def _file(module: Any) -> str:
    return getattr(module, "__file__", None) or ""


def _is_library(file: str) -> bool:
    """Whether a file is of the standard library; modules without a file are built in."""
    if not file:
        return True
    path = os.path.realpath(file)
    return path.startswith(LIBRARY) and not any(part in path for part in INSTALLED)


# ---- its streams


class _Body(io.RawIOBase):
    """The request's body, for a buffered reader."""

    def __init__(self, req: Request) -> None:
        self._req = req

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._req.read(len(view))
        view[: len(data)] = data
        return len(data)


def stdin(req: Request) -> io.TextIOWrapper:
    """A request's body as a text file: UTF-8, other bytes as surrogate escapes."""
    buffer = io.BufferedReader(_Body(req), 65536)
    return io.TextIOWrapper(buffer, "utf-8", "surrogateescape", newline="\n")


class Sink(io.BufferedIOBase):
    """``sys.stdout.buffer``: takes the headers off what a script writes, and sends the rest."""

    def __init__(self, req: Request) -> None:
        self._req = req
        self._head: bytearray | None = bytearray()
        #: Nothing more is taken.
        self.ended = False
        #: A flush only brings here what the text file has, and nothing to the client.
        self.collecting = False
        #: Where a CGI redirect leads (RFC 3875 6.2.2), and the status of a head that can't be used.
        self._local = ""
        self._failed = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        """Take a piece of the output. :raises ValueError: a header can't be sent."""
        piece = bytes(data)
        if self.ended:
            raise ValueError("the request of this output is over")
        if self._head is None:
            self._send(piece)
            return len(piece)
        start = max(0, len(self._head) - 3)
        self._head += piece
        end = BLANK.search(self._head, start)
        if end is not None:
            head, rest = bytes(self._head[: end.start()]), bytes(self._head[end.end() :])
            self._head = None
            self._failed = self._headers(head)
            self._send(rest)
        elif len(self._head) > MOST_HEADERS:
            self._head = None
            self._failed = self._bad("headers without an end")
        return len(piece)

    def flush(self) -> None:
        """Send to the client what is there, once the headers are complete."""
        if self._head is None and not (self._failed or self._local or self.ended or self.collecting):
            self._req.flush()

    def _send(self, data: bytes) -> None:
        if data and not (self._failed or self._local):
            self._req.write(data, 0)

    def _headers(self, head: bytes) -> int:
        """Set the response's headers. :returns: 0, or 500 where they are none."""
        req = self._req
        location, status = "", False
        for line in head.decode("latin-1").splitlines():
            name, colon, value = line.partition(":")
            name, value = name.strip(), value.strip()
            if not colon or not name:
                return self._bad(f"bad header: {line[:80]!r}")
            lower = name.lower()
            if lower == "status":
                match = STATUS.fullmatch(value)
                if match is None:
                    return self._bad(f"bad status: {value[:80]!r}")
                req.status, status = int(match[1]), True
                req.status_line = f"{match[1]} {match[2] or ''}"
            elif lower == "content-type":
                req.content_type = value
            else:
                req.headers_out.add(name, value)
                if lower == "location":
                    location = value
        if location and not status:
            if location.startswith("/") and req.method in ("GET", "HEAD"):
                self._local = location
            else:
                req.status = apache.HTTP_MOVED_TEMPORARILY  # RFC 3875 6.2.3
        return 0

    def _bad(self, what: str) -> int:
        self._req.log_error(f"{what} in the output of the CGI script {self._req.filename}")
        return apache.HTTP_INTERNAL_SERVER_ERROR

    def end(self, script: str) -> int:
        """The script is done. :returns: the handler's result."""
        self.ended = True
        if self._head is not None:
            self._req.log_error(f"premature end of script headers: {os.path.basename(script)}")
            return apache.HTTP_INTERNAL_SERVER_ERROR
        if self._local:
            del self._req.headers_out["Location"]
            self._req.internal_redirect(self._local)
        return self._failed


class _Output(io.TextIOWrapper):
    """``sys.stdout``: text, and bytes where a script writes them here. All leaves in the order in which it came."""

    def write(self, text: Any, /) -> int:
        if isinstance(text, bytes | bytearray | memoryview):
            self.buffer.write(bytes(text))
            return len(text)
        return super().write(text)

    @property
    def buffer(self) -> Any:
        sink: Any = super().buffer
        sink.collecting = True
        super().flush()
        sink.collecting = False
        return sink


def stdout(sink: Sink, through: bool = False) -> io.TextIOWrapper:
    """The text file that writes to a sink; ``through``: each piece at once."""
    return _Output(sink, "utf-8", "surrogateescape", newline="\n", write_through=through)  # type: ignore[arg-type]


def _collect(stream: io.TextIOWrapper) -> None:
    """Bring what the text file holds to the sink; nothing is sent yet."""
    try:
        stream.buffer  # noqa: B018
    except ValueError:
        pass  # the script has closed or detached it


def _flush(stream: Any) -> None:
    """What the script has put in the place of sys.stdout may hold some of the output back."""
    if not isinstance(stream, _Stream):
        try:
            stream.flush()
        except (AttributeError, ValueError, OSError):
            pass  # closed, or none that holds anything
