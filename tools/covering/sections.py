"""What the sections of names.txt are: where a name is looked for in the implementation, and in the tests."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Section(NamedTuple):
    """``uses`` is the regular expression of a use in a test, with the name for ``NAME``."""

    title: str
    exists: Callable[[str], bool]
    uses: str


def _member(path: str) -> Callable[[str], bool]:
    """Names of a class; those that instances get count, too."""
    module, _, name = path.rpartition(".")

    def exists(member: str) -> bool:
        return _has(getattr(import_module(module), name), member)

    return exists


def _has(owner: Any, member: str) -> bool:
    if hasattr(owner, member):
        return True
    if not inspect.isclass(owner) or owner.__module__ == "builtins":  # (the latter have no names of instances)
        return False
    # (some classes tell another module than their source's: the one that applications import them from)
    methods = [inspect.getsource(method) for method in vars(owner).values() if inspect.isfunction(method)]
    return re.search(rf"\bself\.{member}\b", "".join(methods)) is not None


def _module(path: str) -> Callable[[str], bool]:
    """Names of a module, and of its classes with a dot."""

    def exists(name: str) -> bool:
        found: Any = import_module(path)
        *owners, last = name.split(".")
        for owner in owners:
            found = getattr(found, owner, None) or import_module(f"{path}.{owner}")
        return _has(found, last)

    return exists


def _apache(name: str) -> bool:
    module = import_module("mod_python.apache")
    return name in module._SERVED or hasattr(module, name)  # noqa: SLF001  (what `__getattr__` gives in a server)


def _directive(name: str) -> bool:
    return name.lower() in import_module("mpserver.modules.all").registry().directives


def _handler(name: str) -> bool:
    return callable(getattr(import_module(name), "handler", None))


def _text(*patterns: str) -> Callable[[str], bool]:
    """Words of the source."""

    def exists(name: str) -> bool:
        return any(f'"{name}"' in path.read_text() for pattern in patterns for path in ROOT.glob(pattern))

    return exists


_TABLES = "t|table|headers_in|headers_out|err_headers_out|notes|subprocess_env|options|copy"
_OPERATORS = {
    "__getitem__": r"(?:t|headers_in)\[", "__setitem__": r"t\[[^]]*\] = ", "__delitem__": r"del (?:t|\w+)\[",
    "__contains__": r"in (?:t|table)\b", "__len__": r"len\(t", "__iter__": r"(?:list|iter)\(t|for \w+ in t\b",
    "__eq__": r"t == ", "__repr__": r"repr\(t",
}  # fmt: skip

#: By their names in names.txt, in the order of the page.
SECTIONS: dict[str, Section] = {
    "apache": Section("The module `apache`: functions and objects", _apache, r"\bapache\.NAME\b"),
    "constant": Section("The module `apache`: constants", _apache, r"\bNAME\b"),
    "request": Section(
        "The request object", _member("mpserver.api.request.Request"), r"\b(?:req|prev|next|main)\.NAME\b"
    ),
    "connection": Section(
        "The connection object",
        _member("mpserver.api.protocol_connection.ProtocolConnection"),
        r"\b(?:connection|conn|c)\.NAME\b",
    ),
    "server": Section("The server object", _member("mpserver.api.server.Server"), r"(?:\b|_)(?:server|s)\.NAME\b"),
    "filter": Section("The filter object", _member("mpserver.api.filter_object.Filter"), r"\b(?:filter|flt)\.NAME\b"),
    "table": Section("Tables", _member("mpserver.api.table.Table"), rf"\b(?:{_TABLES})\.NAME\b"),
    "finfo": Section(
        "File information", _member("mpserver.api.file_info.FileInfo"), r"\b(?:finfo|info|found|f)\.NAME\b"
    ),
    "hlist": Section("The list of handlers", _member("mpserver.api.handler_list.HandlerList"), r"\bhlist\.NAME\b"),
    "util": Section("The module `util`", _module("mod_python.util"), r"\bNAME\b"),
    "Cookie": Section("The module `Cookie`", _module("mod_python.Cookie"), r"\bNAME\b"),
    "Session": Section("The module `Session`", _module("mod_python.Session"), r"\bNAME\b"),
    "psp": Section("The module `psp`", _module("mod_python.psp"), r"\bNAME\b"),
    "cache": Section("The module `cache`", _module("mod_python.cache"), r"\bNAME\b"),
    "_apache": Section("The module `_apache`", _module("mod_python._served"), r"\b_apache\.NAME\b"),
    "httpdconf": Section("The module `httpdconf`", _module("mod_python.httpdconf"), r"\bNAME\b"),
    "package": Section("The package", _module("mod_python"), r"\bNAME\b"),
    "handler": Section("Handlers", _handler, r"\bNAME\b"),
    "directive": Section("Directives", _directive, r"\bNAME\b"),
    "option": Section("Options (`PythonOption`)", _text("mod_python/**/*.py", "mpserver/modules/**/*.py"), r"\bNAME\b"),
    "guard": Section("What the publisher looks for", _text("mod_python/*.py"), r"NAME\b"),
    "command": Section("The command `mod_python`", _text("mod_python/command.py"), r"""["']NAME["']"""),
}

#: The tests whose uses count for a section, where others have things that look alike.
FILES: dict[str, str] = {
    "table": r"test_table|test_published",
    "finfo": r"test_finfo|test_published|test_request",
    "util": r"test_util|test_publisher",
    "Cookie": r"test_cookie",
    "Session": r"test_session",
    "psp": r"test_psp|test_psp_objects",
    "cache": r"test_cache",
    "_apache": r"test_c_module",
    "httpdconf": r"test_httpdconf|test_command",
    "package": r"test_apache|test_httpdconf|test_command",
    "handler": r"tests/server|tests/apps",
    "option": r"session|psp|wsgi|lock|restrictions|modules/test_python|/support/",
    "guard": r"test_publisher|test_tutorial|test_published|test_demo",
    "command": r"test_command",
}


def uses(section: str, name: str) -> re.Pattern[str]:
    """The regular expression of a use of a name."""
    if section == "table" and name in _OPERATORS:
        return re.compile(_OPERATORS[name])
    if section == "finfo" and name == "__getitem__":
        return re.compile(r"finfo\[|info\[")
    if section in ("util", "Cookie", "Session", "psp", "cache", "httpdconf") and "." in name:
        member = name.rpartition(".")[2]
        if member.startswith("__"):
            return re.compile(_FORM_OPERATORS[member])
        return re.compile(rf"(?:\.|def ){member}\b")
    if section == "package" and "." in name:
        name = name.rpartition(".")[2]
    return re.compile(SECTIONS[section].uses.replace("NAME", re.escape(name)))


_FORM_OPERATORS = {
    "__getitem__": r"form\[|fields\[", "__setitem__": r"form\[[^]]*\] = |fields\[[^]]*\] = ", "__delitem__": r"del (?:form|fields)\[",
    "__contains__": r"in (?:form|fields)\b", "__iter__": r"(?:list|set|sorted)\((?:form|fields)\)", "__len__": r"len\((?:form|fields)\)",
}  # fmt: skip
