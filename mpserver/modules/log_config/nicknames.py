"""Nicknames of formats that no LogFormat defines: such a log would have the name itself on each line, as in httpd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mpserver import alike
from mpserver.config.settings import Conf
from mpserver.modules.log_config import BUILT_IN, LOG_FORMATS, USED_NICKNAMES

#: The formats that distributions of httpd define, which people therefore take for granted.
USUAL = {
    "common": '%h %l %u %t \\"%r\\" %>s %O',
    "combined": '%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"',
    "vhost_combined": '%v:%p %h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"',
    "referer": "%{Referer}i -> %U",
    "agent": "%{User-agent}i",
}


def warnings(main: Conf, hosts: Sequence[Conf]) -> Iterator[str]:
    """What to tell about the logs of all servers. ``main``, ``hosts``: their own settings."""
    for conf in (main, *hosts):
        known = BUILT_IN | main[LOG_FORMATS] | conf[LOG_FORMATS]
        for used in conf[USED_NICKNAMES]:
            if used.name not in known:
                yield (
                    f"{used.directive}: no LogFormat is called '{used.name}', so that each line of the log will be "
                    f"that word: {_remedy(used.name, known)} (line {used.line} of {used.file})"
                )


def _remedy(name: str, known: dict[str, str]) -> str:
    if name in USUAL:
        return f'add LogFormat "{USUAL[name]}" {name}'
    return alike.asked(name, filter(None, known), "") or f'add a LogFormat "..." {name}'
