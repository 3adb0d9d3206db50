"""The trees of errors: every error of the server is an `MpserverError`, and what ends a request an `Interruption`.

This is the ground under all floors: any module may import it.
"""

from __future__ import annotations

import errno

from mpserver.typing import Any, Self

#: What the system says when there is no room for another descriptor: in the process, in all of them, on their way.
CROWDED = frozenset({errno.EMFILE, errno.ENFILE, errno.ETOOMANYREFS})


def is_crowded(error: BaseException) -> bool:
    """Whether an error, or what it came from, is that there is no room for another descriptor."""
    found: BaseException | None = error
    for _ in range(20):
        if found is None:
            return False
        if isinstance(found, OSError) and found.errno in CROWDED:
            return True
        found = found.__cause__ or found.__context__
    return False


class MpserverError(Exception):
    """The root of the errors."""


class Interruption(BaseException):
    """The root of what the server raises in an application's code to end its request.

    ``except Exception`` does not catch it: an application that swallowed it would go on where it can't or may not.
    """


class UsageError(MpserverError):
    """The command line can't be understood; the text says what of it."""


class ConfigError(MpserverError):
    """One fault of the configuration.

    ``message`` says what is wrong and what to do; ``file`` and ``line`` (from 1) say where, and are filled in by the
    reader when a directive's own code raised it without them.
    """

    #: The HTTP status of requests that need what could not be read.
    status = 500

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line

    def at(self, file: str, line: int) -> ConfigError:
        """Return this error, with a file and a line where it has none yet."""
        if self.file is None:
            self.file, self.line = file, line
        return self

    def __str__(self) -> str:
        if self.file is None:
            return self.message
        return f"Syntax error on line {self.line} of {self.file}:\n{self.message}"


class Unread(ConfigError):
    """A file of the configuration can't be read now, for want of descriptors (503)."""

    status = 503


class ConfigErrors(MpserverError):
    """All faults that one reading of the configuration found, in their order."""

    def __init__(self, errors: list[ConfigError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


class ExpressionError(MpserverError):
    """A text is not an expression in httpd's syntax (``mpserver.modules.expressions``)."""


class RequestError(MpserverError):
    """A request can't be served as it came: its HTTP status, and why (for the log).

    ``line`` is the request line as far as it could be read.
    """

    #: Seconds for the header Retry-After (RFC 9110 10.2.3); 0: it is not sent.
    retry_after = 0
    #: The request's head (`mpserver.http1.head.Head`), where it could be read; None: it could not.
    head: Any = None
    #: With which level it is logged: as an error, unless it is the client's own wish.
    level = 3

    def __init__(self, status: int, reason: str, line: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.line = line

    def about(self, head: Any) -> Self:
        """This error, of a request whose head was read."""
        if head is not None:
            self.head, self.line = head, head.line
        return self


class ClientLeft(RequestError):
    """The client left in the midst of its request."""

    level = 6


class Unavailable(RequestError):
    """A request can't be served now (503); ``retry_after`` seconds later it may be."""

    def __init__(self, reason: str, retry_after: int, line: str = "") -> None:
        super().__init__(503, reason, line)
        self.retry_after = retry_after


class ClientGone(MpserverError, OSError):
    """The client closed the connection, or neither took nor sent data within Timeout.

    It is an OSError (IOError) because applications expect one from ``req.read`` and ``req.write``, and is called so
    in the tracebacks that they see.
    """


ClientGone.__name__ = ClientGone.__qualname__ = "OSError"
ClientGone.__module__ = "builtins"


class StartError(MpserverError):
    """The server, a worker or an interpreter can't start; the text says why, and what to do."""


class Misplaced(MpserverError):
    """An application can't run in an isolated subinterpreter; ``module`` is what refused."""

    def __init__(self, module: str) -> None:
        super().__init__(module)
        self.module = module


class MustMove(Interruption):
    """An application does what an isolated subinterpreter can't, and moves to a process at once."""


class RequestTimeout(Interruption):
    """Raised in a request that goes on past PythonRequestTimeout."""


class Moves(MpserverError):
    """A request goes on in another interpreter.

    ``interpreter_id`` is that one's (`mpserver.phases.plan.InterpreterId` as a tuple), ``stage`` and ``step`` say
    where the request goes on there (`mpserver.phases.stages.Stage`).
    """

    def __init__(self, interpreter_id: tuple[Any, ...], stage: int = 0, step: int = 0) -> None:
        super().__init__(interpreter_id)
        self.interpreter_id = interpreter_id
        self.stage = stage
        self.step = step


class Awaits(MpserverError):
    """A request has come to its content, which waits outside of it.

    For its body, which has not all come (`mpserver.serving.bodies`); or for what its ``task`` wants
    (`mpserver.api.tasks`).
    """

    def __init__(self, task: Any = None) -> None:
        super().__init__()
        self.task = task


class InterpreterError(StartError):
    """An interpreter can't be created or ended early."""
