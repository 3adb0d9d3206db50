"""The access logs of a server."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from mpserver.config.expression import Expression
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules.log_config import BUILT_IN, CLF, LOG_FORMATS, logs
from mpserver.modules.log_config.format import compile_format
from mpserver.modules.open_logs import OpenLog
from mpserver.typing import Any

#: Hosts have few formats.
compiled = lru_cache(64)(compile_format)


def open_logs(server: Server, descriptor: Callable[[str], int]) -> tuple[OpenLog, ...]:
    """CustomLog and TransferLog; ``descriptor`` gives that of a target."""
    return tuple(OpenLog(descriptor(log.target), log) for log in access_logs(server.conf))


class AccessLog:
    """A CustomLog ready for use.

    :param env: the variable on which it depends; None: nothing does, or an expression.
    """

    __slots__ = ("_format", "env", "expression", "is_conditional", "line", "target", "unless")

    def __init__(
        self, target: str, format: str, env: str | None = None, unless: bool = False,
        expression: Expression | None = None,
    ) -> None:  # fmt: skip
        self.target, self.env, self.unless, self.expression = target, env, unless, expression
        #: Whether not every request is logged.
        self.is_conditional = env is not None or expression is not None

        #: Makes a request's line without its end, if `wants` it.
        self.line: Callable[[Any], str] = self._compile
        self._format = format

    def _compile(self, req: Any) -> str:
        """Make the first line, and what makes the following ones."""
        self.line = compiled(self._format)
        return self.line(req)

    def wants(self, req: Any) -> bool:
        """Whether its condition lets the request be logged."""
        if self.expression is not None:
            from mpserver.modules import expressions  # (few logs have one)

            return expressions.holds(self.expression, expressions.RequestFacts(req))
        return self.env is None or (self.env in req.subprocess_env) is not self.unless


def access_logs(conf: Conf) -> tuple[AccessLog, ...]:
    """A server's access logs, compiled. Nicknames may be defined after their use, so this is done at last.

    A name that is no nickname is a format itself, as in httpd.
    """
    formats = BUILT_IN | {"": CLF} | conf[LOG_FORMATS]
    return tuple(
        AccessLog(log.target, formats.get(log.format, log.format), log.env, log.unless, log.expression)
        for log in logs(conf)
    )
