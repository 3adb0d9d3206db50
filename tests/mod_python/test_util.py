"""Forms and redirects against manual 4.6 and api 3.5 1.9, 3.2."""

from __future__ import annotations

import encodings
import functools
import pickle
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from encodings import aliases
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mod_python import Session, util
from mod_python._forms import call, storage
from mod_python._forms import fields as fields_module
from mod_python._forms import multipart as multipart_module
from mpserver.api.constants import SERVER_RETURN
from support.left import bytes_left

Make = Callable[..., Any]


def multipart(*parts: tuple[str, bytes], boundary: str = "xYz") -> dict[str, Any]:
    """A multipart request: (the part's header lines, its body)."""
    body = b""
    for head, data in parts:
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode("latin-1") + data + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    content_type = f"multipart/form-data; boundary={boundary}"
    return {"method": "POST", "body": body, "headers": {"Content-Type": content_type}}


def text_part(name: str, data: bytes) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"', data


def file_part(name: str, filename: str, data: bytes, kind: str = "image/png") -> tuple[str, bytes]:
    return (
        f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {kind}',
        data,
    )


# ---- where fields come from


def test_query_alone(make_request: Make) -> None:
    form = storage.FieldStorage(make_request("/?a=1&b=2&a=3&c="))
    assert form.keys() == ["a", "b"]
    assert [(field.name, field.value) for field in form.list] == [("a", "1"), ("b", "2"), ("a", "3")]
    assert form["b"] == "2"
    assert form["a"] == ["1", "3"]
    assert len(form) == 2
    assert list(form) == ["a", "b"]


@pytest.mark.parametrize("query", ["", "?c=3", "?\xe9=1"])
@pytest.mark.parametrize(
    ("args", "names"), [("a=1&b=2", ["a", "b"]), ("\xe9\u0142=1", ["\xe9\u0142"]), (None, []), ("", [])]
)
def test_a_stand_in_has_a_query_of_its_own(make_request: Make, query: str, args: str | None, names: list[str]) -> None:
    class StandIn:
        def __init__(self, req: Any) -> None:
            self._req, self.args = req, args

        def __getattr__(self, name: str) -> Any:
            return getattr(self._req, name)

    req = make_request(f"/{query}")
    req.mp_args = query[1:] if query else None
    form: Any = storage.FieldStorage(StandIn(req))  # type: ignore[arg-type]  # it has what a request has
    assert form.keys() == names


def test_blank_values_are_kept_on_demand(make_request: Make) -> None:
    form = storage.FieldStorage(make_request("/?a=&b&c=1"), keep_blank_values=1)
    assert form.items() == [("a", ""), ("b", ""), ("c", "1")]


def test_urlencoded_body_comes_after_the_query(make_request: Make) -> None:
    req = make_request("/?a=q", method="POST", body=b"a=%c3%a9&b=x+y%26&c=;d=4")
    form = storage.FieldStorage(req, keep_blank_values=1)
    assert form.items() == [("a", "q"), ("a", "\xe9"), ("b", "x y&"), ("c", ""), ("d", "4")]
    assert all(type(field) is fields_module.StringField for field in form.list)


def test_the_body_is_read_for_post_only(make_request: Make) -> None:
    assert storage.FieldStorage(make_request("/", method="PUT", body=b"a=1")).list == []


def test_text_that_is_not_utf_8_is_latin_1(make_request: Make) -> None:
    req = make_request("/?q=%e9&w=\xe9&u=\xc3\xa9", method="POST", body=b"b=%ff")
    assert storage.FieldStorage(req).items() == [("q", "\xe9"), ("w", "\xe9"), ("u", "\xe9"), ("b", "\xff")]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, None, 411),
        ({"Content-Length": "-1"}, b"a=1", 411),
        ({"Content-Length": "1x"}, b"a=1", 411),
        ({"Content-Type": "text/xml"}, b"<a/>", 501),
        ({"Content-Type": "multipart/form-data"}, b"x", 400),
        ({"Content-Type": "multipart/form-data; boundary="}, b"x", 400),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"--b\r\nno header\r\n\r\nx\r\n--b--\r\n", 400),
    ],
)
def test_what_is_no_form(
    make_request: Make, outcome: Callable[..., Any], headers: dict[str, str], body: bytes | None, status: int
) -> None:
    req = make_request("/", method="POST", headers=headers, body=body)
    assert outcome(storage.FieldStorage, req) == (status,)


