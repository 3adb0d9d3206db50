"""What ``auto`` has found, remembered beside the pid file: a server that starts again does not search once more.

A verdict counts as long as nothing has changed that it rests on: the application (the name of its interpreter, and the
modules of its handlers), Python, and the libraries that are installed where the application looks for them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256

from mpserver.modules import core
from mpserver.phases import facts
from mpserver.phases.plan import InterpreterId
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.config.finished import Finished

#: The end of the file's name, and of the names of what tells of an installed library.
END, _INSTALLED = ".kinds", (".dist-info", ".egg-info")


class Verdicts:
    """The applications that are known to need processes, with what an isolated subinterpreter refused to them."""

    def __init__(self, configuration: Finished) -> None:
        self._configuration = configuration
        self.file = os.path.splitext(core.pid_file(configuration.main.conf))[0] + END

    def known(self) -> Iterator[tuple[InterpreterId, str]]:
        """The applications, and what was refused. A file that can't be read, or understood, tells of none."""
        for name, verdict in self._read().items():
            yield InterpreterId("auto", name), verdict["refused"]

    def remember(self, interpreter_id: InterpreterId, refused: str, path: Sequence[str]) -> None:
        """Add one. :param path: where the application looks for libraries. :raises OSError: it can't be written."""
        verdicts = self._read()
        name = interpreter_id.name
        verdicts[name] = {"refused": refused, "path": [*path], "for": self._fingerprint(name, path)}
        temporary = f"{self.file}.{os.getpid()}"
        try:
            with open(temporary, "x", encoding="utf-8", opener=_for_all_to_read) as file:
                json.dump(verdicts, file, indent=1)
            os.rename(temporary, self.file)
        except OSError:
            _remove(temporary)
            raise

    def _read(self) -> dict[str, Any]:
        """Those that count still."""
        try:
            with open(self.file, encoding="utf-8") as file:
                told = json.load(file)
            return {
                name: verdict
                for name, verdict in told.items()
                if verdict["for"] == self._fingerprint(name, verdict["path"]) and isinstance(verdict["refused"], str)
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}

    def _fingerprint(self, name: str, path: Sequence[str]) -> str:
        """A number for all that a verdict rests on."""
        modules = [tuple(wanted) for wanted in facts.handlers(self._configuration, name)]
        libraries = [entry for folder in path for entry in sorted(_libraries(folder))]
        return sha256(repr((name, modules, sys.version, sys.prefix, libraries)).encode()).hexdigest()


def _libraries(folder: str) -> Iterator[tuple[str, int]]:
    """What is installed in a folder, and when that was done."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_INSTALLED):
                    yield entry.path, entry.stat().st_mtime_ns
    except OSError:
        return  # there is none


def _for_all_to_read(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it was not made
