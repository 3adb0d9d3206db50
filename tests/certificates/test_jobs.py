"""What becomes of one domain: certificates, errors, waits, and what is kept; with an authority but no server."""

from __future__ import annotations

import datetime
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mpserver.api.error_log import ERROR, NOTICE, WARN
from mpserver.certificates import schedule
from mpserver.certificates.jobs import Job
from mpserver.modules.md import Account, KeyKind, Window
from mpserver.modules.md.domains import Domain, Shared
from mpserver.modules.md.store import Store
from support.acme import HTTP_01, Authority, Refused
from support.server import Port

KIND = KeyKind(0, "secp256r1")
DAY = 86400.0


class Domains:
    """Makes jobs, in a store of their own, and keeps what they log."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder, self.authority = folder, authority
        self.store = Store(str(folder / "md"))
        self.lines: list[tuple[int, str]] = []
        self.states: list[tuple[str, int, float, str]] = []
        self.domain = Domain(
            "a.example", ("a.example", "www.a.example"), True, (authority.directory,), True, "me@a.example", (KIND,),
            Window(33, True), Window(10, True), (HTTP_01,), (), None, "", False, True, (),
        )  # fmt: skip
        self.shared = Shared(self.store.folder, "", (), (), 1, 30.0, 2, 43200.0, 0.0, "")

    def job(self, *, fresh: bool = True, **other: Any) -> Job:
        """A job for the domain, of which something may be otherwise."""
        its = {name: value for name, value in other.items() if name in Domain._fields}
        common = {name: value for name, value in other.items() if name in Shared._fields}
        domain = self.domain._replace(**its)
        locks = {url: threading.Lock() for url in domain.authorities}
        return Job(
            domain, self.shared._replace(**common), self.store, locks,
            lambda level, text: self.lines.append((level, text)), lambda *told: self.states.append(told), fresh=fresh,
        )  # fmt: skip

    def told(self, level: int) -> list[str]:
        """The lines of a level."""
        return [text for its, text in self.lines if its == level]

    def chain(self) -> Path:
        """The file of the certificate."""
        return Path(self.store.chain("a.example", KIND.label))

    def program(self, text: str) -> tuple[str, ...]:
        """A program of the administrator."""
        path = self.folder / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return (str(path),)


@pytest.fixture
def domains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Domains]:
    """An authority that believes what it is told, and has signed before the library asks, which waits a second."""
    monkeypatch.setattr("acme.client.time", SimpleNamespace(sleep=lambda _seconds: None))
    authority = Authority(0, 0)
    authority.believes = True
    with authority.running():
        authority.opened.set()
        yield Domains(tmp_path, authority)


def test_a_certificate_is_had_once(domains: Domains) -> None:
    job = domains.job()
    job.look()
    first = domains.chain().read_bytes()
    assert first.count(b"BEGIN CERTIFICATE") == 2
    assert first.endswith(domains.authority.pem)
    assert Path(domains.store.key("a.example", KIND.label)).stat().st_mode & 0o777 == 0o600
    assert "a new certificate is there, good until" in domains.told(NOTICE)[0]
    job.look()
    domains.job().look()
    assert domains.chain().read_bytes() == first
    assert domains.authority.ordered == [["a.example", "www.a.example"]]
    # (the authority says when to ask it again: in a second)
    assert job.due <= time.time() + 2


def test_other_names_need_another_certificate(domains: Domains) -> None:
    domains.job().look()
    domains.job(names=("a.example",)).look()  # (it is good for more)
    domains.job(names=("a.example", "b.example")).look()
    assert domains.authority.ordered == [["a.example", "www.a.example"], ["a.example", "b.example"]]


def test_what_ends_soon_is_renewed(domains: Domains) -> None:
    domains.job().look()
    domains.job(renew=Window(89 * DAY, False)).look()
    assert len(domains.authority.ordered) == 1
    domains.job(renew=Window(91 * DAY, False)).look()
    assert len(domains.authority.ordered) == 2


def test_the_authority_may_want_it_earlier(domains: Domains) -> None:
    domains.job().look()
    domains.authority.hurry("a.example")
    domains.job(ari=False).look()
    assert len(domains.authority.ordered) == 1
    job = domains.job()
    job.look()
    assert len(domains.authority.ordered) == 2
    # what it has just signed is not renewed at once, whatever it says
    domains.authority.hurry("a.example")
    job.look()
    assert len(domains.authority.ordered) == 2


def test_waits_between_errors(domains: Domains) -> None:
    domains.authority.refuses["order"] = Refused("rateLimited", "too many certificates", 429)
    job = domains.job()
    for errors, wait in ((1, 30), (2, 60), (3, 120)):
        before = time.time()
        job.look()
        assert before + wait <= job.due <= time.time() + wait
        assert json.loads(Path(domains.store.domain("a.example", "job.json")).read_text())["errors"] == errors
    told = domains.told(ERROR)
    assert "no certificate could be had: the authority refuses: rateLimited: too many certificates" in told[0]
    assert "(3 times in a row)" in told[2]
    why = "the authority refuses: rateLimited: too many certificates"
    assert domains.states[2] == ("a.example", 3, job.due, why)
    # a process that was started again goes on waiting; a person's restart tries at once, and waits longer
    assert domains.job(fresh=False).due == pytest.approx(job.due)
    again = domains.job()
    assert again.due <= time.time()
    again.look()
    assert again.due > time.time() + 230
    domains.authority.refuses.clear()
    again.look()
    assert domains.states[-1] == ("a.example", 0, again.due, "")
    assert "errors" in Path(domains.store.domain("a.example", "job.json")).read_text()
    assert domains.job(fresh=False).due <= time.time()


def test_another_authority_is_asked(domains: Domains) -> None:
    closed = Port()
    try:
        authorities = (f"http://127.0.0.1:{closed.number}/directory", domains.authority.directory)
        job = domains.job(authorities=authorities)
        job.look()
        job.look()
        assert domains.authority.ordered == []
        assert all("the authority can't be reached" in text for text in domains.told(ERROR))
        job.look()
    finally:
        closed.release()
    assert len(domains.authority.ordered) == 1


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ({"agreed": False}, "read http://127.0.0.1/terms, and write 'MDCertificateAgreement accepted'"),
        (
            {"challenges": ("tls-alpn-01",)},
            "to be shown by http-01, and this server can answer tls-alpn-01",
        ),
        ({"challenges": ()}, "this server can answer none"),
        ({"profile": "long", "profile_mandatory": True}, "the authority has no profile 'long': it has short"),
        ({"message": ("/nowhere/program",)}, "/nowhere/program can't be run"),
    ],
)
def test_what_is_wrong_here_is_told(domains: Domains, what: dict[str, Any], told: str) -> None:
    domains.authority.offers = [HTTP_01]
    domains.job(**what).look()
    (text,) = [text for text in domains.told(ERROR) if "no certificate" in text]
    assert told in text
    assert not domains.chain().exists()


def test_customers_with_a_number(domains: Domains) -> None:
    domains.authority.known_only = True
    domains.job().look()
    assert "MDExternalAccountBinding" in domains.told(ERROR)[0]
    domains.job(account=Account("number7", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")).look()
    assert domains.authority.bound == ["number7"]
    assert domains.chain().exists()


def test_profiles(domains: Domains) -> None:
    domains.job(profile="short").look()
    domains.job(profile="unknown", names=("b.example",)).look()
    assert domains.authority.profiles == ["short", ""]


def test_one_account_for_all(domains: Domains) -> None:
    """Also where the note of it is lost: the key is known."""
    domains.job().look()
    (note,) = Path(domains.store.folder, "accounts").glob("*/account.json")
    note.unlink()
    domains.job(names=("b.example",)).look()
    assert note.exists()
    domains.authority.forget_accounts()
    domains.job(names=("c.example",)).look()
    assert len(domains.authority.ordered) == 3
    assert domains.told(ERROR) == []


def test_a_program_may_want_no_renewal_now(domains: Domains) -> None:
    program = domains.program('echo "$@" >> "$0.told"; [ "$1" != renewing ] || { echo "not here" >&2; exit 3; }')
    domains.job(message=program).look()
    assert "ended with 3: not here" in domains.told(ERROR)[0]
    assert domains.authority.ordered == []
    assert Path(f"{program[0]}.told").read_text().splitlines() == ["renewing a.example", "errored a.example"]


def test_programs_that_fail_later_change_nothing(domains: Domains) -> None:
    program = domains.program('[ "$1" != renewed ]')
    domains.job(message=program, notify=("/nowhere/program", "x")).look()
    assert domains.chain().exists()
    assert ["renewed" in text or "/nowhere" in text for text in domains.told(ERROR)] == [True, True]


def test_warnings_of_what_ends(domains: Domains) -> None:
    domains.job().look()
    job = domains.job(drives=False, warn=Window(91 * DAY, False))
    job.look()
    job.look()
    assert len(domains.told(WARN)) == 1
    assert "a.example: its certificate is good until" in domains.told(WARN)[0]
    static = domains.job(drives=False, warn=Window(91 * DAY, False), static=(str(domains.chain()),))
    static.look()
    assert len(domains.told(WARN)) == 2
    assert len(domains.authority.ordered) == 1


def test_answers_that_make_no_sense(domains: Domains, monkeypatch: pytest.MonkeyPatch) -> None:
    def nonsense(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "text/html"}, b"<html>a login page</html>"

    monkeypatch.setattr(domains.authority, "answer", nonsense)
    domains.job().look()
    assert "the authority's answer makes no sense" in domains.told(ERROR)[0]
    assert domains.job().due <= time.time()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"errors": "x", "again": 1}', '{"errors": 1e999, "again": 0}'])
def test_notes_that_make_no_sense_are_none(domains: Domains, text: str) -> None:
    path = Path(domains.store.domain("a.example", "job.json"))
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert domains.job(fresh=False).due <= time.time()


def test_a_broken_certificate_is_none(domains: Domains) -> None:
    domains.job().look()
    domains.chain().write_bytes(b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n")
    domains.job().look()
    assert len(domains.authority.ordered) == 2


def test_short_lives(domains: Domains) -> None:
    """A certificate of a few days is looked at in time, though the usual interval is longer."""
    domains.authority.life = datetime.timedelta(hours=3)
    job = domains.job(ari=False)
    job.look()
    assert 1.2 * 3600 < job.due - time.time() < 3 * 3600
    assert schedule.REST * domains.shared.check_interval < 2 * 3600
