"""What an interpreter loads before it serves, and what becomes of failures."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable

from mpserver.api import error_log as levels
from mpserver.application import imports
from mpserver.ipc import messages
from mpserver.modules import python
from mpserver.modules.python.application_errors import describe, headline, refusing
from mpserver.phases import facts
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.loader import LoadedModule
    from mpserver.config.finished import Finished
    from mpserver.serving.interpreter_owner import InterpreterOwner


def surround(configuration: Finished, name: str) -> None:
    """What an application finds before anything of it is loaded: its variables, and imports that wait."""
    os.environ.update(facts.variables(configuration, name))
    if facts.imports_lazily(configuration, name):
        from mpserver.application import lazy_imports  # (few import so)

        lazy_imports.install()


def load(interpreter: InterpreterOwner, inherited: list[LoadedModule] | None, log: Callable[[int, str], None]) -> bool:
    """Import what PythonImport names, logging failures and going on, and what a predecessor had loaded.

    Where the application may have to move, its handlers are loaded now: so that shows before any request. But not where
    requests have a time limit, which holds for what they load, too.

    :param log: writes to the error log.
    :returns: False for a successor that could not load all of it: its predecessor stays (unless PythonInterpReload is
        Always).
    """
    configuration, where, loader = interpreter.boot.configuration, interpreter.interpreter_id, interpreter.loader
    tell = interpreter.scoreboard_entry.writer.imports
    found = imports.imports(configuration, where, facts.environments(configuration), loader, tell)
    for name, error in (*found, *imports.inherited(inherited or (), loader)):
        refused = refusing(error) if loader.may_move else None
        if refused is not None:
            loader.refused(refused)
            return inherited is None
        from mpserver.modules.python import load_errors  # (only where something is wrong)

        lines = describe(error)
        why = load_errors.summary(headline(error, lines), error, sys.path)
        if inherited is not None and interpreter.boot.lifetime.reload == python.RELOAD_ALWAYS:
            # whoever asks next meets the error, as if the code had been so from the beginning
            log(levels.ERROR, f"{name} can't be loaded: {why} (interpreter '{where.name}')")
            loader.forget_faults()
            continue
        if inherited is None:
            log(levels.ERROR, f"directive_PythonImport: error importing {name}: {why} (interpreter '{where.name}')")
            interpreter.scoreboard_entry.writer.import_failed()
        else:
            interpreter.tell(messages.Kind.FAILED, f"{name} can't be loaded: {why}")  # (who takes that tells it)
        for line in "".join(lines).splitlines():
            log(levels.DEBUG, line)
        if inherited is not None:
            return False
    if loader.may_move and not facts.has_time_limit(configuration, where.name):
        for _name, error in imports.handlers(configuration, where, loader):
            refused = refusing(error)
            if refused is not None:
                loader.refused(refused)
                return inherited is None
    if loader.may_move:
        loader.judge(None, False)
    return True


class Helper(Protocol):
    """A part of an interpreter that has a thread of its own."""

    def start(self) -> object:
        """Start the thread. :raises RuntimeError: the system has no room for one."""

    def stop(self) -> None:
        """End it."""


def start(helpers: Iterable[Helper]) -> None:
    """Start such parts before anybody is served, all or none: nobody is served without them.

    :raises RuntimeError: the system has no room for a thread.
    """
    begun: list[Helper] = []
    try:
        for helper in helpers:
            helper.start()
            begun.append(helper)
    except BaseException:
        for helper in begun:
            helper.stop()
        raise
