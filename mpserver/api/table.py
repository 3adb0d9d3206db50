"""The table object (manual 4.5.2; api 3.5 2.6): a mapping of strings, case-insensitive and multi-valued.

A table is a list of (name, value) pairs in the order of their addition. Lookups go through an
index by lower-case name, which is made by the first lookup and kept up to date from then on.
Text is kept as str; bytes are UTF-8 or else latin-1, in a table of headers to be sent latin-1, so that they
are sent as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mpserver import lazyre
from mpserver.api.members import named
from mpserver.http1 import wire
from mpserver.typing import Any, Self, Union, cast

Pairs = list[tuple[str, str]]
#: What a table can be made from.
Source = Union["Table", Mapping[Any, Any], Iterable[tuple[Any, Any]]]
#: That of an empty one.
NOTHING: tuple[tuple[Any, Any], ...] = ()

#: A header's name (RFC 9110 5.6.2).
_is_token = lazyre.now(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
#: What would end a header line early, or make another one of its rest.
_splits = lazyre.now(r"[\r\n\0]").search


def _text(value: object) -> str:
    """A name or value as str; raises TypeError for anything but str and bytes."""
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, bytes):
        return wire.decoded(value.decode("latin-1"))
    raise TypeError("not an ISO-8859-1 string")


@named("mp_table")
class Table:
    """``apache.table([mapping or pairs])``: names are compared without case, duplicates are allowed.

    A subscript gives the value, or the list of values where a name is there several times. The
    constructor and `update` make strings of whatever they get; an assignment takes str and bytes
    only (TypeError), without NUL (ValueError).
    """

    __slots__ = ("_index", "_pairs")

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, source: Source = NOTHING, /, **more: Any) -> None:
        """As `update`, but what has no pairs is a TypeError.

        :raises TypeError, ValueError: see `update`.
        """
        self._pairs: Pairs = []
        self._index: dict[str, str | list[str]] | None = None
        if source is not NOTHING or more:
            self.update(source if hasattr(source, "keys") else iter(source), **more)

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]], index: Mapping[str, str] | None = None) -> Self:
        """A table of pairs that are known to be sound, taken over without any checks.

        :param index: their values by lower-case name, where that is known and no name is there twice.
        """
        self = cls.__new__(cls)
        self._pairs = list(pairs)
        self._index = None if index is None else dict(index)
        return self

    # ---- how it is kept

    def pairs(self) -> Pairs:
        """The pairs themselves, in order: for reading only."""
        return self._pairs

    def _checked(self, name: object, value: object) -> tuple[str, str]:
        """A pair that may be stored; raises TypeError or ValueError."""
        if type(name) is not str or type(value) is not str:
            name, value = _text(name), _text(value)
        if "\0" in name or "\0" in value:
            raise ValueError(f"a table can't hold a NUL character: {name!r}")
        return name, value

    def _look_up(self) -> dict[str, str | list[str]]:
        index = self._index
        if index is None:
            index = {}
            for name, value in self._pairs:
                key = name.lower()
                if key in index:
                    self._append(index, key, value)
                else:
                    index[key] = value
            self._index = index  # only when it is whole: a server's tables are those of all its threads
        return index

    @staticmethod
    def _append(index: dict[str, str | list[str]], key: str, value: str) -> None:
        present = index[key]
        if type(present) is list:
            present.append(value)
        else:
            index[key] = [cast(str, present), value]

    def _remove(self, key: str) -> None:
        self._pairs[:] = [pair for pair in self._pairs if pair[0].lower() != key]
        if self._index is not None:
            self._index.pop(key, None)

    # ---- reading

    def __getitem__(self, name: str | bytes) -> str | Any:
        found = self._look_up()[_text(name).lower()]
        return list(found) if type(found) is list else cast(str, found)

    def get(self, name: str | bytes, default: Any = None) -> Any:
        """The first value of a name, or the default."""
        index = self._index
        if index is None:
            index = self._look_up()
        found = index.get(name.lower() if type(name) is str else _text(name).lower())
        if found is None:
            return default
        return found if type(found) is str else found[0]

    def __contains__(self, name: object) -> bool:
        return _text(name).lower() in self._look_up()

    def has_key(self, name: str | bytes) -> int:
        """1 if the name is there, else 0."""
        return int(name in self)

    def __len__(self) -> int:
        return len(self._pairs)

    def keys(self) -> list[str]:
        """The names in order, one for each value."""
        return [name for name, _ in self._pairs]

    def values(self) -> list[str]:
        """All values in order."""
        return [value for _, value in self._pairs]

    def items(self) -> Pairs:
        """All (name, value) in order."""
        return list(self._pairs)

    def iteritems(self) -> Iterator[tuple[str, str]]:
        """`items`, one by one; RuntimeError if the table grows or shrinks meanwhile."""
        size = len(self._pairs)
        for position in range(size):
            yield self._pairs[position]
            if len(self._pairs) != size:
                raise RuntimeError("table changed size during iteration")

    def iterkeys(self) -> Iterator[str]:
        """`keys`, one by one."""
        return (name for name, _ in self.iteritems())

    def itervalues(self) -> Iterator[str]:
        """`values`, one by one."""
        return (value for _, value in self.iteritems())

    __iter__ = iterkeys

    def __eq__(self, other: object) -> bool:
        """Equal are the same names (whatever their case) with the same values; to a dict as to its table."""
        if isinstance(other, Table):
            return self._look_up() == other._look_up()
        if isinstance(other, Mapping):
            return self._look_up() == {str(name).lower(): value for name, value in other.items()}
        return NotImplemented

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: {value!r}" for name, value in self._pairs) + "}"

    # ---- changing

    def __setitem__(self, name: str | bytes, value: str | bytes) -> None:
        name, value = self._checked(name, value)
        key = name.lower()
        index = self._index
        if index is None:
            index = self._look_up()
        if key not in index:
            self._pairs.append((name, value))
        elif type(index[key]) is str:
            position = next(i for i, pair in enumerate(self._pairs) if pair[0].lower() == key)
            self._pairs[position] = (self._pairs[position][0], value)
        else:  # the first of the duplicates stays, with the new value
            position = next(i for i, pair in enumerate(self._pairs) if pair[0].lower() == key)
            first = self._pairs[position][0]
            rest = [pair for pair in self._pairs[position + 1 :] if pair[0].lower() != key]
            self._pairs[position:] = [(first, value), *rest]
        index[key] = value

    def __delitem__(self, name: str | bytes) -> None:
        """Remove all values of a name; no error if there are none."""
        key = _text(name).lower()
        if key in self._look_up():
            self._remove(key)

    def add(self, key: str | bytes, val: str | bytes) -> None:
        """Add a value to those that the name has (manual 4.5.2)."""
        self._append_pair(*self._checked(key, val))

    def _append_pair(self, name: str, value: str) -> None:
        self._pairs.append((name, value))
        index = self._index
        if index is not None:
            lower = name.lower()
            if lower in index:
                self._append(index, lower, value)
            else:
                index[lower] = value

    def setdefault(self, name: str | bytes, default: str | bytes = "") -> str:
        """The first value of a name; it is set to the default before if it is missing."""
        found: str | None = self.get(name)
        if found is None:
            self[name] = default
            found = cast(str, self.get(name))
        return found

    def update(self, source: Source = (), /, **more: Any) -> None:
        """Set all pairs of a mapping, a table (with its duplicates) or a sequence of pairs; then those by keyword.

        :raises TypeError, ValueError: an element of the sequence is no pair.
        :raises AttributeError: it is none of these.
        """
        if not hasattr(source, "keys"):
            try:
                source = iter(source)
            except TypeError:
                raise AttributeError(f"{type(source).__name__!r} object has no attribute 'keys'") from None
        self._take(source)
        for name, value in more.items():
            self[name] = self._made(value)

    def _take(self, source: Source) -> None:
        if isinstance(source, Table):
            pairs = source.items()  # a copy: the source may be this table
            for key in {name.lower() for name, _ in pairs}:
                self._remove(key)
            for name, value in cast(Any, pairs):
                self._append_pair(*(name, value) if value is None else self._checked(name, value))
            return
        if hasattr(source, "keys"):
            mapping = cast(Mapping[Any, Any], source)
            for name in mapping.keys():  # noqa: SIM118  (what has it needs not have an iterator)
                self[self._made(name)] = self._made(mapping[name])
            return
        for number, element in enumerate(source):
            try:
                pair = tuple(element)
            except TypeError:
                raise TypeError(f"cannot convert table update sequence element #{number} to a sequence") from None
            if len(pair) != 2:
                raise ValueError(f"table update sequence element #{number} has length {len(pair)}; 2 is required")
            self[self._made(pair[0])] = self._made(pair[1])

    def put(self, found: Mapping[str, str]) -> None:
        """`update` for the engine's own: sound names that differ in more than their case, and sound values."""
        if self._pairs:
            self.update(found)
        else:
            self._pairs = list(found.items())
            self._index = None

    def settle(self) -> None:
        """Keep the last value alone of each name that has several: programs get no others."""
        if self._index is not None and len(self._index) < len(self._pairs):
            self._pairs[:] = self.copy().pairs()
            self._index = None

    @staticmethod
    def _made(value: object) -> str | bytes:
        return value if isinstance(value, str | bytes) else str(value)

    def clear(self) -> None:
        """Remove everything."""
        self._pairs.clear()
        self._index = None

    def copy(self) -> Self:
        """A table of the same kind; of duplicates the last value is copied, as the published one does."""
        if len(self._look_up()) == len(self._pairs):
            return self.from_pairs(self._pairs)
        return self.from_pairs({name.lower(): (name, value) for name, value in self._pairs}.values())

    def __reduce_ex__(self, protocol: Any, /) -> Any:
        """For `copy` and `pickle`, which find no class by the name that applications see."""
        if type(self) is Table or type(self) is HeaderTable:
            return restored, (type(self) is HeaderTable, self._pairs.copy())
        return super().__reduce_ex__(protocol)

    def popitem(self) -> tuple[str, str]:
        """Remove the first pair and return it. :raises KeyError: the table is empty."""
        if not self._pairs:
            raise KeyError("popitem(): table is empty")
        self._index = None
        return self._pairs.pop(0)


@named("mp_table")
class HeaderTable(Table):
    """A table of headers to be sent: what could split the response is refused when it is set.

    Names are tokens and values hold no CR, LF and NUL (ValueError); a value beyond latin-1 has no
    form on the wire (TypeError, as api 3.5 3.1 has it).
    """

    __slots__ = ()

    def _checked(self, name: object, value: object) -> tuple[str, str]:
        if type(name) is not str or type(value) is not str:
            name, value = _text(name), value.decode("latin-1") if isinstance(value, bytes) else _text(value)
        if not _is_token(name):
            raise ValueError(f"{name!r} can't be the name of a header")
        if not (value.isascii() and value.isprintable()):
            if _splits(value):
                raise ValueError(f"the value of header {name} has a line break or NUL in it: {value!r}")
            try:
                value.encode("latin-1")
            except UnicodeEncodeError:
                raise TypeError("not an ISO-8859-1 string") from None
        return name, value


def restored(headers: bool, pairs: Pairs) -> Table:
    """A table that was pickled; ``headers``: a `HeaderTable`."""
    return (HeaderTable if headers else Table).from_pairs(pairs)
