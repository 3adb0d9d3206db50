"""The keys of session tickets (RFC 5077, RFC 8446 4.6.1), the same for equal hosts in all interpreters of all workers.

Tickets are the only way to resume a session: what OpenSSL keeps of those that have none, it keeps for one interpreter.

OpenSSL makes keys of its own for each context, by which a client that comes to another interpreter would have to do a
full handshake; the standard library's ssl has no way to say others. OpenSSL itself has one, which is called by ctypes.
"""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

#: The bytes of a secret.
SECRET = 48

#: Calls of ``SSL_CTX_ctrl``: SSL_CTRL_GET_TLSEXT_TICKET_KEYS and SSL_CTRL_SET_TLSEXT_TICKET_KEYS of <openssl/tls1.h>.
_GET, _SET = 58, 59
#: And SSL_CTRL_SET_SESS_CACHE_MODE of <openssl/ssl.h>, with SSL_SESS_CACHE_OFF.
_CACHE, _OFF = 44, 0


def share(context: ssl.SSLContext, secret: bytes, purpose: bytes) -> bool:
    """Let a context take and give the tickets of all contexts with the same secret and purpose.

    A ticket holds what was agreed on: who has a client's certificate checked must not take tickets of others. So the
    purpose has to tell what hosts ask of their clients.

    :returns: whether that can be done here. Where it can't, the context has keys of its own.
    """
    control = _control()
    if control is None:
        return False
    import hashlib

    pointer = _pointer(context)
    size = control(pointer, _GET, 0, None)
    if size <= 0:
        return False
    keys = hashlib.shake_256(len(secret).to_bytes(4, "big") + secret + purpose).digest(size)
    return bool(control(pointer, _SET, size, keys) == 1)


def alone(context: ssl.SSLContext) -> bool:
    """Let a context keep no sessions itself.

    Of each client of TLS 1.2 that takes no ticket OpenSSL would keep one for two hours, up to 20,480 in each
    interpreter, which are some ten megabytes; and more where clients have certificates.

    :returns: whether that can be done here.
    """
    control = _control()
    if control is None:
        return False
    control(_pointer(context), _CACHE, _OFF, None)
    return True


def _pointer(context: ssl.SSLContext) -> Any:
    """OpenSSL's SSL_CTX, with which PySSLContext of CPython's Modules/_ssl.c begins."""
    import ctypes

    return ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value


def _control() -> Any:
    """``SSL_CTX_ctrl`` of the library that Python's ssl uses; None: it can't be had."""
    import _ssl
    import sys

    if sys.implementation.name != "cpython":
        return None
    try:
        import ctypes

        # (a module that is part of the interpreter's program has no file)
        found = ctypes.CDLL(getattr(_ssl, "__file__", None)).SSL_CTX_ctrl
    except (ImportError, OSError, AttributeError):
        return None
    found.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
    found.restype = ctypes.c_long
    return found
