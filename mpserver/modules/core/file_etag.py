"""FileETag: what the entity tag of a file is made of."""

from __future__ import annotations

from mpserver.api.entity_tag import DIGEST, INODE, MTIME, SIZE
from mpserver.typing import NamedTuple

#: httpd's default.
DEFAULT = MTIME | SIZE
#: The words of the directive, in lower case.
WORDS = {"none": 0, "all": INODE | MTIME | SIZE, "inode": INODE, "mtime": MTIME, "size": SIZE, "digest": DIGEST}


class FileETag(NamedTuple):
    """FileETag of one scope: ``own`` bits, or what it adds to and takes from those around it."""

    own: int | None
    add: int = 0
    remove: int = 0

    @property
    def effective(self) -> int:
        """The bits in effect, of a merged configuration."""
        return ((DEFAULT if self.own is None else self.own) & ~self.remove) | self.add


def merge(outer: FileETag, inner: FileETag) -> FileETag:
    """An inner scope's words over those of an outer one."""
    if inner.own is not None:
        return inner
    if outer.own is not None:
        return FileETag((outer.effective & ~inner.remove) | inner.add)
    return FileETag(None, (outer.add & ~inner.remove) | inner.add, (outer.remove & ~inner.add) | inner.remove)
