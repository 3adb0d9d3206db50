"""The directives of mod_autoindex, and the parts of a listing by themselves."""

from __future__ import annotations

import pytest

from modules.scopes import in_directory
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules.autoindex import IGNORE, NAME_WIDTH, OPTIONS, Shown, icons, query
from mpserver.modules.autoindex.page import size

FANCY, TABLE, LINKS, SIZE = Shown.FANCY, Shown.TABLE, Shown.ICONS_ARE_LINKS, Shown.NO_SIZE


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ([], Shown.NONE),
        (["IndexOptions FancyIndexing"], FANCY),
        (["IndexOptions FancyIndexing", "IndexOptions +HTMLTable"], FANCY | TABLE),
        (["IndexOptions FancyIndexing", "IndexOptions HTMLTable"], TABLE),
        (["IndexOptions FancyIndexing HTMLTable", "IndexOptions -HTMLTable"], FANCY),
        (["IndexOptions FancyIndexing", "IndexOptions None"], Shown.NONE),
        (["IndexOptions FancyIndexing", "IndexOptions None", "IndexOptions +HTMLTable"], TABLE),
        (["IndexOptions +HTMLTable", "IndexOptions -HTMLTable"], Shown.NONE),
        # (the two examples of httpd's manual)
        (["IndexOptions +IconsAreLinks -SuppressLastModified\nIndexOptions +SuppressSize"], LINKS | SIZE),
        (["IndexOptions +ScanHTMLTitles -IconsAreLinks FancyIndexing +SuppressSize"], FANCY | SIZE),
        (["IndexOptions +HTMLTable", "IndexOptions +IconsAreLinks FancyIndexing"], FANCY),
        # (words that have no sign by themselves do the same)
        (["IndexOptions FancyIndexing", "IndexOptions +IconsAreLinks NameWidth=*"], FANCY),
        (["IndexOptions FancyIndexing", "IndexOptions +IconsAreLinks Charset=UTF-8 +HTMLTable"], FANCY | TABLE),
        (["IndexOptions FancyIndexing", "IndexOptions NameWidth=* +HTMLTable"], FANCY | TABLE),
    ],
)
def test_options_of_scopes(scopes: list[str], expected: Shown) -> None:
    conf = Conf()
    for text in scopes:
        conf = conf.merged(in_directory(*text.split("\n")))
    assert conf[OPTIONS].effective == expected


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("IndexOptions Fancy", "Invalid directory indexing option Fancy"),
        ("IndexOptions +None", "Cannot combine '+' or '-' with 'None'"),
        ("IndexOptions NameWidth=3", "whole number from 5 on"),
        ("IndexOptions NameWidth=x", "whole number from 5 on"),
        ("IndexOptions -NameWidth=9", "Cannot combine '-'"),
        ("IndexOptions Charset=a;b", "is no name of a type or a charset"),
        ("IndexOrderDefault Up Name", "First keyword"),
        ("IndexOrderDefault Ascending Up", "Second keyword"),
        ("AddIcon (TXT .txt", "missing closing paren"),
        ("IndexIgnore", "IndexIgnore"),
        ("AddIcon /icons/x.gif", "AddIcon"),
    ],
)
def test_faults(line: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error.replace("+", r"\+").replace("(", r"\(")):
        in_directory(line)


def test_widths_and_what_is_ignored() -> None:
    conf = in_directory("IndexOptions NameWidth=30", "IndexIgnore a b", "IndexIgnore c")
    assert (conf[NAME_WIDTH], conf[IGNORE].names) == (30, ("a", "b", "c"))
    inner = conf.merged(in_directory("IndexOptions +NameWidth=*", "IndexIgnore d"))
    assert (inner[NAME_WIDTH], inner[IGNORE].names) == (0, ("a", "b", "c", "d"))
    assert conf.merged(in_directory("IndexIgnoreReset On", "IndexIgnore d"))[IGNORE].names == ("d",)


@pytest.mark.parametrize(
    ("count", "text"),
    [(-1, "-"), (0, "0"), (972, "972"), (973, "1.0K"), (1500, "1.5K"), (10240, "10K"), (1 << 20, "1.0M"),
     (995 << 10, "1.0M"), (900 << 10, "900K"), (1 << 40, "1.0T"), (5 << 60, "5.0E")],
)  # fmt: skip
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("media", "encoding", "kind"),
    [(None, None, "file"), ("text/plain; charset=utf-8", None, "text"), ("text/html", None, "code"),
     ("image/svg+xml", None, "image"), ("application/zip", None, "packed"), ("text/plain", "x-gzip", "packed"),
     ("audio/ogg", None, "sound"), ("video/mp4", None, "film"), ("application/pdf", None, "file")],
)  # fmt: skip
def test_kinds_of_files(media: str | None, encoding: str | None, kind: str) -> None:
    assert icons.kind(media, encoding) == kind


def test_a_query_of_other_things_is_none() -> None:
    order = ("N", True)
    assert query.read("a=b", FANCY, order) == query.read(None, FANCY, order)
    assert query.read("C=S;O=D", FANCY | Shown.IGNORE_CLIENT, order).key == "N"
    assert query.read("F=0", FANCY, order).fancy is False
    assert len(query.read("P=" + "%41" * 2000, FANCY, order).pattern or "") == query.LONGEST