def test_chunked_bodies_need_no_length(make_request: Make) -> None:
    req = make_request("/", method="POST", headers={"Transfer-Encoding": "chunked"})
    req._body = BytesIO(b"a=1")
    assert storage.FieldStorage(req).items() == [("a", "1")]


# ---- multipart


@pytest.mark.parametrize(
    "end", ["", *("\r\n--xYz" + rest for rest in ("", "-", "--", "\r", "\r\n", "\r\nContent-Dis"))]
)
def test_a_body_that_was_cut_has_the_part_that_it_was_cut_in(make_request: Make, end: str) -> None:
    whole = multipart(text_part("a", b"1"), text_part("b", b"2"))
    whole["body"] = whole["body"].removesuffix(b"\r\n--xYz--\r\n") + end.encode()
    assert [(name, str(field)) for name, field in storage.FieldStorage(make_request("/", **whole)).items()] == [
        ("a", "1"), ("b", "2"),
    ]  # fmt: skip


@pytest.mark.parametrize(("told", "kind"), [("", "application/octet-stream"), ("rubbish", "application/octet-stream"),
                                            ("image/png", "image/png"), (None, "text/plain")])  # fmt: skip
def test_the_type_of_a_file(make_request: Make, told: str | None, kind: str) -> None:
    head, data = file_part("up", "p.png", b"x", told or "")
    if told is None:
        head = head.partition("\r\n")[0]
    form: Any = storage.FieldStorage(make_request("/", **multipart((head, data))))
    assert form["up"].type == kind


def test_multipart_text_and_file(make_request: Make) -> None:
    req = make_request("/?q=1", **multipart(text_part("a", b"caf\xc3\xa9"), file_part("up", "p.png", b"\x89PNG\r\n")))
    form = storage.FieldStorage(req)
    assert form.keys() == ["q", "a", "up"]
    text, file = form["a"], form["up"]
    assert isinstance(text, fields_module.StringField)
    assert text == "caf\xe9"
    assert (text.filename, text.type, text.disposition) == (None, "text/plain", "form-data")
    assert text.disposition_options == {"name": "a"}
    assert text.headers["content-disposition"] == 'form-data; name="a"'
    assert text.file.read() == "caf\xe9"
    assert isinstance(file, fields_module.Field)
    assert (file.name, file.filename, file.type, file.value) == ("up", "p.png", "image/png", b"\x89PNG\r\n")
    assert file.file is not None
    assert file.file.read() == b"\x89PNG\r\n"
    assert file.disposition_options == {"name": "up", "filename": "p.png"}
    assert file.headers["Content-Type"] == "image/png"


def test_names_beyond_ascii_and_an_empty_file(make_request: Make) -> None:
    head = 'Content-Disposition: form-data; name="\xc3\xa9"; filename="Zo\xc3\xab.txt"'
    form = storage.FieldStorage(make_request("/", **multipart((head, b""))))
    (field,) = form.list
    assert isinstance(field, fields_module.Field)
    assert (field.name, field.filename, field.value, field.type) == ("\xe9", "Zo\xeb.txt", b"", "text/plain")


def test_charsets_of_parts(make_request: Make) -> None:
    head = 'Content-Disposition: form-data; name="{}"\r\nContent-Type: text/plain; charset={}'
    form = storage.FieldStorage(
        make_request(
            "/",
            **multipart(
                (head.format("a", "utf-16-le"), "\u20ac".encode("utf-16-le")),
                (head.format("b", "no-such"), b"x"),
                text_part("c", b"\xff"),
                text_part("_charset_", b"koi8-r"),
                text_part("d", "\u0416".encode("koi8-r")),
            ),
        )
    )
    assert [form[name] for name in "abcd"] == ["\u20ac", "x", "\xff", "\u0416"]


