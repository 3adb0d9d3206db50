"""The rules, applied to a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpserver import lazyre
from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.http1.percent import encode_path
from mpserver.http1.wire import encoded
from mpserver.modules.expression_facts import RequestFacts
from mpserver.modules.rewrite import Flags, Rule, cookies
from mpserver.modules.rewrite.conditions import Check, hold, ready
from mpserver.modules.rewrite.expansion import Filled, Maps, filler
from mpserver.modules.rewrite.expansion import target as filled_target
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

    from mpserver.api.request import Request
    from mpserver.modules.rewrite.maps import Opened

#: The first of the levels trace1 to trace8.
TRACE = 7

#: What names a server: scheme, host and port, and the rest.
ABSOLUTE = lazyre.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)(.*)", 16)  # re.DOTALL
#: Schemes without a host.
OTHER = lazyre.compile(r"(?:mailto|news|urn|ldap):", 2)  # re.IGNORECASE
CONTROL = lazyre.compile(r"[\x00-\x20\x7f]")
BREAK = lazyre.compile(r"[\x00-\x1f\x7f]")


class Ready(NamedTuple):
    """A rule, ready for use."""

    rule: Rule
    flags: Flags
    search: Callable[[str], re.Match[str] | None]
    checks: tuple[Check, ...]
    target: Callable[[Run], tuple[str, bool]] | None
    variables: tuple[Filled, ...]
    cookies: tuple[Filled, ...]
    type: Filled | None
    handler: Filled | None


def made_ready(rules: Sequence[Rule], maps: Maps) -> tuple[Ready, ...]:
    """Rules, ready for use."""
    found = []
    for rule in rules:
        flags = rule.flags
        found.append(
            Ready(
                rule,
                flags,
                rule.pattern.search,
                ready(rule.conditions, maps),
                None if rule.target is None else filled_target(rule.target, maps, flags),
                tuple(filler(text, maps, flags) for text in flags.variables),
                tuple(filler(text, maps, flags) for text in flags.cookies),
                None if flags.type is None else filler(flags.type, maps, flags),
                None if flags.handler is None else filler(flags.handler, maps, flags),
            )
        )
    return tuple(found)


class Run:
    """One application of rules to a request, which stays as it is: what they want is gathered here.

    :param uri: the decoded path, or the file of a request in a directory.
    :param directory: the path of the section, with a slash; None: these are a server's rules.
    :param silent: it is only found out what they would do, so nothing is logged.
    """

    __slots__ = (
        "args", "cookies", "directory", "ended", "facts", "forced", "handler", "last", "looked_at", "match",
        "no_escape", "passed_on", "path_info", "pass_through", "reduced", "req", "status", "told", "type", "uri",
        "variables", "vary",
    )  # fmt: skip

    def __init__(self, req: Request, uri: str, directory: str | None, silent: bool) -> None:
        self.req, self.uri, self.directory = req, uri, directory
        self.args, self.path_info = req.mp_args, req.mp_path_info or ""
        self.facts = RequestFacts(req)
        self.match: re.Match[str] | None = None
        #: Variables of the environment: set, or removed (None).
        self.variables: dict[str, str | None] = {}
        #: By the cookies' names.
        self.cookies: dict[str, str] = {}
        self.looked_at: tuple[str, ...] = ()
        self.vary: tuple[str, ...] = ()
        #: F, G and R; what R redirects with.
        self.status = self.forced = 0
        self.type: str | None = None
        self.handler: str | None = None
        self.ended = self.no_escape = self.pass_through = self.reduced = False
        #: P: whether the URI is another server's, which answers.
        self.passed_on = False
        #: The rule that changed the URI last.
        self.last: Ready | None = None
        log = req.mp_log
        self.told = not silent and log.enabled(TRACE + 1, "rewrite")

    # ---- what the rules can ask for

    @property
    def captured(self) -> re.Match[str] | None:
        """See `expansion.Subject`."""
        return self.facts.match

    def variable(self, name: str) -> str:
        """See `expansion.Subject`; the file's name and the query are what the rules before made of them."""
        if name in ("REQUEST_FILENAME", "SCRIPT_FILENAME"):
            return self.uri
        if name == "QUERY_STRING":
            return self.args or ""
        if name == "PATH_INFO":
            return self.path_info
        return self._found(self.facts.variable, name)

    def evaluate(self, ask: Callable[[], bool]) -> bool:
        """Ask the facts, and note what headers were looked at."""
        self.facts.vary = ()
        found = ask()
        self.looked_at += self.facts.vary
        return found

    def _found(self, ask: Callable[[str], str], name: str) -> str:
        """The same for one fact: a header that is not there does not count, as in httpd."""
        self.facts.vary = ()
        found = ask(name)
        if found:
            self.looked_at += self.facts.vary
        return found

    def environment(self, name: str) -> str:
        """See `expansion.Subject`."""
        if name in self.variables:
            return self.variables[name] or ""
        return self.facts.environment(name)

    def header(self, name: str) -> str:
        """See `expansion.Subject`."""
        return self._found(self.facts.header, name)

    def ssl(self, name: str) -> str:
        """See `expansion.Subject`."""
        return self.req.ssl_var_lookup(name) or ""

    def ahead(self, name: str) -> str:
        """See `expansion.Subject`."""
        if self.req.mp_main is not None:
            return ""
        found: str = self.req.mp_plan.subrequests.ask_ahead(
            self.req, self._own_uri(), lambda sub: RequestFacts(sub).variable(name)
        )
        return found

    def _own_uri(self) -> str:
        return encode_path(self.req.mp_uri if self.directory is not None else self.uri)

    def may_have(self, uri: str) -> bool:
        """Whether the client may have what a URI leads to; as in httpd, parts of pages don't ask again."""
        if self.req.mp_main is not None:
            return False
        found: bool = self.req.mp_plan.subrequests.may_have_statically(self.req, uri)
        return found

    def may_have_file(self, path: str) -> bool:
        """The same of a file below DocumentRoot."""
        root = self.req.mp_plan.document_root
        return path.startswith(root.rstrip("/") + "/") and self.may_have(encode_path(path[len(root.rstrip("/")) :]))

    def map(self, name: str, opened: Opened, key: str) -> str | None:
        """See `expansion.Subject`; a map that fails has nothing."""
        try:
            found = opened(key)
        except OSError as error:
            self.complain(f"can't look in the map {name}: {error}")
            return None
        if self.told:
            self.tell(5, f"map lookup {'OK' if found is not None else 'FAILED'}: map={name} key={key} -> val={found}")
        return found

    # ---- the log

    def tell(self, level: int, text: str) -> None:
        """A line of the log, at trace1 to trace8."""
        req = self.req
        where = "" if self.directory is None else f"[perdir {self.directory}] "
        kind = "initial" if req.mp_main is None else "subreq"
        kind += "" if req.mp_prev is None else f"/redir#{req.mp_redirects}"
        text = f"[rid#{id(req):x}/{kind}] {where}{text}"
        req.mp_log.log(TRACE + level, text, module="rewrite", about=req)

    def complain(self, text: str) -> None:
        """A line of the error log."""
        self.req.mp_log.log(ERROR, text, module="rewrite", about=self.req)


