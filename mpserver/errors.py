"""The tree of errors: every error of the server is an MpserverError, or an Interruption of application code.

This is the ground under all floors: any module may import it.
"""

import errno

from mpserver.typing import Any

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
    """The root of the tree."""


class ConfigError(MpserverError):
    """One fault of the configuration.

    ``message`` says what is wrong and what to do; ``file`` and ``line`` (from 1)
    say where, and are filled in by the reader when a directive's own code raised it
    without them.
    """

    #: What requests get that need it.
    status = 500

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line

    def at(self, file: str, line: int) -> "ConfigError":
        """The same error, placed at file and line if it has no place yet."""
        if self.file is None:
            self.file, self.line = file, line
        return self

    def __str__(self) -> str:
        if self.file is None:
            return self.message
        return f"Syntax error on line {self.line} of {self.file}:\n{self.message}"


class Unread(ConfigError):
    """A file of the configuration can't be read now, for want of descriptors."""

    status = 503


class ConfigErrors(MpserverError):
    """Every fault found in one reading of the configuration, in their order."""

    def __init__(self, errors: list[ConfigError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


class ExpressionError(MpserverError):
    """A text is no expression of httpd's (``mpserver.modules.expressions``)."""


class RequestError(MpserverError):
    """A request that can't be served as it came: its HTTP status, and why (for the log).

    ``line`` is the request line as far as it could be read.
    """

    #: In seconds, for the header of that name; 0: it is not sent.
    retry_after = 0

    def __init__(self, status: int, reason: str, line: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.line = line


class Unavailable(RequestError):
    """A request that can't be served now (503): after ``retry_after`` seconds it may be."""

    def __init__(self, reason: str, retry_after: int, line: str = "") -> None:
        super().__init__(503, reason, line)
        self.retry_after = retry_after


class ClientGone(MpserverError, OSError):
    """The client closed the connection or did not take or send data within Timeout.

    It is an OSError (IOError) because applications expect one from ``req.read`` and ``req.write``.
    """


class StartError(MpserverError):
    """The server, a worker or an interpreter can't start; the text says why and what to do."""


class Misplaced(MpserverError):
    """An application can't run in an isolated subinterpreter; ``module`` is what refused."""

    def __init__(self, module: str) -> None:
        super().__init__(module)
        self.module = module


class Interruption(BaseException):
    """The server ends what an application does, which is not to swallow it: ``except Exception`` does not catch it."""


class MustMove(Interruption):
    """An application does what an isolated subinterpreter can't, and moves to a process at once.

    One that swallowed it would stay where it can't work.
    """


class RequestTimeout(Interruption):
    """Raised in a request that goes on past PythonRequestTimeout."""


class Moves(MpserverError):
    """A request goes on in another interpreter: the place (kind and name), and what goes along."""

    def __init__(self, interpreter_id: tuple[Any, ...], state: bytes) -> None:
        super().__init__(interpreter_id)
        self.interpreter_id = interpreter_id
        self.state = state


class InterpreterError(StartError):
    """An interpreter can't be created or ended early."""
