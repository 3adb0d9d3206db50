"""mod_wsgi's part in requests: which script serves them, and in which interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from stat import S_ISDIR

from mpserver.api import constants
from mpserver.api.handler_list import HandlerEntry
from mpserver.api.plan import ScriptPlan
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules import mime, python, wsgi
from mpserver.modules.core import SET_HANDLER
from mpserver.modules.core.options import Option, effective
from mpserver.modules.hooks import InterpreterChoice, Planning, Step, Translation, Translator
from mpserver.modules.mime.hooks import find
from mpserver.modules.wsgi import placement
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

FORBIDDEN, NOT_FOUND = constants.HTTP_FORBIDDEN, constants.HTTP_NOT_FOUND
SERVER_ERROR = constants.HTTP_INTERNAL_SERVER_ERROR

#: What serves scripts, as a Python handler.
SCRIPT_HANDLER = "mod_python._wsgi.script::handler"


def translate_path(server: Server) -> Translator | None:
    """WSGIScriptAlias, after the aliases of mod_alias."""
    mounts = server.conf[wsgi.MOUNTS]
    if not mounts:
        return None
    scoped = tuple((mount, Conf({wsgi.MOUNT: mount})) for mount in mounts)

    def translate(path: str, _conf: Conf, _server: Server) -> Translation | None:
        for mount, scope in scoped:
            found = mount.match(path)
            if found is not None:
                return Translation(found, wsgi.HANDLER, scope=scope)
        return None

    return translate


def is_apart(server: Server) -> bool:
    """Groups may be called by the server's name and port."""
    conf = server.conf
    # (folders may name the handler, too, in sections and files: groups are interpreters where they have processes)
    return bool(conf[wsgi.MOUNTS] or conf[wsgi.DAEMONS]) or varies_by_file(server.base)


def varies_by_file(conf: Conf) -> bool:
    """Scripts of a folder have an interpreter each, where nothing else is said."""
    mount = conf[wsgi.MOUNT]
    if mount is not None:
        return mount.script is None
    return conf[SET_HANDLER] == wsgi.HANDLER or wsgi.HANDLER in conf[mime.ADD_HANDLER].values()


#: See `mpserver.phases.planner`: not only from folder to folder.
varies_by_name = varies_by_file


def _serves(planning: Planning) -> bool:
    """Whether the requests of a plan are a script's."""
    conf, filename = planning.conf, planning.filename
    if filename is None:
        return False
    if conf[wsgi.MOUNT] is not None:
        return True
    found = find(filename.rpartition("/")[2], conf).handler if conf[mime.ADD_HANDLER] else None
    return (conf[SET_HANDLER] if found is None else found) == wsgi.HANDLER


def needs_interpreter(planning: Planning) -> bool:
    """Scripts do."""
    return _serves(planning)


def interpreter(planning: Planning) -> InterpreterChoice | None:
    """That of the groups."""
    if not _serves(planning):
        return None
    place = _place(planning)
    if planning.engine.loader is not None:
        planning.require("python")
        plan = planning.plan
        plan.python_path = place.path
        if place.daemon is not None and python.REQUEST_TIMEOUT not in planning.conf:
            plan.time_limit = place.daemon.time_limit
    return InterpreterChoice(place.name, place.kind, place.environment)


def _place(planning: Planning) -> placement.Place:
    mount = planning.conf[wsgi.MOUNT]
    script = mount.path if mount is not None and mount.script is not None else planning.filename or ""
    return placement.place(planning.server, planning.conf, planning.host_name, script)


def handlers(planning: Planning) -> Mapping[str, Step]:
    """The one for scripts."""
    loader = planning.engine.loader
    if loader is None:
        return {}
    from mpserver.modules.python.dispatch import handler_step

    conf, plan, place = planning.conf, planning.plan, _place(planning)
    mount = conf[wsgi.MOUNT]
    given = mount or wsgi.Mount("", None, "")
    passes = given.pass_authorization
    plan.script = ScriptPlan(
        given.callable or conf[wsgi.CALLABLE_OBJECT],
        conf[wsgi.PASS_AUTHORIZATION] if passes is None else passes,
        conf[wsgi.SCRIPT_RELOADING],
        place.process_group,
        lambda script, port: placement.application_group(
            conf, planning.host_name, placement.port_of(planning.server) or port, script
        ),
    )
    serve = handler_step(plan, loader, plan.handler(HandlerEntry(SCRIPT_HANDLER, None, True, False), "PythonHandler"))
    refusal = _misplaced(planning, place)

    def run(req: Request) -> int:
        if refusal is not None:
            return _refused(req, refusal[0], refusal[1])
        filename, found = req.mp_filename, req.mp_stat
        if filename is None or found is None:
            return _refused(req, NOT_FOUND, "Target WSGI script not found or unable to stat")
        if mount is None and not effective(req.mp_plan.conf) & Option.EXEC_CGI:
            return _refused(req, FORBIDDEN, "Options ExecCGI is off in this directory")
        if S_ISDIR(found.st_mode):
            return _refused(req, FORBIDDEN, "Attempt to invoke directory as WSGI application")
        return serve(req)

    return {wsgi.HANDLER: run}


def _misplaced(planning: Planning, place: placement.Place) -> tuple[int, str] | None:
    """Why no interpreter is right, with the status."""
    if place.process_group and place.daemon is None:
        return SERVER_ERROR, f"No WSGI daemon process called '{place.process_group}' has been configured"
    if not place.process_group and planning.server.conf[wsgi.RESTRICT_EMBEDDED]:
        return FORBIDDEN, "Embedded mode of mod_wsgi disabled by runtime configuration (WSGIRestrictEmbedded)"
    return None


def _refused(req: Request, status: int, why: str) -> int:
    text = f"{why}: {req.mp_filename or req.mp_uri}"
    req.mp_log.log(constants.APLOG_ERR, text, module="wsgi", about=req)
    return status
