"""``mod_python.cache``: values that are built when they are asked for, and kept while they are fresh.

    Cache           of values that ``build`` makes, by names; a bounded one forgets what was asked for least recently
    WeakCache       keeps values only while others use them
    FileCache       the contents of files, read anew when they change
    ModuleCache     modules made of files; they are not in ``sys.modules``
    HTTPCache       what URLs give, asked for again when it is not fresh any more
    HttpModuleCache modules made of what URLs give
    FunctionCache   the results of a function, by its arguments

Any number of threads may use a cache. One name is built by one thread at a time, and others meanwhile.
"""

from __future__ import annotations

import re
import types
import weakref
from calendar import timegm
from collections import OrderedDict
from collections.abc import Callable
from email.utils import parsedate
from os import stat
from threading import Lock
from time import mktime, time

from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib.request import Request

__all__ = [
    "NOT_INITIALIZED", "Cache", "Entry", "FileCache", "FunctionCache", "HTTPCache", "HTTPEntity", "HttpModuleCache",
    "Lock", "ModuleCache", "WeakCache", "mktime", "parseRFC822Time", "parsedate", "re_max_age", "re_not_word", "stat",
    "time", "timegm",
]  # fmt: skip

#: The value of an entry that has none yet.
NOT_INITIALIZED: Any = object()

re_max_age = re.compile(r"max-age\s*=\s*(\d+)", re.IGNORECASE)
re_not_word = re.compile(r"\W+")
#: What a server answers where nothing has changed.
NOT_MODIFIED = 304


class Entry:
    """What is kept for a key. Classes that override ``check`` and ``build`` may put attributes of their own on it."""

    def __init__(self, key: Any) -> None:
        self._key, self._value, self._lock = key, NOT_INITIALIZED, Lock()

    @property
    def key(self) -> Any:
        """The key."""
        return self._key

    @property
    def lock(self) -> Any:
        """Held while the value is looked at or built."""
        return self._lock

    @property
    def value(self) -> Any:
        """The value, or `NOT_INITIALIZED`."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value = value


class Cache:
    """Values by names. Make a class of it that has ``build``; ``check`` tells whether a value is fresh."""

    def __init__(self, max_size: int = 0) -> None:
        """``max_size``: how many are kept; 0: all."""
        self._maxsize = max_size
        #: In the order of their use, where that counts.
        self._dict: OrderedDict[Any, Entry] = OrderedDict()
        self._lock = Lock()

    def __setitem__(self, name: Any, value: Any) -> None:
        """Keep a value."""
        entry = self._get_entry(self.key(name))
        with entry.lock:
            self._pack(entry, value)
            self.commit()

    def __getitem__(self, name: Any) -> Any:
        """The value; built where there is none, or none that is fresh. :raises Exception: what that raises."""
        return self._checkitem(name)[2]

    def __delitem__(self, name: Any) -> None:
        """Forget a value. :raises KeyError: there is none."""
        with self._lock:
            del self._dict[self.key(name)]

    def _get_entry(self, key: Any) -> Entry:
        with self._lock:
            entry = self._dict.get(key)
            if entry is None:
                entry = self._dict[key] = Entry(key)
                if self._maxsize and len(self._dict) > self._maxsize:
                    self._dict.popitem(last=False)
            elif self._maxsize:
                self._dict.move_to_end(key)
            return entry

    def _checkitem(self, name: Any) -> tuple[bool, Any, Any, Entry]:
        """Whether the value had to be built, its key, the value, and its entry."""
        key = self.key(name)
        entry = self._get_entry(key)
        with entry.lock:
            value = self._unpack(entry)
            opened = self.check(key, name, entry)
            is_new = value is NOT_INITIALIZED or opened is not None
            if is_new:
                value = self.build(key, name, opened, entry)
                self._pack(entry, value)
                self.commit()
            return is_new, key, value, entry

    def mru(self) -> Any:
        """The key that was used most recently; None where that does not count, or there is none."""
        with self._lock:
            return next(reversed(self._dict), None) if self._maxsize else None

    def lru(self) -> Any:
        """The key that was used least recently; None where that does not count, or there is none."""
        with self._lock:
            return next(iter(self._dict), None) if self._maxsize else None

    def key(self, name: Any) -> Any:
        """The key for a name (to be overridden)."""
        return name

    def commit(self) -> None:
        """Called when a value was kept (to be overridden)."""

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._dict.clear()

    def check(self, key: Any, name: Any, entry: Entry) -> Any:
        """None where a value is fresh, else what ``build`` gets as ``opened`` (to be overridden)."""
        return None

    def build(self, key: Any, name: Any, opened: Any, entry: Entry) -> Any:
        """Make the value (to be overridden)."""
        raise NotImplementedError

    def _pack(self, entry: Entry, value: Any) -> None:
        entry.value = value

    def _unpack(self, entry: Entry) -> Any:
        return entry.value


class WeakCache(Cache):
    """Keeps values only while somebody else uses them."""

    def _pack(self, entry: Entry, value: Any) -> None:
        entry.value = weakref.ref(value, lambda gone: self._forget(entry, gone))

    def _unpack(self, entry: Entry) -> Any:
        reference = entry.value
        value = None if reference is NOT_INITIALIZED else reference()
        return NOT_INITIALIZED if value is None else value

    def _forget(self, entry: Entry, gone: object) -> None:
        if entry.value is gone:
            self._dict.pop(entry.key, None)


class FileCache(Cache):
    """The contents of files by their names, read again when their modification time is another."""

    def __init__(self, max_size: int = 0, mode: str = "rb") -> None:
        """``mode``: how files are opened."""
        super().__init__(max_size)
        self.mode = mode

    def check(self, key: Any, name: Any, entry: Entry) -> Any:
        """The opened file, where it has to be read. :raises OSError: it can't be."""
        changed = stat(key).st_mtime
        if entry.value is not NOT_INITIALIZED and getattr(entry, "_timestamp", None) == changed:
            return None
        entry._timestamp = changed  # type: ignore[attr-defined]  # noqa: SLF001  # (entries take any)
        return open(key, self.mode, encoding=None)

    def build(self, key: Any, name: Any, opened: Any, entry: Entry) -> Any:
        """What the file holds."""
        with opened:
            return opened.read()


