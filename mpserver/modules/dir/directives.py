"""The directives of mod_dir."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, Args, Call, Directive
from mpserver.modules import values
from mpserver.modules.dir import DIRECTORY_CHECK_HANDLER, DIRECTORY_INDEX, DIRECTORY_SLASH


def _directory_index(call: Call) -> None:
    """Names of one scope add up; ``disabled`` alone forgets those before it."""
    names = call.args
    if len(names) == 1 and names[0].lower() == "disabled":
        call.conf[DIRECTORY_INDEX] = ()
        return
    call.conf[DIRECTORY_INDEX] = (*call.conf.values.get(DIRECTORY_INDEX, ()), *names)


DIRECTIVES: tuple[Directive, ...] = (
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
)
