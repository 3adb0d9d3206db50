"""What the rules of a server, or of a directory, come to for a request."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mpserver.api import constants
from mpserver.api.response_head import RULING
from mpserver.http1.percent import encode_path, sendable
from mpserver.modules.expression_facts import add_vary
from mpserver.modules.hooks import PROXY_HANDLER, PROXY_PREFIX
from mpserver.modules.rewrite import (
    ALLOW_NO_SLASH,
    IGNORE_CONTEXT,
    LEGACY_PREFIX,
    DirectoryRules,
    ServerRules,
    templates,
)
from mpserver.modules.rewrite.rules import ABSOLUTE, Ready, Run, apply, is_absolute
from mpserver.modules.rewriting import Rewritten
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request

_NONE: frozenset[str] = frozenset()


class Effects:
    """What rules change of a request, beside the resource that it is for."""

    __slots__ = ("args", "cookies", "ended", "handler", "location", "passed_to", "type", "variables", "vary")

    def __init__(self, run: Run, location: str | None) -> None:
        self.args, self.ended = run.args, run.ended
        self.variables, self.cookies, self.vary = run.variables, run.cookies, run.vary
        self.type, self.handler, self.location = run.type, run.handler, location
        #: The URL of another server, which is to answer.
        self.passed_to: str | None = None
        if run.passed_on:
            self.passed_to = _passable(run.uri)  # (its query is the request's)

    def begin(self, req: Request) -> None:
        """Change the request, before its phases."""
        if self.location is None:
            req.mp_args = self.args
        if self.ended:
            req.mp_rewriting_ended = True
        if self.variables:
            table = req.subprocess_env
            for name, value in self.variables.items():
                if value is None:
                    del table[name]
                else:
                    table[name] = value
            if any(name.lower() in RULING for name in self.variables):
                req.mp_head_depends = True
        for cookie in self.cookies.values():
            req.err_headers_out.add("Set-Cookie", cookie)
        if self.vary:
            add_vary(req, self.vary)
        if self.location is not None:
            req.mp_headers_out_table()["Location"] = self.location

    def force(self, req: Request) -> None:
        """Set type and handler, after all others did."""
        if self.type is not None:
            req.mp_content_type = self.type
        if self.handler is not None:
            req.mp_handler = self.handler
        if self.passed_to is not None:
            req.mp_filename, req.mp_handler = PROXY_PREFIX + self.passed_to, PROXY_HANDLER
            req.mp_proxyreq, req.mp_is_directory = constants.PROXYREQ_REVERSE, False


def _passable(url: str) -> str:
    """A URL of another server with its path, which was decoded for the rules, as it is asked for."""
    start = url.find("://")
    slash = url.find("/", start + 3) if start >= 0 else -1
    return url if slash < 0 else url[:slash] + encode_path(url[slash:])


def has_ended(req: Request) -> bool:
    """Whether END has stopped the rules for a request, or for one that it goes on from."""
    at: Request | None = req
    while at is not None:
        if at.mp_rewriting_ended:
            return True
        at = at.mp_prev
    return False


def of_server(req: Request, rules: tuple[Ready, ...], own: ServerRules) -> Rewritten | None:
    """What the rules of a server make of a request; None: nothing."""
    if has_ended(req):
        return None
    run = Run(req, req.mp_uri, None, req.mp_plan.loader is None)
    changed = apply(rules, run)
    if run.status:
        return Rewritten(None, None, run.status, Effects(run, None))
    if not changed:
        if not (run.variables or run.cookies or run.vary or run.type or run.handler or run.ended):
            return None
        return Rewritten(None, None, 0, Effects(run, None))
    uri = run.uri
    if run.passed_on:
        passed = Effects(run, None)
        return Rewritten(None, f"{PROXY_PREFIX}{passed.passed_to}", 0, passed, no_file=True)
    if run.forced or is_absolute(uri):
        return Rewritten(None, None, run.forced or constants.HTTP_MOVED_TEMPORARILY, Effects(run, location(run, uri)))
    effects = Effects(run, None)
    if run.pass_through:
        return Rewritten(uri, None, 0, effects)
    clean = os.path.normpath("/" + uri.lstrip("/")) + ("/" if uri.endswith("/") and uri.strip("/") else "")
    if _names_a_file(uri, clean, run, own.options or _NONE):
        filename = clean
    else:
        root = req.mp_plan.document_root
        filename = root.rstrip("/") + clean if root else clean
    if filename.endswith("/") and not req.mp_uri.endswith("/") and os.path.isdir(filename):
        filename = filename.rstrip("/") or "/"  # (its name has no slash, as in httpd)
    if run.told:
        run.tell(1, f"go-ahead with {filename} [OK]")
    return Rewritten(None, filename, 0, effects)


def _names_a_file(written: str, path: str, run: Run, options: frozenset[str]) -> bool:
    """Whether a path is one of the file system, because its first segment is there.

    A segment that comes from the request is no such, unless a flag says so; and neither is what was a URL of this
    server. It has to be the first as the rule wrote it, too: with ``..`` in what the rule got from a query or a header,
    any other place would be reached (httpd looks at the written one, and lets the dots lead out of it).
    """
    last = run.last
    if run.reduced and LEGACY_PREFIX not in options:
        return False
    target = None if last is None else last.rule.target
    if target is not None and not templates.first_segment_is_plain(target) and not (last and last.flags.stat_prefix):
        return False
    first = path[1:].partition("/")[0]
    return bool(first) and written.lstrip("/").partition("/")[0] == first and os.path.exists("/" + first)


def location(run: Run, uri: str) -> str:
    """Where a redirect leads, as it is sent."""
    args = run.args
    raw = run.no_escape
    found = ABSOLUTE.match(uri)
    if not raw:
        uri = f"{found[1]}://{found[2]}{encode_path(found[3])}" if found else encode_path(uri)
    if args:
        uri += "?" + (_text(args) if raw or args == run.req.mp_args else encode_path(_text(args)))
    if run.told:
        run.tell(1, f"redirect to {uri} [REDIRECT/{run.forced or 302}]")
    return sendable(uri)  # (whatever the flags)


def _text(args: str) -> str:
    """A query as text of UTF-8: it has its bytes as latin-1."""
    return args if args.isascii() else args.encode("latin-1").decode("utf-8", "surrogateescape")


class Outcome(NamedTuple):
    """What the rules of a directory come to: a status to answer with, or a URI that the request goes on with."""

    effects: Effects
    status: int = 0
    uri: str | None = None


def of_directory(req: Request, rules: tuple[Ready, ...], own: DirectoryRules, silent: bool) -> Outcome | None:
    """What the rules of a section make of a request; None: nothing."""
    directory, options = own.directory, own.options or _NONE
    filename = req.mp_filename
    if directory is None or has_ended(req):
        return None
    if filename is not None and filename + "/" == directory and ALLOW_NO_SLASH not in options:
        return None  # (the folder's name will get its slash first)
    before = filename if filename is not None else req.mp_uri
    run = Run(req, before, directory, silent)
    changed = apply(rules, run)
    effects = Effects(run, None)
    if run.status:
        return Outcome(effects, run.status)
    if not changed:
        return Outcome(effects)
    uri = run.uri
    if run.passed_on:
        return Outcome(effects)
    if run.forced or is_absolute(uri):
        uri = _without_folder(uri, own)
        return Outcome(Effects(run, location(run, uri)), run.forced or constants.HTTP_MOVED_TEMPORARILY)
    if not uri.startswith("/"):
        run.complain(f"the rules make {uri!r} of {before}, which is no path: begin the target with a slash")
        return Outcome(effects, constants.HTTP_BAD_REQUEST)
    if uri == before and run.args == req.mp_args:
        if run.told:
            run.tell(1, f"initial URL equal rewritten URL: {uri} [IGNORING REWRITE]")
        return Outcome(effects)
    uri = _as_uri(req, uri, own, options)
    if run.told:
        run.tell(1, f"internal redirect with {uri} [INTERNAL REDIRECT]")
    uri = encode_path(uri)
    return Outcome(effects, uri=uri if run.args is None else f"{uri}?{run.args}")


def _without_folder(uri: str, own: DirectoryRules) -> str:
    """The folder in the path of a URL is what RewriteBase says."""
    found = ABSOLUTE.match(uri)
    directory, base = own.directory, own.base
    if found is None or base is None or directory is None or not found[3].startswith(directory):
        return uri
    return f"{found[1]}://{found[2]}{base}{found[3][len(directory) :]}"


def _as_uri(req: Request, path: str, own: DirectoryRules, options: frozenset[str]) -> str:
    """The path of a URI for what may be one of a file: by RewriteBase, an Alias, or DocumentRoot."""
    directory, base = own.directory, own.base
    if base is not None and directory is not None and path.startswith(directory):
        return base + path[len(directory) :]
    places: Sequence[tuple[str, str]] = [(req.mp_plan.document_root, "")]
    if IGNORE_CONTEXT not in options:
        places = [*_alias(req), *places]
    for folder, prefix in places:
        folder = folder.rstrip("/")
        if folder and (path == folder or path.startswith(folder + "/")):
            return prefix.rstrip("/") + path[len(folder) :] or "/"
    return path


def _alias(req: Request) -> list[tuple[str, str]]:
    """The folder of the request's Alias, and the URI that it has."""
    from mpserver.modules import alias

    found = alias.find(req.mp_uri, req.mp_server.conf)
    return [] if found is None or found.pattern is not None else [(found.target, found.prefix)]
