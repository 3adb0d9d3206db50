""".htaccess files: what may stand in them (httpd 2.4 said the same of these), and the cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.conftest import LoadText
from config.small import NAME, NOTE
from mpserver.config.htaccess import HtaccessCache
from mpserver.config.override import Allowed, Override
from mpserver.config.sections import merge
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError

ALL = Allowed(Override.ALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "folder"
    found.mkdir()
    return found


def outcome(load_text: LoadText, folder: Path, allow: str, text: str, name: str = "x.html") -> str:
    """The notes of a file below a directory with this AllowOverride, or the fault."""
    (folder / ".htaccess").write_text(text)
    configuration = load_text(f"<Directory {folder.parent}>\nNote w\n{allow}\n</Directory>\n")
    main = configuration.main
    chain = ("/", f"{folder.parent}/", f"{folder}/")
    try:
        conf = merge(main, "/", chain, HtaccessCache(configuration), name)
    except ConfigError as error:
        assert error.file == str(folder / ".htaccess")
        return f"{error.line}: {error.message}"
    return " ".join((*conf[NOTE], conf[NAME])).strip()


@pytest.mark.parametrize(
    ("allow", "text", "expected"),
    [
        ("AllowOverride None", "Nothing\n", "w"),
        ("", "Nothing\n", "w"),
        ("AllowOverride FileInfo", "Note x\n", "w x"),
        ("AllowOverride FileInfo", "AuthName x\n", "1: AuthName not allowed here"),
        ("AllowOverride AuthConfig", "AuthName x\n", "w x"),
        ("AllowOverride AuthConfig", "\nNote x\n", "2: Note not allowed here"),
        ("AllowOverride AuthConfig Nonfatal=Override", "Note x\nAuthName y\n", "w y"),
        ("AllowOverride AuthConfig Nonfatal=Override", "Nothing\n", "1: Invalid command 'Nothing', "),
        ("AllowOverride All", "Nothing\n", "1: Invalid command 'Nothing', "),
        ("AllowOverride All Nonfatal=Unknown", "Nothing\nNote x\n", "w x"),
        ("AllowOverride FileInfo Nonfatal=All", "Nothing\nAuthName x\nNote y\n", "w y"),
        ("AllowOverride All", "<Directory /x>\n</Directory>\n", "1: <Directory not allowed here"),
        ("AllowOverride All", "<Location /x>\n</Location>\n", "1: <Location not allowed here"),
        ("AllowOverride All", "<VirtualHost *>\n</VirtualHost>\n", "1: <VirtualHost not allowed here"),
        ("AllowOverride All", "Listen 80\n", "1: Listen not allowed here"),
        ("AllowOverride All", "ServerName x\n", "1: ServerName not allowed here"),
        ("AllowOverride All", "AllowOverride All\n", "1: AllowOverride not allowed here"),
        ("AllowOverride All", "Include x\n", "1: Include not allowed here"),
        ("AllowOverride All", "Define x\n", "1: Define not allowed here"),
        ("AllowOverride All", "LoadModule x x\n", "1: LoadModule not allowed here"),
        ("AllowOverride All", "<IfModule none>\nNothing\n</IfModule>\nNote x\n", "w x"),
        ("AllowOverride All", "<IfModule core.c>\nNote x\n</IfModule>\n", "w x"),
        ("AllowOverride All", "<Files x>\n", "1: <Files> was not closed."),
        ("AllowOverride All", "</Files>\n", "1: </Files> without matching <Files> section"),
        ("AllowOverride All", "<Files x.html>\nNote f\n</Files>\nNote h\n", "w h f"),
        ("AllowOverride All", "<FilesMatch ^y>\nNote f\n</FilesMatch>\nNote h\n", "w h"),
        ("AllowOverride Indexes", "<Files x.html>\n</Files>\n", "w"),
        ("AllowOverride Indexes", "<Files y>\nNote x\n</Files>\n", "2: Note not allowed in <Files> context"),
        ("AllowOverrideList Note", "Note x\n", "w x"),
        ("AllowOverrideList note", "Note x\nAuthName x\n", "2: AuthName not allowed here"),
        ("AllowOverride AuthConfig\nAllowOverrideList Note", "Note x\nAuthName y\n", "w x y"),
        ("AllowOverrideList None", "Nothing\n", "w"),
        ("AllowOverrideList Note", "<Files x.html>\nNote x\n</Files>\n", "1: <Files not allowed here"),
        ("AllowOverrideList Note <Files", "<Files x.html>\nNote x\n</Files>\n", "w x"),
        ("AllowOverride FileInfo\nAllowOverrideList Listen", "Listen 80\n", "1: Listen not allowed here"),
        ("AllowOverride None FileInfo", "Note x\n", "w x"),
        ("AllowOverride FileInfo None", "Nothing\n", "w"),
    ],
)
def test_what_may_stand_in_them(load_text: LoadText, folder: Path, allow: str, text: str, expected: str) -> None:
    found = outcome(load_text, folder, allow, text)
    assert found == expected or (expected.endswith(", ") and found.startswith(expected))


def test_they_come_between_the_directories(load_text: LoadText, tmp_path: Path) -> None:
    for path, note in (("", "h0"), ("a/", "h1"), ("a/b/", "nothing"), ("a/b/c/", "h3")):
        (tmp_path / path).mkdir(exist_ok=True)
        (tmp_path / path / ".htaccess").write_text(f"Note {note}\n<Files *>\nNote {note}f\n</Files>\n")
    configuration = load_text(
        f"""
        Note base
        <Directory {tmp_path}>
            Note d0
            AllowOverride FileInfo
        </Directory>
        <Directory {tmp_path}/a>
            Note d1
        </Directory>
        <Directory {tmp_path}/a/b>
            Note d2
            AllowOverride None
        </Directory>
        <Directory {tmp_path}/a/b/c>
            Note d3
            AllowOverride All
        </Directory>
        <Location />
            Note l
        </Location>
        """
    )
    cache = HtaccessCache(configuration)
    chain = ("/", f"{tmp_path}/", f"{tmp_path}/a/", f"{tmp_path}/a/b/", f"{tmp_path}/a/b/c/")
    conf = merge(configuration.main, "/", chain, cache, "x")
    found = conf[NOTE]
    assert " ".join(found) == "base d0 h0 d1 h1 d2 d3 h3 h0f h1f h3f l"
    assert merge(configuration.main, "/", chain, cache, "x") is conf


def test_they_are_read_again_when_they_change(load_text: LoadText, folder: Path) -> None:
    file = folder / ".htaccess"
    cache = HtaccessCache(load_text(""))

    def notes() -> tuple[str, ...] | None:
        conf = cache.get(f"{folder}/", ALL)
        return None if conf is None else conf[NOTE]

    assert notes() is None
    file.write_text("Note a\n")
    assert notes() == ("a",)
    assert cache.get(f"{folder}/", ALL) is cache.get(f"{folder}/", ALL)
    stamp = file.stat()
    file.write_text("Note b\n")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert notes() == ("b",)
    replacement = folder / "new"
    replacement.write_text("Note c\n")
    os.utime(replacement, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    replacement.replace(file)
    assert notes() == ("c",)
    file.write_text("Nothing\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match="Invalid command 'Nothing'"):
            notes()
    file.unlink()
    assert notes() is None


def test_what_is_allowed_is_part_of_the_question(load_text: LoadText, folder: Path) -> None:
    (folder / ".htaccess").write_text("Note a\n")
    cache = HtaccessCache(load_text(""))
    with pytest.raises(ConfigError, match="Note not allowed here"):
        cache.get(f"{folder}/", Allowed(Override.AUTHCONFIG))
    found = cache.get(f"{folder}/", ALL)
    assert isinstance(found, Conf)
    assert found[NOTE] == ("a",)
    assert cache.get(f"{folder}/", Allowed()) is None


def test_the_first_name_that_exists_counts(load_text: LoadText, folder: Path) -> None:
    configuration = load_text(f"AccessFileName .acl .htaccess\n<Directory {folder}>\nAllowOverride All\n</Directory>\n")
    main, cache = configuration.main, HtaccessCache(configuration)
    chain = ("/", f"{folder}/")
    assert merge(main, "/", chain, cache, "x")[NOTE] == ()
    (folder / ".htaccess").write_text("Note second\n")
    assert merge(main, "/", chain, cache, "x")[NOTE] == ("second",)
    (folder / ".acl").write_text("Note first\n")
    assert merge(main, "/", chain, cache, "x")[NOTE] == ("first",)


def test_a_file_that_cannot_be_read_is_a_fault(load_text: LoadText, folder: Path) -> None:
    (folder / ".htaccess").symlink_to(folder / ".htaccess")
    cache = HtaccessCache(load_text(""))
    with pytest.raises(ConfigError, match=r"unable to check htaccess file, ensure it is readable"):
        cache.get(f"{folder}/", ALL)
    (folder / ".htaccess").unlink()
    (folder / ".htaccess").mkdir()
    with pytest.raises(ConfigError, match="htaccess"):
        cache.get(f"{folder}/", ALL)


def test_variables_of_the_configuration_are_known(load_text: LoadText, folder: Path) -> None:
    (folder / ".htaccess").write_text("Note ${WHO}\n<IfDefine WHO>\nNote defined\n</IfDefine>\n")
    found = HtaccessCache(load_text("Define WHO me\n")).get(f"{folder}/", ALL)
    assert found is not None
    assert found[NOTE] == ("me", "defined")
