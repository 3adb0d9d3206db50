"""A section of a finished configuration: how it matches, and what it sets."""

from __future__ import annotations

from mpserver.config.settings import Conf, Setting, append
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

#: How a section's pattern is meant: as it stands; matching everything; with wildcards, in paths (which match no
#: slash) or in names; as a regular expression.
PLAIN, EVERYTHING, PATH_GLOB, NAME_GLOB, REGEX = "plain", "everything", "path", "name", "regex"


class Entry:
    """One section: how it matches, and what it sets.

    ``pattern`` is the path (a directory ends with a slash), wildcard or regular expression, and ``meant`` says
    which. ``depth`` counts a directory's slashes. Files sections inside it are in ``conf`` under `FILES`.
    ``regex`` is set for regular expressions, ``test`` is None for a plain path; both are compiled when first
    asked for. ``longest``: see `mpserver.config.regex.guarded`.
    """

    __slots__ = ("conf", "depth", "kind", "longest", "meant", "pattern", "place", "regex", "test")

    if TYPE_CHECKING:
        regex: re.Pattern[str] | None
        test: Callable[[str], object] | None
    else:

        def __getattr__(self, name: str) -> Any:
            # slots that are empty yet: called at most once for an entry
            if name not in ("regex", "test"):
                raise AttributeError(name)
            self.compile()
            return getattr(self, name)

    def __init__(self, kind: str, pattern: str, meant: str, conf: Conf | None = None, longest: int = 0) -> None:
        self.kind, self.pattern, self.meant, self.longest = kind, pattern, meant, longest
        self.conf = Conf() if conf is None else conf
        self.depth = pattern.count("/")
        #: The file and line where it stands, while the configuration is read: those that serve don't know.
        self.place: tuple[str, int] | None = None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.pattern}>"

    @property
    def is_plain(self) -> bool:
        """Whether it stands for its path alone."""
        return self.meant == PLAIN

    @property
    def is_regex(self) -> bool:
        """Whether its pattern is a regular expression."""
        return self.meant == REGEX

    @property
    def may_name(self) -> bool:
        """Whether its regular expression may have groups with names: it need not be compiled to see it has none."""
        return self.meant == REGEX and "(?" in self.pattern

    def compile(self) -> None:
        """Make ``regex`` and ``test``. :raises ConfigError: a regular expression can't be compiled."""
        regex: re.Pattern[str] | None = None
        test: Callable[[str], object] | None = None
        if self.meant == EVERYTHING:
            test = _always
        elif self.meant == REGEX:
            from mpserver.config.regex import guarded  # (only where there are such sections)

            regex = guarded(self.pattern, self.longest)
            test = regex.search
        elif self.meant != PLAIN:
            from mpserver.config.patterns import compile_glob  # (as above)

            test = compile_glob(self.pattern, path=self.meant == PATH_GLOB).fullmatch
        # (only now: threads that ask at once never see what is half made)
        self.regex, self.test = regex, test

    def to_plain(self) -> tuple[Any, ...]:
        """What `from_plain` makes the same of, see `mpserver.config.plain`."""
        return self.kind, self.pattern, self.meant, self.conf, self.longest

    @classmethod
    def from_plain(cls, kind: str, pattern: str, meant: str, conf: Conf, longest: int) -> Entry:
        """The inverse of `to_plain`."""
        return cls(kind, pattern, meant, conf, longest)


#: The Proxy sections of a server, which hold for URLs of other servers (httpd's mod_proxy).
PROXIES: Setting[tuple[Entry, ...]] = Setting("Proxy", (), append)

#: The Files sections that a scope brings; they are tested after all directories are merged.
FILES: Setting[tuple[Entry, ...]] = Setting("files", (), append)


def _always(_text: str) -> bool:
    """``<Location "">`` holds for every URI."""
    return True
