"""mod_rewrite's directives by themselves: what they take, and what is refused with the remedy."""

from __future__ import annotations

import pytest

from modules import scopes
from modules.scopes import Scope, within
from mpserver.config.registry import Module, Registry
from mpserver.errors import ConfigError
from mpserver.modules import rewrite
from mpserver.modules.rewrite import DIRECTORY, SERVER, DirectoryRules, Rule, ServerRules


def rules(*lines: str) -> tuple[Rule, ...]:
    return Scope().say(*lines).server[SERVER].rules


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("RewriteEngine maybe", "RewriteEngine must be On or Off"),
        ("RewriteRule a", "bad argument line"),
        ("RewriteRule a b c d", "bad argument line"),
        ("RewriteRule a b L", "bad flag delimiters: write [L]"),
        ("RewriteRule a b [X]", "unknown flag 'X'"),
        ("RewriteRule ( b", "cannot compile regular expression '('"),
        ("RewriteRule a b [R=418]", "invalid HTTP response code '418'"),
        ("RewriteRule a b [R=99]", "invalid HTTP response code '99'"),
        ("RewriteRule a b [R=often]", "invalid HTTP response code 'often'"),
        ("RewriteRule a b [S=x]", "needs a number, not 'x'"),
        ("RewriteRule a b [N=-1]", "needs a number, not '-1'"),
        ("RewriteRule a b [E]", "needs a variable"),
        ("RewriteRule a b [CO=n:v]", "needs a domain"),
        ("RewriteRule a b [BNE]", "needs the characters"),
        ("RewriteRule a ${map}", "names no key of a RewriteMap"),
        ("RewriteRule a %{LA-F:REMOTE_USER}", "write LA-U:"),
        ("RewriteRule a %{FOO:x}", "can't be looked up"),
        ("RewriteCond a", "bad argument line"),
        ("RewriteCond 5 -gt 4", "bad flag delimiters"),
        ("RewriteCond 5 -gt 4 [NC]", "an argument with blanks needs quotes"),
        ("RewriteCond a b [X]", "unknown flag 'X'"),
        ("RewriteCond a (", "cannot compile regular expression"),
        ('RewriteCond expr "%{"', "cannot compile expression"),
        ("RewriteOptions nonsense", "unknown option 'nonsense'"),
        ("RewriteMap m int:sine", "internal map not found: sine"),
        ("RewriteMap m dbd:select", "ask a database by SQL"),
        ("RewriteMap m odd:x", "unknown kind 'odd'"),
    ],
)
def test_refused(line: str, error: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Scope().say(line)
    assert error in raised.value.message


def test_who_passes_on_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [module for module in scopes.REGISTRY.modules if module.source != "mod_proxy.c"]
    monkeypatch.setattr(scopes, "REGISTRY", Registry(others))
    with pytest.raises(ConfigError, match="the flag P needs mod_proxy"):
        Scope().say("RewriteRule a http://b/ [P]")
    monkeypatch.setattr(scopes, "REGISTRY", Registry([*others, Module("mod_proxy.c", "proxy_module", ())]))
    assert rules("RewriteRule a http://b/ [P]")[0].flags.proxy


def test_a_base_is_a_path() -> None:
    with pytest.raises(ConfigError, match="not a valid URL-path"):
        within("Directory", "/srv").say("RewriteBase app")
    found = within("Directory", "/srv").say("RewriteBase /app").conf[DIRECTORY]
    assert found is not None and found.base == "/app/"


def test_conditions_belong_to_the_next_rule() -> None:
    first, second = rules("RewriteCond a b", "RewriteCond c d [OR]", "RewriteRule x y", "RewriteRule z -")
    assert [its.or_next for its in first.conditions] == [False, True]
    assert second.conditions == () and second.target is None


def test_arguments_keep_their_backslashes() -> None:
    (rule,) = rules(r"RewriteRule ^a\ b\.c$ /x\ y")
    assert rule.pattern.search("a b.c") and rule.target == (("text", "/x y"),)


@pytest.mark.parametrize(
    ("own", "outer", "found"),
    [
        ((), (), ["inner"]),
        (("inherit",), (), ["inner", "outer"]),
        (("inheritbefore",), (), ["outer", "inner"]),
        ((), ("inheritdown",), ["inner", "outer"]),
        ((), ("inheritdownbefore",), ["outer", "inner"]),
        (("ignoreinherit",), ("inheritdown",), ["inner"]),
    ],
)
def test_what_is_inherited(own: tuple[str, ...], outer: tuple[str, ...], found: list[str]) -> None:
    above, below = rules("RewriteRule outer -"), rules("RewriteRule inner -")
    joined = SERVER.merge(
        ServerRules(True, frozenset(outer), above), ServerRules(None, frozenset(own) if own else None, below)
    )
    assert [rule.text for rule in joined.rules] == found and joined.engine
    section = DIRECTORY.merge(
        DirectoryRules("/", True, frozenset(outer), above, "/base/"),
        DirectoryRules("/a/", None, frozenset(own) if own else None, below),
    )
    assert section is not None and [rule.text for rule in section.rules] == found
    assert section.base is None and section.directory == "/a/"


def test_a_base_is_inherited_by_an_option() -> None:
    merged = DIRECTORY.merge(
        DirectoryRules("/", True, None, (), "/base/"), DirectoryRules("/a/", None, frozenset(("mergebase",)))
    )
    assert merged is not None and merged.base == "/base/"


def test_words_that_change_nothing_are_told() -> None:
    scope = Scope().say("RewriteOptions AllowAnyURI LongURLOptimization", "RewriteOptions MaxRedirects=10")
    assert len(scope.warnings) == 3
    assert rewrite.SERVER in scope.server