def parseRFC822Time(t: str) -> float:
    """The seconds of a date as headers have it, for differences between such.

    :raises TypeError: it is none.
    """
    return mktime(parsedate(t))  # type: ignore[arg-type]


class HTTPEntity:
    """What a URL gave, and its headers."""

    def __init__(self, entity: bytes, metadata: dict[str, str]) -> None:
        self.entity, self.metadata = entity, metadata

    def __repr__(self) -> str:
        return f"HTTPEntity({self.entity!r}, {self.metadata})"

    def __str__(self) -> str:
        return self.entity.decode("utf-8", "replace")


class HTTPCache(Cache):
    """What URLs give, as `HTTPEntity`.

    It is kept as long as max-age or Expires say, and then asked for by its ETag or Last-Modified.
    """

    def check(self, key: Any, name: Any, entry: Entry) -> Any:
        """The response, where there is a new one. :raises urllib.error.URLError: it can't be had."""
        import urllib.error
        import urllib.request

        if time() < getattr(entry, "_expires", 0.0):
            return None
        request = urllib.request.Request(key)  # noqa: S310 - the application names the URL
        self._ask(request, getattr(entry, "_validator", None))
        try:
            opened = urllib.request.urlopen(request)  # noqa: S310 - the application names the URL
        except urllib.error.HTTPError as error:
            if error.code != NOT_MODIFIED:
                raise
            error.close()
            return None
        headers = opened.info()
        expires, validator = _fresh_until(headers), _validator(headers)
        entry._expires, entry._validator = expires, validator  # type: ignore[attr-defined]  # noqa: SLF001
        return opened

    @staticmethod
    def _ask(request: Request, validator: tuple[str, str] | None) -> None:
        """Ask only for what has changed."""
        if validator is not None:
            request.add_header(*validator)

    def build(self, key: Any, name: Any, opened: Any, entry: Entry) -> Any:
        """The entity with its headers."""
        with opened:
            return HTTPEntity(opened.read(), dict(opened.info()))


def _fresh_until(headers: Any) -> float:
    """Until when a response is fresh, in seconds since the epoch; 0: it never is."""
    found = re_max_age.search(headers["cache-control"] or "")
    if found is not None:
        return time() + int(found[1])
    date, expires = (parsedate(headers[name] or "") for name in ("date", "expires"))
    return 0.0 if date is None or expires is None else time() + mktime(expires) - mktime(date)


def _validator(headers: Any) -> tuple[str, str] | None:
    """The header by which a newer response is asked for."""
    for asked, name in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified")):
        if headers[name]:
            return asked, headers[name]
    return None


def _module(name: str, source: Any) -> types.ModuleType:
    module = types.ModuleType(re_not_word.sub("_", name))
    module.__file__ = name
    exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - a module of the application
    return module


class ModuleCache(FileCache):
    """Modules by the names of their files; they are not in ``sys.modules``."""

    def __init__(self, max_size: int = 0) -> None:
        super().__init__(max_size, "rb")

    def build(self, key: Any, name: Any, opened: Any, entry: Entry) -> Any:
        """The module. :raises Exception: what executing it raises."""
        return _module(key, super().build(key, name, opened, entry))


class HttpModuleCache(HTTPCache):
    """Modules by the URLs of their sources; they are not in ``sys.modules``."""

    def build(self, key: Any, name: Any, opened: Any, entry: Entry) -> Any:
        """The module. :raises Exception: what executing it raises."""
        return _module(key, super().build(key, name, opened, entry).entity)


class FunctionCache(Cache):
    """The results of a function by its arguments, which have to be hashable."""

    def __init__(self, function: Callable[..., Any], max_size: int = 0) -> None:
        super().__init__(max_size)
        self.function = function

    def __call__(self, *args: Any, **kw: Any) -> Any:
        """The result."""
        return self[args, tuple(kw.items())]

    def build(self, key: Any, name: Any, opened: Any, entry: Entry) -> Any:
        """Call the function. :raises Exception: what that raises."""
        args, kw = key
        return self.function(*args, **dict(kw))
