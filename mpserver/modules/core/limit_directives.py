"""``<Limit>`` and ``<LimitExcept>``: who may come in, for some methods only (httpd's core).

What stands in them goes to the section around them. Directives about access look at the methods; the others hold for
all methods, as in httpd.
"""

from __future__ import annotations

from mpserver.config import methods
from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive
from mpserver.errors import ConfigError


def _limit(call: Call) -> None:
    section = call.name.removeprefix("<")
    if not call.args:
        raise ConfigError(f"{call.name}> directive requires additional arguments")
    if call.methods is not None:
        raise ConfigError(f"{call.name}> cannot occur within <{call.methods.section}> section")
    if "TRACE" in call.args:
        raise ConfigError("TRACE cannot be controlled by <Limit>, see TraceEnable")
    call.inside(call.conf, methods.of_section(section, call.args))


DIRECTIVES: tuple[Directive, ...] = tuple(
    Directive(name, Args.ANY, IN_DIRECTORY, _limit, Override.LIMIT | Override.AUTHCONFIG, "methods, as GET or POST")
    for name in ("<Limit", "<LimitExcept")
)
