"""The parts of the WSGI handler that need no server."""

from __future__ import annotations

import io
import itertools
import sys
import threading
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from mod_python import apache
from mod_python._wsgi import exchange as exchange_module
from mod_python._wsgi import headers as headers_module
from mod_python._wsgi import mount as mount_module
from mod_python._wsgi import tolerance
from mod_python._wsgi.environ import header_variables
from mod_python._wsgi.errors import LONG, Errors
from mod_python._wsgi.input import NoBody
from mpserver.api.table import HeaderTable


def test_header_variables() -> None:
    pairs = [
        ("Host", "x"), ("content-TYPE", "a/b"), ("Content-Length", "3"), ("Accept", "a"), ("accept", "b"),
        ("Cookie", "a=1"), ("Cookie", "b=2"), ("Proxy", "no"), ("Proxy-Authorization", "no"), ("Authorization", "yes"),
        ("X_Y", "no"), ("X-Beyond", "\xe2\x82\xac"), ("Transfer-Encoding", "chunked"),
    ]  # fmt: skip
    assert header_variables(pairs) == {
        "HTTP_HOST": "x", "CONTENT_TYPE": "a/b", "CONTENT_LENGTH": "3", "HTTP_ACCEPT": "a, b",
        "HTTP_COOKIE": "a=1; b=2", "HTTP_AUTHORIZATION": "yes", "HTTP_X_BEYOND": "\xe2\x82\xac",
    }  # fmt: skip


@pytest.mark.parametrize("status", ["200 OK", "599 x", "404 Not  Found", "418 I'm a teapot \xfc", "201"])
def test_good_statuses(status: str) -> None:
    assert headers_module.status_number(status) == int(status[:3])


@pytest.mark.parametrize(
    "status", ["", "OK", "199 x", "600 x", "20 x", "2000 x", "200-x", "200 a\nb", "200 a\0b", " 200 x"]
)
def test_bad_statuses(status: str) -> None:
    with pytest.raises(ValueError, match="no status"):
        headers_module.status_number(status)


@pytest.mark.parametrize("value", ["", "-1", "1.0", " 1", "a", "\u0661"])
def test_bad_lengths(value: str) -> None:
    with pytest.raises(ValueError, match="Content-Length"):
        headers_module.told((("Content-Length", value),))
    assert headers_module.told((("Content-Length", "5"), ("content-length", "5"))) == (None, 5, ())
    with pytest.raises(ValueError, match="Content-Length"):
        headers_module.told((("Content-Length", "5"), ("Content-Length", "6")))


def test_file_wrapper_is_the_files_pieces() -> None:
    class Closable(io.BytesIO):
        pass

    wrapper = exchange_module.FileWrapper(Closable(b"abcdefg"), 3)
    assert list(wrapper) == [b"abc", b"def", b"g"]
    assert wrapper.close is not None
    wrapper.close()
    assert wrapper.file.closed
    assert exchange_module.FileWrapper(SimpleNamespace(read=None)).close is None


def test_errors_go_to_the_log_by_lines() -> None:
    lines: list[str] = []
    errors = Errors(cast(Any, SimpleNamespace(log_error=lines.append)))
    print("a\nb", end="", file=cast(Any, errors))
    assert lines == ["a"]
    errors.writelines(["c\n", "d"])
    assert lines == ["a", "bc"]
    errors.flush()
    errors.flush()
    assert lines == ["a", "bc", "d"]


