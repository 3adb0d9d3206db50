"""``mpserver htpasswd`` and ``mpserver htdigest``, run as people run them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpserver.cli.user_files import htdigest, htpasswd
from mpserver.modules import passwords
from support.commands import run


def test_a_password_from_standard_input(tmp_path: Path) -> None:
    assert run(tmp_path, "htpasswd", "-ci", "users", "joe", told="secret\n") == (0, "", "")
    name, _, stored = (tmp_path / "users").read_text().rstrip("\n").partition(":")
    assert name == "joe"
    assert stored.startswith("$2y$10$")
    assert run(tmp_path, "htpasswd", "-v", "users", "joe", told="secret\n")[:2] == (
        0, "Password for user joe correct.\n",
    )  # fmt: skip
    assert run(tmp_path, "htpasswd", "-v", "users", "joe", told="other\n")[0] == 3
    assert "secret" not in (tmp_path / "users").read_text()


@pytest.mark.parametrize(
    ("option", "start"),
    [("-B", "$2y$04$"), ("-m", "$apr1$"), ("-2", "$5$"), ("-5", "$6$"), ("-s", "{SHA}"), ("-d", "")],
)
def test_ways_to_encrypt(option: str, start: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert htpasswd(["-nb", option, "-C", "4", "joe", "secret"]) == 0
    name, _, stored = capsys.readouterr().out.rstrip("\n").partition(":")
    assert name == "joe"
    assert stored.startswith(start)
    assert passwords.matches(b"secret", stored)
    assert not passwords.matches(b"secreT", stored)


def test_a_file_is_changed_in_place(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# ours\njoe:old\nbob:{SHA}x\n")
    file.chmod(0o604)
    assert htpasswd(["-bs", str(file), "joe", "new"]) == 0
    assert htpasswd(["-bs", str(file), "eve", "new"]) == 0
    new = passwords.sha1(b"new")
    assert file.read_text() == f"# ours\njoe:{new}\nbob:{{SHA}}x\neve:{new}\n"
    assert htpasswd(["-D", str(file), "bob"]) == 0
    assert htpasswd(["-D", str(file), "bob"]) == 6
    assert file.read_text() == f"# ours\njoe:{new}\neve:{new}\n"
    assert file.stat().st_mode & 0o777 == 0o604
    assert os.listdir(tmp_path) == ["users"]


def test_the_lines_of_others_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "users"
    before = b"# 1\x0c2\x852\xc2\x85\xe2\x80\xa8\r\njoe:old\nz\xe9:{SHA}x\r\n"
    file.write_bytes(before)
    assert htpasswd(["-bs", str(file), "joe", "new"]) == 0
    assert file.read_bytes() == before.replace(b"old", passwords.sha1(b"new").encode())
    assert htpasswd(["-b", "-v", str(file), "joe", "new"]) == 0


def test_what_is_no_file_of_users_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be a program, or a database: whoever names the wrong file still has it."""
    file = tmp_path / "program"
    file.write_bytes(b"\x7fELF\0\r\n\x0c")
    for command, words in ((htpasswd, ["-b", str(file), "joe", "new"]), (htpasswd, ["-D", str(file), "joe"])):
        assert command(words) == 1
        assert capsys.readouterr().err == f"mpserver: {file} is no file of users, and is left as it is\n"
    assert file.read_bytes() == b"\x7fELF\0\r\n\x0c"


def test_digests(tmp_path: Path) -> None:
    assert run(tmp_path, "htdigest", "-c", "users", "a realm", "joe", told="pw\n")[0] == 0
    assert run(tmp_path, "htdigest", "users", "other", "joe", told="pw\n")[0] == 0
    assert run(tmp_path, "htdigest", "users", "a realm", "joe", told="secret\n")[0] == 0
    assert (tmp_path / "users").read_text().splitlines() == [
        "joe:a realm:f97e4d9d8b49ed0b40f2083b4a3efa49",
        "joe:other:40e0cbf1f06ab38b95b2de98f986539c",
    ]


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["-b", "users", "joe", "x"], 1, "-c makes one"),
        (["-x", "users", "joe"], 2, "no option -x"),
        (["-cb", "users", "a:b", "x"], 2, "the user name can't"),
        (["-cb", "users", "", "x"], 2, "the user name can't"),
        (["-cbBm", "users", "joe", "x"], 2, "exclude each other"),
        (["-cnb", "joe", "x"], 2, "exclude each other"),
        (["-cb", "-C", "99", "users", "joe", "x"], 2, "4 to 17"),
        (["users"], 2, "too few"),
    ],
)
def test_faults(
    words: list[str], status: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert htpasswd(words) == status
    assert text in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert (htpasswd([]), htdigest(["--help"])) == (2, 0)
    assert capsys.readouterr().err.count("Usage: mpserver ht") == 2
