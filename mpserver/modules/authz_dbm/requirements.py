"""Require dbm-group and dbm-file-group: members of groups by the database of AuthDBMGroupFile."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mpserver.api import constants
from mpserver.http1.wire import encoded
from mpserver.modules.authn_core import AUTH_NAME
from mpserver.modules.authz_core import DENIED, FAILED, NEEDS_USER, Decision, Requirement, decided
from mpserver.modules.authz_core.users import as_sent, named
from mpserver.modules.authz_dbm import GROUP_DATABASE
from mpserver.modules.authz_owner.requirements import group_of_file
from mpserver.modules.hooks import Planning
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mpserver.api.request import Request
    from mpserver.modules.authz_core.providers import Check, Make, Read

READ: Mapping[str, Read] = {"dbm-group": named("dbm-group")}


def _of_groups(planning: Planning, wanted: Callable[[Request], Collection[str]]) -> Check:
    """What decides by whether a user is in one of some groups."""
    database, realm = planning.conf[GROUP_DATABASE], encoded(planning.conf[AUTH_NAME] or "")

    def check(req: Request) -> Decision:
        user = req.mp_user
        if user is None:
            return NEEDS_USER
        if database is None:
            _tell(req, "AH01798: No group file was specified in the configuration")
            return DENIED
        try:
            found = database.get(f"{user}:{realm}".encode("latin-1"), user.encode("latin-1"))
        except OSError as error:
            _tell(req, f"AH01799: could not open dbm group access file: {database.path}: {error.strerror}")
            return FAILED
        if found is None:
            _tell(req, f"AH01800: user {user} doesn't appear in DBM group file ({database.path})")
            return DENIED
        groups = _groups(found.decode("latin-1"))
        return decided(any(name in groups for name in wanted(req)))

    return check


def _groups(value: str) -> list[str]:
    """Those of a value: all of it, or, where one database has passwords too, what stands behind the first colon."""
    _, colon, behind = value.partition(":")
    return (behind.partition(":")[0] if colon else value).split(",")


def _dbm_group(planning: Planning, requirement: Requirement) -> Check:
    names = as_sent(requirement.names)
    return _of_groups(planning, lambda _req: names)


def _dbm_file_group(planning: Planning, _requirement: Requirement) -> Check:
    return _of_groups(planning, _of_file)


def _of_file(req: Request) -> tuple[str, ...]:
    name = group_of_file(req)
    return () if name is None else (name,)


def _tell(req: Request, text: str) -> None:
    req.mp_log.log(constants.APLOG_ERR, text, module="authz_dbm", about=req)


CHECK: Mapping[str, Make] = {"dbm-group": _dbm_group, "dbm-file-group": _dbm_file_group}