def apply(rules: tuple[Ready, ...], run: Run) -> bool:
    """Apply them in their order. :returns: whether they want anything to be changed."""
    changed = False
    rounds = at = 0
    is_part = run.req.mp_main is not None
    while at < len(rules):
        its = rules[at]
        flags = its.flags
        if is_part and (flags.no_subrequests or flags.proxy or flags.redirect):
            at += 1
            continue
        if not _one(its, run):
            while rules[at].flags.chain and at + 1 < len(rules):
                at += 1
            at += 1
            continue
        if run.status:
            return True
        if its.target is not None:
            changed, run.no_escape = True, flags.no_escape
        if flags.pass_through:
            run.pass_through = True
            changed = True
        run.ended = run.ended or flags.end
        if flags.pass_through or flags.last or flags.proxy:
            break
        if flags.rounds:
            rounds += 1
            if rounds >= flags.rounds:
                run.complain(f"RewriteRule '{its.rule.text}' and URI '{run.req.mp_uri}' exceeded maximum number of "
                             f"rounds ({flags.rounds}) via the [N] flag")  # fmt: skip
                run.status = constants.HTTP_INTERNAL_SERVER_ERROR
                return True
            at = 0
            continue
        at += 1 + flags.skip
    return changed


def _one(its: Ready, run: Run) -> bool:
    """Apply one rule. :returns: whether it and its conditions matched."""
    rule, flags, directory = its.rule, its.flags, run.directory
    whole = run.uri
    if directory is not None:
        whole += run.path_info
        whole = whole.removeprefix(directory)
    run.match = None
    run.facts.match = None
    if run.told:
        run.tell(3, f"applying pattern '{rule.text}' to uri '{whole}'")
    found = its.search(whole)
    if (found is None) is not rule.negated:
        return False
    run.match = found
    if its.checks and not hold(its.checks, run):
        return False
    target, foreign = (None, False) if its.target is None else its.target(run)
    for text in its.variables:
        _set_variable(text(run), run)
    for text in its.cookies:
        cookies.add(run.cookies, text(run))
    if target is None:
        _force(its, run)
        run.status = run.status or flags.status
        return True
    if run.told:
        run.tell(2, f"rewrite '{whole}' -> '{target}'")
    run.last, run.reduced = its, False
    _set_uri(its, run, target, foreign)
    if run.status:
        return True
    if flags.redirect or flags.proxy:
        run.uri = _qualified(run)
        run.forced, run.passed_on = flags.redirect, flags.proxy
        return True
    _reduce(run)
    if not is_absolute(run.uri):
        _force(its, run)
    return True


