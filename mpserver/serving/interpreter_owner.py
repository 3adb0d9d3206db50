"""An interpreter as the owner of connections: what the parts of it that serve them ask of the whole."""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import _socket
    from collections import deque
    from collections.abc import Callable

    from mpserver.api.error_log import ErrorLog
    from mpserver.api.loader import Loader
    from mpserver.api.request import Request
    from mpserver.api.tasks import Task
    from mpserver.errors import Moves
    from mpserver.ipc.messages import Kind, Message
    from mpserver.ipc.queues import Taken
    from mpserver.ipc.scoreboard import Scoreboard
    from mpserver.ipc.scoreboard_entry import ScoreboardEntry
    from mpserver.phases.pipeline import Pipeline
    from mpserver.phases.plan import InterpreterId
    from mpserver.phases.planner import Planner
    from mpserver.serving.boot import Boot
    from mpserver.serving.carrying import CarryingEntry
    from mpserver.serving.connection import Connection
    from mpserver.system.log_lines import LogLines
    from mpserver.system.thread_loop import SharedLoop

from mpserver.serving.owner import Owner


class Waiting(Protocol):
    """Something that waits for an event elsewhere, but not beyond the interpreter's end."""

    def abandon(self) -> None:
        """The interpreter ends."""


class WaitingTasks(Protocol):
    """What lets the contents of requests wait (`mpserver.serving.tasks`)."""

    def wait(self, connection: Connection, req: Request, task: Task) -> None:
        """A request has come to its content, which is a task."""


class Movers(Protocol):
    """What sends requests on to other interpreters (`mpserver.serving.going_on`)."""

    def send_on(self, connection: Connection, req: Request, buffer: bytes, move: Moves) -> None:
        """A request goes on in another interpreter."""

    def tell(self, connection: Connection, req: Request) -> None:
        """A request is over: tell the interpreter before this one."""


class InterpreterOwner(Owner, Protocol):
    """One interpreter; `mpserver.interp.Interpreter` is the only one outside of tests."""

    boot: Boot
    interpreter_id: InterpreterId
    #: The interpreter whose requests are served here: none any more, once the application can't stay.
    home: InterpreterId
    #: Its end of the socket pair that the router and it share.
    inbox: _socket.socket
    log: ErrorLog
    pipeline: Pipeline
    planner: Planner
    loader: Loader
    scoreboard_entry: ScoreboardEntry
    #: When the running request began (seconds since the epoch), 0 between requests.
    began: float
    #: Messages that the offloader took from the inbox and that are for the interpreter alone.
    mail: deque[Message | None]
    #: Whether its own thread serves the requests.
    alone: bool
    #: Counts the connections that it takes; None: that is not counted.
    taken: Taken | None
    #: The lines of access logs that wait; None: each is written at once.
    lines: LogLines | None
    connections: set[Connection]
    connection_type: type[Connection]
    #: Requests that have gone on elsewhere, and left something here.
    retained: set[Waiting]
    #: Who gets the connections that arrive: the interpreter, or who sends their requests on.
    owner_of_arrivals: Owner

    #: Begins with a connection that it has accepted itself.
    arrive: Callable[[Connection], None]

    @property
    def connection_handlers(self) -> object:
        """What runs connection handlers; None where no server has any."""

    def tell(self, kind: Kind, state: str = "", number: int = 0) -> None:
        """Send the router a message without a descriptor; for any thread."""

    def send(self, message: Message) -> None:
        """Send the router a message; for any thread.

        :raises OSError: there is no descriptor left for the way of its own.
        """

    def tell_facts(self, number: int, known: object) -> None:
        """Answer a question of the router; for any thread."""

    board: Scoreboard

    def wait_for_content(
        self, connection: Connection, req: Request, buffer: bytes, task: Task | None, moved: bool = False
    ) -> None:
        """The content of a request waits: for its body, or for others by a task.

        :param buffer: what was read of the connection before the request was taken.
        :param moved: it began in another interpreter.
        """

    @property
    def tasks(self) -> WaitingTasks:
        """What lets the contents of requests wait."""

    @property
    def moves(self) -> Movers:
        """Sends requests on to other interpreters."""

    def resume(self, connection: Connection) -> None:
        """A connection's request goes on, whose body has come; in the loop."""

    def stand_aside(self, connection: Connection, begin: Callable[[], None]) -> None:
        """A request waits for its body: its connection is the loop's, which begins with that."""

    def resumed(self, req: Request) -> None:
        """A request goes on that has stood aside, where requests are served."""

    def watch_lines(self) -> None:
        """A request begins while the lines of others may wait."""

    def paused(self) -> None:
        """A request stands aside."""

    def give_back(self, connection: Connection, kind: Kind = ..., state: bytes = b"") -> None:
        """Let the router have a connection, and what was read of it."""

    def unpin(self, connection: Connection, kind: Kind, state: bytes) -> Message:
        """A message with a connection whose TLS stays here, see `mpserver.serving.relays`."""

    def crowd_out(self, connection: Connection) -> None:
        """A request can't go where it belongs, for want of descriptors."""

    def move(self, connection: Connection, req: Request, buffer: bytes, transferred: bytes) -> None:
        """The application becomes a process: the request that met the reason is served by that one."""

    def in_loop(self, function: Callable[[], None]) -> None:
        """Call something in the loop's thread."""

    def apart(self, function: Callable[[], None]) -> None:
        """Call something that runs an application's code, where requests are served."""

    def released(self, connection: Connection) -> None:
        """Close what stood for a connection whose request was answered elsewhere."""

    def onward(self, transferred: bytes) -> bytes:
        """The state of a connection that goes back unserved, from what was transferred with its request."""

    def may_leave(self, connection: Connection) -> bool:
        """Whether nothing of a connection's request is with the interpreter."""

    def ended(self, req: Request | None = None) -> None:
        """The running request is over; None: it was not served."""

    def drain(self, heirs: bool = False) -> None:
        """Serve what there is, keep no connection, and end."""

    def end_if_empty(self) -> None:
        """End if that is wanted and no connection is left."""

    def abandon(self) -> None:
        """The worker is gone, and a request does not end: end the process with it."""

    def shed(self, count: int) -> None:
        """Close up to ``count`` idle connections."""

    def has_leases(self) -> bool:
        """Whether it accepts from leased listeners."""

    def end_leases(self) -> None:
        """Give leased listeners back, if there are any."""

    def leases_ended(self, number: int) -> None:
        """The leased listeners are closed; the last connection that they brought had this number."""


class TaskOwner(InterpreterOwner, Protocol):
    """An interpreter with threads, in whose loop tasks wait (`mpserver.serving.tasks`)."""

    loop: SharedLoop
    scoreboard_entry: CarryingEntry

    def go_on_in_thread(self, connection: Connection) -> None:
        """A task that waits in the loop may block from here on."""
