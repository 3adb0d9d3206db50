"""Conditional requests (RFC 9110 13): what If-Match, If-None-Match and their kin decide.

The order is the one of RFC 9110 13.2.2. Where httpd differs from the RFC, the RFC is followed:
If-Modified-Since has no say beside If-None-Match, nor If-Unmodified-Since beside If-Match, and
If-None-Match always compares weakly.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mpserver import lazyre
from mpserver.http1.dates import parse_date

#: Looks a request header up by its lower-case name; repeated ones joined by commas, None if absent.
Get = Callable[[str], "str | None"]

OK = 0
NOT_MODIFIED = 304
PRECONDITION_FAILED = 412

#: A date validator is strong only if the file rested that many seconds (RFC 9110 8.8.2.2; httpd's figure).
REST = 60.0

#: entity-tag = [ weak ] opaque-tag (8.8.3)
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
ENTITY_TAG = lazyre.compile(_TAG)
#: #entity-tag: a list with optional white space, whose elements may be empty (5.6.1).
ENTITY_TAGS = lazyre.compile(rf"[ \t]*+(?:{_TAG}[ \t]*+)?+(?:,[ \t]*+(?:{_TAG}[ \t]*+)?+)*+")


def evaluate(method: str, get: Get, etag: str | None, modified: float | None, now: float | None = None) -> int:
    """The verdict on a request for a representation that exists: OK (0), 304 or 412.

    ``etag`` is the representation's entity tag with its quotes (and ``W/``), ``modified`` its last
    modification in seconds since the epoch; None where it has none.
    """
    wanted = get("if-match")
    if wanted is not None:
        if not _matches(wanted, etag, strong=True):
            return PRECONDITION_FAILED
    elif modified is not None:
        limit = get("if-unmodified-since")
        if limit is not None:
            date = parse_date(limit, now)
            if date is not None and int(modified) > date:
                return PRECONDITION_FAILED
    safe = method in ("GET", "HEAD")
    known = get("if-none-match")
    if known is not None:
        if _matches(known, etag, strong=False):
            return NOT_MODIFIED if safe else PRECONDITION_FAILED
    elif safe and modified is not None:
        since = get("if-modified-since")
        if since is not None:
            date = parse_date(since, now)
            # A date in the future says nothing about what the client has (as in httpd).
            if date is not None and int(modified) <= date <= (time.time() if now is None else now):
                return NOT_MODIFIED
    return OK


def range_applies(get: Get, etag: str | None, modified: float | None, now: float | None = None) -> bool:
    """Whether If-Range (13.1.5) lets the Range header act; true without If-Range."""
    condition = get("if-range")
    if condition is None:
        return True
    if condition[:1] == '"' or condition[:2] == "W/":
        return etag is not None and _is_strong(etag) and condition == etag
    date = parse_date(condition, now)
    if date is None or modified is None or int(modified) != date:
        return False
    return (time.time() if now is None else now) >= date + REST


def _matches(header: str, etag: str | None, *, strong: bool) -> bool:
    """Whether a list of entity tags (or ``*``) holds the tag. What is no such list holds nothing."""
    if header.strip(" \t") == "*":
        return True
    if etag is None or not ENTITY_TAGS.fullmatch(header):
        return False
    if strong:
        return _is_strong(etag) and etag in ENTITY_TAG.findall(header)
    opaque = etag.removeprefix("W/")
    return any(tag.removeprefix("W/") == opaque for tag in ENTITY_TAG.findall(header))


def _is_strong(etag: str) -> bool:
    return not etag.startswith("W/")
