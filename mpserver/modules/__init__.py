"""The modules: one file per httpd module or family, with the directives that it owns.

`registry` knows them all. A request's road imports what it needs from the single modules.
"""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.registry import Registry


def registry() -> Registry:
    """A registry of every module's directives."""
    from mpserver.config.registry import Registry
    from mpserver.modules import alias, auth, cgi, core, include, log_config, mime, mpm, python, so, unixd
    from mpserver.modules import dir as directories
    from mpserver.modules import filter as filters

    return Registry(
        (
            core.MODULE,
            *so.MODULES,
            log_config.MODULE,
            unixd.MODULE,
            *auth.MODULES,
            mime.MODULE,
            directories.MODULE,
            alias.MODULE,
            cgi.MODULE,
            include.MODULE,
            filters.MODULE,
            python.MODULE,
        ),
        (mpm.PREFORK, mpm.WORKER),
    )
