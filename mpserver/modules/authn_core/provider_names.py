"""Reading AuthBasicProvider, AuthDigestProvider and AuthnProviderAlias."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.registry import Call
from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError
from mpserver.modules.authn_core import ALIASES, Alias, Provider, providers


def read_providers(setting: Setting[tuple[Provider, ...]], *, hashes: bool = False) -> Callable[[Call], None]:
    """The code of the directive that fills this setting; ``hashes``: with those that have hashes for Digest."""
    names = providers.WITH_HASHES if hashes else tuple(providers.PROVIDERS)

    def apply(call: Call) -> None:
        call.conf[setting] = tuple(_find(call, name, names) for name in call.args)

    return apply


def _find(call: Call, name: str, names: tuple[str, ...]) -> Provider:
    if name in names:
        return name
    aliases = call.main[ALIASES]
    alias = aliases.get(name)
    if alias is not None and alias.base in names:
        return alias
    known = ", ".join((*names, *(name for name, alias in aliases.items() if alias.base in names)))
    raise ConfigError(
        f"Unknown Authn provider: {name}: write one of {known}, or let a PythonAuthenHandler find the user"
    )


def define(call: Call) -> None:
    """``<AuthnProviderAlias>``: what stands in it is the provider's own, over what is set where it is named."""
    base, name = call.args
    if base not in providers.PROVIDERS:
        raise ConfigError(f"Unknown Authn provider: {base}: write one of {', '.join(providers.PROVIDERS)}")
    conf = new_alias(call, "<AuthnProviderAlias>", base, name, {*providers.PROVIDERS, *call.main[ALIASES]})
    call.server[ALIASES] = {**call.server.values.get(ALIASES, {}), name: Alias(base, conf)}


def new_alias(call: Call, section: str, base: str, name: str, taken: set[str]) -> Conf:
    """The settings of a section that gives a provider another name. :raises ConfigError: the name is taken."""
    if name == base:
        raise ConfigError(f"{section}: The alias provider name must be different from the base provider name.")
    if name in taken:
        raise ConfigError(
            f"{section}: The alias provider {name} has already be registered previously as either a base provider or "
            "an alias provider."
        )
    conf = Conf()
    call.inside(conf, None)
    return conf
