"""The cookies of the flag CO."""

from __future__ import annotations

import time

from mpserver.http1.dates import http_date
from mpserver.http1.wire import encoded


def parts(text: str) -> list[str]:
    """What a cookie is said to be: ``NAME:VALUE:DOMAIN:...``, or with ``;`` before and between."""
    return text[1:].split(";") if text.startswith(";") else text.split(":")


def add(cookies: dict[str, str], text: str) -> None:
    """Make a cookie of ``NAME:VALUE:DOMAIN:minutes:path:secure:httponly:samesite``; the first of a name counts."""
    words = parts(text)
    words += [""] * (8 - len(words))
    name, value, domain, minutes, path, secure, http_only, same_site = words[:8]
    if not name or name in cookies:
        return
    written = f"{name}={value}; path={path or '/'}; domain={domain}"
    lifetime = int(minutes) if minutes.lstrip("-").isdecimal() and minutes.isascii() else 0
    if lifetime:
        written += f"; expires={_date(time.time() + 60 * lifetime)}"
    if secure.lower() in ("true", "1", "secure"):
        written += "; secure"
    if http_only.lower() in ("true", "1", "httponly"):
        written += "; HttpOnly"
    if same_site and same_site.lower() not in ("false", "0"):
        written += f"; SameSite={same_site}"
    cookies[name] = encoded("".join(sign for sign in written if sign.isprintable()))


def _date(seconds: float) -> str:
    """As cookies always had it, with hyphens: ``Sun, 06-Nov-1994 08:49:37 GMT``."""
    date = http_date(seconds)
    return f"{date[:7]}-{date[8:11]}-{date[12:]}"
