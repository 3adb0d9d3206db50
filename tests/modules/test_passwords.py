"""Encrypted passwords: those of httpd's htpasswd, whatever the bytes, and what is remembered of them."""

from __future__ import annotations

import pytest

from mpserver.modules import passwords
from mpserver.modules.verified import Verified

#: Made by htpasswd; the passwords are "secret", and one of 40 and of 0 signs.
LONG = b"0123456789" * 4
KNOWN = (
    (b"secret", "$2y$05$9g09Vpgt.KBnsfc/iFhq5u5Ti1HzT9hB/Jfu360UYcwKK7psZJozy"),
    (b"secret", "$apr1$xOD.NzVU$qcQayyZb1//OZNX9q2MoV1"),
    (b"secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
    (b"secret", "rhJQSMhb9GC56"),
    (b"secret", "$5$rf3m04C1qdMBk7b9$mzjx4GOn2xCzfQTKRxQ8Fd8UOKPMu9nIhtWhGpGG4C/"),
)


@pytest.mark.parametrize(("password", "stored"), KNOWN)
def test_known_ones(password: bytes, stored: str) -> None:
    assert passwords.matches(password, stored)
    assert not passwords.matches(password + b"\0", stored)
    assert not passwords.matches(b"Secret", stored)
    assert not passwords.matches(b"", stored)


@pytest.mark.parametrize("stored", ["", "secret", "$2y$05$short", "$apr1$", "{SHA}", "*", "*0", "$9$what$ever", "ü"])
def test_what_is_no_encrypted_password_is_nobodys(stored: str) -> None:
    assert not passwords.matches(b"secret", stored)
    assert not passwords.matches(stored.encode("latin-1"), stored)


@pytest.mark.parametrize("password", [b"", b"x", LONG, "Grüße".encode(), "Grüße".encode("latin-1"), b"\xff" * 17])
def test_new_ones(password: bytes) -> None:
    made = [
        passwords.crypt(password, passwords.bcrypt_setting(4)),
        passwords.apr1(password, passwords.salt(8)),
        passwords.sha1(password),
        passwords.crypt(password, f"$6${passwords.salt(16)}$"),
    ]
    for stored in made:
        assert passwords.matches(password, stored), stored
        assert not passwords.matches(password + b"y", stored), stored


def test_a_right_password_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    verified = Verified()
    stored = passwords.crypt(b"secret", passwords.bcrypt_setting(4))
    compared = []

    def matches(password: bytes, stored: str, ask: object = passwords.matches) -> bool:
        compared.append(password)
        assert callable(ask)
        return bool(ask(password, stored))

    monkeypatch.setattr(passwords, "matches", matches)
    for _ in range(3):
        assert verified.matches("joe", stored, b"secret")
        assert not verified.matches("joe", stored, b"wrong")
    assert compared == [b"secret", b"wrong", b"wrong", b"wrong"]
    # another user, and another password of this one, have to be compared
    assert verified.matches("bob", stored, b"secret")
    assert not verified.matches("joe", passwords.crypt(b"other", passwords.bcrypt_setting(4)), b"secret")
    assert compared[4:] == [b"secret", b"secret"]
    kept = repr([getattr(verified, name) for name in Verified.__slots__])
    assert "secret" not in kept
