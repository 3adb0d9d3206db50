"""Answers to authorities that look at a handshake to see whether a name is this server's (RFC 8737, tls-alpn-01)."""

from __future__ import annotations

from mpserver.modules import md
from mpserver.modules.md.store import handshake_files
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    from mpserver.config.finished import Finished


def context(configuration: Finished, name: str | None) -> ssl.SSLContext | None:
    """What speaks TLS with an authority that asks about a host's name; None: none is expected to."""
    answers = configuration.main.conf[md.ANSWERS]
    if answers is None or name is None:
        return None
    import ssl

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        made.load_cert_chain(*handshake_files(answers.folder, name))
    except OSError:  # (ssl.SSLError is one)
        return None
    made.set_alpn_protocols([md.ALPN])
    return made
