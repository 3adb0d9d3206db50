"""Which ``<If>`` sections hold for a request, and its plan with these (httpd's ``ap_if_walk``).

They are tested after all other sections were merged, before any phase of the request: the interpreter that it belongs
to, and what it may send, are among the things that they decide. What was found for a path stays found; for each
choice of sections it has a variant.
"""

from __future__ import annotations

from mpserver.api import constants
from mpserver.config.branches import BRANCHES, chosen
from mpserver.modules import expressions
from mpserver.modules.core.hooks import name_groups
from mpserver.modules.expression_facts import RequestFacts, add_vary
from mpserver.phases.located import Located
from mpserver.phases.plan import Plan
from mpserver.phases.translate import Resource
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.settings import Conf
    from mpserver.phases.host import Host


class Plans(Protocol):
    """Gives the plan of a configuration; `mpserver.phases.planner.Planner.plan` does."""

    def __call__(self, host: Host, conf: Conf, filename: str | None) -> Plan:
        """Give it; ``filename``: of a request that it is for."""


def refined(plans: Plans, req: Request, host: Host, located: Located) -> Located:
    """What was located for a request, with the sections that hold for it. The request has it from now on."""
    req.mp_settle(located)
    for begin in host.site.begin:
        begin(req)
    facts = RequestFacts(req)
    resource = located.resource
    # (conditions may ask for what named groups of the other sections have matched)
    name_groups(req, host.server, resource.conf, resource.uri, None if resource.is_elsewhere else resource.filename)
    held = chosen(resource.conf[BRANCHES], lambda condition: expressions.holds(condition, facts))
    conf, step = resource.conf, host.server.sections.step
    for inner in held:
        conf = step(conf, inner)
    key = conf, facts.vary
    if located.variants is None:
        located.variants = {}
    variant = located.variants.get(key)
    if variant is None:
        plan = plans(host, conf, resource.filename)
        if facts.vary:
            plan = _varying(plan, facts.vary)
        variant = located.variants[key] = Located(_resource(resource, conf), plan)
        variant.is_kept = located.is_kept
    variant.resource.finfo = resource.finfo
    return variant


def _resource(resource: Resource, conf: Conf) -> Resource:
    """The same resource with another configuration."""
    made = Resource(resource.uri, conf)
    for name in Resource.__slots__:
        if name not in ("uri", "conf"):
            setattr(made, name, getattr(resource, name))
    return made


def _varying(plan: Plan, names: tuple[str, ...]) -> Plan:
    """The same plan for answers that depend on headers of the request: a false condition depends on them, too."""

    def vary(req: Request) -> int:
        add_vary(req, names)
        return constants.OK

    made = plan.copy()
    made.steps = (vary, *plan.steps)
    return made
