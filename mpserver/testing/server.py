"""A server on a free port for a test, with what it serves, and a client."""

from __future__ import annotations

import contextlib
import http.client
import inspect
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mpserver.cli import served
from mpserver.config.lexer import quote
from mpserver.errors import UsageError
from mpserver.testing.reply import Reply

#: The kinds of interpreters that this Python can have, for tests that run with each.
KINDS: tuple[str, ...] = (*(("own",) if sys.version_info >= (3, 12) else ()), "process", "main")

#: How long the server may take to start, to answer and to end, in seconds.
PATIENCE = 60.0

#: What is served: the path of a configuration, of a folder or of a file that ``mpserver serve`` takes; the text of a
#: configuration (of several lines); ``module:object``, a WSGI application; a handler or a WSGI application itself.
Application = str | os.PathLike[str] | Callable[..., Any]

_SKELETON = """\
ServerRoot "{folder}"
Listen 127.0.0.1:${{PORT}}
ServerName localhost
PidFile "{folder}/mpserver.pid"
ErrorLog "{folder}/error.log"
LogLevel info
MPM {mpm}
PythonInterpBackend {kind}
PythonOption mod_python.mutex_directory "{folder}"
"""


class Server:
    """A server of its own, with one worker, until `close` or the end of a ``with`` statement.

    :param application: see `Application`. A configuration must listen at ``${PORT}``, which is defined for it;
        a text gets that, logs and a folder (``${FOLDER}``) of its own.
    :param kind: the kind of interpreters, one of `KINDS` or ``auto``; a file of a configuration has its own.
    :param mpm: ``prefork`` or ``worker``, likewise.
    :param conf: directives beside those that serve it.
    :param environ: variables of its environment beside ours; ``defines``: variables of the configuration (Define).
    :raises ValueError: this can't be served; the text says why.
    """

    def __init__(
        self, application: Application, *, kind: str = "auto", mpm: str = "prefork", conf: str = "",
        environ: Mapping[str, str] | None = None,
        defines: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._own = tempfile.TemporaryDirectory(prefix="mpserver-", ignore_cleanup_errors=True)
        self.folder = Path(self._own.name).resolve()
        self._environ = {**os.environ, **(environ or {})}
        self._defines = dict(defines or {})
        self._process: subprocess.Popen[bytes] | None = None
        # It keeps the port for us: connections are refused until the server listens.
        self._holder = socket.socket()
        try:
            self.conf = self._configuration(application, kind, mpm, conf)
            self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._holder.bind(("127.0.0.1", 0))
            self.port: int = self._holder.getsockname()[1]
        except BaseException:
            self.close()
            raise

    def _configuration(self, application: Application, kind: str, mpm: str, conf: str) -> Path:
        text = None if callable(application) else os.fspath(application)
        if text is not None and "\n" not in text and text.endswith(".conf"):
            if not os.path.isfile(text):
                raise ValueError(f"there is no configuration {os.path.abspath(text)}")
            if conf:
                raise ValueError(f"the configuration {text} is taken as it is: write more directives into the file")
            return Path(text).absolute()
        if callable(application):
            lines = _of_object(application)
        elif text is not None and "\n" in text:
            lines = [text]
        else:
            lines = _of_name(text or "")
        begin = _SKELETON.format(folder=self.folder, kind=kind, mpm=mpm)
        file = self.folder / "httpd.conf"
        file.write_text("\n".join([begin, *lines, conf, ""]))
        return file

    # ---- its life

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it, and wait until it takes connections.

        :raises RuntimeError: it does not; the text has what it said.
        """
        words = ["-X", "-f", str(self.conf)]
        if os.geteuid() == 0:
            words += ["-C", "User root"]  # (what the configuration says comes later, and counts)
        defines = {"PORT": str(self.port), "FOLDER": str(self.folder), "RUN": str(self.folder), **self._defines}
        for name, value in defines.items():
            words += ["-C", f"Define {name} {quote(value)}"]
        with (self.folder / "console.txt").open("ab") as console:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mpserver", *words],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True,
                env=self._environ,
            )  # fmt: skip
        until = time.monotonic() + PATIENCE
        while not self._listens():
            if self._process.poll() is not None:
                raise RuntimeError(f"the server does not start\n{self.log()}")
            if time.monotonic() > until:
                raise RuntimeError(
                    f"nobody listens at port {self.port}: has {self.conf} Listen ${{PORT}}?\n{self.log()}"
                )
            time.sleep(0.01)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(PATIENCE)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self) -> None:
        """End it, and remove its folder."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            finally:
                with contextlib.suppress(ProcessLookupError):  # (nobody of its session is left, as it should be)
                    os.killpg(process.pid, signal.SIGKILL)
        self._holder.close()
        self._own.cleanup()

    # ---- what it says

    def log(self) -> str:
        """What it wrote to the terminal, and to the error log of its folder."""
        files = (self.folder / "console.txt", self.folder / "error.log")
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def wait_for_log(self, text: str) -> str:
        """Wait until the log has a text, for an answer may be here before its line.

        :raises AssertionError: it never has.
        """
        until = time.monotonic() + PATIENCE
        while text not in (log := self.log()):
            if time.monotonic() > until:
                raise AssertionError(f"{text!r} is not in the log:\n{log}")
            time.sleep(0.01)
        return log

    # ---- asking it

    @property
    def url(self) -> str:
        """Where it is, as ``http://127.0.0.1:43210``."""
        return f"http://127.0.0.1:{self.port}"

    def request(
        self, method: str, path: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request on a connection of its own; redirects are answers as others."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {"Connection": "close", **(headers or {})})
            response = connection.getresponse()
            return Reply(response.status, response.reason, response.getheaders(), response.read())
        finally:
            connection.close()

    def get(self, path: str = "/", headers: Mapping[str, str] | None = None) -> Reply:
        """One GET on a connection of its own."""
        return self.request("GET", path, None, headers)

    def post(self, path: str, body: bytes | str, headers: Mapping[str, str] | None = None) -> Reply:
        """One POST on a connection of its own; the body is a form, where no header says anything else."""
        return self.request(
            "POST", path, body, {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        )


def _of_name(name: str, folder: str = "") -> list[str]:
    """The directives for what ``mpserver serve`` takes. :raises ValueError: it can't be served."""
    try:
        return list(served.find(name, folder or os.getcwd()).lines)
    except UsageError as error:
        raise ValueError(str(error)) from error


def _of_object(application: Callable[..., Any]) -> list[str]:
    """The directives for a handler or a WSGI application. :raises ValueError: it is found by no name."""
    folder, module, name = _place(application)
    if len(inspect.signature(application).parameters) != 1:
        return _of_name(f"{module}:{name}", folder)
    return [
        f"PythonPath {quote(f'[{folder!r}] + sys.path')}",
        "<Location />",
        "    Require all granted",
        "    SetHandler mod_python",
        f"    PythonHandler {quote(f'{module}::{name}')}",
        "</Location>",
    ]


def _place(application: Callable[..., Any]) -> tuple[str, str, str]:
    """Where the server finds an object: a folder, a module in it, and its name there.

    :raises ValueError: it is not at the level of a module that has a file.
    """
    for module in [sys.modules.get(application.__module__), *list(sys.modules.values())]:
        file = getattr(module, "__file__", None)
        if module is None or not file or not file.endswith(".py"):
            continue
        name = next((name for name, value in vars(module).items() if value is application), "")
        if not name:
            continue
        path = Path(file).resolve()
        parts = module.__name__.split(".")
        if path.name == "__init__.py":
            path = path.parent
        if tuple(parts) == path.with_suffix("").parts[-len(parts) :]:
            return str(path.parents[len(parts) - 1]), module.__name__, name
        return str(path.parent), path.stem, name
    raise ValueError(f"{application!r} is found by no name: what the server is to load must be defined in a module")
