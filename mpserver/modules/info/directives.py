"""The directive of mod_info."""

from __future__ import annotations

from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules.info import ADDED, Added


def _add(call: Call) -> None:
    source, text = call.args
    if not source.endswith(".c"):
        raise ConfigError(f'{call.name} "{source}" is no name of a source: write it as IfModule has it, as mod_alias.c')
    call.server[ADDED] = (*call.server.values.get(ADDED, ()), Added(source, text))


DIRECTIVES: tuple[Directive, ...] = (
    Directive("AddModuleInfo", Args.TAKE2, SERVER_VHOST, _add, help="a module, as mod_alias.c, and a piece of HTML"),
)
