"""What the command takes, as a table: by it the command line is read, and help, completion and manual page are made.

The short options are httpd's (httpd(8)).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from mpserver.typing import NamedTuple


class Option(NamedTuple):
    """An option: its short form, its long one ("": it has none), what it takes ("": nothing), and what it does."""

    short: str
    long: str
    takes: str
    help: str


#: What -k takes, and what that does.
SIGNALS: Mapping[str, str] = {
    "start": "start in the background (the default)",
    "stop": "stop at once, and wait until it has ended",
    "restart": "restart at once; requests in flight are lost",
    "graceful": "restart without losing a request, and wait for it",
    "reopen": "open the log files anew, after they were moved; nothing else is touched",
    "upgrade": "let a new server, of this Python and mpserver, take over without closing a port, and wait for it",
    "graceful-stop": "stop when the requests in flight are done",
}

#: What has a meaning of its own as the name of -D.
DEFINED: Mapping[str, str] = {
    "FOREGROUND": "run the master in the foreground (for systemd and containers)",
    "NO_DETACH": "the same, without standard input and in directory /",
    "ONE_PROCESS": "the same as -X",
}

#: What may be the first word, with what follows it.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "serve": ("APPLICATION", "serve a WSGI application, a handler, a page or a folder without a configuration"),
    "new": ("FOLDER", "make a site to begin with, which mpserver -X serves in its folder"),
    "check-interp": ("FILE", "try which kinds of interpreter each application of a configuration can have"),
    "check-app": ("PATH", "tell what of an older application, or its configuration, does not run here as it is"),
    "import-unit": ("FILE", "print a configuration that serves what one of NGINX Unit serves"),
    "htpasswd": ("...", "make and change files of users; without arguments it tells what it takes"),
    "htdigest": ("...", "the same for Digest authentication"),
    "htdbm": ("...", "the same for databases of users and groups"),
    "httxt2dbm": ("...", "make a database of a map in a text"),
    "completion": ("SHELL", "print what completes the words of mpserver in bash, zsh or fish"),
    "help": ("COMMAND", "show what one of these takes"),
}


#: By options: what they take, where only some words have a meaning, or these have one of their own.
NAMED: Mapping[str, Mapping[str, str]] = {"-k": SIGNALS, "-D": DEFINED}


def options(configuration: str) -> Sequence[Option]:
    """The options, in the order of the help. ``configuration``: the file that is read where none is named."""
    return (
        Option("-D", "--define", "name", "define a name for use in <IfDefine name> directives"),
        Option("-d", "--root", "directory", "the ServerRoot to begin with"),
        Option(
            "-f", "--file", "file",
            "the configuration file; without -f and -d it is mpserver.conf in the current folder, or else "
            f"{configuration}",
        ),
        Option("-C", "--before", "directive", "process directive before reading config files"),
        Option("-c", "--after", "directive", "process directive after reading config files"),
        Option("-e", "--level", "level", "show startup messages up to this level (see LogLevel)"),
        Option("-E", "--messages", "file", "write startup messages to file"),
        Option("-k", "--signal", "command", "start the server, or tell the running one to do something"),
        Option("", "--no-wait", "", "with -k graceful: only ask for it"),
        Option("", "--status", "", "show what the running server's interpreters do"),
        Option("", "--json", "", "with --status: as JSON"),
        Option("", "--top", "", "show what the running server does, again and again, until Ctrl-C"),
        Option("", "--once", "", "with --top: once, for pipes"),
        Option("", "--stacks", "name", "show where an interpreter's threads are, in every worker, with their requests"),
        Option(
            "", "--profile", "name seconds",
            "show the functions in which an interpreter spends its time, in every worker (Python 3.15 and later)",
        ),
        Option("", "--flamegraph", "file", "with --profile: write a flame graph, a page that needs no other file"),
        Option("", "--trace", "URL", "ask the running server for a URL, and tell what became of it step by step"),
        Option("", "--recycle", "name", "replace an interpreter in every worker (all: each of them)"),
        Option("", "--print-unit", "", "print a unit for systemd that serves the configuration"),
        Option("", "--print-logrotate", "", "print a file for logrotate that rotates the logs of the configuration"),
        Option("", "--user", "", "with --print-unit: for systemctl --user"),
        Option("-v", "--version", "", "show version number"),
        Option("-V", "--settings", "", "show version and built-in settings"),
        Option("-h", "--help", "", "show this list"),
        Option("-l", "--built-in", "", "list built-in modules"),
        Option("-L", "--directives", "", "list available configuration directives"),
        Option("-t", "--test", "", "check the configuration"),
        Option("", "--load", "", "with -t, or a start: load each application once, in a process of its own"),
        Option("-T", "--no-checks", "", "don't check that directories and users exist"),
        Option("-S", "--hosts", "", "show virtual hosts and run settings (-t -D DUMP_VHOSTS -D DUMP_RUN_CFG)"),
        Option("-M", "--modules", "", "show loaded modules (-t -D DUMP_MODULES)"),
        Option("-X", "--one-process", "", "one process in the foreground, for debugging"),
    )  # fmt: skip


#: How wide the names are in the help, and the texts behind them.
_NAMES, _TEXTS = 22, 92


def usage(configuration: str) -> str:
    """What -h shows. ``configuration``: see `options`."""
    entries: list[tuple[str, str]] = []
    for option in options(configuration):
        names = ", ".join(name for name in (option.short, option.long) if name)
        entries.append((f"{names} {option.takes}".rstrip(), option.help))
        entries += [(f"{option.short} {name}", text) for name, text in NAMED.get(option.short, {}).items()]
    return "\n".join(
        (
            "Usage: mpserver [-D name] [-d directory] [-f file]",
            '                [-C "directive"] [-c "directive"]',
            f"                [-k {'|'.join(SIGNALS)}]",
            "                [-v] [-V] [-h] [-l] [-L] [-t] [--load] [-T] [-S] [-M] [-X]",
            "                [--status [--json]] [--top [--once]] [--recycle name|all] [--stacks name] [--no-wait]",
            "                [--profile name seconds [--flamegraph file]]",
            "                [--trace URL]",
            "                [--print-unit [--user]] [--print-logrotate]",
            "       mpserver COMMAND ...",
            "Options:",
            *_lines(entries),
            "Commands:",
            *_lines([(f"{name} {takes}", text) for name, (takes, text) in COMMANDS.items()]),
            "",
        )
    )


def _lines(entries: Sequence[tuple[str, str]]) -> Iterator[str]:
    for names, text in entries:
        first, *others = textwrap.wrap(text, _TEXTS)
        yield f"  {names:<{_NAMES}} : {first}"
        yield from (" " * (_NAMES + 5) + other for other in others)
