"""The directives of mod_auth_basic."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive
from mpserver.modules import values
from mpserver.modules.auth_basic import AUTH_BASIC_AUTHORITATIVE, AUTH_BASIC_FAKE, AUTH_BASIC_PROVIDER
from mpserver.modules.authn_core.provider_names import read_providers

#: What a client's password is replaced with where nothing else is said, as in httpd.
PASSWORD = "password"  # noqa: S105 - a word of the directive


def _fake(call: Call) -> None:
    user, password = (*call.args, PASSWORD)[:2]
    if user.lower() == "off" and len(call.args) == 1:
        call.conf[AUTH_BASIC_FAKE] = None
        return
    call.conf[AUTH_BASIC_FAKE] = values.expression(call, user), values.expression(call, password)


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "AuthBasicAuthoritative",
        Args.FLAG,
        IN_DIRECTORY,
        values.directory(AUTH_BASIC_AUTHORITATIVE, values.flag),
        Override.AUTHCONFIG,
    ),
    Directive(
        "AuthBasicProvider",
        Args.ITERATE,
        IN_DIRECTORY,
        read_providers(AUTH_BASIC_PROVIDER),
        Override.AUTHCONFIG,
        "who knows the passwords: one or more providers",
    ),
    Directive(
        "AuthBasicFake",
        Args.TAKE12,
        IN_DIRECTORY,
        _fake,
        Override.AUTHCONFIG,
        "a name and a password for applications to see, or Off",
    ),
)
