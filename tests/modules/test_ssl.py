"""The directives of mod_ssl, and what SSLRequire means."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modules.scopes import Scope, in_directory, within
from mpserver.config import records
from mpserver.config.configuration import load
from mpserver.errors import ConfigError
from mpserver.modules import ssl
from mpserver.modules.all import registry
from mpserver.modules.ssl import Option, Place, effective
from mpserver.modules.ssl.phrases import Phrases
from mpserver.modules.ssl.pieces import Source, unpacked
from mpserver.modules.ssl.profiles import Encryption, Files, work_out
from mpserver.modules.ssl.renewal import Renewal
from mpserver.modules.ssl.require import compared, compile_expression
from mpserver.tls.profile import Certificate, Profile
from mpserver.tls.tickets import SECRET
from support.certificates import Authority


@pytest.mark.parametrize(
    ("words", "protocols"),
    [
        ("all -SSLv3", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"), ("-all +TLSv1.2 +TLSv1.3", "TLSv1.2 TLSv1.3"),
        ("TLSv1.3", "TLSv1.3"), ("all -SSLv2 -SSLv3 -TLSv1 -TLSv1.1", "TLSv1.2 TLSv1.3"), ("ALL -tlsv1.2",
        "TLSv1 TLSv1.1 TLSv1.3"),
    ],
)  # fmt: skip
def test_protocols(words: str, protocols: str) -> None:
    assert Scope().say(f"SSLProtocol {words}").server[ssl.PROTOCOLS] == tuple(protocols.split())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("SSLProtocol +SSLv3", "broken"), ("SSLProtocol SSLv2", "broken"), ("SSLProtocol TLSv9", "Illegal protocol"),
        ("SSLProtocol -all", "leaves no protocol"), ("SSLEngine maybe", "Argument must be On, Off, or Optional"),
        ("SSLCompression on", "CRIME"), ("SSLInsecureRenegotiation on", "CVE-2009-3555"), ("SSLFIPS on", "FIPS"),
        ("SSLCryptoDevice pkcs11", "providers"), ("SSLOCSPEnable on", "SSLCARevocationFile"),
        ("SSLOCSPEnable leaf no_ocsp_for_cert_ok", "SSLCARevocationFile"), ("SSLOCSPResponderTimeout", "takes one"),
        ("SSLVerifyClient optional_no_ca", "SSLCACertificateFile"), ("SSLVerifyClient perhaps", "one of"),
        ("SSLVerifyDepth -1", "whole number"), ("SSLOptions +Everything", "Illegal option"),
        ("SSLPassPhraseDialog ask", "builtin"), ("SSLCipherSuite SSLv9 HIGH", "protocol"),
        ("SSLOpenSSLConfCmd ClientAuth x", "openssl.cnf"), ("SSLOpenSSLConfCmd MinProtocol SSLv3", "one of"),
        ("SSLCARevocationCheck chain no_crl_for_cert_ok", "can't be had"), ("SSLCARevocationCheck chain x", "flag"),
        ("SSLVHostSNIPolicy loose", "one of"),
    ],
)  # fmt: skip
def test_refused(line: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Scope().say(line)


@pytest.mark.parametrize(
    "line",
    [
        "SSLSessionCache shmcb:/run/x(512000)", "SSLSessionCacheTimeout 300", "SSLUseStapling On",
        "SSLStaplingCache shmcb:x", "SSLOCSPDefaultResponder http://ocsp.test/", "SSLOCSPOverrideResponder on",
        "SSLOCSPResponderTimeout 10", "SSLOCSPUseRequestNonce off", "SSLOCSPResponseMaxAge 300",
        "SSLStaplingResponderTimeout 5", "SSLEngine optional",
        "SSLOpenSSLConfCmd Curves X25519:P-256",
        "SSLCADNRequestFile x", "SSLCipherSuite PROFILE=SYSTEM", "SSLProtocol TLSv1.2 TLSv1.3",
    ],
)  # fmt: skip
def test_taken_with_a_warning(line: str) -> None:
    assert len(Scope().say(line).warnings) == 1


@pytest.mark.parametrize(
    "line",
    [
        "SSLRandomSeed startup builtin", "SSLRandomSeed connect file:/dev/urandom 512", "SSLCompression off",
        "SSLInsecureRenegotiation off", "SSLCryptoDevice builtin", "SSLFIPS off", "SSLUseStapling off",
        "SSLOCSPEnable off",
        "SSLSessionTicketKeyFile x",
        "SSLHonorCipherOrder on", "SSLSessionTickets off", "SSLStrictSNIVHostCheck on", "SSLCipherSuite HIGH:!aNULL",
    ],
)  # fmt: skip
def test_taken_as_it_is(line: str) -> None:
    assert Scope().say(line).warnings == []


@pytest.mark.parametrize("line", ["SSLCipherSuite HIGH", "SSLCACertificateFile ca.pem", "SSLCACertificatePath ca"])
def test_not_for_directories(line: str) -> None:
    with pytest.raises(ConfigError, match="can't be had for a directory"):
        within("Directory", "/srv/www").say(line)


def test_several_files() -> None:
    scope = Scope().say("SSLCertificateFile a.pem", "SSLCertificateFile /b.pem", "SSLCertificateFile AUTO")
    assert [place.path for place in scope.server[ssl.CERTIFICATE_FILES]] == ["/srv/a.pem", "/b.pem", "auto"]
    assert [place.line for place in scope.server[ssl.CERTIFICATE_FILES]] == [1, 2, 3]


def test_commands_of_openssl() -> None:
    scope = Scope().say("SSLOpenSSLConfCmd MinProtocol TLSv1.2", "SSLOpenSSLConfCmd Groups X25519")
    assert (scope.server[ssl.PROTOCOLS], scope.server[ssl.CURVE]) == (("TLSv1.2", "TLSv1.3"), "X25519")
    place = Scope().say("SSLOpenSSLConfCmd DHParameters dh.pem").server[ssl.DH_FILE]
    assert place is not None
    assert place.path == "/srv/dh.pem"


def test_options_add_up() -> None:
    outer = in_directory("SSLOptions StdEnvVars StrictRequire")
    assert effective(outer[ssl.OPTIONS]) == Option.STD_ENV_VARS | Option.STRICT_REQUIRE
    inner = outer.merged(in_directory("SSLOptions +ExportCertData -StrictRequire"))
    assert effective(inner[ssl.OPTIONS]) == Option.STD_ENV_VARS | Option.EXPORT_CERT_DATA
    assert effective(inner.merged(in_directory("SSLOptions FakeBasicAuth"))[ssl.OPTIONS]) == Option.FAKE_BASIC_AUTH


def request(**variables: str) -> Any:
    """A request with some variables of TLS."""
    return SimpleNamespace(
        mp_link=SimpleNamespace(tls=SimpleNamespace(variable=variables.get)),
        headers_in={"X-Head": "a value"},
        subprocess_env={"NAME": "7"},
    )


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ('%{SSL_CLIENT_S_DN_O} eq "Tests"', True), ('%{SSL_CLIENT_S_DN_O} != "Tests"', False),
        ('%{SSL_CLIENT_S_DN_O} in {"A", "Tests"}', True), ('%{SSL_CLIENT_S_DN_O} in {"A"}', False),
        ("%{SSL_CIPHER_USEKEYSIZE} >= 128", True), ("%{SSL_CIPHER_USEKEYSIZE} < 1000 and true", True),
        ("%{SSL_CIPHER_USEKEYSIZE} > 99 && not false", True), ("!(true || false)", False),
        ("%{SSL_CIPHER} !~ m/^(EXP|NULL)/", True), ("%{SSL_CIPHER} =~ m#^aes#i", True),
        ("%{SSL_CIPHER} =~ /^aes/", False),
        ('%{HTTP:X-Head} == "a value"', True), ('%{ENV:NAME} = 7', True), ('%{SSL_NONE} eq ""', True),
        ('(%{SSL_CIPHER} !~ m/^(EXP|NULL)/ and %{SSL_CLIENT_S_DN_O} in {"Tests"}) or %{HTTPS} eq "off"', True),
        ('file("/none") eq ""', True), (r'"a\"b" eq "a\"b"', True), ("false or false and true", False),
    ],
)  # fmt: skip
def test_require(expression: str, holds: bool) -> None:
    req = request(SSL_CLIENT_S_DN_O="Tests", SSL_CIPHER_USEKEYSIZE="256", SSL_CIPHER="AES256")
    assert compile_expression(expression)(req) is holds


@pytest.mark.parametrize(
    "expression",
    [
        "", "true false",
        '"a"', '"a" eq', 'eq "a"', '"a" like "b"', '"a" in "b"', '"a" in {', '"a" =~ "b"', '"a" =~ m/(/',
        '"a" =~ m/b', "(true", "true)", "%{A", "&& true", "!" * 100 + "true",
        "(" * 100 + "true" + ")" * 100, "file(x) eq 1",
    ],
)  # fmt: skip
def test_no_expressions(expression: str) -> None:
    with pytest.raises(ConfigError, match="SSLRequire"):
        within("Directory", "/srv/www").say(f"SSLRequire {expression}")


def test_longer_words_are_greater() -> None:
    assert (compared("9", "10"), compared("128", "56"), compared("b", "a"), compared("a", "a")) == (-1, 1, 1, 0)


def test_a_certificate_that_demands_stapled_answers(tmp_path: Path) -> None:
    """It is told of at the start: nothing else shows why browsers refuse it."""
    authority = Authority(tmp_path / "ca")
    hosts = []
    for name, staples in (("usual", False), ("demanding", True)):
        issued = authority.issue(name, [f"DNS:{name}.example"], staples=staples)
        hosts.append(
            f"<VirtualHost *:443>\nServerName {name}.example\nSSLEngine On\nSSLCertificateFile {issued.certificate}\n"
            f"SSLCertificateKeyFile {issued.key}\n</VirtualHost>"
        )
    (tmp_path / "httpd.conf").write_text("\n".join(hosts))
    configuration = load("httpd.conf", registry(), root=str(tmp_path))
    encryption, faults = work_out(configuration, Phrases())
    assert (sorted(encryption.profiles), faults) == ([1, 2], [])
    (told,) = configuration.warnings
    assert "demanding.pem demands stapled answers of OCSP (must-staple)" in told
    assert "Have one issued without that" in told


def test_tickets_get_other_keys_each_day() -> None:
    encryption = Encryption({}, Files(Phrases()))
    secret = encryption.files.own_secret()
    assert encryption.files.own_secret() == secret
    fd = records.write(None, [], {}, renewable=True)
    try:
        records.renew(fd, encryption.files.pieces)
        first = records.Records(fd).piece(secret)
        renewal = Renewal(encryption, fd, lambda _level, text: pytest.fail(text))
        for hours in (0, 23):
            renewal.expire(hours * 3600.0)
            assert records.Records(fd).piece(secret) == first
        renewal.expire(24 * 3600.0)
        assert len(first) == len(records.Records(fd).piece(secret)) == SECRET
        assert records.Records(fd).piece(secret) != first
    finally:
        os.close(fd)


def test_a_renewal_in_two_halves_is_whole_in_the_end(tmp_path: Path) -> None:
    """Who replaces a certificate and its key is held up in between, so the first look finds two that don't fit."""
    authority = Authority(tmp_path / "ca")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    said: list[str] = []

    def use(name: str, *files: Path) -> None:
        for file in files:
            shutil.copy(authority.folder / f"{name}{'.pem' if file is chain else '.key'}", file)

    for name in ("first", "second"):
        authority.issue(name, ["DNS:a.example"])
    use("first", chain, key)
    files = Files(Phrases())
    pair = Certificate(files.number(Place(str(chain), "", 0)), files.number(Place(str(key), "", 0), key=True))
    encryption = Encryption({0: Profile((pair,))}, files)
    fd = records.write(None, [], {}, renewable=True)
    try:
        records.renew(fd, files.pieces)
        renewal = Renewal(encryption, fd, lambda _level, text: said.append(text))

        def look() -> list[str]:
            """Look so often that whatever is new was looked at twice; what was said."""
            said.clear()
            for _ in range(4):
                renewal.look()
            return list(said)

        use("second", chain)
        (told,) = look()
        assert "can't be used" in told
        assert look() == []
        use("second", key)
        (told,) = look()
        assert "new connections get what is there now" in told
        found = records.Records(fd)
        assert unpacked(found.piece(pair.chain), False)[0] == chain.read_bytes()
        assert unpacked(found.piece(pair.key), True)[0] == key.read_bytes()
    finally:
        os.close(fd)


