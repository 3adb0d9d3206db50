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
    from _collections import _tuplegetter

    class _Record(tuple):
        """What records have in common: as those of `collections.namedtuple`, which makes it anew for each class."""

        __slots__ = ()

        def __new__(cls, *args, **named):
            """The first record of a class: only now a function is compiled that makes them."""
            cls.__new__ = staticmethod(_maker(cls))
            return cls(*args, **named)

        @classmethod
        def _make(cls, values):
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
            return made

        def _replace(self, /, **changes):
            made = self._make(map(changes.pop, self._fields, self))
            if changes:
                raise TypeError(f"Got unexpected field names: {list(changes)!r}")
            return made

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            pairs = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({pairs})"

        __replace__ = _replace

    def _maker(cls):
        """``__new__`` of a record's class."""
        fields = ", ".join(cls._fields)
        names = {"_new": tuple.__new__, "__builtins__": {}, "__name__": cls.__module__}
        function = eval(f"lambda _cls, {fields}: _new(_cls, ({fields},))", names)  # noqa: S307 - names of fields, written in our source
        function.__name__, function.__qualname__ = "__new__", f"{cls.__qualname__}.__new__"
        function.__defaults__ = tuple(cls._field_defaults.values())
        return function

    class _Fields(type):
        """Makes a class with annotations and defaults a `_Record`.

        `collections.namedtuple` takes five times as long and 3 kB more for each, of which an interpreter has some
        forty, and makes records of few.
        """

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            if "__annotations__" not in body:
                raise TypeError(f"{name} has no fields: its module needs from __future__ import annotations")
            fields = tuple(body["__annotations__"])
            defaults = {field: body[field] for field in fields if field in body}
            body.update({field: _tuplegetter(place, "") for place, field in enumerate(fields)})
            body.update(__slots__=(), __match_args__=fields, _fields=fields, _field_defaults=defaults)
            return type(name, (_Record,), body)

    class NamedTuple(metaclass=_Fields):
        """As `typing.NamedTuple`."""

    class _Looks(type):
        """Makes what says only what others look like empty: nobody calls its functions, or asks for its annotations."""

        def __new__(cls, name, bases, body):
            if name != "Protocol" and Protocol in bases:
                body = {key: body[key] for key in ("__module__", "__qualname__", "__slots__") if key in body}
            return super().__new__(cls, name, bases, body)

    class Protocol(metaclass=_Looks):
        """As `typing.Protocol`, but for that nobody asks whether an object is one."""

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

    def TypeVar(name, bound=None):
        """As `typing.TypeVar`."""
        return name

    def cast(_type, value):
        """As `typing.cast`."""
        return value
