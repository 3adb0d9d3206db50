"""Folders that ``mpserver serve`` serves: what of them is sent, and what is nobody's business.

Whoever says ``mpserver serve .`` means the pages, and has a ``.env``, a database or a key lying beside them all the
same.
"""

from __future__ import annotations

import re

from mpserver.config.lexer import quote

#: Endings of what is kept in such folders and is no page: configurations, databases with their journals, keys, logs,
#: copies of files.
_ENDINGS = (
    "bak", "cfg", "conf", "db", "db-journal", "db-shm", "db-wal", "dbm", "env", "ini", "jks", "kdbx", "key", "keystore",
    "log", "old", "orig", "p12", "pem", "pfx", "pid", "pyc", "pyo", "sql", "sqlite", "sqlite-journal", "sqlite-shm",
    "sqlite-wal", "sqlite3", "sqlite3-journal", "sqlite3-shm", "sqlite3-wal", "swo", "swp",
)  # fmt: skip
#: Names of files with passwords or keys, which may also be those of folders with pages.
_NAMES = ("groups?", "htdigest", "htpasswd", "id_(dsa|ecdsa|ed25519|rsa)", "passwd", "passwords?", "secrets?", "users?")

_PRIVATE = (
    "# what lies in folders and is for nobody outside: hidden files and folders, keys, databases, configurations, logs",
    f'<FilesMatch "(?i)(~|\\.({"|".join(_ENDINGS)}))$">',
    "    Require all denied",
    "</FilesMatch>",
    f'<FilesMatch "(?i)^({"|".join(_NAMES)})$">',
    '    Require expr "-d %{REQUEST_FILENAME}"',
    "</FilesMatch>",
    '<LocationMatch "/\\.(?!well-known(/|$))">',
    "    Require all denied",
    "</LocationMatch>",
)

_PAGES = (
    "    AddHandler mod_python .py .psp",
    "    PythonHandler mod_python.publisher | .py",
    "    PythonHandler mod_python.psp | .psp",
)


def literal(name: str) -> str:
    """A path or a name as the word of a section that means it, whatever is in it: there some signs stand for others."""
    if any(sign in name for sign in "*?["):
        name = re.sub(r"[*?\[]", r"[\g<0>]", name.replace("\\", "\\\\"))
    return quote(name)


def files(folder: str) -> tuple[str, ...]:
    """The lines for a folder that holds files alone."""
    return _listed(folder, "index.html", ())


def application(folder: str) -> tuple[str, ...]:
    """The lines for a folder with pages and modules, too."""
    return _listed(folder, "index.html index.psp index.py", _PAGES)


def _listed(folder: str, index: str, handlers: tuple[str, ...]) -> tuple[str, ...]:
    return (
        f"DocumentRoot {quote(folder)}",
        f"<Directory {literal(folder)}>",
        "    Require all granted",
        "    Options Indexes",
        "    IndexOptions FancyIndexing HTMLTable FoldersFirst SuppressDescription",
        f"    IndexIgnore .??* *~ {' '.join(f'*.{ending}' for ending in _ENDINGS)}",
        f"    DirectoryIndex {index}",
        *handlers,
        "</Directory>",
        *_PRIVATE,
    )


def page(folder: str, name: str) -> tuple[str, ...]:
    """The lines for one file, which is a page or has functions that are pages; what lies beside it is not served."""
    return (
        f"DocumentRoot {quote(folder)}",
        f"<Directory {literal(folder)}>",
        "    Require all granted",
        f"    DirectoryIndex {quote(name)}",
        *_PAGES,
        "</Directory>",
        "# nothing but this file",
        '<FilesMatch ".">',
        "    Require all denied",
        "</FilesMatch>",
        f"<Files {literal(name)}>",
        "    Require all granted",
        "</Files>",
        "# ... nor one of its name in a folder below",
        f"<LocationMatch {quote('^/(?!(' + re.escape(name) + ')?(/|$))')}>",
        "    Require all denied",
        "</LocationMatch>",
    )
