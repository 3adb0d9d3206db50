"""Cookies: manual 4.7, api 3.5 1.10, beside what the published mod_python does with the same values."""

from __future__ import annotations

import base64
import hmac
import marshal
import time
from collections.abc import Callable
from typing import Any

import pytest

from mod_python import Cookie
from mpserver.api.table import Table
from support.left import bytes_left

SECRET = "secret007"


def signed(name: str, content: str, secret: str = SECRET) -> str:
    """The wire format: HMAC-MD5 of name and value, then the value."""
    return hmac.new(secret.encode(), (name + content).encode(), "md5").hexdigest() + content


class TestWriting:
    @pytest.mark.parametrize(
        ("attributes", "expected"),
        [
            ({}, "spam=eggs"),
            ({"path": "/a", "domain": "b.c"}, "spam=eggs; path=/a; domain=b.c"),
            ({"max_age": 5}, "spam=eggs; Max-Age=5"),
            ({"commentURL": "u"}, "spam=eggs; commentURL=u"),
            ({"PATH": "/a"}, "spam=eggs; path=/a"),
            ({"secure": False, "httponly": 0, "discard": None}, "spam=eggs; secure; discard; httponly"),
            ({"expires": 1000000000}, "spam=eggs; expires=Sun, 09-Sep-2001 01:46:40 GMT"),
            ({"expires": 0.7}, "spam=eggs; expires=Thu, 01-Jan-1970 00:00:00 GMT"),
            (
                {"expires": "Sat, 14-Jun-2003 02:42:36 GMT"},
                "spam=eggs; expires=Sat, 14-Jun-2003 02:42:36 GMT",
            ),
            (
                {
                    "httponly": 1, "port": "80", "discard": 1, "commentURL": "u", "samesite": "Lax", "max_age": 5,
                    "expires": 0, "comment": "x y", "secure": 1, "domain": "b.c", "path": "/a", "version": 1,
                },
                (
                    "spam=eggs; version=1; path=/a; domain=b.c; secure; comment=x y; expires=Thu, 01-Jan-1970 "
                    "00:00:00 GMT; Max-Age=5; samesite=Lax; commentURL=u; discard; port=80; httponly"
                ),
            ),
        ],
    )  # fmt: skip
    def test_attributes_in_their_order(self, attributes: dict[str, Any], expected: str) -> None:
        assert str(Cookie.Cookie("spam", "eggs", **attributes)) == expected

    def test_values_are_written_as_they_are(self) -> None:
        assert str(Cookie.Cookie("a", 'e g;g"s')) == 'a=e g;g"s'
        assert str(Cookie.Cookie("a", 5)) == "a=5"
        assert repr(Cookie.Cookie("a", "b", path="/x")) == "<Cookie: a=b; path=/x>"

    @pytest.mark.parametrize(
        "expires",
        [
            "nonsense",
            "Sat, 14 Jun 2003 02:42:36 GMT",
            "Sat, 32-Jun-2003 02:42:36 GMT",
            "Sat, 14-Jun-2003 24:42:36 GMT",
        ],
    )
    def test_a_wrong_time_is_refused(self, expires: str) -> None:
        with pytest.raises(ValueError, match="Invalid expires time"):
            Cookie.Cookie("a", "b", expires=expires)

    def test_attributes_that_are_not_set_are_not_there(self) -> None:
        cookie = Cookie.Cookie("a", "b")
        for name in ("path", "expires", "httponly"):
            assert not hasattr(cookie, name)
        cookie.path, cookie.expires = "/x", 0
        assert (cookie.path, cookie.expires) == ("/x", "Thu, 01-Jan-1970 00:00:00 GMT")
        assert cookie.__data__ == {}

    @pytest.mark.parametrize("name", ["bogus", "Path", "value2"])
    def test_there_are_no_other_attributes(self, name: str) -> None:
        with pytest.raises(AttributeError):
            setattr(Cookie.Cookie("a", "b"), name, 1)
        if name == "bogus":
            with pytest.raises(AttributeError):
                Cookie.Cookie("a", "b", bogus=1)


