"""The directives that all compressing modules have, each by its own name."""

from __future__ import annotations

from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.compression_notes import NONE, Names

_PLACES = {"input": 0, "output": 1, "ratio": 2}


def filter_note(name: str, setting: Setting[Names]) -> Directive:
    """The directive that names the notes: ``[Input|Output|Ratio] name``."""

    def apply(call: Call) -> None:
        kind, note = call.args if len(call.args) == 2 else ("ratio", call.args[0])
        place = _PLACES.get(kind.lower())
        if place is None:
            raise ConfigError(f"{call.name}: Unknown note type {kind}: it is Input, Output or Ratio")
        found = list(call.server.values.get(setting, NONE))
        found[place] = note
        call.server[setting] = (found[0], found[1], found[2])

    help = "Input, Output or Ratio, and the name of a note for it"
    return Directive(name, Args.TAKE12, SERVER_VHOST, apply, help=help)


def alter_etag(name: str, setting: Setting[str]) -> Directive:
    """The directive that says what becomes of entity tags; `mpserver.modules.compression.alter_etag` does it."""
    apply = values.server(setting, values.one_of("addsuffix", "nochange", "remove"))
    help = "AddSuffix, NoChange or Remove: what becomes of entity tags"
    return Directive(name, Args.TAKE1, SERVER_VHOST, apply, help=help)
