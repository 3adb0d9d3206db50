"""The directive of mod_logio."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, Args, Directive
from mpserver.modules import values
from mpserver.modules.logio import TRACK_TTFB

DIRECTIVES: tuple[Directive, ...] = (
    Directive("LogIOTrackTTFB", Args.FLAG, EVERYWHERE, values.directory(TRACK_TTFB, values.flag), Override.ALL),
)
