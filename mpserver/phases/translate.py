"""From the path of a URI to a file and its configuration: httpd's translation and directory walk, in three steps.

::

    normalize   removes %-encoding, dots and double slashes; refuses what could mean another path
    resolve     asks the modules, of which the first that knows the path decides: aliases, then DocumentRoot
    walk        finds what exists of the file's path, what is left over (path_info), and the sections that apply

The usual cases are short: an existing file costs one ``stat``, a Location with Python handlers
costs none.
"""

from __future__ import annotations

import errno
import os
from stat import S_ISDIR, S_ISLNK

from mpserver import lazyre
from mpserver.api.error_log import ALERT, CRIT, ERROR, INFO
from mpserver.config.sections import Last, merge
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError, RequestError, Unread
from mpserver.http1 import percent
from mpserver.modules.core import ALLOW_ENCODED_SLASHES, MERGE_SLASHES
from mpserver.modules.paths import chain
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mpserver.config.sections import HtaccessLookup
    from mpserver.config.server import Server
    from mpserver.modules.hooks import Step, Translator

BAD_REQUEST, FORBIDDEN, NOT_FOUND, SERVER_ERROR = 400, 403, 404, 500

#: pct-encoded = "%" HEXDIG HEXDIG (RFC 3986 2.1)
#: and UTF-8 with more bytes than a character needs (RFC 3629 3), which is another character for whoever does not look.
BROKEN_ESCAPE = lazyre.now(
    r"%(?![0-9A-Fa-f]{2})|%[Cc][01]%[89ABab][0-9A-Fa-f]|%[Ee]0%[89][0-9A-Fa-f]|%[Ff]0%8[0-9A-Fa-f]"
)
ESCAPED_DOT = lazyre.now(r"%2[Ee]")
#: A slash or NUL that was hidden from whoever looked at the path before us.
HIDDEN = lazyre.now(r"%(?:2[Ff]|00)|\0")
ENCODED_SLASH = lazyre.compile(r"%(2[Ff])")
NUL = lazyre.compile(r"%00|\0")

#: stat says this of a file that is not there.
MISSING = (errno.ENOENT, errno.ENOTDIR)
#: So many missing names are looked for from the end of a path; if there are more, the search starts
#: at the root, where it ends at the first that is missing: a client can't make us look at thousands.
FROM_THE_END = 4


class Resource:
    """What a path stands for: a file or directory, a name that nothing exists by, or an error.

    ``filename`` is None where no file is meant (a Location with Python handlers, an error);
    ``path_info`` is None with it, else "" or the part of the path behind the file, with its slash.
    ``status``: 0, or the status to answer with (then ``reason`` says why, for the log at ``level``).
    """

    __slots__ = (
        "answer", "conf", "filename", "finfo", "handler", "is_directory", "is_elsewhere", "level", "path_info",
        "reason", "status", "uri",
    )  # fmt: skip

    def __init__(self, uri: str, conf: Conf) -> None:
        #: The decoded path, text of UTF-8 (bytes that are none: surrogate escapes).
        self.uri = uri
        #: The directory level of the configuration, all sections merged.
        self.conf = conf
        self.filename: str | None = None
        self.path_info: str | None = None
        #: What stat says of the file; None if there is none.
        self.finfo: os.stat_result | None = None
        self.is_directory = False
        #: It is another server's: there is no file.
        self.is_elsewhere = False
        #: The handler that a ScriptAlias forces.
        self.handler: str | None = None
        self.status = 0
        #: Answers its requests in place of all steps, and says with which status.
        self.answer: Step | None = None
        self.reason = ""
        #: One of the error log's levels.
        self.level = ERROR

    def answered(self, answer: Step) -> Resource:
        """The same for requests that are answered by the translation (a redirect)."""
        self.answer = answer
        return self

    def fail(self, status: int, reason: str, level: int = ERROR) -> Resource:
        """The same as an error."""
        self.status, self.reason, self.level = status, reason, level
        return self

    def __repr__(self) -> str:
        return f"<Resource {self.uri!r} {self.status or self.filename!r}>"


