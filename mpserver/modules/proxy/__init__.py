"""Requests that other servers answer (httpd's mod_proxy, with mod_proxy_http, _fcgi, _uwsgi and _balancer).

mapping     from the path of a request to the URL of another server, and what hides that one in its answers
targets     a URL taken apart
parameters  what is said of a server behind this one: timeouts, how often it is tried again
balancers   which of several servers gets a request
checks      the health checks of a configuration; checker: the process that makes them, by probes
backends    connections to them, which are used again
exchange    one request and its answer, in both directions at a time, in bounded memory
roads       what is worked out once for the usual request, and the answer that comes in one piece
handler     the content handler: all of it together

Forward proxies are not there: what is asked for never names the server that is asked.
"""

from __future__ import annotations

from mpserver.config.settings import Setting, append, update
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

    from mpserver.config.expression import Expression

#: The interpreter of the server's own that proxied requests are served in: they wait for others most of the time, so
#: they do that in its loop, or in threads, which it has under either MPM.
INTERPRETER = "(proxy)"

#: A parameter's value, as `mpserver.modules.proxy.parameters` reads it.
Parameter = str | int | float | bool


class Pass(NamedTuple):
    """ProxyPass or ProxyPassMatch: a URI prefix or a pattern, and the URL that it leads to ("": to none)."""

    prefix: str
    pattern: re.Pattern[str] | None
    target: str
    #: The path goes on as it came, not decoded and encoded anew.
    nocanon: bool = False
    #: The query does not go on.
    noquery: bool = False


class Reverse(NamedTuple):
    """ProxyPassReverse and its kin: what an answer says, and what the client is told in its place."""

    told: str
    shown: str


class Check(NamedTuple):
    """The health check of a member (mod_proxy_hcheck)."""

    #: What its outcome is found by (`mpserver.ipc.member_health`); 0: the configuration was not read to its end yet.
    number: int
    #: TCP, OPTIONS, HEAD or GET; and the version of HTTP, 0 or 1.
    method: str
    minor: int
    #: In seconds.
    interval: float
    #: So many that pass bring a member back, so many that fail take it away.
    passes: int
    fails: int
    #: What comes behind the path of the member's URL.
    uri: str
    #: Whether an answer is good; None: its status tells.
    condition: Expression | None
    #: It has failed until a check passes (status=+C).
    begins_failed: bool


class Member(NamedTuple):
    """BalancerMember: its URL and what is said of it."""

    url: str
    parameters: dict[str, Parameter]
    check: Check | None = None


class Override(NamedTuple):
    """ProxyErrorOverride: whether the server's own pages take the place of others', and for which statuses (all)."""

    on: bool
    statuses: tuple[int, ...] = ()


class Variable(NamedTuple):
    """ProxyFCGISetEnvIf: where a condition holds, a variable has a value; None: it is taken away."""

    condition: Expression
    name: str
    value: Expression | None


# ---- of servers

#: In httpd's order: the main server's come first.
PASSES: Setting[tuple[Pass, ...]] = Setting("ProxyPass", (), append)
PASS_INHERIT = Setting("ProxyPassInherit", True)
#: What is said of servers, by the beginning of their URLs; of balancers by ``balancer://name``.
WORKERS: Setting[dict[str, dict[str, Parameter]]] = Setting("parameters of ProxyPass", {}, update)
#: The members of balancers, by these names.
MEMBERS: Setting[dict[str, tuple[Member, ...]]] = Setting("BalancerMember", {}, update)
#: ProxyHCTemplate and ProxyHCExpr, by their names in lower case and as they are written; how many checks are made at a
#: time.
HC_TEMPLATES: Setting[dict[str, dict[str, Parameter]]] = Setting("ProxyHCTemplate", {}, update, travels=False)
HC_CONDITIONS: Setting[dict[str, Expression]] = Setting("ProxyHCExpr", {}, update, travels=False)
HC_THREADS = Setting("ProxyHCTPsize", 16, travels=False)
#: In seconds; None: as Timeout.
TIMEOUT: Setting[float | None] = Setting("ProxyTimeout", None)
VIA = Setting("ProxyVia", "off")
#: How often a request may be passed on; -1: nothing is said of it.
MAX_FORWARDS = Setting("ProxyMaxForwards", -1)
#: Whether a line of an answer's head that is none is left out; otherwise the answer is refused.
IGNORE_BAD_HEADERS = Setting("ProxyBadHeader Ignore", False)
#: The address that connections come from.
SOURCE_ADDRESS: Setting[str | None] = Setting("ProxySourceAddress", None)

# ---- of directories

#: The ProxyPass of the innermost Location.
LOCATION_PASS: Setting[Pass | None] = Setting("ProxyPass in Location", None)
#: What has led a request to another server; None: nothing.
PASSED: Setting[Pass | None] = Setting("the ProxyPass in effect", None)
REVERSES: Setting[tuple[Reverse, ...]] = Setting("ProxyPassReverse", (), append)
COOKIE_DOMAINS: Setting[tuple[Reverse, ...]] = Setting("ProxyPassReverseCookieDomain", (), append)
COOKIE_PATHS: Setting[tuple[Reverse, ...]] = Setting("ProxyPassReverseCookiePath", (), append)
PRESERVE_HOST = Setting("ProxyPreserveHost", False)
ADD_HEADERS = Setting("ProxyAddHeaders", True)
ERROR_OVERRIDE: Setting[Override] = Setting("ProxyErrorOverride", Override(False))
FCGI_VARIABLES: Setting[tuple[Variable, ...]] = Setting("ProxyFCGISetEnvIf", (), append)
