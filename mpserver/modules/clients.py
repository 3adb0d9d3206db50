"""Who a request's client is, for modules that let it in by its address or name."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def address(req: Request) -> str:
    """The address of the client, in words; that it was asked for is no reason to make the answer's head anew."""
    seen = req.mp_head_depends
    found = req.useragent_ip
    req.mp_head_depends = seen
    return found


def is_in_domain(req: Request, domain: str) -> bool:
    """Whether the client's name is that of a host or in a domain; the name has to lead back to its address."""
    seen = req.mp_head_depends
    name = req.mp_get_agent_host(constants.REMOTE_DOUBLE_REV)
    req.mp_head_depends = seen
    return name is not None and in_domain(name, domain)


def in_domain(name: str, domain: str) -> bool:
    """Whether a name is that of a host or in a domain: example.com has www.example.com, and so has .example.com."""
    name, domain = name.lower().removesuffix("."), domain.lower()
    return name == domain or name.endswith(domain if domain.startswith(".") else f".{domain}")