def normalize(path: str, conf: Conf | None = None) -> str:
    """The path of a request target, decoded and without dot segments and double slashes (RFC 3986 5.2.4, 6.2.2).

    :param path: as sent, bytes as latin-1.
    :param conf: of the server, which may let encoded slashes in (AllowEncodedSlashes), and double ones stay
        (MergeSlashes); None: neither.
    :returns: text of UTF-8; bytes that are none become surrogate escapes, as in ``os.fsdecode``.
    :raises RequestError: 400 for broken escapes and overlong UTF-8, no leading slash, and more ``..`` than segments;
        404 for an encoded slash or NUL (as httpd: whatever is asked for, no file is called that).
    """
    if (
        "%" not in path and "//" not in path and "/." not in path and "\0" not in path
        and path.isascii() and path[:1] == "/"
    ):  # fmt: skip
        return path
    if path[:1] != "/" or BROKEN_ESCAPE.search(path):
        raise RequestError(BAD_REQUEST, f"invalid URI path ({path})")
    merge_slashes = conf is None or conf[MERGE_SLASHES]
    if "%2" in path:
        path = ESCAPED_DOT.sub(".", path)
    if "//" in path or "/." in path:
        path = _without_dots(path, merge_slashes)
    if HIDDEN.search(path):
        encoded = "off" if conf is None else conf[ALLOW_ENCODED_SLASHES]
        if encoded == "off" or NUL.search(path):
            raise RequestError(NOT_FOUND, f"an encoded slash or NUL in the URI path ({path})")
        if encoded == "on":
            path = _without_dots(ENCODED_SLASH.sub("/", path), merge_slashes, clamped=True)
        else:
            path = ENCODED_SLASH.sub(r"%25\1", path)  # (its percent sign is what is decoded)
    return percent.decode(path.encode("latin-1")).decode("utf-8", "surrogateescape")


def _without_dots(path: str, merge_slashes: bool = True, *, clamped: bool = False) -> str:
    """A path without dot segments.

    :param merge_slashes: and without empty ones; else only those at its very beginning go.
    :param clamped: what leads above the root leads to the root, as it does in httpd once slashes were decoded.
    """
    kept: list[str] = []
    segment = ""
    segments = path.lstrip("/").split("/")
    for segment in segments[:-1]:
        _step(kept, segment, path, merge_slashes, clamped)
    segment = segments[-1]
    if segment:
        _step(kept, segment, path, merge_slashes, clamped)
    is_directory = segment in ("", ".", "..") and kept
    return "/" + "/".join(kept) + ("/" if is_directory else "")


def _step(kept: list[str], segment: str, path: str, merge_slashes: bool, clamped: bool) -> None:
    """Go on by one segment of a path; ``kept``: those on the way to it."""
    if segment == "..":
        if kept:
            kept.pop()
        elif not clamped:
            raise RequestError(BAD_REQUEST, f"the URI path leads above the root ({path})")
    elif segment != "." and (segment or not merge_slashes):
        kept.append(segment)


def resolve(site: Paths, uri: str, htaccess: HtaccessLookup | None, beside: str = "") -> Resource:
    """What a path of a request target stands for on a server.

    :param uri: the path as sent, %-encoded.
    :param htaccess: where .htaccess files are read, None for nowhere.
    :param beside: see `walk`.
    """
    server = site.server
    try:
        path = normalize(uri, server.conf)
    except RequestError as error:
        level = INFO if error.status == NOT_FOUND else ERROR
        return Resource(uri, server.sections.base).fail(error.status, error.reason, level)
    return translated(site, path, htaccess, beside)


def translated(site: Paths, path: str, htaccess: HtaccessLookup | None, beside: str) -> Resource:
    """The same for a path that is decoded already."""
    server = site.server
    conf = server.sections.base
    if server.sections.locations:
        conf = merge(server, path, (), None, "")
    for translate in site.translators:
        found = translate(path, conf, server)
        if found is not None:
            if found.answer is not None:
                return Resource(path, conf).answered(found.answer)
            if found.filename is None:
                return Resource(path, conf)
            if found.sections is not None:
                return elsewhere(server, path, found.filename, found.sections)
            resource = walk(server, path, found.filename, htaccess, beside)
            resource.handler = found.handler
            if found.scope is not None:
                resource.conf = server.sections.step(resource.conf, found.scope)
            return resource
    return Resource(path, conf)


def elsewhere(server: Server, path: str, name: str, sections: Sequence[Conf] = ()) -> Resource:
    """The resource of another server.

    :param path: decoded, for Location sections.
    :param name: what it has as its file's name.
    :param sections: hold for it in place of those of directories.
    """
    its = server.sections
    conf = its.base
    for section in (*sections, *(entry.conf for entry in its.for_location(path))):
        conf = its.step(conf, section)
    resource = Resource(path, conf)
    resource.filename, resource.is_elsewhere = name, True
    return resource


