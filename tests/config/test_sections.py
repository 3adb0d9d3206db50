"""Which sections hold and in which order. The expected orders are those that httpd 2.4 gave to the same requests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from config.conftest import LoadText
from config.small import NOTE
from mpserver.config.configuration import Configuration
from mpserver.config.sections import captures, merge
from mpserver.config.server import Server


def section(kind: str, argument: str, note: str, inside: str = "") -> str:
    return f"<{kind} {argument}>\nNote {note}\n{inside}</{kind}>\n"


def chain(directory: str) -> tuple[str, ...]:
    parts = directory.strip("/").split("/") if directory.strip("/") else []
    return tuple("/" + "".join(part + "/" for part in parts[:depth]) for depth in range(len(parts) + 1))


def notes(server: Server, path: str, root: str = "/www") -> str:
    directory, _, name = (root + path).rpartition("/")
    found = merge(server, path, chain(directory), None, name)[NOTE]
    return " ".join(found)


REQUESTS = ("/a/x.html", "/a/b/x.html", "/a/b/c/x.txt", "/index.html", "/a/b/123/y.php", "/A/X.html")


def check(configuration: Configuration, expected: Sequence[str]) -> None:
    server = configuration.find("127.0.0.1", 80, None)
    assert [notes(server, path) for path in REQUESTS] == list(expected)


def test_the_order_of_all_kinds(load_text: LoadText) -> None:
    text = (
        "Note base\n"
        + section("Location", "/a", "loc_a")
        + section("LocationMatch", "^/a/.*html$", "locm")
        + section("Location", "/a/", "loc_a/")
        + section("Location", "/a/*", "loc_wild")
        + section("Files", "*.html", "files")
        + section("FilesMatch", r"\.html$", "filesm")
        + section("Directory", "/www/a", "dir_a", section("Files", "x.html", "dir_files"))
        + section("Directory", "/www", "dir_w")
        + section("Directory", "/www/*", "dir_wild")
        + section("DirectoryMatch", "^/www/a$", "dm_$")
        + section("DirectoryMatch", "^/www/a", "dm_prefix")
        + section("DirectoryMatch", "x.html$", "dm_file")
        + section("DirectoryMatch", "^/www/", "dm_w/")
        + section("Directory", '~ "^/www/a/b/?$"', "dir_tilde_b")
        + section("Directory", "/", "root")
    )
    dirs = "base root dir_w dir_a dir_wild"
    check(
        load_text(text),
        [
            f"{dirs} dm_file dm_prefix dm_w/ files filesm dir_files loc_a locm loc_a/ loc_wild",
            f"{dirs} dm_file dm_prefix dm_w/ files filesm dir_files loc_a locm loc_a/",
            f"{dirs} dm_prefix dm_w/ loc_a loc_a/",
            # (the file itself counts as one more directory)
            "base root dir_w dir_wild dm_file dm_w/ files filesm",
            f"{dirs} dm_prefix dm_w/ loc_a loc_a/",
            "base root dir_w dir_wild dm_w/ files filesm",
        ],
    )


def test_regular_expressions_are_ordered_by_their_slashes(load_text: LoadText) -> None:
    text = (
        section("DirectoryMatch", "/a/b/c", "1")
        + section("DirectoryMatch", "/a", "2")
        + section("DirectoryMatch", "a", "3")
        + section("DirectoryMatch", "/a/b", "4")
        + section("Directory", "~ x", "5")
        + section("DirectoryMatch", "(/x|/)", "6", section("Files", "*.txt", "f"))
    )
    check(load_text(text), ["3 5 2 6", "3 5 2 4 6", "3 5 2 4 6 1 f", "5 6", "3 2 4 6", "6"])


def test_a_virtual_hosts_sections_come_after_the_main_servers(load_text: LoadText) -> None:
    def all_kinds(tag: str) -> str:
        return (
            section("Location", "/", f"{tag}loc")
            + section("LocationMatch", "x", f"{tag}locm")
            + section("Directory", "/", f"{tag}root")
            + section("Directory", "/www/a", f"{tag}a")
            + section("Files", "x*", f"{tag}file")
            + section("DirectoryMatch", "www", f"{tag}dm")
        )

    text = f"Note base\n{all_kinds('m')}<VirtualHost *>\nNote vbase\n{all_kinds('v')}</VirtualHost>\n"
    configuration = load_text(text + "<VirtualHost *>\nServerName second\n</VirtualHost>\n")
    first = configuration.find("127.0.0.1", 80, None)
    assert notes(first, "/a/x.html") == ("base vbase mroot vroot ma va mdm vdm mfile vfile mloc mlocm vloc vlocm")
    second = configuration.find("127.0.0.1", 80, "second")
    assert notes(second, "/a/x.html") == "base mroot ma mdm mfile mloc mlocm"
    assert notes(configuration.main, "/a/x.html") == "base mroot ma mdm mfile mloc mlocm"


def test_files_in_files_have_no_effect(load_text: LoadText) -> None:
    text = (
        section("Files", "x.html", "f1", section("Files", "x.*", "f2"))
        + section("Directory", "/www", "w", section("FilesMatch", "^x", "fm", section("Files", "x.html", "deep")))
        + section("Files", "[a-x].h?ml", "f3")
        + section("Files", '~ "^(x|y)\\."', "f4")
        + section("Files", "X.html", "f5")
        + section("Files", '"*"', "f6")
    )
    check(load_text(text), ["w f1 f3 f4 f6 fm", "w f1 f3 f4 f6 fm", "w f4 f6 fm", "w f6", "w f4 f6", "w f5 f6"])


def test_forms_of_location(load_text: LoadText) -> None:
    arguments = (
        "/a/x.html", "/a/b/x.htm", "/a/?/*", "/a/[ab]/x.html", "~ ^/a", "/a/*/x.*", "/A", "a", "/", '""', "/a/b",
        "/a/b*", "/*", "http://h/a", "/a/b/../b", '~ "/A"', '~ "(?i)/A"', "/a/b/", "*", "/a//b",
    )  # fmt: skip
    text = "".join(section("Location", argument, str(n)) for n, argument in enumerate(arguments, 1))
    check(
        load_text(text),
        [
            "1 5 9 10 17",
            "3 4 5 6 9 10 11 17 18",
            "5 9 10 11 17 18",
            "9 10 13",
            "5 9 10 11 17 18",
            "7 9 10 16 17",
        ],
    )


def test_location_matches_whole_segments(load_text: LoadText) -> None:
    main = load_text(section("Location", "/a", "1") + section("Location", "/b/", "2")).main
    found = {uri: notes(main, uri) for uri in ("/a", "/a/", "/ab", "/a/b", "/b", "/b/", "/b/c", "/x/a", "*")}
    assert found == {
        "/a": "1", "/a/": "1", "/ab": "", "/a/b": "1", "/b": "", "/b/": "2", "/b/c": "2", "/x/a": "", "*": "",
    }  # fmt: skip


def test_forms_of_directory(load_text: LoadText) -> None:
    arguments = (
        "/peers//cfg/./www/a/", "/peers/*/www", "/peers/cfg/w?w/a/b", "/peers/cfg/www/[ab]",
        "/peers/cfg/www/../www/a", "/*", "/*/*/*", '"/peers/cfg/www/a/b/*"', "/peers/cfg/www/a/*/",
        "/peers/cfg/www/a/x.html", "www", "/peers/cfg/www/a/b/c*", "/peers/cfg/www/a/b/{c}", "//",
    )  # fmt: skip
    text = "".join(section("Directory", argument, str(n)) for n, argument in enumerate(arguments, 1))
    main = load_text(text).main
    assert [notes(main, path, "/peers/cfg/www") for path in REQUESTS] == [
        "14 6 2 7 1 4 5 9 10",
        "14 6 2 7 1 4 5 3 9 8",
        "14 6 2 7 1 4 5 3 9 8 12",
        "14 6 2 7",
        "14 6 2 7 1 4 5 3 9 8",
        "14 6 2 7",
    ]


def test_without_a_file_only_locations_hold(load_text: LoadText) -> None:
    main = load_text("Note base\n" + section("Directory", "/", "dir") + section("Location", "/h", "loc")).main
    assert merge(main, "/h/x", (), None, "")[NOTE] == ("base", "loc")


def test_the_same_sections_give_the_same_object(load_text: LoadText) -> None:
    main = load_text(section("Location", "/a", "a") + section("Files", "*.py", "py")).main
    first = merge(main, "/a/1", chain("/www"), None, "x.py")
    assert merge(main, "/a/2", chain("/srv"), None, "y.py") is first
    assert merge(main, "/a/2", chain("/srv"), None, "y.txt") is not first
    for number in range(20_000):  # more than is remembered
        merge(main, f"/{number}", chain("/www"), None, "x.txt")
    assert merge(main, "/a/1", chain("/www"), None, "x.py")[NOTE] == ("py", "a")


def test_named_groups(load_text: LoadText) -> None:
    main = load_text(
        section("LocationMatch", "^/(?<user>[a-z]+)/(?<rest>x)?", "1")
        + section("DirectoryMatch", "^/www/(?P<dir>.*)/", "2")
        + section("FilesMatch", r"\.(?<ext>\w+)$", "3")
    ).main
    conf = merge(main, "/joe/y", chain("/www/joe"), None, "y.py")
    assert captures(main, conf, "/joe/y", "/www/joe/", "y.py") == {
        "MATCH_USER": "joe",
        "MATCH_DIR": "joe",
        "MATCH_EXT": "py",
    }
    assert captures(main, conf, "/", "/", "y") == {}


@pytest.mark.parametrize("directory", ["/", "/a/", "/a/b/", "/b/"])
def test_sections_of_a_chain(load_text: LoadText, directory: str) -> None:
    sections = load_text(
        section("Directory", "/a", "1") + section("Directory", "~ b", "2") + section("Directory", "/*", "3")
    ).main.sections
    found = [entry.conf[NOTE][0] for entry in sections.for_directories(chain(directory))]
    assert found == {"/": [], "/a/": ["1", "3"], "/a/b/": ["1", "3", "2"], "/b/": ["3", "2"]}[directory]
