"""The directives of mod_proxy: what they refuse, with the remedy."""

from __future__ import annotations

import pytest

from modules.scopes import Scope
from mpserver.errors import ConfigError
from mpserver.modules.proxy import targets
from mpserver.modules.proxy.targets import Target


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
        ("ProxyPass /x http://h/ hcmethod=GET", "tried again after the time of retry="),
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
    ("url", "found"),
    [
        ("http://H/x?y", Target("http", "h", 80, "H", "/x?y")),
        ("https://h", Target("https", "h", 443, "h", "")),
        ("http://[::1]:8080/", Target("http", "::1", 8080, "[::1]:8080", "/")),
        ("unix:/run/a.sock|http://localhost/a", Target("http", "localhost", 80, "localhost", "/a", "/run/a.sock")),
        ("unix:/run/A.sock|fcgi://", Target("fcgi", "", 8000, "", "", "/run/A.sock")),
        ("unix:a.sock|http://localhost/", None),
        ("http://a@h/", None),
        ("http://h/a\nb", None),
        ("gopher://h/", None),
        ("http://h:70000/", None),
    ],
)
def test_urls(url: str, found: Target | None) -> None:
    assert targets.parse(url) == found
