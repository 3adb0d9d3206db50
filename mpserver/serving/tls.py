"""TLS in an interpreter: the handshake, and the connection after it, whose socket is an encrypted channel."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.api.error_log import ERROR, INFO
from mpserver.modules.ssl.pieces import unpacked
from mpserver.serving.beginning import leave_loop
from mpserver.serving.connection import Connection, Starter, starter
from mpserver.serving.greeting import Greeting, speaks_tls
from mpserver.serving.relays import Relays
from mpserver.serving.states import READING
from mpserver.system.loop import READ, WRITE
from mpserver.tls import contexts
from mpserver.tls.channel import Channel
from mpserver.tls.hello import Hello
from mpserver.tls.profile import Profile
from mpserver.tls.session import Session, shown
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    from mpserver.config.finished import Finished
    from mpserver.phases.host import Host

#: What authorities name as their protocol that ask for an answer in the handshake (RFC 8737).
ACME = b"acme-tls/1"
#: How many contexts an interpreter keeps: with more hosts than that, the least are asked for at a time.
CONTEXTS = 1000


class Contexts:
    """The contexts of an interpreter, made when they are first needed, and anew when certificates were renewed."""

    def __init__(self, configuration: Finished) -> None:
        self._configuration = configuration
        self._version = 0
        self._found: dict[Profile, ssl.SSLContext] = {}

    def of(self, profile: Profile) -> ssl.SSLContext:
        """The context of a profile.

        :raises ContextError: it can't be made.
        """
        version = self._configuration.version
        if version != self._version:
            self._version = version
            self._found.clear()
        context = self._found.get(profile)
        if context is None:
            if len(self._found) >= CONTEXTS:
                self._found.clear()
            context = self._found[profile] = self._make(profile)
        return context

    def _make(self, profile: Profile) -> ssl.SSLContext:
        while True:
            version = self._configuration.version
            try:
                return contexts.make(profile, self.read)
            except contexts.ContextError:
                if self._configuration.version == version:
                    raise
                # (renewed meanwhile: the certificate was still the one before, its key the new one)

    def read(self, number: int, is_key: bool = False) -> tuple[bytes, str]:
        """See `mpserver.tls.contexts.Read`."""
        return unpacked(self._configuration.piece(number), is_key)


def begin(name: str, configuration: Finished, arrive: Starter, start: Starter) -> tuple[Relays, Starter, Starter]:
    """What an interpreter has where a server speaks TLS: its relays, and how connections arrive and start there.

    :param name: the interpreter's.
    :param arrive: how those begin that it accepts; ``start``: those that it gets, and those whose TLS has begun.
    """
    speaking = Speaking(configuration, start)
    return Relays(name), starter(speaks_tls, speaking.arrive, arrive), starter(speaks_tls, speaking.start, start)


class Speaking:
    """The connections of an interpreter that begin with TLS."""

    def __init__(self, configuration: Finished, begin: Callable[[Connection], None]) -> None:
        """``begin``: what is done with one after its handshake."""
        self._configuration = configuration
        self.contexts = Contexts(configuration)
        self.begin = begin

    def start(self, connection: Connection) -> None:
        """Begin with a connection that has to speak TLS."""
        Greeting(connection, self._greeted).start()

    def arrive(self, connection: Connection) -> None:
        """The same for one that was just accepted here."""
        Greeting(connection, self._greeted).arrive()

    def _greeted(self, connection: Connection, hello: Hello) -> None:
        default = connection.default
        host = default
        if hello.server_name is not None:
            host = connection.owner.host_of(connection.local, hello.server_name)
            host = default if host.tls is None else host
        profile = host.tls
        assert profile is not None
        if ACME in hello.protocols and self._prove(connection, host, hello):
            return
        try:
            context = self.contexts.of(profile)
        except contexts.ContextError as error:
            host.log.log(ERROR, f"TLS can't be spoken: {error}", module="ssl", client=connection.client)
            connection.state = READING
            connection.close()
            return
        self._shake(connection, context, host, hello)

    def _prove(self, connection: Connection, host: Host, hello: Hello) -> bool:
        """Show an authority that a name is this server's, in the handshake (RFC 8737); nothing is served after that.

        :returns: whether it is asked for just now.
        """
        from mpserver.serving import challenged  # (few clients ask for it)

        context = challenged.context(self._configuration, hello.server_name)
        if context is None:
            return False
        self._shake(connection, context, host, hello, Connection.close)
        return True

    def _shake(
        self, connection: Connection, context: ssl.SSLContext, host: Host, hello: Hello,
        then: Callable[[Connection], None] | None = None,
    ) -> None:  # fmt: skip
        data, connection.buffer = connection.buffer, b""
        connection.untrack()
        Handshake(self, connection, Channel(connection.sock, context, data), host, hello, then).start()


class Handshake:
    """A handshake under way."""

    __slots__ = ("_channel", "_connection", "_hello", "_host", "_speaking", "_then", "_writing")

    def __init__(
        self, speaking: Speaking, connection: Connection, channel: Channel, host: Host, hello: Hello,
        then: Callable[[Connection], None] | None = None,
    ) -> None:  # fmt: skip
        """``then``: what is done with the connection after it; None: as for all."""
        self._speaking, self._connection, self._channel = speaking, connection, channel
        self._host, self._hello, self._then = host, hello, then
        self._writing = False

    def start(self) -> None:
        """Answer the client's greeting, and wait for what it says to that."""
        connection = self._connection
        loop = connection.owner.loop
        loop.add(connection.fd, self.on_event)
        own = self._host.read_timeouts.handshake.first
        if own:
            connection.deadline = loop.now + own
        loop.watch(connection)
        self.on_event(0)

    def on_event(self, _event: int) -> None:
        """The client has said more, or takes more. What goes wrong with one connection must not end the others."""
        connection, channel = self._connection, self._channel
        try:
            if channel.shake():
                self._done()
            elif channel.waits_to_send != self._writing:
                self._writing = not self._writing
                connection.owner.loop.change(connection.fd, READ | WRITE if self._writing else READ)
        except OSError as error:
            text = f"the TLS handshake failed: {error}"
            connection.host.log.log(INFO, text, module="ssl", client=connection.client)
            connection.close()
        except Exception as error:
            connection.owner.broken(connection, error)

    def _done(self) -> None:
        """TLS is spoken: from here on it is a connection as any other."""
        connection, channel, profile = self._connection, self._channel, self._host.tls
        assert profile is not None
        read, hello = self._speaking.contexts.read, self._hello
        session = Session(
            channel,
            profile,
            self._host.server.number,
            hello.server_name,
            lambda: shown(profile, hello, channel.object, read),
        )
        if profile.verify and len(session.client_chain()) > profile.depth + 1:
            text = f"the client's certificate has more than {profile.depth} authorities above it (SSLVerifyDepth)"
            connection.host.log.log(ERROR, text, module="ssl", client=connection.client)
            connection.sock = channel  # type: ignore[assignment]  # (the loop forgets its descriptor first)
            connection.close()
            return
        connection.tls, connection.channel = session, channel
        connection.sock = channel  # type: ignore[assignment]
        connection.send_file = channel.send_file
        try:
            data = channel.recv(0)
        except BlockingIOError:
            data = b""
        else:
            if not data:
                connection.close()
                return
        leave_loop(connection)
        connection.state = READING
        connection.deadline = connection.owner.loop.now + connection.default.head_timeout
        connection.buffer = data
        (self._then or self._speaking.begin)(connection)
