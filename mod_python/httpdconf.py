"""Configuration files written in Python (api 3.5 1.17).

A configuration is made of objects whose ``str()`` is the text for the server and whose ``repr()``
is Python that makes them again::

    >>> print(Container(Listen("8888"), Location("/app", SetHandler("mod_python"), PythonHandler("app"))))
    Listen 8888
    <Location /app>
      SetHandler mod_python
      PythonHandler app
    </Location>
    <BLANKLINE>

It needs no running server.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from mpserver.typing import Any, Union

#: What a container can hold.
Item = Union["Directive", "Container", "ContainerTag", "Comment"]

#: Spaces for each level, of the text and of the Python.
TEXT_STEP, PYTHON_STEP = 2, 4

#: Where systems keep the media types of file extensions.
MIME_TYPES = ("/etc/mime.types", "/etc/apache2/mime.types", "/etc/httpd/conf/mime.types")


#: Accounts that systems have for web servers.
ACCOUNTS = ("www-data", "apache", "http", "nobody")


class Directive:
    """A line: a directive's name and its arguments, as they stand in the file.

    :param flipslash: write backslashes as slashes, for paths of Windows.
    """

    #: What flipslash is, unless it is given.
    usual_flipslash = 1

    def __init__(self, name: str, val: str, flipslash: int = 1) -> None:
        self.name = name
        self.val = str(val)
        self.flipslash = flipslash
        self.indent = 0

    def __str__(self) -> str:
        value = self.val.replace("\\", "/") if self.flipslash else self.val
        return f"{' ' * self.indent}{self.name} {value}\n"

    def __repr__(self) -> str:
        more = "" if bool(self.flipslash) == bool(self.usual_flipslash) else f", flipslash={int(bool(self.flipslash))}"
        if type(self) is Directive:
            return f"Directive({self.name!r}, {self.val!r}{more})"
        return f"{type(self).__name__}({self.val!r}{more})"


class Comment:
    """Lines that begin with ``#``."""

    def __init__(self, comment: str) -> None:
        self.comment = str(comment)
        self.indent = 0

    def __str__(self) -> str:
        lines = self.comment.removesuffix("\n").split("\n")
        return "".join(f"{' ' * self.indent}# {line}".rstrip() + "\n" for line in lines)

    def __repr__(self) -> str:
        lines = self.comment.splitlines(keepends=True) or [""]
        return f"Comment({(chr(10) + ' ' * 8).join(map(repr, lines))})"


class Container:
    """Several items, one after the other.

    :param only_if: an expression; where it is false the text is empty. It knows ``mod_python``, ``os``, ``sys``.
    """

    def __init__(self, *args: Item, only_if: str | None = None) -> None:
        self.args: list[Item] = []
        self.only_if = only_if
        self.indent = 0
        for item in args:
            self.append(item)

    def append(self, value: Item) -> None:
        """Add an item. :raises TypeError: it is something else."""
        if not isinstance(value, Directive | Container | ContainerTag | Comment):
            raise TypeError(
                f"a container holds Directive, Container, ContainerTag and Comment, not {type(value).__name__}"
            )
        self.args.append(value)

    def __str__(self) -> str:
        if self.only_if is not None and not _holds(self.only_if):
            return ""
        parts = []
        for item in self.args:
            item.indent = self.indent
            parts.append(str(item))
        return "".join(parts)

    def __repr__(self) -> str:
        last = [] if self.only_if is None else [f"only_if={self.only_if!r}"]
        return _call("Container", [], self.args, last)


class ContainerTag:
    """A section: ``<tag attr>`` with its items between."""

    def __init__(self, tag: str, attr: str, args: Iterable[Item], flipslash: int = 1) -> None:
        self.tag = tag
        self.attr = str(attr)
        self.container = Container(*args)
        self.flipslash = flipslash
        self.indent = 0

    def append(self, value: Item) -> None:
        """Add an item. :raises TypeError: it is something else."""
        self.container.append(value)

    @property
    def args(self) -> list[Item]:
        """The items."""
        return self.container.args

    def __str__(self) -> str:
        self.container.indent = self.indent + TEXT_STEP
        space = " " * self.indent
        attr = self.attr.replace("\\", "/") if self.flipslash else self.attr
        return f"{space}<{self.tag} {attr}>\n{self.container}{space}</{self.tag}>\n"

    def __repr__(self) -> str:
        last = [] if self.flipslash else ["flipslash=0"]
        if type(self) is ContainerTag:
            inner = "[" + "".join(f"\n{_shift(repr(item), PYTHON_STEP)}," for item in self.args) + "\n]"
            return _call("ContainerTag", [repr(self.tag), repr(self.attr), inner], [], last)
        return _call(type(self).__name__, [repr(self.attr)], self.args, last)


