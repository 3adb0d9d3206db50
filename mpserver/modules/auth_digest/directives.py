"""The directives of mod_auth_digest."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, SERVER_ONLY, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.auth_digest import DOMAIN, NONCE_LIFETIME, PROVIDER
from mpserver.modules.authn_core.provider_names import read_providers


def _qop(call: Call) -> None:
    words = {word.lower() for word in call.args}
    if "auth-int" in words:
        raise ConfigError("AuthDigestQop auth-int is not implemented: write AuthDigestQop auth")
    if words != {"auth"}:
        raise ConfigError("AuthDigestQop is deprecated: only 'auth' is supported")


def _algorithm(call: Call) -> None:
    word = call.args[0]
    if word.upper() == "MD5-SESS":
        raise ConfigError("AuthDigestAlgorithm: ERROR: algorithm `MD5-sess' is not implemented: write MD5")
    if word.upper() != "MD5":
        raise ConfigError(f"Invalid algorithm in AuthDigestAlgorithm: {word}: write MD5")


def _lifetime(call: Call) -> None:
    seconds = values.number(-1)(call, call.args[0])
    if seconds == 0:
        raise ConfigError(
            f"{call.name} 0, nonces that are good once, needs memory that all processes share: write a number of "
            "seconds, as 30"
        )
    call.conf[NONCE_LIFETIME] = seconds


def _check_count(call: Call) -> None:
    if call.flag:
        raise ConfigError(
            "AuthDigestNcCheck On needs memory that all processes share: write Off, and have short nonces by "
            "AuthDigestNonceLifetime"
        )


def _domain(call: Call) -> None:
    call.conf[DOMAIN] = (*call.conf[DOMAIN], *call.args)


def _memory(call: Call) -> None:
    call.warn(f"{call.name} is not needed: nonces carry all that is to be known of them")


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "AuthDigestProvider",
        Args.ITERATE,
        IN_DIRECTORY,
        read_providers(PROVIDER, hashes=True),
        Override.AUTHCONFIG,
        "who knows the passwords: one or more providers",
    ),
    Directive("AuthDigestQop", Args.ITERATE, IN_DIRECTORY, _qop, Override.AUTHCONFIG, "auth"),
    Directive("AuthDigestAlgorithm", Args.TAKE1, IN_DIRECTORY, _algorithm, Override.AUTHCONFIG, "MD5"),
    Directive(
        "AuthDigestNonceLifetime",
        Args.TAKE1,
        IN_DIRECTORY,
        _lifetime,
        Override.AUTHCONFIG,
        "the number of seconds that a nonce is good, or -1 for ever",
    ),
    Directive(
        "AuthDigestDomain",
        Args.ITERATE,
        IN_DIRECTORY,
        _domain,
        Override.AUTHCONFIG,
        "the URIs that the password is for",
    ),
    Directive("AuthDigestNcCheck", Args.FLAG, SERVER_ONLY, _check_count),
    Directive("AuthDigestShmemSize", Args.TAKE1, SERVER_ONLY, _memory, help="a size"),
)
