"""The directives of mod_authz_core."""

from __future__ import annotations

from mpserver.config.lexer import words as read_words
from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive, Where
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.authn_core.provider_names import new_alias
from mpserver.modules.authz_core import ALIASES, CONSTANTS, REQUIRE, SEND_FORBIDDEN, Requirement, Rules, providers

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
    requirement = _read(call, words, raw)
    if negated:
        text = requirement.text if requirement.kind in CONSTANTS else f"not {requirement.text}"
        requirement = requirement._replace(negated=True, text=text)
    call.conf[REQUIRE] = rules._replace(entries=(*rules.entries, requirement))


def _read(call: Call, words: tuple[str, ...], raw: str) -> Requirement:
    """What is required by some words, and the text that they are."""
    name = words[0] if words else ""
    text = " ".join(words)
    if name == "all":
        which = words[1].lower() if len(words) == 2 else ""
        if which not in ("granted", "denied"):
            raise ConfigError("Argument for 'Require all' must be 'granted' or 'denied'")
        return Requirement(which, (), f"all {which}", methods=call.methods)
    if name in providers.PROVIDERS:
        data = providers.read(call, name, words[1:], _behind(raw))
        return Requirement(name, words[1:], text, methods=call.methods, data=data)
    alias = call.main[ALIASES].get(name)
    if alias is not None:
        if len(words) > 1:
            call.warn(f"Require {name}: what follows the name is not looked at: its section says what is required")
        return alias._replace(text=text, methods=call.methods)
    raise ConfigError(
        f"Unknown Authz provider: {name}: use all granted, all denied, valid-user, user NAME..., group NAME..., "
        "or one of " + ", ".join(sorted(providers.PROVIDERS.keys() - {"valid-user", "user", "group"}))
    )


def _alias(call: Call) -> None:
    """``<AuthzProviderAlias>``: a requirement under a name of its own, with settings of its own."""
    base, name, *rest = call.args
    if base not in (*providers.PROVIDERS, "all"):
        raise ConfigError(f"Unknown Authz provider: {base}: write one of {', '.join(sorted(providers.PROVIDERS))}")
    taken = {"all", *providers.PROVIDERS, *call.main[ALIASES]}
    conf = new_alias(call, "<AuthzProviderAlias>", base, name, taken)
    said = " ".join((base, *rest))
    requirement = _read(call, tuple(read_words(said)), said)._replace(settings=conf)
    call.server[ALIASES] = {**call.server.values.get(ALIASES, {}), name: requirement}


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
    Directive(
        "Require", Args.RAW, IN_DIRECTORY, _require, Override.AUTHCONFIG, "who may come, as valid-user or ip 10.0.0.0/8"
    ),
    *(
        Directive(f"<Require{name}", Args.NONE, IN_DIRECTORY, _container, Override.AUTHCONFIG)
        for name in ("All", "Any", "None")
    ),
    Directive(
        "<AuthzProviderAlias",
        Args.TAKE23,
        Where.SERVER,
        _alias,
        help="a provider, another name for it with the settings that stand in the section, and what it is to require",
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
