"""httpd's core directives: what a server is called, where things lie, limits, logs, error pages.

What acts while the configuration is read, sections, names of hosts and AllowOverride belong to
`mpserver.config`; the directives among them are only listed here.
"""

from __future__ import annotations

import os

from mpserver.api import cgi_variables
from mpserver.api.kept_body import Room
from mpserver.api.syslog import is_syslog
from mpserver.config.expression import Expression
from mpserver.config.settings import Conf, Setting, append, update
from mpserver.http1.ranges import LIMITS
from mpserver.modules import paths
from mpserver.modules.core.file_etag import FileETag
from mpserver.modules.core.file_etag import merge as merge_etag
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.error_style import Lines


class Listen(NamedTuple):
    """One Listen: host None is every address; the port; the protocol, "http" if none is named.

    Or a ``file``, with its permissions, and whose it is ("": the workers'); or the ``name`` of a socket that is passed
    to the server (ListenFdName).
    """

    host: str | None
    port: int
    protocol: str
    file: str = ""
    mode: int = 0o660
    owner: str = ""
    group: str = ""
    name: str = ""


class LogLevels(NamedTuple):
    """LogLevel: the level of its scope (None: inherited) and those of modules, as APLOG_* numbers (trace8: 15)."""

    level: int | None
    modules: dict[str, int]


def _merge_levels(outer: LogLevels, inner: LogLevels) -> LogLevels:
    level = outer.level if inner.level is None else inner.level
    return LogLevels(level, {**outer.modules, **inner.modules})


class Mutex(NamedTuple):
    """A Mutex directive's mechanism, and the directory of its file (None: httpd's default)."""

    mechanism: str
    directory: str | None


#: A note of a request: its connection is not good enough, whoever the user is (SSLOptions StrictRequire).
FORBIDDEN_NOTE = "ssl-access-forbidden"

#: Where things lie when nobody says otherwise.
DEFAULT_ROOT = "/etc/mpserver"

SERVER_ROOT = Setting("ServerRoot", DEFAULT_ROOT)
SERVER_ADMIN = Setting("ServerAdmin", cgi_variables.NOBODY)
#: Whether Protocols names acme-tls/1. Server level.
ACME_TLS: Setting[bool] = Setting("Protocols acme-tls/1", False, travels=False)
SERVER_PATH: Setting[str | None] = Setting("ServerPath", None)
#: "full", "os", "minimal", "minor", "major" or "prod": how much the Server header tells.
SERVER_TOKENS = Setting("ServerTokens", "full")
LISTEN: Setting[tuple[Listen, ...]] = Setting("Listen", (), append)
DOCUMENT_ROOT = Setting("DocumentRoot", f"{DEFAULT_ROOT}/htdocs")
#: Seconds.
TIMEOUT = Setting("Timeout", 60.0)
KEEP_ALIVE = Setting("KeepAlive", True)
#: Whether the status tells what requests cost.
EXTENDED_STATUS = Setting("ExtendedStatus", True)
#: Seconds.
KEEP_ALIVE_TIMEOUT = Setting("KeepAliveTimeout", 5.0)
#: 0: unlimited.
MAX_KEEP_ALIVE_REQUESTS = Setting("MaxKeepAliveRequests", 100)
LIMIT_REQUEST_LINE = Setting("LimitRequestLine", 8190)
#: 0: unlimited.
LIMIT_REQUEST_FIELDS = Setting("LimitRequestFields", 100)
LIMIT_REQUEST_FIELD_SIZE = Setting("LimitRequestFieldSize", 8190)
#: Bytes, 0: unlimited. Directory level.
LIMIT_REQUEST_BODY = Setting("LimitRequestBody", 1 << 30)
#: What is kept in memory of a body that is taken in before its handler runs, in bytes. Directory level, as the next.
REQUEST_BODY_BUFFER = Setting("RequestBodyBuffer", 1 << 20)
#: How many header fields a response may have, and how many bytes its head; 0: unlimited. Server level.
LIMIT_RESPONSE_FIELDS = Setting("LimitResponseFields", 1000)
LIMIT_RESPONSE_HEAD = Setting("LimitResponseHead", 1 << 20)


