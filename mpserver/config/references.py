"""What a match leaves for texts with references to it: ``$1`` and their like."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

#: $0 to $9 and & in the target of a Match directive; a backslash takes the next $ or & as it is.
TARGET = lazyre.compile(r"\\([$&])|\$(\d)|(&)")
#: $0 to $9 in a value; a backslash takes whatever follows as it is.
_VALUE = lazyre.compile(r"\$([0-9])|\\(.)", lazyre.DOTALL)


def group(match: re.Match[str] | None, number: int) -> str:
    """What a group matched; "" where there is no match, no such group, or it had no part."""
    return (match[number] or "") if match is not None and number <= match.re.groups else ""


def in_target(target: str, match: re.Match[str], encode: Callable[[str], str] = str) -> str:
    """The target of a Match directive, its references replaced by what the groups matched.

    :param encode: makes of each what is put in.
    """

    def put(reference: re.Match[str]) -> str:
        plain, number, whole = reference.groups()
        return str(plain) if plain else encode(group(match, 0 if whole else int(number)))

    return TARGET.sub(put, target)


def in_value(text: str, match: re.Match[str] | None) -> str:
    """A value with the groups of a match (httpd's ``ap_pregsub``)."""

    def put(reference: re.Match[str]) -> str:
        number, plain = reference.groups()
        return str(plain) if number is None else group(match, int(number))

    return _VALUE.sub(put, text)