class TestReading:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("", {}),
            ("a=b", {"a": "b"}),
            ("a=b; c=d;e=f ;  g=h", {"a": "b", "c": "d", "e": "f", "g": "h"}),
            ("a=1; a=2", {"a": "2"}),
            ("a=b,c=d", {"a": "b,c=d"}),
            ("g=x=y==", {"g": "x=y=="}),
            ("h; i=", {"h": "", "i": ""}),
            ('c="d e"; e="x;y"; f="', {"c": '"d e"', "e": '"x;y"', "f": '"'}),
            # a quote counts only where a value begins with it, and where another one ends it
            ('a=x"; b="y; c=1', {"a": 'x"', "b": '"y', "c": "1"}),
            ('a="; pysid=1; b=2', {"a": '"', "pysid": "1", "b": "2"}),
            ('a=1"; pysid=1; b=2"', {"a": '1"', "pysid": "1", "b": '2"'}),
            ('a="x;y" ; b = "z" ;c=""', {"a": '"x;y"', "b": '"z"', "c": '""'}),
            ('a="x\\"y;z"; b="w\\\\"; c=1', {"a": '"x\\"y;z"', "b": '"w\\\\"', "c": "1"}),
            ('n"; a="b"', {'n"': "", "a": '"b"'}),
            (", a=1;, b=2", {"a": "1", "b": "2"}),
            ("$Version=1; a=b; $Path=/x; c=d", {"a": "b", "c": "d"}),
            ("a[1]=x; b:c=y; é=w; f={x}", {"a[1]": "x", "b:c": "y", "é": "w", "f": "{x}"}),
            ("a=b; expires=Sat, 14-Jun-2003 02:42:36 GMT; Path=/x; secure",
             {"a": "b", "expires": "Sat, 14-Jun-2003 02:42:36 GMT", "Path": "/x", "secure": ""}),
            # without a name it could be taken for pysid=x where the = is lost on the way
            ("=pysid=x; a=b", {"a": "b"}),
        ],
    )  # fmt: skip
    def test_parse(self, header: str, expected: dict[str, str]) -> None:
        found = Cookie.Cookie.parse(header)
        assert {name: cookie.value for name, cookie in found.items()} == expected
        assert all(str(cookie) == f"{name}={cookie.value}" for name, cookie in found.items())

    def test_names(self) -> None:
        assert list(Cookie.Cookie.parse("A=1; b=2; c=3", names=["b", "C"])) == ["b"]

    def test_a_long_header_of_quotes_is_read_in_no_time(self) -> None:
        began = time.thread_time()
        Cookie.Cookie.parse('\\"' * 4000 + ' "' * 4000)
        Cookie.Cookie.parse("a" + " " * 8000 + "=" * 8000)
        assert time.thread_time() - began < 0.2


class TestSigned:
    def test_round_trip(self) -> None:
        line = str(Cookie.SignedCookie("spam", "eggs", SECRET, path="/x"))
        assert line == f"spam={signed('spam', 'eggs')}; path=/x"
        found = Cookie.SignedCookie.parse(line, SECRET)["spam"]
        assert type(found) is Cookie.SignedCookie
        assert found.value == "eggs"
        assert str(found) == line.partition(";")[0]

    @pytest.mark.parametrize("value", ["", "é", "\u20ac", "x" * 3000, "\udce9"])
    def test_any_text(self, value: str) -> None:
        line = str(Cookie.SignedCookie("a", value, b"key"))
        assert Cookie.SignedCookie.parse(line, "key")["a"].value == value

    @pytest.mark.parametrize(
        "value",
        ["", "eggs", signed("spam", "eggs")[:-1], signed("spam", "eggs") + "x", signed("ham", "eggs"),
         signed("spam", "eggs", "other"), signed("spam", "eggs").upper(), "é" * 32 + "eggs", "0" * 32],
    )  # fmt: skip
    def test_mismatch(self, value: str) -> None:
        header = f"spam={value}; b={signed('b', 'c')}"
        found = Cookie.SignedCookie.parse(header, SECRET)
        assert (type(found["spam"]), found["spam"].value) == (Cookie.Cookie, value)
        assert (type(found["b"]), found["b"].value) == (Cookie.SignedCookie, "c")
        found = Cookie.SignedCookie.parse(header, SECRET, mismatch=Cookie.Cookie.IGNORE)
        assert list(found) == ["b"]
        with pytest.raises(Cookie.CookieError, match="Incorrectly Signed Cookie: spam="):
            Cookie.SignedCookie.parse(header, SECRET, mismatch=Cookie.Cookie.EXCEPTION)

    def test_constants(self) -> None:
        assert (Cookie.Cookie.DOWNGRADE, Cookie.Cookie.IGNORE, Cookie.Cookie.EXCEPTION) == (0, 1, 3)

    @pytest.mark.parametrize("secret", ["", b"", None])
    def test_no_secret(self, secret: Any) -> None:
        for call in (
            lambda: Cookie.SignedCookie("a", "b", secret),
            lambda: Cookie.SignedCookie.parse("", secret),
            lambda: Cookie.MarshalCookie.parse("a=b", secret),
        ):
            with pytest.raises(Cookie.CookieError, match="without a secret"):
                call()

    def test_unsign(self) -> None:
        cookie = Cookie.SignedCookie("spam", signed("spam", "eggs"), "x")
        cookie.unsign(SECRET)
        assert cookie.value == "eggs"
        with pytest.raises(Cookie.CookieError):
            cookie.unsign(SECRET)


