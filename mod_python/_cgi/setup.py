"""CGI's surroundings for handlers that run CGI programs by themselves: `apache.setup_cgi` and what goes with it.

``mod_python.cgihandler`` serves whole scripts, and keeps its surroundings from others. These change
``sys.stdin``, ``sys.stdout`` and ``os.environ`` of the interpreter, for all that runs in it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from mod_python._cgi import streams
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request


class NullIO:
    """A text file that is empty and forgets what is written to it."""

    def tell(self) -> int:
        """Always the beginning."""
        return 0

    def seek(self, position: int, whence: int = 0) -> None:
        """Nothing."""

    def read(self, n: int = -1) -> str:
        """The end of the file."""
        return ""

    def readline(self, length: int = -1) -> str:
        """The end of the file."""
        return ""

    def readlines(self, hint: int = -1) -> list[str]:
        """The lines that `readline` gives."""
        return list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self.readline, "")

    def write(self, s: str) -> None:
        """Forget it."""

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def isatty(self) -> int:
        """0: it is no terminal."""
        return 0


class CGIStdin(NullIO):
    """The request's body as text of UTF-8, other bytes as surrogate escapes."""

    def __init__(self, req: Request) -> None:
        self.buffer = streams.stdin(req)

    def read(self, n: int = -1) -> str:
        """At most ``n`` characters, all when negative."""
        return self.buffer.read(n)

    def readline(self, length: int = -1) -> str:
        """A line with its end, at most ``length`` characters of it."""
        return self.buffer.readline(length)


class CGIStdout(NullIO):
    """Takes the headers off what is written, up to an empty line, and sends the rest to the client."""

    def __init__(self, req: Request) -> None:
        self._stream = streams.stdout(streams.ScriptOutput(req), through=True)

    def write(self, s: str) -> None:
        """Text, or bytes. :raises ValueError: a header can't be sent."""
        self._stream.write(s)

    def flush(self) -> None:
        """Send what is there, once the headers are complete."""
        self._stream.flush()


def setup_cgi(req: Request) -> tuple[Any, Any, Any]:
    """Put the request's environment, body and response where CGI programs look for them.

    :returns: ``os.environ``, ``sys.stdin`` and ``sys.stdout`` as they were, for `restore_nocgi`.
    """
    saved = os.environ, sys.stdin, sys.stdout
    os.environ = streams.variables(req)  # type: ignore[assignment]  # noqa: B003 - children are not to see it
    sys.stdin, sys.stdout = CGIStdin(req), CGIStdout(req)
    return saved


def restore_nocgi(sav_env: Any, si: Any, so: Any) -> None:
    """Undo `setup_cgi`, with what it returned; what was written goes out."""
    sys.stdout.flush()
    os.environ, sys.stdin, sys.stdout = sav_env, si, so
