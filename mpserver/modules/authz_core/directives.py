"""The directives of mod_authz_core."""

from __future__ import annotations

from mpserver.config.lexer import words as read_words
from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.authz_core import REQUIRE, SEND_FORBIDDEN, Requirement, Rules, providers

_CONTAINERS = {"any": "<RequireAny>", "all": "<RequireAll>", "none": "<RequireNone>"}


def _require(call: Call) -> None:
    words, raw = call.args, call.raw.strip()
    rules = call.conf.values.get(REQUIRE, Rules())
    negated = bool(words) and words[0].lower() == "not"
    if negated:
        if rules.op != "all":
            raise ConfigError(
                f"negative Require directive has no effect in {_CONTAINERS[rules.op]} directive: put it into "
                "<RequireAll>, beside one that says who may"
            )
        words, raw = words[1:], _behind(raw)
    name = words[0] if words else ""
    kind, names, data = name, words[1:], None
    if name == "all":
        which = words[1].lower() if len(words) == 2 else ""
        if which not in ("granted", "denied"):
            raise ConfigError("Argument for 'Require all' must be 'granted' or 'denied'")
        kind, names = which, ()
    elif name in providers.PROVIDERS:
        data = providers.read(call, name, names, _behind(raw))
    else:
        raise ConfigError(
            f"Unknown Authz provider: {name}: use all granted, all denied, valid-user, user NAME..., group NAME..., "
            "or one of " + ", ".join(sorted(providers.PROVIDERS.keys() - {"valid-user", "user", "group"}))
        )
    text = " ".join(("not", *words) if negated else words) if kind == name else f"all {kind}"
    requirement = Requirement(kind, names, text, negated, call.methods, data)
    call.conf[REQUIRE] = rules._replace(entries=(*rules.entries, requirement))


def _behind(raw: str) -> str:
    """A text without its first word."""
    first = read_words(raw)[0]
    quoted = raw.startswith(('"', "'"))
    return raw[len(first) + (2 if quoted else 0) :].strip()


def _container(call: Call) -> None:
    """``<RequireAll>`` and its kin: what stands in it is one requirement of what stands around."""
    op = call.name.removeprefix("<Require").lower()
    outer = call.conf.values.pop(REQUIRE, None)
    call.conf[REQUIRE] = Rules(op=op)
    try:
        call.inside(call.conf, None)
        inner: Rules = call.conf.values.pop(REQUIRE)
    finally:
        call.conf.values.pop(REQUIRE, None)
        if outer is not None:
            call.conf[REQUIRE] = outer
    around = outer or Rules()
    inner = inner._replace(merging="")
    if not inner.entries:
        raise ConfigError(f"{call.name}> directive contains no authorization directives: add a Require")
    if inner.negated and around.op != "all":
        raise ConfigError(
            f"{call.name}> directive has no effect in {_CONTAINERS[around.op]} directive: put it into <RequireAll>, "
            "beside one that says who may"
        )
    if op == "all" and all(entry.negated for entry in inner.entries):
        raise ConfigError(
            f"{call.name}> directive contains only negative authorization directives: add one that says who may, as "
            "Require all granted"
        )
    call.conf[REQUIRE] = around._replace(entries=(*around.entries, inner))


def _merging(call: Call) -> None:
    word = call.args[0].lower()
    if word not in ("off", "and", "or"):
        raise ConfigError("AuthMerging must be one of: Off | And | Or")
    rules = call.conf.values.get(REQUIRE, Rules())
    call.conf[REQUIRE] = rules._replace(merging=word)


DIRECTIVES: tuple[Directive, ...] = (
    Directive("Require", Args.RAW, IN_DIRECTORY, _require, Override.AUTHCONFIG),
    *(
        Directive(f"<Require{name}", Args.NONE, IN_DIRECTORY, _container, Override.AUTHCONFIG)
        for name in ("All", "Any", "None")
    ),
    Directive("AuthMerging", Args.TAKE1, IN_DIRECTORY, _merging, Override.AUTHCONFIG, "Off, And or Or"),
    Directive(
        "AuthzSendForbiddenOnFailure",
        Args.FLAG,
        IN_DIRECTORY,
        values.directory(SEND_FORBIDDEN, values.flag),
        Override.AUTHCONFIG,
    ),
)