@pytest.mark.parametrize(("count", "long"), [(4000, 0), (300, 4000)])
def test_little_is_remembered_of_words_that_are_no_charsets(make_request: Make, count: int, long: int) -> None:
    head = 'Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset={}-{:030}{}'

    def send(word: str) -> None:
        parts = [(head.format(word, number, "x" * long), b"x") for number in range(count)]
        storage.FieldStorage(make_request("/", **multipart(*parts)))

    # (tables of Python's grow for so many, once)
    assert bytes_left(lambda: send("b"), lambda: send("a")) < 256 << 10


def test_all_charsets_of_python_are_known() -> None:
    known = aliases.aliases.keys() | set(aliases.aliases.values()) | multipart_module.OTHER_CHARSETS
    others = {"aliases", "charmap", "mbcs", "oem", "_win_cp_codecs"} | {
        name.replace("-", "_") for name in multipart_module.NO_CHARSETS
    }
    assert {module.name for module in pkgutil.iter_modules(encodings.__path__)} <= known | others


def test_folded_part_headers(make_request: Make) -> None:
    head = 'Content-Disposition: form-data;\r\n name="a"'
    assert storage.FieldStorage(make_request("/", **multipart((head, b"1")))).items() == [("a", "1")]


PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1'


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", []),
        (b"no boundary in here", []),
        (b"--b\r\nContent-Disposition: form-data; na", []),
        (PART + b"\r\n--b\r\nContent-Disposition: form-data; na", [("a", "1")]),
        (PART, [("a", "1")]),
        (PART + b"\r\n--", [("a", "1\r\n--")]),
        (PART + b"\r\n--b", [("a", "1")]),
        (PART + b"\r\n--b--", [("a", "1")]),
        (
            PART + b"\r\n--b \t \r\nContent-Disposition: attachment; name=b\r\n\r\n2\r\n--b-- \r\n",
            [("a", "1"), ("b", "2")],
        ),
        (b"--b  \r\n" + PART[5:] + b"\r\n--b--", [("a", "1")]),
        (b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n", [("", "x")]),
        (b"--b\r\n\r\nx\r\n--b--\r\n", [("", "x")]),
        (PART + b"\r\n--b x\r\n--bb \r\n x--b \r\n\r\n--b--", None),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_wrong_in_a_body_is_read_as_far_as_it_goes(
    body: bytes, fields: list[tuple[str, str]] | None, size: int
) -> None:
    req = _Request(body, size)
    if fields is None:
        with pytest.raises(SERVER_RETURN):
            storage.FieldStorage(req)  # type: ignore[arg-type]
        return
    assert storage.FieldStorage(req).items() == fields  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 3, 50, 1000])
def test_blanks_in_a_value_stay(size: int) -> None:
    value = b"x--b \r\n --b  \r\n\r\n-- \r\n --b\t\r\r\n"
    body = PART[:-1] + value + b"\r\n--b  \r\n" + PART[5:] + b"\r\n--b--"
    form = storage.FieldStorage(_Request(body, size))  # type: ignore[arg-type]
    assert [field.encode() for field in form["a"]] == [value, b"1"]  # type: ignore[union-attr]


def test_a_second_form_of_a_body_that_was_read_is_empty(make_request: Make) -> None:
    req = make_request("/?q=1", **multipart(text_part("a", b"1")))
    assert storage.FieldStorage(req).keys() == ["q", "a"]
    assert storage.FieldStorage(req).keys() == ["q"]


