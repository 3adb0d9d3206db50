"""What the command prints about the server: -v, -V, -l, -M, -L, -S and -h, in the layout of httpd's."""

from __future__ import annotations

import platform
import struct
import sys

from mpserver.cli import option_table
from mpserver.config.host_names import ANY
from mpserver.config.override import Override
from mpserver.config.registry import (
    Args,
    Directive,
    Registry,
    Where,
)
from mpserver.config.settings import Conf
from mpserver.modules import core, mpm, unixd
from mpserver.typing import TYPE_CHECKING
from mpserver.version import HTTPD_VERSION, MOD_PYTHON_VERSION, VERSION

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration
    from mpserver.config.server import Server

#: The configuration that is read without -f, relative to ServerRoot.
CONFIG_FILE = "httpd.conf"

USAGE = option_table.usage(f"{core.DEFAULT_ROOT}/{CONFIG_FILE}")

#: The words of httpd's -L for the places where a directive may stand outside .htaccess.
_PLACES = {
    (True, True): "anywhere",
    (True, False): "only outside <Directory>, <Files> or <Location>",
    (False, True): "only inside <Directory>, <Files> or <Location>",
    (False, False): "nowhere",
}


def version() -> str:
    """-v: httpd's version in its form, for what reads that to know which directives there are; and our own."""
    httpd = ".".join(map(str, HTTPD_VERSION))
    return f"Server version: Apache/{httpd} compatible mpserver/{VERSION}\nPython:         {platform.python_version()}"


def settings(registry: Registry) -> str:
    """-V: what is built in, under httpd's names, and the MPM of a registry."""
    threaded = registry.mpm is not None and registry.mpm.name in (mpm.WORKER, mpm.EVENT)
    values = {
        "HTTPD_ROOT": core.DEFAULT_ROOT,
        "SERVER_CONFIG_FILE": CONFIG_FILE,
        "DEFAULT_PIDLOG": core.PID_FILE.default,
        "DEFAULT_ERRORLOG": core.ERROR_LOG.default,
        "DEFAULT_SERVER_LIMIT": str(mpm.limits(Conf(), threaded).server_limit),
    }
    lines = [
        version(),
        f"Follows:        httpd {'.'.join(map(str, HTTPD_VERSION))}, mod_python {MOD_PYTHON_VERSION}",
        f"Architecture:   {struct.calcsize('P') * 8}-bit",
        f"Executable:     {sys.executable}",
        f"Server MPM:     {'worker' if threaded else 'prefork'}",
        f"  threaded:     {'yes (fixed thread count)' if threaded else 'no'}",
        "    forked:     yes (variable process count)",
        "Server compiled with....",
        *(f' -D {name}="{value}"' for name, value in values.items()),
    ]
    return "\n".join(lines)


def built_in(registry: Registry) -> str:
    """-l."""
    return "\n".join(["Compiled in modules:", *(f"  {module.source}" for module in registry.built_in)])


def loaded(registry: Registry) -> str:
    """-M: every known module is there, LoadModule or not; of the MPMs the one that was chosen."""
    return "\n".join(["Loaded Modules:", *(f" {module.name} (static)" for module in registry.modules)])


def directives(registry: Registry) -> str:
    """-L: each directive with its module, its arguments and the contexts where it is allowed."""
    out = []
    for module in registry.built_in:
        for directive in module.directives:
            out += [
                f"{directive.name} ({module.source})",
                f"\t{_arguments(directive)}",
                *_contexts(directive),
            ]
    return "\n".join(out)


def _arguments(directive: Directive) -> str:
    if directive.args is Args.RAW and directive.help:
        return directive.help
    count = "On or Off" if directive.args is Args.FLAG else f"arguments: {directive.args.value}"
    return f"{directive.help} ({count})" if directive.help else count[:1].upper() + count[1:]


def _contexts(directive: Directive) -> list[str]:
    where = directive.where
    place = _PLACES[bool(where & (Where.SERVER | Where.VHOST)), Where.DIRECTORY in where]
    lines = [f"\tAllowed in *.conf {place}"]
    if Where.SERVER in where and Where.VHOST not in where:
        lines[0] += " and <VirtualHost>"
    if Where.HTACCESS in where:
        lines[0] += " and in .htaccess"
        classes = [override.name or "" for override in Override if override & directive.override]
        if directive.override is Override.ALL or not classes:
            lines.append("\twhen AllowOverride isn't None")
        else:
            lines.append("\twhen AllowOverride includes " + " or ".join(_override_name(name) for name in classes))
    return lines


def _override_name(name: str) -> str:
    return {"AUTHCONFIG": "AuthConfig", "FILEINFO": "FileInfo"}.get(name, name.capitalize())


def run_settings(configuration: Configuration) -> str:
    """The second half of -S."""
    conf, root = configuration.main.conf, configuration.root
    lines = [
        f'ServerRoot: "{root}"',
        f'Main DocumentRoot: "{core.document_root(conf)}"',
        f'Main ErrorLog: "{core.error_log(conf)}"',
        f'PidFile: "{core.pid_file(conf)}"',
        *(f"Define: {name}={value}" if value else f"Define: {name}" for name, value in configuration.defines.items()),
    ]
    identity = unixd.identity(conf)
    if identity is not None:
        lines += [f'User: name="{identity.name}" id={identity.uid}', f"Group: id={identity.gid}"]
    return "\n".join(lines)


def virtual_hosts(configuration: Configuration) -> str:
    """The first half of -S."""
    return describe(configuration)


def describe(configuration: Configuration) -> str:
    """The virtual hosts as ``mpserver -S`` shows them (as httpd does)."""
    out = ["VirtualHost configuration:"]
    tables = configuration.host_table.tables
    for key in sorted(tables, key=lambda key: key[0] == ANY):
        table = tables[key]
        hosts = dict.fromkeys(server for server, _ in table.hosts)
        where = str(table.hosts[0][1])
        if len(hosts) == 1:
            out.append(f"{where:<22} {_place(table.first)}")
            continue
        out.append(f"{where:<22} is a NameVirtualHost")
        out.append(f"{'':8} default server {_place(table.first)}")
        for server in hosts:
            out.append(f"{'':8} port {key[1] or ANY} namevhost {_place(server)}")
            out += [f"{'':16} alias {name}" for name in server.names]
            out += [f"{'':16} wild alias {name}" for name in server.wild_names]
    return "\n".join(out)


def _place(server: Server) -> str:
    return f"{server.name} ({server.defn_name}:{server.defn_line})"
