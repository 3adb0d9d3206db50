"""The directives of mod_proxy and of what belongs to it."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.override import Override as Class
from mpserver.config.registry import EVERYWHERE, NOT_HTACCESS, SERVER_VHOST, Args, Call, Directive, Where
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError, ExpressionError
from mpserver.modules import values
from mpserver.modules.proxy import (
    ADD_HEADERS,
    COOKIE_DOMAINS,
    COOKIE_PATHS,
    ERROR_OVERRIDE,
    FCGI_VARIABLES,
    IGNORE_BAD_HEADERS,
    LOCATION_PASS,
    MAX_FORWARDS,
    MEMBERS,
    PASS_INHERIT,
    PASSES,
    PRESERVE_HOST,
    REVERSES,
    SOURCE_ADDRESS,
    TIMEOUT,
    VIA,
    WORKERS,
    Member,
    Override,
    Pass,
    Reverse,
    Variable,
    check_parameters,
    parameters,
    targets,
)
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re

_LOCATIONS = ("Location", "LocationMatch")
_SCHEMES = ", ".join(targets.PORTS)


def _checked(call: Call, url: str) -> str:
    """A URL whose server is known now. :raises ConfigError: of one that there is no way to."""
    base, rest = targets.split_url(url)
    socket, bar, bare = base.rpartition("|")
    if bar:
        kind, colon, name = socket.partition(":")
        if kind.lower() != "unix" or not colon:
            raise ConfigError(f"{call.name} {url!r}: write unix:/path/of/the.socket|http://localhost/")
        base = f"unix:{values.path(call, name)}|{bare}"
    scheme = bare.partition("://")[0]
    if targets.parse(base) is None:
        if "://" not in bare:
            raise ConfigError(f"{call.name} {url!r} must be a URL, as in http://localhost:8080/")
        if scheme.lower() not in targets.PORTS:
            raise ConfigError(f"{call.name} {url!r}: there is no way to speak {scheme}: use one of {_SCHEMES}")
        raise ConfigError(
            f"{call.name} {url!r} has no host (it can't be taken from the request), or a port that is none"
        )
    if "#" in rest or any(ord(char) <= 32 or ord(char) == 127 for char in rest):
        raise ConfigError(f"{call.name} {url!r} has a '#' or a blank in it: encode it with %")
    return base + rest


def _pass(match: bool) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        words = list(call.args)
        section = call.section
        if section is not None:
            if section.kind not in _LOCATIONS:
                raise ConfigError(f"{call.name} cannot occur within <{section.kind}> section")
            if len(words) > 1 and (words[1] == "!" or "://" in words[1]):
                raise ConfigError(f"{call.name} can not have a path when defined in a location")
            words.insert(0, section.path)
        if len(words) < 2:
            raise ConfigError(f"{call.name} needs a path when not defined in a location")
        prefix, url, *rest = words
        # (a LocationMatch has no prefix; the path of a Location is a pattern to ProxyPassMatch, as in httpd)
        matched = match or (section is not None and section.kind == "LocationMatch")
        if prefix == "~" and section is None and not match and rest:
            prefix, url, *rest = url, *rest
            matched = True
        pattern: re.Pattern[str] | None = values.regex(call, prefix) if matched else None
        if pattern is None and not prefix.startswith("/"):
            raise ConfigError(f"{call.name} {prefix!r} must begin with a slash: it is the path of a request")
        keywords = {word.lower() for word in rest if "=" not in word}
        if keywords - {"nocanon", "noquery", "interpolate"}:
            raise ConfigError(
                f"Invalid {call.name} parameter {min(keywords - {'nocanon', 'noquery', 'interpolate'})!r}. "
                "Parameter must be in the form 'key=value'."
            )
        if "interpolate" in keywords:
            raise ConfigError(
                f"{call.name} interpolate can't be had: use RewriteRule with %{{ENV:name}} and the flag P"
            )
        target = ""
        if url != "!":
            target = _checked(call, url)
            _say(call, target, [word for word in rest if "=" in word])
        found = Pass("" if matched else prefix, pattern, target, "nocanon" in keywords, "noquery" in keywords)
        if section is None:
            if pattern is None and target and prefix.endswith("/") != target.partition("?")[0].endswith("/"):
                call.warn(f"{call.name} {prefix} {url}: one of them ends with a slash, the other does not")
            call.server[PASSES] = (*call.server.values.get(PASSES, ()), found)
        else:
            call.conf[LOCATION_PASS] = found

    return apply


def _say(call: Call, url: str, words: list[str]) -> None:
    """Take in what is said of a server, or of a balancer."""
    base, rest = targets.split_url(url)
    of_balancer = base.lower().startswith("balancer://")
    rest = rest.partition("$")[0]
    told = parameters.read(call, words, of_balancer)
    if told or of_balancer:
        key = base.lower() if of_balancer else base + rest
        before = call.server.values.get(WORKERS, {})
        call.server[WORKERS] = {**before, key: {**before.get(key, {}), **told}}


def _of_section(call: Call) -> str:
    """The URL of the Proxy section around; "" where there is none."""
    section = call.section
    if section is None:
        return ""
    if section.kind != "Proxy":
        raise ConfigError(f"{call.name} cannot occur within <{section.kind}> section")
    return section.path


def _member(call: Call) -> None:
    words = list(call.args)
    balancer = _of_section(call)
    if not balancer and words:
        balancer = words.pop(0)
    if not balancer.lower().startswith("balancer://"):
        raise ConfigError(f"{call.name} must be in <Proxy balancer://name>, or begin with balancer://name")
    if not words:
        raise ConfigError(f"{call.name} must define remote proxy server: write its URL")
    url = _checked(call, words[0])
    if url.lower().startswith("balancer://"):
        raise ConfigError(f"{call.name}: a balancer can't be a member of another")
    key = targets.split_url(balancer)[0].lower()
    words = words[1:]
    of_check = [word for word in words if word.partition("=")[0].lower() in check_parameters.NAMES]
    told = parameters.read(call, [word for word in words if word not in of_check], False)
    check = check_parameters.check(call, url, check_parameters.read(call, of_check), str(told.get("status", "")))
    before = call.server.values.get(MEMBERS, {})
    call.server[MEMBERS] = {**before, key: (*before.get(key, ()), Member(url, told, check))}


def _set(call: Call) -> None:
    words = list(call.args)
    url = _of_section(call)
    if not url:
        if "://" not in words[0]:
            raise ConfigError(f"{call.name} needs the URL of a server or balancer first, outside of <Proxy>")
        url = words.pop(0)
    if not words:
        raise ConfigError(f"{call.name} needs a parameter, as in timeout=30")
    _say(call, _checked(call, url), words)


def _reverse(setting: Setting[tuple[Reverse, ...]], backward: bool) -> Callable[[Call], None]:
    """ProxyPassReverse [path] url; of cookies (``backward``): what is told first, then what is shown."""

    def apply(call: Call) -> None:
        words = [word for word in call.args if word.lower() != "interpolate"]
        if len(words) != len(call.args):
            raise ConfigError(f"{call.name} interpolate can't be had: write the values themselves")
        if backward:
            found = Reverse(*words)
        else:
            section = call.section
            if section is not None and section.kind in _LOCATIONS:
                if len(words) == 1:
                    if section.kind == "LocationMatch":
                        call.warn(f"{call.name} has no effect: in a LocationMatch it needs the path that clients see")
                        return
                    words.insert(0, section.path)
            elif len(words) == 1:
                raise ConfigError(f"{call.name} needs a path when not defined in a location")
            shown, told = words
            if not shown.startswith("/"):
                raise ConfigError(f"{call.name} {shown!r} must begin with a slash: it is the path of a request")
            if told != "!":
                told = told.rpartition("|")[2]
            found = Reverse(told, shown)
        call.conf[setting] = (*call.conf.values.get(setting, ()), found)

    return apply


def _override(call: Call) -> None:
    word, *codes = call.args
    if word.lower() not in ("on", "off"):
        raise ConfigError(f"{call.name} must be On or Off, and then statuses that it is for")
    if not all(code.isdecimal() and code.isascii() and 400 <= int(code[:4]) <= 599 for code in codes):
        raise ConfigError(f"{call.name}: its statuses must be between 400 and 599")
    call.conf[ERROR_OVERRIDE] = Override(word.lower() == "on", tuple(map(int, codes)))


def _refused(remedy: str) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        raise ConfigError(f"{call.name} can't be had: {remedy}")

    return apply


def _off_only(remedy: str) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        if call.flag:
            raise ConfigError(f"{call.name} On can't be had: {remedy}")

    return apply


def _idle(call: Call) -> None:
    call.warn(f"{call.name} makes no difference here")


def _idle_size(call: Call) -> None:
    size = values.number(0)(call, call.args[0])
    if 0 < size < LEAST_BUFFER:
        raise ConfigError(f"{call.name} must be >= {LEAST_BUFFER} bytes, or 0 for system default")
    _idle(call)


def _idle_number(call: Call) -> None:
    values.number(0)(call, call.args[0])
    _idle(call)


def _backend_type(call: Call) -> None:
    """Every FastCGI server gets SCRIPT_FILENAME as a path: FPM, too, which would take httpd's proxy:fcgi:// off."""
    values.one_of("fpm", "generic")(call, call.args[0])


