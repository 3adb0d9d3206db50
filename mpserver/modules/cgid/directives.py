"""The directives of mod_cgid: scripts are started as those of mod_cgi, by no daemon of their own."""

from __future__ import annotations

from mpserver.config.registry import NOT_HTACCESS, SERVER_ONLY, Args, Directive
from mpserver.modules import values
from mpserver.modules.cgi import SCRIPT_TIMEOUT

DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "ScriptSock",
        Args.TAKE1,
        SERVER_ONLY,
        lambda _call: None,  # (what is kept at that place in httpd is not needed: nobody has to be told)
        help="a file",
    ),
    Directive(
        "CGIDScriptTimeout",
        Args.TAKE1,
        NOT_HTACCESS,
        values.directory(SCRIPT_TIMEOUT, values.seconds),
        help="how long a script may be silent, in seconds",
    ),
)
