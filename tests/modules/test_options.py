"""Options: how the lines of one scope and of several come together (httpd's core)."""

from __future__ import annotations

import pytest

from modules.scopes import in_directory
from mpserver.config.settings import Conf
from mpserver.modules.core.options import Option, effective

NONE, LINKS, CGI = Option.NONE, Option.LINKS, Option.EXEC_CGI
INCLUDES, EXEC, INDEXES = Option.INCLUDES, Option.EXEC, Option.INDEXES


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ([], LINKS),
        (["Options None"], NONE),
        (["Options All"], Option.ALL),
        (["Options ExecCGI"], CGI),
        (["Options +ExecCGI"], LINKS | CGI),
        (["Options -FollowSymLinks +ExecCGI"], CGI),
        (["Options Indexes\nOptions +ExecCGI"], INDEXES | CGI),
        (["Options +ExecCGI\nOptions Indexes"], INDEXES),
        (["Options None", "Options +ExecCGI", "Options +Includes"], CGI | INCLUDES | EXEC),
        (["Options +ExecCGI", "Options None", "Options +Indexes"], INDEXES),
        (["Options +ExecCGI", "Options -ExecCGI"], LINKS),
        (["Options -FollowSymLinks", "Options +FollowSymLinks"], LINKS),
        (["Options Includes", "Options +IncludesNOEXEC"], INCLUDES),
        (["Options +Includes", "Options +IncludesNOEXEC"], LINKS | INCLUDES),
        (["Options +IncludesNOEXEC", "Options +Includes"], LINKS | INCLUDES | EXEC),
        (["Options Includes", "Options -Includes"], NONE),
    ],
)
def test_merging(scopes: list[str], expected: Option) -> None:
    conf = Conf()
    for text in scopes:
        conf = conf.merged(in_directory(*text.split("\n")))
    assert effective(conf) == expected
