"""How what was read of a file is kept, see `mpserver.config.finished.Finished.piece`."""

from __future__ import annotations

#: A key's piece: its pass phrase, this, and the file.
BEHIND_PHRASE = b"\0"


def packed(content: bytes, phrase: str | None) -> bytes:
    """The piece of a file, with the pass phrase of a key (None: it is no key)."""
    return content if phrase is None else phrase.encode() + BEHIND_PHRASE + content


def unpacked(piece: bytes, is_key: bool) -> tuple[bytes, str]:
    """What was read of a file, and its pass phrase."""
    if not is_key:
        return piece, ""
    phrase, _, content = piece.partition(BEHIND_PHRASE)
    return content, phrase.decode()
