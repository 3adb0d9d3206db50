"""What Listen names: an address and a port, or a file."""

from __future__ import annotations

from mpserver.errors import ConfigError
from mpserver.modules import paths
from mpserver.modules.core import Listen

#: The port that the connections of a file count as: for ``<VirtualHost *:80>``, SERVER_PORT, and URLs of their own.
PORT_OF_FILES = 80


def parse_listen(address: str, protocol: str = "") -> Listen:
    """``80``, ``*:80``, ``192.0.2.1:80``, ``[::1]:80`` or ``name:80``.

    :raises ConfigError: httpd's words, and what would be right.
    """
    host, colon, port = address.rpartition(":")
    remedy = "write a port, or address:port, as in 8080, 127.0.0.1:8080 or [::1]:8080"
    if address.endswith("]") or not port.isascii() or not port.isdigit():
        raise ConfigError(f"Port must be specified: {remedy}")
    number = int(port) if len(port) < 6 else 0
    if not 0 < number < 65536 or (colon and not host):
        raise ConfigError(f"Invalid address or port: {remedy}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"Invalid address or port: {remedy}")
    protocol = protocol.lower() or ("https" if number == 443 else "http")
    return Listen(None if host in ("", "*") else host, number, protocol)


_FORM = "write unix:PATH, and optionally mode=0660, owner=NAME and group=NAME"


def listen_at_file(root: str, target: str, *options: str) -> Listen:
    """``unix:/run/site.sock mode=0660 owner=www-data group=www-data``.

    :raises ConfigError: an option is none of these, or there is no path.
    """
    if not target[5:]:
        raise ConfigError(f"Listen {target} has no path: {_FORM}")
    listen = Listen(None, PORT_OF_FILES, "http", paths.absolute(root, target[5:]))
    for option in options:
        name, equals, value = option.partition("=")
        if option.lower() == "http":
            continue
        if option.lower() == "https":
            raise ConfigError(
                f"Listen {target} https: TLS is not spoken at a socket of a file. Let the proxy before it speak TLS"
            )
        if name not in ("mode", "owner", "group") or not equals or not value:
            raise ConfigError(f"Listen {target}: '{option}' is no option: {_FORM}")
        if name == "mode":
            if not value.isascii() or not value.isdigit() or set(value) & {"8", "9"} or int(value, 8) > 0o777:
                raise ConfigError(f"Listen {target}: '{option}' is no mode of a file: {_FORM}")
            listen = listen._replace(mode=int(value, 8))
        else:
            listen = listen._replace(owner=value) if name == "owner" else listen._replace(group=value)
    return listen
