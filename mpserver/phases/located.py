"""What a path of a server stands for: found once, and kept for further requests as long as it is true.

It is found by translation, directory walk, merging and planning. All of that depends on the configuration, which stays
the same, and on what stat says of the file and of the .htaccess files on the way. So these stats, mostly one, are what
a further request costs.
"""

from __future__ import annotations

import os
from stat import S_ISDIR

from mpserver.config.htaccess import look
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.config.htaccess import Watched
    from mpserver.modules.core.file_cache import Page
    from mpserver.modules.rewriting import Effects
    from mpserver.phases.plan import Plan
    from mpserver.phases.translate import Resource


class Located:
    """A resource and its plan.

    ``page``: its response, where it is a small static file, see `mpserver.modules.core.file_cache`.
    """

    __slots__ = (
        "_changed",
        "_htaccess",
        "_modified",
        "asked",
        "beside",
        "effects",
        "indexes",
        "is_kept",
        "is_open",
        "known",
        "page",
        "plan",
        "resource",
        "status",
        "variants",
    )

    def __init__(self, resource: Resource, plan: Plan, htaccess: tuple[Watched, ...] = ()) -> None:
        self.resource = resource
        self.plan = plan
        self.page: Page | None = None
        #: The same with If sections that hold, by what they come to (`mpserver.phases.branches`).
        self.variants: dict[Any, Located] | None = None
        #: Whether further requests for its path find it: only then is there any use in what hangs on it.
        self.is_kept = False
        #: Whether more than the path decides what it is: the rules of the server are still to be applied.
        self.is_open = False
        #: For these, see `mpserver.phases.translate.walk`.
        self.beside = ""
        #: What rules change of the request.
        self.effects: Effects | None = None
        #: The path that they were asked about, where they have led to another one; "": they have not.
        self.asked = ""
        #: What they answer it with; 0: nothing.
        self.status = 0
        #: The files that were looked for in its place, where that needs no requests (`mpserver.phases.known_indexes`).
        self.indexes: Any = None
        found = resource.finfo
        #: What stat has said of its file, but for the times; None: there is none that would have to be looked at.
        self.known: tuple[int, ...] | None = None
        self._modified = self._changed = 0
        if found is not None:
            self.known, self._modified, self._changed = found[:7], found.st_mtime_ns, found.st_ctime_ns
        self._htaccess = htaccess

    @property
    def keeps(self) -> bool:
        """Whether it may be kept: not where a file is missing, or where anything is wrong."""
        resource = self.resource
        if resource.status:
            return False
        if resource.filename is None or resource.is_elsewhere:
            return True
        # behind a file nothing exists, so the file alone decides; a directory may get what was missing
        return resource.finfo is not None and not (resource.path_info and S_ISDIR(resource.finfo.st_mode))

    def holds(self) -> bool:
        """Whether it is still true; if so, its resource has the newest facts about the file."""
        known = self.known
        if known is None:
            return True
        resource = self.resource
        try:
            found = os.stat(resource.filename)  # type: ignore[arg-type]  # what has finfo has a name
        except (OSError, ValueError):
            return False
        if found[:7] != known or found.st_mtime_ns != self._modified or found.st_ctime_ns != self._changed:
            return False  # (all but the time of the last access counts)
        resource.finfo = found
        try:
            for path, stamp in self._htaccess:
                if look(path) != stamp:
                    return False
        except OSError:
            return False
        return True
