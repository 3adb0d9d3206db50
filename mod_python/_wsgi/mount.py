"""Where WSGI applications are mounted: which one serves a request, and under which path."""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Hashable
from functools import lru_cache

from mod_python import apache
from mod_python._wsgi.environ import Environ, Environment
from mod_python._wsgi.errors import Errors
from mod_python._wsgi.exchange import FileWrapper
from mod_python._wsgi.input import NoBody
from mod_python._wsgi.tolerance import APPLICATION
from mpserver import alike
from mpserver.api import named_objects
from mpserver.api.named_objects import USUAL
from mpserver.api.sent_text import encoded
from mpserver.api.table import Table
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mod_python._wsgi.exchange import Application
    from mpserver.api.loader import Loaded
    from mpserver.api.plan import RequestPlan
    from mpserver.api.request import Request


#: The option of the configuration for the path.
BASE = "mod_python.wsgi.base_uri"


#: How long an application is used before its module's file is looked at again, in seconds.
RECHECK_AFTER = 1.0


def mounted(req: Request) -> Mount:
    """The mount that serves a request, ready for it."""
    plan: Any = req.mp_plan  # (a hashable one)
    mount = _mount(plan)
    if req.mp_options is not None:
        # a handler before this one may have set options: others of its plan have nothing to do with that
        options = req.get_options()
        named = options.get(APPLICATION), options.get(BASE)
        if named != _configured(plan):
            mount = _mount(plan, *named)
    if not mount.ready:
        mount.prepare(req)
    return mount


@lru_cache(maxsize=1024)
def _configured(plan: RequestPlan) -> tuple[str | None, str | None]:
    """The application and the base that the configuration names."""
    options = Table.from_pairs(plan.option_pairs)
    return options.get(APPLICATION), options.get(BASE)


@lru_cache(maxsize=1024)
def _mount(plan: Hashable, *options: str | None) -> Mount:
    """The mount of a plan: there is one plan for equal configurations, so this is made once.

    ``options``: the application and the base, where handlers have set others than those of the configuration.
    """
    return Mount()


class Mount:
    """An application at its place, with what its requests have in common."""

    __slots__ = (
        "_directory", "_made_of", "_name", "_option", "_preparing", "_reload", "application", "base", "below",
        "checked", "cut", "environment", "errors", "ready",
    )  # fmt: skip

    environment: Environment
    errors: Errors

    def __init__(self) -> None:
        self.ready = False
        self._preparing = allocate_lock()
        #: The path of the application, what those below begin with, and how much of these is not PATH_INFO.
        self.base, self.below, self.cut = "", "/", 0
        #: The callable as it was found, and when (seconds since the epoch).
        self.application: Application | None = None
        self.checked = 0.0
        #: The module that the application was made of, and which state of it.
        self._made_of: tuple[Loaded, int] | None = None
        self._name: str | None = None
        self._option: str | None = None
        self._directory: str | None = None
        self._reload = True

    def prepare(self, req: Request) -> None:
        """Work it out from the first request, once. :raises ValueError: ``base_uri`` ends in a slash."""
        with self._preparing:
            if not self.ready:  # (two first requests may come at a time)
                self._prepare(req)

    def _prepare(self, req: Request) -> None:
        options, config, hlist = req.get_options(), req.get_config(), req.hlist
        self._name = options.get(APPLICATION)
        self._option = option = options.get(BASE)
        directory = hlist.directory if hlist is not None else None
        in_location = hlist is not None and hlist.is_location and directory is not None
        if option is not None:
            if option.endswith("/"):
                raise ValueError(f"PythonOption {BASE} {option} must not end in a slash")
            self.base = option
        elif in_location and directory is not None:
            self.base = directory.rstrip("/")
        self.below, self.cut = self.base + "/", len(self.base)
        if not in_location and config.get("PythonPath") is None:
            self._directory = directory
        self._reload = config.get("PythonAutoReload", "1") != "0"
        self.environment = Environment(req, self._fixed(req))
        self.ready = True

    def _fixed(self, req: Request) -> Environ:
        """What its environs have in common."""
        self.errors = Errors(req.server)
        return {
            "SCRIPT_NAME": encoded(self.base),
            "wsgi.version": (1, 0),
            "wsgi.errors": self.errors,
            "wsgi.input": NoBody(),
            "wsgi.multithread": apache.mpm_query(apache.AP_MPMQ_IS_THREADED) != apache.AP_MPMQ_NOT_SUPPORTED,
            # outside of -X there are other workers, at least while one takes over from another
            "wsgi.multiprocess": not apache.exists_config_define("ONE_PROCESS"),
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,
        }

    def path(self, uri: str) -> str | None:
        """What of a URI is the application's PATH_INFO; None where it is not the application's."""
        if uri.startswith(self.below):
            return uri[self.cut :]
        return "" if uri == self.base else None

    def lacks(self, req: Request) -> int:
        """Tell why there is no application. :returns: DECLINED, or the status."""
        uri = req.mp_uri
        name = req.get_options().get(APPLICATION)
        if name is not None:
            found = f"its module has no such object, so {uri} is declined{self._meant()}"
            req.log_error(f"mod_python.wsgi: PythonOption {APPLICATION} {name}: {found}", apache.APLOG_WARNING)
            return apache.DECLINED
        req.log_error(f"mod_python.wsgi serves {uri}, but no application is named: set PythonOption {APPLICATION}")
        return apache.HTTP_INTERNAL_SERVER_ERROR

    def _meant(self) -> str:
        """The question which object of the module was meant, for the end of a message; "" where nobody knows."""
        if self._name is None or self._made_of is None:
            return ""
        named = named_objects.parse(self._name)
        known, usual = named_objects.known(self._made_of[0].module)
        shown = f"{named.module}::{{}}".format
        asked = alike.asked(named.path or USUAL, known, shown=shown)
        return asked or alike.question(shown(usual) if usual else "")

    def load(self, req: Request) -> Application | None:
        """Look for the callable; None where none is named, or it is not there.

        :raises Exception: what importing its module raises.
        """
        if self._name is None:
            return None
        named = named_objects.parse(self._name)
        plan = req.mp_plan
        loader = plan.loader
        with loader.in_turn():
            # (by its file: other folders, and other paths, may have another one of the name)
            loaded = loader.load(named.module, self._directory, self._reload, req.mp_request_time, plan.python_path)
            state = (loaded, loaded.version)
            if not named.is_factory or self._made_of != state:
                path = named.path or USUAL
                found = apache.resolve_object(loaded.module, path, silent=True)
                if named.is_factory and found is not None:
                    found = loader.factories.call((*state, path), found)
                self.application = found
                self._made_of = state
        self.checked = req.mp_request_time
        return self.application
