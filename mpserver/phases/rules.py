"""The rules of servers and directories, where they decide which resource or interpreter a request has.

The rules of a server (httpd's RewriteRule outside of sections) come before all that a path says, and depend on the
whole request: so what is found for a path is open until then, and what they choose is found by that. Those of a
directory lead a request on when its fixups run. But the interpreter that the other resource belongs to has to serve it
from its start; so it is looked ahead where that is.
"""

from __future__ import annotations

from mpserver.config.entries import PROXIES
from mpserver.config.sections import merge
from mpserver.modules.hooks import PROXY_PREFIX
from mpserver.phases.located import Located
from mpserver.phases.plan import InterpreterId, Plan, plan_of
from mpserver.phases.translate import Resource, elsewhere
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.settings import Conf
    from mpserver.modules.rewriting import Rewritten
    from mpserver.phases.host import Host, Site


class Planner(Protocol):
    """What finds resources and plans, and keeps those that are made here: `mpserver.phases.planner.Planner`."""

    answered: dict[tuple[Conf, Site], Plan]
    changed: dict[Plan, Plan]
    led: dict[tuple[Plan, InterpreterId], Plan]

    def locate(self, host: Host, path: str) -> Located:
        """The resource that a raw path names."""

    def settle(self, host: Host, uri: str, filename: str | None, beside: str) -> Located:
        """That which rules choose."""

    def branched(self, req: Request, host: Host, located: Located) -> Located:
        """It, with the If sections that hold."""

    def plan(self, host: Host, conf: Conf, filename: str | None) -> Plan:
        """The plan for a configuration."""


#: So many redirects are looked ahead; the request itself will be told that there are too many (httpd's
#: LimitInternalRecursion).
DEEPEST = 10
#: So many plans are kept.
KEPT = 1024


def applied(planner: Planner, req: Request, host: Host, located: Located) -> Located:
    """What was located for a request, after the server's rules and the If sections."""
    if not located.is_open:
        return planner.branched(req, host, located)
    req.mp_settle(located)
    for begin in host.site.begin:
        begin(req)
    uri = located.resource.uri
    found: Rewritten | None = None
    for rewrite in host.site.rewriters:
        found = rewrite(req)
        if found is not None:
            break
    if found is None:
        return planner.branched(req, host, planner.settle(host, uri, None, located.beside))
    if found.status:
        return _answer(planner, host, uri, found)
    if found.no_file:
        conf = _conf_elsewhere(host, uri, found.filename or "")
        chosen = Located(Resource(uri, conf), planner.plan(host, conf, None))
    else:
        chosen = planner.settle(host, uri if found.uri is None else found.uri, found.filename, located.beside)
    if chosen.plan.branches:
        chosen = planner.branched(req, host, chosen)
    made = Located(chosen.resource, _changing(planner, chosen.plan))
    made.effects, made.is_kept = found.effects, chosen.is_kept
    if found.uri is not None:
        made.asked = uri
    return made


def _conf_elsewhere(host: Host, uri: str, name: str) -> Conf:
    """The configuration of a request that rules pass on to another server: its Proxy sections say who may ask it."""
    proxies = host.server.conf[PROXIES]
    if not proxies or not name.startswith(PROXY_PREFIX):
        return merge(host.server, uri, (), None, "")
    from mpserver.modules.proxy import mapping  # (few configurations have such sections)

    url = name.removeprefix(PROXY_PREFIX)
    return elsewhere(host.server, uri, name, [entry.conf for entry in proxies if mapping.holds(entry, url)]).conf


def _answer(planner: Planner, host: Host, uri: str, found: Rewritten) -> Located:
    """A request that the rules answer: no other phase runs."""
    conf = merge(host.server, uri, (), None, "")
    key = conf, host.site
    plan = planner.answered.get(key)
    if plan is None:
        plan = planner.plan(host, conf, None).answering(_begin, _give_status)
        if len(planner.answered) > KEPT:
            planner.answered.clear()
        planner.answered[key] = plan
    made = Located(Resource(uri, conf), plan)
    made.effects, made.status = found.effects, found.status
    return made


def _changing(planner: Planner, plan: Plan) -> Plan:
    """A plan for requests that the rules changed."""
    made = planner.changed.get(plan)
    if made is None:
        made = plan.copy()
        made.steps = (_begin, *plan.steps, _force)
        made.phases = plan.phases._replace(steps=made.steps)
        if len(planner.changed) > KEPT:
            planner.changed.clear()
        planner.changed[plan] = made
    return made


def _begin(req: Request) -> int:
    located = req.mp_located
    uri = req.mp_uri
    if located.asked:
        req.mp_uri = located.asked  # (what its head decides, as SetEnvIf does, goes by what the client has asked for)
    for begin in req.mp_host.site.begin:
        begin(req)
    req.mp_uri = uri
    effects = located.effects
    if effects is not None:
        effects.begin(req)
    return 0


def _force(req: Request) -> int:
    effects = req.mp_located.effects
    if effects is not None:
        effects.force(req)
    return 0


def _give_status(req: Request) -> int:
    status: int = req.mp_located.status
    return status


# ---- looking ahead


def foretold(planner: Planner, req: Request, host: Host, located: Located) -> Located:
    """What was located for a request, to be served by the interpreter that rules will lead it to.

    One that goes on from another stays where that was led.
    """
    if located.plan.leads_to is None or located.resource.status:
        return located
    before = req.mp_prev or req.mp_main
    if before is None:
        interpreter_id = _end_of_the_way(planner, req, host, located)
    else:
        interpreter_id = plan_of(before).interpreter_id if plan_of(before).needs_python else None
    if interpreter_id is None:
        return located
    key = located.plan, interpreter_id
    plan = planner.led.get(key)
    if plan is None:
        plan = located.plan.copy()
        plan.needs_python, plan.interpreter_id, plan.interpreter = True, interpreter_id, interpreter_id.name
        if len(planner.led) > KEPT:
            planner.led.clear()
        planner.led[key] = plan
    made = Located(located.resource, plan)
    made.effects, made.is_kept, made.asked = located.effects, located.is_kept, located.asked
    return made


def _end_of_the_way(planner: Planner, req: Request, host: Host, located: Located) -> InterpreterId | None:
    """The interpreter of the resource that a request is led to; None: it needs none of its own."""
    at = type(req)(req.mp_link, req.mp_head, host, req.mp_clock, req.mp_request_time)
    for _ in range(DEEPEST):
        plan = located.plan
        if plan.needs_python:
            return plan.interpreter_id
        if plan.leads_to is None or located.resource.status:
            return None
        at.mp_settle(located)
        _begin(at)
        uri = plan.leads_to(at)
        if uri is None:
            return None
        path, question, query = uri.partition("?")
        following = type(req)(req.mp_link, req.mp_head, host, req.mp_clock, req.mp_request_time)
        following.mp_succeed(at, uri, query if question else None, 0)
        at, located = following, planner.locate(host, path)
        if located.plan.branches:
            located = applied(planner, at, host, located)
    return None
