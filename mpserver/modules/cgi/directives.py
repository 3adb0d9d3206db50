"""The directives of mod_cgi, and those of mod_suexec that have no meaning here."""

from __future__ import annotations

from mpserver.config.registry import NOT_HTACCESS, SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.cgi import SCRIPT_TIMEOUT


def _no_suexec(call: Call) -> None:
    raise ConfigError(
        f"{call.name} is not supported: scripts run as the server's own User; for an application with a user of its "
        "own start a server for it"
    )


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "CGIScriptTimeout",
        Args.TAKE1,
        NOT_HTACCESS,
        values.directory(SCRIPT_TIMEOUT, values.seconds),
        help="how long a script may be silent, in seconds",
    ),
    Directive("SuexecUserGroup", Args.RAW, SERVER_VHOST, _no_suexec),
)
