"""LogFormat and CustomLog: what is written about each request, and where (httpd's mod_log_config)."""

from __future__ import annotations

from mpserver.config.settings import Setting, update
from mpserver.typing import NamedTuple

#: The Common Log Format, which needs no LogFormat under this name.
CLF = '%h %l %u %t "%r" %>s %b'


class CustomLog(NamedTuple):
    """One CustomLog.

    ``target``: an absolute path or ``|command``; ``format``: a nickname or a format, "" the default;
    ``env``: the variable on which it depends, None always; ``unless``: written if it isn't set.
    """

    target: str
    format: str
    env: str | None = None
    unless: bool = False


#: By nickname, which is matched as it is written; "" is what LogFormat without nickname sets for TransferLog.
LOG_FORMATS: Setting[dict[str, str]] = Setting("LogFormat", {"CLF": CLF}, update)
#: A virtual host with logs of its own does not write those of the main server.
CUSTOM_LOGS: Setting[tuple[CustomLog, ...]] = Setting("CustomLog", ())
