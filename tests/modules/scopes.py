"""Directives applied by themselves: a scope's settings from lines of configuration, without files."""

from __future__ import annotations

from mpserver.config.compiler import check_args
from mpserver.config.lexer import words
from mpserver.config.registry import Call, Registry, Section, Where
from mpserver.config.settings import Conf
from mpserver.modules.all import registry

REGISTRY: Registry = registry()
#: By name in lower case; those of both MPMs.
DIRECTIVES = {directive.name.lower(): directive for module in REGISTRY.built_in for directive in module.directives}


class Scope:
    """A scope under test: ``conf`` and ``server`` as directives fill them."""

    def __init__(self, section: Section | None = None, where: Where = Where.SERVER, root: str = "/srv") -> None:
        self.conf, self.server = Conf(), Conf()
        self.section, self.where, self.root = section, where, root
        self.warnings: list[str] = []

    def say(self, *lines: str) -> Scope:
        """Apply some lines, numbered from 1. :raises ConfigError: what a directive says."""
        for number, line in enumerate(lines, 1):
            name, _, raw = line.strip().partition(" ")
            directive = DIRECTIVES[name.lower()]
            call = Call(
                directive.name, words(raw), raw, "test.conf", number, self.conf, self.server, self.where, self.section,
                self.root, {}, REGISTRY, self.warnings,
            )  # fmt: skip
            call.args = check_args(directive, call.args)
            directive.apply(call)
        return self


def within(kind: str, path: str) -> Scope:
    """A scope inside a section."""
    return Scope(Section(kind, path), Where.HTACCESS if kind == "htaccess" else Where.DIRECTORY)


def in_directory(*lines: str) -> Conf:
    """The settings of a Directory with these lines."""
    return within("Directory", "/srv/www").say(*lines).conf
