"""The parts of an interpreter that only some of them need: each is made when it is used first."""

from __future__ import annotations

from mpserver.ipc.scoreboard import Scoreboard
from mpserver.modules import core
from mpserver.phases.plan import InterpreterId
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.api.tasks import Task
    from mpserver.ipc.address_table import AddressTable
    from mpserver.ipc.slow_clients import SlowClients
    from mpserver.serving.bodies import Bodies
    from mpserver.serving.boot import Boot
    from mpserver.serving.connection import Connection
    from mpserver.serving.courier import Courier
    from mpserver.serving.going_on import GoingOn
    from mpserver.serving.tasks import Tasks


class LateParts:
    """This part of `mpserver.interp.Interpreter`."""

    boot: Boot
    interpreter_id: InterpreterId
    board: Scoreboard
    #: How many requests it serves at a time.
    threads = 1
    _moves: GoingOn | None = None
    _bodies: Bodies | None = None
    _tasks: Tasks | None = None
    _courier: Courier | None = None
    _slow_clients: SlowClients | None = None
    _addresses: AddressTable | None = None

    @property
    def moves(self) -> GoingOn:
        """Sends requests on to other interpreters, and takes those of others."""
        if self._moves is None:
            from mpserver.serving.going_on import GoingOn  # (few requests need several interpreters)

            self._moves = GoingOn(self)  # type: ignore[arg-type]  # (it is a part of one)
        return self._moves

    @property
    def bodies(self) -> Bodies:
        """What lets requests wait for their bodies."""
        if self._bodies is None:
            from mpserver.serving.bodies import Bodies  # (few requests have bodies that come slowly)

            self._bodies = Bodies(self, self.board, self.threads)  # type: ignore[arg-type]  # (as above)
        return self._bodies

    @property
    def tasks(self) -> Tasks:
        """What lets the contents of requests wait in the loop."""
        made = self._tasks
        if made is None:
            from mpserver.serving.tasks import Tasks  # (only interpreters whose requests have such contents)

            # (once, if several threads come here)
            made = vars(self).setdefault("_tasks", Tasks(self))  # type: ignore[arg-type]  # (as above)
        return made

    def wait_for_content(
        self, connection: Connection, req: Request, buffer: bytes, task: Task | None, moved: bool = False
    ) -> None:
        """See `mpserver.serving.interpreter_owner.InterpreterOwner`."""
        if task is not None:
            self.tasks.wait(connection, req, task)
        else:
            self.bodies.wait(connection, req, buffer, moved)

    @property
    def courier(self) -> Courier | None:
        """Sends what responses have written while their handlers run."""
        if self._courier is None:
            from mpserver.serving.courier import Courier  # (few clients are slower than handlers)

            vars(self).setdefault("_courier", Courier(self.interpreter_id.name))  # (once, if several threads come here)
        return self._courier

    @property
    def slow_clients(self) -> SlowClients | None:
        """What is kept here for clients that are slow."""
        if self._slow_clients is None:
            from mpserver.ipc.slow_clients import SlowClients  # (as above)

            boot, conf = self.boot, self.boot.configuration.main.conf
            most = conf[core.SLOW_CLIENT_MEMORY], conf[core.SLOW_CLIENT_DISK]
            vars(self).setdefault("_slow_clients", SlowClients(self.board, boot.slot, boot.scoreboard_index, *most))
        return self._slow_clients

    @property
    def addresses(self) -> AddressTable:
        """Where connections that end leave their places."""
        if self._addresses is None:
            from mpserver.ipc.address_table import AddressTable  # (only where they are counted)

            self._addresses = AddressTable(self.board, self.boot.slot)
        return self._addresses
