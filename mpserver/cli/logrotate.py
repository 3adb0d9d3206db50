"""``mpserver --print-logrotate``: a file for logrotate, with the log files of the configuration and this command."""

from __future__ import annotations

import shlex
from importlib.resources import files

from mpserver.cli.unit import script
from mpserver.errors import StartError
from mpserver.supervisor.settings import targets
from mpserver.system.log_files import file_of
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration


def text(configuration: Configuration) -> str:
    """The file for a configuration.

    :raises StartError: its logs are no files, or logrotate can't have the name of one.
    """
    found = {file_of(configuration.root, target): None for target in targets(configuration)}
    logs = [log for log in found if log]
    if not logs:
        raise StartError("there is nothing to rotate: the logs of the configuration are programs or no files")
    values = {
        "@LOGS@": " ".join(map(_word, logs)),
        "@COMMAND@": shlex.join(script()),
        "@CONF@": shlex.quote(configuration.file),
    }
    made = (files("mpserver.cli") / "mpserver.logrotate.in").read_text("utf-8")
    for name, value in values.items():
        made = made.replace(name, value)
    return made.rstrip()


def _word(path: str) -> str:
    """A path as logrotate reads it.

    :raises StartError: it has signs that mean something there.
    """
    if any(sign in path for sign in "\n\"'\\*?[]{}"):
        raise StartError(f"logrotate would take the name of the log {path!r} for a pattern: give it another")
    return f'"{path}"' if any(sign in path for sign in " \t#") else path
