"""Redirect, RedirectMatch and their kin: requests that are sent elsewhere (httpd's mod_alias)."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.api import constants
from mpserver.http1 import percent
from mpserver.modules.alias import LOCATION_REDIRECT, REDIRECTS, LocationRedirect, Redirect
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.settings import Conf
    from mpserver.modules.hooks import Step

#: scheme://authority, path, query and fragment of a target (RFC 3986 B, loosely: the configuration wrote it)
_TARGET = lazyre.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?([^?#]*)(.*)", 16)  # re.DOTALL


def of_server(path: str, conf: Conf, location: Conf) -> Redirect | LocationRedirect | None:
    """The redirect of a decoded path: that of the innermost Location, else the server's first that matches."""
    own = location[LOCATION_REDIRECT]
    return own if own is not None else _first(conf[REDIRECTS], path)


def _first(redirects: tuple[Redirect, ...], path: str) -> Redirect | None:
    return next((redirect for redirect in redirects if redirect.target_of(path) is not None), None)


def answer(req: Request, redirect: Redirect | LocationRedirect) -> int:
    """Send a request where a redirect leads. :returns: the status."""
    if not 300 <= redirect.status < 400:
        return redirect.status
    if isinstance(redirect, LocationRedirect):
        from mpserver.config.sections import captures_of_location  # (few Locations have one)
        from mpserver.modules import expressions

        for name, value in captures_of_location(req.mp_host.server, req.mp_uri).items():
            req.subprocess_env[name] = value
        target = _escaped(expressions.text(redirect.target, expressions.RequestFacts(req)))
    elif redirect.pattern is not None:
        target = _escaped(redirect.target_of(req.mp_uri) or "")
    else:
        target = redirect.target + percent.encode_path(req.mp_uri[len(redirect.prefix) :])
    if target.startswith("/"):
        target = req.construct_url(target)
    target = percent.sendable(target)
    if req.mp_args and "?" not in target:
        target += "?" + req.mp_args
    req.mp_headers_out_table()["Location"] = target
    return redirect.status


def _escaped(target: str) -> str:
    """A target into which parts of the request were put: its path percent-encoded."""
    found = _TARGET.fullmatch(target)
    if found is None:
        return percent.encode_path(target)
    return (found[1] or "") + percent.encode_path(found[2]) + found[3]


def in_directory(redirects: tuple[Redirect, ...]) -> Step:
    """The step for those of Directory sections and .htaccess files, of which the innermost come first."""

    def redirect(req: Request) -> int:
        found = _first(redirects, req.mp_uri)
        return constants.DECLINED if found is None else answer(req, found)

    return redirect
