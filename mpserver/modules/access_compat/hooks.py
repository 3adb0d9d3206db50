"""Whether a client may come in by its address, as Order, Allow and Deny say."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.api import constants
from mpserver.config.methods import holds_for
from mpserver.modules import clients, networks
from mpserver.modules.access_compat import ACCESS, ALLOW_DENY, DENY_ALLOW, MUTUAL_FAILURE, Access, Who
from mpserver.modules.hooks import Planning, Step
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

PLAIN = frozenset({"access_checker"})

#: What an order makes of being among those who are allowed, and among those who are denied.
_VERDICTS: dict[str, Callable[[bool, bool], bool]] = {
    ALLOW_DENY: lambda allowed, denied: allowed and not denied,
    DENY_ALLOW: lambda allowed, denied: allowed or not denied,
    MUTUAL_FAILURE: lambda allowed, denied: allowed and not denied,
}


def may_block(planning: Planning) -> bool:
    """Names of hosts are looked up."""
    access = planning.conf[ACCESS]
    return any(who.kind == "host" for who in (*access.allowed, *access.denied))


def access_checker(planning: Planning) -> Step | None:
    """Order, Allow and Deny."""
    access = planning.conf[ACCESS]
    if not access.decides:
        return None
    if _lets_all_in(access):
        # (where one is enough, what lets everybody in has to be asked)
        return None if one_is_enough(planning) is None else lambda _req: constants.OK

    def check(req: Request) -> int:
        method = req.mp_method
        verdict = _VERDICTS[access.order(method)]
        if verdict(_among(req, access.allowed, method), _among(req, access.denied, method)):
            return constants.OK
        text = f"AH01797: client denied by server configuration: {req.mp_filename or req.mp_uri}"
        req.mp_log.log(constants.APLOG_ERR, text, module="access_compat", about=req)
        return constants.HTTP_FORBIDDEN

    return check


def one_is_enough(planning: Planning) -> Callable[[Request], bool] | None:
    """Satisfy."""
    access = planning.conf[ACCESS]
    if not any(enough for enough, _methods in access.any):
        return None
    return lambda req: access.one_is_enough(req.mp_method)


def _lets_all_in(access: Access) -> bool:
    """Whether nothing depends on the request: `Allow from all` for all methods, and nobody denied."""
    everybody = any(who.kind == "all" and who.methods is None for who in access.allowed)
    return everybody and not access.denied


def _among(req: Request, listed: tuple[Who, ...], method: str) -> bool:
    return any(_KINDS[who.kind](req, who) for who in listed if holds_for(who.methods, method))


def _has_variable(req: Request, who: Who) -> bool:
    table = req.mp_env
    return table is not None and table.get(who.name) is not None


def _in_network(req: Request, who: Who) -> bool:
    assert who.network is not None
    return who.network.has(networks.packed(clients.address(req)))


_KINDS: dict[str, Callable[[Request, Who], bool]] = {
    "all": lambda _req, _who: True,
    "env": _has_variable,
    "no-env": lambda req, who: not _has_variable(req, who),
    "network": _in_network,
    "host": lambda req, who: clients.is_in_domain(req, who.name),
}
