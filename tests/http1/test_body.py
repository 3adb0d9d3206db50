"""Bodies: what is read, what is refused, and that pieces change nothing."""

from __future__ import annotations

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from http1 import oracles
from http1.strategies import broken, chunked, pieces
from mpserver.errors import RequestError
from mpserver.http1.body import Body, ChunkedBody, LengthBody, make_body
from mpserver.http1.fields import Limits
from mpserver.http1.head import parse_head
from mpserver.http1.response import field_lines

HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def outcome(body: Body, parts: list[bytes]) -> object:
    """What comes of the pieces: content, rest and trailers; None if there is more to come; or a status."""
    try:
        content = b"".join([body.feed(part) for part in parts])
    except RequestError as error:
        return error.status
    return (content, body.rest, body.trailers) if body.done else None


# A known length


@given(st.data(), st.binary(max_size=50), st.integers(0, 60))
def test_length(data: st.DataObject, sent: bytes, length: int) -> None:
    whole = outcome(LengthBody(length), [sent])
    assert whole == ((sent[:length], sent[length:], ()) if len(sent) >= length else None)
    assert outcome(LengthBody(length), data.draw(pieces(sent))) == whole


def test_a_body_of_no_length_is_done_at_once() -> None:
    body = LengthBody(0)
    assert body.done
    assert body.feed(b"next") == b""
    assert body.rest == b"next"


# Chunked


def test_chunks_extensions_and_trailers() -> None:
    body = ChunkedBody()
    sent = b'5;a;b=c;d="e;\\"\r\nhello\r\n00A\r\n, \r\n world\r\n0;z\r\nX-Sum: 1 \r\nY:\r\n\r\nGET /'
    sent = sent.replace(b'\\"\r', b'\\"";f\r')
    assert body.feed(sent) == b"hello, \r\n world"
    assert body.done
    assert body.trailers == (("X-Sum", "1"), ("Y", ""))
    assert body.rest == b"GET /"
    assert body.feed(b"more") == b""
    assert body.rest == b"GET /more"


def test_content_is_given_out_as_it_comes() -> None:
    body = ChunkedBody()
    assert body.feed(b"a\r\nhe") == b"he"
    assert body.feed(b"llo") == b"llo"
    assert body.feed(b"world") == b"world"
    assert body.feed(b"\r") == b""
    assert body.feed(b"\n0\r\n\r") == b""
    assert not body.done
    assert body.feed(b"\n") == b""
    assert body.done


