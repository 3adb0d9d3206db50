"""Paths: those of the configuration, the directories on the way to a file, and what follows a prefix."""

from __future__ import annotations

import os.path


def absolute(root: str, path: str) -> str:
    """A path that is relative to ServerRoot made absolute and normalised ("/a/../b//" is "/b")."""
    joined = os.path.normpath(os.path.join(root or "/", path))
    return "/" + joined.lstrip("/")  # (normpath keeps two leading slashes)


def chain(directory: str) -> tuple[str, ...]:
    """The directories on the way from the root to this one, each with a trailing slash.

    :param directory: absolute, with a trailing slash.
    """
    found = []
    at = directory.find("/")
    while at >= 0:
        found.append(directory[: at + 1])
        at = directory.find("/", at + 1)
    return tuple(found)


def after(prefix: str, path: str) -> str | None:
    """What follows a prefix in a path, which ends where a segment does; None: it does not begin with it."""
    if not path.startswith(prefix):
        return None
    rest = path[len(prefix) :]
    return rest if not rest or rest[0] == "/" or prefix[-1] == "/" else None
