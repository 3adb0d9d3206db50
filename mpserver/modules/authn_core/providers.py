"""Who knows users and their passwords: what AuthBasicProvider and AuthDigestProvider can name.

The module of a name has ``basic`` and ``digest``: they make, of merged settings, what checks a password, and what
gives the hash of name, realm and password; None where it can't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module

from mpserver.config.settings import Conf
from mpserver.enumeration import Enum, auto
from mpserver.modules.authn_core import Alias, Provider
from mpserver.typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mpserver.api.request import Request

T = TypeVar("T")


class Outcome(Enum):
    """What a provider says of a user."""

    GRANTED = auto()
    DENIED = auto()
    NOT_FOUND = auto()
    #: Something is wrong with the server, and was logged.
    FAILED = auto()


#: Gets the request, the user's name and the password.
Check = Callable[["Request", str, bytes], Outcome]
#: Gets the request, the user's name and the realm; answers with the hash in hexadecimal digits.
Hash = Callable[["Request", str, str], "str | Outcome"]

#: By name: where it is.
PROVIDERS: Mapping[str, str] = {
    "file": "authn_file.provider", "dbm": "authn_dbm.provider", "anon": "authn_anon.provider",
    "socache": "authn_socache.provider",
}  # fmt: skip
#: Those that can be named by AuthDigestProvider.
WITH_HASHES = ("file", "dbm", "socache")


def _named(provider: Provider, conf: Conf) -> tuple[Any, Conf]:
    """The module of a provider, and the settings for it."""
    name = provider
    if isinstance(provider, Alias):
        name, conf = provider.base, conf.merged(provider.conf)
    return import_module(f"mpserver.modules.{PROVIDERS[str(name)]}"), conf


def basic(provider: Provider, conf: Conf) -> Check:
    """What checks passwords."""
    module, conf = _named(provider, conf)
    made: Check = module.basic(conf)
    return made


def digest(provider: Provider, conf: Conf) -> Hash:
    """What gives hashes."""
    module, conf = _named(provider, conf)
    made: Hash = module.digest(conf)
    return made


def first(answers: Iterable[T | Outcome]) -> T | Outcome:
    """Of several providers' answers that of the first who knows the user."""
    return next((answer for answer in answers if answer is not Outcome.NOT_FOUND), Outcome.NOT_FOUND)