def test_a_file_input_left_empty_is_an_empty_string(make_request: Make) -> None:
    kind = "application/octet-stream"
    form = storage.FieldStorage(make_request("/", **multipart(file_part("up", "", b"", kind), text_part("a", b"1"))))
    field = form["up"]
    assert isinstance(field, fields_module.StringField)
    assert (bool(field), field.filename, field.value, field.type) == (False, None, "", kind)
    assert field.disposition_options == {"name": "up", "filename": ""}
    asked: list[str] = []
    req = make_request("/", **multipart(file_part("up", "", b"", kind)))

    def store(name: str) -> BytesIO:
        asked.append(name)
        return BytesIO()

    made = storage.FieldStorage(req, file_callback=store)["up"]
    assert (made, made.filename, asked) == ("", None, [""])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("sent", "filename"),
    [
        (r"C:\Users\me\a.txt", r"C:\Users\me\a.txt"),
        (r"\\host\share\a.txt", r"\\host\share\a.txt"),
        ("C:\\", "C:\\"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("a%22b%0D%0A.txt", "a%22b%0D%0A.txt"),
        (r"a\"b.txt", r"a\"b.txt"),
        ("a;b=c.txt", "a;b=c.txt"),
        (" a .txt ", " a .txt "),
        ("a\x00\x07\tb\x7f.txt", "ab.txt"),
    ],
)
def test_filenames_are_as_they_were_sent(make_request: Make, sent: str, filename: str) -> None:
    form = storage.FieldStorage(make_request("/", **multipart(file_part("up", sent, b"1"))))
    field = form["up"]
    assert isinstance(field, fields_module.Field)
    assert (field.name, field.filename, field.value) == ("up", filename, b"1")
    assert field.disposition_options["filename"] == filename


def test_callbacks_that_cannot_be_called_are_ignored(make_request: Make) -> None:
    req = make_request("/", **multipart(text_part("a", b"1"), file_part("up", "p.png", b"data")))
    form = storage.FieldStorage(req, file_callback="x", field_callback=1)  # type: ignore[arg-type]
    assert [field.value for field in form.list] == ["1", b"data"]


def test_callbacks(make_request: Make) -> None:
    made: list[Any] = []

    class Store(BytesIO):
        def __init__(self, *args: str) -> None:
            made.append(args)
            super().__init__()

    req = make_request("/", **multipart(text_part("a", b"1"), file_part("up", "p.png", b"data")))
    form = storage.FieldStorage(req, file_callback=Store, field_callback=Store)
    assert made == [(), ("p.png",)]
    assert form["a"] == "1"
    fields = form.list
    assert [type(field.file) for field in fields] == [Store, Store]
    assert [field.file.read() for field in fields if field.file is not None] == [b"1", b"data"]


def test_limits(make_request: Make, outcome: Callable[..., Any]) -> None:
    few = {"mod_python.util.max_fields": "2"}
    small = {"mod_python.util.max_text": "50"}
    three = [text_part(name, b"1") for name in "abc"]
    for options, request in [
        (few, {"method": "POST", "body": b"a=1&b=2&c=3"}),
        (few, multipart(*three)),
        (small, {"method": "POST", "body": b"a=" + b"1" * 50}),
        (small, multipart(text_part("a", b"1" * 50))),
    ]:
        req = make_request("/", options=options, **request)
        assert outcome(storage.FieldStorage, req) == (413,)
        assert len(req.logged) == 1
    big_file = multipart(file_part("up", "f", b"1" * 100_000))
    assert len(storage.FieldStorage(make_request("/", options=small, **big_file)).list) == 1
    assert len(storage.FieldStorage(make_request("/?a=1&b=2", options=few)).list) == 2


def test_many_fields_are_looked_up_without_walking_them(make_request: Make) -> None:
    body = b"&".join(b"f%d=1" % number for number in range(9_999))
    form = storage.FieldStorage(make_request("/", method="POST", body=body))
    assert sum(len(form.getlist(name)) for name in form.keys()) == 9_999  # noqa: SIM118


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_multipart_body_gives_fields_or_a_status(data: bytes, size: int) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + data + b"\r\n--b--\r\n"
    for sent in (data, body):
        req = _Request(sent, size)
        try:
            form = storage.FieldStorage(req)  # type: ignore[arg-type]
        except SERVER_RETURN as end:
            assert end.args[0] in (400, 413)
        else:
            if b"--b" not in data and sent is body:
                assert form.items() == [("a", fields_module.decoded(data))]


