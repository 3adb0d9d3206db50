"""Lines of the error log: httpd's format, unforgeable, one write each."""

import os
import re
import threading
import time
from collections.abc import Iterator

import pytest

from mpserver.api import error_log as error_log_module
from mpserver.api.error_log import ErrorLog

LINE = re.compile(
    r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{6} \d{4}\] "
    r"\[([a-z-]*):([a-z0-9]+)\] \[pid (\d+):tid (\d+)\] (.*)"
)


def parts(line: str) -> tuple[str, ...]:
    """Module, level, process, thread and text of a line."""
    match = LINE.fullmatch(line)
    assert match is not None, line
    return match.groups()


class Written:
    """An error log into a pipe."""

    def __init__(self, level: int = error_log_module.WARN, levels: dict[str, int] | None = None) -> None:
        self.reader, self.writer = os.pipe()
        self.log = ErrorLog(self.writer, level, levels)

    def text(self) -> str:
        os.set_blocking(self.reader, False)
        try:
            return os.read(self.reader, 65536).decode()
        except BlockingIOError:
            return ""


@pytest.fixture
def out() -> Iterator[Written]:
    written = Written()
    yield written
    os.close(written.reader)
    os.close(written.writer)


def test_a_line_has_the_parts_of_httpds_format(out: Written) -> None:
    out.log.log(error_log_module.ERROR, "it broke", module="python", client=("192.0.2.1", 4711))
    module, level, pid, tid, rest = parts(out.text().removesuffix("\n"))
    assert (module, level) == ("python", "error")
    assert (int(pid), int(tid)) == (os.getpid(), threading.get_native_id())
    assert rest == "[client 192.0.2.1:4711] it broke"


def test_number_and_system_error_come_before_the_text(out: Written) -> None:
    out.log.log(error_log_module.CRIT, "make_sock", number=72, error=OSError(98, "Address already in use"))
    assert out.text().endswith("] (98)Address already in use: AH00072: make_sock\n")


def test_timestamp_is_local_and_independent_of_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert error_log_module.timestamp(1795205648.123456) == "Fri Nov 20 20:14:08.123456 2026"


def test_nothing_forges_a_line_or_steers_a_terminal(out: Written) -> None:
    out.log.log(error_log_module.ERROR, "a\r\x1b[31m\x9b\u2028\udcff\\b\tc")
    assert out.text().endswith("] a\\r\\x1b[31m\\x9b\\u2028\\udcff\\\\b\\tc\n")


def test_printable_text_beyond_ascii_stays(out: Written) -> None:
    out.log.log(error_log_module.ERROR, "Zoë ж")
    assert out.text().endswith("] Zoë ж\n")


def test_every_line_of_a_traceback_has_the_prefix(out: Written) -> None:
    out.log.log(error_log_module.ERROR, "Traceback\n  File x\nValueError: y\n", client=("::1", 5))
    lines = out.text().splitlines()
    assert [parts(line)[4] for line in lines] == [
        "[client ::1:5] Traceback",
        "[client ::1:5]   File x",
        "[client ::1:5] ValueError: y",
    ]


def test_levels_choose_per_module_and_notices_always_pass() -> None:
    error_log = ErrorLog(2, error_log_module.WARN, {"python": error_log_module.DEBUG, "alias": error_log_module.CRIT})
    assert error_log.enabled(error_log_module.WARN)
    assert not error_log.enabled(error_log_module.INFO)
    assert error_log.enabled(error_log_module.DEBUG, "python")
    assert not error_log.enabled(error_log_module.LEVELS["trace1"], "python")
    assert not error_log.enabled(error_log_module.ERROR, "alias")
    assert error_log.enabled(error_log_module.NOTICE, "alias")
    assert error_log.enabled(1024 | error_log_module.ERROR), "flags above the level (APLOG_NOERRNO) don't count"


def test_what_is_not_enabled_is_not_written(out: Written) -> None:
    out.log.log(error_log_module.INFO, "quiet")
    assert out.text() == ""


def test_a_log_that_cannot_be_written_fails_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ErrorLog(writer).log(error_log_module.ERROR, "nobody reads")
    os.close(writer)
