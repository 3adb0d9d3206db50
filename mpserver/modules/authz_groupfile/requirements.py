"""Require group and file-group: members of the groups of AuthGroupFile, and users whose groups a handler has noted."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mpserver.api import constants
from mpserver.modules.authz_core import Requirement
from mpserver.modules.authz_core.users import as_sent, named, of_user
from mpserver.modules.authz_groupfile import GROUP_FILE, GroupFile
from mpserver.modules.authz_owner.requirements import group_of_file
from mpserver.modules.hooks import Planning
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.modules.authz_core.providers import Check, Make, Read

READ: Mapping[str, Read] = {"group": named("group")}


def _noted_groups(req: Request) -> list[str]:
    """The groups of its user that handlers have put into its notes."""
    notes = req.mp_notes
    return [] if notes is None else (notes.get("groups") or "").split()


def _is_member(req: Request, user: str, file: GroupFile | None, names: Collection[str]) -> bool:
    """Whether a file has the user in one of some groups; what is wrong with it is logged."""
    if file is None:
        return False
    try:
        groups = file.get()
    except OSError as error:
        text = f"AH01665: Could not open group file: {file.path}: {error.strerror}"
        req.mp_log.log(constants.APLOG_ERR, text, module="authz_groupfile", about=req)
        return False
    return any(name in groups and user in groups[name] for name in names)


def _group(planning: Planning, requirement: Requirement) -> Check:
    names, file = as_sent(requirement.names), planning.conf[GROUP_FILE]

    def is_member(req: Request, user: str) -> bool:
        if any(name in names for name in _noted_groups(req)):
            return True
        return _is_member(req, user, file, names)

    return of_user(is_member)


def _file_group(planning: Planning, _requirement: Requirement) -> Check:
    file = planning.conf[GROUP_FILE]

    def is_member(req: Request, user: str) -> bool:
        name = group_of_file(req)
        return name is not None and _is_member(req, user, file, (name,))

    return of_user(is_member)


CHECK: Mapping[str, Make] = {"group": _group, "file-group": _file_group}
