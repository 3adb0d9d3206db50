"""A server of the configuration, the main one or a virtual host, ready for serving."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from mpserver.api.error_log import DEFAULT_LEVEL, ErrorLog
from mpserver.api.response_head import HeadRoom
from mpserver.api.server import Server as ServerObject
from mpserver.config.settings import Conf
from mpserver.http1.blocks import Blocks
from mpserver.http1.head import Head, Limits
from mpserver.modules import core, python
from mpserver.modules.core.file_cache import Pages
from mpserver.modules.reqtimeout import READ_TIMEOUTS
from mpserver.phases.steps import beginning
from mpserver.remembered import Remembered
from mpserver.system.log_lines import Write, at_once
from mpserver.system.log_targets import log_key
from mpserver.typing import TYPE_CHECKING
from mpserver.version import MOD_PYTHON_VERSION, VERSION

if TYPE_CHECKING:
    from mpserver.api.request_tables import TraceContext
    from mpserver.config.finished import Finished
    from mpserver.config.server import Server
    from mpserver.modules.hook_table import HookTable
    from mpserver.modules.hooks import Translator
    from mpserver.modules.open_logs import OpenLog
    from mpserver.modules.rewriting import Rewriter
    from mpserver.phases.located import Located
    from mpserver.tls.profile import Profile


#: What is found for paths may take so much for each site in each interpreter, in bytes: for some 4,000 short ones.
ROOM = 8 << 20
#: What one of these takes beside its texts, about; and so often its path stands in it.
EACH, TEXTS = 2048, 4


class Site:
    """What virtual hosts of equal configuration have in common, worked out once.

    ``server`` is one of them: its settings and sections are those of all. ``name`` is that of their interpreter,
    where nothing else names one: such hosts are a site each.
    """

    __slots__ = (
        "access_logs", "begin", "blocks", "has_early", "head_room", "head_timeout", "keep_alive", "keep_alive_timeout",
        "last_kept",
        "limits", "located", "log", "max_requests", "name", "pages", "read_timeouts", "rewriters", "server", "settled",
        "takes_connections", "timeout",
        "trace", "translators",
    )  # fmt: skip

    def __init__(
        self, configuration: Finished, server: Server, name: str, logs: Mapping[str, int], table: HookTable,
        writer: Callable[[int], Write] = at_once,
    ) -> None:  # fmt: skip
        conf = server.conf
        self.server = server
        self.name = name
        #: What paths were found to be, by the path as sent.
        self.located: Remembered[str, Located] = Remembered(ROOM, EACH)
        self.pages = Pages()
        active = table.active(conf, server.base, *(entry.conf for entry in server.sections.locations))
        #: What modules make of paths, in the order in which they are asked.
        self.translators: tuple[Translator, ...] = table.ask(active, "translate_path", server)
        #: What chooses another resource by more than the path, before these.
        self.rewriters: tuple[Rewriter, ...] = table.ask(active, "rewrite_request", server)
        #: What these came to: by the decoded path, the file that they chose, and `beside`.
        self.settled: Remembered[tuple[str, str | None, str], Located] = Remembered(ROOM, EACH)
        #: What requests' heads alone decide.
        self.begin = beginning(table.functions(active, "begin"), server)
        #: Whether it has handlers that run before the resource is known.
        self.has_early = any(table.ask(active, "is_early", server.base))
        #: How its requests come to their traces; None: they have none.
        self.trace: TraceContext | None = next(iter(table.ask(active, "trace_context", server)), None)
        #: Whether a module wants connections before their first request.
        self.takes_connections = any(table.ask(active, "takes_connections", conf))
        self.keep_alive = conf[core.KEEP_ALIVE]
        self.keep_alive_timeout = conf[core.KEEP_ALIVE_TIMEOUT]
        self.max_requests = conf[core.MAX_KEEP_ALIVE_REQUESTS]
        #: The last request after which a connection may be kept, counted from 1.
        self.last_kept = self.max_requests or sys.maxsize
        self.timeout = conf[core.TIMEOUT]
        self.read_timeouts = conf[READ_TIMEOUTS]
        #: How long the first bytes of a request may take.
        first = self.read_timeouts.header.first
        self.head_timeout = min(first, self.timeout) if first else self.timeout
        self.limits = Limits(
            conf[core.LIMIT_REQUEST_LINE],
            conf[core.LIMIT_REQUEST_FIELDS],
            conf[core.LIMIT_REQUEST_FIELD_SIZE],
        )
        self.head_room = HeadRoom(
            conf[core.LIMIT_RESPONSE_FIELDS] or sys.maxsize, conf[core.LIMIT_RESPONSE_HEAD] or sys.maxsize
        )
        self.blocks = Blocks()
        self.log = error_log(configuration, server, logs)
        opened: tuple[tuple[OpenLog, ...], ...] = table.ask(
            active, "open_logs", server, lambda target: logs.get(log_key(configuration.root, target), 2)
        )
        #: What takes the lines of each log, and what makes them.
        self.access_logs = tuple((writer(fd), log) for its in opened for fd, log in its)


class Host:
    """What serving needs of one server: its names, and what it has in common with its site."""

    __slots__ = (
        "access_logs", "blocks", "has_early", "head_room", "head_timeout", "keep_alive", "keep_alive_timeout",
        "last_kept",
        "limits", "located", "log", "made", "max_requests", "name", "pages", "read_timeouts", "recent", "server",
        "site", "timeout", "tls", "trace", "_make",
    )  # fmt: skip

    def __init__(self, server: Server, name: str, site: Site, make: Callable[[Host], ServerObject]) -> None:
        self.server = server
        #: The name of its interpreter, where nothing else names one (manual 4.1).
        self.name = name
        self.site = site
        self.access_logs = site.access_logs
        self.has_early = site.has_early
        self.keep_alive, self.keep_alive_timeout = site.keep_alive, site.keep_alive_timeout
        self.limits, self.blocks, self.head_room = site.limits, site.blocks, site.head_room
        self.located, self.pages = site.located, site.pages
        self.log = site.log
        self.max_requests, self.last_kept = site.max_requests, site.last_kept
        self.timeout, self.trace = site.timeout, site.trace
        self.read_timeouts, self.head_timeout = site.read_timeouts, site.head_timeout
        #: How it speaks TLS; None: it doesn't.
        self.tls: Profile | None = None
        #: The last first head of a connection to its address: that of the next one is often the same.
        self.recent: Head | None = None
        #: `object`, once it was asked for.
        self.made: ServerObject | None = None
        self._make = make

    @property
    def label(self) -> str:
        """Its name and port, as pages about the server have them."""
        return f"{self.name}:{self.server.port}" if self.server.port else self.name

    @property
    def object(self) -> ServerObject:
        """The server as applications see it; few of thousands are looked at."""
        return self._make(self) if self.made is None else self.made


def server_name(server: Server) -> str:
    """A server's name; without one it has the machine's."""
    return server.name or os.uname().nodename


def server_object(configuration: Finished, host: Host, generation: int) -> ServerObject:
    """What applications see of a server."""
    server, conf = host.server, host.server.conf
    return ServerObject(
        {
            "defn_name": server.defn_name if server.is_virtual else None,
            "defn_line_number": server.defn_line,
            "server_admin": conf[core.SERVER_ADMIN],
            "server_hostname": host.name,
            "port": server.port,
            "error_fname": error_fname(server),
            "loglevel": host.log.level,
            "is_virtual": int(server.is_virtual),
            "timeout": host.timeout,
            "keep_alive_timeout": host.keep_alive_timeout,
            "keep_alive_max": host.max_requests,
            "keep_alive": int(host.keep_alive),
            "path": conf[core.SERVER_PATH],
            "pathlen": len(conf[core.SERVER_PATH] or ""),
            "names": server.names,
            "wild_names": server.wild_names,
            "limit_req_line": host.limits.line,
            "limit_req_fieldsize": host.limits.field_size,
            "limit_req_fields": host.limits.fields,
            "my_generation": max(0, generation - 1),  # (httpd counts from 0)
            "restart_time": configuration.time,
        },
        host.log,
        python.server_config(server.base),
        python.options(server.base, python.PYTHON_OPTIONS),
    )


def error_fname(server: Server) -> str | None:
    """The error log's name as configured, for the server object: a virtual host has none but that of its own."""
    if server.is_virtual and core.ERROR_LOG not in server.own_conf:
        return None
    written: str = server.conf[core.ERROR_FNAME]
    return written


