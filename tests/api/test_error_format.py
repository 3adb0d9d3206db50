"""ErrorLogFormat: lines as httpd 2.4 writes them, fields that are left out, JSON, and the system's log."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.api import error_log as levels
from mpserver.api import syslog
from mpserver.api.error_format import compile_any
from mpserver.api.error_items import Event
from mpserver.api.error_log import ErrorLog, connection_id
from mpserver.api.error_style import Lines
from mpserver.api.syslog import Syslog
from mpserver.api.table import Table
from mpserver.errors import ConfigError
from mpserver.system import log_files

#: 2026-11-20 20:37:08.339123 UTC
NOW = 1795207028.339123

CONNECTION = SimpleNamespace(
    mp_id=1, mp_client_addr=("127.0.0.1", 60996), mp_local_addr=("127.0.0.1", 9781), mp_keepalives=0, mp_is_logged=False
)


class Request:
    """A request as the log sees it; what messages are about."""

    def __init__(self, **headers: str) -> None:
        self.headers_in = Table(headers)
        self.mp_main = self.mp_prev = self.mp_notes = self.mp_env = self.mp_log_id = None
        self.mp_is_logged = False
        self.mp_interpreter = "www"
        self.mp_host = SimpleNamespace(name="h")
        self.connection = SimpleNamespace(**vars(CONNECTION))

    def mp_whose(self) -> tuple[Any, Any]:
        return self, self.connection

    def mp_client(self) -> tuple[str, int]:
        return ("198.51.100.1", 0)


def event(**changed: Any) -> Event:
    return Event(levels.ERROR, "core", "text", NOW, "localhost", **changed)


def shown(form: str, about: Event | None = None) -> str | None:
    return compile_any(form)[0](event() if about is None else about)


OF_REQUEST = event(
    client=("198.51.100.1", 0), request=Request(Referer="http://r/"), connection=CONNECTION,
    error=OSError(2, "No such file"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("form", "bare", "about"),
    [
        # (a field goes from blank to blank, so that httpd leaves the "[E" and takes the rest)
        ("[%m:%l] [E %E] [ref %{Referer}i] %M", "[core:error] [E [ref text",
         "[core:error] [E (2)No such file] [ref http://r/] text"),
        (r"[%m:%l] [client\ %a] [%{c}a] %M", "[core:error] text",
         "[core:error] [client 198.51.100.1:0] [127.0.0.1:60996] text"),
        ("%M% ,\\ referer\\ %{Referer}i", "text", "text, referer http://r/"),
        ("a %-a b", "a - b", "a 198.51.100.1:0 b"),
        ("%M '%-{Referer}i'", "text '-'", "text 'http://r/'"),
        ("%+{Referer}i %M", None, "http://r/ text"),
        ("%L x %4l y %2l z %3l|%7l e%E- %M", " x y error z text", "{id} x y error z e(2)No such file- text"),
        ("%+4{Referer}i %M", " text", " text"),
        ("k=%k A=%A %M", " text", "k=0 A=127.0.0.1:9781 text"),
        ("100%% %M", "100% text", "100% text"),
        ("%v|%{nope}n|%{nope}e", "", ""),
        ("[%{C}L] %M", " text", " text"),
        ("[%{c}L] %M", " text", f"[{connection_id(CONNECTION)}] text"),
    ],
)  # fmt: skip
def test_forms(form: str, bare: str | None, about: str | None) -> None:
    assert shown(form) == bare
    found = shown(form, OF_REQUEST)
    assert found == (None if about is None else about.replace("{id}", OF_REQUEST.request.mp_log_id or ""))


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"\w{3} Nov \d\d \d\d:37:08 2026", shown("%t") or "")
    assert re.fullmatch(r"\w{3} Nov \d\d \d\d:37:08.339123 2026", shown("%{u}t") or "")
    assert re.fullmatch(r"2026-11-\d\d \d\d:37:08", shown("%{c}t") or "")
    assert re.fullmatch(r"2026-11-\d\d \d\d:37:08.339123", shown("%{cu}t") or "")
    assert shown("%{%Y}t") == "2026"


def test_who_writes() -> None:
    assert shown("%P %T") == f"{os.getpid()} {threading.get_native_id()}"
    assert re.fullmatch(r"test_error_format\.py\(\d+\)", shown("%F") or "")


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("%Z", "Unrecognized error log format directive %Z"),
        ("a %", "Ran off end of error log format"),
        ("%{x", "Ran off end of error log format"),
        ("json:", "names no fields"),
        ("json: a=b", "'a=b' must be a name and an item"),
        ("json: a=%M a=%l", "'a=%l' must be a name and an item"),
        ("json: =%M", "'=%M' must be a name and an item"),
    ],
)
def test_faults(form: str, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        compile_any(form)


@given(st.text())
def test_json_holds_any_text(text: str) -> None:
    form, whole = compile_any("json: level=%l text=%M client=%a")
    line = form(event()._replace(text=text))
    assert line is not None
    assert whole
    assert "\n" not in line
    assert json.loads(line) == {"level": "error", "text": text or None, "client": None}


def written(style: Lines, *messages: tuple[str, Any]) -> list[str]:
    reader, writer = os.pipe()
    log = ErrorLog(writer, levels.INFO, style=style)
    for text, about in messages:
        log.log(levels.ERROR, text, about=about)
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        return file.read().splitlines()


def test_what_is_told_once_comes_first() -> None:
    formats = {"": ("%L %M",), "connection": ("of %{c}L",), "request": ("first %L", "%+{Referer}i")}
    req = Request()
    lines = written(Lines("/log", formats, "h"), ("none", None), ("one\ntwo", req), ("three", req))
    name, known = req.mp_log_id, connection_id(CONNECTION)
    assert lines == [" none", f"of {known}", f"first {name}", f"{name} one", f"{name} two", f"{name} three"]


def test_hosts_that_share_a_log_are_told_apart() -> None:
    """Those of equal settings have one, made for the first of them."""
    req = Request()
    req.mp_host = SimpleNamespace(name="second.test")
    style = Lines("/log", {"": ("%v %M",)}, "first.test")
    assert written(style, ("a", None), ("b", req)) == ["first.test a", "second.test b"]


def test_no_message_can_forge_a_line() -> None:
    assert written(Lines("/log", {"": ("%M",)}, "h"), ("a\x1b[31m\r\nb", None)) == ["a\\x1b[31m\\r", "b"]


def test_the_default_form_is_the_usual_one() -> None:
    reader, writer = os.pipe()
    for style in (None, Lines("/log", {"request": ("",)}, "h")):
        log = ErrorLog(writer, style=style)
        log.log(levels.ERROR, "text", client=("192.0.2.1", 5), number=7, error=OSError(2, "gone"), module="python")
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        one, two = (line.partition("] ")[2] for line in file)
    assert one == two


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("syslog", Syslog(23, "mpserver")),
        ("syslog:local1", Syslog(17, "mpserver")),
        ("syslog:daemon:web", Syslog(3, "web")),
        ("syslog::web", Syslog(23, "web")),
    ],
)
def test_targets_of_the_system(target: str, expected: Syslog) -> None:
    assert syslog.is_syslog(target)
    assert syslog.parse(target) == expected


@pytest.mark.parametrize("target", ["syslog:nix", "syslog:user:a b", "syslog:user:" + "x" * 33, "syslog:user:a:b"])
def test_no_targets_of_the_system(target: str) -> None:
    with pytest.raises(ValueError, match=r"there is no facility|can't be a tag"):
        syslog.parse(target)


def test_messages_of_the_system_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each line is a message with its level; the time is the system's; where that is started anew it is found again."""
    place = str(tmp_path / "log")
    monkeypatch.setattr(syslog, "SYSLOG", place)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as first:
        first.bind(place)
        client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        client.connect(place)
        log = ErrorLog(client.fileno(), levels.WARN, style=Lines("syslog:daemon:web", {}, "h"))
        log.log(levels.NOTICE, "below the level: that of the system's log counts")
        log.log(levels.WARN, "one\ntwo")
        pattern = rb"<28>\w{3} [ \d]\d \d\d:\d\d:\d\d web\[\d+\]: \[core:warn\] \[pid \d+:tid \d+\] (\w+)\n"
        messages = [re.fullmatch(pattern, first.recv(1000)) for _ in range(2)]
        assert [match and match[1] for match in messages] == [b"one", b"two"]
    os.unlink(place)
    log.log(levels.ERROR, "nobody listens")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as second:
        second.bind(place)
        log.log(levels.ERROR, "again")
        second.settimeout(20)
        assert second.recv(1000).endswith(b"again\n")
    client.close()


def test_a_system_log_that_does_not_read_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line waits a little, and where that is in vain the next ones do not; what comes then is written again."""
    place = str(tmp_path / "log")
    monkeypatch.setattr(syslog, "SYSLOG", place)
    monkeypatch.setattr(log_files, "SYSLOG", place)
    monkeypatch.setattr(syslog, "GIVEN_UP", 3600)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(place)
        logs = log_files.Logs("/", ["syslog"])
        log = ErrorLog(logs.fds["syslog"], levels.WARN, style=Lines("syslog", {}, "h"))
        waits: list[bool] = []
        wait = syslog.Patience.wait

        def counted(patience: syslog.Patience, fd: int) -> bool:
            waits.append(wait(patience, fd))
            return waits[-1]

        monkeypatch.setattr(syslog.Patience, "wait", counted)
        lines = 0
        while len(waits) < 20:
            log.log(levels.ERROR, "x" * 8000)
            lines += 1
        assert waits == [False] * 20
        deaf.settimeout(20)
        for _ in range(lines - 20):
            deaf.recv(10000)
        log.log(levels.ERROR, "it reads again")
        assert deaf.recv(10000).endswith(b"it reads again\n")
        logs.close()