REFUSALS: list[tuple[str, bytes, int]] = [
    # RFC 9112 7.1
    ("no size", b"\r\nhello\r\n0\r\n\r\n", 400),
    ("size is no number", b"g\r\n", 400),
    ("size with sign", b"+5\r\nhello\r\n0\r\n\r\n", 400),
    ("negative size", b"-5\r\nhello\r\n0\r\n\r\n", 400),
    ("size with prefix", b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    ("size with underscore", b"1_0\r\n", 400),
    ("space before the size", b" 5\r\nhello\r\n0\r\n\r\n", 400),
    ("space after the size", b"5 \r\nhello\r\n0\r\n\r\n", 400),
    ("size in other digits", "\xb2\r\n".encode("latin-1"), 400),
    ("size ends in LF", b"5\nhello\r\n0\r\n\r\n", 400),
    ("size ends in CR", b"5\rhello\r\n0\r\n\r\n", 400),
    ("the last size ends in LF", b"5\r\nhello\r\n0\n\r\n", 400),
    ("NUL after the size", b"5\0\r\nhello\r\n0\r\n\r\n", 400),
    ("size of 64 bits", b"ffffffffffffffff\r\n", 400),
    ("size beyond 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    ("sizes that overflow together", b"1\r\na\r\n7fffffffffffffff\r\n", 400),
    ("endless size", b"0" * 5000, 400),
    ("chunk is longer", b"5\r\nhello!\r\n0\r\n\r\n", 400),
    ("chunk is shorter", b"6\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk ends in LF", b"5\r\nhello\n0\r\n\r\n", 400),
    ("chunk ends in CR", b"5\r\nhello\r0\r\n\r\n", 400),
    ("no end of the chunk", b"5\r\nhello0\r\n\r\n", 400),
    ("an LF instead of the last line", b"0\r\n\n", 400),
    # 7.1.1
    ("whitespace before an extension", b"5 ;a\r\nhello\r\n0\r\n\r\n", 400),
    ("whitespace in an extension", b"5;a =b\r\nhello\r\n0\r\n\r\n", 400),
    ("extension without name", b"5;\r\nhello\r\n0\r\n\r\n", 400),
    ("extension without value", b"5;a=\r\nhello\r\n0\r\n\r\n", 400),
    ("extension with LF", b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    ("extension with CR", b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400),
    ("extension with LF in quotes", b'5;a="\n"\r\nhello\r\n0\r\n\r\n', 400),
    ("extension with CRLF in quotes", b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n', 400),
    ("extension with open quotes", b'5;a="b\r\nhello\r\n0\r\n\r\n', 400),
    ("extension with NUL", b'5;a="\0"\r\nhello\r\n0\r\n\r\n', 400),
    ("extension too long", b"5;" + b"a" * 4100 + b"\r\nhello\r\n0\r\n\r\n", 400),
    ("endless extension", b"5;" + b"a" * 5000, 400),
    ("too many extensions", (b"1;" + b"a" * 4000 + b"\r\na\r\n") * 17 + b"0\r\n\r\n", 400),
    # 7.1.2, RFC 9110 6.5
    ("trailer with whitespace before the colon", b"0\r\nX : a\r\n\r\n", 400),
    ("folded trailer", b"0\r\nX: a\r\n b\r\n\r\n", 400),
    ("trailer without colon", b"0\r\nX\r\n\r\n", 400),
    ("trailer ends in LF", b"0\r\nX: a\n\r\n", 400),
    ("trailer with CR", b"0\r\nX: a\rb\r\n\r\n", 400),
    ("trailer with NUL", b"0\r\nX: a\0\r\n\r\n", 400),
    ("Content-Length as trailer", b"0\r\nContent-Length: 5\r\n\r\n", 400),
    ("Transfer-Encoding as trailer", b"0\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    ("Host as trailer", b"0\r\nHost: h\r\n\r\n", 400),
    ("trailer too long", b"0\r\nX: " + b"a" * 8188 + b"\r\n\r\n", 400),
    ("endless trailer", b"0\r\nX: " + b"a" * 9000, 400),
    ("too many trailers", b"0\r\n" + b"X: a\r\n" * 101 + b"\r\n", 400),
    ("endless trailers", b"0\r\n" + b"X: a\r\n" * 200, 400),
]


@pytest.mark.parametrize(("data", "code"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_what_is_ambiguous_is_refused(data: bytes, code: int) -> None:
    assert outcome(ChunkedBody(), [data]) == code
    assert outcome(ChunkedBody(), [bytes([byte]) for byte in data]) == code


def test_what_just_fits_is_taken() -> None:
    sent = b"5;" + b"a" * 4094 + b"\r\nhello\r\n0\r\nX: " + b"a" * 8187 + b"\r\n" + b"Y:\r\n" * 99 + b"\r\n"
    whole = outcome(ChunkedBody(), [sent])
    assert isinstance(whole, tuple)
    assert whole[0] == b"hello"
    assert outcome(ChunkedBody(), [bytes([byte]) for byte in sent]) == whole


def test_limits_for_trailers_can_be_set() -> None:
    sent = b"0\r\nX: a\r\nY: b\r\n\r\n"
    assert outcome(ChunkedBody(limits=Limits(fields=2, field_size=4)), [sent]) is not None
    assert outcome(ChunkedBody(limits=Limits(fields=1)), [sent]) == 400
    assert outcome(ChunkedBody(limits=Limits(field_size=3)), [sent]) == 400


@pytest.mark.parametrize(("limit", "result"), [(0, True), (6, True), (5, False)])
def test_content_can_be_limited(limit: int, result: bool) -> None:
    sent = b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    assert outcome(ChunkedBody(limit), [sent]) == ((b"hello!", b"", ()) if result else 413)


def test_too_much_is_refused_before_it_comes() -> None:
    with pytest.raises(RequestError) as caught:
        ChunkedBody(1000).feed(b"3e9\r\n")
    assert caught.value.status == 413


@given(st.data(), broken(chunked()))
def test_a_body_in_pieces_is_the_body_in_one(data: st.DataObject, sent: bytes) -> None:
    whole = outcome(ChunkedBody(), [sent])
    event(type(whole).__name__)
    assert outcome(ChunkedBody(), data.draw(pieces(sent))) == whole


@given(
    st.lists(st.binary(max_size=30)),
    st.lists(st.tuples(st.sampled_from(["X", "Y-Z"]), st.sampled_from(["", "a"]))),
)
def test_what_we_send_reads_back(parts: list[bytes], trailers: list[tuple[str, str]]) -> None:
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part]
    sent = b"".join(chunks) + b"0\r\n%b\r\n" % field_lines(trailers)
    assert outcome(ChunkedBody(), [sent, b"rest"]) == (b"".join(parts), b"rest", tuple(trailers))


@given(broken(chunked()))
def test_what_we_take_others_read_the_same(sent: bytes) -> None:
    taken = outcome(ChunkedBody(), [sent])
    assume(isinstance(taken, tuple))
    assert isinstance(taken, tuple)
    content, rest, trailers = taken
    message = HEAD + sent[: len(sent) - len(rest)]
    for oracle in (oracles.llhttp, oracles.by_h11):
        reading = oracle(message)
        assert reading.body == content
        assert reading.trailers == [(name.lower(), value) for name, value in trailers]


# By the head


@pytest.mark.parametrize(
    ("field", "limit", "kind", "code"),
    [
        (b"", 0, LengthBody, 0),
        (b"", 5, LengthBody, 0),
        (b"Content-Length: 5\r\n", 0, LengthBody, 0),
        (b"Content-Length: 5\r\n", 5, LengthBody, 0),
        (b"Content-Length: 6\r\n", 5, LengthBody, 413),
        (b"Transfer-Encoding: chunked\r\n", 5, ChunkedBody, 0),
    ],
)
def test_the_head_chooses(field: bytes, limit: int, kind: type[Body], code: int) -> None:
    head = parse_head(b"POST / HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n", Limits())
    assert head is not None
    if code:
        with pytest.raises(RequestError) as caught:
            make_body(head, limit)
        assert (caught.value.status, caught.value.line) == (code, "POST / HTTP/1.1")
    else:
        body = make_body(head, limit)
        assert isinstance(body, kind)
        assert body.done is (field == b"")
