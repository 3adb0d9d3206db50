"""What Require can ask for: the names, and the modules that decide.

The module of a name has ``READ`` and ``CHECK``, mappings by name: ``READ`` makes data of the words when the
configuration is read (with a `Call`, the words, and their text), where there is something to be read;
``CHECK`` makes, for a plan, what decides for a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from mpserver.modules.authz_core import Decision, Requirement
from mpserver.modules.hooks import Planning
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.registry import Call

#: Decides for a request.
Check = Callable[["Request"], Decision]
#: Makes data of the words of a requirement. :raises ConfigError: they are wrong.
Read = Callable[["Call", tuple[str, ...], str], Any]
#: Makes what decides.
Make = Callable[[Planning, Requirement], Check]

_HOST, _CORE, _USERS = "authz_host.requirements", "authz_core.requirements", "authz_core.users"

#: By name: where it is decided.
PROVIDERS: Mapping[str, str] = {
    "ip": _HOST, "host": _HOST, "forward-dns": _HOST, "local": _HOST,
    "env": _CORE, "expr": _CORE, "method": _CORE,
    "valid-user": _USERS, "user": _USERS, "group": "authz_groupfile.requirements",
    "file-owner": "authz_owner.requirements", "file-group": "authz_groupfile.requirements",
    "dbm-group": "authz_dbm.requirements", "dbm-file-group": "authz_dbm.requirements",
    "ssl": "ssl.requirements", "ssl-verify-client": "ssl.requirements",
}  # fmt: skip


def _module(kind: str) -> Any:
    return import_module(f"mpserver.modules.{PROVIDERS[kind]}")


def read(call: Call, kind: str, words: tuple[str, ...], text: str) -> Any:
    """What the words of a requirement mean. :raises ConfigError: nothing."""
    reader: Read | None = _module(kind).READ.get(kind)
    return None if reader is None else reader(call, words, text)


def check(planning: Planning, requirement: Requirement) -> Check:
    """What decides a requirement for the requests of a plan."""
    if requirement.settings is not None:
        planning = planning.with_settings(requirement.settings)
    make: Make = _module(requirement.kind).CHECK[requirement.kind]
    return make(planning, requirement)
