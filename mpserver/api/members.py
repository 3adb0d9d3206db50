"""How the objects that applications see declare their members.

A member is a property over an attribute of the same name with ``mp_`` before it, so that reading costs one C call,
the engine sets the attribute directly, and an application meets the documented writability. What may
be stored, and the words of refusals, are the published ones (api 3.5 3.1).
"""

from __future__ import annotations

from collections.abc import Callable

from mpserver.builtin import attrgetter, index
from mpserver.http1 import wire
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    ReadOnly = property
else:

    class ReadOnly(property):
        """A property that applications can only read: what the published objects say of theirs, in their words."""

        def __init__(self, getter: Callable[[Any], Any], doc: str | None = None) -> None:
            super().__init__(getter, doc=doc)
            self.__doc__ = getter.__doc__ if doc is None else doc  # (Python 3.11 shows this class's otherwise)

        def __set_name__(self, owner: type, name: str) -> None:
            self.name = name

        def __set__(self, instance: object, value: object) -> None:
            kind = type(instance).__name__
            raise AttributeError(f"attribute {self.name!r} of {kind!r} objects is not writable")

        def __delete__(self, instance: object) -> None:
            self.__set__(instance, None)


def named(name: str) -> Callable[[type[Any]], Any]:
    """Give a class the name that applications see: that of the published one's, which is no module's."""

    def rename(kind: type[Any]) -> type[Any]:
        kind.__name__ = kind.__qualname__ = name
        kind.__module__ = "builtins"
        return kind

    return rename


def readonly(attribute: str, doc: str) -> Any:
    """A member that applications can only read (AttributeError when set)."""
    return ReadOnly(attrgetter(attribute), doc=doc)


def writable(attribute: str, check: Callable[[str, Any], Any], doc: str) -> Any:
    """A member that applications may set; ``check(name, value)`` gives the value to keep or raises TypeError."""
    name = attribute.removeprefix("mp_")

    def setter(self: object, value: Any) -> None:
        setattr(self, attribute, check(name, value))

    return property(attrgetter(attribute), setter, kept(name), doc=doc)


def kept(name: str) -> Callable[[object], None]:
    """What deletes a member that can't be deleted."""

    def deleter(_self: object) -> None:
        raise TypeError(f"can't delete the attribute {name!r}")

    return deleter


def path(attribute: str, doc: str) -> Any:
    """A member with a path, in which bytes that are not UTF-8 are surrogate escapes: applications see latin-1 then."""
    name = attribute.removeprefix("mp_")
    get = attrgetter(attribute)

    def getter(self: object) -> str | None:
        value: str | None = get(self)
        return value if value is None or value.isascii() else wire.shown(value)

    def setter(self: object, value: Any) -> None:
        setattr(self, attribute, text(name, value))

    return property(getter, setter, kept(name), doc=doc)


def text(name: str, value: Any) -> str:
    """A str for a member; bytes are UTF-8, or else latin-1."""
    if type(value) is bytes:
        value = wire.decoded(value.decode("latin-1"))
    elif not isinstance(value, str):
        raise TypeError("not an ISO-8859-1 string")
    if "\0" in value:
        raise ValueError(f"{name} can't hold a NUL character")
    checked: str = value
    return checked


def text_or_none(name: str, value: Any) -> str | None:
    """A str, or None to unset: for the members where the published one allows that, args and handler."""
    return None if value is None else text(name, value)


def header_text(name: str, value: Any) -> str:
    """A str that may become a header's value; bytes are sent as they are, each as one character.

    :raises TypeError: it is neither, or holds characters that latin-1 has not (api 3.5 3.1).
    :raises ValueError: CR, LF or NUL is in it.
    """
    checked = text(name, value.decode("latin-1") if type(value) is bytes else value)
    if "\r" in checked or "\n" in checked:
        raise ValueError(f"{name} can't hold a line break: it is sent as a header")
    try:
        checked.encode("latin-1")
    except UnicodeEncodeError:
        raise TypeError("not an ISO-8859-1 string") from None
    return checked


def integer(name: str, value: Any) -> int:
    """An int, or what stands for one (TypeError otherwise, as an index)."""
    return index(value)


def string(number: int, value: Any) -> str:
    """An argument that has to be a str: its number from 1 on is for the error's text.

    :raises TypeError: it is none; :raises ValueError: it holds a NUL character.
    """
    if not isinstance(value, str):
        found = "None" if value is None else type(value).__name__
        raise TypeError(f"argument {number} must be str, not {found}")
    if "\0" in value:
        raise ValueError("embedded null character")
    return value


def message(value: Any) -> str:
    """The text of a log_error(): a str, or None for an empty line. :raises TypeError: it is neither."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"argument 1 must be str or None, not {type(value).__name__}")
    return value


def data_of(data: str | bytes) -> bytes:
    """What may be written, as bytes. :raises TypeError: it is neither text nor bytes."""
    if isinstance(data, str):
        return str.encode(data)
    if isinstance(data, bytes):
        return bytes(data)
    raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'")