def _variable(call: Call) -> None:
    from mpserver.config import expression_grammar  # (few configurations have any)

    name = call.args[1]
    removed = name.startswith("!")
    if not name.strip("!"):
        raise ConfigError(f"{call.name} {name!r} names no variable: write NAME or !NAME")
    if removed and len(call.args) == 3:
        raise ConfigError(f"{call.name} {name}: a variable that is taken away has no value")
    try:
        condition = expression_grammar.test(call.args[0])
    except ExpressionError as error:
        raise ConfigError(f'{call.name}: Could not parse expression "{call.args[0]}": {error}') from error
    value = None if removed else values.expression(call, call.args[2] if len(call.args) == 3 else "")
    found = Variable(condition, name.removeprefix("!"), value)
    call.conf[FCGI_VARIABLES] = (*call.conf.values.get(FCGI_VARIABLES, ()), found)


def _bad_header(call: Call) -> None:
    found = values.choice({"iserror": False, "ignore": True, "startbody": None})(call, call.args[0])
    if found is None:
        raise ConfigError(f"{call.name} StartBody can't be had: a head that is broken must not become a body")
    call.server[IGNORE_BAD_HEADERS] = found


def _status(call: Call) -> None:
    values.one_of("off", "on", "full")(call, call.args[0])
    if call.args[0].lower() != "off":
        _idle(call)


