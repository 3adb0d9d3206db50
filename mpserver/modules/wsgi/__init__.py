"""WSGI applications as mod_wsgi's configurations name them: by a script and the path at which it is mounted."""

from __future__ import annotations

from mpserver.config.references import in_target
from mpserver.config.settings import Setting, append, prepend, update
from mpserver.modules import paths
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

    from mpserver.modules.python.environment import Environment

#: The name of the content handler.
HANDLER = "wsgi-script"
#: The group that stands for none: the server's own processes, or an interpreter that belongs to no name.
GLOBAL = "%{GLOBAL}"
#: What stands between the names of a process group and of an application group, in that of an interpreter.
BETWEEN = "|"
#: What an application group is where nobody says: each mount point is one.
RESOURCE, SERVER = "%{RESOURCE}", "%{SERVER}"


class Mount(NamedTuple):
    """One WSGIScriptAlias: a URI prefix or a pattern, and the script, or folder of scripts, that it leads to.

    The groups and the name of the callable are those that stand in its line; None: none does.
    """

    prefix: str
    pattern: re.Pattern[str] | None
    target: str
    process_group: str | None = None
    application_group: str | None = None
    callable: str | None = None
    pass_authorization: bool | None = None

    def match(self, path: str) -> str | None:
        """The file for a decoded URI path, None if it lies elsewhere."""
        if self.pattern is not None:
            found = self.pattern.search(path)
            if found is None:
                return None
            return in_target(self.target, found) + path[found.end() :]
        if self.prefix == "/":
            return self.target.rstrip("/") + path
        rest = paths.after(self.prefix, path)
        return None if rest is None else self.target + rest

    @property
    def script(self) -> str | None:
        """The script of its requests, where it leads to one alone."""
        return self.target if self.pattern is None and not self.target.endswith("/") else None

    @property
    def path(self) -> str:
        """SCRIPT_NAME of a mounted script."""
        return "" if self.prefix == "/" else self.prefix


class Daemon(NamedTuple):
    """One WSGIDaemonProcess: what interpreters of its group have of their own.

    ``path``: folders in front of ``sys.path``. ``requests`` and ``idle``: how long one lives, as
    PythonInterpMaxRequests and PythonInterpIdleTimeout; ``time_limit``: PythonRequestTimeout.
    """

    name: str
    environment: Environment = ()
    path: tuple[str, ...] = ()
    requests: int = 0
    idle: float = 0.0
    time_limit: float = 0.0


class Preloaded(NamedTuple):
    """One WSGIImportScript: a script, and the groups that load it when they start."""

    script: str
    process_group: str
    application_group: str


class UsedGroup(NamedTuple):
    """A process group that a directive names, and where it does."""

    name: str
    directive: str
    file: str
    line: int


#: Server level. A virtual host's are tried before those of the main server.
MOUNTS: Setting[tuple[Mount, ...]] = Setting("WSGIScriptAlias", (), prepend)
DAEMONS: Setting[dict[str, Daemon]] = Setting("WSGIDaemonProcess", {}, update)
PRELOADED: Setting[tuple[Preloaded, ...]] = Setting("WSGIImportScript", (), append)
PYTHON_HOME: Setting[str | None] = Setting("WSGIPythonHome", None)
PYTHON_PATH: Setting[tuple[str, ...]] = Setting("WSGIPythonPath", ())
USED_GROUPS: Setting[tuple[UsedGroup, ...]] = Setting("groups that are named", (), append, travels=False)

#: Directory level. The mount of a request, which no directive sets: who translates its path does.
MOUNT: Setting[Mount | None] = Setting("the WSGIScriptAlias of a request", None)
PROCESS_GROUP = Setting("WSGIProcessGroup", "")
APPLICATION_GROUP = Setting("WSGIApplicationGroup", RESOURCE)
CALLABLE_OBJECT = Setting("WSGICallableObject", "application")
PASS_AUTHORIZATION = Setting("WSGIPassAuthorization", False)
SCRIPT_RELOADING = Setting("WSGIScriptReloading", True)
RESTRICT_EMBEDDED = Setting("WSGIRestrictEmbedded", False)
