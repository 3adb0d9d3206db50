"""LogFormat and CustomLog."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.scopes import Scope
from mpserver.api.table import Table
from mpserver.config.registry import Where
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules.log_config import BUFFERED, CUSTOM_LOGS, CustomLog, nicknames
from mpserver.modules.log_config.hooks import access_logs
from mpserver.modules.log_config.items import escape
from mpserver.modules.log_config.json_lines import plain

REQUEST = SimpleNamespace(mp_prev=None, mp_next=None, mp_status=200, mp_method="GET")


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
        ("CustomLog a b expr=%{NO", "in expr= clause: "),
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


def test_expressions_are_conditions() -> None:
    (log,) = access_logs(Scope().say("CustomLog a %s expr=%{REQUEST_METHOD}=='GET'").server)
    assert log.is_conditional
    assert log.wants(SimpleNamespace(mp_method="GET"))
    assert not log.wants(SimpleNamespace(mp_method="POST"))


def test_all_hosts_write_global_logs() -> None:
    main = Scope().say("CustomLog a %s", "GlobalLog g %m").server
    host = Scope(where=Where.VHOST).say("CustomLog b %s").server
    assert lines(main) == [("/srv/a", "200"), ("/srv/g", "GET")]
    assert lines(main.merged(host)) == [("/srv/b", "200"), ("/srv/g", "GET")]


def test_the_system_log_is_a_file_for_access_logs() -> None:
    assert lines(Scope().say("CustomLog syslog:local1 %s").server) == [("/srv/syslog:local1", "200")]


@pytest.mark.parametrize("word", ["On", "Off"])
def test_logs_may_be_buffered(word: str) -> None:
    scope = Scope().say(f"BufferedLogs {word}")
    assert scope.server[BUFFERED] is (word == "On")
    assert scope.warnings == []


def test_json_formats() -> None:
    conf = Scope().say("CustomLog a own", 'LogFormat "json: status=%>s method=%m none=%{x}n" own').server
    request = SimpleNamespace(prev=None, next=None, status=200, method='G"\\\x01', notes=Table())
    (log,) = access_logs(conf)
    assert log.line(request) == '{"status":200,"method":"G\\"\\\\\\u0001","none":null}'


@given(st.text())
def test_json_formats_hold_any_text(text: str) -> None:
    """What the items escape is what it was, in JSON; a hyphen alone stands for nothing."""
    encoded = text.encode("utf-8", "surrogatepass").decode("latin-1")
    expected = None if text == "-" else text.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")
    assert plain(escape(encoded)) == expected


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("json:", "names no fields"),
        ("json: a=b", "must begin with a name and an item"),
        ("json: a", "must begin with a name and an item"),
        ("json: a=%s a=%m", "there are two fields 'a'"),
        ("json: a=%sb=%m", "there must be a blank after a=%s"),
        ("json: a=%%", "%% is no item"),
        ("json: a=%Z", "Unrecognized LogFormat directive %Z"),
    ],
)
def test_faults_of_json_formats(form: str, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        Scope().say(f'LogFormat "{form}" x')


def test_nicknames_that_nobody_defines_are_warned_of() -> None:
    main = Scope().say(
        "CustomLog a combined", "CustomLog b mien", "CustomLog c %s", "CustomLog d json", "LogFormat %s mine"
    )
    host = Scope(where=Where.VHOST).say(
        "CustomLog e mine", "CustomLog f hosts", "LogFormat %m hosts", "CustomLog g zzz"
    )
    one, two, three = nicknames.warnings(main.server, [host.server])
    assert "no LogFormat is called 'combined'" in one
    assert 'add LogFormat "%h %l %u %t \\"%r\\" %>s' in one
    assert "did you mean mine?" in two
    assert "(line 2 of test.conf)" in two
    assert 'add a LogFormat "..." zzz' in three
