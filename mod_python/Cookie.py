"""``mod_python.Cookie``: cookies, signed cookies, and cookies that hold Python objects (manual 4.7; api 3.5 1.10).

Cookies are read as browsers send them: ``name=value`` pairs without attributes. What is written is
the value as it is, so it should hold no ``;``; what would break the header is refused when the
cookie is added to a response.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import marshal
import re
import time
from collections.abc import Collection, Iterator
from functools import lru_cache

from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request

__all__ = [
    "Cookie",
    "CookieError",
    "MarshalCookie",
    "SignedCookie",
    "add_cookie",
    "get_cookie",
    "get_cookies",
]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: Netscape's format of ``expires``, the one that an assignment takes.
_is_expires = re.compile(
    rf"(?:{'|'.join(_DAYS)}), (?:0[1-9]|[12]\d|3[01])-(?:{'|'.join(_MONTHS)})-\d{{4}}"
    r" (?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|6[01]) GMT"
).fullmatch

#: The attributes in the order that they are written in, and their names in the header.
_ATTRIBUTES = {
    "version": "version", "path": "path", "domain": "domain", "secure": "secure", "comment": "comment",
    "expires": "expires", "max_age": "Max-Age", "samesite": "samesite", "commentURL": "commentURL",
    "discard": "discard", "port": "port", "httponly": "httponly",
}  # fmt: skip
#: Attributes that have no value.
_WORDS = frozenset({"secure", "discard", "httponly"})
#: Keyword arguments are taken in any case.
_KEYWORDS = {name.lower(): name for name in _ATTRIBUTES}

#: One cookie of a header with quotes in it: a ``;`` does not end a value that begins with a quote and has another.
_parts = re.compile(r"""[^;=]*(?:=\s*(?:"(?:[^\\"]|\\.)*")?[^;]*)?(?:;|$)""").findall

#: The length of a signature: HMAC-MD5 as hexadecimal digits.
_SIGNATURE = 32

#: The longest header that is remembered, in characters: clients choose them.
_LONGEST_KEPT = 1024


class CookieError(Exception):
    """A cookie can't be signed, or is not signed correctly."""


class _Slots(type):
    """The class of cookie classes: also subclasses take no other attributes than cookies have, or they list."""

    def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> _Slots:
        members.setdefault("__slots__", ())
        return super().__new__(cls, name, bases, members)


class Cookie(metaclass=_Slots):
    """One cookie: a name, a value, and attributes (manual 4.7.1).

    An attribute that was not set is not there (AttributeError), and others than these can't be
    set. ``secure``, ``discard`` and ``httponly`` are written once they are set, whatever to.
    ``__data__`` is a dictionary for subclasses and applications; it is not written.
    """

    #: The names of the attributes, in the order that they are written in.
    _valid_attr = tuple(_ATTRIBUTES)

    #: What `SignedCookie.parse` does with a cookie that is not signed correctly: give it as a plain
    #: Cookie, leave it out, or raise CookieError.
    DOWNGRADE = 0
    IGNORE = 1
    EXCEPTION = 3

    __slots__ = (
        "name", "value", "version", "path", "domain", "secure", "comment", "_expires", "max_age", "samesite",
        "commentURL", "discard", "port", "httponly", "__data__",
    )  # fmt: skip

    version: Any
    path: Any
    domain: Any
    secure: Any
    comment: Any
    max_age: Any
    samesite: Any
    commentURL: Any
    discard: Any
    port: Any
    httponly: Any

    def __init__(self, name: str, value: Any, **attributes: Any) -> None:
        """``attributes`` are those listed in api 3.5 1.10.

        :raises AttributeError: there is no such attribute.
        :raises ValueError: ``expires`` is no time.
        """
        self.name = name
        self.value: Any = value
        self.__data__: dict[Any, Any] = {}
        for given, setting in attributes.items():
            setattr(self, _KEYWORDS.get(given.lower(), given), setting)

    @property
    def expires(self) -> str:
        """When the cookie ends: ``Wdy, DD-Mon-YYYY HH:MM:SS GMT``.

        It is set to such a text (ValueError for another), or to seconds since the epoch.
        """
        return self._expires

    @expires.setter
    def expires(self, value: str | float) -> None:
        if isinstance(value, int | float):
            at = time.gmtime(value)
            value = (
                f"{_DAYS[at.tm_wday]}, {at.tm_mday:02d}-{_MONTHS[at.tm_mon - 1]}-{at.tm_year:04d}"
                f" {at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} GMT"
            )
        elif not _is_expires(value):
            raise ValueError(f"Invalid expires time: {value}")
        self._expires: str = value

    def _written(self) -> str:
        """The value as the header has it."""
        return str(self.value)

    def __str__(self) -> str:
        """The cookie as the value of a Set-Cookie header."""
        parts = [f"{self.name}={self._written()}"]
        for attribute, word in _ATTRIBUTES.items():
            if hasattr(self, attribute):
                parts.append(word if attribute in _WORDS else f"{word}={getattr(self, attribute)}")
        return "; ".join(parts)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    @classmethod
    def parse(cls, string: str, *, names: Collection[str] | None = None, **_: Any) -> dict[str, Any]:
        """The cookies of a Cookie header by name; of those with the same name the last (manual 4.7.1).

        :param names: take these only.
        """
        return {name: cls(name, value) for name, value in _read(string, names)}


