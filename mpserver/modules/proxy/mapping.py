"""From the path of a request to the URL of another server: ProxyPass and ProxyPassMatch.

Whatever a request says, it reaches the server that the configuration names: the path of a request is encoded before
it becomes a part of a URL, and a URL whose host it would change is refused.
"""

from __future__ import annotations

from mpserver import lazyre
from mpserver.config import references
from mpserver.config.entries import PROXIES
from mpserver.config.settings import Conf
from mpserver.errors import RequestError
from mpserver.http1 import percent
from mpserver.modules import paths
from mpserver.modules.core import ALLOW_ENCODED_SLASHES
from mpserver.modules.hooks import PROXY_PREFIX
from mpserver.modules.proxy import LOCATION_PASS, PASS_INHERIT, PASSED, PASSES, Pass
from mpserver.modules.proxy.targets import split_url
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.entries import Entry
    from mpserver.config.server import Server

#: Segments that lead upwards, or nowhere, in a path that is not decoded.
_DOTS = lazyre.compile(r"/(?:\.|%2[Ee]){1,2}(?:/|\Z)")
_ENCODED_PERCENT = lazyre.compile(r"%25(2[Ff])")


class Mapping:
    """The ProxyPass directives of a server."""

    __slots__ = ("_confs", "_proxies", "_server", "passes")

    def __init__(self, server: Server) -> None:
        self._server = server
        conf = server.conf if server.conf[PASS_INHERIT] else server.own_conf
        self.passes: tuple[Pass, ...] = conf[PASSES]
        self._proxies = server.conf[PROXIES]
        #: The marks of what has led a request: one for each, so that plans are found by them.
        self._confs: dict[Pass, Conf] = {}

    def find(self, path: str, location: Conf) -> tuple[Pass, str] | None:
        """What leads a decoded path elsewhere, and to which URL; None: it stays here.

        :param location: what Location sections have set for it.
        """
        own = location[LOCATION_PASS]
        if own is not None and (found := url_of(own, path, self.keeps_slashes)) is not None:
            return (own, found) if found else None
        for each in self.passes:
            if (found := url_of(each, path, self.keeps_slashes)) is not None:
                return (each, found) if found else None
        return None

    @property
    def keeps_slashes(self) -> bool:
        """Whether slashes that are encoded stay so (AllowEncodedSlashes NoDecode)."""
        return self._server.conf[ALLOW_ENCODED_SLASHES] == "nodecode"

    def sections(self, by: Pass, url: str) -> tuple[Conf, ...]:
        """What holds for a URL: the Proxy sections of the server, and what has led there."""
        mark = self._confs.get(by)
        if mark is None:
            mark = self._confs[by] = Conf({PASSED: by})
        return (*(entry.conf for entry in self._proxies if holds(entry, url)), mark)


def holds(entry: Entry, url: str) -> bool:
    """Whether a Proxy section holds for a URL: a plain one for those that begin with it."""
    test = entry.test
    return url.startswith(entry.pattern) if test is None else bool(test(url))


def url_of(by: Pass, path: str, keeps_slashes: bool = False) -> str | None:
    """The URL that a decoded path is led to: "" for one that stays here, None where nothing is said of it."""
    if by.pattern is not None:
        found = by.pattern.search(path)
        if found is None or not by.target:
            return None if found is None else ""
        url = references.in_target(by.target, found, lambda part: encoded(part, keeps_slashes))
        # (as in httpd: a target that takes nothing from the path is followed by all of it)
        return url + encoded(path, keeps_slashes) if url == by.target else url
    rest = paths.after(by.prefix, path)
    if rest is None or not by.target:
        return None if rest is None else ""
    return by.target + encoded(rest, keeps_slashes)


def encoded(path: str, keeps_slashes: bool) -> str:
    """A decoded path as a part of a URL."""
    text = percent.encode_path(path)
    return _ENCODED_PERCENT.sub(r"%\1", text) if keeps_slashes else text


def url_for(req: Request) -> str:
    """The URL of a request, with its query.

    :raises RequestError: it would lead to another server than the one that is configured.
    """
    url = (req.mp_filename or "").removeprefix(PROXY_PREFIX)
    by: Pass | None = req.mp_plan.conf[PASSED]
    if by is None:
        return _with_query(url, req.mp_args)
    if by.nocanon and req.mp_prev is None and not _DOTS.search(req.mp_head.path):
        url = _as_it_came(by, req.mp_head.path) or url
    if by.pattern is not None:
        base = split_url(references.TARGET.split(by.target, maxsplit=1)[0])[0]
    else:
        base = split_url(by.target)[0]
    if not url.startswith(base) or url[len(base) : len(base) + 1] not in ("", "/", "?"):
        raise RequestError(400, f"{url} would be another server than that of {by.target}: end both with a slash")
    return url if by.noquery else _with_query(url, req.mp_args)


def _as_it_came(by: Pass, raw: str) -> str | None:
    """The URL for a path that is not decoded (nocanon); None where only the decoded one leads there."""
    if by.pattern is None:
        rest = paths.after(by.prefix, raw)
        return None if rest is None else by.target + rest
    found = by.pattern.search(raw)
    if found is None:
        return None
    url = references.in_target(by.target, found)
    return url + raw if url == by.target else url


def _with_query(url: str, query: str | None) -> str:
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"
