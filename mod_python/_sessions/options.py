"""PythonOptions of sessions: each has its name of 3.3 and later, and most an older one (api 3.5 1.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.api.table import Table

#: The names of each setting; the first that is set counts.
SESSION_TYPE = ("mod_python.session.session_type", "session")
COOKIE_NAME = ("mod_python.session.cookie_name", "session_cookie_name")
APPLICATION_PATH = ("mod_python.session.application_path", "ApplicationPath")
APPLICATION_DOMAIN = ("mod_python.session.application_domain",)
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

_BOOLEANS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def text(options: Table, names: tuple[str, ...]) -> str | None:
    """The setting's value; None where it isn't set."""
    for name in names:
        found: str | None = options.get(name)
        if found is not None:
            return found
    return None


def boolean(options: Table, names: tuple[str, ...], default: bool) -> bool:
    """A setting of yes/true/1 or no/false/0. :raises ValueError: it says something else."""
    found = text(options, names)
    if found is None:
        return default
    try:
        return _BOOLEANS[found.lower()]
    except KeyError:
        raise ValueError(
            f"PythonOption {names[0]} {found}: write yes, true or 1; or no, false or 0"
        ) from None


def number(options: Table, names: tuple[str, ...], default: int) -> int:
    """A setting in whole seconds. :raises ValueError: it is no such number."""
    found = text(options, names)
    if found is None:
        return default
    if not found.strip().isdecimal():
        raise ValueError(f"PythonOption {names[0]} {found}: write a number of seconds, 0 or more")
    return int(found)


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
