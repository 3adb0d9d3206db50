"""Targets that read what owners of sites write: configurations, expressions, rules, pages."""

from __future__ import annotations

import functools
import tempfile
import warnings
from pathlib import Path

from mod_python._psp import pages
from mpserver.config import htaccess_file
from mpserver.config.configuration import Configuration, load
from mpserver.config.finished import Finished
from mpserver.config.finishing import write
from mpserver.config.override import Allowed, Override
from mpserver.errors import ConfigError, ConfigErrors, ExpressionError
from mpserver.modules.all import registry
from mpserver.modules.expressions import parse
from mpserver.modules.include import tags
from mpserver.modules.rewrite import templates

_ALL = Allowed(Override.ALL)


@functools.cache
def _folder() -> Path:
    """A folder for the files that are read, as long as this process lives."""
    kept = tempfile.TemporaryDirectory(prefix="mpserver-fuzz-")
    folder = Path(kept.name)
    _KEPT.append(kept)
    return folder


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _config(data: bytes, name: str = "httpd.conf") -> Configuration | None:
    (_folder() / name).write_bytes(data)
    try:
        return load(name, registry(), root=str(_folder()))
    except ConfigErrors as errors:
        for error in errors.errors:
            assert str(error)
        return None


def configuration(data: bytes) -> None:
    """A configuration: it is read and can be handed on, or each fault is told."""
    found = _config(data)
    if found is not None:
        Finished(write(found), registry)


@functools.cache
def _given() -> Configuration:
    found = _config(b"ServerName fuzz.test\n", "plain.conf")
    assert found is not None
    return found


def htaccess(data: bytes) -> None:
    """A .htaccess file with every right."""
    path = _folder() / ".htaccess"
    path.write_bytes(data)
    _conf, error = htaccess_file.read(_given(), str(path), f"{_folder()}/", _ALL)
    assert error is None or str(error)


def rewrite(data: bytes) -> None:
    """Rules of mod_rewrite: a line each, and each as what a rule puts together."""
    htaccess(b"RewriteEngine On\n" + data)
    for line in data.decode("latin-1").splitlines():
        try:
            templates.read(line)
        except ConfigError as error:
            assert str(error)


class _Known:
    """What an expression asks of its request."""

    match = None

    def variable(self, name: str) -> str:
        """Something for some names."""
        return {"a": "apple", "n": "10"}.get(name, "")

    def header(self, name: str) -> str:
        """Its name."""
        return name

    def reachable(self, uri: str) -> bool:
        """Some are."""
        return uri == "/"


def expression(data: bytes) -> None:
    """An expression; without regular expressions, which take what time they want, it is asked, too."""
    try:
        found = parse(data.decode("latin-1"))
    except ExpressionError:
        return
    if b"~" not in data:
        try:
            found(_Known())
        except ExpressionError:
            pass


def psp(data: bytes) -> None:
    """A page: compiled, not run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pages.from_string(data, None)
            pages.text(data)
        except SyntaxError as error:
            assert error.msg


def ssi(data: bytes) -> None:
    """A page with server side includes: its tags, whole and cut."""
    data, start, end = data[:8192], b"<!--#", b"-->"
    at = data.find(start)
    while at >= 0:
        found = tags.scan(data, at + len(start), end, last=True)
        cut = tags.scan(data[: at + (len(data) - at) // 2], at + len(start), end)
        assert cut is None or (found is not None and cut.end == found.end)
        for _name, value in found.arguments if found is not None else ():
            if value is not None:
                for coding in ("url", "urlencoded", "base64", "entity", "none"):
                    tags.decode(tags.encode(value, coding), coding)
                    tags.decode(value, f"{coding},base64")
        at = data.find(start, found.end if found is not None else at + 1)
    assert 0 <= tags.overlap(data, 0, start) <= len(start)
