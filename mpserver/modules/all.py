"""The table of all modules, in httpd's order: the one place that knows them all.

A module has a folder here, which says what it has for others: `mpserver.modules` tells what lies in it.
"""

from __future__ import annotations

from importlib import import_module

from mpserver.config.registry import Module, Registry
from mpserver.typing import NamedTuple


class Known(NamedTuple):
    """A module: httpd's name of its source, its name for LoadModule, and its folder here.

    Without a folder it is only there so that LoadModule and IfModule know it: all that it does in httpd is
    done elsewhere.
    """

    source: str
    name: str
    folder: str = ""


TABLE = (
    Known("core.c", "core_module", "core"),
    Known("mod_so.c", "so_module"),  # LoadModule, while the configuration is read
    Known("http_core.c", "http_module"),
    Known("mod_version.c", "version_module"),  # IfVersion
    Known("mod_logio.c", "logio_module"),  # %I, %O and %S of LogFormat
    Known("mod_systemd.c", "systemd_module"),  # READY and STOPPING are told to systemd
    Known("mod_log_config.c", "log_config_module", "log_config"),
    Known("mod_unixd.c", "unixd_module", "unixd"),
    Known("mod_authn_core.c", "authn_core_module", "authn_core"),
    Known("mod_authz_core.c", "authz_core_module", "authz_core"),
    Known("mod_authz_user.c", "authz_user_module"),  # Require user and valid-user
    Known("mod_authz_groupfile.c", "authz_groupfile_module"),  # Require group
    Known("mod_auth_basic.c", "auth_basic_module", "auth_basic"),
    Known("mod_mime.c", "mime_module", "mime"),
    Known("mod_dir.c", "dir_module", "dir"),
    Known("mod_alias.c", "alias_module", "alias"),
    Known("mod_cgi.c", "cgi_module", "cgi"),
    Known("mod_include.c", "include_module", "include"),
    Known("mod_filter.c", "filter_module", "filter"),
    Known("mod_python.c", "python_module", "python"),
)


def registry() -> Registry:
    """A registry of every module's directives."""
    from mpserver.modules.mpm import PREFORK, WORKER, directives

    return Registry(
        [
            Module(known.source, known.name, import_module(f"mpserver.modules.{known.folder}.directives").DIRECTIVES)
            if known.folder
            else Module(known.source, known.name, ())
            for known in TABLE
        ],
        (
            Module("prefork.c", PREFORK, directives.PREFORK_DIRECTIVES),
            Module("worker.c", WORKER, directives.WORKER_DIRECTIVES),
        ),
    )
