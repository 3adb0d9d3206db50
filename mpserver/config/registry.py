"""The registry of directives: what each is called, where it may stand, what it takes.

A module (see ``mpserver.modules``) lists its directives; the registry refuses duplicates, finds
a directive by name in any case, and checks contexts and the number of arguments with httpd's
wording before the directive's own code runs.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable

from mpserver.config.methods import Methods
from mpserver.config.override import Override
from mpserver.config.settings import Conf, Setting
from mpserver.typing import NamedTuple


class Where(enum.Flag):
    """Contexts of a directive, as httpd's documentation names them."""

    SERVER = enum.auto()
    VHOST = enum.auto()
    DIRECTORY = enum.auto()  # Directory, DirectoryMatch, Location, LocationMatch, Files, FilesMatch
    HTACCESS = enum.auto()


SERVER_ONLY = Where.SERVER
SERVER_VHOST = Where.SERVER | Where.VHOST
EVERYWHERE = Where.SERVER | Where.VHOST | Where.DIRECTORY | Where.HTACCESS
NOT_HTACCESS = Where.SERVER | Where.VHOST | Where.DIRECTORY
IN_DIRECTORY = Where.DIRECTORY | Where.HTACCESS


class Args(enum.Enum):
    """How many arguments a directive takes, as httpd names it."""

    NONE = "no arguments"
    FLAG = "On or Off"
    TAKE1 = "one"
    TAKE2 = "two"
    TAKE3 = "three"
    TAKE12 = "one or two"
    TAKE13 = "one or three"
    TAKE23 = "two or three"
    TAKE123 = "one, two or three"
    ITERATE = "one or more"
    ITERATE2 = "one, then one or more"
    ANY = "any number"
    #: In Call.raw; its words are in Call.args, too.
    RAW = "as many as it takes"


class Section(NamedTuple):
    """The innermost section around a directive: ``Directory``, ``LocationMatch``..., its path or pattern.

    In a .htaccess file: kind ``htaccess`` and the file's directory (with a trailing slash).
    ``parent``: the section around this one (a Directory around Files).
    """

    kind: str
    path: str
    parent: Section | None = None


def _nothing(_conf: Conf, _methods: Methods | None = None) -> None:
    """What stands in a directive that is no section."""


class Call:
    """One use of a directive, as its code sees it.

    ``conf`` takes settings of the directory level (of the section, or of the server around it);
    ``server`` those of the server level; ``main`` has those of the main server, as far as they are read.
    ``section`` is None outside sections. ``defines``: names given by -D and Define.
    ``root``: ServerRoot. ``registry`` has all directives, and
    knows the modules. ``options``: the words that AllowOverride leaves to Options in a .htaccess file, None
    for all. ``methods``: those that the directive is limited to, None for all. ``inside``: applies what stands in
    the section, where the directive is one, to a scope's settings; limited to methods, if some are given.
    """

    __slots__ = (
        "args", "conf", "defines", "file", "inside", "line", "main", "methods", "name", "options", "raw", "registry",
        "root", "section", "server", "where", "_warnings",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        args: tuple[str, ...],
        raw: str,
        file: str,
        line: int,
        conf: Conf,
        server: Conf,
        where: Where,
        section: Section | None,
        root: str,
        defines: dict[str, str],
        registry: Registry,
        warnings: list[str] | None = None,
        options: frozenset[str] | None = None,
        methods: Methods | None = None,
        inside: Callable[[Conf, Methods | None], None] | None = None,
        main: Conf | None = None,
    ) -> None:
        self.name, self.args, self.raw = name, args, raw
        self.file, self.line = file, line
        self.conf, self.server = conf, server
        self.main = server if main is None else main
        self.where, self.section = where, section
        self.root, self.defines = root, defines
        self.registry = registry
        self.options = options
        self.methods = methods
        self.inside = inside if inside is not None else _nothing
        self._warnings = warnings

    def warn(self, text: str) -> None:
        """Note a warning about this use of the directive; the configuration lists it."""
        if self._warnings is not None:
            self._warnings.append(f"{text} (line {self.line} of {self.file})")

    @property
    def flag(self) -> bool:
        """The value of an On/Off directive (the registry has checked the word)."""
        return self.args[0].lower() == "on"


class Directive(NamedTuple):
    """A directive's entry: ``apply`` raises ConfigError with what is wrong and the remedy.

    ``help`` says what the arguments are; it is added to the error about their number. The name of a section that a
    module has begins with ``<``.
    """

    name: str
    args: Args
    where: Where
    apply: Callable[[Call], None]
    override: Override = Override.NONE
    help: str = ""


class Module(NamedTuple):
    """An httpd module: its source name (``mod_alias.c``), its name for LoadModule, its directives."""

    source: str
    name: str
    directives: tuple[Directive, ...]
    #: What LoadModule sets for all servers, where the module acts by being loaded.
    loaded: Setting[bool] | None = None


def short(mpm: Module) -> str:
    """The name of an MPM for people: worker, of mpm_worker_module."""
    return mpm.name.removeprefix("mpm_").removesuffix("_module")


class Registry:
    """All modules' directives by lower-case name.

    ``mpms`` are modules of which only one counts at a time (`mpm`): the first, until another is chosen.
    """

    def __init__(self, modules: Iterable[Module], mpms: Iterable[Module] = (), mpm: Module | None = None) -> None:
        self._others, self.mpms = tuple(modules), tuple(mpms)
        self.mpm = mpm if mpm is not None or not self.mpms else self.mpms[0]
        self.modules = self._others if self.mpm is None else (*self._others, self.mpm)
        self.directives: dict[str, tuple[Directive, Module]] = {}
        for module in self.modules:
            for directive in module.directives:
                key = directive.name.lower()
                if key in self.directives:
                    raise ValueError(f"{directive.name} is registered twice")
                self.directives[key] = (directive, module)

    @property
    def built_in(self) -> tuple[Module, ...]:
        """All modules, those that were not chosen as well."""
        return (*self._others, *self.mpms)

    def chosen(self, names: Iterable[str]) -> Registry:
        """This registry with the MPM that is among these names of modules, if one is."""
        wanted = set(names)
        found = next((mpm for mpm in self.mpms if mpm.name in wanted), None)
        return self if found is None else Registry(self._others, self.mpms, found)

    def nearest(self, name: str) -> str:
        """The question whether a directive of a similar name was meant; "" if there is none."""
        from mpserver import alike  # (only where something is wrong)

        return alike.asked(name.lower(), self.directives, likeness=0.8, shown=lambda key: self.directives[key][0].name)

    def left_out(self, name: str) -> Module | None:
        """The MPM that was not chosen and would have this directive."""
        wanted = name.lower()
        return next(
            (mpm for mpm in self.mpms if any(directive.name.lower() == wanted for directive in mpm.directives)),
            None,
        )
