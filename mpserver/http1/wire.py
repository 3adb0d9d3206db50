"""Bytes of a request as text, and back: UTF-8, or latin-1 where they are not that.

Heads are read as latin-1 (``raw`` below), in which each byte is one character. What applications see of them is text.
"""

from __future__ import annotations


def decoded(raw: str) -> str:
    """What bytes mean: UTF-8, and where they are none, each byte a character of latin-1.

    :param raw: the bytes, each as one character.
    """
    if raw.isascii():
        return raw
    try:
        return raw.encode("latin-1").decode()
    except UnicodeError:
        return raw


def encoded(text: str) -> str:
    """The bytes that a text stands for in UTF-8 (surrogate escapes are single bytes), each as one character."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def shown(path: str) -> str:
    """A path, in which bytes that are not UTF-8 are surrogate escapes, as `decoded` has it."""
    return path if path.isascii() else decoded(encoded(path))


def is_latin(raw: str) -> bool:
    """Whether bytes are not UTF-8, so that they were taken as latin-1."""
    return not raw.isascii() and decoded(raw) == raw
