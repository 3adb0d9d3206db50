"""What is told of a domain: lines of the error log, and the administrator's programs (MDMessageCmd, MDNotifyCmd)."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.api.error_log import ERROR, INFO, WARN
from mpserver.certificates import programs
from mpserver.certificates.errors import Failed
from mpserver.modules.md.domains import Shared
from mpserver.typing import Any

#: Gets a level and a text.
Log = Callable[[int, str], None]


class Events:
    """Tells of one domain."""

    def __init__(self, name: str, shared: Shared, log: Log) -> None:
        self._name, self._shared, self._log = name, shared, log

    def log(self, level: int, text: str) -> None:
        """Write a line about the domain."""
        self._log(level, f"{self._name}: {text}")

    def renewing(self) -> None:
        """It begins. :raises Failed: the program does not want it now."""
        self._message("renewing")

    def challenge(self, kind: str, name: str) -> None:
        """An answer is there for an authority to be found. :raises Failed: the program could not pass it on."""
        self.log(INFO, f"the authority may look at {name} now ({kind})")
        self._message(f"challenge-setup:{kind}:{name}")

    def renewed(self) -> None:
        """A new certificate is there, and served from now on."""
        self.tried(self._message, "renewed")
        self.tried(self._message, "installed")
        if self._shared.notify:
            self.tried(programs.run, self._shared.notify, self._name)

    def errored(self) -> None:
        """There is none."""
        self.tried(self._message, "errored")

    def expiring(self, text: str) -> None:
        """One ends soon."""
        self.log(WARN, text)
        self.tried(self._message, "expiring")

    def tried(self, function: Callable[..., None], *arguments: Any) -> None:
        """Do something that may fail, and that nothing else depends on."""
        try:
            function(*arguments)
        except (Failed, OSError) as error:
            self.log(ERROR, str(error))

    def _message(self, event: str) -> None:
        if self._shared.message:
            programs.run(self._shared.message, event, self._name)
