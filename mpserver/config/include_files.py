"""Which files Include and IncludeOptional mean (httpd manual: core, Include).

A directory means all files below it; wildcards may stand in any part of the path. Names are
sorted bytewise at every level.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from mpserver.config.patterns import compile_glob, is_wild
from mpserver.errors import ConfigError

#: How deep an included directory is searched.
MAX_NESTING = 20


def expand(path: str, optional: bool) -> Iterator[str]:
    """The files that an absolute path or pattern means, in the order to read them.

    A path without wildcards is given back even if nothing is there. Raises ConfigError for a
    pattern that matches nothing, unless ``optional``.
    """
    fixed = path if not is_wild(path) else ""
    if fixed:
        yield from _files(fixed, 0)
        return
    parts = path.split("/")
    first = next(index for index, part in enumerate(parts) if is_wild(part))
    yield from _match("/".join(parts[:first]) or "/", parts[first:], optional)


def _files(path: str, depth: int) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    if depth > MAX_NESTING:
        raise ConfigError(
            f"Directory {path} exceeds the maximum include directory nesting level of {MAX_NESTING}. "
            "You have probably a recursion somewhere."
        )
    for name in _names(path):
        yield from _files(os.path.join(path, name), depth + 1)


def _match(directory: str, parts: list[str], optional: bool) -> Iterator[str]:
    """The files below a directory that match the parts of a pattern."""
    part, rest = parts[0], parts[1:]
    if not is_wild(part):
        path = os.path.join(directory, part)
        if rest:
            yield from _match(path, rest, optional)
        elif os.path.exists(path) or not optional:
            yield from _files(path, 0)
        return
    try:
        names = _names(directory)
    except OSError as error:
        if optional:
            return
        raise ConfigError(f"Include/IncludeOptional: Could not open directory {directory}: {error.strerror}") from error
    matches = compile_glob(part, period=True).fullmatch
    found = [os.path.join(directory, name) for name in names if matches(name)]
    if rest:
        found = [path for path in found if os.path.isdir(path)]
    if not found and not optional:
        raise ConfigError(f"Include/IncludeOptional: No matches for the wildcard '{part}' in '{directory}', failing")
    for path in found:
        if rest:
            yield from _match(path, rest, optional)
        else:
            yield from _files(path, 0)


def _names(directory: str) -> list[str]:
    return sorted(os.listdir(directory), key=os.fsencode)