class Paths(Protocol):
    """A server, and what its modules make of paths: see ``translate_path`` in `mpserver.modules.hooks`."""

    @property
    def server(self) -> Server:
        """Its settings and sections."""

    @property
    def translators(self) -> Sequence[Translator]:
        """In the order in which they are asked."""


def walk(server: Server, uri: str, filename: str, htaccess: HtaccessLookup | None, beside: str = "") -> Resource:
    """What exists of a file's path, and the configuration there.

    :param uri: the decoded path, for Location sections.
    :param filename: absolute; may name more than exists: the rest becomes path_info.
    :param beside: the directory (with its slash) of the request that looks for this file.
    """
    if "/." in filename or "//" in filename:
        filename = _clean(filename)
    rest = ""
    found: os.stat_result | None = None
    try:
        try:
            found = os.stat(filename)
        except OSError as error:
            if error.errno not in MISSING:
                raise
            filename, rest, found = _existing(filename)
    except OSError as error:
        # The sections of directories that can't be looked at are not worked out.
        resource = _failed(server, uri)
        resource.filename, resource.path_info = filename, ""
        return resource.fail(FORBIDDEN, f"access to {uri} failed ({filename}): {error.strerror}")
    is_directory = found is not None and S_ISDIR(found.st_mode)
    directory, _, name = filename.rpartition("/")
    if is_directory and name:
        directory = filename
    try:
        last = Last.MISSING if found is None else Last.DIRECTORY if is_directory and name else Last.FILE
        if beside == directory + "/" and not is_directory:
            last = Last.BESIDE
        conf = merge(server, uri, chain(directory + "/"), htaccess, name, last)
    except Unread:
        raise  # for this request alone: what is answered here, may be kept
    except ConfigError as error:
        # A fault has its line; an error without a place is a file that can't be read: closed, as in httpd.
        if error.file is None:
            return _failed(server, uri).fail(FORBIDDEN, str(error), CRIT)
        return _failed(server, uri).fail(SERVER_ERROR, f"{error.file}:{error.line}: {error.message}", ALERT)
    resource = Resource(uri, conf)
    resource.filename = filename
    resource.path_info = rest
    resource.finfo = found
    resource.is_directory = is_directory
    return resource


def _failed(server: Server, uri: str) -> Resource:
    """A resource whose sections can't be worked out: those of the server level and of Locations hold."""
    return Resource(uri, merge(server, uri, (), None, ""))


def _existing(path: str) -> tuple[str, str, os.stat_result | None]:
    """Split a path that does not exist as a whole.

    :returns: the file or first missing name, the rest of the path with its slash, what stat says.
    :raises OSError: a part can't be looked at, or is a link that leads nowhere.
    """
    at = len(path)
    for _ in range(FROM_THE_END):
        end, at = at, path.rfind("/", 0, at)
        if at <= 0:
            return _first_missing(path, end)
        try:
            found = os.stat(path[:at])
        except OSError as error:
            if error.errno not in MISSING:
                raise
            continue
        if not S_ISDIR(found.st_mode):
            return path[:at], path[at:], found
        return _first_missing(path, end)
    return _from_root(path)


def _from_root(path: str) -> tuple[str, str, os.stat_result | None]:
    """As `_existing`, from the other end."""
    start = 0
    while True:
        end = path.find("/", start + 1)
        if end < 0:
            end = len(path)
        try:
            found = os.stat(path[:end])
        except OSError as error:
            if error.errno not in MISSING:
                raise
            return _first_missing(path, end)
        if not S_ISDIR(found.st_mode) or end == len(path):
            return path[:end], path[end:], found
        start = end


def _first_missing(path: str, end: int) -> tuple[str, str, None]:
    """The name up to ``end``, which is missing in a directory that exists, and the rest.

    :raises OSError: there is a link of that name, only what it leads to is missing.
    """
    missing = path[:end]
    try:
        link = os.lstat(missing)
    except OSError as error:
        if error.errno not in MISSING:
            raise
    else:
        if S_ISLNK(link.st_mode):
            raise OSError(errno.ENOENT, "a link that leads nowhere", missing)
    return missing, path[end:], None


def _clean(filename: str) -> str:
    """Without the dot segments and double slashes that an alias put together; a trailing slash stays."""
    cleaned = os.path.normpath(filename)
    if cleaned.startswith("//"):
        cleaned = cleaned[1:]
    if cleaned != "/" and filename.endswith(("/", "/.", "/..")):
        cleaned += "/"
    return cleaned
