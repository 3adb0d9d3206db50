"""The directives of mod_cgi, and those of mod_suexec that have no meaning here."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, NOT_HTACCESS, SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.cgi import RLIMIT_CPU, RLIMIT_MEM, RLIMIT_NPROC, SCRIPT_TIMEOUT, Limit


def _no_suexec(call: Call) -> None:
    raise ConfigError(
        f"{call.name} is not supported: scripts run as the server's own User; for an application with a user of its "
        "own start a server for it"
    )


def _script_log(call: Call) -> None:
    if call.name != "ScriptLog":
        values.number(0)(call, call.args[0])
    call.warn(f"{call.name} is ignored: what scripts write to stderr, and what fails of them, is in the ErrorLog")


def _rlimit(call: Call) -> None:
    """``soft [hard]``, each a number or max; with one number both are that (httpd: core)."""
    setting = {found.name: found for found in (RLIMIT_CPU, RLIMIT_MEM, RLIMIT_NPROC)}[call.name]
    read = values.number(0, 2**63 - 1, ", or max")
    numbers = [-1 if word.lower() == "max" else read(call, word) for word in call.args]
    soft, hard = numbers[0], numbers[-1]
    if hard >= 0 and not 0 <= soft <= hard:
        raise ConfigError(f"{call.name}: the first number, the soft limit, is more than the second, the hard one")
    call.conf[setting] = Limit(soft, hard)


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "CGIScriptTimeout",
        Args.TAKE1,
        NOT_HTACCESS,
        values.directory(SCRIPT_TIMEOUT, values.seconds),
        help="how long a script may be silent, in seconds",
    ),
    *(
        Directive(setting.name, Args.TAKE12, EVERYWHERE, _rlimit, Override.ALL, "a soft and, optionally, a hard limit")
        for setting in (RLIMIT_CPU, RLIMIT_MEM, RLIMIT_NPROC)
    ),
    Directive("ScriptLog", Args.TAKE1, SERVER_VHOST, _script_log, help="a file"),
    Directive("ScriptLogLength", Args.TAKE1, SERVER_VHOST, _script_log, help="a number of bytes"),
    Directive("ScriptLogBuffer", Args.TAKE1, SERVER_VHOST, _script_log, help="a number of bytes"),
    Directive("SuexecUserGroup", Args.RAW, SERVER_VHOST, _no_suexec, help="a user and a group"),
)
