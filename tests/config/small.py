"""A small registry for the tests: directives of every shape, and the engine's own ones."""

from mpserver.config import hosts, htaccess_directives
from mpserver.config.override import Override
from mpserver.config.registry import (
    EVERYWHERE,
    IN_DIRECTORY,
    NOT_HTACCESS,
    SERVER_ONLY,
    SERVER_VHOST,
    Args,
    Call,
    Directive,
    Module,
    Registry,
)
from mpserver.config.settings import Setting, append
from mpserver.errors import ConfigError

#: Set by the directive of the same name with the words it got.
NOTE: Setting[tuple[str, ...]] = Setting("Note", (), append)
ROOT: Setting[str] = Setting("DocumentRoot", "")
KEEP_ALIVE: Setting[bool] = Setting("KeepAlive", True)
TYPE: Setting[str] = Setting("ForceType", "")
NAME: Setting[str] = Setting("AuthName", "")


def _note(call: Call) -> None:
    call.conf[NOTE] = call.conf[NOTE] + call.args


def _root(call: Call) -> None:
    call.server[ROOT] = call.args[0]


def _keep_alive(call: Call) -> None:
    call.server[KEEP_ALIVE] = call.flag


def _force_type(call: Call) -> None:
    call.conf[TYPE] = call.args[0]


def _auth_name(call: Call) -> None:
    call.conf[NAME] = call.args[0]


def _nothing(call: Call) -> None:
    pass


def _refuse(call: Call) -> None:
    raise ConfigError(f"{call.name} never works")


def small_registry() -> Registry:
    core = Module(
        "core.c",
        "core_module",
        (
            *hosts.DIRECTIVES,
            *htaccess_directives.DIRECTIVES,
            Directive("ServerRoot", Args.TAKE1, SERVER_ONLY, _nothing),
            Directive("Listen", Args.ITERATE, SERVER_ONLY, _nothing),
            Directive("Timeout", Args.TAKE1, SERVER_VHOST, _nothing, help="Timeout duration (sec)"),
            Directive("DocumentRoot", Args.TAKE1, SERVER_VHOST, _root),
            Directive("KeepAlive", Args.FLAG, SERVER_VHOST, _keep_alive),
            Directive("ForceType", Args.TAKE1, EVERYWHERE, _force_type, Override.FILEINFO),
            Directive("Note", Args.ANY, EVERYWHERE, _note, Override.FILEINFO),
            Directive("AuthName", Args.TAKE1, IN_DIRECTORY, _auth_name, Override.AUTHCONFIG),
            Directive("Refuse", Args.ANY, NOT_HTACCESS, _refuse),
        ),
    )
    shapes = Module(
        "mod_shapes.c",
        "shapes_module",
        tuple(Directive("Try" + args.name.title(), args, EVERYWHERE, _nothing, Override.ALL) for args in Args),
    )
    return Registry((core, shapes))
