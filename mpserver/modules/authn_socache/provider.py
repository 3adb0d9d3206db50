"""The provider ``socache``: it keeps nothing, so that those behind it are asked."""

from __future__ import annotations

from mpserver.config.settings import Conf
from mpserver.modules.authn_core.providers import Check, Hash, Outcome


def basic(_conf: Conf) -> Check:
    """What leaves passwords to others."""
    return lambda _req, _user, _password: Outcome.NOT_FOUND


def digest(_conf: Conf) -> Hash:
    """What leaves hashes to others."""
    return lambda _req, _user, _realm: Outcome.NOT_FOUND
