"""Variables that depend on the request (httpd's mod_setenvif): SetEnvIf, SetEnvIfExpr, BrowserMatch and their kin."""

from __future__ import annotations

from mpserver.config.expression import Expression
from mpserver.config.settings import Setting, append
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

#: Attributes that are no headers, by their names in lower case.
SPECIAL = frozenset(("remote_host", "remote_addr", "server_addr", "request_method", "request_protocol", "request_uri"))


class Rule(NamedTuple):
    """One directive: when it holds, and the variables that it then sets, or removes (None).

    ``attribute`` is what ``pattern`` is looked for in: one of `SPECIAL`, a header or variable, or the headers that
    ``names`` matches. With an ``expression`` that decides.
    """

    attribute: str
    names: re.Pattern[str] | None
    pattern: re.Pattern[str] | None
    expression: Expression | None
    variables: tuple[tuple[str, str | None], ...]


#: Of a server, and of sections and .htaccess files: the former count before the latter are known.
SERVER_RULES: Setting[tuple[Rule, ...]] = Setting("SetEnvIf", (), append)
RULES: Setting[tuple[Rule, ...]] = Setting("SetEnvIf in sections", (), append)