class Spool(NamedTuple):
    """RequestBodySpool, ResponseSpool: the directory of the files (None: the system's), and the most bytes of one.

    The latter is None for LimitRequestBody, or of responses for `MOST_SPOOLED`.
    """

    directory: str | None
    most: int | None


REQUEST_BODY_SPOOL = Setting("RequestBodySpool", Spool(None, None))
#: Whether handlers read bodies as they come.
REQUEST_BODY_STREAMING = Setting("RequestBodyStreaming", False)
#: The longest body that is spooled where nothing limits them.
LONGEST_SPOOLED = 1 << 30
#: What is kept in memory of a response that its client takes slowly, in bytes. Server level, as the next.
RESPONSE_BUFFER = Setting("ResponseBuffer", 1 << 20)
#: The directory for longer ones, and the most bytes of a response there.
RESPONSE_SPOOL = Setting("ResponseSpool", Spool(None, None))
#: As many where ResponseSpool does not say so.
MOST_SPOOLED = 1 << 27
#: What all slow clients together may have in memory and on the disk, in bytes. Of the whole server.
SLOW_CLIENT_MEMORY = Setting("SlowClientMemory", 1 << 29)
SLOW_CLIENT_DISK = Setting("SlowClientDisk", 1 << 34)
#: An absolute path, "|command", "syslog[:...]", or the relative default: see `error_log`.
ERROR_LOG = Setting("ErrorLog", "logs/error_log")
#: The same as it was written.
ERROR_FNAME = Setting("ErrorLog as written", "logs/error_log")
#: By kind ("", connection, request): formats of lines of the error log; the last of the first kind counts.
ERROR_LOG_FORMAT: Setting[dict[str, tuple[str, ...]]] = Setting("ErrorLogFormat", {}, update)
#: Server and directory level; `log_level` gives the number in effect.
LOG_LEVEL: Setting[LogLevels] = Setting("LogLevel", LogLevels(4, {}), _merge_levels)
PID_FILE = Setting("PidFile", "logs/mpserver.pid")
#: By the mutex's lower-case name, "default" for those not named.
MUTEX: Setting[dict[str, Mutex]] = Setting("Mutex", {}, update)
#: "on", "off" or "dns". Directory level.
USE_CANONICAL_NAME = Setting("UseCanonicalName", "off")
#: Whether the port of the socket counts, before ServerName's or after it. Directory level.
USE_CANONICAL_PHYSICAL_PORT = Setting("UseCanonicalPhysicalPort", False)
#: "on", "off" or "double". Directory level.
HOSTNAME_LOOKUPS = Setting("HostnameLookups", "off")

#: Directory level, by status: ``"text`` (with its quote), a local path, a URL; "" for the built-in page.
#: With variables an `Expression` of such a text.
ERROR_DOCUMENT: Setting[dict[int, str | Expression]] = Setting("ErrorDocument", {}, update)
FORCE_TYPE: Setting[str | None] = Setting("ForceType", None)
SET_HANDLER: Setting[str | None] = Setting("SetHandler", None)
#: Names of filters, in lower case, separated by semicolons.
SET_OUTPUT_FILTER: Setting[str | None] = Setting("SetOutputFilter", None)
SET_INPUT_FILTER: Setting[str | None] = Setting("SetInputFilter", None)
#: The charset for text/plain and text/html without one.
ADD_DEFAULT_CHARSET: Setting[str | None] = Setting("AddDefaultCharset", None)
#: True, False, or None: as the content handler prefers.
ACCEPT_PATH_INFO: Setting[bool | None] = Setting("AcceptPathInfo", None)
#: Whether source code is never sent as a static file. Directory level.
SOURCE_PROTECTION = Setting("SourceProtection", True)
#: By how a file's entity tag is made: bits of `mpserver.modules.core.file_etag`. Directory level.
FILE_ETAG: Setting[FileETag] = Setting("FileETag", FileETag(None), merge_etag)
#: How many ranges, overlapping ones and ones that go back a Range header may have; -1: any number. Directory level.
MAX_RANGES = Setting("MaxRanges", LIMITS.ranges)
MAX_RANGE_OVERLAPS = Setting("MaxRangeOverlaps", LIMITS.overlaps)
MAX_RANGE_REVERSALS = Setting("MaxRangeReversals", LIMITS.reversals)
#: "on", "off" or "email": what the server's own pages end with. Directory level.
SERVER_SIGNATURE = Setting("ServerSignature", "off")
#: Whether the kernel may send files itself. Directory level.
ENABLE_SENDFILE = Setting("EnableSendfile", True)
#: "on", "off" or "extended" (with a body). Server level.
TRACE_ENABLE = Setting("TraceEnable", "on")
#: What an encoded slash in a path is: "off": 404, "on": a slash, "nodecode": a part of its segment, as sent.
ALLOW_ENCODED_SLASHES = Setting("AllowEncodedSlashes", "off")
#: Whether several slashes in a path count as one.
MERGE_SLASHES = Setting("MergeSlashes", True)
#: Where a relative name of PidFile lies; None: below ServerRoot.
DEFAULT_RUNTIME_DIR: Setting[str | None] = Setting("DefaultRuntimeDir", None)
#: Of threads, in bytes; 0: as the system has it.
THREAD_STACK_SIZE = Setting("ThreadStackSize", 0)
#: Whether the Authorization header is among a request's CGI variables.
CGI_PASS_AUTH = Setting("CGIPassAuth", False)