def test_files_of_other_users_are_not_taken(tmp_path: Path) -> None:
    """Who renews certificates without our rights must not show us what it can't read itself, by a link."""
    secret, link = tmp_path / "secret", tmp_path / "privkey.pem"
    secret.write_bytes(b"key")
    link.symlink_to(secret)
    owner = secret.stat().st_uid
    assert Source((str(link),), owner=owner).read() == b"key"
    assert Source((str(link),)).read() == b"key"
    with pytest.raises(OSError, match=f"not a file of user #{owner + 1}|Permission denied"):
        Source((str(link),), owner=owner + 1).read()


def test_what_a_user_puts_into_a_store_holds_up_nobody(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pubcert.pem", tmp_path / "large.pem"
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(1 << 40)
    for path in (pipe, large):
        with pytest.raises(OSError, match="no small one"):
            Source((str(path),), owner=os.getuid()).read()


def test_a_certificate_that_cannot_be_read_has_no_end() -> None:
    """OpenSSL takes some that the server's own reader does not: the others' ends are told all the same."""
    renewal = object.__new__(Renewal)
    profile = Profile((Certificate(0, 0), Certificate(1, 1)))
    renewal._encryption = SimpleNamespace(profiles={"host": profile})  # type: ignore[assignment]
    renewal._sources = [Source(("broken.pem",)), Source(("empty.pem",))]
    broken = b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"
    renewal._records = SimpleNamespace(piece=[broken, b""].__getitem__)  # type: ignore[assignment]
    assert renewal.ends() == []