class _Request:
    """A POST that comes in small pieces."""

    def __init__(self, body: bytes, size: int) -> None:
        self.args = None
        self.method = "POST"
        self.headers_in = {
            "Content-Length": str(len(body)),
            "Content-Type": "multipart/form-data; boundary=b",
        }
        self._body, self._size = BytesIO(body), size

    def read(self, size: int) -> bytes:
        return self._body.read(min(size, self._size))

    def get_options(self) -> dict[str, str]:
        return {}

    def log_error(self, message: str, level: int) -> None:
        assert message


# ---- the mapping


def test_lookups(make_request: Make) -> None:
    form = storage.FieldStorage(make_request("/?a=1&a=2&b=3"))
    assert (form.getfirst("a"), form.getfirst("b"), form.getfirst("z"), form.getfirst("z", 5)) == (
        "1",
        "3",
        None,
        5,
    )
    assert (form.getlist("a"), form.getlist("b"), form.getlist("z")) == (["1", "2"], ["3"], [])
    assert (form.get("a"), form.get("b"), form.get("z"), form.get("z", [])) == (["1", "2"], "3", None, [])
    assert form.has_key("a")
    assert "z" not in form
    with pytest.raises(KeyError):
        form["z"]
    assert not hasattr(form, "values")
    assert bool(form)
    assert not storage.FieldStorage(make_request("/"))


@pytest.mark.parametrize(
    "change",
    [
        "fields[1] = new",
        "fields[1:2] = [new]",
        "fields.pop(1); fields.append(new)",
        "fields.insert(0, new); fields.remove('2')",
        "del fields[1]; fields.extend([new])",
        "fields.clear(); fields += [new]; fields *= 2",
    ],
)
def test_the_list_is_changed_in_place(make_request: Make, change: str) -> None:
    form = storage.FieldStorage(make_request("/?a=1&b=2"))
    assert form["b"] == "2"
    exec(change, {"fields": form.list, "new": fields_module.StringField("3", "c")})
    assert len(form.list) == 2
    assert ("b" in form, form.getfirst("c"), set(form.keys()) - {"a"}) == (False, "3", {"c"})


def test_the_lists_order_counts(make_request: Make) -> None:
    form = storage.FieldStorage(make_request("/?a=1&a=2"))
    assert form.getfirst("a") == "1"
    form.list.reverse()
    assert form.getfirst("a") == "2"
    form.list.sort()
    assert form.getfirst("a") == "1"
    form.list = list(form.list[:1])
    assert form.getlist("a") == ["1"]
    form.list[0] = fields_module.StringField("4", "d")
    assert form.keys() == ["d"]


def test_the_list_has_a_table(make_request: Make) -> None:
    form = storage.FieldStorage(make_request("/?a=1&b=2&a=3"))
    assert form.list.table() == {"a": ["1", "3"], "b": ["2"]}  # type: ignore[attr-defined]


def test_changes(make_request: Make) -> None:
    form = storage.FieldStorage(make_request("/?a=1&b=2&a=3"))
    form["a"] = "x"
    assert form.items() == [("b", "2"), ("a", "x")]
    form.add_field("a", b"\xc3\xa9")
    assert form["a"] == ["x", "\xe9"]
    del form["a"]
    assert form.keys() == ["b"]
    with pytest.raises(KeyError):
        del form["a"]
    for name, value in [(1, "x"), ("x", 1), (b"x", "y")]:
        with pytest.raises(TypeError):
            form[name] = value  # type: ignore[index,assignment]
    form.clear()
    assert len(form) == 0
    form.add_field("n", "v")
    assert form["n"] == "v"


def test_string_fields_are_strings() -> None:
    field = fields_module.StringField("text", "name")
    assert (field + "!", field.value, type(field.value), field.name) == ("text!", "text", str, "name")
    assert repr(field) == "Field('name', 'text')"
    assert hash(field) == hash("text")
    assert fields_module.StringField(b"\xc3\xa9") == "\xe9"
    assert dict(field.type_options) == {}
    assert len(field.headers) == 0


# ---- parse_qs


