"""If sections and texts with variables: what is refused, and that they reach those who serve as they were read."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules.scopes import REGISTRY
from mpserver.config.branches import BRANCHES, Branch
from mpserver.config.configuration import Configuration, load
from mpserver.config.expression import Expression
from mpserver.config.finished import Finished
from mpserver.config.finishing import write
from mpserver.errors import ConfigErrors
from mpserver.modules import core
from mpserver.modules.all import registry


def read(folder: Path, text: str) -> Configuration:
    """The configuration of a text."""
    (folder / "httpd.conf").write_text(text)
    return load("httpd.conf", REGISTRY, root=str(folder))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('<If "%{NOTHING} == 1">\n</If>', "Cannot parse condition clause: Variable 'NOTHING' does not exist"),
        ("<If>\n</If>", "<If> directive requires additional arguments"),
        ("<If true false>\n</If>", "Multiple <If> arguments not supported"),
        ("<If \"-U '/x'\">\n</If>", "<If> can't ask with -U for another resource"),
        ("<If \"! ('a' == 'b' || -A '/x')\">\n</If>", "<If> can't ask with -A for another resource"),
        ("<If \"-F '/x'\">\n</If>", "the operator -F is not supported: -f tells whether"),
        ("<ElseIf true>\n</ElseIf>", "section without previous <If> or <ElseIf>"),
        ("<If true>\n</If>\n<Location />\n<Else>\n</Else>\n</Location>", "section without previous <If> or <ElseIf>"),
        ("<If true>\n</If>\n<Else>\n</Else>\n<Else>\n</Else>", "section without previous <If> or <ElseIf>"),
        ("<If true>\n</If>\n<Else true>\n</Else>", "<Else> does not take an argument"),
        ("<If true>\n<Location />\n</Location>\n</If>", "<Location not allowed in <If> context"),
        ("<If true>\n<Files a>\n</Files>\n</If>", "put the <If> into the <Files>"),
        ("<If true>\nListen 80\n</If>", "Listen not allowed in <If> context"),
        ('ErrorDocument 404 "%{NOTHING}"', "Cannot parse expression in ErrorDocument: Variable 'NOTHING'"),
        ('ErrorDocument 404 "%{"', "Cannot parse expression in ErrorDocument: syntax error"),
    ],
)
def test_refused(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        read(tmp_path, lines)
    assert len(caught.value.errors) == 1
    assert said in str(caught.value)
    assert caught.value.errors[0].line


def test_all_faults_are_told_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        read(tmp_path, '<If "(">\nNonsense\n<If "x">\n</If>\n</If>\nErrorDocument 404 "%{Y}"')
    assert [error.line for error in caught.value.errors] == [1, 2, 3, 6]


def test_they_reach_those_who_serve(tmp_path: Path) -> None:
    text = """
        ErrorDocument 404 "%{REQUEST_URI} is away"
        ErrorDocument 410 "50% is gone"
        <Location /a>
            <If "%{QUERY_STRING} =~ m#a/(b)#i && $1 in {'b', %{HTTP:X}} || -R '10.0.0.0/8'">
                ForceType text/a
                <If true>
                    ForceType text/b
                </If>
            </If>
            <Else>
                ForceType text/c
            </Else>
        </Location>
    """
    configuration = read(tmp_path, text)
    served = Finished(write(configuration), registry)
    try:
        given, found = (its.main.sections.locations[0].conf[BRANCHES] for its in (configuration, served))
        assert [branch[:2] for branch in given] == [branch[:2] for branch in found]
        assert [branch.conf[core.FORCE_TYPE] for branch in found] == ["text/a", "text/c"]
        inner = found[0].conf[BRANCHES][0]
        assert isinstance(inner, Branch)
        assert (inner.condition, inner.conf[core.FORCE_TYPE]) == (Expression("true", ("constant", True)), "text/b")
        documents = served.main.base[core.ERROR_DOCUMENT]
        assert isinstance(documents[404], Expression)
        assert documents == configuration.main.base[core.ERROR_DOCUMENT]
        assert documents[410] == '"50% is gone'
    finally:
        served.close()
