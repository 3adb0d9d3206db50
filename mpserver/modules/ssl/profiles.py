"""Which hosts speak TLS, and how: worked out of a configuration that was read, once for all that serve."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType

from mpserver.config.configuration import Configuration
from mpserver.config.server import Server
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules import core, ssl
from mpserver.modules.ssl import Kept, Place, auto
from mpserver.modules.ssl.phrases import Phrases
from mpserver.modules.ssl.pieces import Source, packed, unpacked
from mpserver.tls import tickets
from mpserver.tls.profile import (
    DEFAULT_CIPHERS,
    DEFAULT_PROTOCOLS,
    Certificate,
    Profile,
    Verify,
)
from mpserver.typing import NamedTuple


class Files:
    """The files that profiles need, each read once: what was read of one has a number."""

    def __init__(self, phrases: Phrases) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        #: What makes each piece.
        self.sources: list[Source] = []
        self.pieces: list[bytes] = []
        #: The number of the secret that the keys of tickets are made of, where no file says one; -1: none does.
        self.secret = -1
        #: The files of certificates that were made for development.
        self.made: list[str] = []
        self._phrases = phrases

    def number(self, *places: Place, key: bool = False, server: str = "", dialog: str = "") -> int:
        """The number of what these files hold, one after the other.

        :param key: it is a key; ``server`` and ``dialog``: whose, and how its pass phrase is asked for.
        :raises ConfigError: one can't be read.
        """
        names = tuple(place.path for place in places)
        found = self._numbers.get((*names, "key" if key else ""))
        if found is None:
            content = b"\n".join(_read(place) for place in places)
            if key:
                content = packed(content, self._phrases.of(dialog, server, places[0], content))
            found = self._add((*names, "key" if key else ""), Source(names, key), content)
        return found

    def kept(self, kept: Kept, fallback: Callable[[], Place]) -> Certificate:
        """The numbers of a certificate that is kept up to date, and of its key.

        :param fallback: makes what stands for it while it is not there.
        :raises ConfigError: it can't be read.
        """
        numbers = []
        there = kept.required or (os.path.exists(kept.chain.path) and os.path.exists(kept.key.path))
        for place, is_key in ((kept.chain, False), (kept.key, True)):
            name = (place.path, "key" if is_key else "")
            number = self._numbers.get(name)
            if number is None:
                source = Source((place.path,), is_key, kept.owner)
                content = _read(place, source) if there else _read(fallback())
                number = self._add(name, source, packed(content, "" if is_key else None))
            numbers.append(number)
        return Certificate(*numbers)

    def _add(self, name: tuple[str, ...], source: Source, content: bytes) -> int:
        number = self._numbers[name] = len(self.pieces)
        self.sources.append(source)
        self.pieces.append(content)
        return number

    def own_secret(self) -> int:
        """The number of a secret of this server, which no file holds (`mpserver.tls.tickets`)."""
        if self.secret < 0:
            self.secret = len(self.pieces)
            self.sources.append(Source(()))
            self.pieces.append(os.urandom(tickets.SECRET))
        return self.secret

    def ticket_keys(self, place: Place) -> int:
        """The number of the secret that a file holds. :raises ConfigError: it can't be read, or is too short."""
        number = self.number(place)
        if len(self.pieces[number]) < tickets.SECRET:
            raise ConfigError(
                f"SSLSessionTicketKeyFile {place.path} has to hold {tickets.SECRET} random bytes or more: make it by "
                f"'openssl rand -out {place.path} {tickets.SECRET}'",
                place.file,
                place.line,
            )
        return number

    def read(self, number: int, is_key: bool = False) -> tuple[bytes, str]:
        """See `mpserver.tls.contexts.Read`."""
        return unpacked(self.pieces[number], is_key)


class Encryption(NamedTuple):
    """The profiles of the servers that speak TLS, by their numbers, and the files that they need."""

    profiles: dict[int, Profile]
    files: Files


def _read(place: Place, source: Source | None = None) -> bytes:
    try:
        return (Source((place.path,)) if source is None else source).read()
    except OSError as error:
        raise ConfigError(f"'{place.path}' can't be read: {error.strerror}", place.file, place.line) from error


