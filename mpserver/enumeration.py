"""What the engine takes from `enum`, without importing that: every interpreter would pay 0.4 MB and 3 ms for it.

Type checkers see the real ones. At run time these do what the engine asks of them: members by name, by value and in
order, `auto`, and sets of flags. All that a class of these names is a member of it, but for names with an underscore.
"""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING

__all__ = ["Enum", "Flag", "IntEnum", "auto"]

if TYPE_CHECKING:
    from enum import Enum, Flag, IntEnum, auto
else:

    class auto:
        """The value after the last one; of flags the next bit."""

    class _Body(dict):
        """The body of a class: ``auto()`` in it is a value at once, for the lines below may make use of that."""

        def __init__(self, flags):
            self._flags, self._last = flags, 0

        def __setitem__(self, name, value):
            if not name.startswith("_"):
                if isinstance(value, auto):
                    value = 1 << self._last.bit_length() if self._flags else self._last + 1
                self._last = value
            super().__setitem__(name, value)

    class _Members(type):
        """Makes what a class names its members."""

        @classmethod
        def __prepare__(cls, name, bases):
            return _Body(any(base.__dict__.get("_flags") for base in bases))

        def __new__(cls, name, bases, body):
            named = {key: value for key, value in body.items() if not key.startswith("_")}
            made = super().__new__(cls, name, bases, {key: body[key] for key in body if key not in named})
            made._named, made._of = {}, {}  # (members by their names and by their values)
            for key, value in named.items():
                if value not in made._of:
                    made._of[value] = made._make(key, value)
                made._named[key] = made._of[value]
                setattr(made, key, made._of[value])
            made._listed = [member for member in made._of.values() if made._is_listed(member)]
            return made

        def __call__(cls, value):
            """The member of a value. :raises ValueError: there is none."""
            member = cls._of.get(value)
            return cls._missing(value) if member is None else member

        def __getitem__(cls, name):
            """The member of a name. :raises KeyError: there is none."""
            return cls._named[name]

        def __iter__(cls):
            """Each member once, in the order of the class; of flags those of one bit."""
            return iter(cls._listed)

        def __len__(cls):
            return len(cls._listed)

    class Enum(metaclass=_Members):
        """As `enum.Enum`."""

        @classmethod
        def _make(cls, name, value):
            made = object.__new__(cls)
            made.name, made.value = name, value
            return made

        @classmethod
        def _missing(cls, value):
            raise ValueError(f"{value!r} is not a valid {cls.__qualname__}")

        @staticmethod
        def _is_listed(_member):
            return True

        def __repr__(self):
            return f"<{type(self).__name__}.{self.name}: {self.value!r}>"

        def __str__(self):
            return f"{type(self).__name__}.{self.name}"

        def __reduce_ex__(self, _protocol):
            return type(self), (self.value,)

    class IntEnum(int, Enum):
        """As `enum.IntEnum`."""

        @classmethod
        def _make(cls, name, value):
            made = int.__new__(cls, value)
            made.name, made.value = name, int(value)
            return made

        __repr__, __str__ = Enum.__repr__, int.__repr__

    class Flag(Enum):
        """As `enum.Flag`; its sets have no bits but those of members."""

        _flags = True

        @staticmethod
        def _is_listed(member):
            return member.value.bit_count() == 1

        @classmethod
        def _missing(cls, value):
            """A set of members that has no name of its own."""
            members = [member for member in cls if member.value & value]
            if value != sum(member.value for member in members):
                raise ValueError(f"{value!r} is not a valid {cls.__qualname__}")
            made = cls._of[value] = cls._make("|".join(member.name for member in members) or None, value)
            return made

        def __or__(self, other):
            return type(self)(self.value | other.value)

        def __and__(self, other):
            return type(self)(self.value & other.value)

        def __xor__(self, other):
            return type(self)(self.value ^ other.value)

        def __invert__(self):
            return type(self)(sum(member.value for member in type(self)) & ~self.value)

        def __contains__(self, other):
            return self.value & other.value == other.value

        def __bool__(self):
            return self.value != 0

        def __iter__(self):
            return (member for member in type(self) if member in self)
