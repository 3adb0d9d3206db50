"""All modules, in order: the one place that knows them all."""

from __future__ import annotations

from mpserver.config.registry import Registry


def registry() -> Registry:
    """A registry of every module's directives."""
    from mpserver.modules import (
        alias,
        auth,
        cgi,
        core_directives,
        include,
        log_config,
        mime,
        mpm,
        python,
        so,
        unixd,
    )
    from mpserver.modules import dir as directories
    from mpserver.modules import filter as filters

    return Registry(
        (
            core_directives.MODULE,
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
