"""The directives of mod_authz_core."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.authz_core import REQUIRE, SEND_FORBIDDEN, Requirement, Rules


def _require(call: Call) -> None:
    words = call.args
    name = words[0] if words else ""
    if name.lower() == "not":
        raise ConfigError(
            "negative Require directive has no effect in <RequireAny> directive: say who may in place of who may not"
        )
    requirement = Requirement(name, words[1:], " ".join(words))
    if name == "all":
        which = words[1].lower() if len(words) == 2 else ""
        if which not in ("granted", "denied"):
            raise ConfigError("Argument for 'Require all' must be 'granted' or 'denied'")
        requirement = Requirement(which, (), f"all {which}")
    elif name in ("user", "group"):
        if len(words) < 2:
            raise ConfigError(f"Require {name} needs at least one name: nobody could meet it")
    elif name != "valid-user":
        raise ConfigError(
            f"Unknown Authz provider: {name}: use all granted, all denied, valid-user, user NAME... or group NAME..."
        )
    rules = call.conf.values.get(REQUIRE, Rules())
    call.conf[REQUIRE] = rules._replace(entries=(*rules.entries, requirement))


def _merging(call: Call) -> None:
    word = call.args[0].lower()
    if word not in ("off", "and", "or"):
        raise ConfigError("AuthMerging must be one of: Off | And | Or")
    rules = call.conf.values.get(REQUIRE, Rules())
    call.conf[REQUIRE] = rules._replace(merging=word)


DIRECTIVES: tuple[Directive, ...] = (
    Directive("Require", Args.RAW, IN_DIRECTORY, _require, Override.AUTHCONFIG),
    Directive("AuthMerging", Args.TAKE1, IN_DIRECTORY, _merging, Override.AUTHCONFIG, "Off, And or Or"),
    Directive(
        "AuthzSendForbiddenOnFailure",
        Args.FLAG,
        IN_DIRECTORY,
        values.directory(SEND_FORBIDDEN, values.flag),
        Override.AUTHCONFIG,
    ),
)
