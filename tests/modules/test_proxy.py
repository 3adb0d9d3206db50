"""The directives of mod_proxy: what they refuse, with the remedy."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modules.scopes import REGISTRY, Scope
from mpserver.api.error_log import ErrorLog
from mpserver.api.tasks import Apart
from mpserver.config.configuration import load
from mpserver.errors import ClientGone, ConfigError
from mpserver.ipc.member_health import MemberHealth
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.modules.proxy import MEMBERS, checks, roads, targets
from mpserver.modules.proxy.backends import Backends
from mpserver.modules.proxy.checker import Watch
from mpserver.modules.proxy.checks import Checked
from mpserver.modules.proxy.handler import Proxy
from mpserver.modules.proxy.probes import question
from mpserver.modules.proxy.targets import Target
from mpserver.modules.ssl import PROXY_ENGINE


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ProxyPass /x", "needs a path when not defined in a location"),
        ("ProxyPass /x http:", "must be a URL, as in http://localhost:8080/"),
        ("ProxyPass /x http:///x", "has no host"),
        ("ProxyPass /x http://u@h/", "has no host"),
        ("ProxyPass /x http://h:99999/", "a port that is none"),
        ("ProxyPass /x ajp://h/", "no way to speak ajp: use one of http, https"),
        ("ProxyPass /x ftp://h/", "no way to speak ftp"),
        ("ProxyPass /x 'http://h/a b'", "a '#' or a blank"),
        ("ProxyPass x http://h/", "must begin with a slash"),
        ("ProxyPass /x http://h/ what", "Parameter must be in the form 'key=value'"),
        ("ProxyPass /x http://h/ what=1", "unknown parameter what: servers have acquire"),
        ("ProxyPass /x http://h/ timeout=soon", "timeout=soon"),
        ("ProxyPass /x http://h/ retry=-1", "retry=-1"),
        ("ProxyPass /x http://h/ loadfactor=0", "a number between 1 and 100"),
        ("ProxyPass /x http://h/ status=+Z", "unknown status 'Z'"),
        ("ProxyPass /x http://h/ ping=1", "can't be had: leave it out"),
        (
            "ProxyPass /x http://h/ hcmethod=GET",
            "health checks are for members of balancers: write it in BalancerMember",
        ),
        ("ProxySet http://h/ hcinterval=5", "health checks are for members of balancers"),
        ("BalancerMember balancer://b http://h hcmethod=CPING", "Health check method CPING not (yet) implemented"),
        ("BalancerMember balancer://b http://h hcmethod=PUT", "there are TCP, OPTIONS, HEAD, GET, OPTIONS11"),
        ("BalancerMember balancer://b fcgi://h hcmethod=GET", "can't be asked by fcgi: write hcmethod=TCP"),
        ("BalancerMember balancer://b http://h hcinterval=99ms", "a positive value of at least 100ms"),
        ("BalancerMember balancer://b http://h hcinterval=often", "has wrong format"),
        ("BalancerMember balancer://b http://h hcpasses=-1", "must be a whole number from 0"),
        ("BalancerMember balancer://b http://h hcfails=few", "must be a whole number from 0"),
        ("BalancerMember balancer://b http://h hcuri=/" + "x" * 63, "Health check uri length must be < 64 characters"),
        ("BalancerMember balancer://b http://h hcuri=/a#b", "has a sign in it that can't be sent"),
        ("BalancerMember balancer://b http://h hcexpr=none", "Unknown health check condition expr: none"),
        ("BalancerMember balancer://b http://h hctemplate=none", "Unknown ProxyHCTemplate name: none"),
        ("BalancerMember balancer://b http://h hctemplate", "Unknown ProxyHCTemplate name: "),
        ("ProxyHCTemplate", "Missing template name"),
        ("ProxyHCTemplate a hcmethod", "is no parameter of a check"),
        ("ProxyHCTemplate a timeout=3", "'timeout=3' is no parameter of a check: write hcexpr, hcfails"),
        ("ProxyHCTemplate a hcexpr=none", "Unknown health check condition expr: none"),
        ("ProxyHCExpr", "Missing expression name"),
        ("ProxyHCExpr a", "Missing expression for ProxyHCExpr"),
        ("ProxyHCExpr a {}", "Missing expression for ProxyHCExpr"),
        ("ProxyHCExpr abcdefghijklmnop {true}", "Expression name limited to 15 characters"),
        ("ProxyHCExpr a true false", "extra parameter(s): put the expression into braces"),
        ("ProxyHCExpr a {%{REQUEST_STATUS} =}", "Could not parse expression"),
        ("ProxyHCExpr a {%{REQUEST_URI} == '/'}", "%{REQUEST_URI} says nothing of the answer to a check"),
        ("ProxyHCExpr a {true && -n req('Host')}", "req() says nothing of the answer"),
        ("ProxyHCExpr a {-R '10.0.0.0/8'}", "-R says nothing of the answer"),
        ("ProxyHCExpr a {-A '/x'}", "-A says nothing of the answer"),
        ("ProxyHCTPsize -1", "must be a whole number from 0 to 1024"),
        ("ProxyPass /x http://h/ interpolate", "RewriteRule"),
        ("ProxyPass /x balancer://b/ lbmethod=bytraffic", "there are byrequests and bybusyness"),
        ("ProxyPassMatch ( http://h/", "Regular expression could not be compiled"),
        ("ProxyPassMatch ^/(.*) http://$1", "it can't be taken from the request"),
        ("ProxyPassMatch ^/(.*) http://$1.example/", "it can't be taken from the request"),
        ("ProxyPassReverse http://h/", "needs a path when not defined in a location"),
        ("ProxyPassReverse x http://h/", "must begin with a slash"),
        ("ProxyRequests On", "is no forward proxy"),
        ("ProxyBlock example.com", "use Require in <Proxy>"),
        ("ProxyRemote * http://h:1", "name the server behind in ProxyPass itself"),
        ("ProxyErrorOverride Perhaps", "must be On or Off"),
        ("ProxyErrorOverride On 200", "between 400 and 599"),
        ("ProxyVia maybe", "must be one of: off, on, full, block"),
        ("ProxyTimeout x", "wrong format"),
        ("ProxyIOBufferSize much", "must be a whole number"),
        ("ProxyIOBufferSize 511", "must be >= 512 bytes, or 0 for system default"),
        ("ProxyReceiveBufferSize 1", "must be >= 512 bytes"),
        ("BalancerGrowth x", "must be a whole number"),
        ("ProxyBadHeader StartBody", "can't be had"),
        ("ProxyPassInterpolateEnv On", "can't be had"),
        ("BalancerMember http://h", "must be in <Proxy balancer://name>"),
        ("BalancerMember balancer://b balancer://c", "can't be a member of another"),
        ("BalancerMember balancer://b", "must define remote proxy server"),
        ("ProxySet timeout=3", "needs the URL of a server or balancer first"),
        ("ProxySet http://h/", "needs a parameter"),
    ],
)
def test_what_can_not_be_meant_is_refused(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Scope().say(line)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("word", "status", "warnings"),
    [("+H", "H", 0), ("DIH", "DIH", 0), ("+D-D+I", "I", 0), ("+h", "H", 0), ("+E", "", 1), ("+C-C", "", 0)],
)
def test_the_state_of_a_member(word: str, status: str, warnings: int) -> None:
    scope = Scope().say(f"BalancerMember balancer://b http://h status={word}")
    assert scope.server[MEMBERS]["balancer://b"][0].parameters == {"status": status}
    assert len(scope.warnings) == warnings


def test_checks_of_members() -> None:
    scope = Scope().say(
        "ProxyHCExpr Fine {hc('body') =~ /ok/}",
        "ProxyHCTemplate Own hcinterval=5 hcexpr=Fine",
        "ProxyHCTemplate more hctemplate=OWN hcmethod=GET11 hcpasses=2",
        "BalancerMember balancer://B http://h/a hcmethod=none",
        "BalancerMember balancer://B http://h/a hctemplate=own",
        "BalancerMember balancer://B http://h/a hctemplate=more hcfails=3 hcuri=/x?y status=+C",
    )
    none, own, more = (member.check for member in scope.server[MEMBERS]["balancer://b"])
    assert none is None and own is not None and more is not None
    assert own[1:7] == ("TCP", 0, 5.0, 1, 1, "")
    assert more[1:7] == ("GET", 1, 5.0, 2, 3, "/x?y")
    assert own.condition is not None and own.condition.text == "hc('body') =~ /ok/"
    assert (own.begins_failed, more.begins_failed) == (False, True)


MEMBER = "BalancerMember balancer://b https://h hcmethod=GET"


@pytest.mark.parametrize(
    ("outside", "one", "other", "found"),
    [
        ("", MEMBER, MEMBER, 1),
        ("", MEMBER, f"ServerAdmin a@b\n{MEMBER} route=x", 1),
        ("", MEMBER, f"{MEMBER} hcfails=2", 2),
        ("", MEMBER, f"{MEMBER} timeout=3", 2),
        ("", f"{MEMBER} timeout=3", f"ProxyTimeout 3\n{MEMBER}", 1),
        ("", f"{MEMBER} connectiontimeout=3", MEMBER, 2),
        ("", MEMBER, f"ProxyTimeout 3\n{MEMBER}", 2),
        ("", MEMBER, f"{MEMBER}\nTimeout 3", 2),
        ("", MEMBER, f"ProxySourceAddress 127.0.0.2\n{MEMBER}", 2),
        ("", MEMBER, f"{MEMBER}\nSSLProxyCheckPeerName Off", 2),
        ("", MEMBER, f"{MEMBER}\n<Proxy balancer://b>\nSSLProxyVerify none\n</Proxy>", 2),
        ("", f"ProxyHCExpr a true\n{MEMBER} hcexpr=a", f"ProxyHCExpr a false\n{MEMBER} hcexpr=a", 2),
        (MEMBER, "ServerAdmin a@b", "ProxyTimeout 3", 1),
        (MEMBER, MEMBER, f"ProxyTimeout 3\n{MEMBER}", 2),
    ],
)
def test_members_that_look_alike(tmp_path: Path, outside: str, one: str, other: str, found: int) -> None:
    """Two hosts' members have one check only where all that it goes by is the same."""
    (tmp_path / "httpd.conf").write_text(
        "Listen 127.0.0.1:80\nLoadModule proxy_module modules/mod_proxy.so\n"
        "LoadModule ssl_module modules/mod_ssl.so\nSSLProxyEngine On\nSSLProxyVerify require\n"
        f"{outside}\n<VirtualHost *>\n{one}\n</VirtualHost>\n<VirtualHost *>\n{other}\n</VirtualHost>\n"
    )
    configuration = load("httpd.conf", REGISTRY, root=str(tmp_path))
    checks.number(configuration)
    told = checks.find(configuration)
    assert told is not None and len(told.members) == found
    numbers = {member.check.number for member in told.members}
    assert len(numbers) == found and 0 not in numbers
    assert all(member.encryption is not None and member.encryption[PROXY_ENGINE] for member in told.members)
    assert checks.faults(configuration) == []
    for server in (configuration.main, *configuration.hosts):  # (which is where those look who serve)
        for members in server.conf[MEMBERS].values():
            assert {member.check.number for member in members if member.check} <= numbers


