"""The directives of mod_status; ExtendedStatus is the core's, as in httpd."""

from __future__ import annotations

from mpserver.config.registry import SERVER_ONLY, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import paths
from mpserver.modules.status import MANAGEMENT_LISTEN, SEE_REQUEST_TAIL


def _see_request_tail(call: Call) -> None:
    call.server[SEE_REQUEST_TAIL] = call.flag


_FORM = "write an address and port, as 127.0.0.1:9901 or [::1]:9901, or unix:PATH, or None"


def _management_listen(call: Call) -> None:
    word = call.args[0]
    if word.lower() == "none":
        call.server[MANAGEMENT_LISTEN] = ""
    elif word.startswith("unix:"):
        if not word[5:]:
            raise ConfigError(f'{call.name} "{word}" has no path: {_FORM}')
        call.server[MANAGEMENT_LISTEN] = "unix:" + paths.absolute(call.root, word[5:])
    else:
        call.server[MANAGEMENT_LISTEN] = _address(call, word)


def _address(call: Call, word: str) -> str:
    """An address with its port.

    :raises ConfigError: it is none: names could mean others at the next start, and a port alone would be for all.
    """
    import ipaddress  # (few configurations have one, but interpreters have the tables of directives)

    host, _, port = word.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        raise ConfigError(f'{call.name} "{word}" is no address with a port: {_FORM}') from None
    if (address.version == 6) != (bare != host) or not (port.isascii() and port.isdigit() and len(port) < 6):
        raise ConfigError(f'{call.name} "{word}" is no address with a port: {_FORM}')
    if not 0 < int(port) < 65536:
        raise ConfigError(f'{call.name} "{word}": there is no port {port}: {_FORM}')
    if not address.is_loopback:
        call.warn(f"{call.name} {word}: whoever reaches this address can read all about the server, without a password")
    return word


DIRECTIVES: tuple[Directive, ...] = (
    Directive("SeeRequestTail", Args.FLAG, SERVER_ONLY, _see_request_tail),
    Directive(
        "ManagementListen",
        Args.TAKE1,
        SERVER_ONLY,
        _management_listen,
        help="where the master answers for the server: ADDRESS:PORT, unix:PATH or None",
    ),
)
