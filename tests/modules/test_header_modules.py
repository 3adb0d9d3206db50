"""The directives of mod_env, mod_setenvif, mod_headers and mod_expires: what they keep, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modules.scopes import REGISTRY, Scope, in_directory, within
from mpserver.config.configuration import load
from mpserver.config.finished import Finished
from mpserver.config.finishing import write
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules import env, expires, headers, setenvif
from mpserver.modules.all import registry
from mpserver.modules.expires import Lifetime


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("SetEnv", "SetEnv takes 1-2 arguments"),
        ("SetEnv A b c", "SetEnv takes 1-2 arguments"),
        ("PassEnv", "PassEnv requires at least one argument"),
        ("SetEnvIf", "Missing header-field name for SetEnvIf"),
        ("SetEnvIf X", "Missing regular expression for SetEnvIf"),
        ("SetEnvIf X a", "Missing envariable expression for SetEnvIf"),
        ("SetEnvIf X ( a", "SetEnvIf regex could not be compiled"),
        ("SetEnvIf ^( a B", "SetEnvIf Header name regex could not be compiled"),
        ('SetEnvIf OID("1") a B', "use an SSL_CLIENT_ variable"),
        ("SetEnvIf X a !", "names no variable"),
        ("SetEnvIf X a =b", "names no variable"),
        ('SetEnvIfExpr "zz" A', 'Could not parse expression "zz"'),
        ("SetEnvIfExpr", "Missing expression for SetEnvIfExpr"),
        ("BrowserMatch Foo", "Missing envariable expression for BrowserMatch"),
        ("Header", "first argument must be 'add', 'set'"),
        ("Header foo R 1", "it is 'foo'"),
        ("Header always onsuccess set R 1", "it is 'onsuccess'"),
        ("Header set", "requires the name of a header"),
        ("Header set R", "Header requires three arguments"),
        ("Header unset R a b", "Too many arguments to directive"),
        ("Header set R a b", "Unknown parameter: b: it may be early, env=variable"),
        ("Header set R a env!=X", "Unknown parameter: env!=X"),
        ("Header set R a env=X early", "Too many arguments to directive"),
        ("Header set 'a b' x", "'a b' can't be the name of a header"),
        ("Header edit R a", "Header edit requires a match and a substitution"),
        ("Header edit R ( b", "Header edit regex could not be compiled"),
        ("Header echo (", "Header echo regex could not be compiled"),
        ("Header set R %q", "Unrecognized header format %q"),
        ("Header set R %{X}q", "Unrecognized header format %q"),
        ("Header set R %e", "Unrecognized header format %e"),
        ("Header set R '50% off'", "a percent sign is %%"),
        ("Header set R %i", "Unrecognized header format %i"),
        ("Header set R a expr=zz", "Can't parse envclause/expression"),
        ("Header set R expr=%{ZZ}", "Can't parse value expression : Variable 'ZZ' does not exist"),
        ("RequestHeader echo R", "Header echo only valid on Header directives"),
        ("RequestHeader note R x", "RequestHeader does not support the 'note' action"),
        ("RequestHeader always set R x", "it is 'always'"),
        ("ExpiresActive maybe", "ExpiresActive must be On or Off"),
        ("ExpiresByType text/html", "ExpiresByType takes two arguments"),
        ("ExpiresByType text A5", "should contain a slash"),
        ("ExpiresDefault foo", "unrecognised <base> 'foo'"),
        ("ExpiresDefault ''", "ExpiresDefault takes one argument"),
        ("ExpiresDefault ' '", "it is empty"),
        ("ExpiresDefault 'access plus 1'", "missing <type>"),
        ("ExpiresDefault 'access plus 1 fortnight'", "unrecognised <type> 'fortnight'"),
        ("ExpiresDefault 'access plus x days'", "numeric value expected <num> 'x'"),
        ("ExpiresDefault 'access plus 1 day, 2 hours plus'", "numeric value expected <num> 'plus'"),
    ],
)
def test_refused(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Scope().say(line)
    assert said in caught.value.message


def test_early_is_for_the_server_alone() -> None:
    for kind in ("Directory", "htaccess"):
        with pytest.raises(ConfigError, match="with early can't stand in a section"):
            within(kind, "/srv/").say("Header set A b early")


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("Header unset Server", "ServerTokens says how much it tells"),
        ("Header always set Connection close", "KeepAlive, or the variable nokeepalive"),
        ("Header set Content-Length 3", "it is that of the body"),
        ("PassEnv NOBODY_HAS_THIS", "AH01506: PassEnv variable NOBODY_HAS_THIS was undefined"),
        ("ExpiresDefault 'Access plus 1 month'", "write the words in lower case"),
    ],
)
def test_warned(line: str, warning: str) -> None:
    scope = Scope().say(line)
    assert warning in scope.warnings[0]
    assert headers.RESPONSE not in scope.conf
    assert headers.ALWAYS not in scope.conf


def test_variables_of_scopes() -> None:
    outer = in_directory("SetEnv A 1", "SetEnv B 2", "UnsetEnv A")
    inner = in_directory("UnsetEnv b c", "SetEnv C 3", "SetEnv a 4")
    assert outer[env.VARIABLES].values == (("A", "1"), ("B", "2"))
    assert outer.merged(inner)[env.VARIABLES].values == (("A", "4"), ("C", "3"))


def test_lifetimes() -> None:
    conf = in_directory(
        "ExpiresDefault M60",
        "ExpiresByType Text/CSS 'modification plus 2 weeks'",
        "ExpiresByType a/b A9999999999999",
    )
    assert conf[expires.DEFAULT] == Lifetime(60, True)
    assert conf[expires.BY_TYPE]["text/css"] == Lifetime(1209600, True)
    assert conf[expires.BY_TYPE]["a/b"].seconds < 1 << 40


def test_they_reach_those_who_serve(tmp_path: Path) -> None:
    (tmp_path / "httpd.conf").write_text(
        "SetEnv A b\nSetEnvIf ^X- (.) V=$1 !W\nSetEnvIfExpr true V\nExpiresDefault M5\n"
        'Header edit A "(b)" "expr=%{REQUEST_URI}" "expr=true"\nRequestHeader set X "%{V}e %%" env=!V\nHeader echo ^X\n'
    )
    configuration = load("httpd.conf", REGISTRY, root=str(tmp_path))
    served = Finished(write(configuration), registry)
    try:
        settings: tuple[Setting[Any], ...] = (env.VARIABLES, expires.DEFAULT, headers.REQUEST)
        for setting in settings:
            assert served.main.base[setting] == configuration.main.base[setting] != setting.default
        for given, found in (
            (configuration.main.base[headers.RESPONSE], served.main.base[headers.RESPONSE]),
            (configuration.main.conf[setenvif.SERVER_RULES], served.main.conf[setenvif.SERVER_RULES]),
        ):
            assert len(given) == len(found) == 2
            for one, other in zip(given, found, strict=True):
                assert [its for its in one if not hasattr(its, "search")] == [
                    its for its in other if not hasattr(its, "search")
                ]
    finally:
        served.close()


def test_a_variable_that_would_keep_requests_here() -> None:
    scope = Scope()
    scope.say("SetEnvIf Request_URI ^/x !no-proxy")
    assert scope.warnings == []
    scope.say("SetEnvIf Request_URI ^/x No-Proxy=1")
    (warning,) = scope.warnings
    assert "no-proxy makes no difference here: write ProxyPass PATH ! before other ones" in warning
