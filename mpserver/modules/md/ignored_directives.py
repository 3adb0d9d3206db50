"""Directives of mod_md that are taken with a warning where that does no harm, or refused where it would."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.registry import SERVER_ONLY, SERVER_VHOST, Args, Call, Directive, Where
from mpserver.errors import ConfigError


def _ignored(why: str) -> Callable[[Call], None]:
    """The code of a directive that may be left out."""

    def apply(call: Call) -> None:
        call.warn(f"{call.name} is ignored: {why}")

    return apply


def _stapling(call: Call) -> None:
    if call.flag:
        call.warn("MDStapling is ignored: Python's ssl staples nothing, clients ask the authority if they care")


def _must_staple(call: Call) -> None:
    if call.flag:
        raise ConfigError(
            "MDMustStaple On can't be had: browsers refuse certificates that demand answers of OCSP where the server "
            "staples none, and Python's ssl does not. Leave it out"
        )


def _locks(call: Call) -> None:
    if call.args[0].lower() != "off":
        raise ConfigError(
            f"MDStoreLocks {call.args[0]} can't be had: let one server of the cluster renew, and write 'MDRenewMode "
            "manual' for the others, which take what it puts into the store"
        )


def _server_status(call: Call) -> None:
    if not call.flag:
        call.warn("MDServerStatus Off is ignored: the page of server-status tells until when certificates are good")


_NO_STAPLES = "Python's ssl staples no answers of OCSP"
_NO_LINK = "the page of server-status has no links to others"

IGNORED_DIRECTIVES: tuple[Directive, ...] = (
    Directive("MDMustStaple", Args.FLAG, SERVER_VHOST | Where.DIRECTORY, _must_staple),
    Directive("MDStapling", Args.FLAG, SERVER_VHOST | Where.DIRECTORY, _stapling),
    Directive("MDStapleOthers", Args.FLAG, SERVER_ONLY, _ignored(_NO_STAPLES)),
    Directive("MDStaplingKeepResponse", Args.TAKE1, SERVER_ONLY, _ignored(_NO_STAPLES), help="a time"),
    Directive("MDStaplingRenewWindow", Args.TAKE1, SERVER_ONLY, _ignored(_NO_STAPLES), help="a time"),
    Directive("MDStoreLocks", Args.TAKE1, SERVER_ONLY, _locks, help="off"),
    Directive("MDServerStatus", Args.FLAG, SERVER_ONLY, _server_status),
    Directive("MDCertificateMonitor", Args.TAKE2, SERVER_ONLY, _ignored(_NO_LINK), help="a name and a URL"),
    Directive("MDCertificateCheck", Args.TAKE2, SERVER_ONLY, _ignored(_NO_LINK), help="a name and a URL"),
    Directive(
        "MDActivationDelay", Args.TAKE1, SERVER_ONLY, _ignored("new certificates are served at once"), help="a time"
    ),
)
