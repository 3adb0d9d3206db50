"""The directives of mod_wsgi that place applications."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.override import Override
from mpserver.config.registry import (
    EVERYWHERE,
    NOT_HTACCESS,
    SERVER_ONLY,
    SERVER_VHOST,
    Args,
    Call,
    Directive,
)
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.python import PYTHON_OPTIMIZE
from mpserver.modules.python.environment import USER
from mpserver.modules.wsgi import (
    APPLICATION_GROUP,
    CALLABLE_OBJECT,
    DAEMONS,
    GLOBAL,
    MOUNTS,
    PASS_AUTHORIZATION,
    PRELOADED,
    PROCESS_GROUP,
    PYTHON_HOME,
    PYTHON_PATH,
    RESOURCE,
    RESTRICT_EMBEDDED,
    SCRIPT_RELOADING,
    SERVER,
    USED_GROUPS,
    Daemon,
    Mount,
    Preloaded,
    UsedGroup,
    daemon_options,
)
from mpserver.modules.wsgi.other_directives import OTHER_DIRECTIVES


def _process_group(call: Call, word: str) -> str:
    """The name of a process group; "" for the server's own processes."""
    name = values.filled(call, word)
    if name == GLOBAL:
        return ""
    if "%{" in name:
        raise ConfigError(
            f"{call.name} {name}: a group that depends on the request can't be had: name the group in a section"
        )
    used = UsedGroup(name, call.name, call.file, call.line)
    call.server[USED_GROUPS] = (*call.server.values.get(USED_GROUPS, ()), used)
    return name


def _application_group(call: Call, word: str) -> str:
    name = values.filled(call, word)
    if "%{" in name and name not in (GLOBAL, RESOURCE, SERVER):
        raise ConfigError(
            f"{call.name} {name}: a group that depends on the request can't be had: write a name, {GLOBAL}, "
            f"{RESOURCE} or {SERVER}"
        )
    return name


# ---- mounting


def _mount(is_pattern: bool) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        place, target, *words = call.args
        prefix = "" if is_pattern else values.filled(call, place)
        pattern = values.regex(call, place) if is_pattern else None
        if not prefix.startswith("/") and pattern is None:
            raise ConfigError(f"{call.name} {place}: a path begins with a slash: write /{place}")
        found = Mount(prefix, pattern, _target(call, target))
        for name, value in daemon_options.words(call, " ".join(words)):
            read = _MOUNT_OPTIONS.get(name)
            if read is None:
                raise ConfigError(
                    f"Invalid option to {call.name}: {name}: it may be one of {', '.join(_MOUNT_OPTIONS)}"
                )
            found = read(call, value, found)
        call.server[MOUNTS] = (*call.server.values.get(MOUNTS, ()), found)
        script = found.script
        if script is not None and found.process_group is not None and found.application_group is not None:
            # (as in mod_wsgi, which loads such a script before there is a request)
            _preload(call, Preloaded(script, found.process_group, found.application_group))

    return apply


def _target(call: Call, word: str) -> str:
    """The script, or folder of scripts, from the root on."""
    return word if word.startswith("$") else values.target(call, word)


_MOUNT_OPTIONS: dict[str, Callable[[Call, str, Mount], Mount]] = {
    "process-group": lambda call, value, found: found._replace(process_group=_process_group(call, value)),
    "application-group": lambda call, value, found: found._replace(application_group=_application_group(call, value)),
    "callable-object": lambda call, value, found: found._replace(callable=values.filled(call, value)),
    "pass-authorization": lambda call, value, found: found._replace(pass_authorization=values.flag(call, value)),
}


def _import(call: Call) -> None:
    script, *words = call.args
    options = dict(daemon_options.words(call, " ".join(words)))
    for name in options.keys() - {"process-group", "application-group"}:
        raise ConfigError(f"Invalid option to {call.name}: {name}: it may be process-group or application-group")
    if "application-group" not in options:
        raise ConfigError(f"{call.name} needs the interpreter that loads it: add application-group={GLOBAL}")
    group = _process_group(call, options.get("process-group", GLOBAL))
    application = _application_group(call, options["application-group"])
    if application == RESOURCE:
        raise ConfigError(f"{call.name} has no resource: name an application group other than {RESOURCE}")
    _preload(call, Preloaded(values.path(call, script), group, application))


