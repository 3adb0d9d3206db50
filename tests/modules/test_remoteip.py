"""mod_remoteip: who a request's client is by a header."""

from __future__ import annotations

import pytest

from mpserver.modules import networks
from mpserver.modules.remoteip import Proxy
from mpserver.modules.remoteip.hooks import Found, follow

INTERNAL = (Proxy(networks.parse("10.0.0.0/8"), True),)
OUTSIDE = (*INTERNAL, Proxy(networks.parse("192.0.2.0/24"), False))


@pytest.mark.parametrize(
    ("value", "peer", "proxies", "found"),
    [
        ("198.51.100.1", "10.0.0.1", INTERNAL, Found("198.51.100.1", None, ())),
        ("1.1.1.1, 198.51.100.1", "10.0.0.1", INTERNAL, Found("198.51.100.1", "1.1.1.1", ())),
        ("1.1.1.1, 10.0.0.2,10.0.0.3", "10.0.0.1", INTERNAL, Found("1.1.1.1", None, ())),
        ("198.51.100.1", "203.0.113.1", INTERNAL, Found(None, "198.51.100.1", ())),
        ("198.51.100.1,192.0.2.1", "10.0.0.1", OUTSIDE, Found("198.51.100.1", None, ("192.0.2.1",))),
        ("1.1.1.1,", "10.0.0.1", INTERNAL, Found(None, "1.1.1.1,", ())),
        ("", "10.0.0.1", INTERNAL, Found(None, "", ())),
        ("x,10.0.0.2", "10.0.0.1", INTERNAL, Found("10.0.0.2", "x", (), "'x' is no address")),
        ("a,::ffff:1.2.3.4", "9.9.9.9", None, Found("1.2.3.4", "a", ("9.9.9.9",), "'a' is no address")),
    ],
)
def test_the_way_back_to_the_client(value: str, peer: str, proxies: tuple[Proxy, ...] | None, found: Found) -> None:
    assert follow(value, peer, proxies) == found
