"""The directives that give an application's interpreters something of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from mpserver import lazyre
from mpserver.config.registry import NOT_HTACCESS, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import unixd, values
from mpserver.modules.python import INTERP_PRELOADS
from mpserver.modules.python.environment import (
    ENVIRONMENT,
    LAZY_IMPORTS,
    MEMORY,
    NICE,
    PRELOAD,
    PYTHON,
    SOFT_MEMORY,
    USER,
    VARIABLES,
    Told,
    merge,
)
from mpserver.typing import Any

#: The oldest Python that the engine runs in.
OLDEST = (3, 11)
#: The engine alone takes about a third of it.
LEAST_MEMORY = 64 << 20

_SIZE = lazyre.compile(r"(\d{1,15})([KMG]?)B?\Z", re.ASCII | re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _tell(call: Call, key: str, value: Any) -> None:
    told = Told(value, call.name, call.file, call.line)
    call.conf[ENVIRONMENT] = merge(call.conf.values.get(ENVIRONMENT, {}), {key: told})


def version_of(python: str) -> tuple[int, int]:
    """The version of a Python. :raises ConfigError: it does not run."""
    import subprocess

    try:
        done = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True, text=True, timeout=30, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        major, minor = done.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{python} is no Python that runs: {error}") from None


def test_python(name: str, python: str) -> str | None:
    """What is wrong with a Python, None if nothing is."""
    if not os.path.isfile(python):
        return f"{name}: there is no {python}: name the executable of a Python"
    if not os.access(python, os.X_OK):
        return f"{name}: {python} can't be executed: name the executable of a Python"
    try:
        version = version_of(python)
    except ConfigError as error:
        return f"{name}: {error.message}"
    if version < OLDEST:
        old, least = (".".join(map(str, numbers)) for numbers in (version, OLDEST))
        return f"{name}: {python} is Python {old}: Python {least} or later is needed"
    return None


def _executable(call: Call) -> None:
    python = values.path(call, call.args[0])
    _tell(call, PYTHON, python)
    values.later(call, lambda: test_python(call.name, python))


def _virtual_env(call: Call) -> None:
    directory = values.path(call, call.args[0])
    python = os.path.join(directory, "bin", "python")
    _tell(call, PYTHON, python)

    def test() -> str | None:
        if not os.path.isfile(os.path.join(directory, "pyvenv.cfg")):
            return (
                f"{call.name}: {directory} is no virtual environment, for it has no pyvenv.cfg: "
                f"make one with python3 -m venv {directory}"
            )
        return test_python(call.name, python)

    values.later(call, test)


def _user(call: Call) -> None:
    user = values.filled(call, call.args[0])
    group = values.filled(call, call.args[1]) if len(call.args) == 2 else ""
    _tell(call, USER, (user, group))
    values.later(call, lambda: test_account(call.name, user, user, group))


def test_account(name: str, said: str, user: str, group: str) -> str | None:
    """What is wrong with an account for an application, None if nothing is. ``said``: what names the user."""
    try:
        identity = unixd.account(user, group or None)
    except ConfigError as error:
        return f"{name}: {error.message}"
    if os.geteuid() not in (0, identity.uid):
        return f"{name} {said}: only a server that root started can run an application as another user"
    return None


#: How nice an application may be told to be.
NICENESS = values.number(-20, 19)


def _nice(call: Call) -> None:
    nice = NICENESS(call, call.args[0])
    _tell(call, NICE, nice)
    values.later(call, lambda: test_niceness(call.name, str(nice), nice))


def test_niceness(name: str, said: str, nice: int) -> str | None:
    """What is wrong with a niceness, None if nothing is. ``said``: what names it."""
    if nice < 0 and os.geteuid() != 0:
        return f"{name} {said}: only a server that root started can use numbers below 0"
    return None


def _memory(key: str) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        match = _SIZE.match(call.args[0])
        size = int(match[1]) * _UNITS[match[2].upper()] if match else 0
        if size < LEAST_MEMORY:
            raise ConfigError(
                f'{call.name} "{call.args[0]}" must be a size from {LEAST_MEMORY >> 20}M on, in bytes or with the unit '
                "K, M or G, as in 300M"
            )
        _tell(call, key, size)

    return apply


_SWITCH = {"on": True, "off": False}
_MODULE = lazyre.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")


def _preload(call: Call) -> None:
    words = {word.lower() for word in call.args}
    if words & _SWITCH.keys():
        if len(call.args) > 1:
            raise ConfigError(f"{call.name}: {call.args[0]} stands alone: name modules in a line of their own")
        call.conf[INTERP_PRELOADS] = _SWITCH[words.pop()]
        return
    for word in call.args:
        if not _MODULE.match(word):
            raise ConfigError(f'{call.name}: "{word}" is no module: write its name, such as package.module')
    _tell(call, PRELOAD, tuple(dict.fromkeys(call.args)))


def _variable(call: Call) -> None:
    name, value = (*call.args, "")[:2]
    if "=" in name or "\0" in name + value:
        raise ConfigError(
            f'{call.name}: "{name}" is no name of an environment variable: write name and value apart, as in '
            f"{call.name} DJANGO_SETTINGS_MODULE mysite.settings"
        )
    told = Told(value, f"{call.name} {name}", call.file, call.line)
    call.conf[VARIABLES] = {**call.conf.values.get(VARIABLES, {}), name: told}


def _lazy_imports(call: Call) -> None:
    call.conf[LAZY_IMPORTS] = Told(call.flag, call.name, call.file, call.line)


DIRECTIVES = (
    Directive("PythonInterpEnv", Args.TAKE12, NOT_HTACCESS, _variable, help="a variable's name, and maybe its value"),
    Directive("PythonVirtualEnv", Args.TAKE1, NOT_HTACCESS, _virtual_env, help="a virtual environment's directory"),
    Directive("PythonExecutable", Args.TAKE1, NOT_HTACCESS, _executable, help="the executable of a Python"),
    Directive("PythonInterpUser", Args.TAKE12, NOT_HTACCESS, _user, help="a user, and maybe a group"),
    Directive("PythonInterpNice", Args.TAKE1, NOT_HTACCESS, _nice, help="a number from -20 to 19"),
    Directive("PythonInterpMaxMemory", Args.TAKE1, NOT_HTACCESS, _memory(MEMORY), help="a size, such as 300M"),
    Directive(
        "PythonInterpSoftMemory",
        Args.TAKE1,
        NOT_HTACCESS,
        _memory(SOFT_MEMORY),
        help="the resident memory beyond which an interpreter is replaced, such as 300M",
    ),
    Directive("PythonInterpPreload", Args.ITERATE, NOT_HTACCESS, _preload, help="names of modules, or Off"),
    Directive(
        "PythonInterpLazyImports",
        Args.FLAG,
        NOT_HTACCESS,
        _lazy_imports,
        help="import packages and the standard library when they are first used (Python 3.15 and later)",
    ),
)
