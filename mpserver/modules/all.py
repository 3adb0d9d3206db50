"""The table of all modules, in httpd's order: the one place that knows them all.

A module has a folder here, which says what it has for others: `mpserver.modules` tells what lies in it.
"""

from __future__ import annotations

from importlib import import_module

from mpserver.modules.hooks import ANY_HANDLER, PROXY_HANDLER, PROXY_PREFIX, SCRIPT_HANDLER, TRACE_HANDLER
from mpserver.modules.known import PACKAGE, Known, Part
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.registry import Directive, Registry
    from mpserver.config.settings import Setting

ALWAYS, CONFIGURED = Part.ALWAYS, Part.CONFIGURED

TABLE = (
    Known("core.c", "core_module", "core", ALWAYS, (ANY_HANDLER, TRACE_HANDLER), ("content_length", "byterange")),
    Known("mod_so.c", "so_module"),  # LoadModule, while the configuration is read
    Known("http_core.c", "http_module"),  # HTTP itself, as far as httpd counts it as a module
    Known("mod_rewrite.c", "rewrite_module", "rewrite", CONFIGURED, handlers=("redirect-handler",)),
    Known("mod_macro.c", "macro_module"),  # Macro and Use, while the configuration is read
    Known("mod_version.c", "version_module"),  # IfVersion, while the configuration is read
    Known("mod_logio.c", "logio_module", "logio", CONFIGURED),
    Known("mod_deflate.c", "deflate_module", "deflate", CONFIGURED, filters=("deflate", "inflate")),
    Known("mod_brotli.c", "brotli_module", "brotli", CONFIGURED, filters=("brotli_compress",)),
    Known("mod_zstd.c", "zstd_module", "zstd", CONFIGURED, filters=("zstd_compress",)),
    Known("mod_env.c", "env_module", "env", CONFIGURED),
    Known("mod_expires.c", "expires_module", "expires", CONFIGURED),
    Known("mod_headers.c", "headers_module", "headers", CONFIGURED),
    Known("mod_setenvif.c", "setenvif_module", "setenvif", CONFIGURED),
    Known("mod_unique_id.c", "unique_id_module", "unique_id", CONFIGURED),
    Known("mod_tracing.c", "tracing_module", "tracing", CONFIGURED),
    Known("mod_remoteip.c", "remoteip_module", "remoteip", CONFIGURED),
    Known("mod_systemd.c", "systemd_module"),  # READY and STOPPING are told to systemd
    Known("mod_log_config.c", "log_config_module", "log_config", CONFIGURED),
    Known("mod_reqtimeout.c", "reqtimeout_module", "reqtimeout"),
    Known("mod_unixd.c", "unixd_module", "unixd"),
    Known("mod_authn_core.c", "authn_core_module", "authn_core", CONFIGURED),
    Known("mod_authz_core.c", "authz_core_module", "authz_core", CONFIGURED),
    Known("mod_authz_host.c", "authz_host_module"),  # Require ip, host, forward-dns and local
    Known("mod_access_compat.c", "access_compat_module", "access_compat", CONFIGURED),
    Known("mod_authz_user.c", "authz_user_module"),  # Require user and valid-user
    Known("mod_authz_owner.c", "authz_owner_module"),  # Require file-owner and file-group
    Known("mod_authz_groupfile.c", "authz_groupfile_module", "authz_groupfile"),
    Known("mod_authz_dbm.c", "authz_dbm_module", "authz_dbm"),
    Known("mod_authn_anon.c", "authn_anon_module", "authn_anon"),
    Known("mod_authn_file.c", "authn_file_module", "authn_file"),
    Known("mod_authn_dbm.c", "authn_dbm_module", "authn_dbm"),
    Known("mod_authn_socache.c", "authn_socache_module", "authn_socache"),
    Known("mod_auth_basic.c", "auth_basic_module", "auth_basic", CONFIGURED),
    Known("mod_auth_digest.c", "auth_digest_module", "auth_digest", CONFIGURED),
    Known("mod_ssl.c", "ssl_module", "ssl", CONFIGURED),
    Known("mod_md.c", "md_module", "md", CONFIGURED),
    Known("mod_proxy.c", "proxy_module", "proxy", CONFIGURED, handlers=(PROXY_HANDLER, PROXY_PREFIX)),
    Known("mod_proxy_http.c", "proxy_http_module"),  # http:// and https:// in mod_proxy
    Known("mod_proxy_fcgi.c", "proxy_fcgi_module"),  # FastCGI: fcgi:// in mod_proxy
    Known("mod_proxy_uwsgi.c", "proxy_uwsgi_module"),  # the protocol of uWSGI: uwsgi:// in mod_proxy
    Known("mod_proxy_wstunnel.c", "proxy_wstunnel_module"),  # WebSocket: ws:// and wss:// in mod_proxy, and upgrade=
    Known("mod_proxy_balancer.c", "proxy_balancer_module"),  # balancers: balancer:// in mod_proxy
    Known("mod_proxy_hcheck.c", "proxy_hcheck_module"),  # health checks of balancers' members: hcmethod= in mod_proxy
    Known("mod_lbmethod_byrequests.c", "lbmethod_byrequests_module"),  # balancers with lbmethod=byrequests
    Known("mod_lbmethod_bybusyness.c", "lbmethod_bybusyness_module"),  # balancers with lbmethod=bybusyness
    Known("mod_mime.c", "mime_module", "mime", ALWAYS),
    Known("mod_status.c", "status_module", "status", CONFIGURED, ("server-status", "server-metrics")),
    Known("mod_info.c", "info_module", "info", CONFIGURED, ("server-info",)),
    Known("mod_negotiation.c", "negotiation_module", "negotiation", CONFIGURED, handlers=("type-map",)),
    Known("mod_dir.c", "dir_module", "dir", ALWAYS),
    Known("mod_autoindex.c", "autoindex_module", "autoindex", CONFIGURED, handlers=("httpd/unix-directory",)),
    Known("mod_alias.c", "alias_module", "alias", CONFIGURED),
    Known("mod_wsgi.c", "wsgi_module", "wsgi", CONFIGURED, handlers=("wsgi-script",), placed=True),
    Known("mod_userdir.c", "userdir_module", "userdir", CONFIGURED),
    Known("mod_vhost_alias.c", "vhost_alias_module", "vhost_alias"),
    Known("mod_actions.c", "actions_module", "actions", CONFIGURED),
    Known("mod_asis.c", "asis_module", "asis", CONFIGURED, handlers=("send-as-is",)),
    Known("mod_cgi.c", "cgi_module", "cgi", CONFIGURED, handlers=(SCRIPT_HANDLER,)),
    Known("mod_cgid.c", "cgid_module", "cgid"),
    Known("mod_include.c", "include_module", "include", CONFIGURED, filters=("includes",)),
    Known("mod_filter.c", "filter_module", "filter", CONFIGURED),
    Known("mod_python.c", "python_module", "python", CONFIGURED, handlers=("mod_python", "python-program")),
)


def load_hooks() -> None:
    """Load the hooks of all modules: a master does, so that the workers that it forks share them."""
    for known in TABLE:
        if known.hooks is not Part.NEVER:
            import_module(f"{PACKAGE}.{known.folder}.hooks")


def _declared(folder: str) -> tuple[tuple[Directive, ...], Setting[bool] | None]:
    """The directives of a module, and what LoadModule sets."""
    if not folder:
        return (), None
    directives = import_module(f"{PACKAGE}.{folder}.directives")
    return directives.DIRECTIVES, getattr(directives, "LOADED", None)


def registry() -> Registry:
    """A registry of every module's directives."""
    from mpserver.config.registry import Module, Registry  # (serving needs no directives but for .htaccess files)
    from mpserver.modules.mpm import EVENT, PREFORK, WORKER, directives

    return Registry(
        [
            Module(
                known.source,
                known.name,
                *_declared(known.folder),
            )
            for known in TABLE
        ],
        (
            Module("prefork.c", PREFORK, directives.PREFORK_DIRECTIVES),
            Module("worker.c", WORKER, directives.WORKER_DIRECTIVES),
            Module("event.c", EVENT, directives.EVENT_DIRECTIVES),
        ),
    )
