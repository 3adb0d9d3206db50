"""The content handler of WSGI scripts, mounted by mod_wsgi's directives: WSGIScriptAlias, SetHandler wsgi-script."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import lru_cache

from mod_python import apache, wsgi
from mod_python._wsgi.environ import Environ, Environment
from mod_python._wsgi.mount import Mount
from mpserver.api.cgi_variables import server_port
from mpserver.api.sent_text import encoded
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.plan import ScriptPlan
    from mpserver.api.request import Request

#: The version of mod_wsgi whose keys the environ has.
VERSION = (5, 0, 2)


def handler(req: Request) -> int:
    """Serve a request by the application of its script. :returns: see `mod_python.wsgi.handler`.

    :raises Exception: what the script, or its application, raises.
    """
    mount = _mount(req.mp_plan, req.mp_filename or "")  # type: ignore[arg-type]  # plans are hashable
    if not mount.ready:
        mount.prepare(req)
    return wsgi.serve(req, mount, req.mp_path_info or "")


@lru_cache(maxsize=1024)
def _mount(plan: Hashable, filename: str) -> ScriptMount:
    """The mount of a script: there is one plan for equal configurations, so this is made once.

    Its path is no part of that: where a pattern maps URLs to the script, clients write it.
    """
    return ScriptMount(filename)


class ScriptMount(Mount):
    """A script at its place."""

    __slots__ = ("_script",)

    def __init__(self, filename: str) -> None:
        super().__init__()
        self._script = filename

    def lacks(self, req: Request) -> int:
        """See `Mount.lacks`."""
        name = req.mp_plan.script.callable
        req.log_error(
            f"Target WSGI script '{self._script}' does not contain WSGI application '{name}': call it so in "
            "the script, or tell what it is called by WSGICallableObject"
        )
        return apache.HTTP_NOT_FOUND

    def _prepare(self, req: Request) -> None:
        plan: ScriptPlan = req.mp_plan.script
        self._name = f"{self._script}::{plan.callable}"
        self._reload = plan.reloads
        told = {
            "mod_wsgi.callable_object": plan.callable,
            "mod_wsgi.enable_sendfile": "0",
            "mod_wsgi.handler_script": "",
            "mod_wsgi.process_group": plan.process_group,
            "mod_wsgi.request_handler": "wsgi-script",
            "mod_wsgi.script_reloading": "1" if plan.reloads else "0",
            "mod_wsgi.version": VERSION,
        }
        self.environment = ScriptEnvironment(req, self._fixed(req) | told, plan.passes)
        self.ready = True


class ScriptEnvironment(Environment):
    """Makes the environs of a script: those of any application, and what mod_wsgi tells of each request.

    ``passes``: whether the script sees the client's credentials.
    """

    __slots__ = ("_passes", "_place")

    def __init__(self, req: Request, fixed: Mapping[str, Any], passes: bool) -> None:
        super().__init__(req, fixed)
        self._passes = passes
        #: The path of the script and the port at the last request, and what follows from them.
        self._place: tuple[tuple[str, int] | None, Environ] = None, {}

    def make(self, req: Request, path: str) -> Environ:
        """See `Environment.make`."""
        environ = super().make(req, path)
        uri = req.mp_uri
        # (a path with double slashes was found without them: then all of it is left of the script's)
        environ |= self._placed(req, uri[: len(uri) - len(path)] if uri.endswith(path) else "")
        if not self._passes:
            environ.pop("HTTP_AUTHORIZATION", None)
        environ["mod_wsgi.path_info"] = environ["PATH_INFO"]
        host, port = req.connection.local_addr
        environ["mod_wsgi.listener_host"], environ["mod_wsgi.listener_port"] = host, str(port)
        environ["mod_wsgi.request_start"] = str(int(req.request_time * 1_000_000))
        return environ

    def _placed(self, req: Request, base: str) -> Environ:
        """What depends on the path of the script, and on the port that the request names."""
        at = base, server_port(req)
        known, place = self._place
        if at != known:
            name, group = encoded(base), req.mp_plan.script.application_group(*at)
            place = {"SCRIPT_NAME": name, "mod_wsgi.script_name": name, "mod_wsgi.application_group": group}
            self._place = at, place
        return place