@pytest.mark.parametrize(
    ("query", "blank", "pairs"),
    [
        (
            "a=1;b=2&a=3&c&d=&=e&%zz=%41+b&f=g=h",
            1,
            [
                ("a", "1"),
                ("b", "2"),
                ("a", "3"),
                ("c", ""),
                ("d", ""),
                ("", "e"),
                ("%zz", "A b"),
                ("f", "g=h"),
            ],
        ),
        ("a=1&c&d=&=e", 0, [("a", "1"), ("", "e")]),
        (b"a=1;b=%e9&c", 1, [(b"a", b"1"), (b"b", b"\xe9"), (b"c", b"")]),
        ("", 1, []),
        ("&&a=1&&", 1, [("a", "1")]),
        ("a=b%26c%3bd", 0, [("a", "b&c;d")]),
        ("a=%c3%a9", 0, [("a", "\xe9")]),
        ("\u20ac=\u20ac", 0, [("\u20ac", "\u20ac")]),
    ],
)
def test_parse_qsl(query: Any, blank: int, pairs: list[Any]) -> None:
    assert util.parse_qsl(query, blank) == pairs


@pytest.mark.parametrize("query", [None, 1, ["a=1"], bytearray(b"a=1")])
def test_what_is_no_query_string(query: Any) -> None:
    for parse in (util.parse_qs, util.parse_qsl):
        with pytest.raises(TypeError, match=f"not {type(query).__name__}"):
            parse(query)


def test_parse_qs() -> None:
    assert util.parse_qs("a=1&b=2&a=3&c=") == {"a": ["1", "3"], "b": ["2"]}
    assert util.parse_qs(b"a=1", 1) == {b"a": [b"1"]}


