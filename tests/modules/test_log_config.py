"""LogFormat and CustomLog."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from modules.scopes import Scope
from mpserver.api.table import Table
from mpserver.config.registry import Where
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules.log_config import CUSTOM_LOGS, CustomLog
from mpserver.modules.log_config.hooks import access_logs

REQUEST = SimpleNamespace(prev=None, next=None, status=200, method="GET")


def lines(conf: Conf) -> list[tuple[str, str]]:
    return [(log.target, log.line(REQUEST)) for log in access_logs(conf)]


def test_nicknames_may_follow_their_use() -> None:
    conf = Scope().say("CustomLog a short", "CustomLog b %m", "CustomLog c nonick", "LogFormat %s short").server
    assert lines(conf) == [("/srv/a", "200"), ("/srv/b", "GET"), ("/srv/c", "nonick")]


def test_default_format() -> None:
    assert Scope().say("TransferLog a").server[CUSTOM_LOGS] == (CustomLog("/srv/a", ""),)
    assert lines(Scope().say("LogFormat %s x", "LogFormat x", "TransferLog a").server) == [("/srv/a", "200")]
    assert lines(Scope().say("LogFormat %m", "TransferLog a").server) == [("/srv/a", "GET")]


def test_a_virtual_host_uses_formats_but_not_logs_of_the_main_server_if_it_has_its_own() -> None:
    main = Scope().say("LogFormat %s short", "LogFormat %m other", "CustomLog a short").server
    host = Scope(where=Where.VHOST).say("LogFormat '%s %m' other", "CustomLog b short", "CustomLog c other").server
    assert lines(main.merged(host)) == [("/srv/b", "200"), ("/srv/c", "200 GET")]
    assert lines(main.merged(Conf())) == [("/srv/a", "200")]


def test_clf_is_built_in() -> None:
    (log,) = access_logs(Scope().say('CustomLog "|/bin/rotate x" CLF').server)
    assert log.target == "|/bin/rotate x"
    assert log.line is not None


@pytest.mark.parametrize(
    ("condition", "present", "absent"), [("env=x", True, False), ("ENV=!x", False, True), ("", True, True)]
)
def test_conditions(condition: str, present: bool, absent: bool) -> None:
    (log,) = access_logs(Scope().say(f"CustomLog a %s {condition}").server)
    assert log.wants(SimpleNamespace(subprocess_env=Table({"x": ""}))) is present
    assert log.wants(SimpleNamespace(subprocess_env=Table())) is absent


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("CustomLog a b foo", "error in condition clause"),
        ("CustomLog a b env", "error in condition clause"),
        ("CustomLog a b env=", "missing environment variable name"),
        ("CustomLog a b env=!", "missing environment variable name"),
        ("CustomLog a b expr=true", "expr= is not supported"),
        ("CustomLog a %Z", "Unrecognized LogFormat directive %Z"),
        ('CustomLog "|" b', 'there is no command after the "|"'),
        ('CustomLog "" b', "CustomLog takes two or three arguments"),
        ("CustomLog a", "CustomLog takes two or three arguments"),
        ("LogFormat %Z", "Unrecognized LogFormat directive %Z"),
        ("LogFormat %a %b", "looks like a second format"),
        ("LogFormat a b c", "LogFormat takes 1-2 arguments"),
    ],
)
def test_faults(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Scope().say(line)
    assert message in caught.value.message
