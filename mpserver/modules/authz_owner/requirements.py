"""Whose a request's file is: the user that owns it, and the group that it belongs to."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Mapping

from mpserver.api import constants
from mpserver.modules.authz_core import DENIED, GRANTED, NEEDS_USER, Decision, Requirement
from mpserver.modules.hooks import Planning
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.modules.authz_core.providers import Check, Make, Read

READ: Mapping[str, Read] = {}


def group_of_file(req: Request) -> str | None:
    """The name of the group that the file of a request belongs to, as clients' names are; None, which is logged."""
    return _name(req, "group", lambda found: grp.getgrgid(found.st_gid).gr_name)


def _name(req: Request, kind: str, name: Callable[[os.stat_result], str]) -> str | None:
    """The name of the owner of a request's file, or its group: its bytes as latin-1. None: there is none."""
    if req.mp_filename is None:
        _tell(req, "no filename available")
        return None
    try:
        return os.fsencode(name(os.stat(req.mp_filename))).decode("latin-1")
    except OSError:
        _tell(req, f"could not stat file {req.mp_filename}")
    except KeyError:
        _tell(req, f"could not get name of file {kind}")
    return None


def _owner(_planning: Planning, _requirement: Requirement) -> Check:
    def check(req: Request) -> Decision:
        if req.mp_user is None:
            return NEEDS_USER
        owner = _name(req, "owner", lambda found: pwd.getpwuid(found.st_uid).pw_name)
        if owner is None or owner == req.mp_user:
            return DENIED if owner is None else GRANTED
        _tell(req, f"file owner {owner} does not match.")
        return DENIED

    return check


def _tell(req: Request, reason: str) -> None:
    text = f"Authorization of user {req.mp_user} to access {req.mp_uri} failed, reason: {reason}"
    req.mp_log.log(constants.APLOG_ERR, text, module="authz_owner", about=req)


CHECK: Mapping[str, Make] = {"file-owner": _owner}