@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=5))))
def test_what_browsers_encode_is_decoded(pairs: list[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    encodable = [(n, v) for n, v in pairs if n.isprintable() and v.isprintable()]
    assert util.parse_qsl(urlencode(encodable)) == encodable


# ---- apply_fs_data


class Callables:
    def method(self, req: Any, a: str = "d") -> Any:
        return req, a

    def __call__(self, a: str = "c") -> Any:
        return a


class Made:
    def __init__(self, a: str = "none") -> None:
        self.a = a


def takes(req: Any, a: str, b: str = "B") -> Any:
    return req, a, b


def no_request(a: str = "d") -> Any:
    return a


def any_field(req: Any, **fields: Any) -> Any:
    return req, fields


def only_positional(req: Any, a: str = "p", /, b: str = "B") -> Any:
    return req, a, b


def keyword_only(req: Any, *, admin: bool = False) -> Any:
    return admin


def rest(req: Any, *args: Any) -> Any:
    return args


@pytest.mark.parametrize(
    ("target", "query", "result"),
    [
        (takes, "a=1", ("REQ", "1", "B")),
        (takes, "a=1&a=2&b=&c=4", ("REQ", ["1", "2"], "")),
        (takes, "req=evil&a=1", ("REQ", "1", "B")),
        (no_request, "req=1&a=2", "2"),
        (any_field, "a=1&b=2&b=3", ("REQ", {"a": "1", "b": ["2", "3"]})),
        (any_field, "req=evil", ("REQ", {})),
        (only_positional, "a=1&b=2", ("REQ", "1", "2")),
        (only_positional, "b=2", ("REQ", "p", "2")),
        (keyword_only, "admin=1", False),
        (rest, "args=1", ()),
        (Callables().method, "a=1&self=2", ("REQ", "1")),
        (Callables(), "a=1&self=2", "1"),
        (functools.partial(takes, b="P"), "a=1", ("REQ", "1", "P")),
        (lambda a="": a, "a=1", "1"),
    ],
)
def test_arguments_by_name(make_request: Make, target: Any, query: str, result: Any) -> None:
    form = storage.FieldStorage(make_request("/?" + query), keep_blank_values=1)
    assert call.apply_fs_data(target, form, req="REQ") == result


def test_classes_are_made_with_fields(make_request: Make) -> None:
    form = storage.FieldStorage(make_request("/?a=1&self=2"))
    assert call.apply_fs_data(Made, form, req="REQ").a == "1"
    assert isinstance(call.apply_fs_data(Callables, form, req="REQ"), Callables)


def test_missing_arguments_are_the_callers_error(make_request: Make) -> None:
    with pytest.raises(TypeError):
        call.apply_fs_data(takes, storage.FieldStorage(make_request("/")), req="REQ")


def test_files_come_as_fields_and_text_as_plain_str(make_request: Make) -> None:
    req = make_request("/", **multipart(text_part("a", b"1"), file_part("b", "f", b"2")))
    _, text, file = call.apply_fs_data(takes, storage.FieldStorage(req), req="REQ")
    assert type(text) is str
    assert isinstance(file, fields_module.Field)


# ---- redirect


def test_redirect(make_request: Make, outcome: Callable[..., Any]) -> None:
    req = make_request("/")
    assert outcome(util.redirect, req, "/x?a=1&b=<i>") == (-2,)
    assert req.status == 302
    assert req.err_headers_out["Location"] == "/x?a=1&b=<i>"
    assert "<i>" not in req.text
    assert "/x?a=1&amp;b=&lt;i&gt;" in req.text
    assert req.content_type == "text/html"
    assert all(flush == 0 for _, flush in req.written)


def test_redirect_for_ever_with_own_text_and_type(make_request: Make, outcome: Callable[..., Any]) -> None:
    req = make_request("/")
    req.content_type = "text/csv"
    assert outcome(util.redirect, req, "/caf\xe9", permanent=1, text="own") == (-2,)
    assert (req.status, req.text, req.content_type) == (301, "own", "text/csv")
    assert req.err_headers_out["Location"] == "/caf%C3%A9"


def test_redirect_refuses(make_request: Make) -> None:
    req = make_request("/")
    with pytest.raises(TypeError):
        util.redirect(req, b"/x")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        util.redirect(req, "/x\r\nSet-Cookie: a=b")
    req.write("head is out")
    with pytest.raises(OSError, match="Cannot redirect after headers have already been sent"):
        util.redirect(req, "/x")
    assert req.status == 200


@pytest.mark.parametrize("block", [util.readBlockSize, 1000])
def test_bodies_are_read_in_blocks(make_request: Make, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(util, "readBlockSize", block)  # as an application may
    sizes: list[int] = []
    file = b'Content-Disposition: form-data; name="f"; filename="x"\r\n\r\n' + b"x" * (2 * block)
    req = make_request(
        "/", method="POST", headers={"Content-Type": "multipart/form-data; boundary=b"},
        body=b"--b\r\n" + file + b"\r\n--b--\r\n",
    )  # fmt: skip
    read = req.read

    def counted(size: int = -1) -> Any:
        sizes.append(size)
        return read(size)

    monkeypatch.setattr(req, "read", counted)
    found: Any = storage.FieldStorage(req)["f"]
    assert len(found.value) == 2 * block
    assert set(sizes) == {block}


def test_classes_are_told_of_by_the_names_that_applications_import() -> None:
    names = {
        "Session": ("BaseSession", "DbmSession", "FileSession", "MemorySession"),
        "util": ("Field", "StringField", "FieldStorage"),
    }
    for module, owner in (("Session", Session), ("util", util)):
        for name in names[module]:
            kind = getattr(owner, name)
            assert (kind.__module__, kind.__qualname__) == (f"mod_python.{module}", name)
            assert pickle.loads(pickle.dumps(kind)) is kind


# ---- what comes with its first use


def test_names_are_told_before_they_are_used() -> None:
    """In a process of its own, for here they have been used."""
    code = (
        "import sys\nfrom mod_python import util\n"
        "assert not [name for name in sys.modules if name.startswith('mod_python._forms')]\n"
        "assert {'FieldStorage', 'Field', 'StringField', 'apply_fs_data', 'parse_qsl', 'MAX_TEXT'} <= {*dir(util)}\n"
        "assert util.FieldStorage is util.FieldStorage is vars(util)['FieldStorage']\n"
        "from mod_python.util import *\n"
        "assert Field is util.Field and apply_fs_data is util.apply_fs_data\n"
        "print(len(parse_qsl('a=1&b=2')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_there_is_no_more_than_that() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Fields'"):
        _ = util.Fields
