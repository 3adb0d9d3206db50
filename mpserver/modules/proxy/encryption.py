"""TLS with the servers behind this one: https:// and wss:// (mod_ssl's SSLProxy directives)."""

from __future__ import annotations

import select
import time

from mpserver import lazy
from mpserver.modules import ssl
from mpserver.modules.proxy.backends import Refused, Wire
from mpserver.modules.ssl import ProxyCheck
from mpserver.tls import certificate
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import _socket
    import ssl as library

    from mpserver.config.settings import Conf
else:
    library = lazy.module("ssl")


class EncryptedWire:
    """A socket with TLS, which tells what is to be waited for as a bare one does."""

    __slots__ = ("_socket",)

    def __init__(self, socket: library.SSLSocket) -> None:
        self._socket = socket

    def recv(self, size: int) -> bytes:
        """See `mpserver.modules.proxy.backends.Wire`."""
        try:
            return self._socket.recv(size)
        except (library.SSLWantReadError, library.SSLWantWriteError):
            raise BlockingIOError from None
        except library.SSLEOFError:
            return b""

    def send(self, data: bytes | memoryview) -> int:
        """See `mpserver.modules.proxy.backends.Wire`."""
        try:
            return self._socket.send(data)
        except (library.SSLWantReadError, library.SSLWantWriteError):
            raise BlockingIOError from None

    def close(self) -> None:
        """See `mpserver.modules.proxy.backends.Wire`."""
        self._socket.close()


class Encryption:
    """How a server speaks TLS with those behind it."""

    def __init__(self, conf: Conf) -> None:
        """Read what its directives name. :raises Refused: it is switched off, or a file can't be read."""
        #: All that it goes by: equal ones are the same.
        self.settings = tuple(conf[setting] for setting in ssl.PROXY_SETTINGS)
        if not conf[ssl.PROXY_ENGINE]:
            raise Refused(500, "SSL Proxy requested but not enabled [Hint: SSLProxyEngine]")
        check: ProxyCheck = conf[ssl.PROXY_CHECK]
        self._verifies: bool = conf[ssl.PROXY_VERIFY]
        #: What OpenSSL does not look at, as it has no authorities.
        self._check = ProxyCheck(False, False) if self._verifies else check
        if self._verifies and not check.expires:
            raise Refused(500, "SSLProxyCheckPeerExpire Off goes with SSLProxyVerify none only: renew the certificate")
        self._context = context = library.SSLContext(library.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self._verifies and check.name
        context.verify_mode = library.CERT_REQUIRED if self._verifies else library.CERT_NONE
        protocols = [library.TLSVersion[name.replace(".", "_")] for name in conf[ssl.PROXY_PROTOCOLS]]
        if protocols:
            context.minimum_version, context.maximum_version = protocols[0], protocols[-1]
        try:
            if conf[ssl.PROXY_CIPHERS]:
                context.set_ciphers(conf[ssl.PROXY_CIPHERS])
            authority_file, authority_path = conf[ssl.PROXY_AUTHORITY_FILE], conf[ssl.PROXY_AUTHORITY_PATH]
            if authority_file or authority_path:
                context.load_verify_locations(authority_file or None, authority_path or None)
            elif self._verifies:
                context.load_default_certs()
            if conf[ssl.PROXY_CERTIFICATE]:
                context.load_cert_chain(conf[ssl.PROXY_CERTIFICATE])
        except OSError as error:
            raise Refused(500, f"what the SSLProxy directives name can't be used: {error}") from error

    def wrap(self, sock: _socket.socket, host: str, timeout: float) -> Wire:
        """Begin with a connected socket.

        :raises Refused: it does not answer so, or shows a certificate that is not good.
        """
        wrapped = self._context.wrap_socket(
            sock,  # type: ignore[arg-type]  # (it needs no more than this)
            server_hostname=host or None,
            do_handshake_on_connect=False,
        )
        try:
            self._shake(wrapped, timeout)
            self._look_at(wrapped.getpeercert(True), host)
        except (OSError, ValueError) as error:
            wrapped.close()
            raise Refused(502, f"Error during SSL Handshake with remote server {host}: {error}") from error
        except BaseException:
            wrapped.close()
            raise
        return EncryptedWire(wrapped)

    def _shake(self, wrapped: library.SSLSocket, timeout: float) -> None:
        until = time.monotonic() + timeout
        while True:
            try:
                wrapped.do_handshake()
                return
            except library.SSLWantReadError:
                event = select.POLLIN
            except library.SSLWantWriteError:
                event = select.POLLOUT
            poll = select.poll()
            poll.register(wrapped.fileno(), event)
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                raise Refused(504, f"timeout in the TLS handshake with a remote server: nothing for {timeout:g} s")

    def _look_at(self, der: bytes | None, host: str) -> None:
        """The certificate's names and times, as far as they are to be looked at."""
        if der is None:
            raise Refused(502, f"{host} showed no certificate")
        if not (self._check.name or self._check.expires):
            return
        found = certificate.read(der)
        if self._check.expires and not found.begins <= time.time() <= found.ends:
            raise Refused(502, f"the certificate of {host} has expired, or is not valid yet (SSLProxyCheckPeerExpire)")
        if self._check.name and not is_for(found, host):
            raise Refused(502, f"the certificate of {host} is for another name (SSLProxyCheckPeerName)")


def is_for(found: certificate.Certificate, host: str) -> bool:
    """Whether a certificate that nobody has vouched for names a host at least; as in httpd, addresses are no names."""
    names = found.hosts or [text for kind, text in found.subject if kind == "CN"]
    return any(_matches(name.lower(), host) for name in names)


def _matches(name: str, host: str) -> bool:
    return host.partition(".")[2] == name[2:] if name.startswith("*.") else name == host
