"""Changes of headers (httpd's mod_headers): Header and RequestHeader."""

from __future__ import annotations

from mpserver.config.expression import Expression
from mpserver.config.settings import Setting, append
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

#: A value: an expression, or texts and items of a format, which are (letter, argument).
Value = Expression | tuple[str | tuple[str, str], ...]


class Change(NamedTuple):
    """One directive.

    ``action``: set, setifempty, append, merge, add, unset, echo, note, edit or edit*. ``pattern``: of echo and edit.
    ``value``: what is set, or put in place of a match. ``variable``: it has to be set, or not with an exclamation mark
    before it. ``early``: before the request is looked at.
    """

    action: str
    header: str
    pattern: re.Pattern[str] | None = None
    value: Value | None = None
    variable: str | None = None
    condition: Expression | None = None
    early: bool = False


#: Of the table of responses that go well; of that which is sent with errors and redirects, too; of the request.
RESPONSE: Setting[tuple[Change, ...]] = Setting("Header", (), append)
ALWAYS: Setting[tuple[Change, ...]] = Setting("Header always", (), append)
REQUEST: Setting[tuple[Change, ...]] = Setting("RequestHeader", (), append)
