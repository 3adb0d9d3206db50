"""The directives of mod_authn_core."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Directive
from mpserver.modules import values
from mpserver.modules.authn_core import AUTH_NAME, AUTH_TYPE

DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "AuthType",
        Args.TAKE1,
        IN_DIRECTORY,
        values.directory(AUTH_TYPE, values.optional(values.filled)),
        Override.AUTHCONFIG,
        "the kind of authentication, such as Basic, or None",
    ),
    Directive(
        "AuthName",
        Args.TAKE1,
        IN_DIRECTORY,
        values.directory(AUTH_NAME, values.text),
        Override.AUTHCONFIG,
        "the name of the realm",
    ),
)
