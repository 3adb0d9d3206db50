"""The table of targets: what each of them reads, and words of that language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from fuzzing import processes, requests, texts

CORPUS = Path(__file__).with_name("corpus")

#: Bytes that any reader may stumble over.
ODD = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"=", b"\"", b"'", b"\\", b"%", b"%00", b"%2e", b"/",
    b"..", b"<", b">", b"(", b")", b"[", b"]", b"{", b"}", b"#", b"&", b"+", b"-", b"0", b"1", b"9" * 20, b"f" * 17, b"\x7f", b"\x80",
    b"\xff", b"\xc3\xa9", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x80\xa8",
)  # fmt: skip


class Target(NamedTuple):
    """What is fuzzed: ``run`` raises whatever it should not."""

    run: Callable[[bytes], None]
    words: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """As the command knows it, and the folder of its corpus."""
        return next(name for name, target in TARGETS.items() if target is self)

    def corpus(self) -> list[bytes]:
        """What to begin with."""
        return [file.read_bytes() for file in sorted((CORPUS / self.name).iterdir())]


def _words(text: str) -> tuple[bytes, ...]:
    return tuple(word.encode("latin-1") for word in text.split())


TARGETS: Mapping[str, Target] = {
    "head": Target(
        requests.head,
        _words("GET POST HTTP/1.1 HTTP/1.0 Host: Content-Length: Transfer-Encoding: chunked Connection: close Expect: http:// * CONNECT"),
    ),
    "body": Target(requests.body, (*_words("5 0 a;b=c ;x=\"y\" X:y"), b"0\r\n\r\n", b"\r\n")),
    "configuration": Target(
        texts.configuration,
        _words(
            "<Directory> </Directory> <If> <IfModule> <VirtualHost *:80> <Macro> Use Define Include ${X} PythonHandler Listen SSLEngine "
            "RewriteRule ProxyPass On Off LogFormat %{x}i Header Require <RequireAll> SetEnvIf Alias Options"
        ),
    ),
    "htaccess": Target(
        texts.htaccess,
        _words(
            "Require valid-user ErrorDocument 404 Redirect RewriteRule [L] AddType Options +Indexes <Files> </Files> <If> <Limit GET> Header "
            "set SetEnvIf ExpiresByType PythonOption AuthType Basic Order deny,allow"
        ),
    ),
    "rewrite": Target(
        texts.rewrite, _words("RewriteRule RewriteCond RewriteMap [L,R=302] [E=a:b] [CO=a:b:c] %{HTTP_HOST} $1 %1 ${m:x|y} !-f -d expr= ^ (.*) -")
    ),
    "expression": Target(
        texts.expression,
        _words("%{a} %{req:x} -eq -n -z && || ! == =~ m#a#i in { } ( ) true v('a') tolower( base64( md5( -f -ipmatch $1 . env( %{tolower:x}"),
    ),
    "form": Target(
        requests.form,
        (*_words("multipart/form-data; boundary=x application/x-www-form-urlencoded --x --x-- name= filename= a=b& charset=utf-8"),
         b"Content-Disposition: form-data; name=\"a\"", b"Content-Type: text/plain", b"\r\n--x\r\n", b"\r\n--x--\r\n"),
    ),
    "cookie": Target(requests.cookie, _words("a=b; $Version=1; Path=/; \"x\\\"y\" expires=; secure httponly %20")),
    "psp": Target(texts.psp, _words("<% %> <%= <%-- --%> <%@ include file=\"x\" %> for x in y: # end if: else: def f(): \\ ''' {% %} return")),
    "ssi": Target(texts.ssi, _words("<!--# --> <!--#echo var=\"a\" <!--#if expr=\"b\" <!--#set value= encoding=\"url\" ` ' \\\" <!--#endif")),
    "proxy": Target(
        requests.proxy, (*_words("PROXY TCP4 TCP6 UNKNOWN 127.0.0.1 ::1 443 65536"), b"\r\n\r\n\0\r\nQUIT\n", b"\x21\x11\0\x0c", b"\x20\0\0\0")
    ),
    "hello": Target(requests.hello, (b"\x16\x03\x01", b"\x01\0", b"\0\0\0\x10", b"\0\x10", b"\x03\x03", b"GET / ")),
    "control": Target(
        processes.control, _words("{\"command\": \"status\" \"recycle\" \"name\": null true 1e999 [[[[[ } ] \\ud800 \"\" NaN -1")
    ),
    "message": Target(processes.message, (b"l\0\0\0\1", b"t\0\0\0\2", b"d\0\0\0\1", b"s\0\0\0\1a", b"i\0\0\0\x015", b"N", b"T", b"F", b"\xff\xff\xff\xff")),
    "state": Target(processes.state, (b"l\0\0\0\1", b"t\0\0\0\2", b"d\0\0\0\1", b"s\0\0\0\1a", b"i\0\0\0\x015", b"N", b"T", b"F")),
}  # fmt: skip
