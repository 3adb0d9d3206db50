"""PythonOptions of sessions: each has its name of 3.3 and later, and most an older one (api 3.5 1.11)."""

from __future__ import annotations

import re
from functools import lru_cache

from mpserver.api.table import Table
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request

Pairs = tuple[tuple[str, str], ...]

#: The names of each setting; the first that is set counts.
SESSION_TYPE = ("mod_python.session.session_type", "session")
COOKIE_NAME = ("mod_python.session.cookie_name", "session_cookie_name")
APPLICATION_PATH = ("mod_python.session.application_path", "ApplicationPath")
APPLICATION_DOMAIN = ("mod_python.session.application_domain",)
#: What browsers do with the cookie; these are not mod_python's own.
COOKIE_HTTPONLY = ("mod_python.session.cookie_httponly",)
COOKIE_SAMESITE = ("mod_python.session.cookie_samesite",)
COOKIE_SECURE = ("mod_python.session.cookie_secure",)
DBM_FILE = ("mod_python.dbm_session.database_filename", "session_dbm")
DBM_DIRECTORY = (
    "mod_python.dbm_session.database_directory", "mod_python.session.database_directory", "session_directory",
)  # fmt: skip
FILE_DIRECTORY = (
    "mod_python.file_session.database_directory", "mod_python.session.database_directory", "session_directory",
)  # fmt: skip
FAST_CLEANUP = ("mod_python.file_session.enable_fast_cleanup", "session_fast_cleanup")
# (cleanup_session_timeout: so the published manual calls it, by mistake)
VERIFY_CLEANUP = (
    "mod_python.file_session.verify_session_timeout", "mod_python.file_session.cleanup_session_timeout",
    "session_verify_cleanup",
)  # fmt: skip
GRACE_PERIOD = ("mod_python.file_session.cleanup_grace_period", "session_grace_period")
TIME_LIMIT = ("mod_python.file_session.cleanup_time_limit", "session_cleanup_time_limit")
#: RedisSession's begin with this.
REDIS = "mod_python.redis_session."

#: Those of RedisSession that are numbers: the least that they can be, and what they are.
_REDIS_NUMBERS = (
    ("port", 1, "the number of a port"), ("db", 0, "the number of a database"),
    ("timeout", 1, "a number of seconds"), ("lock_timeout", 1, "a number of seconds"),
)  # fmt: skip

#: Values of SameSite (RFC 6265bis 5.4.7), by the word for them; "": the attribute is left out.
_SAME_SITES = {"lax": "Lax", "strict": "Strict", "none": "None", "off": ""}

_BOOLEANS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class Settings(NamedTuple):
    """What the options say of all sessions; None is not set."""

    session_type: str | None
    cookie_name: str | None
    application_path: str | None
    application_domain: str | None
    dbm_file: str | None
    dbm_directory: str | None
    file_directory: str | None
    #: Whether scripts of pages can't read the cookie.
    cookie_httponly: bool
    #: With which requests of other sites it is sent; "": browsers decide.
    cookie_samesite: str
    #: Whether it is sent over TLS alone; None: where the request came so.
    cookie_secure: bool | None


class Cleanup(NamedTuple):
    """What the options say of FileSession's clean-up; None is not set. Times are in seconds."""

    fast: bool | None
    verify: bool | None
    grace: int | None
    limit: int | None


class Redis(NamedTuple):
    """What the options say of the Redis server that keeps sessions; None is not set.

    ``timeout``: seconds for connecting and for each answer. ``lock_timeout``: seconds after which the lock
    of a machine that is gone ends.
    """

    url: str | None = None
    host: str | None = None
    port: int | None = None
    db: int | None = None
    username: str | None = None
    password: str | None = None
    prefix: str = "mpserver:session:"
    secret: str | None = None
    timeout: int = 2
    lock_timeout: int = 60


def settings(req: Request) -> Settings:
    """What the request's options say. They are read anew only where they differ. :raises ValueError: what can't be."""
    return _settings(_pairs(req))


