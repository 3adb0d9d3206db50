"""The phases of a plan, as functions of the request (httpd's hooks between translation and logging).

`compile_steps` puts into a plan only those that its configuration needs. A step returns OK or
DECLINED to go on, DONE to end the request well, or the status to answer with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpserver.api import constants
from mpserver.api.loader import Loader
from mpserver.modules import auth_basic, authz_core, cgi, core, python
from mpserver.modules.cgi.hooks import handler as cgi_handler
from mpserver.modules.core import files
from mpserver.modules.core.hooks import override_type
from mpserver.modules.dir import hooks as dir_hooks
from mpserver.modules.mime.hooks import Finder, type_checker
from mpserver.phases import dispatch, filters
from mpserver.phases.plan import PYTHON_HANDLERS
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.settings import Conf
    from mpserver.phases.plan import Lookup, Plan, Step

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE


#: The content handlers of modules, by name.
CONTENT: Mapping[str, Step] = {cgi.HANDLER: cgi_handler}


def compile_steps(plan: Plan, loader: Loader | None, lookup: Lookup, filename: str | None) -> None:
    """Give a plan its steps, its filters and its content handler; ``filename``: of the request that it is made for."""
    conf, handlers = plan.conf, plan.handlers
    steps: list[Step] = []
    server_level = plan.server.base[python.HANDLERS].get("PythonInitHandler")
    if "PythonInitHandler" in handlers and conf[python.HANDLERS]["PythonInitHandler"] is not server_level:
        steps.append(_once(_python(plan, loader, "PythonInitHandler")))
    if "PythonHeaderParserHandler" in handlers:
        steps.append(_once(_python(plan, loader, "PythonHeaderParserHandler")))
    if "PythonAccessHandler" in handlers:
        steps.append(_gated(_python(plan, loader, "PythonAccessHandler")))
    if authz_core.check_access(conf) != OK:
        steps.append(_gated(_access(plan, loader)))
    steps.append(_type(plan, loader))
    if conf[core.FORCE_TYPE] is not None or conf[core.ACCEPT_PATH_INFO] is not None:
        steps.append(lambda req: override_type(req, conf))
    if "PythonFixupHandler" in handlers:
        steps.append(_python(plan, loader, "PythonFixupHandler"))
    plan.steps = tuple(steps)
    plan.content = _content(plan, loader, lookup)
    if loader is not None:
        plan.filters = filters.Filters(plan, loader, filename)
        if filters.wanted(conf):
            plan.content = _filtered(plan, loader, lookup, plan.filters.insert)


def run(req: Request, plan: Plan, loader: Loader | None, phase: str) -> int:
    """Run a phase's handlers: those for the request's extension, or the plain ones (manual 5.1.1)."""
    if loader is None:
        return DECLINED  # a router answers by itself only what no handler may touch
    found = plan.handlers.get(phase)
    if found is None:
        return dispatch.run(req, plan, loader, phase, ()) if req.mp_added else DECLINED
    chosen = found.plain
    if found.by_extension and req.mp_filename:
        base = req.mp_filename.rpartition("/")[2]
        dot = base.find(".")
        extension = base[dot:] if dot >= 0 else ""
        if extension in found.by_extension:
            chosen = found.by_extension[extension]
            req.mp_extension = extension
    return dispatch.run(req, plan, loader, phase, chosen)


def _python(plan: Plan, loader: Loader | None, phase: str) -> Step:
    def step(req: Request) -> int:
        return run(req, plan, loader, phase)

    return step


def _once(step: Step) -> Step:
    """A step that the look-up of an index leaves out: its request has been through it."""

    def once(req: Request) -> int:
        return OK if req.mp_is_lookup else step(req)

    return once


def _gated(step: Step) -> Step:
    """A step that decides who may come in, but for those whom httpd lets in unasked (see `mpserver.phases.gates`)."""

    def gated(req: Request) -> int:
        if not req.mp_admitted:
            return step(req)
        if req.mp_prev is not None and req.mp_user is None:
            req.mp_user, req.mp_ap_auth_type = req.mp_prev.mp_user, req.mp_prev.mp_ap_auth_type
        return OK

    return gated


def _access(plan: Plan, loader: Loader | None) -> Step:
    """Require, with the authentication and authorisation handlers that feed it (httpd's mod_authz_core)."""
    conf = plan.conf

    def step(req: Request) -> int:
        if req.mp_added and "PythonAccessHandler" in req.mp_added:
            result = run(req, plan, loader, "PythonAccessHandler")
            if result not in (OK, DECLINED):
                return result
        verdict = authz_core.check_access(conf)
        if verdict != DECLINED:
            return _denied(req, "AH01630: client denied by server configuration", verdict)
        result = run(req, plan, loader, "PythonAuthenHandler")
        if result == constants.HTTP_UNAUTHORIZED:
            _challenge(req, conf)
        if result == DECLINED:
            text = "AH00027: no authentication was done for a request that needs a user: is a PythonAuthenHandler set?"
            return _denied(req, text, constants.HTTP_INTERNAL_SERVER_ERROR)
        if result != OK:
            return result
        if req.mp_user is None:
            text = "After PythonAuthenHandler req->user is NULL: the handler has to set req.user"
            return _denied(req, text, constants.HTTP_INTERNAL_SERVER_ERROR)
        result = run(req, plan, loader, "PythonAuthzHandler")
        if result == DECLINED:
            groups = frozenset((req.notes.get("groups") or "").split())
            result = authz_core.check_authorization(conf, req.mp_user, groups)
            if result != OK:
                _denied(req, f"AH01631: user {req.mp_user}: authorization failure", result)
        if result == constants.HTTP_UNAUTHORIZED:
            _challenge(req, conf)
        return result

    return step


def _challenge(req: Request, conf: Conf) -> None:
    """A Basic challenge, unless a handler made one (RFC 7617)."""
    challenge = auth_basic.challenge(conf)
    if challenge is not None and "WWW-Authenticate" not in req.err_headers_out:
        req.err_headers_out["WWW-Authenticate"] = challenge


def _denied(req: Request, reason: str, status: int) -> int:
    text = f"{reason}: {req.mp_filename or req.mp_uri}"
    req.mp_log.log(constants.APLOG_ERR, text, module="authz_core", client=req.connection.client_addr)
    return status


def _type(plan: Plan, loader: Loader | None) -> Step:
    """The type checker: PythonTypeHandlers, then mod_mime; SetHandler beats what they found."""
    find = Finder(plan.conf)
    has_python = "PythonTypeHandler" in plan.handlers
    forced = plan.conf[core.SET_HANDLER]

    def step(req: Request) -> int:
        if req.mp_added or has_python:
            result = added(req)
            if result != DECLINED:
                return result
        if req.mp_filename is not None:
            result = type_checker(req, find)
            if result > 0:
                return result
        if forced is not None:
            req.mp_handler = forced
        return OK

    def added(req: Request) -> int:
        if req.mp_added and "PythonAccessHandler" in req.mp_added:
            result = run(req, plan, loader, "PythonAccessHandler")  # of a phase that has no step
            if result not in (OK, DECLINED):
                return result
        result = run(req, plan, loader, "PythonTypeHandler")
        if result == OK and forced is not None:
            req.mp_handler = forced
        return result

    return step


def _content(plan: Plan, loader: Loader | None, lookup: Lookup) -> Step:
    """Directories, then the content handler that ``req.handler`` names."""
    found = plan.handlers.get("PythonHandler")
    has_python = found is not None
    #: The handlers for all files, where there are none for extensions.
    plain = found.plain if found is not None and not found.by_extension else None

    def step(req: Request) -> int:
        if req.mp_added:
            result = run(req, plan, loader, "PythonFixupHandler") if "PythonFixupHandler" in req.mp_added else OK
            if result not in (OK, DECLINED):
                return result
        if req.mp_is_directory:
            result = _directory(req, conf, lookup)
            if result != DECLINED:
                return result
        if req.mp_handler in PYTHON_HANDLERS and (has_python or req.mp_added):
            if plain is not None and loader is not None:
                result = dispatch.run(req, plan, loader, "PythonHandler", plain)
            else:
                result = run(req, plan, loader, "PythonHandler")
            if result != DECLINED:
                return result
        if req.mp_handler is not None:
            served = CONTENT.get(req.mp_handler)
            if served is not None:
                return served(req)
        return files.handler(req)

    conf = plan.conf
    return step


def _filtered(plan: Plan, loader: Loader, lookup: Lookup, insert: Callable[[Request], None]) -> Step:
    """As `_content`, with filters; a directory's index file has those of its own plan."""
    conf = plan.conf
    content = _content(plan, loader, lookup)

    def step(req: Request) -> int:
        if req.mp_is_directory:
            result = _directory(req, conf, lookup)
            if result != DECLINED:
                return result
            req.mp_is_directory = False  # (there is nothing more to be looked for)
        insert(req)
        result = content(req)
        if result in (OK, DONE):
            req.mp_finish()  # here, so that PythonRequestTimeout counts for the filters, too
        return result

    return step


def _directory(req: Request, conf: Conf, lookup: Lookup) -> int:
    """mod_dir: the slash that is missing, and the index file of a directory."""
    found: list[int] = []

    def look(uri: str) -> int:
        status = lookup(req, uri)
        if status != OK:
            return status
        found.append(req.mp_plan.content(req))
        return DONE

    result = dir_hooks.directory(req, conf, look)
    return found[0] if found else result
