"""Methods that a part of the configuration is limited to (httpd's ``<Limit>`` and ``<LimitExcept>``)."""

from __future__ import annotations

from mpserver.typing import NamedTuple


class Methods(NamedTuple):
    """Some methods, as requests name them: these, or with ``others`` all but these. What counts for GET does for HEAD.

    ``section``: the name of the section that says so.
    """

    names: tuple[str, ...]
    others: bool
    section: str

    def covers(self, method: str) -> bool:
        """Whether requests of a method are among them."""
        return (("GET" if method == "HEAD" else method) in self.names) is not self.others


def holds_for(methods: Methods | None, method: str) -> bool:
    """Whether what is limited to some methods (None: it is not) holds for requests of a method."""
    return methods is None or methods.covers(method)


def of_section(section: str, words: tuple[str, ...]) -> Methods:
    """The methods that the words of a ``<Limit>`` or ``<LimitExcept>`` mean."""
    names = tuple(dict.fromkeys("GET" if word == "HEAD" else word for word in words))
    return Methods(names, section.lower() == "limitexcept", section)
