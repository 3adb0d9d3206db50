"""mod_asis has no directives."""

from __future__ import annotations

from mpserver.config.registry import Directive

DIRECTIVES: tuple[Directive, ...] = ()
