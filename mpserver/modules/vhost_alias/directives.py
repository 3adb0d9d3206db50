"""The directives of mod_vhost_alias."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules.vhost_alias import PIECE, ROOT, SCRIPTS, Template


def _template(setting: Setting[Template | None], *, by_address: bool) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        text = call.args[0]
        if text.lower() == "none":
            call.server[setting] = None
            return
        if not text.startswith("/"):
            raise ConfigError(f"{call.name}: format string must start with '/' or be 'none'")
        if "%" in PIECE.sub("", text):
            raise ConfigError(
                f"{call.name}: syntax error in format string {text!r}: write %0, %1, %-2+, %1.1, %p or %%"
            )
        call.server[setting] = Template(text.rstrip("/") or "/", by_address)

    return apply


_HELP = "a path with %0 for the name, %1 for its first part... or none"

DIRECTIVES: tuple[Directive, ...] = tuple(
    Directive(f"{name}{suffix}", Args.TAKE1, SERVER_VHOST, _template(setting, by_address=bool(suffix)), help=_HELP)
    for name, setting in (("VirtualDocumentRoot", ROOT), ("VirtualScriptAlias", SCRIPTS))
    for suffix in ("", "IP")
)
