"""Reading AuthBasicProvider and AuthDigestProvider."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.registry import Call
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules.authn_core import providers


def read_providers(setting: Setting[tuple[str, ...]], *, hashes: bool = False) -> Callable[[Call], None]:
    """The code of the directive that fills this setting; ``hashes``: with those that have hashes for Digest."""
    names = providers.WITH_HASHES if hashes else tuple(providers.PROVIDERS)

    def apply(call: Call) -> None:
        for name in call.args:
            if name not in names:
                raise ConfigError(
                    f"Unknown Authn provider: {name}: write one of {', '.join(names)}, or let a "
                    "PythonAuthenHandler find the user"
                )
        call.conf[setting] = call.args

    return apply