def is_on(configuration: Configuration, server: Server) -> bool:
    """Whether a server speaks TLS: as SSLEngine says, else as the protocol of its Listen does (Listen 443: https)."""
    wanted = server.conf[ssl.ENGINE]
    if wanted is not None:
        return wanted
    if not (server.conf[ssl.CERTIFICATE_FILES] or ssl.MODULE in configuration.loaded):
        return False
    ports = {listen.port for listen in configuration.main.conf[core.LISTEN] if listen.protocol == "https"}
    return server.is_virtual and any(_port(address) in ports for address in server.addresses)


def _port(address: str) -> int:
    digits = address.rpartition(":")[2]
    return int(digits) if digits.isdecimal() else 0


def work_out(
    configuration: Configuration, phrases: Phrases, kept: Mapping[int, tuple[Kept, ...]] = MappingProxyType({})
) -> tuple[Encryption, list[ConfigError]]:
    """What the servers need that speak TLS; and the faults that were found.

    :param kept: the certificates of servers, by their numbers, that something else keeps up to date.
    """
    found: dict[int, Profile] = {}
    files = Files(phrases)
    faults: list[ConfigError] = []
    main = configuration.main.conf
    tried: set[Profile] = set()
    for server in (configuration.main, *configuration.hosts):
        if not is_on(configuration, server):
            continue
        server.own_conf[ssl.ENGINE] = True  # (the Listen may have said it)
        try:
            profile = found[server.number] = _profile(
                server, files, main[ssl.DIALOG], main[ssl.SNI_POLICY], os.path.dirname(core.pid_file(main)),
                kept.get(server.number, ()),
            )  # fmt: skip
            if profile not in tried:
                tried.add(profile)
                _try(server, profile, files, kept)
                configuration.warnings += _unstapled(profile, files)
        except ConfigError as error:
            faults.append(error)
    return Encryption(found, files), faults


def _unstapled(profile: Profile, files: Files) -> Iterator[str]:
    """What is to be told of certificates that clients won't take from this server."""
    certificate = import_module("mpserver.tls.certificate")
    for pair in profile.certificates:
        chain = certificate.ders(files.read(pair.chain)[0])
        try:
            demands = bool(chain) and certificate.demands_staples(chain[0])
        except ValueError:
            continue  # (OpenSSL takes some that are not read here)
        if demands:
            yield (
                f"the certificate of {files.sources[pair.chain].names[0]} demands stapled answers of OCSP "
                "(must-staple), and Python's ssl staples none: browsers that look for them refuse it. Have one issued "
                "without that"
            )


def _try(server: Server, profile: Profile, files: Files, kept: Mapping[int, tuple[Kept, ...]]) -> None:
    """Make a context, as those that serve will. :raises ConfigError: OpenSSL does not take something."""
    contexts = import_module("mpserver.tls.contexts")
    try:
        contexts.make(profile, files.read)
    except contexts.ContextError as error:
        place: Place | None = None
        if error.certificate >= 0:
            its_kept = kept.get(server.number)
            place = (
                its_kept[error.certificate].chain if its_kept else server.conf[ssl.CERTIFICATE_FILES][error.certificate]
            )
        where = (server.defn_name, server.defn_line) if place is None else (place.file, place.line)
        raise ConfigError(f"{'TLS' if place is None else place.path}: {error}", *where) from error


