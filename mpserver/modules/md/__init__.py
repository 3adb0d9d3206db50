"""Certificates of managed domains (mod_md): what the configuration says of them, and what hosts know of theirs.

They come from an authority by ACME (RFC 8555). A process of its own asks for them, and renews them
(`mpserver.certificates`); hosts get what it has put into the store as they get any file that changes.
"""

from __future__ import annotations

from mpserver.config.settings import Conf, Setting, append, update
from mpserver.typing import NamedTuple

#: Where the answers to challenges are asked for (RFC 8555 8.3), and a certificate's facts.
CHALLENGE_PREFIX = "/.well-known/acme-challenge/"
STATUS_PATH = "/.httpd/certificate-status"

#: How clients are asked for answers in a handshake (RFC 8737).
ALPN = "acme-tls/1"
HTTP_01, TLS_ALPN_01, DNS_01 = "http-01", "tls-alpn-01", "dns-01"

#: Authorities by their names in lower case, and their directories.
AUTHORITIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-test": "https://acme-staging-v02.api.letsencrypt.org/directory",
    "buypass": "https://api.buypass.com/acme/directory",
    "buypass-test": "https://api.test4.buypass.no/acme/directory",
}


class Window(NamedTuple):
    """A time before a certificate's end: in seconds, or (``share``) in hundredths of the time that it is good."""

    length: float
    share: bool

    def seconds(self, life: float) -> float:
        """In seconds, of a certificate that is good for so many."""
        return life * self.length / 100 if self.share else self.length


class KeyKind(NamedTuple):
    """A kind of private key: bits of RSA, or the name of a curve."""

    bits: int = 0
    curve: str = ""

    @property
    def label(self) -> str:
        """What tells its files from those of other kinds; "" for RSA."""
        return self.curve


class Told(NamedTuple):
    """One MDomain: its names, what its section says of it alone, and where it stands."""

    names: tuple[str, ...]
    conf: Conf
    file: str
    line: int


class Account(NamedTuple):
    """The customer's number at an authority, and the secret that shows that it is ours (MDExternalAccountBinding)."""

    name: str
    secret: str


class Managed(NamedTuple):
    """What a host knows of the domain that its certificate is for.

    ``server``: the host's number (virtual hosts have what the main server has, and this is not theirs). ``chain``: the
    file of its certificate; ``waits``: it was not there when the server started. ``https``: MDRequireHttps.
    """

    server: int
    name: str
    names: tuple[str, ...]
    chain: str
    waits: bool
    https: str
    shows: bool


class Answers(NamedTuple):
    """Where the answers to challenges lie, and which hosts are asked for names that are nobody's (their numbers)."""

    folder: str
    defaults: tuple[int, ...]


#: Known while a section of a domain is read: what stands there is for that domain alone.
IN_SET: Setting[bool] = Setting("<MDomainSet>", False, travels=False)
DOMAINS: Setting[tuple[Told, ...]] = Setting("MDomain", (), append, travels=False)

#: Of hosts, once it was worked out.
MANAGED: Setting[Managed | None] = Setting("the host's managed domain", None)
ANSWERS: Setting[Answers | None] = Setting("answers to challenges", None)

#: What may be said of single domains.
MEMBERS: Setting[tuple[str, ...]] = Setting("MDMember", (), append, travels=False)
AUTOMATIC: Setting[bool] = Setting("MDMembers", True, travels=False)
AGREED: Setting[bool] = Setting("MDCertificateAgreement", False, travels=False)
AUTHORITY: Setting[tuple[str, ...]] = Setting("MDCertificateAuthority", (AUTHORITIES["letsencrypt"],), travels=False)
CONTACT: Setting[str] = Setting("MDContactEmail", "", travels=False)
#: "auto", "always" or "manual".
RENEW_MODE: Setting[str] = Setting("MDRenewMode", "auto", travels=False)
RENEW_WINDOW: Setting[Window] = Setting("MDRenewWindow", Window(33, True), travels=False)
WARN_WINDOW: Setting[Window] = Setting("MDWarnWindow", Window(10, True), travels=False)
KEYS: Setting[tuple[KeyKind, ...]] = Setting("MDPrivateKeys", (KeyKind(2048),), travels=False)
#: In the order of preference; none: those that the server can answer.
CHALLENGES: Setting[tuple[str, ...]] = Setting("MDCAChallenges", (), travels=False)
DNS_PROGRAM: Setting[tuple[str, ...]] = Setting("MDChallengeDns01", (), travels=False)
#: "off", "temporary" or "permanent".
REQUIRE_HTTPS: Setting[str] = Setting("MDRequireHttps", "off", travels=False)
CERTIFICATE_FILES: Setting[tuple[str, ...]] = Setting("MDCertificateFile", (), append, travels=False)
KEY_FILES: Setting[tuple[str, ...]] = Setting("MDCertificateKeyFile", (), append, travels=False)
ACCOUNT: Setting[Account | None] = Setting("MDExternalAccountBinding", None, travels=False)
PROFILE: Setting[str] = Setting("MDProfile", "", travels=False)
PROFILE_MANDATORY: Setting[bool] = Setting("MDProfileMandatory", False, travels=False)
ARI: Setting[bool] = Setting("MDRenewViaARI", True, travels=False)

#: Of the whole server.
STORE: Setting[str] = Setting("MDStoreDir", "md", travels=False)
#: The port here that the world's port 80 and 443 lead to; 0: they lead nowhere here.
PORTS: Setting[dict[str, int]] = Setting("MDPortMap", {}, update, travels=False)
BASE_SERVER: Setting[bool] = Setting("MDBaseServer", False, travels=False)
MATCH_ALIASES: Setting[bool] = Setting("MDMatchNames", True, travels=False)
PROXY: Setting[str] = Setting("MDHttpProxy", "", travels=False)
NOTIFY: Setting[tuple[str, ...]] = Setting("MDNotifyCmd", (), travels=False)
MESSAGE: Setting[tuple[str, ...]] = Setting("MDMessageCmd", (), travels=False)
DNS_VERSION: Setting[int] = Setting("MDChallengeDns01Version", 1, travels=False)
#: Seconds.
RETRY_DELAY: Setting[float] = Setting("MDRetryDelay", 30.0, travels=False)
CHECK_INTERVAL: Setting[float] = Setting("MDCheckInterval", 12 * 3600.0, travels=False)
INITIAL_DELAY: Setting[float] = Setting("MDInitialDelay", 0.0, travels=False)
RETRY_FAILOVER: Setting[int] = Setting("MDRetryFailover", 13, travels=False)
#: A file of certificates that authorities' servers are checked by; "": the usual ones.
TRUST: Setting[str] = Setting("MDCACertificateFile", "", travels=False)
SHOWS_STATUS: Setting[bool] = Setting("MDCertificateStatus", True, travels=False)
