"""What an application's interpreters have of their own: a Python, a user, limits.

Each takes a process of its own. What they say belongs to the interpreter that the section's requests run in,
by its name; `mpserver.phases.applications` brings together what several sections say of one.
"""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.config.settings import Setting, update
from mpserver.typing import Any, NamedTuple

#: An environment as data that goes everywhere: pairs of key and value, sorted by key.
Environment = tuple[tuple[str, Any], ...]

#: The keys of an environment, and their values.
PYTHON = "python"  # the path of a Python
USER = "user"  # (user, group), as User and Group take them; the group may be ""
NICE = "nice"  # what is added to the niceness
MEMORY = "memory"  # bytes
SOFT_MEMORY = "soft memory"  # bytes
PRELOAD = "preload"  # module names
WORKING = "working"  # the directory that processes begin in


class Told(NamedTuple):
    """The value of one key, and where it was told."""

    value: Any
    directive: str
    file: str
    line: int


def has_account(environment: Environment) -> bool:
    """Whether interpreters of this environment run under an account of their own."""
    return any(key == USER for key, _value in environment)


def merge(outer: Mapping[str, Told], inner: Mapping[str, Told]) -> dict[str, Told]:
    """The inner scope's values replace the outer one's; modules to preload are added."""
    merged = update(outer, inner)
    if PRELOAD in outer and PRELOAD in inner:
        both = (*outer[PRELOAD].value, *inner[PRELOAD].value)
        merged[PRELOAD] = inner[PRELOAD]._replace(value=tuple(dict.fromkeys(both)))
    return merged


ENVIRONMENT: Setting[Mapping[str, Told]] = Setting("PythonInterp environment", {}, merge)


#: What the interpreters of a scope find in ``os.environ``. Any kind of interpreter can have that.
VARIABLES: Setting[Mapping[str, Told]] = Setting("PythonInterpEnv", {}, update)
#: Whether they import what they use when they first use it. Any kind of interpreter can; None: nothing is said.
LAZY_IMPORTS: Setting[Told | None] = Setting("PythonInterpLazyImports", None)
#: The oldest Python that has lazy imports.
LAZY_SINCE = (3, 15)


def plain(told: Mapping[str, Told]) -> Environment:
    """What was told, without where."""
    return tuple(sorted((key, one.value) for key, one in told.items()))
