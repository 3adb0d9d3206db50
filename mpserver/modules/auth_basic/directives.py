"""The directives of mod_auth_basic."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Directive
from mpserver.modules import values
from mpserver.modules.auth_basic import AUTH_BASIC_AUTHORITATIVE

DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "AuthBasicAuthoritative",
        Args.FLAG,
        IN_DIRECTORY,
        values.directory(AUTH_BASIC_AUTHORITATIVE, values.flag),
        Override.AUTHCONFIG,
    ),
)
