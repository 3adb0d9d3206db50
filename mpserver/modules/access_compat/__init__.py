"""Order, Allow, Deny and Satisfy: access by address, as httpd 2.2 had it (mod_access_compat)."""

from __future__ import annotations

from mpserver.config.methods import Methods, holds_for
from mpserver.config.settings import Setting
from mpserver.modules.networks import Network
from mpserver.typing import NamedTuple

#: What Order takes.
ALLOW_DENY, DENY_ALLOW, MUTUAL_FAILURE = "allow,deny", "deny,allow", "mutual-failure"


class Who(NamedTuple):
    """One word of Allow or Deny: ``kind`` is all, env, no-env, network or host; the methods that it is limited to."""

    kind: str
    name: str = ""
    network: Network | None = None
    methods: Methods | None = None


class Access(NamedTuple):
    """What one scope says; an inner scope that says something forgets the outer one. The last word counts."""

    allowed: tuple[Who, ...] = ()
    denied: tuple[Who, ...] = ()
    orders: tuple[tuple[str, Methods | None], ...] = ()
    #: Whether one of address and user is enough.
    any: tuple[tuple[bool, Methods | None], ...] = ()

    @property
    def decides(self) -> bool:
        """Whether addresses matter here."""
        return bool(self.allowed or self.denied or self.orders)

    def order(self, method: str) -> str:
        """The Order of requests of a method."""
        for word, methods in reversed(self.orders):
            if holds_for(methods, method):
                return word
        return DENY_ALLOW

    def one_is_enough(self, method: str) -> bool:
        """Whether requests of a method have Satisfy Any."""
        for word, methods in reversed(self.any):
            if holds_for(methods, method):
                return word
        return False


ACCESS: Setting[Access] = Setting("Order, Allow, Deny and Satisfy", Access())
