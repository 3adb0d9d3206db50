"""Directives of mod_wsgi that change nothing here, and those that would be missed."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.override import Override
from mpserver.config.registry import (
    EVERYWHERE,
    IN_DIRECTORY,
    NOT_HTACCESS,
    SERVER_VHOST,
    Args,
    Call,
    Directive,
)
from mpserver.errors import ConfigError


def _ignored(why: str) -> Callable[[Call], None]:
    """The code of a directive that may be left out."""

    def apply(call: Call) -> None:
        call.warn(f"{call.name} is ignored: {why}")

    return apply


def _only(words: tuple[str, ...], remedy: str) -> Callable[[Call], None]:
    """The code of a directive of which some words can be had, and others would be missed."""

    def apply(call: Call) -> None:
        if call.args[0].lower() not in words:
            raise ConfigError(f"{call.name} {call.args[0]} can't be had: {remedy}")

    return apply


def _refused(remedy: str) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        raise ConfigError(f"{call.name} can't be had: {remedy}")

    return apply


def _nothing(_call: Call) -> None:
    """What it asks for is so in any case, or changes nothing that anybody sees."""


def _server(name: str, args: Args, apply: Callable[[Call], None]) -> Directive:
    return Directive(name, args, SERVER_VHOST, apply, help="a value")


def _section(name: str, args: Args, apply: Callable[[Call], None]) -> Directive:
    return Directive(name, args, NOT_HTACCESS, apply, help="a value")


def _everywhere(name: str, args: Args, apply: Callable[[Call], None]) -> Directive:
    return Directive(name, args, EVERYWHERE, apply, Override.FILEINFO, "a value")


_SOCKETS = "requests reach a process group without sockets or locks of a name"
_AT_THE_START = "start the server with {} in its environment"
_SIGHT = "the log says what it can, and the status has the figures"

OTHER_DIRECTIVES: tuple[Directive, ...] = (
    _server("WSGISocketPrefix", Args.TAKE1, _nothing),
    _server("WSGISocketRotation", Args.FLAG, _ignored(_SOCKETS)),
    _server("WSGIAcceptMutex", Args.TAKE1, _ignored(_SOCKETS)),
    _server("WSGILazyInitialization", Args.FLAG, _ignored("Python runs before there are workers")),
    _server("WSGIDestroyInterpreter", Args.FLAG, _ignored("interpreters end in an orderly way")),
    _server("WSGIPythonEggs", Args.TAKE1, _ignored("set PYTHON_EGG_CACHE in the server's environment if you need it")),
    _server("WSGIVerboseDebugging", Args.FLAG, _ignored(_SIGHT)),
    _server("WSGIServerMetrics", Args.FLAG, _ignored(_SIGHT)),
    _server("WSGINewRelicConfigFile", Args.TAKE1, _refused("start its agent in the script")),
    _server("WSGINewRelicEnvironment", Args.TAKE1, _refused("start its agent in the script")),
    _server("WSGIRestrictStdin", Args.FLAG, _nothing),
    _server("WSGIRestrictStdout", Args.FLAG, _only(("off",), "what is printed goes to the error log; write Off")),
    _server("WSGIRestrictSignal", Args.FLAG, _only(("on",), "signals are the server's; write On")),
    _server("WSGIPythonWarnings", Args.TAKE1, _refused(_AT_THE_START.format("PYTHONWARNINGS"))),
    _server("WSGIPythonHashSeed", Args.TAKE1, _refused(_AT_THE_START.format("PYTHONHASHSEED"))),
    _server("WSGIDontWriteBytecode", Args.FLAG, _only(("off",), _AT_THE_START.format("PYTHONDONTWRITEBYTECODE"))),
    _server("WSGICaseSensitivity", Args.FLAG, _only(("on",), "file names are told apart by case; write On")),
    _section("WSGIRestrictProcess", Args.ITERATE, _refused("groups are named in sections; leave it out")),
    _section("WSGIPassApacheRequest", Args.FLAG, _only(("off",), "use a PythonHandler, which has the request")),
    _section("WSGIDispatchScript", Args.ITERATE, _refused("use WSGIProcessGroup and WSGIApplicationGroup in sections")),
    _section("WSGIHandlerScript", Args.ITERATE, _refused("use a PythonHandler")),
    _everywhere("WSGIEnableSendfile", Args.FLAG, _nothing),
    _everywhere("WSGIChunkedRequest", Args.FLAG, _nothing),
    _everywhere("WSGIMapHEADToGET", Args.TAKE1, _only(("auto", "off"), "applications get HEAD as it is; write Off")),
    _everywhere("WSGIErrorOverride", Args.FLAG, _only(("off",), "pages of errors are the application's; write Off")),
    _everywhere("WSGIIgnoreActivity", Args.TAKE1, _ignored("every request counts for inactivity-timeout")),
    *(
        _everywhere(name, Args.ITERATE, _refused("read the headers in the application: they are in its environ"))
        for name in ("WSGITrustedProxies", "WSGITrustedProxyHeaders")
    ),
    *(
        Directive(name, args, IN_DIRECTORY, _refused(remedy), Override.AUTHCONFIG, "a script")
        for name, args, remedy in (
            ("WSGIAuthUserScript", Args.ITERATE, "use a PythonAuthenHandler, or AuthBasicProvider file"),
            ("WSGIAuthGroupScript", Args.ITERATE, "use a PythonAuthzHandler, or AuthGroupFile"),
            ("WSGIAccessScript", Args.ITERATE, "use a PythonAccessHandler"),
            ("WSGIGroupAuthoritative", Args.FLAG, "a PythonAuthzHandler decides by what it returns"),
        )
    ),
)
