"""Require ssl and ssl-verify-client (mod_ssl)."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.modules.authz_core import Decision, Requirement, decided
from mpserver.modules.hooks import Planning
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.modules.authz_core.providers import Check, Make, Read

READ: Mapping[str, Read] = {}


def _ssl(_planning: Planning, _requirement: Requirement) -> Check:
    return lambda req: decided(bool(req.mp_is_https()))


def _verified(_planning: Planning, _requirement: Requirement) -> Check:
    def check(req: Request) -> Decision:
        tls = req.mp_link.tls
        return decided(tls is not None and tls.variable("SSL_CLIENT_VERIFY") == "SUCCESS")

    return check


CHECK: Mapping[str, Make] = {"ssl": _ssl, "ssl-verify-client": _verified}