def _holds(expression: str) -> bool:
    import mod_python

    return bool(eval(expression, {"mod_python": mod_python, "os": os, "sys": sys}))  # noqa: S307 - written by who makes the configuration


def _shift(text: str, step: int) -> str:
    return "\n".join(" " * step + line for line in text.split("\n"))


def _call(name: str, first: Sequence[str], items: Iterable[Item], last: Sequence[str]) -> str:
    """A call as Python: the first arguments on its line, each item on one of its own."""
    lines = [_shift(text, PYTHON_STEP) + "," for text in (*map(repr, items), *last)]
    start = ", ".join(first)
    if not lines:
        return f"{name}({start})"
    return f"{name}({start}{',' if start else ''}\n" + "\n".join(lines) + "\n)"


# ---- ready-made ones

#: Directives that have a class of their name.
DIRECTIVES = (
    "AddHandler", "AddOutputFilter", "AddType", "Alias", "AllowOverride", "AuthBasicAuthoritative",
    "AuthBasicProvider", "AuthName", "AuthType", "CustomLog", "Define", "DirectoryIndex", "DirectorySlash",
    "DocumentRoot", "ErrorDocument", "ErrorLog", "Group", "Include", "IncludeOptional", "KeepAlive",
    "KeepAliveTimeout", "LimitRequestBody", "Listen", "LoadModule", "LockFile", "LogFormat", "LogLevel", "MaxClients",
    "MaxConnectionsPerChild", "MaxKeepAliveRequests", "MaxRequestWorkers", "MaxRequestsPerChild", "MaxSpareServers",
    "MaxSpareThreads", "MaxThreadsPerChild", "MinSpareServers", "MinSpareThreads", "Mutex", "NameVirtualHost",
    "NumServers", "Options", "PidFile", "PythonAccessHandler", "PythonAuthenHandler", "PythonAuthzHandler",
    "PythonAutoReload", "PythonCleanupHandler", "PythonConnectionHandler", "PythonDebug", "PythonEnablePdb",
    "PythonFixupHandler", "PythonHandler", "PythonHandlerModule", "PythonHeaderParserHandler", "PythonImport",
    "PythonInitHandler", "PythonInputFilter", "PythonInterpBackend", "PythonInterpPerDirective",
    "PythonInterpPerDirectory", "PythonInterpreter", "PythonLogHandler", "PythonOption", "PythonOutputFilter",
    "PythonPath", "PythonPostReadRequestHandler", "PythonTransHandler", "PythonTypeHandler", "Require",
    "ScriptAlias", "ServerAdmin", "ServerAlias", "ServerLimit", "ServerName", "ServerPath", "ServerRoot",
    "SetHandler", "SetInputFilter", "SetOutputFilter", "StartServers", "StartThreads", "ThreadsPerChild", "Timeout",
    "TypesConfig", "User",
)  # fmt: skip

#: Those whose values hold backslashes that are no paths of Windows: quotes in a format, regular expressions in Python.
KEEP_BACKSLASHES = frozenset({"LogFormat", "PythonPath"})

#: Sections that have a class of their name.
SECTIONS = (
    "Directory", "DirectoryMatch", "Files", "FilesMatch", "IfDefine", "IfModule", "IfVersion", "Location",
    "LocationMatch", "RequireAll", "RequireAny", "RequireNone", "VirtualHost",
)  # fmt: skip


def _directive(name: str) -> type[Directive]:
    usual = 0 if name in KEEP_BACKSLASHES else 1

    def __init__(self: Directive, val: str, flipslash: int = usual) -> None:
        Directive.__init__(self, name, val, flipslash)

    attributes = {
        "__init__": __init__,
        "__module__": __name__,
        "__doc__": f"A {name} line.",
        "usual_flipslash": usual,
    }
    return type(name, (Directive,), attributes)


def _section(name: str) -> type[ContainerTag]:
    def __init__(self: ContainerTag, attr: str, *args: Item, flipslash: int = 1) -> None:
        ContainerTag.__init__(self, name, attr, args, flipslash)

    return type(name, (ContainerTag,), {"__init__": __init__, "__module__": __name__, "__doc__": f"<{name}>."})


_made: dict[str, Any] = {name: _directive(name) for name in DIRECTIVES}
_made.update((name, _section(name)) for name in SECTIONS)
globals().update(_made)


def __getattr__(name: str) -> Any:
    """For those who check types: the ready-made classes are in the module's names already."""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [  # noqa: PLE0604 - names, all of them
    "Directive", "Container", "ContainerTag", "Comment", "write_basic_config", "quote_if_space", *DIRECTIVES, *SECTIONS,
]  # fmt: skip


# ---- a site to begin with


def quote_if_space(text: str) -> str:
    """An argument in quotes, if it would be several without."""
    return f'"{text}"' if any(character.isspace() for character in text) and not text.startswith('"') else text


