"""The provider ``file``: looks users up in the file that AuthUserFile names."""

from __future__ import annotations

from functools import partial

from mpserver.api import constants
from mpserver.config.settings import Conf
from mpserver.modules.authn_core.providers import Check, Hash, Outcome
from mpserver.modules.authn_file import USER_FILE, UserFile
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def basic(conf: Conf) -> Check:
    """What compares passwords."""
    file = conf[USER_FILE]

    def check(req: Request, user: str, password: bytes) -> Outcome:
        users = _users(req, file)
        if file is None or users is None:
            return Outcome.FAILED
        if user not in users:
            return Outcome.NOT_FOUND
        return file.verified.outcome(user, users[user].partition(":")[0], password, partial(_complain, req))

    return check


def digest(conf: Conf) -> Hash:
    """The hashes of a file that htdigest makes: lines of user, realm and hash."""
    file = conf[USER_FILE]

    def look_up(req: Request, user: str, realm: str) -> str | Outcome:
        realms = _users(req, file, in_realms=True)
        if realms is None:
            return Outcome.FAILED
        return realms.get(f"{user}:{realm}", Outcome.NOT_FOUND)

    return look_up


def _users(req: Request, file: UserFile | None, *, in_realms: bool = False) -> dict[str, str] | None:
    """Those of a file; None where there is none that can be read, which was logged."""
    if file is None:
        _complain(req, "AH01619: AuthUserFile not specified in the configuration")
        return None
    try:
        return file.in_realms() if in_realms else file.get()
    except OSError as error:
        _complain(req, f"AH01620: Could not open password file: {file.path}: {error.strerror}")
        return None


def _complain(req: Request, text: str) -> None:
    req.mp_log.log(constants.APLOG_ERR, text, module="authn_file", about=req)
