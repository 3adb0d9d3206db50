"""The provider ``dbm``: looks users up in the database that AuthDBMUserFile names."""

from __future__ import annotations

from functools import partial

from mpserver.api import constants
from mpserver.config.settings import Conf
from mpserver.modules.authn_core.providers import Check, Hash, Outcome
from mpserver.modules.authn_dbm import USER_DATABASE, UserDatabase
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def basic(conf: Conf) -> Check:
    """What compares passwords."""
    database = conf[USER_DATABASE]

    def check(req: Request, user: str, password: bytes) -> Outcome:
        stored = _stored(req, database, user)
        if database is None or isinstance(stored, Outcome):
            return stored if isinstance(stored, Outcome) else Outcome.FAILED
        return database.verified.outcome(user, stored, password, partial(_complain, req))

    return check


def digest(conf: Conf) -> Hash:
    """The hashes of a database whose keys are ``user:realm``."""
    database = conf[USER_DATABASE]
    return lambda req, user, realm: _stored(req, database, f"{user}:{realm}")


def _stored(req: Request, database: UserDatabase | None, key: str) -> str | Outcome:
    """What stands there up to a colon: behind it may be groups, and a remark."""
    if database is None:
        _complain(req, "AH01754: AuthDBMUserFile not specified in the configuration")
        return Outcome.FAILED
    try:
        found = database.get(key.encode("latin-1"))
    except OSError as error:
        _complain(req, f"AH01754: could not open dbm auth file: {database.path}: {error.strerror}")
        return Outcome.FAILED
    return Outcome.NOT_FOUND if found is None else found.decode("latin-1").partition(":")[0]


def _complain(req: Request, text: str) -> None:
    req.mp_log.log(constants.APLOG_ERR, text, module="authn_dbm", about=req)
