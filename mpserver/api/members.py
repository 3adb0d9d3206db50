"""How the objects that applications see declare their members.

A member is a property over an underscored attribute, so that reading costs one C call, the
engine sets the attribute directly, and an application meets the documented writability.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any


def readonly(attribute: str, doc: str) -> Any:
    """A member that applications can only read (AttributeError when set)."""
    return property(attrgetter(attribute), doc=doc)


def writable(attribute: str, check: Callable[[str, Any], Any], doc: str) -> Any:
    """A member that applications may set; ``check(name, value)`` gives the value to keep or raises TypeError."""

    def setter(self: object, value: Any) -> None:
        setattr(self, attribute, check(attribute.lstrip("_"), value))

    return property(attrgetter(attribute), setter, doc=doc)


def text(name: str, value: Any) -> str:
    """A str; bytes are taken as latin-1 (api 3.5, codecs)."""
    if type(value) is bytes:
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{name} can't hold a NUL character")
    return value


def text_or_none(name: str, value: Any) -> str | None:
    """A str, or None to unset."""
    return None if value is None else text(name, value)


def header_text(name: str, value: Any) -> str:
    """A str that may become a header's value: without CR, LF and NUL."""
    checked = text(name, value)
    if "\r" in checked or "\n" in checked:
        raise ValueError(f"{name} can't hold a line break: it is sent as a header")
    return checked


def header_text_or_none(name: str, value: Any) -> str | None:
    """A header's value, or None to unset."""
    return None if value is None else header_text(name, value)


def integer(name: str, value: Any) -> int:
    """An int (bool counts, as for a C member)."""
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
    return int(value)
