"""The directives of mod_md, what they come to, and when certificates are renewed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modules.scopes import Scope, within
from mpserver.certificates import schedule
from mpserver.certificates.schedule import Life
from mpserver.config.configuration import Configuration, load
from mpserver.errors import ConfigError, ConfigErrors
from mpserver.modules import md
from mpserver.modules.all import registry
from mpserver.modules.md import KeyKind, Window
from mpserver.modules.md.domains import Domain, work_out
from mpserver.modules.md.store import Store, answer_to

DAY = 86400.0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("MDomain", "needs at least one domain name"), ("MDomain manual", "needs at least one domain name"),
        ("MDomain a/b.example", "is no domain name"), ("MDomain -a.example", "is no domain name"),
        ("MDMember a.example", "auto|manual"), ("MDMembers perhaps", "must be one of"),
        ("MDRenewMode often", "must be one of"), ("MDRenewWindow 10x", "unrecognized format"),
        ("MDRenewWindow 110%", "100% or more"), ("MDWarnWindow 100%", "100% or more"),
        ("MDPrivateKeys RSA 1024", "from 2048 to 8192"), ("MDPrivateKeys x25519", "no key of kind"),
        ("MDPrivateKeys rsa2048 rsa3072", "two keys of one type"), ("MDPortMap ftp:21", "must be http:PORT"),
        ("MDPortMap http", "must be http:PORT"), ("MDPortMap http:0", "invalid number"),
        ("MDPortMap https:70000", "invalid number"), ("MDCAChallenges tls-sni-01", "no challenge"),
        ("MDRequireHttps soon", "must be one of"), ("MDCertificateAuthority nobody", "Known CA names are"),
        ("MDCertificateAgreement yes", "accepted"), ("MDCertificateProtocol EST", "ACME only"),
        ("MDContactEmail nobody", "no mail address"), ("MDHttpProxy proxy:3128", "no URL"),
        ("MDExternalAccountBinding nothing.json", "can't be read"), ("MDRetryFailover 0", "whole number"),
        ("MDCheckInterval 0s", "less than one second"), ("MDRetryDelay 500ms", "less than one second"),
        ("MDInitialDelay 5%", "unrecognized format"), ("MDChallengeDns01Version 3", "from 1 to 2"),
        ("MDChallengeDns01 \"it's\"", "quotation"), ("MDNotifyCmd", "needs a program"),
        ("MDMustStaple on", "staples none"), ("MDStoreLocks on", "MDRenewMode manual"),
        ("MDStoreLocks 5s", "can't be had"),
        ("MDCertificateFile a.pem", "SSLCertificateFile"), ("MDCertificateKeyFile a.pem", "SSLCertificateKeyFile"),
        ("MDMatchNames none", "must be one of"),
    ],
)  # fmt: skip
def test_refused(line: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("|", r"\|")):
        Scope().say(line)


@pytest.mark.parametrize(
    "line",
    [
        "MDStapling on", "MDStapleOthers off", "MDStaplingKeepResponse 7d", "MDStaplingRenewWindow 33%",
        "MDServerStatus off", "MDCertificateMonitor crt.sh https://crt.sh?q=", "MDCertificateCheck a https://b",
        "MDActivationDelay 1d",
    ],
)  # fmt: skip
def test_taken_with_a_warning(line: str) -> None:
    assert len(Scope().say(line).warnings) == 1


@pytest.mark.parametrize("line", ["MDMustStaple off", "MDStapling off", "MDStoreLocks off", "MDServerStatus on"])
def test_taken_as_it_is(line: str) -> None:
    assert Scope().say(line).warnings == []


def test_settings_of_domains_are_none_of_directories() -> None:
    with pytest.raises(ConfigError, match="MDRenewMode not allowed in <Directory> context"):
        within("Directory", "/srv/www").say("MDRenewMode always")


@pytest.mark.parametrize(
    ("words", "window"),
    [
        ("21d", Window(21 * DAY, False)), ("10", Window(10 * DAY, False)), ("30s", Window(30, False)),
        ("12h", Window(12 * 3600, False)), ("5mi", Window(300, False)), ("10%", Window(10, True)),
    ],
)  # fmt: skip
def test_windows(words: str, window: Window) -> None:
    assert Scope().say(f"MDRenewWindow {words}").server[md.RENEW_WINDOW] == window


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("RSA", [KeyKind(2048)]), ("RSA 3072", [KeyKind(3072)]), ("Default", [KeyKind(2048)]),
        ("secp256r1 rsa3072", [KeyKind(0, "secp256r1"), KeyKind(3072)]), ("P-384", [KeyKind(0, "secp384r1")]),
    ],
)  # fmt: skip
def test_keys(words: str, kinds: list[KeyKind]) -> None:
    assert Scope().say(f"MDPrivateKeys {words}").server[md.KEYS] == tuple(kinds)


def test_authorities() -> None:
    scope = Scope().say("MDCertificateAuthority LetsEncrypt-Test http://127.0.0.1:1/dir")
    assert scope.server[md.AUTHORITY] == (md.AUTHORITIES["letsencrypt-test"], "http://127.0.0.1:1/dir")


def test_accounts(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text('{"kid": "me", "hmac": "c2VjcmV0"}')
    (tmp_path / "bad.json").write_text('{"kid": "me"}')
    scope = Scope(root=str(tmp_path)).say("MDExternalAccountBinding good.json")
    assert scope.server[md.ACCOUNT] == ("me", "c2VjcmV0")
    assert scope.say("MDExternalAccountBinding you cGFzcw").server[md.ACCOUNT] == ("you", "cGFzcw")
    assert scope.say("MDExternalAccountBinding none").server[md.ACCOUNT] is None
    with pytest.raises(ConfigError, match="is not as"):
        scope.say("MDExternalAccountBinding bad.json")


def test_ports() -> None:
    scope = Scope().say("MDPortMap 80:8080", "MDPortMap https:-")
    assert scope.server[md.PORTS] == {"http": 8080, "https": 0}


# ---- domains

HOST = """
<VirtualHost *:443>
    ServerName www.a.example
    ServerAlias A.example other.example
    SSLEngine on
    {}