@pytest.mark.parametrize(
    ("url", "parameters", "first"),
    [
        ("http://h", "hcmethod=GET", "GET / HTTP/1.0\r\nHost: h:80\r\n\r\n"),
        ("http://h/", "hcmethod=GET hcuri=health", "GET /health HTTP/1.0\r\nHost: h:80\r\n\r\n"),
        ("http://h/a/", "hcmethod=HEAD hcuri=/b/?c", "HEAD /a/b/?c HTTP/1.0\r\nHost: h:80\r\n\r\n"),
        ("http://h:81/a?b", "hcmethod=HEAD11", "HEAD /a HTTP/1.1\r\nHost: h:81\r\nConnection: close\r\n\r\n"),
        ("https://[::1]/a", "hcmethod=OPTIONS hcuri=b", "OPTIONS * HTTP/1.0\r\nHost: [::1]:443\r\n\r\n"),
        ("unix:/run/a.sock|http://h/", "hcmethod=GET", "GET / HTTP/1.0\r\nHost: h:80\r\n\r\n"),
    ],
)
def test_what_a_check_asks(url: str, parameters: str, first: str) -> None:
    scope = Scope().say(f"BalancerMember balancer://b {url} {parameters}")
    member = scope.server[MEMBERS]["balancer://b"][0]
    target = targets.parse(member.url)
    assert target is not None and member.check is not None
    checked = Checked("balancer://b", url, member.check, target, {}, 1.0, None, None)
    assert question(checked).decode() == first


