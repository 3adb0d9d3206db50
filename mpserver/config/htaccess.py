""".htaccess files: what may stand in them, and reading them once as long as they stay the same.

httpd manual: core, AllowOverride, AllowOverrideList, AccessFileName.
"""

from __future__ import annotations

import os

from mpserver.errors import ConfigError, Unread, is_crowded
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.htaccess_file import Given
    from mpserver.config.override import Allowed
    from mpserver.config.sections import HtaccessLookup
    from mpserver.config.settings import Conf

#: How many files are remembered before all are forgotten.
REMEMBERED = 10_000

_Stamp = tuple[int, int, int]
#: A name that was looked for, and the stamp of the file that was there; None: there was none.
Watched = tuple[str, _Stamp | None]


class _Known:
    """What is known of one file: its stamp, and what it sets or what is wrong with it."""

    __slots__ = ("conf", "error", "stamp")

    def __init__(self, stamp: _Stamp, conf: Conf | None, error: ConfigError | None) -> None:
        self.stamp, self.conf, self.error = stamp, conf, error


class HtaccessCache:
    """Gives what .htaccess files set; a file is read anew when its stat changes. Call it, or `get`."""

    __slots__ = ("configuration", "_known")

    def __init__(self, configuration: Given) -> None:
        self.configuration = configuration
        self._known: dict[tuple[str, Allowed], _Known] = {}

    def recording(self, watched: list[Watched]) -> HtaccessLookup:
        """The same as `get`, which also notes what it looked for."""
        return lambda directory, allowed, names: self.get(directory, allowed, names, watched)

    def get(
        self, directory: str, allowed: Allowed, names: tuple[str, ...] = (".htaccess",),
        watched: list[Watched] | None = None,
    ) -> Conf | None:  # fmt: skip
        """What the directory's first file of these names sets; None if there is none.

        The same object as long as the file stays the same. ``directory`` ends with a slash.
        Raises ConfigError if the file can't be read or is faulty (the request then is a 500).
        """
        if not allowed:
            return None
        for name in names:
            path = directory + name
            try:
                stamp = look(path)
            except OSError as error:
                raise ConfigError(_unreadable(path, error)) from error
            if watched is not None:
                watched.append((path, stamp))
            if stamp is None:
                continue
            known = self._known.get((path, allowed))
            if known is None or known.stamp != stamp:
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                known = self._known[path, allowed] = self._load(path, directory, allowed, stamp)
            if known.error is not None:
                # a new one each time: a raised error collects the tracebacks of its requests
                raise ConfigError(known.error.message, known.error.file, known.error.line)
            return known.conf
        return None

    __call__ = get

    def _load(self, path: str, directory: str, allowed: Allowed, stamp: _Stamp) -> _Known:
        # (only where there is such a file the code of the directives is needed)
        from mpserver.config.htaccess_file import read

        try:
            conf, error = read(self.configuration, path, directory, allowed)
        except OSError as failed:
            if is_crowded(failed):
                raise Unread(_unreadable(path, failed)) from failed
            conf, error = None, ConfigError(_unreadable(path, failed))
        if error is not None and is_crowded(error):
            raise Unread(error.message, error.file, error.line) from error
        return _Known(stamp, conf, error)


def look(path: str) -> _Stamp | None:
    """What tells a file from what it is after a change; None where there is none. :raises OSError: nobody can tell."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unreadable(path: str, error: OSError) -> str:
    return (
        f"{path}: pcfg_openfile: unable to check htaccess file, ensure it is readable and that "
        f"'{os.path.dirname(path)}/' is executable: {error.strerror}"
    )
