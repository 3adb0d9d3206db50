"""Static files, directories, OPTIONS and TRACE: httpd's answers, found by asking it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpserver.api import constants
from mpserver.api.request import Request
from mpserver.api.table import Table
from mpserver.config.settings import Conf
from mpserver.http1 import ranges
from mpserver.http1.head import Limits, parse_head
from mpserver.modules import core
from mpserver.modules import dir as dir_module
from mpserver.modules.core import file_cache, files
from mpserver.modules.dir import hooks as dir_hooks

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE
NOW = 1795206926.0
MODIFIED_NS = 1767323045_123456_000
TAG = '"64-6475ef64ed580"'
DATE = "Fri, 02 Jan 2026 03:04:05 GMT"


class Log:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def enabled(self, level: int, module: str = "core") -> bool:
        return True

    def log(self, level: int, text: str, **_: object) -> None:
        self.lines.append((level, text))


class Client:
    """The connection, as far as the log needs it."""

    client_addr = ("10.0.0.1", 5000)


class Fake:
    """A request, as far as static files need it."""

    def __init__(self, filename: str | None, method: str = "GET", path_info: str = "", **headers: str) -> None:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = parse_head(f"{method} /f.txt HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode("latin-1"), Limits())
        assert head is not None
        self.mp_head = head
        self.mp_method = method
        self.mp_header_only = int(method == "HEAD")
        self.mp_filename = filename
        self.mp_path_info = path_info
        self.mp_uri = "/f.txt"
        self.mp_args: str | None = None
        self.mp_tried = (0, constants.DECLINED)
        try:
            self.mp_stat = None if filename is None else os.stat(filename)
        except OSError:
            self.mp_stat = None
        self.mp_finfo: object = None
        self.mp_table_in: Table | None = None
        self.mp_request_time = NOW
        self.mp_mtime = 0.0
        self.mp_status = 200
        self.mp_no_local_copy = 0
        self.mp_used_path_info = constants.AP_REQ_DEFAULT_PATH_INFO
        self.mp_content_type: str | None = "text/plain"
        self.mp_handler: str | None = None
        self.mp_plan = SimpleNamespace(
            conf=Conf(), has_end=False, file_etag=core.FILE_ETAG.default.effective, range_limits=ranges.Limits()
        )
        self.mp_host = SimpleNamespace(server=SimpleNamespace(conf=Conf()), pages=file_cache.Pages())
        self.mp_located = SimpleNamespace(page=None, effects=None)
        self.mp_parts: list[bytes] = []
        self.mp_chain = None
        self.mp_added = None
        self.mp_allowed_methods: tuple[str, ...] = ()
        self.mp_log = Log()
        self.connection = Client()
        self.mp_headers_out: Table | None = None
        self.err_headers_out = Table()
        self.body = b""
        self.discarded = 0

    @property
    def headers_out(self) -> Table:
        if self.mp_headers_out is None:
            self.mp_headers_out = Table()
        return self.mp_headers_out

    def mp_ending_but_fixed(self) -> None:
        """Never plain: nothing is kept of these."""

    def mp_discard_request_body(self) -> int:
        self.discarded += 1
        return OK

    def mp_sendfile(self, path: str, offset: int = 0, length: int = -1) -> int:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read(length)
        self.body += data
        return len(data)

    def mp_write(self, data: bytes, flush: int = 1) -> None:
        self.body += data

    def mp_set_content_length(self, length: int) -> None:
        self.headers_out["Content-Length"] = str(length)

    def mp_allow_methods(self, methods: Iterable[str]) -> None:
        self.mp_allowed_methods += tuple(methods)

    def mp_construct_url(self, path: str) -> str:
        return "http://x" + path

    def run(self) -> int:
        """Serve it."""
        return files.handler(cast(Request, self))

    def logged(self) -> str:
        """The one line of the log."""
        assert len(self.mp_log.lines) == 1
        return self.mp_log.lines[0][1]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "f.txt"
    path.write_bytes(bytes(range(48, 58)) * 10)
    os.utime(path, ns=(MODIFIED_NS, MODIFIED_NS))
    return str(path)


def test_a_file_is_sent_with_its_validators(file: str) -> None:
    req = Fake(file)
    assert req.run() == OK
    assert req.mp_status == 200
    assert req.body == bytes(range(48, 58)) * 10
    assert req.headers_out.items() == [("Last-Modified", DATE), ("ETag", TAG), ("Accept-Ranges", "bytes")]


def test_post_gets_the_file_too(file: str) -> None:
    req = Fake(file, "POST", Content_Length="3")
    assert req.run() == OK
    assert len(req.body) == 100
    assert req.discarded == 1


def test_a_body_that_can_not_be_read_decides(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    req = Fake(file, "POST", Content_Length="3")
    monkeypatch.setattr(req, "mp_discard_request_body", lambda: 413)
    assert req.run() == 413


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    req = Fake(str(tmp_path / "f"), Range="bytes=0-0")
    assert req.run() == OK
    assert (req.mp_status, req.body) == (200, b"")


def test_the_tag_of_a_file_that_was_just_changed_is_weak(file: str) -> None:
    os.utime(file, (NOW - 0.5, NOW - 0.5))
    req = Fake(file)
    req.run()
    assert req.headers_out["ETag"].startswith('W/"64-')
    os.utime(file, (NOW + 5000, NOW + 5000))
    req = Fake(file)
    req.run()
    assert req.headers_out["Last-Modified"] == "Fri, 20 Nov 2026 20:35:26 GMT", "never in the future"


def test_what_a_handler_knows_of_the_age_counts(file: str) -> None:
    req = Fake(file, If_Modified_Since=DATE)
    req.mp_mtime = MODIFIED_NS / 1e9 + 60
    assert req.run() == OK
    assert req.mp_status == 200
    assert req.headers_out["Last-Modified"] == "Fri, 02 Jan 2026 03:05:05 GMT"


def test_headers_that_a_handler_set_stay(file: str) -> None:
    req = Fake(file)
    req.headers_out["X-Fix"] = "1"
    req.headers_out["ETag"] = '"mine"'
    assert req.run() == OK
    assert sorted(req.headers_out.items()) == [
        ("Accept-Ranges", "bytes"), ("ETag", TAG), ("Last-Modified", DATE), ("X-Fix", "1"),
    ]  # fmt: skip


# ---- what is no file


def test_a_missing_file(tmp_path: Path) -> None:
    req = Fake(str(tmp_path / "nope"), path_info="/x")
    assert req.run() == 404
    assert req.logged() == f"File does not exist: {tmp_path}/nope/x"


def test_no_file_at_all() -> None:
    req = Fake(None)
    assert req.run() == 404
    assert req.logged() == "File does not exist: /f.txt"


def test_a_directory(tmp_path: Path) -> None:
    req = Fake(f"{tmp_path}/")
    assert req.run() == 404
    assert req.logged() == f"Attempt to serve directory: {tmp_path}/"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    req = Fake(str(tmp_path / "fifo"))
    assert req.run() == 403
    assert req.mp_log.lines


@pytest.mark.parametrize("headers", [{}, {"If_None_Match": TAG}, {"Range": "bytes=0-0,5-5"}, {"Range": "bytes=0-0"}])
def test_a_file_that_may_not_be_read(file: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Could not open file for reading", file)

    req = Fake(file, **headers)
    monkeypatch.setattr(req, "mp_sendfile", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert req.run() == 403
    assert req.logged() == f"file permissions deny server access: {file} (Permission denied)"
    assert not req.body


def test_a_file_that_vanished_meanwhile(file: str) -> None:
    req = Fake(file)
    os.unlink(file)
    assert req.run() == 404


def test_path_info_behind_a_file(file: str) -> None:
    assert Fake(file, path_info="/x").run() == 404
    assert Fake(file, path_info="/").run() == 404


@pytest.mark.parametrize(
    ("directive", "wish", "status"),
    [
        (True, constants.AP_REQ_DEFAULT_PATH_INFO, OK),
        (False, constants.AP_REQ_DEFAULT_PATH_INFO, 404),
        (None, constants.AP_REQ_ACCEPT_PATH_INFO, OK),
        (True, constants.AP_REQ_REJECT_PATH_INFO, 404),
    ],
)
def test_path_info_can_be_accepted(file: str, directive: bool | None, wish: int, status: int) -> None:
    req = Fake(file, path_info="/x")
    req.mp_plan.conf[core.ACCEPT_PATH_INFO] = directive
    req.mp_used_path_info = wish
    assert req.run() == status


def test_a_file_that_a_handler_chose(file: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    req = Fake(file)
    req.mp_filename, req.mp_finfo = str(other), object()
    assert req.run() == OK
    assert req.body == b"other"
    assert str(req.headers_out["ETag"]).startswith(('"5-', 'W/"5-'))
    req = Fake(str(tmp_path / "missing"))
    req.mp_filename = str(other)
    assert req.run() == OK
    assert req.body == b"other"


# ---- conditions and ranges


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"If_None_Match": TAG}, 304),
        ("HEAD", {"If_Modified_Since": DATE}, 304),
        ("POST", {"If_None_Match": TAG}, 412),
        ("GET", {"If_Match": '"x"'}, 412),
        ("GET", {"If_None_Match": TAG, "Range": "bytes=0-1"}, 304),
    ],
)
def test_conditions(file: str, method: str, headers: dict[str, str], status: int) -> None:
    req = Fake(file, method, **headers)
    assert req.run() == OK
    assert req.mp_status == status
    assert not req.body
    assert req.headers_out["ETag"] == TAG


def test_conditions_that_a_handler_changed(file: str) -> None:
    req = Fake(file)
    req.mp_table_in = Table([("If-None-Match", '"x"'), ("If-None-Match", TAG)])
    req.run()
    assert req.mp_status == 304
    req = Fake(file, If_None_Match=TAG)
    req.mp_table_in = Table()
    req.run()
    assert req.mp_status == 200


def test_no_local_copy_refuses_conditions(file: str) -> None:
    req = Fake(file, If_None_Match=TAG)
    req.mp_no_local_copy = 1
    req.run()
    assert (req.mp_status, len(req.body)) == (200, 100)


def test_an_error_document_is_sent_as_it_is(file: str) -> None:
    req = Fake(file, If_None_Match=TAG, Range="bytes=0-0")
    req.mp_status = 404
    assert req.run() == OK
    assert (req.mp_status, len(req.body)) == (404, 100)


def test_one_range(file: str) -> None:
    req = Fake(file, Range="bytes=10-13")
    assert req.run() == OK
    assert (req.mp_status, req.body) == (206, b"0123")
    assert req.headers_out["Content-Range"] == "bytes 10-13/100"


def test_several_ranges(file: str) -> None:
    req = Fake(file, Range="bytes=0-0, 99-99")
    assert req.run() == OK
    assert req.mp_status == 206
    match = re.fullmatch("multipart/byteranges; boundary=([0-9a-f]{24})", req.mp_content_type or "")
    assert match
    boundary = match[1].encode()
    assert req.body.split(b"\r\n--" + boundary) == [
        b"",
        b"\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/100\r\n\r\n0",
        b"\r\nContent-Type: text/plain\r\nContent-Range: bytes 99-99/100\r\n\r\n9",
        b"--\r\n",
    ]
    assert req.headers_out["Content-Length"] == str(len(req.body))
    assert "Content-Range" not in req.headers_out


def test_a_range_that_is_not_there(file: str) -> None:
    req = Fake(file, Range="bytes=100-")
    assert req.run() == 416
    assert req.err_headers_out["Content-Range"] == "bytes */100"
    assert not req.body


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_only_get_has_ranges(file: str, method: str) -> None:
    req = Fake(file, method, Range="bytes=0-0")
    assert req.run() == OK
    assert req.mp_status == 200


@pytest.mark.parametrize(("condition", "status"), [(TAG, 206), ('"x"', 200), (DATE, 206), ("junk", 200)])
def test_if_range(file: str, condition: str, status: int) -> None:
    req = Fake(file, Range="bytes=0-0", If_Range=condition)
    req.run()
    assert req.mp_status == status


# ---- methods


@pytest.mark.parametrize("filename", ["/nonexistent", None])
def test_methods_that_files_do_not_have(filename: str | None) -> None:
    for method in ("PUT", "DELETE", "PATCH", "PROPFIND", "CONNECT"):
        req = Fake(filename, "PUT")
        req.mp_method = method
        assert req.run() == 405, method
        assert req.mp_allowed_methods == ("OPTIONS", "HEAD", "GET", "POST")


@pytest.mark.parametrize("method", ["FOO", "get"])
def test_a_method_that_nobody_knows(file: str, method: str) -> None:
    req = Fake(file, method)
    assert req.run() == 501
    assert req.mp_allowed_methods == ("OPTIONS", "HEAD", "GET", "POST")
    assert req.logged() == f"Invalid method in request {method} /f.txt HTTP/1.1"


def test_options(file: str) -> None:
    req = Fake(file, "OPTIONS")
    req.mp_allowed_methods = ("PUT",)
    assert req.run() == OK
    assert req.headers_out["Allow"] == "OPTIONS,HEAD,GET,POST,PUT,TRACE"
    assert req.headers_out["Content-Length"] == "0"
    assert not req.body


def test_options_of_the_whole_server() -> None:
    head = parse_head(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", Limits())
    assert head is not None
    req = Fake(None, "OPTIONS")
    req.mp_head = head
    assert req.run() == OK
    assert "Allow" not in req.headers_out


def test_trace_sends_the_head_back_without_secrets() -> None:
    req = Fake(None, "TRACE", X_Odd="  spaces  ", Cookie="a=b", Authorization="x", Proxy_Authorization="y", x_odd="2")
    assert files.trace(cast(Request, req)) == DONE
    assert req.mp_content_type == "message/http"
    assert req.body == b"TRACE /f.txt HTTP/1.1\r\nHost: x\r\nX-Odd: spaces, 2\r\n\r\n"


def test_trace_has_no_body() -> None:
    assert files.trace(cast(Request, Fake(None, "TRACE", Content_Length="2"))) == 413
    assert files.trace(cast(Request, Fake(None, "TRACE", Transfer_Encoding="chunked"))) == 413


# ---- directories


class Looks:
    """Index files by their path, with their status; all others are missing."""

    def __init__(self, **statuses: int) -> None:
        self.statuses = {"/d/" + name.replace("_", "."): status for name, status in statuses.items()}
        self.asked: list[str] = []

    def __call__(self, path: str) -> int:
        self.asked.append(path)
        return self.statuses.get(path, 404)


def directory(req: Fake, looks: Looks, **settings: Any) -> int:
    conf = Conf()
    for name, value in settings.items():
        conf[getattr(dir_module, name)] = value
    return dir_hooks.serve_directory(cast(Request, req), conf, looks)


def a_directory(uri: str) -> Fake:
    req = Fake(None)
    req.mp_uri = uri
    return req


@pytest.mark.parametrize(("args", "location"), [(None, "http://x/a%20d/"), ("x=%20y", "http://x/a%20d/?x=%20y")])
def test_the_missing_slash(args: str | None, location: str) -> None:
    req = a_directory("/a d")
    req.mp_args = args
    assert directory(req, Looks()) == 301
    assert req.headers_out["Location"] == location


def test_the_missing_slash_can_be_left_alone() -> None:
    looks = Looks(index_html=DONE)
    assert directory(a_directory("/d"), looks, DIRECTORY_SLASH=False) == DECLINED
    assert not looks.asked


def test_index_files_in_their_order() -> None:
    looks = Looks(b=DONE, c=DONE)
    assert directory(a_directory("/d/"), looks, DIRECTORY_INDEX=("a", "b", "c")) == DONE
    assert looks.asked == ["/d/a", "/d/b"]


def test_an_index_file_elsewhere() -> None:
    looks = Looks()
    assert directory(a_directory("/d/"), looks, DIRECTORY_INDEX=("a", "/cgi/list")) == DECLINED
    assert looks.asked == ["/d/a", "/cgi/list"]


def test_an_index_file_that_is_refused_is_passed_over_but_not_forgotten() -> None:
    names = ("a", "b", "c")
    assert directory(a_directory("/d/"), Looks(a=403, b=DONE), DIRECTORY_INDEX=names) == DONE
    assert directory(a_directory("/d/"), Looks(a=403), DIRECTORY_INDEX=names) == 403
    assert directory(a_directory("/d/"), Looks(), DIRECTORY_INDEX=names) == DECLINED


def test_a_redirect_of_an_index_file_counts() -> None:
    looks = Looks(a=301, b=DONE)
    assert directory(a_directory("/d/"), looks, DIRECTORY_INDEX=("a", "b")) == 301


def test_the_query_of_an_index_file() -> None:
    req = a_directory("/d/")
    req.mp_args = "b=2"
    looks = Looks(b=DONE)
    assert directory(req, looks, DIRECTORY_INDEX=("a?x=1", "b?y=1")) == DONE
    assert looks.asked == ["/d/a", "/d/b"]
    assert req.mp_args == "y=1&b=2"


@pytest.mark.parametrize(
    ("handler", "result"), [(None, DONE), ("httpd/unix-directory", DONE), ("mod_python", DECLINED)]
)
def test_a_handler_goes_before_index_files_if_so_configured(handler: str | None, result: int) -> None:
    req = a_directory("/d/")
    req.mp_handler = handler
    looks = Looks(index_html=DONE)
    assert directory(req, looks, DIRECTORY_CHECK_HANDLER=True) == result
    assert directory(req, looks) == DONE


def test_no_index_file_of_a_path_that_goes_on() -> None:
    req = a_directory("/d/")
    req.mp_path_info = "/x"
    assert directory(req, Looks(index_html=DONE)) == DECLINED
