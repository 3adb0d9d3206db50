"""The options of WSGIDaemonProcess: what each comes to here, and why others can't be had."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping

from mpserver import lazyre
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.mpm import PREFORK
from mpserver.modules.python import environment_directives
from mpserver.modules.python.environment import MEMORY, NICE, PYTHON, WORKING
from mpserver.modules.wsgi import placement
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.config.registry import Call

#: name=value; a value with blanks stands in quotes.
_OPTION = lazyre.compile(r"""\s*([A-Za-z-]+)=("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"']\S*|)(?=\s|\Z)""", re.ASCII)
_ESCAPED = lazyre.compile(r"\\(.)")


def words(call: Call, text: str) -> Iterator[tuple[str, str]]:
    """The options of a text, with their values out of quotes. :raises ConfigError: something is none."""
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _OPTION.match(text, at)
        if found is None:
            raise ConfigError(f"Invalid option to {call.name}: {text[at:].strip()!r}: write name=value")
        value = found[2]
        yield found[1].lower(), _ESCAPED.sub(r"\1", value[1:-1]) if value[:1] in ("'", '"') else value
        at = found.end()


def folders(call: Call, value: str) -> tuple[str, ...]:
    """Folders, separated by colons."""
    return tuple(values.path(call, folder) for folder in value.split(":") if folder)


Given = dict[str, Any]


def _home_of_python(call: Call, value: str, into: Given) -> None:
    into["environment"].update(home(call, value))


def home(call: Call, value: str) -> dict[str, str]:
    """The environment for the home of a Python; whether one is there is looked at later."""
    found: dict[str, str] = dict(placement.of_home(values.path(call, value)))
    if found:
        values.later(call, lambda: environment_directives.test_python(call.name, found[PYTHON]))
    return found


def _path(call: Call, value: str, into: Given) -> None:
    into["path"] = (*into["path"], *folders(call, value))


def _working(call: Call, value: str, into: Given) -> None:
    directory = values.path(call, value)
    into["environment"][WORKING] = directory
    into["path"] = (directory, *into["path"])

    def test() -> str | None:
        there = os.path.isdir(directory)
        return None if there else f"{call.name} home={value}: there is no folder {directory}: name one that exists"

    values.later(call, test)


def _user(call: Call, value: str, into: Given) -> None:
    into["user"] = values.filled(call, value)


def _group(call: Call, value: str, into: Given) -> None:
    into["group"] = values.filled(call, value)


def account(call: Call, user: str, group: str) -> tuple[str, str]:
    """The account of a group's processes; whether it can be had is looked at later."""
    values.later(call, lambda: environment_directives.test_account(call.name, f"user={user}", user, group))
    return user, group


_COUNT = values.number(1)
_AMOUNT = values.number(0)


def _count(name: str) -> Callable[[Call, str, Given], None]:
    """processes and threads: the MPM decides; the start compares what it comes to."""

    def apply(call: Call, value: str, into: Given) -> None:
        into[name] = _COUNT(call, value)

    return apply


def _requests(call: Call, value: str, into: Given) -> None:
    into["requests"] = _AMOUNT(call, value)


def _time(name: str) -> Callable[[Call, str, Given], None]:
    def apply(call: Call, value: str, into: Given) -> None:
        into[name] = values.seconds(call, value)

    return apply


def _nice(call: Call, value: str, into: Given) -> None:
    nice = into["environment"][NICE] = environment_directives.NICENESS(call, value)
    values.later(call, lambda: environment_directives.test_niceness(call.name, f"cpu-priority={nice}", nice))


def _memory(call: Call, value: str, into: Given) -> None:
    size = _AMOUNT(call, value)
    if size and size < environment_directives.LEAST_MEMORY:
        raise ConfigError(f"{call.name} memory-limit={value} is less than {environment_directives.LEAST_MEMORY} bytes")
    if size:
        into["environment"][MEMORY] = size


def _locale(call: Call, value: str, _into: Given) -> None:
    """What people want by it are file names in UTF-8, which applications have here."""
    if not value.lower().replace("-", "").endswith(".utf8") or sys.getfilesystemencoding() != "utf-8":
        raise ConfigError(
            f"{call.name}: {value!r} can't be had for one application: start the server with LANG={value} in its "
            "environment"
        )


def _ignored(name: str) -> Callable[[Call, str, Given], None]:
    """What the processes have, or need not: they are called by their interpreter's name, and have no sockets."""

    def apply(_call: Call, _value: str, into: Given) -> None:
        into.setdefault("ignored", []).append(name)

    return apply


OPTIONS: Mapping[str, Callable[[Call, str, Given], None]] = {
    "python-home": _home_of_python,
    "python-path": _path,
    "home": _working,
    "user": _user,
    "group": _group,
    "processes": _count("processes"),
    "threads": _count("threads"),
    "maximum-requests": _requests,
    "inactivity-timeout": _time("idle"),
    "request-timeout": _time("time_limit"),
    "cpu-priority": _nice,
    "memory-limit": _memory,
    "lang": _locale,
    "locale": _locale,
    **{
        name: _ignored(name)
        for name in (
            "display-name", "listen-backlog", "socket-user", "connect-timeout", "socket-timeout", "queue-timeout",
            "send-buffer-size", "receive-buffer-size", "header-buffer-size", "response-buffer-size",
            "response-socket-timeout", "graceful-timeout", "eviction-timeout", "shutdown-timeout", "deadlock-timeout",
            "startup-timeout", "python-eggs", "server-metrics", "stack-size",
        )
    },
}  # fmt: skip

#: Options that can't be had, with what to do instead.
REFUSED: Mapping[str, str] = {
    "umask": "set it where the server is started, or call os.umask in the script",
    "supplementary-groups": "make the user a member of these groups",
    "chroot": "use a container, or RootDirectory= of a systemd service, around the whole server",
    "script-user": "see to the owners of scripts by the rights of their folders",
    "script-group": "see to the owners of scripts by the rights of their folders",
    "cpu-time-limit": "limit the time of requests with request-timeout",
    "virtual-memory-limit": "use memory-limit",
    "restart-interval": "use maximum-requests",
}


def apply(call: Call, name: str, value: str, into: Given) -> None:
    """Put an option where its effect is. :raises ConfigError: there is none of the name, or its value is wrong."""
    known = OPTIONS.get(name)
    if known is not None:
        known(call, value, into)
        return
    remedy = REFUSED.get(name)
    if remedy is not None:
        raise ConfigError(f"{call.name} {name} can't be had: {remedy}")
    raise ConfigError(f"Invalid option to {call.name}: {name}: it may be one of {', '.join(OPTIONS)}")


def tell_ignored(call: Call, given: Given) -> None:
    """Tell what was said that has no effect."""
    if "ignored" in given:
        call.warn(
            f"{call.name}: {', '.join(given['ignored'])} {'has' if len(given['ignored']) == 1 else 'have'} no effect: "
            "processes are named after their interpreters, get requests without sockets of their own, and are ended "
            "as GracefulShutdownTimeout and PythonRequestTimeout say"
        )


def tell_numbers(call: Call, processes: int, threads: int) -> None:
    """Processes and threads are the MPM's to say; tell where a group would have another number of threads."""
    prefork = call.registry.mpm is None or call.registry.mpm.name == PREFORK
    if "threads=" in call.raw and threads > 1 and prefork:
        call.warn(
            f"{call.name}: threads={threads}: with MPM prefork each process serves one request at a time: for threads "
            f"choose 'MPM worker', and ThreadsPerChild {threads}"
        )
    if processes == 1:
        call.warn(
            f"{call.name}: each worker has a process of the group: if the application needs to be one process alone, "
            "as with data that it keeps in memory, start one worker (MaxRequestWorkers as large as ThreadsPerChild)"
        )
