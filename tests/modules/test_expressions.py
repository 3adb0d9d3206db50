"""Expressions (httpd 2.4's ap_expr): their grammar, their functions, and rubbish."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.errors import ExpressionError
from mpserver.modules.expressions import parse


class Known:
    """Facts: some variables and a header."""

    def __init__(self) -> None:
        self.match: re.Match[str] | None = None

    def variable(self, name: str) -> str:
        """See `Facts`."""
        return {"a": "apple", "n": "10", "empty": "", "off": "Off"}.get(name, "")

    def header(self, name: str) -> str:
        """See `Facts`."""
        return "example.com" if name.lower() == "host" else ""

    def reachable(self, uri: str) -> bool:
        """See `Facts`."""
        return uri == "/there"


@pytest.mark.parametrize(
    "text",
    [
        "true", " true ", "!false", "(true)", "! (false || false)", "true && !false", "true and true", "false or true",
        "v('a') = 'apple'", "v('a') == \"apple\"", "v('a') != 'pear'", "env('a') == reqenv('a')", "%{a} == 'apple'",
        "'x%{a}y' == 'xappley'", "'a' < 'b'", "'b' >= 'b'", "'a' <= 'b' && 'b' > 'a'", "'a'.'b' == 'ab'",
        "%{n} -eq 10", "%{n} gt 9", "%{n} -lt 11 && %{n} ne 3", "10 -ge %{n}", "7 le 8", "'10' != '9'",
        "-n %{a}", "-z v('empty')", "-z v('nothing')", "-T %{a}", "!(-T %{off})", "-n 'x' && -z ''",
        "'apple' in {'pear', %{a}}", "!('x' in {'y'})", "'Apple' =~ /^a(p+)/i && $1 == 'pp'", "'b' !~ /a/",
        "'a/b' =~ m#a/b#", "'a/b' =~ /a\\/b/", "'foo.txt' -strmatch '*.txt'", "'FOO' -strcmatch 'f?o'",
        "tolower('AB') == 'ab'", "toupper(%{a}) == 'APPLE'", "escape('a b') == 'a%20b'", "unescape('a%20b') == 'a b'",
        "base64('a') == 'YQ=='", "unbase64('YQ==') == 'a'", "%{req:Host} == 'example.com'", "http('Host') =~ /com$/",
        "%{toupper:x} == 'X'", "-A '/there'", "!(-U '/away')", "-d '/' && -e '/' && !(-f '/')",
        "'it\\'s' == \"it's\"", "false || true && true", "'\\$0' == '$'.'0'",
        "not false", "'a' -in {'a'}", "'10.1.2.3' -ipmatch '10.0.0.0/8'", "!('::1' -ipmatch '10.0.0.0/8')",
        "'::ffff:10.1.2.3' -ipmatch '10.0.0.0/8'", "!('x' -ipmatch '10.0.0.0/8')", "'a/b' -fnmatch 'a/*'",
        "!('a/b/c' -fnmatch 'a/*')", "'a/b/c' -strmatch 'a/*'", "'a[b]' -strmatch 'a[b]'", "!('ab' -strmatch 'a[b]')",
        "md5('a') == '0cc175b9c0f1b6a831c399e269772661'", "%{sha1:a} == '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8'",
        "unescape('a%2Fb%20') == 'a%2Fb '", "unescape('a%zz') == ''", "ldap('a(') == 'a\\\\28'", "'50%' == '50'.'%'",
        "%{tolower:%{toupper:x}} == 'x'", "'a%{tolower:B$0}c' == 'abc'", "-x '/bin/sh'", "'%%' == '%'.'%'",
        "tolower('\u212aÉA') == '\u212aÉa'", "toupper('ßa') == 'ßA'", "!('\u212a' -strcmatch 'k')",
        "'a$' == 'a'.'$'", "10 > 9 || '10' < '9'",
    ],
)  # fmt: skip
def test_true(text: str) -> None:
    assert parse(text)(Known())
    assert not parse(f"!({text})")(Known())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unexpected end"), ("((", "unexpected end"), ("v('a')", "unexpected end"), ("$q = a", "near '$q"),
        ("'a' == ", "unexpected end"), ("'a' ~ 'b'", "near"), ("'a' =~ 'b'", "regular expression"),
        ("'a' =~ /(/", "Regex could not be compiled"), ("'a' =~ /b", "has no end"), ("true false", "near 'false'"),
        ("-q 'x'", "-q is not supported"), ("file('/etc/passwd') == ''", "file() is not supported"),
        ("'a' -ipmatch 'b'", "no IP address or network"), ("%{sha2:x} == ''", "the function sha2() is not supported"),
        ("'a' -ipmatch %{a}", "has to be written out"), ("-R '1.2.3'", "no IP address or network"),
        ("'a' in PeerExtList('b')", "PeerExtList() is not supported"), ("-F '/a'", "-F is not supported"),
        ("%{a b} == ''", "write %{NAME}"), ("'%{a' == ''", "near"), ("'a' == b", "near 'b'"),
        ("'a' in 'b'", "'{' is missing"), ("(true", "')' is missing"), ("'a' == 'b' =~ /c/", "near"),
        ("'a' =~ /b/q", "unknown flags"), ("'a' == \"b", "near"),
    ],
)  # fmt: skip
def test_refused(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert said in str(caught.value)


def test_nesting_has_a_limit() -> None:
    for text in ("(" * 10_000 + "true" + ")" * 10_000, "!" * 10_000 + "true", "v(" * 10_000):
        with pytest.raises(ExpressionError):
            parse(text)


@given(st.text(alphabet="ab'\"(){}$%=~!<>&|/.,-\\ 01vntrue", max_size=40))
def test_rubbish_is_refused_or_evaluated(text: str) -> None:
    try:
        test = parse(text)
    except ExpressionError:
        return
    assert test(Known()) in (True, False)
