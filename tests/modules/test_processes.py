"""prefork's numbers, User and Group."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from modules.scopes import Scope
from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError
from mpserver.modules import mpm, unixd, values
from mpserver.system.account import Account


def test_defaults_fit() -> None:
    assert mpm.limits(Conf()) == mpm.Limits(5, 5, 10, 256, 0, 256, 1, 1, ())


@pytest.mark.parametrize(
    ("line", "setting", "value"),
    [
        ("StartServers 3", mpm.START_SERVERS, 3),
        ("MinSpareServers 3", mpm.MIN_SPARE_SERVERS, 3),
        ("MaxSpareServers 3", mpm.MAX_SPARE_SERVERS, 3),
        ("ServerLimit 3", mpm.SERVER_LIMIT, 3),
        ("MaxRequestWorkers 3", mpm.MAX_REQUEST_WORKERS, 3),
        ("MaxClients 3", mpm.MAX_REQUEST_WORKERS, 3),
        ("MaxConnectionsPerChild 3", mpm.MAX_CONNECTIONS_PER_CHILD, 3),
        ("MaxRequestsPerChild 3", mpm.MAX_CONNECTIONS_PER_CHILD, 3),
        ("MaxConnectionsPerAddress 3", mpm.MAX_CONNECTIONS_PER_ADDRESS, 3),
        ("GracefulShutdownTimeout 3", mpm.GRACEFUL_SHUTDOWN_TIMEOUT, 3.0),
        ("ShutdownDelay 3", mpm.SHUTDOWN_DELAY, 3.0),
        ("ListenBackLog 3", mpm.LISTEN_BACKLOG, 3),
        ("MaxMemoryPerChild 0", mpm.MAX_MEMORY_PER_CHILD, 0),
        ("MaxMemoryPerChild 300M", mpm.MAX_MEMORY_PER_CHILD, 300 << 20),
        ("MaxMemoryPerChild 1g", mpm.MAX_MEMORY_PER_CHILD, 1 << 30),
        ("MaxMemoryPerChild 99999999", mpm.MAX_MEMORY_PER_CHILD, 99999999),
        ("WorkerTimeout 3", mpm.WORKER_TIMEOUT, 3.0),
    ],
)
def test_numbers(line: str, setting: Setting[int], value: int) -> None:
    scope = Scope().say(line)
    assert scope.server[setting] == value
    assert scope.warnings == []


@pytest.mark.parametrize("name", ["StartServers", "MinSpareServers", "ServerLimit", "MaxRequestWorkers"])
@pytest.mark.parametrize("word", ["0", "-3"])
def test_too_few_are_raised_to_one(name: str, word: str) -> None:
    scope = Scope().say(f"{name} {word}")
    assert list(scope.server.values.values()) == [1]
    assert scope.warnings == [f"{name} of {word} not allowed, increasing to 1 (line 1 of test.conf)"]


@pytest.mark.parametrize("name", ["StartServers", "MaxSpareServers", "ServerLimit", "MaxConnectionsPerChild"])
@pytest.mark.parametrize("word", ["x", "1.5", "1e3", "9" * 30])
def test_what_is_no_number(name: str, word: str) -> None:
    with pytest.raises(ConfigError, match=f'{name} "{word}" must be a whole number'):
        Scope().say(f"{name} {word}")


def test_more_workers_than_server_limit() -> None:
    limits = mpm.limits(Scope().say("ServerLimit 4", "MaxRequestWorkers 9").server)
    assert (limits.workers, limits.start) == (4, 4)
    assert "MaxRequestWorkers of 9 exceeds ServerLimit value of 4 servers" in limits.warnings[0]
    assert mpm.limits(Scope().say("ServerLimit 4").server).warnings == ()


def test_highest_server_limit() -> None:
    scope = Scope().say("ServerLimit 9999999")
    assert scope.server[mpm.SERVER_LIMIT] == mpm.HIGHEST_LIMIT
    assert "exceeds the limit" in scope.warnings[0]


def test_spare_servers_leave_room() -> None:
    limits = mpm.limits(Scope().say("MinSpareServers 20", "MaxSpareServers 3").server)
    assert (limits.min_spare, limits.max_spare) == (20, 21)


ME = pwd.getpwuid(os.getuid())


def test_identity() -> None:
    assert unixd.identity(Conf()) is None
    found = unixd.identity(Scope().say(f"User {ME.pw_name}").server)
    assert found == Account(ME.pw_uid, ME.pw_gid, ME.pw_name, ME.pw_dir)
    group = grp.getgrgid(os.getgid())
    found = unixd.identity(Scope().say(f"User #{ME.pw_uid}", f"Group {group.gr_name}").server)
    assert found == Account(ME.pw_uid, group.gr_gid, ME.pw_name, ME.pw_dir)
    found = unixd.identity(Scope().say("User #4242424", "Group #42").server)
    assert found == Account(4242424, 42, "#4242424", "/")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("User no-such-user",), "bad user name no-such-user"),
        ((f"User {ME.pw_name}", "Group no-such-group"), "bad group name no-such-group"),
        (("User #x",), "bad user name #x"),
        (("User #4242424",), "add Group"),
    ],
)
def test_identities_that_are_none(lines: tuple[str, ...], message: str) -> None:
    scope = Scope().say(*lines)
    with pytest.raises(ConfigError, match=message):
        unixd.identity(scope.server)
    faults = values.check([scope.server])
    assert len(faults) == ("4242424" not in message and "add Group" not in message)
    assert all(message in fault.message for fault in faults)
