"""DirectoryIndex and DirectorySlash: what a request for a directory means (httpd's mod_dir).

The behaviour lies with the static files (`mpserver.modules.default`); here are the directives.
"""

from __future__ import annotations

from mpserver.config.registry import EVERYWHERE, Args, Call, Directive, Module, Override
from mpserver.config.settings import Setting
from mpserver.modules import values

#: The names to look for, in their order; () with "DirectoryIndex disabled".
DIRECTORY_INDEX: Setting[tuple[str, ...]] = Setting("DirectoryIndex", ("index.html",))
#: Whether a directory without its trailing slash is redirected to the one with.
DIRECTORY_SLASH = Setting("DirectorySlash", True)
#: Whether the two above are left alone where another handler than the static one is configured.
DIRECTORY_CHECK_HANDLER = Setting("DirectoryCheckHandler", False)


def _directory_index(call: Call) -> None:
    """Names of one scope add up; ``disabled`` alone forgets those before it."""
    names = call.args
    if len(names) == 1 and names[0].lower() == "disabled":
        call.conf[DIRECTORY_INDEX] = ()
        return
    call.conf[DIRECTORY_INDEX] = (*call.conf.values.get(DIRECTORY_INDEX, ()), *names)


MODULE = Module(
    "mod_dir.c",
    "dir_module",
    (
        Directive("DirectoryIndex", Args.RAW, EVERYWHERE, _directory_index, Override.INDEXES),
        Directive(
            "DirectorySlash",
            Args.FLAG,
            EVERYWHERE,
            values.directory(DIRECTORY_SLASH, values.flag),
            Override.INDEXES,
        ),
        Directive(
            "DirectoryCheckHandler",
            Args.FLAG,
            EVERYWHERE,
            values.directory(DIRECTORY_CHECK_HANDLER, values.flag),
            Override.INDEXES,
        ),
    ),
)
