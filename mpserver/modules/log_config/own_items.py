"""Items of log formats that httpd does not have: each is a caret and two letters, as those of httpd's modules are."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.modules.log_config.items import Getter, Letter, escape
from mpserver.typing import Any


class InSeconds(float):
    """A time in seconds, which is a number in JSON, and is shown with all its microseconds in a line."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self:.6f}"


def _seconds(req: Any) -> InSeconds:
    return InSeconds(round(req.mp_duration, 6))


def _scheme(req: Any) -> str:
    return "https" if req.is_https() else "http"


def _query(req: Any) -> str | None:
    """The query as %q has it, without its question mark; None: there is none."""
    return escape(req.mp_args) if req.mp_args else None


def _interpreter(req: Any) -> str:
    return escape(req.interpreter)


def _letter(get: Getter) -> Letter:
    return Letter(lambda _argument: get, first=True)


LETTERS: Mapping[str, Letter] = {
    "^du": _letter(_seconds),
    "^in": Letter(lambda _argument: _interpreter),  # (of the one that made the answer)
    "^qu": _letter(_query),
    "^sc": _letter(_scheme),
}
