"""The TLS settings of a host, as plain data: what was worked out of its directives, for those who speak TLS."""

from __future__ import annotations

import enum

from mpserver.typing import NamedTuple

#: Protocols by their names in SSLProtocol, as `ssl.TLSVersion` numbers them; the oldest first.
PROTOCOLS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
#: What Mozilla calls intermediate (guidelines 5.7): good for any browser of the last ten years.
DEFAULT_PROTOCOLS = ("TLSv1.2", "TLSv1.3")
DEFAULT_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
)


#: Which hosts may share a connection (SSLVHostSNIPolicy): none; those of equal profiles; those that ask the same of
#: their clients; all.
POLICIES = ("strict", "secure", "authonly", "insecure")


class Verify(enum.IntEnum):
    """SSLVerifyClient."""

    NONE = 0
    OPTIONAL = 1
    REQUIRE = 2


class Revocation(enum.IntEnum):
    """SSLCARevocationCheck: nothing, the client's certificate, or all of its chain."""

    NONE = 0
    LEAF = 1
    CHAIN = 2


class Certificate(NamedTuple):
    """A certificate with its key: the numbers of what was read of them, see `mpserver.config.finished`."""

    chain: int
    key: int


class Profile(NamedTuple):
    """How a host speaks TLS. Hosts of equal profiles may share connections."""

    certificates: tuple[Certificate, ...]
    protocols: tuple[str, ...] = DEFAULT_PROTOCOLS
    ciphers: str = DEFAULT_CIPHERS
    #: For TLS 1.3; "": as OpenSSL has them.
    suites: str = ""
    #: Whether our order of ciphers counts, and not the client's.
    own_order: bool = False
    tickets: bool = True
    #: The secret that the keys of tickets are made of: the number of what was read; -1: each context has its own.
    secret: int = -1
    verify: int = Verify.NONE
    depth: int = 1
    #: The certificates of authorities that clients' ones are checked by: the number of what was read, -1: none.
    authorities: int = -1
    authority_path: str = ""
    revoked: int = -1
    revoked_path: str = ""
    revocation: int = Revocation.NONE
    #: The name of an elliptic curve, where one is forced; and the number of what was read of Diffie-Hellman's.
    curve: str = ""
    dh: int = -1
    #: Whether clients have to name a host (SSLStrictSNIVHostCheck).
    strict: bool = False
    policy: str = "secure"

    def files(self) -> tuple[int, ...]:
        """The numbers of the files that it is made of."""
        pairs = (number for pair in self.certificates for number in pair)
        return (*pairs, *(number for number in (self.secret, self.authorities, self.revoked, self.dh) if number >= 0))

    def asks(self) -> tuple[object, ...]:
        """What it asks of clients."""
        return self[self._fields.index("verify") : self._fields.index("curve")]


def from_plain(plain: tuple[object, ...]) -> Profile:
    """A profile of what ``marshal`` gave back."""
    certificates, *others = plain
    found: tuple[tuple[int, int], ...] = certificates  # type: ignore[assignment]
    return Profile(tuple(Certificate(*pair) for pair in found), *others)  # type: ignore[arg-type]


def to_plain(profile: Profile) -> tuple[object, ...]:
    """A profile as ``marshal`` takes it."""
    return (
        tuple(map(tuple, profile.certificates)),
        *(int(v) if isinstance(v, enum.IntEnum) else v for v in profile[1:]),
    )
