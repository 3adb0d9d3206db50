"""WSGI applications as content handlers: ``PythonHandler mod_python.wsgi`` (PEP 3333; api 3.5 1.15).

    PythonOption mod_python.wsgi.application  module[:callable]      the callable's default: application
                                              module:make()          what calling that returns
                                              /folder/app.wsgi       a script by its file, and so on
    PythonOption mod_python.wsgi.base_uri     /path                  default: the enclosing Location
    PythonOption mod_python.wsgi.strict       On                     refuse what is against the PEP and harmless

A response whose body is known as a whole (a list, or one piece as long as its Content-Length says)
leaves in one piece with its head; every other piece is sent before the next one is asked for.
"""

from __future__ import annotations

from mod_python import apache
from mod_python._wsgi.errors import Errors
from mod_python._wsgi.exchange import FileWrapper, WsgiExchange
from mod_python._wsgi.input import Arriving, give_body
from mod_python._wsgi.mount import RECHECK_AFTER, mounted
from mpserver.errors import ClientGone
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mod_python._wsgi.mount import Mount
    from mpserver.api.request import Request


def handler(req: Request) -> int:
    """Serve a request by the WSGI application that the configuration names.

    :returns: DECLINED for a URI outside the base and where the module has no such object, 500 where no application
        is named, else OK.
    :raises ValueError: ``base_uri`` ends in a slash.
    :raises Exception: what the application raises, and what it does against the PEP.
    """
    mount = mounted(req)
    path = mount.path(req.mp_uri)
    return apache.DECLINED if path is None else serve(req, mount, path)


def serve(req: Request, mount: Mount, path: str) -> int:
    """The same by a mount; ``path`` is what follows its own."""
    # (in this order: another thread may load it right now, and tells last that it has)
    if 0.0 <= req.mp_request_time - mount.checked < RECHECK_AFTER:
        application = mount.application
    else:
        application = mount.load(req)
    if application is None:
        return mount.lacks(req)
    req.mp_path_info = path
    exchange = WsgiExchange(req)
    environ = mount.environment.make(req, path)
    if req.mp_input is not None:
        try:
            give_body(req, environ)
        except ClientGone as error:
            req.log_error(str(error), apache.APLOG_INFO)
            return req.mp_input.broken or apache.HTTP_BAD_REQUEST
    if "HTTP_UPGRADE" in environ and req.mp_main is None:
        from mod_python._wsgi import upgraded  # (few requests ask for that)

        upgraded.offer(req, environ, exchange)
    errors = mount.errors
    try:
        result: Any = application(environ, exchange.start_response)
        if req.mp_status >= 500:
            exchange.reconsider(result)
        kind = type(result)
        if kind is list or kind is tuple:
            exchange.send_all(result)
        else:
            try:
                if isinstance(result, str):
                    exchange.send_all((result,))
                elif kind is not FileWrapper or not exchange.send_file(result):
                    exchange.stream(result)
            finally:
                exchange.close(result)
    except BaseException as error:
        if exchange.handed_over and isinstance(error, StopIteration):
            return apache.OK  # so say libraries that there is no answer of HTTP
        exchange.fail()
        raise
    finally:
        if errors.partial:
            errors.flush()
    return apache.OK


# ---- for those who call applications by themselves


def environ(req: Request) -> dict[str, Any] | None:
    """``req.build_wsgi_env()``."""
    mount = mounted(req)
    path = mount.path(req.mp_uri)
    if path is None:
        return None
    req.mp_path_info = path
    made = mount.environment.make(req, path)
    if req.mp_input is not None:
        made["wsgi.input"] = Arriving(req)
    req.register_cleanup(Errors.flush, mount.errors)
    return made


def exchange(req: Request) -> WsgiExchange:
    """The request as WSGI has it: one for all calls."""
    found: WsgiExchange | None = req.__dict__.get("mp_wsgi")
    if found is None:
        found = req.__dict__["mp_wsgi"] = WsgiExchange(req)
    return found