def traces(conf: Conf) -> bool:
    """Whether a server answers TRACE."""
    return conf[TRACE_ENABLE] != "off"


def error_log(conf: Conf) -> str:
    """Where a server's errors go: an absolute path, ``|command`` or ``syslog...``."""
    target = conf[ERROR_LOG]
    return target if ERROR_LOG in conf else paths.absolute(conf[SERVER_ROOT], target)


def error_style(conf: Conf, server_name: str) -> Lines | None:
    """What the lines of a server's error log look like; None: as usual, and they go to a file or a program."""
    formats = conf[ERROR_LOG_FORMAT]
    target = error_log(conf)
    if not any(formats.values()) and not is_syslog(target):
        return None
    from mpserver.api.error_style import Lines  # (few have another one)

    return Lines(target, formats, server_name)


def pid_file(conf: Conf) -> str:
    """The pid file's absolute path."""
    return runtime_path(conf, conf[PID_FILE])


def runtime_path(conf: Conf, name: str) -> str:
    """The absolute path of a file that is there while the server runs (DefaultRuntimeDir)."""
    return paths.absolute(paths.absolute(conf[SERVER_ROOT], conf[DEFAULT_RUNTIME_DIR] or ""), name)


def document_root(conf: Conf) -> str:
    """The root of a server's documents, without a trailing slash (but for "/")."""
    return conf[DOCUMENT_ROOT] if DOCUMENT_ROOT in conf else paths.absolute(conf[SERVER_ROOT], "htdocs")


def body_room(conf: Conf) -> Room:
    """Where bodies are kept until their handlers run."""
    memory, spool = conf[REQUEST_BODY_BUFFER], conf[REQUEST_BODY_SPOOL]
    most = conf[LIMIT_REQUEST_BODY] or LONGEST_SPOOLED if spool.most is None else spool.most
    return Room(memory, spool.directory or spool_directory(), max(memory, most))


class ResponseRoom(NamedTuple):
    """Where a response is kept that its client takes slowly: ResponseBuffer and ResponseSpool."""

    #: Bytes in memory; the directory of the file, and bytes in that.
    memory: int
    directory: str
    file: int


def response_room(conf: Conf) -> ResponseRoom:
    """Where a server's responses are kept."""
    spool = conf[RESPONSE_SPOOL]
    most = MOST_SPOOLED if spool.most is None else spool.most
    return ResponseRoom(conf[RESPONSE_BUFFER], spool.directory or spool_directory(), most)


def spool_directory() -> str:
    """Where files go that nobody is to see: TMPDIR, or else /var/tmp, which is on a disk."""
    for directory in (os.environ.get("TMPDIR"), "/var/tmp"):  # noqa: S108 - files there have no names
        if directory and os.path.isdir(directory):
            return directory
    return "/tmp"  # noqa: S108 - files there have no names


def log_level(conf: Conf, module: str = "core") -> int:
    """The number of LogLevel for one module's messages."""
    levels = conf[LOG_LEVEL]
    default = levels.level
    return levels.modules.get(module, 4 if default is None else default)
