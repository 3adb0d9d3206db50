"""What the engine takes from `typing`, without importing that: every interpreter would pay 0.8 MB and 10 ms for it.

Type checkers see the real names. At run time, where annotations are never evaluated, these do: a NamedTuple
really is one, and the others are only there to be named.
"""

from __future__ import annotations

__all__ = [
    "IO", "TYPE_CHECKING", "Any", "Generic", "NamedTuple", "NoReturn", "Protocol", "Self", "TypeVar", "Union", "cast",
]  # fmt: skip

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import IO, Any, Generic, NamedTuple, NoReturn, Protocol, Self, TypeVar, Union, cast
else:
    from collections import namedtuple

    class _Record(type):
        """Makes of a class's annotations and defaults a `collections.namedtuple` with its methods."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            if "__annotations__" not in body:
                raise TypeError(f"{name} has no fields: its module needs from __future__ import annotations")
            fields = body.pop("__annotations__")
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for key in body.keys() - _MADE:
                setattr(made, key, body[key])
            made.__annotations__ = fields
            return made

    #: What a namedtuple has of itself.
    _MADE = frozenset(("__module__", "__qualname__", "__firstlineno__", "__static_attributes__"))

    class NamedTuple(metaclass=_Record):
        """As `typing.NamedTuple`."""

    class Protocol:
        """Says only what others look like: nobody asks whether an object is one."""

    class _Named:
        """A name that may have others in brackets."""

        def __class_getitem__(cls, _names):
            return cls

    class Generic(_Named):
        """As `typing.Generic`."""

    class IO(_Named):
        """As `typing.IO`."""

    class Union(_Named):
        """As `typing.Union`."""

    class Any:
        """As `typing.Any`."""

    class NoReturn:
        """As `typing.NoReturn`."""

    class Self:
        """As `typing.Self`."""

    def TypeVar(name):
        """As `typing.TypeVar`."""
        return name

    def cast(_type, value):
        """As `typing.cast`."""
        return value