_FORWARD = (
    "this server is no forward proxy, which would ask whomever its clients name: use ProxyPass for the servers behind"
)

_HOSTS = "names of hosts"

#: The least size of a buffer, in bytes, that can be named.
LEAST_BUFFER = 512

DIRECTIVES: tuple[Directive, ...] = (
    Directive("ProxyPass", Args.ANY, NOT_HTACCESS, _pass(False), help="a path and a URL, or '!'"),
    Directive("ProxyPassMatch", Args.ANY, NOT_HTACCESS, _pass(True), help="a regular expression and a URL, or '!'"),
    Directive("ProxyPassReverse", Args.TAKE123, NOT_HTACCESS, _reverse(REVERSES, False), help="a path and a URL"),
    Directive(
        "ProxyPassReverseCookieDomain",
        Args.TAKE23,
        NOT_HTACCESS,
        _reverse(COOKIE_DOMAINS, True),
        help="the domain that is told, and the one that is shown",
    ),
    Directive(
        "ProxyPassReverseCookiePath",
        Args.TAKE23,
        NOT_HTACCESS,
        _reverse(COOKIE_PATHS, True),
        help="the path that is told, and the one that is shown",
    ),
    Directive("ProxyPassInherit", Args.FLAG, SERVER_VHOST, values.server(PASS_INHERIT, values.flag)),
    Directive(
        "ProxyPassInterpolateEnv", Args.FLAG, NOT_HTACCESS, _off_only("use RewriteRule with %{ENV:name} and the flag P")
    ),
    Directive("ProxyPreserveHost", Args.FLAG, NOT_HTACCESS, values.directory(PRESERVE_HOST, values.flag)),
    Directive("ProxyAddHeaders", Args.FLAG, NOT_HTACCESS, values.directory(ADD_HEADERS, values.flag)),
    Directive("ProxyErrorOverride", Args.ITERATE, NOT_HTACCESS, _override, help="On or Off, and statuses"),
    Directive("ProxyTimeout", Args.TAKE1, SERVER_VHOST, values.server(TIMEOUT, values.seconds), help="a time"),
    Directive(
        "ProxyVia",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(VIA, values.one_of("off", "on", "full", "block")),
        help="off, on, full or block",
    ),
    Directive(
        "ProxyMaxForwards",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(MAX_FORWARDS, values.number(-1, 1 << 20)),
        help="a number",
    ),
    Directive("ProxyBadHeader", Args.TAKE1, SERVER_VHOST, _bad_header, help="IsError or Ignore"),
    Directive(
        "ProxySourceAddress", Args.TAKE1, SERVER_VHOST, values.server(SOURCE_ADDRESS, values.filled), help="an address"
    ),
    Directive("BalancerMember", Args.ANY, Where.SERVER | Where.VHOST | Where.DIRECTORY, _member),
    Directive("ProxySet", Args.ITERATE, Where.SERVER | Where.VHOST | Where.DIRECTORY, _set, help="key=value"),
    Directive(
        "ProxyHCTemplate", Args.ANY, NOT_HTACCESS, check_parameters.template, help="a name, and parameters as key=value"
    ),
    Directive(
        "ProxyHCExpr", Args.RAW, NOT_HTACCESS, check_parameters.condition, help="a name, and an expression in braces"
    ),
    Directive("ProxyHCTPsize", Args.TAKE1, Where.SERVER, check_parameters.threads, help="a number"),
    Directive("ProxyRequests", Args.FLAG, SERVER_VHOST, _off_only(_FORWARD)),
    Directive(
        "ProxyBlock",
        Args.ITERATE,
        SERVER_VHOST,
        _refused("it is for forward proxies; use Require in <Proxy>"),
        help=_HOSTS,
    ),
    Directive("ProxyRemote", Args.ANY, SERVER_VHOST, _refused("name the server behind in ProxyPass itself")),
    Directive("ProxyRemoteMatch", Args.ANY, SERVER_VHOST, _refused("name the server behind in ProxyPass itself")),
    Directive("NoProxy", Args.ITERATE, SERVER_VHOST, _refused("it is for forward proxies: leave it out"), help=_HOSTS),
    Directive(
        "ProxyDomain", Args.TAKE1, SERVER_VHOST, _refused("it is for forward proxies: leave it out"), help=_HOSTS
    ),
    Directive(
        "AllowCONNECT", Args.ITERATE, SERVER_VHOST, _refused("it is for forward proxies: leave it out"), help=_HOSTS
    ),
    Directive("ProxyIOBufferSize", Args.TAKE1, SERVER_VHOST, _idle_size, help="a number of bytes"),
    Directive("ProxyReceiveBufferSize", Args.TAKE1, SERVER_VHOST, _idle_size, help="a number of bytes"),
    Directive("ProxyStatus", Args.TAKE1, SERVER_VHOST, _status, help="off, on or full"),
    Directive("BalancerGrowth", Args.TAKE1, SERVER_VHOST, _idle_number, help="a number"),
    Directive("BalancerPersist", Args.FLAG, SERVER_VHOST, _idle),
    Directive("BalancerInherit", Args.FLAG, SERVER_VHOST, _idle),
    Directive(
        "ProxyFCGIBackendType",
        Args.TAKE1,
        NOT_HTACCESS,
        _backend_type,
        help="FPM or GENERIC",
    ),
    Directive(
        "ProxyFCGISetEnvIf",
        Args.TAKE23,
        EVERYWHERE,
        _variable,
        Class.FILEINFO,
        "a condition, a variable or !variable, and its value, in which $1 is what the condition has captured",
    ),
)
