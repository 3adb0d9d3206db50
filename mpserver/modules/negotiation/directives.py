"""The directives of mod_negotiation."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.negotiation import CACHE_DOCUMENTS, FALL_BACK, FORCE_LANGUAGE, LANGUAGE_PRIORITY, PREFER


def _priority(call: Call) -> None:
    words = tuple(word.lower() for word in call.args)
    call.conf[LANGUAGE_PRIORITY] = (*call.conf.values.get(LANGUAGE_PRIORITY, ()), *words)


def _force(call: Call) -> None:
    words = {word.lower() for word in call.args}
    if words == {"none"}:
        call.conf[FORCE_LANGUAGE] = ()
        return
    if not words <= {PREFER, FALL_BACK}:
        raise ConfigError(f"{call.name} must be None, or one or both of Prefer and Fallback")
    before = call.conf.values.get(FORCE_LANGUAGE, ())
    call.conf[FORCE_LANGUAGE] = tuple(sorted({*before, *words}))


DIRECTIVES: tuple[Directive, ...] = (
    Directive("LanguagePriority", Args.ITERATE, EVERYWHERE, _priority, Override.FILEINFO, "languages, the best first"),
    Directive(
        "ForceLanguagePriority", Args.ITERATE, EVERYWHERE, _force, Override.FILEINFO, "None, or Prefer and Fallback"
    ),
    Directive("CacheNegotiatedDocs", Args.FLAG, SERVER_VHOST, values.server(CACHE_DOCUMENTS, values.flag)),
)
