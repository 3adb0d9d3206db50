"""Binding: what addresses mean, what is kept over a restart, what errors say."""

import contextlib
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import psutil
import pytest

from mpserver.errors import StartError
from mpserver.system import port_owner
from mpserver.system.listeners import Address, Listeners, bind

#: Closes listeners at the end of the test.
Closing: TypeAlias = Callable[[Listeners], Listeners]


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


@pytest.fixture
def closing() -> Iterator[Closing]:
    with contextlib.ExitStack() as stack:

        def keep(listeners: Listeners) -> Listeners:
            stack.callback(listeners.close)
            return listeners

        yield keep


def connects(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as client:
        return client.connect_ex((host, port)) == 0


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address(None, 80), "[::]:80"),
        (Address("::1", 80), "[::1]:80"),
        (Address("127.0.0.1", 80), "127.0.0.1:80"),
    ],
)
def test_addresses_read_as_in_httpds_messages(address: Address, text: str) -> None:
    assert str(address) == text


def test_without_a_host_both_families_are_served(port: int, closing: Closing) -> None:
    listeners = closing(Listeners().following([Address(None, port)]))
    assert len(listeners.sockets) == 1
    assert connects("127.0.0.1", port)
    if listeners.sockets[0].family == socket.AF_INET6:
        assert connects("::1", port)


def test_a_host_is_meant_as_it_is(port: int, closing: Closing) -> None:
    closing(Listeners().following([Address("127.0.0.1", port)]))
    assert connects("127.0.0.1", port)
    assert not connects("127.0.0.2", port)


def test_sockets_do_not_block_and_do_not_reach_other_programs(port: int, closing: Closing) -> None:
    [sock] = closing(Listeners().following([Address("127.0.0.1", port)])).sockets
    with pytest.raises(BlockingIOError):
        sock.accept()
    assert not sock.get_inheritable()


def test_an_address_in_use_is_told_as_httpd_tells_it(port: int, closing: Closing) -> None:
    closing(Listeners().following([Address("127.0.0.1", port)]))
    text = f"(98)Address already in use: AH00072: make_sock: could not bind to address 127.0.0.1:{port}: "
    text += f"{psutil.Process().name()} (pid {os.getpid()}) listens there. End that, or name another port"
    with pytest.raises(StartError, match=re.escape(text)):
        Listeners().following([Address("127.0.0.1", port)])


def test_without_ipv6_ipv4_is_served(port: int, closing: Closing, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def without_ipv6(family: int = socket.AF_INET, *rest: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return real(family, *rest)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    [sock] = closing(Listeners({Address(None, port): bind(Address(None, port))})).sockets
    monkeypatch.undo()
    assert sock.getsockname() == ("0.0.0.0", port)


def test_no_listen_at_all_is_an_error() -> None:
    with pytest.raises(StartError, match="no listening sockets available"):
        Listeners().following([])


def test_a_name_without_address_is_an_error() -> None:
    with pytest.raises(StartError, match="could not resolve"):
        bind(Address("does-not-exist.invalid", 80))


def test_a_restart_keeps_sockets_opens_new_ones_and_closes_old_ones(port: int, closing: Closing) -> None:
    first = closing(Listeners().following([Address("127.0.0.1", port), Address("127.0.0.2", port)]))
    second = closing(first.following([Address("127.0.0.3", port), Address("127.0.0.1", port)]))
    assert second.by_address[Address("127.0.0.1", port)] is first.by_address[Address("127.0.0.1", port)]
    assert all(connects(f"127.0.0.{n}", port) for n in (1, 2, 3))
    first.close(but=second)
    assert [connects(f"127.0.0.{n}", port) for n in (1, 2, 3)] == [True, False, True]


def test_a_failing_restart_leaves_the_old_sockets_alone(port: int, closing: Closing) -> None:
    first = closing(Listeners().following([Address("127.0.0.1", port)]))
    with socket.create_server(("127.0.0.2", port)), pytest.raises(StartError):
        first.following([Address("127.0.0.1", port), Address("127.0.0.3", port), Address("127.0.0.2", port)])
    assert connects("127.0.0.1", port)
    assert not connects("127.0.0.3", port), "what was opened for it is closed again"


def test_an_address_named_twice_is_bound_once(port: int, closing: Closing) -> None:
    assert len(closing(Listeners().following([Address("127.0.0.1", port)] * 2)).sockets) == 1


def test_who_has_a_port_is_not_guessed(port: int) -> None:
    assert port_owner.told(port) == ": another program has it (root can see which). End that, or name another port"


def test_the_backlog_is_what_was_asked_for_and_may_change(port: int, closing: Closing) -> None:
    def most(listeners: Listeners) -> int:
        """The kernel's limit for connections that wait."""
        info = listeners.sockets[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
        return int.from_bytes(info[28:32], sys.byteorder)

    address = Address("127.0.0.1", port)
    listeners = closing(Listeners().following([address], 7))
    assert most(listeners) == 7
    again = closing(listeners.following([address], 9))
    assert again.sockets == listeners.sockets
    assert most(again) == 9
