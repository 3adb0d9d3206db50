"""Requests to try parsers with: valid ones, and ones that are off by a byte or a field."""

from __future__ import annotations

from hypothesis import strategies as st

TOKENS = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=12)

COMMON_METHODS = ["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "CONNECT", "PROPFIND"]
METHODS = st.sampled_from(COMMON_METHODS)
VERSIONS = st.sampled_from(["HTTP/1.1"] * 8 + ["HTTP/1.0"] * 3 + ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1"])
TARGETS = st.one_of(
    st.sampled_from(
        [
            "/",
            "*",
            "/a%20b?c=d",
            "/?",
            "//x",
            "http://h",
            "http://h:8/p?q",
            "https://h?q",
            "h:80",
            "/a#b",
            "/\xe9",
        ]
    ),
    st.text('/%20?=&a.;[]{}|"<>\\^`~@:', max_size=20).map(lambda text: "/" + text),
)

HOSTS = st.sampled_from(["h", "www.example.org:8080", "127.0.0.1", "[::1]:80", "", "a/b", "a b", "h:0", "a..b"])
HOST_FIELDS = HOSTS.map(lambda host: ("Host", host))
VALUES = st.text("".join(map(chr, range(0x20, 0x7F))) + "\t\xa0\xe9\xff", max_size=30).map(
    lambda text: text.strip(" \t")
)
PLAIN_FIELDS = st.tuples(TOKENS, VALUES)
FRAMING_FIELDS = st.sampled_from(
    [
        ("Content-Length", "5"),
        ("content-length", "05"),
        ("Content-Length", "5, 5"),
        ("Content-Length", "+5"),
        ("Content-Length", "0"),
        ("Content-Length", "0x5"),
        ("Transfer-Encoding", "chunked"),
        ("Transfer-encoding", "Chunked"),
        ("Transfer-Encoding", "gzip, chunked"),
        ("Transfer-Encoding", "chunked, chunked"),
        ("Transfer-Encoding", "identity"),
        ("Connection", "close"),
        ("Connection", "Keep-Alive"),
        ("Connection", "upgrade, te"),
        ("Upgrade", "websocket"),
        ("Expect", "100-continue"),
        ("Expect", "nothing"),
    ]
)
FIELDS = st.one_of(PLAIN_FIELDS, FRAMING_FIELDS)

WHITESPACE = st.sampled_from(["", " ", " ", " ", "\t", "  "])


@st.composite
def field_lines(draw: st.DrawFn, fields: st.SearchStrategy[tuple[str, str]] = FIELDS, max_size: int = 5) -> str:
    """Lines of fields with varying whitespace around their values."""
    lines = draw(st.lists(st.tuples(fields, WHITESPACE, WHITESPACE), max_size=max_size))
    return "".join(f"{name}:{before}{value}{after}\r\n" for (name, value), before, after in lines)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """A head that is valid more often than not."""
    line = f"{draw(METHODS)} {draw(TARGETS)} {draw(VERSIONS)}\r\n"
    host = draw(st.sampled_from(["Host: h\r\n"] * 4 + [""])) or draw(field_lines(HOST_FIELDS, 2))
    empty = "\r\n" * draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
    fields = draw(field_lines(PLAIN_FIELDS, 3)) + draw(field_lines(FRAMING_FIELDS, 2))
    return f"{empty}{line}{host}{fields}\r\n".encode("latin-1")


EXTENSIONS = st.sampled_from(["", "", "", ";a", ";a=b", ';a="b;c"', ';a="\\""', ";", " ;a", ";a = b", ";a=\x01"])
CHUNKS = st.binary(max_size=20)


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    """A chunked body, valid more often than not."""
    out = b""
    for data in draw(st.lists(CHUNKS, max_size=4)):
        size = draw(st.sampled_from(["%x", "%X", "%03x"])) % len(data)
        if data:
            out += f"{size}{draw(EXTENSIONS)}\r\n".encode("latin-1") + data + b"\r\n"
    return out + b"0\r\n" + draw(field_lines(PLAIN_FIELDS, 2)).encode("latin-1") + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A head and something after it that may be its body."""
    body = draw(st.one_of(chunked(), st.just(b"hello"), st.just(b"")))
    return draw(heads()) + body


ODD_BYTES = st.sampled_from(
    [bytes([byte]) for byte in b'\r\n\0 \t:;,=#?/0x5\x0b\x7f\x80\xff"\\'] + [b"\r\n", b"\r\n\r\n"]
)


@st.composite
def broken(draw: st.DrawFn, source: st.SearchStrategy[bytes]) -> bytes:
    """Something from the source with a few bytes put in, taken out or exchanged."""
    data = draw(source)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.one_of(ODD_BYTES, st.just(b""))) + data[at + draw(st.integers(0, 1)) :]
    return data


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The data, cut anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
