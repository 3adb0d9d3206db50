"""Paths of the configuration."""

from __future__ import annotations

import os.path


def absolute(root: str, path: str) -> str:
    """A path that is relative to ServerRoot made absolute and normalised ("/a/../b//" is "/b")."""
    joined = os.path.normpath(os.path.join(root or "/", path))
    return "/" + joined.lstrip("/")  # (normpath keeps two leading slashes)
