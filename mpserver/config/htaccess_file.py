"""Reading one .htaccess file."""

from __future__ import annotations

from mpserver.config.compiler import Compiler, Scope
from mpserver.config.override import Allowed
from mpserver.config.reader import Reader
from mpserver.config.registry import Registry, Section, Where
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.config.server import Server


class Given(Protocol):
    """What a configuration gives its .htaccess files: its directives and settings, ServerRoot, what Define has set."""

    @property
    def registry(self) -> Registry:
        """The directives."""

    @property
    def root(self) -> str:
        """ServerRoot."""

    @property
    def defines(self) -> dict[str, str]:
        """The names of -D and Define."""

    @property
    def variables(self) -> dict[str, str]:
        """Those with a value."""

    @property
    def main(self) -> Server:
        """The main server."""


def read(given: Given, path: str, directory: str, allowed: Allowed) -> tuple[Conf | None, ConfigError | None]:
    """What a file sets, or its first fault. ``directory`` ends with a slash. :raises OSError: it can't be read."""
    registry = given.registry
    reader = Reader(registry, given.root, given.defines, variables=given.variables, in_htaccess=True)
    try:
        reader.read_file(path)
    except ConfigError as error:
        return None, error
    compiler = Compiler(registry, given.root, given.defines, main=given.main.own_conf)
    conf = Conf()
    scope = Scope(Where.HTACCESS, conf, Conf(), section=Section("htaccess", directory), allowed=allowed)
    compiler.compile(reader.tree, scope)
    errors = sorted(reader.errors + compiler.errors, key=lambda error: error.line or 0)
    return (None, errors[0]) if errors else (conf, None)
