"""Plain data as bytes, and back, for what comes from processes that may not be trusted.

`pickle` runs what the bytes say, and `marshal` may crash on bytes that nobody wrote with it. What another process has
said is read here instead: only None, numbers, text, bytes, tuples, lists and dictionaries come out of it, and
everything else is a ValueError. Whether it has the right form is for `Shape` to say, or for its reader.

A value is a letter and what follows: nothing, or a length (4 bytes) and so many bytes, or a count (4 bytes) and so
many values.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from mpserver.typing import Any

#: How deep values may be in others, and how many digits numbers may have.
DEPTH, DIGITS = 32, 40

_COUNT = struct.Struct("!I")

#: Tells whether a value has some form.
Shape = Callable[[Any], bool]


# ---- values to bytes


def pack(value: Any) -> bytes:
    """A value as bytes. What inherits from a plain type counts as that.

    :raises TypeError: there is something in it that is not plain.
    """
    out: list[bytes] = []
    _write(value, out)
    return b"".join(out)


def _write(value: Any, out: list[bytes]) -> None:
    for kind in type(value).__mro__:
        if kind in _WRITERS:
            _WRITERS[kind](value, out)
            return
    raise TypeError(f"{type(value).__name__!r} is no plain data")


def _add(letter: bytes, data: bytes, out: list[bytes]) -> None:
    out += (letter, _COUNT.pack(len(data)), data)


def _write_all(letter: bytes, values: Any, out: list[bytes]) -> None:
    out += (letter, _COUNT.pack(len(values)))
    for value in values:
        _write(value, out)


def _write_dict(value: dict[Any, Any], out: list[bytes]) -> None:
    out += (b"d", _COUNT.pack(len(value)))
    for key, its in value.items():
        _write(key, out)
        _write(its, out)


_WRITERS: Mapping[type, Callable[[Any, list[bytes]], None]] = {
    type(None): lambda _value, out: out.append(b"N"),
    bool: lambda value, out: out.append(b"T" if value else b"F"),
    int: lambda value, out: _add(b"i", b"%d" % int(value), out),
    float: lambda value, out: out.append(b"f" + struct.pack("!d", value)),
    str: lambda value, out: _add(b"s", value.encode("utf-8", "surrogatepass"), out),
    bytes: lambda value, out: _add(b"b", bytes(value), out),
    tuple: lambda value, out: _write_all(b"t", value, out),
    list: lambda value, out: _write_all(b"l", value, out),
    dict: _write_dict,
}


# ---- bytes to values


def unpack(data: bytes) -> Any:
    """A value from what `pack` gave, or what somebody says that it gave.

    :raises ValueError: it did not.
    """
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise ValueError("bytes follow the data")
    return value


class _Reader:
    """Reads values one after another."""

    __slots__ = ("_data", "at")

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def value(self, depth: int) -> Any:
        letter = self._take(1)
        if letter in _CONSTANTS:
            return _CONSTANTS[letter]
        read = _READERS.get(letter)
        if read is None or depth > DEPTH:
            raise ValueError(f"{letter!r} begins no plain data here")
        return read(self, depth + 1)

    def _take(self, length: int) -> bytes:
        at, self.at = self.at, self.at + length
        if self.at > len(self._data):
            raise ValueError("the data ends too early")
        return self._data[at : self.at]

    def _count(self) -> int:
        count: int = _COUNT.unpack(self._take(_COUNT.size))[0]
        return count

    def _bytes(self, _depth: int) -> bytes:
        return self._take(self._count())

    def _text(self, _depth: int) -> str:
        return self._take(self._count()).decode("utf-8", "surrogatepass")

    def _number(self, _depth: int) -> int:
        digits = self._take(self._count())
        if not 0 < len(digits) <= DIGITS:
            raise ValueError("no number has so many digits")
        return int(digits)

    def _float(self, _depth: int) -> float:
        number: float = struct.unpack("!d", self._take(8))[0]
        return number

    def _list(self, depth: int) -> list[Any]:
        count = self._count()
        if count > len(self._data) - self.at:  # (each takes a byte at least)
            raise ValueError("the data ends too early")
        return [self.value(depth) for _ in range(count)]

    def _tuple(self, depth: int) -> tuple[Any, ...]:
        return tuple(self._list(depth))

    def _dict(self, depth: int) -> dict[Any, Any]:
        found = {}
        for _ in range(self._count()):
            key = self.value(depth)
            try:
                found[key] = self.value(depth)
            except TypeError as error:  # (a list is no key)
                raise ValueError(str(error)) from error
        return found

    #: What reads on, by the letter.
    READERS: Mapping[bytes, Callable[[_Reader, int], Any]] = {
        b"i": _number, b"f": _float, b"s": _text, b"b": _bytes, b"t": _tuple, b"l": _list, b"d": _dict,
    }  # fmt: skip


_CONSTANTS: Mapping[bytes, Any] = {b"N": None, b"T": True, b"F": False}
_READERS = _Reader.READERS


# ---- forms


def of(*kinds: type) -> Shape:
    """One of some types; that of None is ``type(None)``."""
    return lambda value: type(value) in kinds


def each(kind: type[tuple[Any, ...]] | type[list[Any]], shape: Shape) -> Shape:
    """A tuple or list whose values all have one form."""
    return lambda value: type(value) is kind and all(shape(its) for its in value)


def row(*shapes: Shape) -> Shape:
    """A tuple with a value of each form."""
    return lambda value: (
        type(value) is tuple
        and len(value) == len(shapes)
        and all(shape(its) for shape, its in zip(shapes, value, strict=True))
    )


def mapping(key: Shape, shape: Shape) -> Shape:
    """A dictionary whose keys have one form, and its values another."""
    return lambda value: type(value) is dict and all(key(name) and shape(its) for name, its in value.items())


def record(fields: Mapping[str, Shape]) -> Shape:
    """A dictionary with some of the fields, each in its form, and no others."""
    return lambda value: (
        type(value) is dict and all(name in fields and fields[name](its) for name, its in value.items())
    )


def either(*shapes: Shape) -> Shape:
    """One of some forms."""
    return lambda value: any(shape(value) for shape in shapes)


def shaped(data: bytes, shape: Shape) -> Any:
    """`unpack`, where the value has to have a form. :raises ValueError: it does not."""
    value = unpack(data)
    if not shape(value):
        raise ValueError("the data has not the form that it should have")
    return value
