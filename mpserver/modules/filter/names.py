"""Whether the filters of a configuration are there: one that is not must not be left out in silence."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules import brotli, python, values, zstd
from mpserver.modules.all import TABLE
from mpserver.typing import NamedTuple


class Library(NamedTuple):
    """What a filter needs: a module, and how that is installed."""

    module: str
    remedy: str


#: Filters that need more than Python brings.
LIBRARIES: Mapping[str, Library] = {
    "brotli_compress": Library(brotli.LIBRARY, "install mpserver[brotli]"),
    "zstd_compress": Library(
        zstd.LIBRARY,
        "use a Python that is built with it" if sys.version_info >= (3, 14) else "install mpserver[zstd]",
    ),
}

#: Filters of httpd's modules that this server has not.
MISSING: Mapping[str, str] = {
    "substitute": "mod_substitute",
    "sed": "mod_sed",
    "rate_limit": "mod_ratelimit",
    "xml2enc": "mod_xml2enc",
    "proxy-html": "mod_proxy_html",
    "cache": "mod_cache",
    "buffer": "mod_buffer",
    "data": "mod_data",
    "xlateout": "mod_charset_lite",
    "xlatein": "mod_charset_lite",
}


def check(confs: Iterable[Conf]) -> tuple[list[ConfigError], list[str]]:
    """What is wrong with the names of filters, and what may be.

    :param confs: the servers' own settings.
    """
    given = tuple(confs)
    known = {name for its in TABLE for name in its.filters}
    registered = {name for conf in given for name in conf[python.FILTER_NAMES]}
    faults: list[ConfigError] = []
    warnings: list[str] = []
    for used in (used for conf in given for used in conf[values.USED_FILTERS]):
        name, shown = used.name, used.name.upper()
        if name in registered:
            continue
        library = LIBRARIES.get(name)
        if library is not None and not _is_there(library.module):
            text = f"{used.directive}: the filter {shown} needs the library {library.module}: {library.remedy}"
        elif name in known:
            continue
        elif name in MISSING:
            text = f"{used.directive}: this server has no filter {shown} ({MISSING[name]}): leave it out"
        elif used.directive == "AddOutputFilterByType":
            text = f"{used.directive}: Unknown filter provider {shown}: PythonOutputFilter makes filters known"
        else:
            if used.is_output:
                warnings.append(
                    f"{used.directive}: no filter is called {shown}, and requests go on without it "
                    f"(line {used.line} of {used.file})"
                )
            continue
        faults.append(ConfigError(text, used.file, used.line))
    return faults, warnings


def _is_there(module: str) -> bool:
    """Whether a library is installed, and all that it lies in."""
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