class SignedCookie(Cookie):
    """A cookie whose value is signed together with its name: HMAC-MD5 under a secret (manual 4.7.1).

    Who has several signed cookies under one secret should give them names of which none begins
    with another: name and value are signed as one text.
    """

    def __init__(self, name: str, value: Any, secret: str | bytes | None = None, **attributes: Any) -> None:
        """:raises CookieError: the secret is empty."""
        super().__init__(name, value, **attributes)
        self._sign_with(secret)

    def _sign_with(self, secret: str | bytes | None) -> None:
        _key(secret)
        self.__data__["secret"] = secret

    def hexdigest(self, text: str) -> str:
        """The signature of a text under this cookie's name and secret. A subclass may sign in another way."""
        return _sign(_key(self.__data__["secret"]), self.name, text)

    def _content(self) -> str:
        """What is signed."""
        return str(self.value)

    def _written(self) -> str:
        content = self._content()
        return self.hexdigest(content) + content

    @classmethod
    def parse(
        cls,
        string: str,
        secret: str | bytes | None = None,
        mismatch: int = Cookie.DOWNGRADE,
        *,
        names: Collection[str] | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """The cookies of a Cookie header by name (manual 4.7.1).

        Those that are not signed correctly are of class Cookie, or what ``mismatch`` says.

        :raises CookieError: the secret is empty; with ``mismatch=EXCEPTION``: a signature is wrong.
        """
        key = _key(secret)
        found: dict[str, Any] = {}
        for name, text in _read(string, names):
            try:
                cookie = cls(name, text, secret=key)
                cookie._open(key)
            except CookieError:
                if mismatch == cls.EXCEPTION:
                    raise
                if mismatch != cls.IGNORE:
                    found[name] = Cookie(name, text)
            else:
                found[name] = cookie
        return found

    def _open(self, secret: str | bytes) -> None:
        """Make what was received the value. :raises CookieError: it is not signed correctly."""
        self.unsign(secret)

    def unsign(self, secret: str | bytes) -> None:
        """Take the signature off the value, after it was checked. :raises CookieError: it is wrong."""
        self._sign_with(secret)
        text = str(self.value)
        signature, content = text[:_SIGNATURE], text[_SIGNATURE:]
        given = signature.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(self.hexdigest(content).encode("ascii"), given):
            raise CookieError(f"Incorrectly Signed Cookie: {self.name}={text}")
        self.value = content


class MarshalCookie(SignedCookie):
    """A signed cookie of any value that `marshal` knows (manual 4.7.1).

    What is not signed correctly is never unmarshalled.
    """

    def _content(self) -> str:
        return base64.b64encode(marshal.dumps(self.value)).decode("ascii")

    def _open(self, secret: str | bytes) -> None:
        self.unmarshal(secret)

    def unmarshal(self, secret: str | bytes) -> None:
        """Check the signature, and make the value what was marshalled.

        :raises CookieError: the signature is wrong, or there is no marshalled value behind it.
        """
        self.unsign(secret)
        try:
            self.value = marshal.loads(base64.b64decode(self.value, validate=True))  # noqa: S302 - its signature was checked
        except (binascii.Error, ValueError, EOFError, TypeError) as error:
            # Signed by us, but as another kind of cookie or by another version of Python.
            raise CookieError(f"Cookie {self.name} holds no marshalled value: {error}") from error


def _key(secret: str | bytes | None) -> bytes:
    if not secret:
        raise CookieError("Cannot sign without a secret")
    return secret.encode("utf-8") if isinstance(secret, str) else secret


def _sign(key: bytes, name: str, text: str) -> str:
    return hmac.digest(key, (name + text).encode("utf-8", "surrogatepass"), "md5").hex()


def _read(string: str, names: Collection[str] | None) -> Iterator[tuple[str, str]]:
    """Names and values in a Cookie header.

    Names that begin with ``$`` belong to RFC 2109's attributes. A value without a name is left out: it
    could pose as any cookie where it is written without the ``=``.
    """
    for part in _parts(string) if '"' in string else string.split(";"):
        name, _, value = part.removesuffix(";").partition("=")
        name = name.strip().lstrip(", ")
        if name and name[0] != "$" and (names is None or name in names):
            yield name, value.strip()


def _header(req: Request) -> str | None:
    """The request's Cookie header."""
    try:
        found = req.headers_in["Cookie"]
    except KeyError:
        return None
    return found if isinstance(found, str) else "; ".join(found)


def received(req: Request, name: str) -> str | None:
    """What `get_cookie` gives as the value of a plain cookie: for those who need no object around it."""
    header = _header(req) or ""
    return _value(header, name) if len(header) <= _LONGEST_KEPT else _found(header, name)


@lru_cache(maxsize=256)
def _value(header: str, name: str) -> str | None:
    """The value of a cookie in a header; clients send the same header again and again."""
    return _found(header, name)


def _found(header: str, name: str) -> str | None:
    return dict(_read(header, (name,))).get(name)


def add_cookie(req: Request, cookie: Cookie | str, value: Any = "", **attributes: Any) -> None:
    """Send a cookie with the response, and tell caches not to keep it (manual 4.7.2).

    :param cookie: a Cookie; or a name, for one that is made from it, the value and the attributes.
    :raises ValueError: there is a line break or NUL in it.
    """
    if not isinstance(cookie, Cookie):
        cookie = Cookie(cookie, value, **attributes)
    headers = req.headers_out
    line = str(cookie)
    first = "Set-Cookie" not in headers
    headers.add("Set-Cookie", line)
    if first:
        headers.add("Cache-Control", 'no-cache="set-cookie"')


def get_cookies(req: Request, Class: Any = Cookie, **data: Any) -> dict[str, Any]:
    """The request's cookies by name (manual 4.7.2).

    :param Class: its ``parse`` reads them; ``data`` is passed on to that: ``secret`` for signed ones.
    """
    header = _header(req)
    cookies: dict[str, Any] = Class.parse(header, **data) if header is not None else {}
    return cookies


def get_cookie(req: Request, name: str, Class: Any = Cookie, **data: Any) -> Any:
    """One cookie of the request, or None (api 3.5 1.10)."""
    return get_cookies(req, Class, names=(name,), **data).get(name)