def server_software(conf: Conf) -> str:
    """The Server header and SERVER_SOFTWARE, as much of it as ServerTokens lets be told."""
    release = VERSION.split(".")
    told = {
        "prod": "mpserver",
        "major": f"mpserver/{release[0]}",
        "minor": f"mpserver/{release[0]}.{release[1]}",
        "minimal": f"mpserver/{VERSION}",
        "os": f"mpserver/{VERSION} (Unix)",
    }
    python_version = ".".join(map(str, sys.version_info[:3]))
    full = f"mpserver/{VERSION} (Unix) mod_python/{MOD_PYTHON_VERSION} Python/{python_version}"
    return told.get(conf[core.SERVER_TOKENS], full)


def error_log(configuration: Finished, server: Server, logs: Mapping[str, int]) -> ErrorLog:
    """The error log of a server."""
    style = core.error_style(server.conf, server_name(server))
    return ErrorLog(error_fd(configuration, server, logs), *log_levels(server), style)


def error_fd(configuration: Finished, server: Server, logs: Mapping[str, int]) -> int:
    """The descriptor of a server's error log; stderr where it was not opened (one-process tests)."""
    return logs.get(log_key(configuration.root, core.error_log(server.conf)), 2)


def log_levels(server: Server) -> tuple[int, Mapping[str, int]]:
    """LogLevel of a server: the default level and those of single modules."""
    found = server.base[core.LOG_LEVEL]
    return (DEFAULT_LEVEL if found.level is None else found.level), found.modules
