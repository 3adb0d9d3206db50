"""``mpserver --print-unit``: a unit for systemd, with the paths of this command and of its configuration.

The machine's unit takes from the service what it does not need, see the template; ``--user`` prints one for a service
manager of a user, whose rights are small enough.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from importlib.resources import files

from mpserver.modules import core, mpm
from mpserver.supervisor.settings import targets
from mpserver.system.log_files import file_of
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration

#: Folders that ProtectHome= hides or makes read-only.
HOMES = ("/home/", "/root/", "/run/user/")
#: Folders in place of which a service with PrivateTmp= has others.
TEMPORARY = ("/tmp/", "/var/tmp/")  # noqa: S108 - nothing is written there
#: Seconds that a service has for its end at least, as the templates have it; and beyond what the configuration grants.
LEAST, BEYOND = 30, 10


def patience(configuration: Configuration) -> int:
    """For how many seconds systemd has to wait for the end of a server: whoever is killed loses requests."""
    conf = configuration.main.conf
    return max(LEAST, math.ceil(conf[mpm.SHUTDOWN_DELAY] + conf[mpm.GRACEFUL_SHUTDOWN_TIMEOUT]) + BEYOND)


def warnings(configuration: Configuration) -> Iterator[str]:
    """What of a configuration a service does not have as the terminal has it, for the machine's unit.

    The service's /tmp is its own, and its root has no right to write to folders of others.
    """
    places = {
        "the configuration": configuration.file,
        "PidFile": core.pid_file(configuration.main.conf),
        **{f"the log {log}": log for target in targets(configuration) if (log := file_of(configuration.root, target))},
    }
    for what, file in places.items():
        if file.startswith(TEMPORARY):
            yield f"{what} is in {os.path.dirname(file)}: the service has a /tmp of its own (PrivateTmp=): move it"
            continue
        try:
            owner = os.stat(os.path.dirname(file)).st_uid
        except OSError:
            continue  # (a start tells that)
        if owner and file != configuration.file:
            yield (
                f"{what}: {os.path.dirname(file)} is not root's, and the service's root may write to no folder of "
                "others: have it in /var/log/mpserver or /run/mpserver, or give the folder to root"
            )


def text(configuration: str, user: bool = False, patience: int = LEAST) -> str:
    """The unit that serves a configuration, by its path; ``patience``: see `patience`."""
    name = "mpserver-user.service.in" if user else "mpserver.service.in"
    unit = (files("mpserver.cli") / name).read_text("utf-8")
    if configuration.startswith(HOMES):  # its logs and its pid file are there, too
        unit = unit.replace("ProtectHome=read-only", "ProtectHome=false")
    unit = unit.replace(f"TimeoutStopSec={LEAST}\n", f"TimeoutStopSec={patience}\n")
    command = " ".join(map(_word, script()))
    values = {"@COMMAND@": command, "@CONF@": _word(f"MPSERVER_CONF={configuration}", is_command=False)}
    for name, value in values.items():
        unit = unit.replace(name, value)
    return unit.rstrip()


def script() -> list[str]:
    """The words of this command."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), "mpserver")
    return [beside] if os.access(beside, os.X_OK) else [sys.executable, "-m", "mpserver"]


def _word(word: str, *, is_command: bool = True) -> str:
    """One word as units have it (systemd.syntax(7)): quoted where it has to be, without specifiers and variables."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if is_command:
        word = word.replace("$", "$$")
    return f'"{word}"' if any(sign in word for sign in " \t'\"") else word