def _pairs(server: Server, files: Files, dialog: str, folder: str, kept: tuple[Kept, ...]) -> tuple[Certificate, ...]:
    """The certificates of a server and their keys. :raises ConfigError: there are none, or one can't be read."""
    conf = server.conf
    if kept:
        # (one for all: nobody is served with it, and thousands of hosts may wait for theirs)
        return tuple(files.kept(its, lambda: auto.provide(folder, ("localhost",), kept[0].chain)) for its in kept)
    certificates = conf[ssl.CERTIFICATE_FILES]
    if not certificates:
        raise ConfigError(
            "SSLEngine On needs a certificate: name it with SSLCertificateFile (and its key with "
            "SSLCertificateKeyFile), or write 'SSLCertificateFile auto' for development",
            server.defn_name,
            server.defn_line,
        )
    if any(place.path == ssl.AUTO for place in certificates):
        names = (server.name or os.uname().nodename, *server.names)
        made = {place: auto.provide(folder, names, place) for place in certificates if place.path == ssl.AUTO}
        files.made += [place.path for place in made.values()]
        certificates = tuple(made.get(place, place) for place in certificates)
    keys = tuple(place for place in conf[ssl.KEY_FILES] if place.path != ssl.AUTO)
    if len(keys) > len(certificates):
        place = keys[len(certificates)]
        raise ConfigError("SSLCertificateKeyFile: there are more keys than certificates", place.file, place.line)
    chain = conf[ssl.CHAIN_FILE]
    pairs = []
    for number, place in enumerate(certificates):
        parts = (place,) if chain is None else (place, chain)
        key = keys[number] if number < len(keys) else place
        name = f"{server.name}:{server.port or 443}"
        pairs.append(Certificate(files.number(*parts), files.number(key, key=True, server=name, dialog=dialog)))
    return tuple(pairs)


def _profile(server: Server, files: Files, dialog: str, policy: str, folder: str, kept: tuple[Kept, ...]) -> Profile:
    conf = server.conf
    pairs = _pairs(server, files, dialog, folder, kept)
    verify = max(_told(server, ssl.VERIFY_CLIENT))
    authorities, its_path = conf[ssl.AUTHORITY_FILE], conf[ssl.AUTHORITY_PATH]
    revoked, revoked_path = conf[ssl.REVOCATION_FILE], conf[ssl.REVOCATION_PATH]
    if verify != Verify.NONE and authorities is None and its_path is None:
        raise ConfigError(
            "SSLVerifyClient needs the certificates of the authorities that clients' ones come from: name them with "
            "SSLCACertificateFile or SSLCACertificatePath",
            server.defn_name,
            server.defn_line,
        )
    own = server.base[ssl.VERIFY_CLIENT]
    secret = -1
    if conf[ssl.TICKETS]:
        its_keys = conf[ssl.TICKET_KEYS]
        secret = files.own_secret() if its_keys is None else files.ticket_keys(its_keys)
    dh = conf[ssl.DH_FILE]
    return Profile(
        pairs,
        conf[ssl.PROTOCOLS] or DEFAULT_PROTOCOLS,
        conf[ssl.CIPHERS] or DEFAULT_CIPHERS,
        conf[ssl.SUITES],
        conf[ssl.OWN_ORDER],
        conf[ssl.TICKETS],
        secret,
        # (only some directories want one: the handshake asks for it, and they see whether it came)
        int(Verify.REQUIRE if own == Verify.REQUIRE else Verify.OPTIONAL if verify else Verify.NONE),
        _depth(server) if verify else 1,
        files.number(authorities) if verify and authorities is not None else -1,
        its_path.path if verify and its_path is not None else "",
        files.number(revoked) if verify and revoked is not None else -1,
        revoked_path.path if verify and revoked_path is not None else "",
        conf[ssl.REVOCATION_CHECK] if verify else 0,
        conf[ssl.CURVE],
        -1 if dh is None else files.number(dh),
        conf[ssl.STRICT_SNI],
        policy,
    )


def _depth(server: Server) -> int:
    """How many authorities a handshake allows for (SSLVerifyDepth).

    Where the server itself asks for certificates, that is what it says. Where only some directories do, it is the most
    that one of them allows: each looks for itself whether there are fewer.
    """
    if server.base[ssl.VERIFY_CLIENT] != Verify.NONE:
        return server.base[ssl.VERIFY_DEPTH]
    return max(_told(server, ssl.VERIFY_DEPTH))


def _told(server: Server, setting: Setting[int]) -> Iterator[int]:
    """What the server and its sections say; those that say nothing don't count, for they have what is around them."""
    yield server.base[setting]
    sections = server.sections
    for entry in (*sections.directories, *sections.directory_matches, *sections.locations):
        if setting in entry.conf.values:
            yield entry.conf.values[setting]
