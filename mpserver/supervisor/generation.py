"""A generation: one reading of the configuration, with all that was opened for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

from mpserver.api import error_log
from mpserver.api.error_log import ErrorLog
from mpserver.errors import StartError
from mpserver.modules.ssl.renewal import Renewal
from mpserver.supervisor.engine import Engine, ZygoteKeeper
from mpserver.supervisor.reading import Reading
from mpserver.supervisor.settings import ProcessSettings
from mpserver.system.listeners import Listeners
from mpserver.system.log_files import Logs, replace
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.finished import Finished
    from mpserver.ipc.scoreboard import Scoreboard
    from mpserver.modules.md.domains import Domains
    from mpserver.modules.proxy.checks import Checks

#: One that is to follow another is given up when so many of its workers in a row failed before any served, or when not
#: all serve after so many seconds: a module of PythonImport may take 60 (`mpserver.supervisor.workers`), and systemd
#: waits 90 for a reload.
GIVE_UP_AFTER, SERVES_WITHIN = 3, 80.0


class Generation:
    """Listeners, log files and keeper of one configuration, and how many workers it should have."""

    __slots__ = (
        "checks", "conf", "configuration", "domains", "error_log", "failures", "full_told", "keeper", "listeners",
        "logs", "not_before", "number", "oldest", "rate", "renewal", "serves_by", "target", "trouble", "young",
    )  # fmt: skip

    def __init__(
        self, number: int, configuration: Finished, conf: ProcessSettings, logs: Logs, listeners: Listeners
    ) -> None:
        """``number`` counts from 1; the logs and listeners are open."""
        self.number, self.configuration, self.conf = number, configuration, conf
        self.logs, self.listeners = logs, listeners
        self.error_log = ErrorLog(logs.fds[conf.error_log], conf.log_level, conf.log_levels, conf.error_style)
        self.keeper: ZygoteKeeper | None = None
        #: The domains whose certificates are to be had; None: there are none.
        self.domains: Domains | None = None
        #: The health checks of balancers' members; None: there are none.
        self.checks: Checks | None = None
        #: Watches the files of its certificates; None: it has none.
        self.renewal: Renewal | None = None
        #: Its workers may take the connections of those of this generation (its number) and later ones.
        self.oldest = number
        #: How many workers there should be now; maintenance moves it.
        self.target = conf.rules.start
        #: How many workers the next step of maintenance may add.
        self.rate = 1
        #: Workers in a row that died before they served, and when the next one may be forked (monotonic).
        self.failures = 0
        #: Those in a row that served, but crashed soon after.
        self.young = 0
        self.not_before = 0.0
        #: Why the last one that was to serve does not; "": there was no such.
        self.trouble = ""
        #: When all should serve, if it is to follow another one (monotonic).
        self.serves_by = time.monotonic() + SERVES_WITHIN
        #: It was logged that MaxRequestWorkers is reached.
        self.full_told = False

    def why_given_up(self, now: float) -> str:
        """Why it can't follow the one that serves, for all that is known so far; "": it may."""
        if self.failures >= GIVE_UP_AFTER:
            return self.trouble
        if now < self.serves_by:
            return ""
        return f"not all of its workers serve after {SERVES_WITHIN:g} seconds{self.trouble and ': '}{self.trouble}"

    def follow(self, before: Generation) -> None:
        """Let its workers take the connections of the generation before, and of those whose that one takes.

        That is so where it listens at the same addresses at least: a connection to an address where it does not
        listen is not for it.
        """
        if before.listeners.by_address.keys() <= self.listeners.by_address.keys():
            self.oldest = before.oldest

    def keep(self, engine: Engine, scoreboard: Scoreboard) -> None:
        """Make the keeper of its process interpreters, once all else is open."""
        logs, account = self.logs, self.conf.account
        self.keeper = engine.keeper(self.configuration, logs.fds, scoreboard, account, self.number, logs.apart)

    def reopen(self, files: Mapping[int, int]) -> None:
        """Let its logs be other files, here and in its zygotes.

        :param files: the new descriptors by those that they are for; they stay the caller's.
        """
        for number, fd in files.items():
            replace(number, fd)
        self.logs.renew_own(files)
        if self.keeper is not None:
            self.keeper.reopen(files)

    def close(self, listeners_but: Listeners | None = None) -> None:
        """Close what was opened for it alone: its last worker is gone."""
        if self.keeper is not None:
            self.keeper.close()
        self.listeners.close(but=listeners_but)
        self.logs.close()
        self.configuration.close()


def open_generation(number: int, reading: Reading, before: Listeners, soft: int = 0) -> Generation:
    """Open what a configuration needs: its log files, and the addresses that ``before`` does not have.

    ``soft``: the limit of descriptors for the programs that take logs; 0: as it is.

    :raises StartError: something can't be opened; nothing stays open then.
    """
    conf, configuration, encryption, domains, checks = reading
    try:
        logs = Logs(configuration.root, (conf.error_log, *conf.log_targets), soft, conf.own_programs)
        try:
            listeners = before.following(conf.addresses, conf.backlog)
        except BaseException:
            logs.close()
            raise
    except BaseException:
        configuration.close()
        raise
    generation = Generation(number, configuration, conf, logs, listeners)
    generation.domains, generation.checks = domains, checks
    if encryption is not None and encryption.profiles:
        log = generation.error_log
        generation.renewal = Renewal(
            encryption, configuration.fds[-1], lambda level, text: log.log(level, text, module="ssl")
        )
    return generation


def restart_loggers(generations: Iterable[Generation], pid: int) -> Iterator[tuple[int, str, int | None]]:
    """Start the programs of piped logs again of which one has ended.

    :returns: levels, texts and httpd's numbers, for the error log.
    """
    for generation in generations:
        if generation.logs.own(pid):
            try:
                name = generation.logs.reaped(pid)
                yield error_log.NOTICE, f"piped log program '{name}' failed unexpectedly, started again", 106
            except StartError as error:
                yield error_log.ERROR, str(error), None
