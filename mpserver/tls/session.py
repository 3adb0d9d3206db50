"""What requests see of their connection's TLS: spoken in this interpreter, or told by the one that speaks it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from mpserver.errors import RequestError
from mpserver.ipc import plain_data
from mpserver.tls import certificate, variables
from mpserver.tls.certificate import Certificate, ders
from mpserver.tls.profile import Profile, from_plain, to_plain
from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mpserver.tls.channel import Channel
    from mpserver.tls.contexts import Read
    from mpserver.tls.hello import Hello


class HasProfile(Protocol):
    """A server, as far as its TLS goes: see `mpserver.phases.host.Host`."""

    tls: Profile | None
    #: Its number is that of its server.
    server: Any


class Encryption:
    """What both have in common; implements `mpserver.api.stream.Encryption`."""

    __slots__ = ("_environments", "_read", "number", "profile", "server_name")

    #: How the host speaks TLS that the client began with.
    profile: Profile
    #: The number of that host's server.
    number: int
    #: The name that it asked for, in lower case; None: it asked for none.
    server_name: str | None
    #: Certificates that were read, by their bytes; None: that can't be done.
    _read: dict[bytes, Certificate | None]
    #: What requests get in their environment, by the options that they have.
    _environments: dict[tuple[bool, bool], dict[str, str]]

    def __init__(self, profile: Profile, number: int, server_name: str | None) -> None:
        self.profile, self.number, self.server_name = profile, number, server_name
        self._read = {}
        self._environments = {}

    @property
    def object(self) -> Any:
        """See `mpserver.tls.variables.Connected`."""
        raise NotImplementedError

    def server_chain(self) -> list[bytes]:
        """See `mpserver.tls.variables.Connected`."""
        raise NotImplementedError

    def client_chain(self) -> list[bytes]:
        """See `mpserver.tls.variables.Connected`."""
        raise NotImplementedError

    def read(self, der: bytes) -> Certificate | None:
        """See `mpserver.tls.variables.Connected`: once for a connection, for it takes as long as a short request."""
        if der not in self._read:
            try:
                self._read[der] = certificate.read(der)
            except ValueError:
                self._read[der] = None
        return self._read[der]

    def variable(self, name: str) -> str | None:
        """See `mpserver.api.stream.Encryption`."""
        return variables.value(name, self)

    def environment(self, standard: bool, certificates: bool) -> dict[str, str]:
        """See `mpserver.api.stream.Encryption`: worked out once for a connection, for each of its requests gets it."""
        key = standard, certificates
        found = self._environments.get(key)
        if found is None:
            found = self._environments[key] = variables.environment(self, standard, certificates)
        return found

    def refusal(self, host: HasProfile, name: str | None) -> RequestError | None:
        """Why a request for a host can't be served on this connection (RFC 9110 15.5.20)."""
        if self.server_name is None:
            if self.profile.strict or (host.tls is not None and host.tls.strict):
                return RequestError(403, "the client named no host when it began TLS (SSLStrictSNIVHostCheck)")
        elif not name:
            return RequestError(400, f"TLS is spoken with {self.server_name}, but the request names no host")
        if not self._compatible(host):
            began = self.server_name or "no host"
            return RequestError(421, f"TLS was begun with {began}, the request is for {name}: their settings differ")
        return None

    def _compatible(self, host: HasProfile) -> bool:
        """Whether a host may be served on this connection (SSLVHostSNIPolicy)."""
        profile, its = self.profile, host.tls
        if its is None:
            return False
        if profile.policy == "strict":
            return bool(host.server.number == self.number)
        if profile.policy == "authonly":
            return profile.asks() == its.asks()
        return profile.policy == "insecure" or profile == its


class Session(Encryption):
    """TLS that is spoken here."""

    __slots__ = ("_client", "_server", "_shown", "channel")

    def __init__(
        self, channel: Channel, profile: Profile, number: int, server_name: str | None, shown: Callable[[], bytes]
    ) -> None:
        """``shown``: the text of the certificate that was shown, with its chain."""
        super().__init__(profile, number, server_name)
        self.channel, self._shown = channel, shown
        #: The chains, once they are asked for.
        self._server: list[bytes] | None = None
        self._client: list[bytes] | None = None

    @property
    def object(self) -> Any:
        """See `mpserver.tls.variables.Connected`."""
        return self.channel.object

    def server_chain(self) -> list[bytes]:
        """See `mpserver.tls.variables.Connected`."""
        if self._server is None:
            self._server = ders(self._shown())
        return self._server

    def client_chain(self) -> list[bytes]:
        """See `mpserver.tls.variables.Connected`."""
        if self._client is None:
            self._client = _verified(self.channel.object)
        return self._client

    def pack(self) -> tuple[Any, ...]:
        """What another interpreter has to know of it, as `mpserver.ipc.plain_data` takes it."""
        its = self.channel.object
        facts = its.version(), its.cipher(), bool(its.session_reused)
        return to_plain(self.profile), self.number, self.server_name, facts, self.server_chain(), self.client_chain()