def _set_variable(text: str, run: Run) -> None:
    if text.startswith("!"):
        run.variables[text[1:]] = None
        return
    name, _, value = text.partition(":")
    run.variables[name] = value


def _force(its: Ready, run: Run) -> None:
    """T and H; a type with a line break in it would end its header, and begin others."""
    if its.type is not None:
        run.type = encoded(its.type(run).lower())
        if BREAK.search(run.type):
            run.complain(f"RewriteRule '{its.rule.text}' makes a type with control characters: {run.type!r}")
            run.status = constants.HTTP_INTERNAL_SERVER_ERROR
    if its.handler is not None:
        run.handler = its.handler(run).lower()


def _set_uri(its: Ready, run: Run, target: str, foreign: bool) -> None:
    """Make a rule's target the URI, and what follows its question mark the query.

    :param foreign: that comes from the request, or a map.
    """
    flags, directory = its.flags, run.directory
    if directory is not None and flags.discard_path_info:
        run.path_info = ""
    if foreign and not flags.allow_question:
        run.complain("Unsafe URL with %3f URL rewritten without UnsafeAllow3F")
        run.status = constants.HTTP_FORBIDDEN
        return
    path, args = target, run.args
    if flags.query_discard:
        args = None
    question = target.rfind("?") if flags.query_last else target.find("?")
    if question >= 0 and not OTHER.match(target):
        path, own = target[:question], _raw(target[question + 1 :])
        if flags.query_append:
            args = f"{own}&{args}" if own and args else own or args
        else:
            args = own
        args = (args or "").removesuffix("&") or None
        stays = not flags.redirect and not is_absolute(path)
        if args and stays and not flags.escape_controls and flags.escape is None and CONTROL.search(args):
            run.complain("Rewritten query string contains control characters or spaces")
            run.status = constants.HTTP_FORBIDDEN
            return
    run.args = args
    if directory is not None and not path.startswith("/") and not is_absolute(path):
        path = directory + path
    run.uri = path


def _raw(text: str) -> str:
    """A part of the query: its bytes as latin-1."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def is_absolute(uri: str) -> bool:
    """Whether it names a server, or a scheme without one."""
    return ABSOLUTE.match(uri) is not None or OTHER.match(uri) is not None


def _qualified(run: Run) -> str:
    """The URI with scheme and host."""
    if is_absolute(run.uri) or run.uri.startswith("unix:"):
        return run.uri
    return run.req.mp_construct_url(run.uri if run.uri.startswith("/") else "/" + run.uri)


def _reduce(run: Run) -> None:
    """A URI of this very server is a path of it."""
    found = ABSOLUTE.match(run.uri)
    if found is None:
        return
    scheme, authority, path = found[1].lower(), found[2], found[3]
    own = "https" if run.req.mp_is_https() else "http"
    if scheme not in ("http", "https") or scheme != own:
        return
    host, colon, port = authority.rpartition(":") if authority[-1:] != "]" else (authority, "", "")
    number = port if colon else ("443" if scheme == "https" else "80")
    if not colon:
        host = authority
    if _is_ours(run.req, host.lower(), number):
        run.uri, run.reduced = path if path.startswith("/") else "/" + path, True


def _is_ours(req: Request, host: str, port: str) -> bool:
    server = req.mp_server
    names = {server.name.lower(), *(name.lower() for name in server.names)}
    return host in names and port == str(req.mp_link.connection().local_addr[1])
