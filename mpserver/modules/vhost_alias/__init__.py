"""Documents by the name of the host that is asked for: one line for any number of sites (httpd's mod_vhost_alias)."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.config.settings import Setting
from mpserver.typing import NamedTuple

#: %%, %p, %N and %N.M with their signs (httpd manual, mod_vhost_alias: directory name interpolation).
PIECE = lazyre.compile(r"%(?:(%)|(p)|(-?\d)(\+?)(?:\.(-?\d)(\+?))?)")
#: A name that can be a part of a path.
NAME = lazyre.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:]+")


class Template(NamedTuple):
    """A path with parts of the host's name, or (``by_address``) of the address that was connected to."""

    text: str
    by_address: bool


ROOT: Setting[Template | None] = Setting("VirtualDocumentRoot", None)
SCRIPTS: Setting[Template | None] = Setting("VirtualScriptAlias", None)


def interpolated(template: str, name: str, port: int) -> tuple[str, str]:
    """A template's path for a name in lower case; and the parts of the name in it, with dots between them."""
    parts: list[str] = []

    def replace(found: object) -> str:
        percent, is_port, number, plus, inner, inner_plus = found.groups()  # type: ignore[attr-defined]
        if percent:
            return "%"
        if is_port:
            return str(port)
        text = _part(name, name.split("."), ".", int(number), plus, from_end=number.startswith("-"))
        if inner is not None:
            text = _part(text, list(text), "", int(inner), inner_plus, from_end=inner.startswith("-"))
        parts.append(text)
        return text

    return PIECE.sub(replace, template), ".".join(parts)


def _part(whole: str, pieces: list[str], between: str, number: int, plus: str, *, from_end: bool) -> str:
    """The piece of a number, counted from 1; 0: all of them; one that is not there is an underscore."""
    if not number:
        return whole
    count = abs(number)
    if count > len(pieces):
        return "_"
    at = len(pieces) - count if from_end else count - 1
    if not plus:
        return pieces[at]
    return between.join(pieces[: at + 1] if from_end else pieces[at:])
