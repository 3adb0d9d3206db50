"""``mpserver serve APPLICATION``: a server for development without a configuration.

It makes a configuration by what the application is (`mpserver.cli.served`), and starts a server with that in the
foreground.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from mpserver.api import error_log
from mpserver.cli.served import Served, find
from mpserver.config.lexer import quote
from mpserver.errors import ConfigError, ConfigErrors, StartError, UsageError
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.cli.options import Options

DESCRIPTION = """\
Serve an application without a configuration. It may be
  module, module:object or module:make()   a WSGI application (the object: application, or app)
  app.wsgi                                 a WSGI application by its file
  hello.py                                 a handler or a WSGI application, by what the file defines, else its functions
  page.psp                                 a page with Python in it
  folder                                   its files, with pages (.psp) and modules whose functions are pages (.py)
"""

#: One line for each request.
ACCESS = "%{%H:%M:%S}t  %>s  %r  %B bytes, %{ms}T ms"


class Address(NamedTuple):
    """Where the server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """HOST:PORT, :PORT, PORT or HOST. :raises ArgumentTypeError: it is none."""
    host, separator, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not separator:
        host, port = ("", text) if text.isdecimal() else (text, "8000")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no address: write HOST:PORT, as 127.0.0.1:8000")
    return Address(host.strip("[]") or "127.0.0.1", int(port))


def count(text: str) -> int:
    """A number from 1 on. :raises ArgumentTypeError: it is none."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 1 to 1000")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(
        "mpserver serve", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("application", help="what to serve: a module, a file or a folder")
    made.add_argument(
        "--bind", type=address, default="127.0.0.1:8000", metavar="HOST:PORT",
        help="where to listen (default: %(default)s)",
    )  # fmt: skip
    made.add_argument("--workers", type=count, default=1, metavar="N", help="how many processes serve (default: 1)")
    made.add_argument(
        "--threads", type=count, default=8, metavar="N", help="requests at a time in each of them (default: 8)"
    )
    made.add_argument(
        "--reload", action=argparse.BooleanOptionalAction, default=True,
        help="load the application anew when a file of it has changed (default: yes)",
    )  # fmt: skip
    made.add_argument(
        "--https", nargs="?", const="auto", choices=("auto",),
        help="speak HTTPS, with a certificate that is made for it and signed by nobody",
    )  # fmt: skip
    made.add_argument(
        "--print-config", action="store_true", help="print the configuration that it would start with, and end"
    )
    return made


def configuration(served: Served, options: argparse.Namespace, folder: str) -> str:
    """The text of the configuration; ``folder`` has the server's own files."""
    bind: Address = options.bind
    lines = [
        f"# {served.what}",
        f"ServerRoot {quote(folder)}",
        f"PidFile {quote(f'{folder}/mpserver.pid')}",
        f"Listen {bind}",
        "ServerName localhost",
        *(["User root"] if os.geteuid() == 0 else []),
        "",
        "# messages of the server and of applications, and a line for each request",
        "ErrorLog /dev/stderr",
        "LogLevel warn",
        f'CustomLog /dev/stdout "{ACCESS}"',
        "",
        f"# {options.workers} processes, each with {options.threads} threads for the application",
        "MPM worker",
        f"StartServers {options.workers}",
        f"ServerLimit {options.workers}",
        f"ThreadLimit {max(options.threads, 64)}",
        f"ThreadsPerChild {options.threads}",
        f"MaxRequestWorkers {options.workers * options.threads}",
        "MinSpareThreads 1",
        f"MaxSpareThreads {options.workers * options.threads + 1}",
        "",
    ]
    if options.https:
        lines += ["SSLEngine On", "SSLCertificateFile auto", ""]
    lines += [
        "# development: errors are shown to the client, and changed files loaded anew",
        "PythonDebug On",
        f"PythonAutoReload {'On' if options.reload else 'Off'}",
        f"PythonInterpReload {'Always' if options.reload else 'Off'}",
        "",
        *served.lines,
    ]
    return "\n".join(lines) + "\n"


def banner(served: Served, options: argparse.Namespace) -> str:
    """What is said before the first request."""
    scheme = "https" if options.https else "http"
    reload = "when a file of it changes" if options.reload else "never (--no-reload)"
    return (
        f"{served.what}\n"
        f"  address      {scheme}://{options.bind}{served.paths[0]}\n"
        f"{''.join(f'               {scheme}://{options.bind}{path}{chr(10)}' for path in served.paths[1:])}"
        f"  interpreter  {_kind() if served.is_application else 'none: these are files'}\n"
        f"  loaded anew  {reload}\n"
        "  log          here: a line for each request, and what goes wrong\n"
        "  stop         Ctrl-C"
    )


def _kind() -> str:
    """Which kind of interpreter ``auto`` chooses, and why."""
    from mpserver.interpreters.kinds import AUTO

    if AUTO == "process":
        return "a process of its own (isolated subinterpreters are ready for use from Python 3.14 on)"
    return "a subinterpreter of its own, or a process where one of its modules needs that (the log says so)"


def main(arguments: Sequence[str], run: Callable[[Options], int]) -> int:
    """The command; ``run`` does what options ask for. :returns: the exit status."""
    from mpserver.cli.load import complain
    from mpserver.cli.options import parse

    options = parser().parse_args(arguments)
    if isinstance(options.bind, str):
        options.bind = address(options.bind)
    try:
        served = find(options.application, os.getcwd())
    except UsageError as error:
        sys.stderr.write(f"mpserver serve: {error}\n")
        return 1
    if options.print_config:
        print(configuration(served, options, os.getcwd()), end="")
        return 0
    with tempfile.TemporaryDirectory(prefix="mpserver-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "httpd.conf"
        file.write_bytes(os.fsencode(configuration(served, options, folder)))
        print(banner(served, options), flush=True)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                return run(parse(["-D", "FOREGROUND", "-f", str(file)])._replace(told=True))
        except (ConfigErrors, ConfigError) as error:
            complain(error)
        except StartError as error:
            error_log.to_terminal(str(error))
            return 1
    return 1
