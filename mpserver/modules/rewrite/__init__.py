"""RewriteRule and its kin: requests that are led elsewhere by rules (httpd's mod_rewrite)."""

from __future__ import annotations

from mpserver.config.expression import Expression
from mpserver.config.settings import Setting
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

    from mpserver.config.server import Server

#: A text with references, as `mpserver.modules.rewrite.templates` reads it: pieces of a kind and what that needs.
Template = tuple[tuple[Any, ...], ...]


class Flags(NamedTuple):
    """What the flags of a rule say, by httpd's long names."""

    chain: bool = False
    last: bool = False
    end: bool = False
    #: How many rounds N allows; 0: no new round.
    rounds: int = 0
    skip: int = 0
    #: R: the status of a redirect; 0: none is forced.
    redirect: int = 0
    #: F, G and R with a status that is no redirect: what the request is answered with.
    status: int = 0
    no_escape: bool = False
    pass_through: bool = False
    proxy: bool = False
    query_append: bool = False
    query_discard: bool = False
    query_last: bool = False
    no_case: bool = False
    no_subrequests: bool = False
    discard_path_info: bool = False
    #: T and H.
    type: Template | None = None
    handler: Template | None = None
    #: E: "VAR:value" each, or "!VAR".
    variables: tuple[Template, ...] = ()
    cookies: tuple[Template, ...] = ()
    #: B and its kin: which characters of references are escaped (None: none), which of them are not after all.
    escape: str | None = None
    escape_not: str = ""
    escape_controls: bool = False
    no_plus: bool = False
    #: UnsafeAllow3F, UnsafePrefixStat.
    allow_question: bool = False
    stat_prefix: bool = False


class Condition(NamedTuple):
    """A RewriteCond: what is tested, and how.

    ``kind``: "regex" (by ``pattern``), "expr" (by ``expression``), a test like "-f", or a comparison like "<" or
    "-eq" (with ``operand``).
    """

    subject: Template
    kind: str
    negated: bool
    or_next: bool
    no_case: bool
    no_vary: bool
    pattern: re.Pattern[str] | None
    operand: str
    expression: Expression | None
    #: For the log.
    text: str


class Rule(NamedTuple):
    """A RewriteRule with its conditions; ``target`` is None for ``-``."""

    pattern: re.Pattern[str]
    negated: bool
    target: Template | None
    flags: Flags
    conditions: tuple[Condition, ...]
    #: The pattern, for the log.
    text: str


class Map(NamedTuple):
    """A RewriteMap: its kind (txt, rnd, dbm, int, prg), and its file, its function, or its program with arguments."""

    kind: str
    source: tuple[str, ...]


class ServerRules(NamedTuple):
    """What a server says; ``engine`` and ``options`` are None where it says nothing of them."""

    engine: bool | None = None
    options: frozenset[str] | None = None
    rules: tuple[Rule, ...] = ()
    maps: Mapping[str, Map] = {}  # (nobody changes it)
    #: Conditions whose rule is still to come, while the configuration is read.
    pending: tuple[Condition, ...] = ()


class DirectoryRules(NamedTuple):
    """What a section or a .htaccess file says; ``directory``: its path, with a slash; None: the server's own level."""

    directory: str | None
    engine: bool | None = None
    options: frozenset[str] | None = None
    rules: tuple[Rule, ...] = ()
    base: str | None = None
    pending: tuple[Condition, ...] = ()


#: The words of RewriteOptions that let rules go down from an outer scope, or not.
INHERIT, INHERIT_BEFORE, INHERIT_DOWN, INHERIT_DOWN_BEFORE, IGNORE_INHERIT = (
    "inherit", "inheritbefore", "inheritdown", "inheritdownbefore", "ignoreinherit",
)  # fmt: skip
#: The others.
ALLOW_NO_SLASH, MERGE_BASE, IGNORE_CONTEXT, LEGACY_PREFIX = (
    "allownoslash", "mergebase", "ignorecontextinfo", "legacyprefixdocroot",
)  # fmt: skip

_NONE: frozenset[str] = frozenset()


def _joined(
    outer: tuple[Rule, ...], outer_options: frozenset[str], inner: tuple[Rule, ...], options: frozenset[str]
) -> tuple[Rule, ...]:
    """The rules of an inner scope, with those of the outer one where an option says so."""
    down = IGNORE_INHERIT not in options
    if INHERIT in options or (down and INHERIT_DOWN in outer_options):
        return inner + outer
    if INHERIT_BEFORE in options or (down and INHERIT_DOWN_BEFORE in outer_options):
        return outer + inner
    return inner


def _server(outer: ServerRules, inner: ServerRules) -> ServerRules:
    """A virtual host: rules and maps of the main server come to it by RewriteOptions alone."""
    before, own = outer.options or _NONE, inner.options or _NONE
    options = outer.options if inner.options is None else inner.options
    wants = not {INHERIT, INHERIT_BEFORE}.isdisjoint(own) or (
        IGNORE_INHERIT not in own and not {INHERIT_DOWN, INHERIT_DOWN_BEFORE}.isdisjoint(before)
    )
    return ServerRules(
        outer.engine if inner.engine is None else inner.engine,
        options,
        _joined(outer.rules, before, inner.rules, own),
        {**outer.maps, **inner.maps} if wants else inner.maps,
    )


def _directory(outer: DirectoryRules, inner: DirectoryRules) -> DirectoryRules:
    """An inner section: where it says anything of this module, the rules are its own, but for RewriteOptions."""
    before, own = outer.options or _NONE, inner.options or _NONE
    options = outer.options if inner.options is None else inner.options
    base = inner.base
    if base is None and MERGE_BASE in (options or _NONE):
        base = outer.base
    return DirectoryRules(
        inner.directory,
        outer.engine if inner.engine is None else inner.engine,
        options,
        _joined(outer.rules, before, inner.rules, own),
        base,
    )


SERVER: Setting[ServerRules] = Setting("RewriteRule", ServerRules(), _server)


def of_server(server: Server) -> ServerRules:
    """The rules of a server; a virtual host that says nothing of them has none of the main server's either."""
    found = server.conf[SERVER]
    return _server(found, ServerRules()) if server.is_virtual and SERVER not in server.own_conf else found


DIRECTORY: Setting[DirectoryRules | None] = Setting(
    "RewriteRule in sections",
    None,
    lambda outer, inner: inner if outer is None or inner is None else _directory(outer, inner),
)