class _ToldObject:
    """What was told, as `mpserver.tls.variables.Speaker`."""

    __slots__ = ("_cipher", "_version", "session_reused")

    def __init__(self, version: str | None, cipher: tuple[str, str, int] | None, reused: bool) -> None:
        self._version, self._cipher, self.session_reused = version, cipher, reused

    def version(self) -> str | None:
        """The protocol."""
        return self._version

    def cipher(self) -> tuple[str, str, int] | None:
        """The cipher."""
        return self._cipher

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Nothing: what was told has the chain."""
        return None


class Told(Encryption):
    """TLS that another interpreter speaks for this connection."""

    __slots__ = ("_client", "_object", "_server")

    def __init__(
        self, profile: Any, number: int, server_name: str | None, facts: Any, server: list[bytes], client: list[bytes]
    ) -> None:
        """Of what `Session.pack` gave."""
        super().__init__(from_plain(profile), number, server_name)
        self._object = _ToldObject(*facts)
        self._server, self._client = server, client

    @property
    def object(self) -> Any:
        """See `mpserver.tls.variables.Connected`."""
        return self._object

    def server_chain(self) -> list[bytes]:
        """See `mpserver.tls.variables.Connected`."""
        return self._server

    def client_chain(self) -> list[bytes]:
        """See `mpserver.tls.variables.Connected`."""
        return self._client


#: The ways of signing of TLS 1.3, by the kinds of keys (RFC 8446 4.2.3).
SIGNATURES = {
    "id-ecPublicKey": (0x0403, 0x0503, 0x0603),
    "rsaEncryption": (0x0804, 0x0805, 0x0806),
    "rsassaPss": (0x0809, 0x080A, 0x080B),
    "ED25519": (0x0807,),
    "ED448": (0x0808,),
}
#: How OpenSSL orders them where ours counts.
OWN_ORDER = (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080A, 0x080B, 0x0804, 0x0805, 0x0806)


def shown(profile: Profile, hello: Hello, spoken: Any, read: Read) -> bytes:
    """The text of the certificate that a client was shown: OpenSSL does not tell which of several."""
    texts = [read(its.chain)[0] for its in profile.certificates]
    if len(texts) == 1:
        return texts[0]
    kinds: dict[str, bytes] = {}
    for text in texts:
        found = ders(text)
        kinds.setdefault(certificate.read(found[0]).key if found else "", text)
    if spoken.version() != "TLSv1.3":
        wanted = "id-ecPublicKey" if "ECDSA" in (spoken.cipher() or ("",))[0] else "rsaEncryption"
        return kinds.get(wanted, texts[0])
    by_signature = {number: kinds[kind] for kind, numbers in SIGNATURES.items() if kind in kinds for number in numbers}
    order = OWN_ORDER if profile.own_order else hello.signatures
    return next((by_signature[number] for number in order if number in by_signature), texts[0])


def _verified(spoken: Any) -> list[bytes]:
    """The client's certificate and those that vouch for it, as far as they were checked."""
    if spoken.getpeercert(True) is None:
        return []
    if sys.version_info >= (3, 13):
        return [bytes(der) for der in spoken.get_verified_chain()]
    chain = spoken._sslobj.get_verified_chain()  # noqa: SLF001  (public from 3.13 on)
    return [der if isinstance(der, bytes) else der.public_bytes(2) for der in chain or ()]


def pack_origin(client: Any, local: Any, session: Any, agent: Any = None) -> bytes:
    """Where a connection comes from whose TLS is spoken elsewhere, for `unpack_origin`."""
    return plain_data.pack((client, local, session.pack(), agent))


def unpack_origin(data: bytes) -> tuple[Any, Any, Told, Any]:
    """The client's address, ours, what is known of the TLS, and what a proxy has said of the client."""
    client, local, told, agent = plain_data.unpack(data)
    return client, local, Told(*told), agent