def test_two_first_requests_at_a_time_have_the_same_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What applications write to is what is flushed at the end of their requests."""
    made: list[Errors] = []
    mount = mount_module.Mount()
    req = cast(Any, SimpleNamespace(get_options=dict, get_config=dict, hlist=None, server=None))
    other = threading.Thread(target=mount.prepare, args=(req,))

    def make(_req: object, fixed: dict[str, Any]) -> object:
        made.append(fixed["wsgi.errors"])
        if len(made) == 1:
            other.start()
            other.join(0.2)  # (it waits for the first one; else it is done by then)
        return fixed

    monkeypatch.setattr(mount_module, "Environment", make)
    monkeypatch.setattr(apache, "mpm_query", lambda _code: 0)
    monkeypatch.setattr(apache, "exists_config_define", lambda _name: False)
    mount.prepare(req)
    other.join()
    assert cast(Any, mount.environment)["wsgi.errors"] is mount.errors
    assert len(made) == 1


def test_errors_equal_what_standard_error_was() -> None:
    errors = Errors(cast(Any, None))
    assert errors == sys.stderr
    assert sys.stderr == errors
    assert hash(errors) == hash(sys.stderr)
    assert errors != io.StringIO()


def test_long_lines_of_errors_do_not_wait() -> None:
    lines: list[str] = []
    errors = Errors(cast(Any, SimpleNamespace(log_error=lines.append)))
    errors.write("x" * (LONG + 3))
    assert lines == ["x" * LONG]
    errors.write("y\r\n")
    assert lines[1:] == ["xxxy"]
    with pytest.raises(TypeError, match="must be str, not bytes"):
        errors.write(cast(Any, b"bytes"))


def test_a_threads_end_completes_its_line() -> None:
    """Its number is soon that of another thread, whose text would go on with it."""
    lines: list[str] = []
    errors = Errors(cast(Any, SimpleNamespace(log_error=lines.append)))
    for text in ("first", "second"):
        thread = threading.Thread(target=errors.write, args=(text,))
        thread.start()
        thread.join()
    assert lines == ["first", "second"]


def test_partial_lines_of_all_threads_are_logged_at_the_end() -> None:
    lines: list[str] = []
    errors = Errors(cast(Any, SimpleNamespace(log_error=lines.append)))
    written, goes_on = threading.Event(), threading.Event()

    def work() -> None:
        errors.write("other")
        written.set()
        goes_on.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert written.wait(60)
        errors.write("mine")
        errors.flush_all()
        assert sorted(lines) == ["mine", "other"]
    finally:
        goes_on.set()
        thread.join()
    assert sorted(lines) == ["mine", "other"]


def test_no_body_is_an_empty_file() -> None:
    body = NoBody()
    assert (body.read(), body.read(5), body.readline(), body.readlines(), list(body)) == (b"", b"", b"", [], [])
    assert (body.seekable(), body.seek(0), body.tell()) == (True, 0, 0)


#: Applications differ by name, so that each says what it does for the first time.
names = (f"application {number}" for number in itertools.count())


def exchange(strict: str | None = "On", name: str | None = None) -> tuple[exchange_module.WsgiExchange, Any]:
    """An exchange with a request that takes what it is given; an option holds the application to the PEP."""
    options = {tolerance.APPLICATION: name or next(names), **({} if strict is None else {tolerance.STRICT: strict})}
    logged: list[str] = []
    req = SimpleNamespace(
        mp_status=200, mp_status_line=None, status=200, status_line=None, mp_content_type=None, content_type=None,
        headers_out=HeaderTable(), mp_header_only=0, get_options=lambda: options, uri="/x", logged=logged,
        log_error=lambda text, level: logged.append(text),
    )  # fmt: skip
    return exchange_module.WsgiExchange(cast(Any, req)), req


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ((("A", "b"),), TypeError),
        ([["A", "b"]], TypeError),
        ([("A", 1)], TypeError),
        ([("A", None)], TypeError),
        ([("A B", "c")], ValueError),
        ([("A", "b\r\nC: d")], ValueError),
        ([("A", "\u20ac")], TypeError),
        ([("Transfer-Encoding", "chunked")], ValueError),
        ([("Content-Length", "x")], ValueError),
        ([("Content-Length", "1"), ("Content-Length", "2")], ValueError),
    ],
)
def test_bad_headers_are_refused_at_once(headers: Any, error: type[Exception]) -> None:
    started, _ = exchange()
    with pytest.raises(error):
        started.start_response("200 OK", headers)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ("ab", TypeError),
        (None, TypeError),
        (5, TypeError),
        ({"A": "b"}, TypeError),
        (["ab"], TypeError),
        ([["A"]], TypeError),
        ([["A", "b", "c"]], TypeError),
        ([{"A": "b", "C": "d"}], TypeError),
        ([["A", 1]], TypeError),
        ([["A", "b\r\nC: d"]], ValueError),
    ],
)
def test_what_can_be_no_headers_is_refused_without_the_option(headers: Any, error: type[Exception]) -> None:
    started, _ = exchange(None)
    with pytest.raises(error):
        started.start_response("200 OK", headers)


@pytest.mark.parametrize("strict", [None, "Off", "no"])
def test_other_sequences_of_headers_are_taken(strict: str | None) -> None:
    for headers in ((("X-A", "1"), ["x-b", b"2"]), [Pair("X-A", "1"), ["x-b", "2"]], {"X-A": "1", "x-b": "2"}.items()):
        started, req = exchange(strict)
        started.start_response("200 OK", headers)  # type: ignore[arg-type]
        assert req.headers_out.items() == [("X-A", "1"), ("x-b", "2")]
        assert req.logged == []


def test_headers_about_the_connection_are_left_out_and_that_is_said_once() -> None:
    name = next(names)
    said = []
    for _ in range(2):
        started, req = exchange(None, name)
        started.start_response("200 OK", [("Connection", "keep-alive"), ("X-A", "1"), ("TRANSFER-ENCODING", "chunked")])
        assert req.headers_out.items() == [("X-A", "1")]
        said.append(req.logged)
    assert [("gives Connection," in said[0][0], "gives TRANSFER-ENCODING," in said[0][1])] == [(True, True)]
    assert (len(said[0]), said[1]) == (2, [])
    assert all(name in line and "mod_python.wsgi.strict On" in line for line in said[0])


def test_the_option_says_yes_or_no() -> None:
    started, _ = exchange("maybe")
    with pytest.raises(ValueError, match="strict maybe: write On or Off"):
        started.start_response("200 OK", [("Connection", "close")])


def test_the_same_headers_twice_mean_the_same() -> None:
    headers = [("Content-Type", "text/x"), ("Content-Length", "3"), ("X-A", "1"), ("x-a", "2")]
    for _ in range(2):
        started, req = exchange()
        started.start_response("200 OK", list(headers))
        assert (req.mp_content_type, started._length) == ("text/x", 3)
        assert req.headers_out.items() == [("X-A", "1"), ("x-a", "2")]
    started, _ = exchange()
    with pytest.raises(TypeError, match="must be a tuple"):  # though it was asked for as tuples before
        started.start_response("200 OK", [list(header) for header in headers])  # type: ignore[misc]


class Alike:
    """Equal to a string, which it is not, as the proxies of some frameworks are."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return self.text == other

    def __hash__(self) -> int:
        return hash(self.text)


