"""``wsgi.input``: the bodies of requests (PEP 3333)."""

from __future__ import annotations

import io
from collections.abc import Iterator

from mod_python._wsgi.environ import Environ
from mpserver.api.members import named
from mpserver.typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: A body in chunks that is longer waits in a file, in bytes.
IN_MEMORY = 1 << 20

#: So much of it is taken at a time, in bytes.
PIECE = 65536


@named("mp_request")
class Bytes(io.BytesIO):
    """A body that is here, under the name of the published one's, which is the request."""

    __slots__ = ()


@named("mp_request")
class NoBody:
    """The body of a request that has none: empty, and one for all of them."""

    __slots__ = ()

    def read(self, size: int | None = -1) -> bytes:
        """Nothing."""
        return b""

    def readline(self, size: int | None = -1) -> bytes:
        """Nothing."""
        return b""

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """No lines."""
        return []

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def seekable(self) -> bool:
        """It is, as a body is that has come."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Nothing: its start is its end."""
        return 0

    def tell(self) -> int:
        """Where it stands: at its start."""
        return 0


@named("mp_request")
class Arriving:
    """A body that comes while it is read: what is read of it is gone."""

    __slots__ = ("_req",)

    def __init__(self, req: Request) -> None:
        self._req = req

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes of the body, else all of it. :raises IOError: the client left."""
        return self._req.read(-1 if size is None else size)

    def readline(self, size: int | None = -1) -> bytes:
        """A line of the body with its end. :raises IOError: the client left."""
        return self._req.readline(-1 if size is None else size)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """The lines of the body; about ``hint`` bytes of them, if it is positive. :raises IOError: the client left."""
        return self._req.readlines(-1 if hint is None or hint <= 0 else hint)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._req.readline, b"")


def give_body(req: Request, environ: Environ) -> None:
    """Give an environ the body of its request: as a file that can be read again where all of it is in memory.

    One in chunks is taken in as a whole before, for many applications read no more than CONTENT_LENGTH says, and
    take a body without one for none. What ``req.read`` gave to a handler before is not in it.

    :raises IOError: the client left, or the body is broken or too long.
    """
    body = req.mp_input
    if body is None:
        return
    in_chunks = req.read_chunked
    is_short = body.complete and body.waiting <= IN_MEMORY
    if not is_short and not in_chunks:
        environ["wsgi.input"] = Arriving(req)
        return
    file: IO[bytes] = Bytes(req.read()) if is_short else _taken_in(req)
    environ["wsgi.input"] = file
    if in_chunks:
        environ["CONTENT_LENGTH"] = str(file.seek(0, io.SEEK_END))
        file.seek(0)


def _taken_in(req: Request) -> IO[bytes]:
    """The body as it comes, until its end; in memory as long as it is short. :raises IOError: see `give_body`."""
    taken: IO[bytes] = Bytes()
    size = 0
    while True:
        piece = req.read(PIECE)
        if not piece:
            return taken
        if size <= IN_MEMORY < size + len(piece):
            taken = _in_file(req, taken)
        size += len(piece)
        taken.write(piece)


def _in_file(req: Request, begun: Any) -> IO[bytes]:
    """A file without a name that begins with these bytes; it is closed at the end of the request."""
    import tempfile  # (few requests need it)

    file: IO[bytes] = tempfile.TemporaryFile()
    req.register_cleanup(_close, file)
    file.write(begun.getbuffer())
    return file


def _close(file: IO[bytes]) -> None:
    file.close()
