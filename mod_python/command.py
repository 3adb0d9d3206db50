"""The command ``mod_python`` (api 3.5 1.17): a new site, and the server for it.

mod_python create /srv/site --pythonhandler=mod_python.publisher
mod_python start /srv/site/conf/httpd.conf
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import runpy
import subprocess
import sys
from collections.abc import Sequence

from mod_python import httpdconf, version

#: What the server is told for each command that needs it; a restart drops no request.
SIGNALS = {"start": "start", "stop": "graceful-stop", "restart": "graceful", "graceful": "graceful"}

#: The configuration that ``create`` makes, beside the Python that it is made of.
CONFIG = "httpd.conf"

WSGI, WSGI_OPTION = "mod_python.wsgi", "mod_python.wsgi.application"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. :returns: its exit status: 0, 1 for what failed, 2 (by SystemExit) for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except OSError as error:
        print(f"mod_python: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("mod_python", description="Make a site for mod_python, start and stop its server.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    create = commands.add_parser("create", help="make the folders and the configuration of a new site")
    create.add_argument("directory", help="the site's folder; it is made if it isn't there")
    create.add_argument("--pythonhandler", required=True, metavar="HANDLER", help="such as mod_python.publisher")
    create.add_argument("--listen", default="8888", metavar="[IP:]PORT", help="where to listen (%(default)s)")
    create.add_argument("--pythonpath", default="", metavar="DIR[:DIR...]", help="where your modules are")
    create.add_argument(
        "--pythonoption",
        action="append",
        default=[],
        metavar='"NAME VALUE"',
        help="a PythonOption; may be repeated",
    )
    create.set_defaults(run=_create)

    genconfig = commands.add_parser("genconfig", help="print the configuration that a Python file makes")
    genconfig.add_argument("source", help="such as conf/httpd_conf.py")
    genconfig.set_defaults(run=_genconfig)

    for name, what in (
        ("start", "start the server"),
        ("stop", "stop it; requests that run are served to their end"),
        ("graceful", "start it anew with its configuration as it is now; no request is lost"),
        ("restart", "the same as graceful"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("config", metavar="httpd.conf")
        command.set_defaults(run=_control, name=name)

    commands.add_parser("version", help="print the versions").set_defaults(run=_version)
    return parser


def _create(options: argparse.Namespace) -> int:
    path = httpdconf.write_basic_config(
        options.directory,
        listen=options.listen,
        pythonhandler=options.pythonhandler,
        pythonpath=[folder for folder in options.pythonpath.split(os.pathsep) if folder],
        pythonoptions=options.pythonoption,
    )
    if path is None:
        return 1
    config = os.path.join(os.path.dirname(path), CONFIG)
    with open(config, "w", encoding="utf-8") as file:
        file.write(generate(path))
    if options.pythonhandler == WSGI and not any(o.split()[:1] == [WSGI_OPTION] for o in options.pythonoption):
        print(
            f"Name your application in {path}: PythonOption('{WSGI_OPTION} module::callable')",
            file=sys.stderr,
        )
    print(f"Start it: mod_python start {config}", file=sys.stderr)
    return 0


def generate(source: str) -> str:
    """What a Python file prints. :raises Exception: what it raises."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(source, run_name="__main__")
    return printed.getvalue()


def _genconfig(options: argparse.Namespace) -> int:
    sys.stdout.write(generate(options.source))
    return 0


def _control(options: argparse.Namespace) -> int:
    if not os.path.isfile(options.config):
        print(f"mod_python: there is no configuration {options.config!r}", file=sys.stderr)
        return 1
    command = [
        sys.executable,
        "-m",
        "mpserver",
        "-f",
        os.path.abspath(options.config),
        "-k",
        SIGNALS[options.name],
    ]
    return subprocess.run(command, check=False).returncode


def _version(options: argparse.Namespace) -> int:
    print(f"mod_python:   {version.version}")
    print(f"server:       {version.HTTPD} (as httpd {version.HTTPD_VERSION})")
    print(f"Python:       {sys.version.split()[0]} ({version.PYTHON_BIN})")
    print(f"folder:       {os.path.dirname(os.path.abspath(version.__file__))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