</VirtualHost>
"""


def read(folder: Path, text: str) -> Configuration:
    file = folder / "httpd.conf"
    file.write_text(f"ServerRoot {folder}\nPidFile run/pid\nListen 80\nListen 443\n" + text)
    return load(str(file), registry(), root=str(folder))


def found(folder: Path, text: str) -> tuple[Domain, ...]:
    """The domains of a configuration that has no faults."""
    domains, _kept, faults = work_out(read(folder, text), opens=False)
    assert faults == []
    assert domains is not None
    return domains.domains


def test_names_of_hosts_are_the_domains(tmp_path: Path) -> None:
    (automatic,) = found(tmp_path, "MDomain a.example" + HOST.format(""))
    assert automatic.names == ("a.example", "www.a.example", "other.example")
    assert (automatic.drives, automatic.challenges) == (True, ("http-01",))
    (manual,) = found(tmp_path, "MDomain a.example manual" + HOST.format(""))
    assert manual.names == ("a.example",)
    (wide,) = found(tmp_path, "MDomain *.a.example" + HOST.format(""))
    assert wide.names == ("*.a.example", "a.example", "other.example")
    (by_names,) = found(tmp_path, "MDMatchNames servernames\nMDomain a.example" + HOST.format(""))
    assert (by_names.names, by_names.drives) == (("a.example",), False)


def test_a_section_has_settings_of_its_own(tmp_path: Path) -> None:
    text = """
        ServerAdmin root@a.example
        MDRenewWindow 20%
        <MDomainSet a.example>
            MDMember b.example c.example
            MDRenewMode always
            MDRenewWindow 5d
            MDChallengeDns01 "/bin/dns --zone a"
            MDCAChallenges dns-01 http-01
            MDContactEmail me@a.example
        </MDomainSet>
        <MDomain d.example manual>
            MDCertificateAuthority buypass
        </MDomain>
    """
    first, second = found(tmp_path, text)
    assert first.names == ("a.example", "b.example", "c.example")
    assert (first.drives, first.renew, first.contact) == (True, Window(5 * DAY, False), "me@a.example")
    assert (first.dns_program, first.challenges) == (("/bin/dns", "--zone", "a"), ("dns-01", "http-01"))
    assert (second.drives, second.renew, second.contact) == (False, Window(20, True), "root@a.example")
    assert second.authorities == (md.AUTHORITIES["buypass"],)


@pytest.mark.parametrize(
    ("lines", "challenges"),
    [
        ("Protocols http/1.1 acme-tls/1", ("tls-alpn-01", "http-01")),
        ("Protocols http/1.1 acme-tls/1\nMDPortMap http:- https:443", ("tls-alpn-01",)),
        ("MDPortMap http:8080", ()),
        ("MDPortMap http:-\nMDChallengeDns01 /bin/dns", ("dns-01",)),
        ("MDPortMap http:-\nMDCAChallenges http-01", ("http-01",)),
    ],
)
def test_challenges_that_can_be_answered(tmp_path: Path, lines: str, challenges: tuple[str, ...]) -> None:
    configuration = read(tmp_path, f"{lines}\nMDomain a.example{HOST.format('')}")
    domains, _kept, faults = work_out(configuration, opens=False)
    assert faults == []
    assert domains is not None
    assert domains.domains[0].challenges == challenges
    assert any("no authority can see" in warning for warning in configuration.warnings) == (not challenges)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("MDomain a.example\nMDomain b.example a.example", "overlap in domain 'a.example'"),
        ("MDomain a.example\nMDomain other.example", "matches two Managed Domains, www|matches two Managed Domains"),
        ("MDMatchNames servernames\nMDomain www.a.example\nMDomain other.example", "overlap in domain 'other.example'"),
    ],
)
def test_overlapping_domains_are_refused(tmp_path: Path, lines: str, told: str) -> None:
    _domains, _kept, faults = work_out(read(tmp_path, lines + HOST.format("")), opens=False)
    assert [fault for fault in faults if any(text in str(fault) for text in told.split("|"))], faults


def test_a_host_with_a_certificate_of_its_own_keeps_it(tmp_path: Path) -> None:
    configuration = read(tmp_path, "MDomain a.example" + HOST.format("SSLCertificateFile own.pem"))
    _domains, kept, faults = work_out(configuration, opens=False)
    assert (kept, faults) == ({}, [])
    assert any("has a certificate by SSLCertificateFile" in warning for warning in configuration.warnings)


def test_names_that_the_certificate_is_not_good_for_are_told(tmp_path: Path) -> None:
    configuration = read(tmp_path, "MDomain a.example manual" + HOST.format(""))
    work_out(configuration, opens=False)
    assert sum("is none of its Managed Domain" in warning for warning in configuration.warnings) == 2


def test_files_of_others_are_served_and_not_renewed(tmp_path: Path) -> None:
    text = """
        <MDomainSet a.example>
            MDCertificateFile a.pem
            MDCertificateKeyFile a.key
            {}
        </MDomainSet>
    """
    configuration = read(tmp_path, text.format("") + HOST.format(""))
    domains, kept, faults = work_out(configuration, opens=False)
    assert faults == []
    assert domains is not None
    assert not domains.domains[0].drives
    ((certificate,),) = kept.values()
    assert (certificate.chain.path, certificate.required) == (str(tmp_path / "a.pem"), True)
    assert certificate.owner == -1  # (they may be anybody's)
    assert found(tmp_path, text.format("MDRenewMode always"))[0].drives
    with pytest.raises(ConfigErrors, match="needs its MDCertificateKeyFile"):
        read(tmp_path, "<MDomainSet a.example>\nMDCertificateFile a.pem\n</MDomainSet>")


def test_the_store_belongs_to_who_renews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "User root\nMDomain a.example" + HOST.format("")
    domains, kept, faults = work_out(read(tmp_path, text), opens=True)
    assert (domains is not None, faults) == (True, [])
    assert (tmp_path / "md").stat().st_mode & 0o777 == 0o711
    assert [its.owner for pair in kept.values() for its in pair] == [os.geteuid()]
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    _domains, _kept, faults = work_out(read(tmp_path, text), opens=True)
    assert "chown -R #4711" in str(faults[0])


def test_the_package_that_it_takes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpserver.modules.md.domains.find_spec", lambda _name: None)
    _domains, _kept, faults = work_out(read(tmp_path, "MDomain a.example" + HOST.format("")), opens=True)
    assert "pip install 'mpserver[acme]'" in str(faults[0])
    assert not (tmp_path / "md").exists()
    # (where nothing is to be had it is not needed)
    assert work_out(read(tmp_path, "MDRenewMode manual\nMDomain a.example" + HOST.format("")), opens=False)[2] == []


def test_names_lead_to_no_other_folder(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for name in ("../x", "a/../../x", "..", "", "\0", "a" * 300):
        for path in (answer_to(store.answers, name, name), store.domain(name, "f")):
            inside = Path(os.path.normpath(path))
            assert inside.is_relative_to(tmp_path)
            assert len(inside.relative_to(tmp_path).parts) == 3


def test_files_are_written_whole_and_for_whom_they_are(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "md"))
    store.write(store.key("a.example", ""), b"key", secret=True)
    store.write(store.chain("a.example", "secp384r1"), b"chain")
    store.write(store.account("x", "account.json"), b"{}", secret=True)
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {
        "md": 0o711, "md/domains": 0o711, "md/domains/a.example": 0o711, "md/domains/a.example/privkey.pem": 0o600,
        "md/domains/a.example/pubcert.secp384r1.pem": 0o644, "md/accounts": 0o700, "md/accounts/x": 0o700,
        "md/accounts/x/account.json": 0o600,
    }  # fmt: skip


# ---- when


def test_a_renewal_begins_in_time() -> None:
    life = Life(1000.0, 1000.0 + 90 * DAY)
    assert life.renewed_from(Window(33, True)) == life.ends - 29.7 * DAY
    assert life.renewed_from(Window(21 * DAY, False)) == life.ends - 21 * DAY


def test_waits_are_doubled_by_errors_up_to_a_day() -> None:
    assert [schedule.delay(30, errors) for errors in (1, 2, 3, 12, 13, 10**6)] == [30, 60, 120, 61440, DAY, DAY]


def test_another_authority_is_asked_after_some_errors() -> None:
    assert [schedule.authority(2, errors, 3) for errors in range(8)] == [0, 0, 0, 1, 1, 1, 0, 0]
    assert schedule.authority(1, 100, 13) == 0
