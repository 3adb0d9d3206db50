"""From the tree to settings: each directive is looked up, checked and applied; sections become entries.

The wording of the faults is httpd's, with what to do where httpd does not say it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from mpserver.config import foreign_directives, foreign_modules, lexer
from mpserver.config.branches import BRANCHES, Branch
from mpserver.config.entries import FILES, PROXIES, Entry
from mpserver.config.methods import Methods
from mpserver.config.override import Allowed
from mpserver.config.registry import Args, Call, Directive, Registry, Section, Where, short
from mpserver.config.section_kinds import SECTIONS, SectionKind, make_entry
from mpserver.config.settings import Conf
from mpserver.config.tree import Node
from mpserver.errors import ConfigError, ExpressionError
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.expression import Expression

#: What a wrong number of arguments is called, as httpd calls it.
_TAKES: Mapping[Args, str] = {
    Args.NONE: "takes no arguments",
    Args.FLAG: "must be On or Off",
    Args.TAKE1: "takes one argument",
    Args.TAKE2: "takes two arguments",
    Args.TAKE3: "takes three arguments",
    Args.TAKE12: "takes 1-2 arguments",
    Args.TAKE13: "takes one or three arguments",
    Args.TAKE23: "takes two or three arguments",
    Args.TAKE123: "takes one, two or three arguments",
    Args.ITERATE: "requires at least one argument",
    Args.ITERATE2: "requires at least two arguments",
}

#: For how many faults a similar name is looked for: to look for one takes a while, and who has more faults has others.
_SUGGESTED = 200

#: How many arguments there may be; and how many of them, from the first, can't be empty.
_COUNTS: Mapping[Args, tuple[frozenset[int], int]] = {
    Args.NONE: (frozenset({0}), 0),
    Args.TAKE1: (frozenset({1}), 1),
    Args.TAKE2: (frozenset({2}), 2),
    Args.TAKE3: (frozenset({3}), 3),
    Args.TAKE12: (frozenset({1, 2}), 1),
    Args.TAKE13: (frozenset({1, 3}), 1),
    Args.TAKE23: (frozenset({2, 3}), 2),
    Args.TAKE123: (frozenset({1, 2, 3}), 1),
}

_LEAST: Mapping[Args, int] = {Args.ITERATE: 1, Args.ITERATE2: 2}


class Scope:
    """Where directives stand: what they may be, and what they set.

    ``around`` is the innermost section's name as written, "" outside. ``directories`` and
    ``locations`` collect the server's sections. ``allowed`` is only for .htaccess files. ``methods``: those that it
    is limited to, None for all.
    """

    __slots__ = ("allowed", "around", "conf", "directories", "locations", "methods", "section", "server", "where")

    def __init__(
        self,
        where: Where,
        conf: Conf,
        server: Conf,
        *,
        section: Section | None = None,
        around: str = "",
        directories: list[Entry] | None = None,
        locations: list[Entry] | None = None,
        allowed: Allowed | None = None,
        methods: Methods | None = None,
    ) -> None:
        self.where, self.conf, self.server = where, conf, server
        self.methods = methods
        self.section, self.around = section, around
        self.directories: list[Entry] = [] if directories is None else directories
        self.locations: list[Entry] = [] if locations is None else locations
        self.allowed = allowed

    def inner(self, conf: Conf, section: Section | None, around: str, methods: Methods | None = None) -> Scope:
        """That of a section that stands here, and what it sets; in an .htaccess file all is such a file's."""
        where = self.where if self.allowed is not None else Where.DIRECTORY
        return Scope(where, conf, self.server, section=section, around=around, allowed=self.allowed, methods=methods)


