"""The directives of mod_authn_socache: looked at, and left alone.

A right password is compared once as long as the file of users has the same for its user (`mpserver.modules.verified`),
which is what people have the cache for; so nothing has to be told, nor to be kept.
"""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive, Where
from mpserver.errors import ConfigError
from mpserver.modules import values

_STORES = ("default", "shmcb", "dbm", "memcache", "redis", "dc")


def _idle(call: Call) -> None:
    call.warn(f"{call.name} makes no difference here: providers remember, by keyed hashes, which passwords were right")


def _store(call: Call) -> None:
    name = call.args[0].partition(":")[0]
    if name not in _STORES:
        raise ConfigError(f"{call.name}: Unknown socache provider '{name}': write one of {', '.join(_STORES)}")
    _idle(call)


def _timeout(call: Call) -> None:
    values.number(0)(call, call.args[0])
    _idle(call)


DIRECTIVES: tuple[Directive, ...] = (
    Directive("AuthnCacheEnable", Args.NONE, Where.SERVER, _idle),
    Directive("AuthnCacheSOCache", Args.TAKE1, Where.SERVER, _store, help="where to keep the cache"),
    Directive(
        "AuthnCacheProvideFor",
        Args.ITERATE,
        IN_DIRECTORY,
        _idle,
        Override.AUTHCONFIG,
        "the providers whose answers to keep",
    ),
    Directive("AuthnCacheTimeout", Args.TAKE1, IN_DIRECTORY, _timeout, Override.AUTHCONFIG, "a number of seconds"),
    Directive(
        "AuthnCacheContext", Args.TAKE1, IN_DIRECTORY, _idle, Override.AUTHCONFIG, "directory, server, or a name"
    ),
)
