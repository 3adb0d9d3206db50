"""The directives of mod_actions."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, NOT_HTACCESS, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.actions import ACTIONS, SCRIPTS, Target


def _action(call: Call) -> None:
    name, path, *option = call.args
    if option and option[0].lower() != "virtual":
        raise ConfigError(f"{call.name}: the optional third argument is virtual, not {option[0]}")
    values.set_in(call.conf, ACTIONS, {name.lower(): Target(_path(call, path), bool(option))})


def _script(call: Call) -> None:
    method, path = call.args
    if method == "TRACE":
        raise ConfigError("TRACE not allowed for Script: it is answered by the server")
    if not method.isascii() or not method.replace("-", "").isalpha() or method != method.upper():
        raise ConfigError(f"Unknown method type for Script: {method}: write GET, POST, PUT...")
    values.set_in(call.conf, SCRIPTS, {method: _path(call, path)})


def _path(call: Call, word: str) -> str:
    if not word.startswith("/"):
        raise ConfigError(f"{call.name}: {word!r} is no path of a URI: begin with a slash")
    return word


DIRECTIVES = (
    Directive(
        "Action", Args.TAKE23, EVERYWHERE, _action, Override.FILEINFO,
        "a media type or a handler, the path of a CGI script's URI, and virtual for files that need not exist",
    ),
    Directive("Script", Args.TAKE2, NOT_HTACCESS, _script, help="a method and the path of a CGI script's URI"),
)  # fmt: skip
