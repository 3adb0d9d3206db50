"""Require valid-user and user (mod_authz_user)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from mpserver.errors import ConfigError
from mpserver.modules.authz_core import NEEDS_USER, Decision, Requirement, decided
from mpserver.modules.hooks import Planning
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.registry import Call
    from mpserver.modules.authz_core.providers import Check, Make, Read


def named(kind: str) -> Read:
    """What reads names, of which there has to be one."""

    def read(_call: Call, words: tuple[str, ...], _text: str) -> None:
        if not words:
            raise ConfigError(f"Require {kind} needs at least one name: nobody could meet it")

    return read


READ: Mapping[str, Read] = {"user": named("user")}


def of_user(test: Callable[[Request, str], bool]) -> Check:
    """What decides by the user."""

    def check(req: Request) -> Decision:
        user = req.mp_user
        if user is None:
            return NEEDS_USER
        return decided(test(req, user))

    return check


def as_sent(names: Iterable[str]) -> frozenset[str]:
    """Names of the configuration, as text, and as clients' ones are: their bytes as latin-1."""
    written = frozenset(names)
    return written.union(name.encode("utf-8", "surrogateescape").decode("latin-1") for name in written)


def _valid_user(_planning: Planning, _requirement: Requirement) -> Check:
    return of_user(lambda _req, _user: True)


def _user(_planning: Planning, requirement: Requirement) -> Check:
    names = as_sent(requirement.names)
    return of_user(lambda _req, user: user in names)


CHECK: Mapping[str, Make] = {"valid-user": _valid_user, "user": _user}
