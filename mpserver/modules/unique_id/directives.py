"""mod_unique_id has no directives: it acts where it is loaded."""

from __future__ import annotations

from mpserver.config.registry import Directive
from mpserver.modules.unique_id import ACTIVE

DIRECTIVES: tuple[Directive, ...] = ()

#: What LoadModule sets.
LOADED = ACTIVE