def write_basic_config(
    server_root: str,
    listen: str = "0.0.0.0:8888",
    conf: str = "conf",
    logs: str = "logs",
    htdocs: str = "public",
    pythonhandler: str = "mod_python.publisher",
    pythonpath: Sequence[str] = (),
    pythonoptions: Sequence[str] = (),
    mp_comments: Sequence[str] = (),
    conf_name: str = "httpd_conf.py",
    createdirs: bool = True,
    replace_config: bool = False,
) -> str | None:
    """Write a configuration in Python for a new site, and make its folders.

    :param pythonpath: folders of modules, beside ``sys.path``.
    :param pythonoptions: each ``name value``.
    :param mp_comments: lines for the comments about mod_python.
    :param replace_config: write over a configuration that is there.
    :returns: the path of the configuration, None (and a message) where there is one already.
    :raises OSError: a folder or file can't be made.
    """
    root = os.path.abspath(server_root)
    conf_dir, logs_dir, public = (os.path.join(root, name) for name in (conf, logs, htdocs))
    path = os.path.join(conf_dir, conf_name)
    if os.path.exists(path) and not replace_config:
        _tell(f"There is a configuration already: {path!r}. Remove it first, or name another folder.")
        return None
    if createdirs:
        for folder in (root, public, conf_dir, logs_dir):
            if os.path.isdir(folder):
                _tell(f"The folder {folder!r} is there already.")
            else:
                _tell(f"Making the folder {folder!r}.")
                os.makedirs(folder)
    types = os.path.join(conf_dir, "mime.types")
    if not os.path.exists(types):
        _tell(f"Writing {types!r}.")
        _write(types, _mime_types())
    config = _basic(root, listen, conf, logs, public, pythonhandler, pythonpath, pythonoptions, mp_comments)
    _tell(f"Writing {path!r}.")
    _write(path, PAGE.format(python=sys.executable, name=path, config=repr(config)))
    return path


PAGE = """#!{python}

# A configuration in Python: change it as you like, then make the server's file of it again:
#
#   mod_python genconfig {name} > httpd.conf

from mod_python.httpdconf import *

config = {config}

print(config, end="")
"""


def _basic(
    root: str, listen: str, conf: str, logs: str, public: str, handler: str,
    pythonpath: Sequence[str], options: Sequence[str], comments: Sequence[str],
) -> Container:  # fmt: skip
    def line(name: str, value: str) -> Directive:
        made: Directive = _made[name](value)
        return made

    python: list[Item] = [line("SetHandler", "mod_python"), line("PythonHandler", handler)]
    if pythonpath:
        folders = [os.path.abspath(folder) for folder in pythonpath]
        python.append(line("PythonPath", f'"sys.path+{folders!r}"'))
    python += [line("PythonOption", option) for option in options]
    python += [Comment(text) for text in comments]
    log_format = _made["LogFormat"](
        r'"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined', flipslash=0
    )
    # WSGI has URLs of its own, all others files
    section, place = ("Location", "/") if handler == "mod_python.wsgi" else ("Directory", quote_if_space(public))
    return Container(
        Comment("The server"),
        line("ServerRoot", quote_if_space(root)),
        line("ServerName", "127.0.0.1"),
        line("Listen", listen),
        *[line(name, value) for name, value in account(root)],
        line("PidFile", f"{logs}/httpd.pid"),
        line("ErrorLog", f"{logs}/error_log"),
        line("LogLevel", "warn"),
        log_format,
        line("CustomLog", f"{logs}/access_log combined"),
        line("TypesConfig", f"{conf}/mime.types"),
        line("DocumentRoot", quote_if_space(public)),
        Comment("The application. For its errors to be shown in the browser: PythonDebug On"),
        _made[section](place, line("Require", "all granted"), *python),
    )


def account(folder: str) -> list[tuple[str, str]]:
    """User and Group for a server that root starts: the folder's owner, else one without rights; else nothing."""
    if os.geteuid() != 0:
        return []
    import grp
    import pwd

    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    owner = os.stat(folder).st_uid if os.path.isdir(folder) else 0
    names = [entry.pw_name for entry in accounts.values() if owner and entry.pw_uid == owner]
    for name in (*names, *ACCOUNTS):
        if name in accounts:
            return [("User", name), ("Group", grp.getgrgid(accounts[name].pw_gid).gr_name)]
    return []


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _mime_types() -> str:
    """The system's list of media types, or Python's where there is none."""
    for path in MIME_TYPES:
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
    import mimetypes

    by_type: dict[str, list[str]] = {}
    for extension, media in sorted(mimetypes.types_map.items()):
        by_type.setdefault(media, []).append(extension.removeprefix("."))
    return "".join(f"{media}\t{' '.join(extensions)}\n" for media, extensions in by_type.items())
