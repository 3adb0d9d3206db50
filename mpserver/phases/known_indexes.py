"""Indexes of directories that were found before, or found to be missing: these need no requests of their own any more.

The look-up of an index is a request, as in httpd, for handlers of applications, filters and modules may see it. Where
nobody does (all steps of both are plain, see `mpserver.modules.hooks`), the first of them is remembered with what was
located for the directory, and those after it come to the same by what stat says of the file alone.
"""

from __future__ import annotations

import os

from mpserver.api import constants
from mpserver.api.request_succession import RARELY_FOUND
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mpserver.api.request import Request
    from mpserver.phases.located import Located
    from mpserver.phases.plan import Plan

OK, DECLINED, NOT_FOUND = constants.OK, constants.DECLINED, constants.HTTP_NOT_FOUND

#: So many names are remembered for a directory; more than a configuration has.
NAMES = 64


class KnownIndexes:
    """Those of one directory, by their paths: what is there, and the files' names of what is missing."""

    __slots__ = ("_missing", "_there")

    def __init__(self) -> None:
        self._there: dict[str, Located] = {}
        self._missing: dict[str, str] = {}

    def add(self, path: str, located: Located) -> None:
        """Remember what was found."""
        if located.resource.finfo is not None:
            if len(self._there) < NAMES:
                self._there[path] = located
        elif len(self._missing) < NAMES:
            self._missing[path] = located.resource.filename or ""

    def go_on(self, req: Request, uri: str, is_elsewhere: Callable[[Plan], bool]) -> int | None:
        """Have a request stand for an index, up to its content.

        :param uri: as for `mpserver.modules.hooks.Engine.look_up`, which it answers for.
        :param is_elsewhere: whether another interpreter serves a plan's requests.
        :returns: None where that is not known, or no longer true.
        """
        path, question, query = uri.partition("?")
        located = self._there.get(path)
        if located is None:
            return self._is_missing(path)
        if not located.holds() or is_elsewhere(located.plan):
            self._there.pop(path, None)
            return None
        before = (
            req.mp_located, req.mp_args, req.mp_handler, req.mp_content_type, req.mp_content_encoding,
            req.mp_content_languages, req.mp_content_type_set, req.mp_before_head,
        )  # fmt: skip
        req.mp_args = query if question else None
        req.mp_handler = req.mp_content_type = req.mp_content_encoding = None
        req.mp_content_languages, req.mp_content_type_set, req.mp_no_cache = (), 0, 0
        if req.mp_before_head:
            req.mp_before_head = ()
        req.mp_settle(located)
        for step in located.plan.phases.plain or ():
            result = step(req)
            if result and result != DECLINED:
                (
                    located, req.mp_args, req.mp_handler, req.mp_content_type, req.mp_content_encoding,
                    req.mp_content_languages, req.mp_content_type_set, req.mp_before_head,
                ) = before  # fmt: skip
                handler = req.mp_handler
                req.mp_settle(located)
                req.mp_handler = handler
                return result
        return OK

    def _is_missing(self, path: str) -> int | None:
        filename = self._missing.get(path)
        if filename is None:
            return None
        try:
            os.lstat(filename)  # (a link that leads nowhere is no missing file)
        except FileNotFoundError:
            return NOT_FOUND
        except OSError:
            pass
        self._missing.pop(path, None)
        return None


def remember(req: Request, uri: str, found: Request, status: int) -> None:
    """Keep what a look-up has come to, if further ones come to the same without requests.

    :param req: for a directory; all of its steps are plain.
    :param found: the look-up, and ``status`` what came of it.
    """
    located: Located = found.mp_located
    plan, resource, directory = located.plan, located.resource, req.mp_located.resource
    site = req.mp_host.site
    if (
        plan.phases.plain is None or plan.branches or plan.phases.cleanup or site.has_early or site.rewriters
        or req.mp_main is not None or found.mp_added or found.mp_cleanups
        or resource.filename is None or directory.filename is None
        or any(getattr(req, name) != getattr(found, name) for name in RARELY_FOUND)
    ):  # fmt: skip
        return
    if status == OK:
        if resource.finfo is None or not located.keeps or (plan.phases.has_gates and not found.mp_admitted):
            return
    elif (
        status != NOT_FOUND or resource.finfo is not None or resource.path_info or plan.phases.has_gates
        or resource.filename.rpartition("/")[0] != directory.filename.rstrip("/")
    ):  # fmt: skip
        return
    known: KnownIndexes | None = req.mp_located.indexes
    if known is None:
        known = req.mp_located.indexes = KnownIndexes()
    known.add(uri.partition("?")[0], located)