@pytest.mark.parametrize(
    ("fails", "passes", "outcomes", "states"),
    [
        (1, 1, "-+-+", "0101"),
        (2, 1, "-+-+--", "110110"),
        (2, 3, "--+++-+--", "100011100"),
        (0, 0, "-+", "01"),
    ],
)
def test_how_checks_are_counted(fails: int, passes: int, outcomes: str, states: str) -> None:
    """As httpd does: those in between, which say what is thought already, do not begin anew."""
    scope = Scope().say(f"BalancerMember balancer://b http://h hcmethod=TCP hcfails={fails} hcpasses={passes}")
    check = scope.server[MEMBERS]["balancer://b"][0].check
    target = targets.parse("http://h")
    assert check is not None and target is not None
    check = check._replace(number=1)
    health = MemberHealth(Scoreboard.create(1))
    health.claim([(check.number, False)])
    log = ErrorLog(os.open(os.devnull, os.O_WRONLY), 0)
    watch = Watch(Checked("balancer://b", "http://h", check, target, {}, 1.0, None, None), health, log)
    found = ""
    for outcome in outcomes:
        watch.judge("why" if outcome == "-" else "")
        found += "10"[health.of(check.number).failed]
    os.close(log.fd)
    assert found == states


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://H/x?y", Target("http", "h", 80, "H", "/x?y")),
        ("https://h", Target("https", "h", 443, "h", "")),
        ("http://[::1]:8080/", Target("http", "::1", 8080, "[::1]:8080", "/")),
        ("unix:/run/a.sock|http://localhost/a", Target("http", "localhost", 80, "localhost", "/a", "/run/a.sock")),
        ("unix:/run/A.sock|fcgi://", Target("fcgi", "", 8000, "", "", "/run/A.sock")),
        ("unix:a.sock|http://localhost/", None),
        ("http://a@h/", None),
        *((f"http://h/{sign}", None) for sign in ("a\nb", "a b", "a\tb", "?a\tb", "?a\x01", "?a\x7f")),
        ("http://h/?\xe4", Target("http", "h", 80, "h", "/?\xe4")),
        ("gopher://h/", None),
        ("http://h:70000/", None),
    ],
)
def test_urls(url: str, found: Target | None) -> None:
    assert targets.parse(url) == found


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each road may take 2 MiB."""
    proxy: Any = Proxy()
    monkeypatch.setattr(roads, "road_of", lambda _req: None)
    for _ in range(100):
        proxy._road(SimpleNamespace(mp_plan=object()))
        assert 0 < len(proxy._roads) <= 32


def test_a_client_that_leaves_during_a_look_up() -> None:
    """Its leaving is no failure of the name."""
    target = Target("http", "name.example", 80, "name.example", "/")
    task = Backends().connected("key", target, {}, 1.0, None, None)
    assert isinstance(next(task), Apart)
    with pytest.raises(ClientGone):
        task.throw(ClientGone("it left"))