class Compiler:
    """Applies nodes to scopes and collects what is wrong.

    ``on_host`` takes the VirtualHost sections of the server scope. ``main``: the settings of the main server, None
    while it is compiled.
    """

    __slots__ = ("defines", "errors", "main", "on_host", "registry", "root", "warnings")

    def __init__(
        self,
        registry: Registry,
        root: str,
        defines: dict[str, str],
        on_host: Callable[[Node], None] | None = None,
        main: Conf | None = None,
    ) -> None:
        self.registry, self.root, self.defines = registry, root, defines
        self.on_host, self.main = on_host, main
        self.errors: list[ConfigError] = []
        self.warnings: list[str] = []

    def compile(self, nodes: Iterable[Node], scope: Scope) -> None:
        """Apply the nodes of one scope; faults go to ``errors``."""
        for node in nodes:
            try:
                if node.children is None:
                    self.directive(node, scope)
                else:
                    self._section(node, node.children, scope)
            except ConfigError as error:
                self.errors.append(error.at(node.file, node.line))

    def directive(self, node: Node, scope: Scope) -> None:
        """Check and apply one directive."""
        known = self.registry.directives.get(node.name.lower())
        if known is None:
            if scope.allowed is not None and scope.allowed.nonfatal_unknown:
                return
            raise ConfigError(_unknown(node.name) + self._remedy(node.name))
        directive = known[0]
        if not _stands_well(directive, scope):
            return
        self._apply(directive, check_args(directive, node.args), node, scope)

    def _apply(
        self, directive: Directive, args: tuple[str, ...], node: Node, scope: Scope,
        inside: Callable[[Conf, Methods | None], None] | None = None,
    ) -> None:  # fmt: skip
        directive.apply(
            Call(
                directive.name,
                args,
                node.raw,
                node.file,
                node.line,
                scope.conf,
                scope.server,
                scope.where,
                scope.section,
                self.root,
                self.defines,
                self.registry,
                self.warnings,
                scope.allowed.options if scope.allowed is not None else None,
                scope.methods,
                inside,
                self.main,
            )
        )

    def _own_section(self, node: Node, children: tuple[Node, ...], scope: Scope) -> None:
        """A section that a module has: what stands in it goes where the module wants it."""
        known = self.registry.directives.get(f"<{node.name.lower()}")
        if known is None:
            raise ConfigError(
                _unknown("<" + node.name) + (self._near(node.name) or foreign_directives.remedy(node.name))
            )
        directive = known[0]
        if not _stands_well(directive, scope):
            return

        def inside(conf: Conf, methods: Methods | None = None) -> None:
            self.compile(
                children,
                scope.inner(conf, scope.section, node.name, methods or scope.methods),
            )

        self._apply(directive, check_args(directive, node.args), node, scope, inside)

    def _near(self, name: str) -> str:
        """The question whether a section of a similar name was meant; "" if there is none."""
        from mpserver import alike  # (only where something is wrong)

        if len(self.errors) >= _SUGGESTED:
            return ""
        others = [known[0].name[1:] for key, known in self.registry.directives.items() if key.startswith("<")]
        names = {its.lower(): its for its in (*(kind.name for kind in SECTIONS.values()), *others)}
        return alike.asked(name.lower(), names, likeness=0.8, shown=lambda key: f"<{names[key]}>")

    def _remedy(self, name: str) -> str:
        """What to do about a directive of the other MPM, one that is nearly called so, or one of a module not here."""
        known = foreign_modules.remedy(name)
        if known is not None:
            return f": {known}"
        module = self.registry.left_out(name)
        if module is None:
            near = self.registry.nearest(name) if len(self.errors) < _SUGGESTED else ""
            # (who misspells one of ours begins as that one does: CacheEnable is not TraceEnable)
            is_ours = f" {name[:2].lower()}" in near.lower()
            return near if is_ours else foreign_directives.remedy(name) or near
        return (
            f": it belongs to {module.name}; choose that one by 'MPM {short(module)}', or put the line into "
            f"<IfModule {module.name}>"
        )

    def _section(self, node: Node, children: tuple[Node, ...], scope: Scope) -> None:
        kind = SECTIONS.get(node.name.lower())
        if kind is None:
            self._own_section(node, children, scope)
            return
        # A section that can't stand here is not looked into: what it holds has no meaning.
        _check_place(node.name, kind, scope)
        if kind.family == "host":
            if self.on_host is not None:
                self.on_host(node)
            return
        if kind.family == "branch":
            self._branch(node, children, scope, kind)
            return
        try:
            entry = _entry(node, kind)
        except ConfigError as error:
            self.errors.append(error.at(node.file, node.line))
            entry = make_entry(kind.name, kind.family, "", is_regex=False)
        entry.place = node.file, node.line
        # <Directory ~ ...> is a DirectoryMatch by another name
        name = kind.name if not entry.is_regex else kind.name.removesuffix("Match") + "Match"
        self.compile(
            children,
            scope.inner(entry.conf, Section(name, entry.pattern, scope.section), node.name),
        )
        if kind.family == "files":
            scope.conf[FILES] = (*scope.conf[FILES], entry)
        elif kind.family == "proxy":
            scope.server[PROXIES] = (*scope.server.values.get(PROXIES, ()), entry)
        elif kind.family == "directory":
            scope.directories.append(entry)
        else:
            scope.locations.append(entry)

    def _branch(self, node: Node, children: tuple[Node, ...], scope: Scope, kind: SectionKind) -> None:
        """If, ElseIf or Else: a condition, and what it sets."""
        before = scope.conf[BRANCHES]
        otherwise = kind.name != "If"
        if otherwise and not (before and before[-1].condition is not None):
            raise ConfigError("<Else> or <ElseIf> section without previous <If> or <ElseIf> section in same scope")
        condition = None
        try:
            condition = _condition(node, kind.name)
        except ConfigError as error:
            self.errors.append(error.at(node.file, node.line))
        conf = Conf()
        self.compile(
            children,
            scope.inner(conf, Section(kind.name, "", scope.section), node.name),
        )
        scope.conf[BRANCHES] = (*scope.conf[BRANCHES], Branch(condition, otherwise, conf))