def cleanup(req: Request) -> Cleanup:
    """What the request's options say of FileSession's clean-up. :raises ValueError: what can't be."""
    return _cleanup(_pairs(req))


def redis(req: Request) -> Redis:
    """What the request's options say of the Redis server. :raises ValueError: what can't be."""
    return _redis(_pairs(req))


def _pairs(req: Request) -> Pairs:
    """The options; those of the configuration, unless a handler may have changed them for this request."""
    return req.mp_plan.option_pairs if req.mp_options is None else tuple(req.get_options().pairs())


@lru_cache(maxsize=256)
def _settings(pairs: Pairs) -> Settings:
    table = Table(pairs)
    return Settings(
        _text(table, SESSION_TYPE),
        _text(table, COOKIE_NAME),
        _text(table, APPLICATION_PATH),
        _text(table, APPLICATION_DOMAIN),
        _text(table, DBM_FILE),
        _text(table, DBM_DIRECTORY),
        _text(table, FILE_DIRECTORY),
        _boolean(table, COOKIE_HTTPONLY) is not False,
        _same_site(table),
        _boolean(table, COOKIE_SECURE),
    )


@lru_cache(maxsize=256)
def _cleanup(pairs: Pairs) -> Cleanup:
    table = Table(pairs)
    return Cleanup(
        _boolean(table, FAST_CLEANUP),
        _boolean(table, VERIFY_CLEANUP),
        _number(table, GRACE_PERIOD),
        _number(table, TIME_LIMIT),
    )


@lru_cache(maxsize=256)
def _redis(pairs: Pairs) -> Redis:
    given: dict[str, Any] = {}
    for name, value in pairs:
        name = name.lower()
        if not name.startswith(REDIS):
            continue
        option = name[len(REDIS) :]
        if option not in Redis._fields:
            raise ValueError(f"PythonOption {name}: there is none of this name, but {', '.join(Redis._fields)}")
        if value:
            given[option] = value
    for option, least, what in _REDIS_NUMBERS:
        if option in given:
            given[option] = _whole(REDIS + option, given[option], least, what)
    return Redis(**given)


def _text(table: Table, names: tuple[str, ...]) -> str | None:
    for name in names:
        found: str | None = table.get(name)
        if found:
            return found
    return None


def _boolean(table: Table, names: tuple[str, ...]) -> bool | None:
    found = _text(table, names)
    if found is None:
        return None
    try:
        return _BOOLEANS[found.lower()]
    except KeyError:
        raise ValueError(f"PythonOption {names[0]} {found}: write yes, true or 1; or no, false or 0") from None


def _same_site(table: Table) -> str:
    found = _text(table, COOKIE_SAMESITE) or "lax"
    try:
        return _SAME_SITES[found.lower()]
    except KeyError:
        raise ValueError(f"PythonOption {COOKIE_SAMESITE[0]} {found}: write Lax, Strict, None or Off") from None


def _number(table: Table, names: tuple[str, ...]) -> int | None:
    found = _text(table, names)
    if found is None:
        return None
    return _whole(names[0], found, 0, "a number of seconds")


def _whole(name: str, value: str, least: int, what: str) -> int:
    number = int(value) if re.fullmatch(r"\s*[0-9]{1,9}\s*", value) else -1
    if number < least:
        raise ValueError(f"PythonOption {name} {value}: write {what}, {least} or more")
    return number


def application_path(req: Request) -> str:
    """The URL path of the folder whose PythonHandler runs; / where that is not under DocumentRoot."""
    hlist = req.hlist
    directory = (hlist.directory if hlist is not None else None) or ""
    root = req.document_root().rstrip("/")
    if not directory.startswith(root + "/"):
        return "/"
    path = directory[len(root) :].rstrip("/") + "/"
    # A client sends a cookie only to where its path leads: behind an alias that is elsewhere.
    return path if (req.uri + "/").startswith(path) else "/"
