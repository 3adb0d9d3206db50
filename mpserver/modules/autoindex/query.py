"""What a client may ask of a listing: its order, its form, some of the names (httpd's ``?C=N;O=D;F=2;V=1;P=*.txt``)."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.http1 import percent
from mpserver.modules.autoindex import Shown
from mpserver.typing import NamedTuple

#: A part of the query; what follows one that is none of these does not count, as in httpd.
_PART = lazyre.compile(r"(?:C=([NMSD])|O=([AD])|F=([012])|V=([01])|P=([^&;]*))(?:[&;]|$)")

#: The longest pattern of names that is taken from a client.
LONGEST = 255


class Query(NamedTuple):
    """``key``: N(ame), M(odified), S(ize) or D(escription). ``kept``: the rest of the query, for links that sort."""

    key: str
    ascending: bool
    fancy: bool
    version_sort: bool
    pattern: str | None = None
    kept: str = ""


def read(text: str | None, shown: Shown, order: tuple[str, bool]) -> Query:
    """What a raw query asks for; where it says nothing, the configuration does."""
    fancy, version_sort = bool(shown & (Shown.FANCY | Shown.TABLE)), bool(shown & Shown.VERSION_SORT)
    if not text or shown & Shown.IGNORE_CLIENT:
        return Query(order[0], order[1], fancy, version_sort)
    parts: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            break
        # (the first of a kind counts no more than the last)
        parts[found[0][0]] = next(group for group in found.groups() if group is not None)
        at = found.end()
    kept = "".join(f";{name}={parts[name]}" for name in ("F", "V", "P") if name in parts)
    pattern = parts.get("P")
    if pattern is not None:
        pattern = percent.decode(pattern.encode("latin-1", "replace")).decode("utf-8", "surrogateescape")[:LONGEST]
    return Query(
        parts.get("C", order[0]),
        # (a key without a direction rises)
        parts["O"] == "A" if "O" in parts else (True if "C" in parts else order[1]),
        parts["F"] != "0" if "F" in parts else fancy,
        parts["V"] == "1" if "V" in parts else version_sort,
        pattern,
        kept,
    )
