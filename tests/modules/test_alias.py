"""Aliases: expected files are those that httpd 2.4 maps the same paths to."""

from __future__ import annotations

import pytest

from modules.scopes import Scope, within
from mpserver.config.registry import Where
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules.alias import translate


def mapped(scope: Scope, path: str) -> str | None:
    found = translate(path, scope.server)
    return None if found is None else found[0]


ALIASES = Scope().say(
    "Alias /al /h/a",
    "Alias /as/ /h/a/",
    "Alias /nos /h/a/",
    r"AliasMatch ^/am/(.*)\.t$ /h/a/$1",
    r"AliasMatch /nn/(.+) /h/$1&",
    r"AliasMatch ^/(?<first>[a-z])/lit /h/\$1/$1$2",
    "AliasMatch ^/rel$ sub/x",
    "Alias /al2/x /h/a",
    "Alias /al2 /h",
    "Alias //dbl//x /h/dbl",
    "Alias /rel2 sub/../y",
    "ScriptAlias /cgi-bin/ /h/cgi/",
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/al", "/h/a"),
        ("/al/", "/h/a/"),
        ("/al/y.txt", "/h/a/y.txt"),
        ("/alx", None),
        ("/AL", None),
        ("/as", None),
        ("/as/", "/h/a/"),
        ("/as/y.txt", "/h/a/y.txt"),
        ("/nos/y", "/h/a/y"),
        ("/am/y.txt.t", "/h/a/y.txt"),
        ("/nn/a/y.txt", "/h/a/y.txt/nn/a/y.txt"),
        ("/z/lit", "/h/$1/z"),
        ("/rel", "/srv/sub/x"),
        ("/al2/x/y.txt", "/h/a/y.txt"),
        ("/al2/x.txt", "/h/x.txt"),
        ("/dbl/x/f", "/h/dbl/f"),
        ("/rel2/f", "/srv/y/f"),
        ("/", None),
    ],
)
def test_mapping(path: str, expected: str | None) -> None:
    assert mapped(ALIASES, path) == expected


def test_scripts() -> None:
    assert translate("/cgi-bin/x", ALIASES.server) == ("/h/cgi/x", True)
    assert translate("/al", ALIASES.server) == ("/h/a", False)
    assert translate("/s9", Scope().say("ScriptAliasMatch ^/s(.) /b/$1").server) == ("/b/9", True)


def test_an_alias_of_the_whole_site() -> None:
    assert mapped(Scope().say("Alias / /site/"), "/x/y") == "/site/x/y"


def test_virtual_hosts_aliases_come_first() -> None:
    main = Scope().say("Alias /a /main", "Alias /b /main").server
    host = Scope(where=Where.VHOST).say("Alias /a /host").server
    merged = main.merged(host)
    assert translate("/a", merged) == ("/host", False)
    assert translate("/b", merged) == ("/main", False)


def test_a_location_leads_all_its_paths_to_one_place() -> None:
    location = within("Location", "/loc").say("ScriptAlias /h/a").conf
    server = Scope().say("Alias /loc /other").server
    assert translate("/loc/y.txt", server, location) == ("/h/a", True)
    assert translate("/loc/y.txt", server, Conf()) == ("/other/y.txt", False)


def test_a_location_can_keep_the_path() -> None:
    location = within("Location", "/loc/").say("Alias /h/a", "AliasPreservePath On").conf
    assert translate("/loc/sub/y.txt", Conf(), location) == ("/h/a/sub/y.txt", False)
    assert translate("/loc/", Conf(), location) == ("/h/a/", False)


@pytest.mark.parametrize(
    ("scope", "line", "message"),
    [
        (Scope(), "Alias /a", "Alias must have two arguments when used globally"),
        (Scope(), 'Alias "" /b', "Alias takes 1-2 arguments"),
        (within("Location", "/x"), "Alias /a /b", "Alias cannot occur within directory context"),
        (within("Directory", "/x"), "Alias /a /b", "Alias cannot occur within directory context"),
        (within("Directory", "/x"), "Alias /b", "Alias cannot occur within <Directory> section"),
        (within("Files", "x"), "ScriptAlias /b", "ScriptAlias cannot occur within <Files> section"),
        (within("LocationMatch", "^/x"), "Alias /h/%{env:MATCH_X}", "expressions like"),
        (Scope(), "AliasMatch ( /b", "could not be compiled"),
    ],
)
def test_faults(scope: Scope, line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        scope.say(line)
    assert message in caught.value.message


def test_hidden_aliases_are_warned_of() -> None:
    assert not Scope().say("Alias /a/b /c", "Alias /a /b", "Alias /ab /b").warnings
    (warning,) = Scope().say("Alias /a /b", "Alias /a/b /c").warnings
    assert "will probably never match" in warning
