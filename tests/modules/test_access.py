"""What the directives about access refuse, and how, and which networks they know."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpserver.config.configuration import load
from mpserver.errors import ConfigErrors
from mpserver.modules import clients, networks
from mpserver.modules.all import registry


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("10", ["10.0.0.1", "10.255.0.0"], ["11.0.0.0", "1.0.0.0"]),
        ("10.1.", ["10.1.2.3"], ["10.2.0.0"]),
        ("10.1.2.3", ["10.1.2.3", "::ffff:10.1.2.3"], ["10.1.2.4", ""]),
        ("10.1.0.0/255.255.0.0", ["10.1.9.9"], ["10.2.0.0"]),
        ("10.1.2.3/16", ["10.1.9.9"], ["10.2.0.0"]),
        ("0.0.0.0/0", ["1.2.3.4"], ["::1"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:db8::1%eth0"], ["2001:db9::", "10.1.2.3"]),
        ("::1", ["::1"], ["::2", "127.0.0.1"]),
    ],
)
def test_networks(text: str, inside: list[str], outside: list[str]) -> None:
    network = networks.parse(text)
    assert [address for address in inside if not network.has(networks.packed(address))] == []
    assert [address for address in outside if network.has(networks.packed(address))] == []


@pytest.mark.parametrize(
    "text", ["", "256", "1.2.3.4.5", "a", "10/33", "10/x", "10/1.2", "::1/129", ":::", "1..2", "٣"]
)
def test_no_networks(text: str) -> None:
    with pytest.raises(ValueError):
        networks.parse(text)


def test_domains() -> None:
    inside = [clients.in_domain(name, "example.com") for name in ("example.com", "WWW.Example.com", "a.b.example.com.")]
    assert inside == [True, True, True]
    assert not clients.in_domain("badexample.com", "example.com")
    assert not clients.in_domain("example.com.org", "example.com")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("Order allow", "unknown order 'allow'"),
        ("Order allow, deny", "Order takes one argument"),
        ("Allow all", "Allow requires at least two arguments"),
        ("Allow to all", "allow and deny must be followed by 'from'"),
        ("Deny from 10.0.0.0/99", "An IP address was expected"),
        ("Satisfy some", "Satisfy either 'any' or 'all'."),
        ("Require ip", "'require ip' requires an address"),
        ("Require ip host", "ip address 'host' appears to be invalid"),
        ("Require host", "'require host' requires a name"),
        ("Require method get", "'get' is not a valid method name"),
        ("Require expr %{NOTHING} == 1", "Cannot parse expression in require line"),
        ("Require env", "Require env needs the name of a variable"),
        ("Require not ip 10", "negative Require directive has no effect in <RequireAny> directive"),
        ("<RequireNone>\nRequire all denied\n</RequireNone>", "<RequireNone> directive has no effect in <RequireAny>"),
        ("<RequireAll>\nRequire not ip 10\n</RequireAll>", "contains only negative authorization directives"),
        ("<RequireAny>\n</RequireAny>", "<RequireAny> directive contains no authorization directives"),
        (
            "<RequireAll>\nRequire all granted\n<Files x>\n</Files>\n</RequireAll>",
            "<Files not allowed in <RequireAll> context",
        ),
        ("<Limit>\n</Limit>", "<Limit> directive requires additional arguments"),
        ("<Limit TRACE>\n</Limit>", "TRACE cannot be controlled by <Limit>, see TraceEnable"),
        ("<Limit GET>\n<LimitExcept PUT>\n</LimitExcept>\n</Limit>", "cannot occur within <Limit> section"),
        ("<Limit GET>\n<Files x>\n</Files>\n</Limit>", "<Files not allowed in <Limit> context"),
        ("<Limit GET>\nServerName x\n</Limit>", "ServerName not allowed in <Limit> context"),
        ("AuthBasicProvider ldap", "Unknown Authn provider: ldap: write one of file, dbm, anon, socache"),
        ("AuthDigestProvider anon", "Unknown Authn provider: anon: write one of file"),
        ("AuthBasicFake %{NOTHING}", "Cannot parse expression in AuthBasicFake"),
        ("AuthDigestQop none", "AuthDigestQop is deprecated: only 'auth' is supported"),
        ("AuthDigestQop auth-int", "auth-int is not implemented"),
        ("AuthDigestAlgorithm MD5-sess", "`MD5-sess' is not implemented"),
        ("AuthDigestNonceLifetime 0", "memory that all processes share"),
    ],
)
def test_faults(lines: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "httpd.conf"
    file.write_text(f"<Directory /srv>\n{lines}\n</Directory>\n")
    with pytest.raises(ConfigErrors) as caught:
        load(str(file), registry(), root=str(tmp_path))
    (error,) = caught.value.errors
    assert message in error.message
    assert error.file == str(file)
    assert error.line in (2, 3, 4)


def test_limit_stands_in_sections(tmp_path: Path) -> None:
    file = tmp_path / "httpd.conf"
    file.write_text("<Limit GET>\n</Limit>\nAuthDigestNcCheck On\n")
    with pytest.raises(ConfigErrors) as caught:
        load(str(file), registry(), root=str(tmp_path))
    first, second = caught.value.errors
    assert first.message == "<Limit not allowed here"
    assert "memory that all processes share" in second.message
