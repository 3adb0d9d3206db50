"""What routers and interpreters do alike with a connection whose request can't be served."""

from __future__ import annotations

import time

from mpserver.api.log import CRIT
from mpserver.phases.dispatch import describe
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.connection import Connection
    from mpserver.errors import RequestError
    from mpserver.phases.pipeline import Pipeline


class Refusals:
    """This part of `mpserver.connection.Owner`."""

    pipeline: Pipeline

    def refuse(self, connection: Connection, error: RequestError) -> None:
        """Answer a request that can't be served as it came, then close."""
        self.pipeline.refuse(connection, connection.host, error, time.time())
        connection.buffer = b""
        connection.keep_alive = False
        connection.done()

    def broken(self, connection: Connection, error: Exception) -> None:
        """The server itself failed on a connection: that one ends, with all there is to know in the log."""
        for line in describe(error):
            connection.host.log.log(CRIT, f"internal error: {line.rstrip()}", client=connection.client)
        connection.close()