class TestMarshal:
    @pytest.mark.parametrize("value", [{"egg_count": 32, "color": "white"}, [1, (2.5, None)], "x", b"\0\xff", "é", 0])
    def test_round_trip(self, value: Any) -> None:
        line = str(Cookie.MarshalCookie("spam", value, SECRET))
        assert line == "spam=" + signed("spam", base64.b64encode(marshal.dumps(value)).decode())
        found = Cookie.MarshalCookie.parse(line, SECRET)["spam"]
        assert (type(found), found.value) == (Cookie.MarshalCookie, value)

    def test_a_long_value_is_one_line(self) -> None:
        line = str(Cookie.MarshalCookie("spam", "x" * 500, SECRET))
        assert "\n" not in line

    def test_nothing_unsigned_is_unmarshalled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        line = str(Cookie.MarshalCookie("spam", [1], "another secret"))

        def loads(data: bytes) -> Any:
            pytest.fail(f"unmarshalled {data!r}")

        monkeypatch.setattr(marshal, "loads", loads)
        for header in (line, "spam=" + base64.b64encode(marshal.dumps([1])).decode(), line[:-1]):
            assert type(Cookie.MarshalCookie.parse(header, SECRET)["spam"]) is Cookie.Cookie

    @pytest.mark.parametrize("content", ["", "!", "AAA", base64.b64encode(b"\xff").decode(), "6QE="])
    def test_signed_but_no_marshal(self, content: str) -> None:
        header = "spam=" + signed("spam", content)
        assert type(Cookie.MarshalCookie.parse(header, SECRET)["spam"]) is Cookie.Cookie
        with pytest.raises(Cookie.CookieError):
            Cookie.MarshalCookie.parse(header, SECRET, Cookie.Cookie.EXCEPTION)


class TestSubclasses:
    def test_of_a_cookie(self) -> None:
        class Site(Cookie.Cookie):
            def __init__(self, name: str, value: Any, **attributes: Any) -> None:
                Cookie.Cookie.__init__(self, name, value, **attributes)
                self.path = "/site"

        found = Site.parse('a=1; b="x"')
        assert [str(cookie) for cookie in found.values()] == ["a=1; path=/site", 'b="x"; path=/site']
        assert repr(found["a"]) == "<Site: a=1; path=/site>"
        assert Site._valid_attr[:3] == ("version", "path", "domain")
        with pytest.raises(AttributeError):
            found["a"].other = 1

    def test_with_attributes_of_its_own(self) -> None:
        class Kept(Cookie.Cookie):
            __slots__ = ("seen",)

        cookie = Kept("a", "b")
        cookie.seen = 1  # type: ignore[attr-defined]
        assert (cookie.seen, str(cookie)) == (1, "a=b")  # type: ignore[attr-defined]

    def test_that_brings_its_secret(self) -> None:
        class Ours(Cookie.SignedCookie):
            def __init__(self, name: str, value: Any, **options: Any) -> None:
                Cookie.SignedCookie.__init__(self, name, value, **{"secret": SECRET} | options)

        line = str(Ours("spam", "eggs"))
        assert line == f"spam={signed('spam', 'eggs')}"
        assert (type(Ours.parse(line, SECRET)["spam"]), Ours.parse(line, SECRET)["spam"].value) == (Ours, "eggs")
        assert Ours("a", "b").__data__["secret"] == SECRET

    def test_that_signs_in_another_way(self) -> None:
        class Sha(Cookie.SignedCookie):
            def hexdigest(self, text: str) -> str:
                return hmac.new(b"k", (self.name + text).encode(), "sha256").hexdigest()[:32]

        line = str(Sha("spam", "eggs", SECRET))
        assert Sha.parse(line, SECRET)["spam"].value == "eggs"
        assert type(Cookie.SignedCookie.parse(line, SECRET)["spam"]) is Cookie.Cookie
        assert type(Sha.parse(f"spam={signed('spam', 'eggs')}", SECRET)["spam"]) is Cookie.Cookie

    def test_that_checks_in_another_way(self) -> None:
        class Open(Cookie.SignedCookie):
            def unsign(self, secret: str | bytes) -> None:
                if str(self.value) != "yes":
                    raise Cookie.CookieError("no")

        found = Open.parse("a=yes; b=no", SECRET)
        assert [type(cookie) for cookie in found.values()] == [Open, Cookie.Cookie]

    def test_unmarshal(self) -> None:
        cookie = Cookie.MarshalCookie("a", str(Cookie.MarshalCookie("a", [1, 2], SECRET)).partition("=")[2], SECRET)
        cookie.unmarshal(SECRET)
        assert cookie.value == [1, 2]
        with pytest.raises(Cookie.CookieError):
            cookie.unmarshal(SECRET)


