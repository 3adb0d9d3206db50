"""How what was read of a file is kept, see `mpserver.config.finished.Finished.piece`."""

from __future__ import annotations

import os
import stat

from mpserver.typing import NamedTuple

#: A key's piece: its pass phrase, this, and the file.
BEHIND_PHRASE = b"\0"


class Source(NamedTuple):
    """What makes a piece: files that are read one after the other, whether it is a key, and the user whose they are.

    ``owner``: the number of that user; -1: anybody's. Whoever renews certificates without our rights must not show us
    what it can't read itself; and root may have no right to read what is another's alone (CAP_DAC_READ_SEARCH).
    """

    names: tuple[str, ...]
    is_key: bool = False
    owner: int = -1

    def read(self) -> bytes:
        """The files. :raises OSError: one can't be read, or is another user's."""
        own = os.geteuid()
        if own != 0 or self.owner <= 0:
            return b"\n".join(self._read(name) for name in self.names)
        os.seteuid(self.owner)  # (a master has no threads that this would be noticed in)
        try:
            return b"\n".join(self._read(name) for name in self.names)
        finally:
            os.seteuid(own)

    def _read(self, name: str) -> bytes:
        if self.owner < 0:
            with open(name, "rb") as file:
                return file.read()
        with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:  # (it may be a FIFO)
            its = os.fstat(file.fileno())
            if its.st_uid != self.owner or not stat.S_ISREG(its.st_mode) or its.st_size > 1 << 20:
                raise OSError(0, f"it is not a file of user #{self.owner}, or no small one")
            return file.read(1 << 20)


def packed(content: bytes, phrase: str | None) -> bytes:
    """The piece of a file, with the pass phrase of a key (None: it is no key)."""
    return content if phrase is None else phrase.encode() + BEHIND_PHRASE + content


def unpacked(piece: bytes, is_key: bool) -> tuple[bytes, str]:
    """What was read of a file, and its pass phrase."""
    if not is_key:
        return piece, ""
    phrase, _, content = piece.partition(BEHIND_PHRASE)
    return content, phrase.decode()