def _condition(node: Node, name: str) -> Expression | None:
    """The condition of If and ElseIf; None for Else, which has none."""
    if name == "Else":
        if node.args:
            raise ConfigError("<Else> does not take an argument")
        return None
    if not node.args:
        raise ConfigError(f"<{name}> directive requires additional arguments")
    if len(node.args) > 1:
        raise ConfigError(
            f'Multiple <{name}> arguments not supported: write the condition in quotes, as in <{name} "true">'
        )
    # (only where there are conditions)
    from mpserver.config import expression_grammar
    from mpserver.config.expression_names import OF_RESOURCES

    try:
        expression = expression_grammar.test(node.args[0])
    except ExpressionError as error:
        raise ConfigError(f"Cannot parse condition clause: {error}") from error
    asked = OF_RESOURCES.intersection(expression_grammar.operators(expression.tree))
    if asked:
        raise ConfigError(
            f"<{name}> can't ask with {min(asked)} for another resource, whose own sections would have to be found "
            "first: test its file with -f, or use Require expr"
        )
    return expression


def check_args(directive: Directive, args: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments as the directive takes them; ConfigError if their number is wrong.

    As in httpd, what follows On or Off is not looked at, and an empty argument ends a list.
    """
    rule = directive.args
    if rule is Args.TAKE1 and len(args) == 1 and args[0]:
        return args
    if rule is Args.FLAG:
        if args and args[0].lower() in ("on", "off"):
            return args
    elif rule in _LEAST:
        if "" in args:
            args = args[: args.index("")]
        if len(args) >= _LEAST[rule]:
            return args
    elif rule in _COUNTS:
        counts, filled = _COUNTS[rule]
        if len(args) in counts and "" not in args[:filled]:
            return args
    else:
        return args
    wrong = f"{directive.name} {_TAKES[rule]}"
    raise ConfigError(f"{wrong}, {directive.help}" if directive.help and rule is not Args.FLAG else wrong)


def _stands_well(directive: Directive, scope: Scope) -> bool:
    """Whether a directive is to be applied here; ConfigError if it can't stand here."""
    allowed = scope.allowed
    if allowed is not None:
        if directive.where & Where.HTACCESS:
            if directive.override & allowed.classes or directive.name.lower() in allowed.directives:
                return True
            if directive.override & allowed.nonfatal:
                return False
    elif directive.where & scope.where:
        return True
    elif scope.where is Where.VHOST and directive.where & Where.SERVER:
        raise ConfigError(f"{directive.name} cannot occur within <VirtualHost> section")
    raise ConfigError(directive.name + _not_allowed(scope))


def _check_place(name: str, kind: SectionKind, scope: Scope) -> None:
    if scope.around and scope.around.lower() not in SECTIONS:  # (what modules have holds directives alone)
        raise ConfigError(f"<{name}{_not_allowed(scope)}")
    if kind.family in ("files", "branch"):
        outer = SECTIONS.get(scope.around.lower())
        if kind.family == "files" and outer is not None and outer.family in ("location", "branch"):
            remedy = f": put the <{scope.around}> into the <{name}>" if outer.family == "branch" else ""
            raise ConfigError(f"<{name}> cannot occur within <{scope.around}> section{remedy}")
        allowed = scope.allowed
        if allowed is None or allowed.classes or f"<{kind.name.lower()}" in allowed.directives:
            return
    elif scope.where is Where.SERVER or (scope.where is Where.VHOST and kind.family != "host"):
        return
    elif scope.where is Where.VHOST:
        raise ConfigError(f"<{name}> cannot occur within <VirtualHost> section")
    raise ConfigError(f"<{name}{_not_allowed(scope)}")


def _not_allowed(scope: Scope) -> str:
    return f" not allowed in <{scope.around}> context" if scope.around else " not allowed here"


def _unknown(name: str) -> str:
    return (
        f"Invalid command '{name}', perhaps misspelled or defined by a module not included in the server configuration"
    )


def _entry(node: Node, kind: SectionKind) -> Entry:
    """The section's entry, empty yet: its pattern read and compiled."""
    name = kind.name
    if not node.args:
        raise ConfigError(f"<{name}> directive requires additional arguments")
    pattern, rest = node.args[0], node.args[1:]
    is_regex = kind.regex
    if pattern == "~" and (rest or not kind.regex):
        # "<Directory ~ regex>"; "<DirectoryMatch ~ regex>" means the same
        is_regex = True
        pattern, rest = (rest[0], rest[1:]) if rest else ("", ())
    if rest:
        raise ConfigError(f"Multiple <{name}> arguments not (yet) supported.")
    if kind.family == "directory" and not is_regex:
        pattern = directory_path(pattern)
    return make_entry(name, kind.family, pattern, is_regex=is_regex)


def directory_path(text: str) -> str:
    """A directory's path from the root, without empty, ``.`` and ``..`` parts, with a trailing slash."""
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts) + "/" if parts else "/"


def host_words(node: Node) -> tuple[str, ...]:
    """The addresses of a VirtualHost section. ConfigError if there are none."""
    found = tuple(word for arg in node.args for word in arg.split(" ") if word.strip(lexer.BLANKS))
    if not found:
        raise ConfigError("<VirtualHost> directive requires additional arguments")
    return found
