"""Names and addresses of hosts, as they are compared."""

from __future__ import annotations

#: Every address.
ANY = "*"


def has_wildcard(name: str) -> bool:
    """Whether a ServerAlias stands for many names."""
    return "*" in name or "?" in name


def normal_ip(ip: str) -> str:
    """A local address as the system tells it, without what can differ for the same address."""
    if ":" not in ip:
        return ip
    ip = ip.partition("%")[0].lower()
    return ip[7:] if ip.startswith("::ffff:") and "." in ip else ip


def normal_host(host: str) -> str:
    """The host of a request (``Example.org.:8080``) as names are compared: lower case, no port, no last dot."""
    if host[:1] == "[":
        return host[: host.find("]") + 1].lower()
    host = host.partition(":")[0].lower()
    return host[:-1] if host[-1:] == "." else host