class TestRequests:
    def test_add_cookie(self, make_request: Callable[..., Any]) -> None:
        req = make_request()
        Cookie.add_cookie(req, "k", "v", path="/q")
        Cookie.add_cookie(req, Cookie.Cookie("k2", "v2"))
        Cookie.add_cookie(req, "k3")
        assert req.headers_out["Set-Cookie"] == ["k=v; path=/q", "k2=v2", "k3="]
        assert req.headers_out["Cache-Control"] == 'no-cache="set-cookie"'
        assert len(req.err_headers_out) == 0

    def test_add_cookie_keeps_a_cache_control(self, make_request: Callable[..., Any]) -> None:
        req = make_request()
        req.headers_out["Cache-Control"] = "max-age=5"
        Cookie.add_cookie(req, "k", "v")
        assert req.headers_out["Cache-Control"] == ["max-age=5", 'no-cache="set-cookie"']

    @pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b=c", "\n", "\0"])
    def test_no_second_header(self, make_request: Callable[..., Any], value: str) -> None:
        req = make_request()
        with pytest.raises(ValueError):
            Cookie.add_cookie(req, "k", value)
        assert len(req.headers_out) == 0

    def test_get_cookies(self, make_request: Callable[..., Any]) -> None:
        assert Cookie.get_cookies(make_request()) == {}
        req = make_request(headers={"Cookie": f"a=b; z={signed('z', '1')}"})
        assert {n: str(c) for n, c in Cookie.get_cookies(req, names=["a"]).items()} == {"a": "a=b"}
        found = Cookie.get_cookies(req, Cookie.SignedCookie, secret=SECRET)
        assert {name: type(cookie) for name, cookie in found.items()} == {
            "a": Cookie.Cookie,
            "z": Cookie.SignedCookie,
        }

    def test_little_is_remembered_of_long_headers(self, make_request: Callable[..., Any]) -> None:
        def receive(number: int) -> str | None:
            return Cookie.received(make_request(headers={"Cookie": f"a={number}{'x' * 8000}; b={number}"}), "b")

        assert receive(7) == "7"
        assert bytes_left(lambda: [receive(number) for number in range(300)].clear()) < 128 << 10

    def test_get_cookie(self, make_request: Callable[..., Any]) -> None:
        req = make_request(headers={"Cookie": f"a=b; z={signed('z', '1')}"})
        assert Cookie.get_cookie(req, "a").value == "b"
        assert Cookie.get_cookie(req, "A") is None
        assert Cookie.get_cookie(req, "z", Cookie.SignedCookie, secret=SECRET).value == "1"
        assert Cookie.get_cookie(make_request(), "a") is None

    def test_two_headers_are_one_list(self, make_request: Callable[..., Any]) -> None:
        req = make_request()
        req.headers_in = Table.from_pairs([("Cookie", "a=1"), ("cookie", "b=2")])
        assert {n: c.value for n, c in Cookie.get_cookies(req).items()} == {"a": "1", "b": "2"}