def _preload(call: Call, wanted: Preloaded) -> None:
    call.server[PRELOADED] = (*call.server.values.get(PRELOADED, ()), wanted)


# ---- process groups


def _daemon(call: Call) -> None:
    name, _, text = call.raw.strip().partition(" ")
    name = name.strip("\"'")
    if not name or "=" in name:
        raise ConfigError(f"{call.name} needs a name first: write {call.name} name option=value ...")
    if name in call.server.values.get(DAEMONS, {}):
        raise ConfigError(f"Name duplicates previous WSGI daemon definition: {name}")
    given: daemon_options.Given = {"environment": {}, "path": (), "user": "", "group": ""}
    for option, value in daemon_options.words(call, text):
        daemon_options.apply(call, option, value, given)
    if given["user"]:
        given["environment"][USER] = daemon_options.account(call, given["user"], given["group"])
    elif given["group"]:
        raise ConfigError(f"{call.name} group={given['group']} needs user= beside it")
    made = Daemon(
        name,
        tuple(sorted(given["environment"].items())),
        given["path"],
        given.get("requests", 0),
        given.get("idle", 0.0),
        given.get("time_limit", 0.0),
    )
    values.set_in(call.server, DAEMONS, {name: made})
    daemon_options.tell_ignored(call, given)
    daemon_options.tell_numbers(call, given.get("processes", 1), given.get("threads", 15))


def _home(call: Call, word: str) -> str:
    daemon_options.home(call, word)
    return values.path(call, word)


def _optimize(call: Call) -> None:
    level = values.number(0, 2)(call, call.args[0])
    if level == 2:
        raise ConfigError(f"{call.name} 2 can't be had: write 1, which leaves docstrings where they are")
    call.server[PYTHON_OPTIMIZE] = bool(level)


_HELP_MOUNT = "a path, a script and maybe options"

DIRECTIVES: tuple[Directive, ...] = (
    Directive("WSGIScriptAlias", Args.ITERATE2, SERVER_VHOST, _mount(False), help=_HELP_MOUNT),
    Directive("WSGIScriptAliasMatch", Args.ITERATE2, SERVER_VHOST, _mount(True), help=_HELP_MOUNT),
    Directive("WSGIDaemonProcess", Args.RAW, SERVER_VHOST, _daemon, help="a name and options"),
    Directive("WSGIImportScript", Args.ITERATE2, SERVER_VHOST, _import, help="a script and its groups"),
    Directive(
        "WSGIProcessGroup",
        Args.TAKE1,
        NOT_HTACCESS,
        values.directory(PROCESS_GROUP, _process_group),
        help=f"the name of a WSGIDaemonProcess, or {GLOBAL}",
    ),
    Directive(
        "WSGIApplicationGroup",
        Args.TAKE1,
        NOT_HTACCESS,
        values.directory(APPLICATION_GROUP, _application_group),
        help="the name of an interpreter",
    ),
    Directive(
        "WSGICallableObject",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(CALLABLE_OBJECT, values.filled),
        Override.FILEINFO,
        "a name",
    ),
    Directive(
        "WSGIPassAuthorization",
        Args.FLAG,
        EVERYWHERE,
        values.directory(PASS_AUTHORIZATION, values.flag),
        Override.FILEINFO,
    ),
    Directive(
        "WSGIScriptReloading",
        Args.FLAG,
        EVERYWHERE,
        values.directory(SCRIPT_RELOADING, values.flag),
        Override.FILEINFO,
    ),
    Directive("WSGIRestrictEmbedded", Args.FLAG, SERVER_VHOST, values.server(RESTRICT_EMBEDDED, values.flag)),
    Directive("WSGIPythonHome", Args.TAKE1, SERVER_ONLY, values.server(PYTHON_HOME, _home), help="a folder"),
    Directive(
        "WSGIPythonPath",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(PYTHON_PATH, daemon_options.folders),
        help="folders, separated by colons",
    ),
    Directive("WSGIPythonOptimize", Args.TAKE1, SERVER_ONLY, _optimize, help="0 or 1"),
    *OTHER_DIRECTIVES,
)