class Pair(NamedTuple):
    """A tuple, but not exactly that."""

    name: str
    value: str


@pytest.mark.parametrize("header", [("X-A", Alike("1")), (Alike("X-A"), "1"), Pair("X-A", "1")])
def test_what_equals_headers_of_before_is_refused_all_the_same(header: Any) -> None:
    started, _ = exchange()
    started.start_response("200 OK", [("X-A", "1")])
    started, _ = exchange()
    with pytest.raises(TypeError):
        started.start_response("200 OK", [header])


def test_headers_may_be_bytes() -> None:
    started, req = exchange()
    started.start_response("200 OK", [(b"X-A", b"\xfc"), (b"Content-Type", b"text/x"), ("X-A", "2")])  # type: ignore[list-item]
    assert req.headers_out.items() == [("X-A", "\xfc"), ("X-A", "2")]
    assert req.mp_content_type == "text/x"


def test_headers_of_before_stay_when_an_error_replaces_the_applications() -> None:
    import sys

    started, req = exchange()
    req.headers_out["X-Before"] = "1"
    started.start_response("200 OK", [("X-A", "1")])
    try:
        raise KeyError
    except KeyError:
        started.start_response("500 Oops", [("X-B", "1")], sys.exc_info())  # type: ignore[arg-type]
    assert req.headers_out.items() == [("X-Before", "1"), ("X-B", "1")]
    assert (req.mp_status, req.status_line) == (500, "500 Oops")


def test_a_call_that_was_refused_counts_as_one() -> None:
    started, _ = exchange()
    with pytest.raises(TypeError):
        started.start_response("200 OK", [("X-A", "1"), ("X-B", 2)])  # type: ignore[list-item]
    with pytest.raises(AssertionError):
        started.start_response("200 OK", [])
